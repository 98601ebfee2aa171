//! `hedgerow export`: rows to standard output.

use std::io::{BufWriter, Write};

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
    let mut out: BufWriter<Box<dyn Write + Send>> =
        BufWriter::with_capacity(1 << 16, Box::new(std::io::stdout()));
    export(&session.app, &command.entity, user.as_ref(), command.format.into(), &mut out).await?;
    session.close().await?;
    Ok(Exit::Done)
}
