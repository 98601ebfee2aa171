//! What came of an import, in JSON.

use hedgerow::import::{Format, ImportOptions, ImportReport, Refusal, RefusedRow};
use hedgerow::schema::InputError;
use serde_json::{Value, json};

use crate::respond::Failure;

/// The report of an import that was done.
///
/// # Errors
/// [`Failure::RowsRefused`] where one refused row refuses all.
pub(super) fn accepted(report: ImportReport, options: &ImportOptions) -> Result<ImportReport, Failure> {
    if report.refused == 0 || options.refusal == Refusal::SkipsRow {
        return Ok(report);
    }
    let places = match options.format {
        Format::Csv | Format::Ndjson => "lines",
        Format::Json => "rows",
    };
    let errors = report.refusals.iter().flat_map(|row| row.errors.iter().map(|error| (row.line, error)));
    let errors = errors.map(|(line, error)| {
        let dot = if error.field.is_empty() { "" } else { "." };
        let field = format!("{places}[{line}]{dot}{}", error.field);
        InputError { field, code: error.code, message: error.message.clone() }
    });
    Err(Failure::RowsRefused {
        refused: report.refused,
        read: report.read,
        errors: errors.collect(),
        failures: failures(&report.refusals, options.format),
    })
}

/// `{"rows": 5, "created": 4, "failed": 1, "failures": […], "unmatched": 0, "leftOut": []}`
pub(super) fn report(report: &ImportReport, format: Format) -> Value {
    json!({
        "rows": report.read,
        "created": report.written,
        "failed": report.refused,
        "failures": failures(&report.refusals, format),
        "unmatched": report.unmatched,
        "leftOut": report.left_out,
    })
}

/// Refused rows with their place: the line of a text, the row of an array.
fn failures(refusals: &[RefusedRow], format: Format) -> Value {
    let place = match format {
        Format::Csv | Format::Ndjson => "line",
        Format::Json => "row",
    };
    let one =
        |error: &InputError| json!({ "field": error.field, "code": error.code, "message": error.message });
    refusals
        .iter()
        .map(|row| json!({ place: row.line, "errors": row.errors.iter().map(one).collect::<Value>() }))
        .collect()
}
