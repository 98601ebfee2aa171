//! The `hedgerow` command. It parses words, calls the library, and shows what comes back; it can do nothing that the
//! library cannot.

mod arguments;
mod commands;
mod exit;
mod output;
mod session;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::exit::Exit;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no mistakes; clap knows where each goes.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&anyhow::Error::new(error).context("cannot start")).into(),
    };
    let work = AssertUnwindSafe(|| runtime.block_on(commands::run(arguments)));
    match std::panic::catch_unwind(work) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => output::failure(&error).into(),
        Err(_) => {
            output::note("error: this is a defect of Hedgerow; please report it with the lines above");
            Exit::Internal.into()
        }
    }
}
