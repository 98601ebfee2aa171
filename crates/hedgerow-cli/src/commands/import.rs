//! `hedgerow import`: rows from a file.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use hedgerow::import::{Format, ImportOptions, ImportReport, Owner, Refusal, import};
use hedgerow::{Caller, Ctx, users};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::arguments::{Arguments, Import};
use crate::commands::said;
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

/// Refused rows that a person is shown; `--json` has more.
const SHOWN: usize = 20;

pub(crate) async fn run(arguments: &Arguments, command: &Import) -> anyhow::Result<Exit> {
    let Some(format) = command.format.map(Format::from).or_else(|| by_ending(&command.file)) else {
        output::note("error: the file's ending does not tell its format; say --format csv, json or ndjson");
        return Ok(Exit::Usage);
    };
    let (input, length) = open(&command.file)?;
    let session = Session::open(arguments).await?;
    let (caller, owner) = match (&command.user, &command.as_column) {
        (Some(user), _) => {
            (Caller::from(&users::find(&session.app, user).await.map_err(said)?), Owner::Caller)
        }
        (None, Some(column)) => (Caller::Anonymous, Owner::Column(column.clone())),
        (None, None) => unreachable!("the command line insists on one"),
    };
    let options = ImportOptions {
        owner,
        rename: command.rename.clone(),
        ignore: command.ignore.clone(),
        matches: command.matches.clone(),
        missing: command.missing.into(),
        nulls: command.nulls.clone(),
        refusal: if command.partial { Refusal::SkipsRow } else { Refusal::RefusesAll },
        ..ImportOptions::new(&command.entity, format)
    };
    let ctx = Ctx::new(session.app.world(), caller, "command");
    let bar = progress_bar(length);
    let reader = BufReader::with_capacity(1 << 20, bar.wrap_read(input));
    let start = Instant::now();
    let outcome = import(&ctx, &session.app, &options, reader, &mut |progress| {
        bar.set_message(format!("{} rows read, {} written", progress.read, progress.written));
    })
    .await;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    let report = match outcome {
        Ok(report) => report,
        Err(error) if is_about_columns(&error) => {
            output::note(&format!("error: {}", said(error)));
            output::note(
                "hint: leave a column out with --ignore COLUMN, or give it a field with --rename COLUMN=FIELD",
            );
            session.close().await?;
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(said(error)),
    };
    let refused_all = report.refused > 0 && !command.partial;
    if command.json {
        show_json(&report, seconds);
    }
    show(&report, &command.entity, seconds, refused_all);
    session.close().await?;
    Ok(if refused_all { Exit::Failed } else { Exit::Done })
}

/// Whether the file's header is what is wrong.
fn is_about_columns(error: &hedgerow::Error) -> bool {
    error.inputs().iter().any(|input| matches!(input.code, "unknown_field" | "missing_column"))
}

fn by_ending(file: &Path) -> Option<Format> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "json" => Some(Format::Json),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        _ => None,
    }
}

type Input = Box<dyn BufRead + Send>;

fn open(file: &Path) -> anyhow::Result<(Input, Option<u64>)> {
    if file == Path::new("-") {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    }
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let length = opened.metadata().ok().map(|metadata| metadata.len());
    Ok((Box::new(BufReader::new(opened)), length))
}

fn progress_bar(length: Option<u64>) -> ProgressBar {
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::no_length(),
    };
    let style = ProgressStyle::with_template("{bar:30} {percent}% {msg} ({eta} left)");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(report: &ImportReport, entity: &str, seconds: f64, refused_all: bool) {
    if !report.left_out.is_empty() {
        output::note(&format!("left out, because the database sets them: {}", report.left_out.join(", ")));
    }
    for refusal in report.refusals.iter().take(SHOWN) {
        let reasons: Vec<&str> = refusal.errors.iter().map(|error| error.message.as_str()).collect();
        output::note(&format!("line {}: {}", refusal.line, reasons.join("; ")));
    }
    if report.refused > SHOWN as u64 {
        output::note(&format!(
            "… and {} more refused rows (--json names up to 1000)",
            report.refused - SHOWN as u64
        ));
    }
    if report.unmatched > 0 {
        output::note(&format!("{} relations named no row and became null", report.unmatched));
    }
    if refused_all {
        let (refused, read) = (report.refused, report.read);
        // After the first refusal rows are checked, but no longer sent to the database.
        let about = if refused < read { "at least " } else { "" };
        output::note(&format!(
            "error: {about}{refused} of {read} rows were refused, so nothing was imported"
        ));
        output::note("hint: correct them, or import the others with --partial");
        return;
    }
    let skipped = if report.refused > 0 { format!(", {} refused", report.refused) } else { String::new() };
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = report.written as f64 / seconds.max(0.001);
    let owners = if report.owners == 1 { "1 owner".to_owned() } else { format!("{} owners", report.owners) };
    output::note(&format!(
        "imported {} rows of {entity} for {owners} in {seconds:.1} s ({rate:.0} rows/s){skipped}",
        report.written
    ));
}

fn show_json(report: &ImportReport, seconds: f64) {
    let refusals = report.refusals.iter().map(|refusal| {
        let errors = refusal
            .errors
            .iter()
            .map(|error| json!({ "field": error.field, "code": error.code, "message": error.message }));
        json!({ "line": refusal.line, "errors": errors.collect::<Vec<_>>() })
    });
    output::json(&json!({
        "read": report.read, "written": report.written, "owners": report.owners, "refused": report.refused,
        "unmatched": report.unmatched, "leftOut": report.left_out, "seconds": seconds,
        "refusals": refusals.collect::<Vec<_>>(),
    }));
}
