//! `hedgerow openapi` and `hedgerow types`: the application's entities in words that other programs read. Neither asks the
//! database.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use hedgerow::config::Mode;
use hedgerow::schema::typescript;
use hedgerow_server::openapi::{About, document};

use crate::arguments::{Arguments, Describe};
use crate::exit::Exit;
use crate::output;
use crate::session::open_project;

pub(crate) fn openapi(arguments: &Arguments, command: &Describe) -> anyhow::Result<Exit> {
    let project = open_project(&arguments.project, BTreeMap::new())?;
    let config = &project.config;
    let about = About::of(
        &config.sign_in.settings(Mode::Production),
        config.limits,
        config.openapi(Mode::Production),
    );
    let document = document(&project.schema()?, &about);
    show(command.out.as_deref(), &serde_json::to_string_pretty(&document)?)
}

pub(crate) fn types(arguments: &Arguments, command: &Describe) -> anyhow::Result<Exit> {
    let project = open_project(&arguments.project, BTreeMap::new())?;
    show(command.out.as_deref(), typescript::types(&project.schema()?).trim_end())
}

fn show(out: Option<&Path>, text: &str) -> anyhow::Result<Exit> {
    match out {
        None => output::data(text),
        Some(file) => {
            std::fs::write(file, format!("{text}\n"))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(Exit::Done)
}
