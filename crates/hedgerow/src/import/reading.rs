//! A file that is read on a thread of its own while its rows are written.
//!
//! Always holds: few rows wait, and no more; when nobody takes them any more, reading ends with the next ones. A file that
//! broke off never looks like one that ended.

use std::io::BufRead;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Format;
use super::source::{FileRow, Source};
use crate::error::Error;

/// So many rows go together,
const ROWS: usize = 500;
/// or rows of so many bytes,
const BYTES: usize = 256 << 10;
/// and so many of these wait.
const WAITING: usize = 2;

enum Piece {
    /// What the rows have in common, before the first one.
    Columns(Option<Vec<String>>),
    Rows(Vec<FileRow>),
    End,
}

pub(super) struct Reading {
    columns: Option<Vec<String>>,
    pieces: Receiver<Result<Piece, Error>>,
}

impl Reading {
    /// Begins, and reads as far as the first row.
    pub(super) async fn start(
        format: Format,
        row_limit: usize,
        mut input: impl BufRead + Send + 'static,
    ) -> Result<Self, Error> {
        let (sender, mut pieces) = channel(WAITING);
        // It ends with its file, or when the receiver is gone.
        tokio::task::spawn_blocking(move || {
            let end = read(format, row_limit, &mut input, &sender);
            let _ = sender.blocking_send(end.map(|()| Piece::End));
        });
        match pieces.recv().await.ok_or_else(broken)?? {
            Piece::Columns(columns) => Ok(Self { columns, pieces }),
            Piece::Rows(_) | Piece::End => Err(broken()),
        }
    }

    /// The columns, where all rows have the same.
    pub(super) fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    /// The next rows; `None` when the file was read to its end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<FileRow>>, Error> {
        match self.pieces.recv().await.ok_or_else(broken)?? {
            Piece::Rows(rows) => Ok(Some(rows)),
            Piece::Columns(_) | Piece::End => Ok(None),
        }
    }
}

fn read(
    format: Format,
    row_limit: usize,
    input: &mut (dyn BufRead + Send),
    sender: &Sender<Result<Piece, Error>>,
) -> Result<(), Error> {
    let mut source = Source::open(format, row_limit, input)?;
    let columns = source.columns().map(<[String]>::to_vec);
    let mut is_wanted = sender.blocking_send(Ok(Piece::Columns(columns))).is_ok();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while is_wanted {
        let row = source.next()?;
        let is_end = row.is_none();
        bytes += row.as_ref().map_or(0, |row| row.as_ref().map_or(0, super::source::RawRow::size));
        rows.extend(row);
        if is_end || rows.len() >= ROWS || bytes >= BYTES {
            is_wanted = sender.blocking_send(Ok(Piece::Rows(std::mem::take(&mut rows)))).is_ok() && !is_end;
            bytes = 0;
        }
    }
    Ok(())
}

/// The thread is gone without a word: it panicked.
fn broken() -> Error {
    let source = "the thread that reads the file ended".into();
    Error::Internal { doing: "read the file of an import", source }
}
