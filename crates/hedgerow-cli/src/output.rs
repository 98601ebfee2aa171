//! What people and programs see: data on standard output, everything else on standard error.

use std::io::{IsTerminal, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use hedgerow::database::migrate::MigrateError;
use hedgerow::project::{Mistakes, ProjectError};
use serde_json::Value;

use crate::exit::Exit;

/// A line of data. A closed pipe ends the output, not the program with a panic.
pub(crate) fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
}

/// A JSON value as data.
pub(crate) fn json(value: &Value) {
    data(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// A line for people.
pub(crate) fn note(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{text}");
}

/// Whether colours are wanted on standard error.
pub(crate) fn in_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Shows an error with all that led to it, and says how the command ends.
pub(crate) fn failure(error: &anyhow::Error) -> Exit {
    if let Some(ProjectError::Problems(mistakes)) = error.downcast_ref() {
        self::mistakes(mistakes);
        return Exit::Failed;
    }
    note(&format!("error: {error}"));
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // A transparent error repeats its cause.
        if text != said {
            note(&format!("  because: {text}"));
        }
        said = text;
    }
    if let Some(hint) = error.chain().find_map(hint) {
        note(&format!("hint: {hint}"));
    }
    if is_unreachable(error) { Exit::Unreachable } else { Exit::Failed }
}

fn is_unreachable(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(hedgerow::database::Error::Connect { .. } | hedgerow::database::Error::Io { .. })
        )
    })
}

/// What to do next, for causes that do not say it themselves.
fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    use hedgerow::Error;
    if let Some(error) =
        cause.downcast_ref::<hedgerow::database::Error>().and_then(hedgerow::database::Error::server)
    {
        return match error.code.code() {
            "42P01" | "42883" | "3F000" => Some(
                "run `hedgerow migrate apply` first; what no file makes yet, `hedgerow migrate new NAME` writes as one"
                    .to_owned(),
            ),
            "42704" | "22023" => Some("run `hedgerow setup` first".to_owned()),
            "28P01" | "28000" => Some("check user and password of the database URL".to_owned()),
            "3D000" => Some("create the database, or correct its name in the URL".to_owned()),
            _ => error.hint.clone(),
        };
    }
    if let Some(MigrateError::Loss { .. }) = cause.downcast_ref() {
        return Some("back up what matters, and repeat with --allow-data-loss".to_owned());
    }
    match cause.downcast_ref::<Error>() {
        Some(Error::UnknownEntity { .. }) => Some("entities are the files of entities/".to_owned()),
        _ => None,
    }
}

/// Shows every mistake in the project's files where it stands.
pub(crate) fn mistakes(mistakes: &Mistakes) {
    let renderer = if in_colour() { Renderer::styled() } else { Renderer::plain() };
    for problem in &mistakes.problems.0 {
        let Some(file) = mistakes.files.iter().find(|file| file.name == problem.file) else {
            note(&format!("error: {problem}"));
            continue;
        };
        // An empty span, at the end of a file for example, is shown as one character.
        let end = problem.span.end.max(problem.span.start + 1).min(file.text.len());
        let span = problem.span.start.min(end)..end;
        let snippet =
            Snippet::source(&file.text).path(&file.name).annotation(AnnotationKind::Primary.span(span));
        let title = Level::ERROR.primary_title(&problem.message);
        let mut group = Group::with_title(title).element(snippet);
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint));
        }
        note(&renderer.render(&[group]).to_string());
        note("");
    }
    match mistakes.problems.0.len() {
        1 => note("error: 1 mistake"),
        count => note(&format!("error: {count} mistakes")),
    }
}
