//! Mails as files, for development: `<stem>.eml` for a mail program, `<stem>.json` for a test or `hedgerow dev`.
//!
//! Always holds: a name that does not begin with a dot is a whole file, and a `.json` comes after its `.eml`; stems sort by
//! time. Files are for the owner alone: links and codes in them are as good as passwords.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;

use super::templates::Letter;

/// Whether a mail's arrival is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// One event with the template and the link or code, for `hedgerow dev`.
    Log,
    /// Nothing.
    Silent,
}

pub(crate) async fn write(
    folder: &Path,
    announce: Announce,
    stem: &str,
    letter: &Letter,
    message: &[u8],
) -> io::Result<()> {
    make_folder(folder).await?;
    put(folder, &format!("{stem}.eml"), message).await?;
    let mut json = Map::new();
    json.insert("to".to_owned(), letter.to.as_str().into());
    json.insert("subject".to_owned(), letter.subject.clone().into());
    json.insert("template".to_owned(), letter.template.name().into());
    json.insert("text".to_owned(), letter.text.clone().into());
    for (key, value) in [("url", &letter.url), ("code", &letter.code)] {
        if let Some(value) = value {
            json.insert(key.to_owned(), value.clone().into());
        }
    }
    put(folder, &format!("{stem}.json"), format!("{}\n", Value::Object(json)).as_bytes()).await?;
    if announce == Announce::Log {
        let (url, code) = (letter.url.as_deref(), letter.code.as_deref());
        tracing::info!(template = %letter.template, url, code, "a mail lies in the folder");
    }
    Ok(())
}

async fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder).await
}

/// Under another name until it is whole.
async fn put(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let half: PathBuf = folder.join(format!(".{name}.part"));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&half).await?;
    file.write_all(content).await?;
    file.flush().await?;
    drop(file);
    tokio::fs::rename(&half, folder.join(name)).await
}
