//! `hedgerow audit`: what the trail says, and whether it is what was sealed.

use anyhow::Context;
use hedgerow::audit::{self, Fault, Report};
use hedgerow::records::{self, Wanted};
use hedgerow::schema::{InputError, ListQuery, trail};
use hedgerow::{Caller, Ctx, SignedIn};
use serde_json::{Value, json};

use crate::arguments::{Arguments, AuditCommand};
use crate::commands::{said, table};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

/// What of a row is shown to people.
const SHOWN: [&str; 7] =
    ["createdAt", "method", "endpoint", "statusCode", "responseTime", "userId", "ipAddress"];

pub(crate) async fn run(arguments: &Arguments, command: &AuditCommand) -> anyhow::Result<Exit> {
    let session = Session::open(arguments).await?;
    let exit = match command {
        AuditCommand::Verify { since, json } => {
            let kept = session.app.audit().context("no audit trail is kept")?;
            let report = audit::verify(&session.app, kept, since.as_ref()).await?;
            show(&report, *json)
        }
        AuditCommand::List { filters, limit, json } => list(&session, filters, *limit, *json).await?,
    };
    session.close().await?;
    Ok(exit)
}

fn show(report: &Report, json: bool) -> Exit {
    let fault = report.fault.as_ref();
    if json {
        output::json(&json!({
            "seals": report.seals, "rows": report.rows, "unsealed": report.unsealed,
            "head": report.head.as_ref().map(ToString::to_string),
            "fault": fault.map(|fault| json!({
                "kind": fault.kind(), "message": fault.to_string(), "row": fault.row(), "seal": fault.seal(),
            })),
        }));
    } else {
        output::data(&format!(
            "{}{} rows are as {} seals say; {} wait to be sealed",
            if fault.is_some() { "up to the first fault, " } else { "" },
            report.rows,
            report.seals,
            report.unsealed
        ));
        if let Some(head) = &report.head {
            output::data(&format!("head {head}"));
        }
    }
    match fault {
        None => Exit::Done,
        Some(fault) => {
            output::note(&format!("error: {fault}"));
            if let Fault::Seal { .. } = fault {
                output::note(
                    "hint: seals are signed with HEDGEROW_SECRET; with another secret than the server's, every seal is wrong",
                );
            }
            Exit::Difference
        }
    }
}

async fn list(session: &Session, filters: &[String], limit: u32, json: bool) -> anyhow::Result<Exit> {
    let app = &session.app;
    // The terminal is the operator's: it sees the requests of all, as an administrator does.
    let operator = SignedIn { id: "operator".parse()?, is_admin: true, scopes: None, key: None };
    let ctx = Ctx::new(app.world(), Caller::User(operator), "command");
    let schema = audit::schema(&ctx)?;
    let entity = schema.entity(trail::NAME).context("the trail is an entity")?;
    let limit = limit.to_string();
    let mut parameters = vec![("limit", limit.as_str())];
    for filter in filters {
        let Some(pair) = filter.split_once('=') else {
            output::note(&format!("error: {filter:?} is no filter such as statusCode=gte.400"));
            return Ok(Exit::Usage);
        };
        parameters.push(pair);
    }
    let query = match ListQuery::parse(&schema, entity, &parameters, app.limits()) {
        Ok(query) => query,
        Err(errors) => return Err(wrong(errors)),
    };
    let rows = records::list(&ctx, app, entity, &query, Wanted::default()).await.map_err(said)?;
    let rows: Value = serde_json::from_slice(&rows.body).context("rows are JSON")?;
    if json {
        output::json(&rows);
        return Ok(Exit::Done);
    }
    let mut shown = table(&SHOWN);
    for row in rows.as_array().into_iter().flatten() {
        shown.add_row(SHOWN.map(|name| match &row[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }));
    }
    output::data(&shown.to_string());
    Ok(Exit::Done)
}

fn wrong(errors: Vec<InputError>) -> anyhow::Error {
    let lines: Vec<String> =
        errors.into_iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
    anyhow::anyhow!(lines.join("\n"))
}
