//! Rows to a file. Without a user, the rows of all users, each read as that user: nothing here sees past row-level
//! security.

use std::io::Write;

use hedgerow_database::{Error as DatabaseError, Formulas, Identity, RowFormat, UserId};
use hedgerow_schema::Entity;
use hedgerow_schema::query::select_all;
use hedgerow_schema::statement::{self, Asker, Owned};

use crate::app::App;
use crate::error::Error;
use crate::import::Format;
use crate::users;

/// Writes the rows of an entity, and returns how many.
///
/// `user` sees what that user sees; `None` is every user's own rows, user after user.
///
/// # Errors
/// [`Error`]; what was written until then stays written.
pub async fn export(
    app: &App,
    entity: &str,
    user: Option<&UserId>,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<u64, Error> {
    let schema = app.schema();
    let entity = schema.entity(entity).ok_or_else(|| Error::UnknownEntity { name: entity.to_owned() })?;
    let select = select_all(entity);
    let written = |source| Error::without_entity("write the export", DatabaseError::Output(source));
    let (owners, owned) = match user {
        Some(user) => (vec![user.clone()], Owned::OrReadable),
        None => (users::list(app).await?.into_iter().map(|user| user.id).collect(), Owned::Only),
    };
    let rows = match format {
        Format::Csv => {
            let header: Vec<&str> = select.iter().map(|item| item.key.as_str()).collect();
            writeln!(out, "{}", header.join(",")).map_err(written)?;
            write_rows(app, entity, &owners, owned, RowFormat::Csv(Formulas::Kept), out).await?
        }
        Format::Ndjson => write_rows(app, entity, &owners, owned, RowFormat::Ndjson, out).await?,
        Format::Json => {
            let mut array = JsonArray::new(out);
            let rows = write_rows(app, entity, &owners, owned, RowFormat::Ndjson, &mut array).await?;
            array.finish().map_err(written)?;
            rows
        }
    };
    out.flush().map_err(written)?;
    Ok(rows)
}

async fn write_rows(
    app: &App,
    entity: &Entity,
    owners: &[UserId],
    owned: Owned,
    format: RowFormat,
    out: &mut (dyn Write + Send),
) -> Result<u64, Error> {
    let select = select_all(entity);
    let mut rows = 0;
    for owner in owners {
        let query = statement::export(entity, &select, Asker::User(owner.as_str()), owned);
        let identity = Identity::User(owner.clone());
        let count = app.database().flight(&identity).write_rows(&query, format, out).await;
        rows += count.map_err(|error| Error::from_database("export rows", entity, error))?;
    }
    Ok(rows)
}

/// Makes an array of lines that are objects: each write is one line.
pub(crate) struct JsonArray<'o> {
    out: &'o mut (dyn Write + Send),
    started: bool,
}

impl<'o> JsonArray<'o> {
    pub(crate) fn new(out: &'o mut (dyn Write + Send)) -> Self {
        Self { out, started: false }
    }

    pub(crate) fn finish(self) -> std::io::Result<()> {
        self.out.write_all(if self.started { b"\n]\n" } else { b"[]\n" })
    }
}

impl Write for JsonArray<'_> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.out.write_all(if self.started { b",\n" } else { b"[\n" })?;
        self.started = true;
        self.out.write_all(line.strip_suffix(b"\n").unwrap_or(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
