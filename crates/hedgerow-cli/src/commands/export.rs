//! `hedgerow export`: rows to standard output.

use std::io::{self, BufWriter, Write};

use hedgerow::database::Error;
use hedgerow::export::export;
use hedgerow::users;

use crate::arguments::{Arguments, Export};
use crate::commands::said;
use crate::exit::Exit;
use crate::session::Session;

pub(crate) async fn run(arguments: &Arguments, command: &Export) -> anyhow::Result<Exit> {
    let session = Session::open(arguments).await?;
    let user = match &command.user {
        Some(user) => Some(users::find(&session.app, user).await.map_err(said)?.id),
        None => None,
    };
    let mut out: BufWriter<Box<dyn Write + Send>> = BufWriter::with_capacity(1 << 16, Box::new(io::stdout()));
    let exported =
        export(&session.app, &command.entity, user.as_ref(), command.format.into(), &mut out).await;
    if let Err(error) = exported.map_err(anyhow::Error::from)
        && !is_closed_pipe(&error)
    {
        return Err(error);
    }
    session.close().await?;
    Ok(Exit::Done)
}

/// Whether the reader, such as `head`, has seen enough. A connection to the database that broke is something else.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(Error::Output(source)) if source.kind() == io::ErrorKind::BrokenPipe)
    })
}
