//! What every answer must be, whatever was asked: soon, never the server's fault, well formed, and without a word of what is
//! inside or of others.

use serde_json::Value;

use super::wire::{Answer, Request};

/// Words that an answer has only when something inside shows; unless the request had them.
const INSIDE: &[&str] = &[
    "SELECT ",
    "INSERT INTO",
    "UPDATE public",
    "DELETE FROM",
    " FROM public",
    "WHERE ",
    "RETURNING ",
    "public.things",
    "\"userId\" =",
    "SQLSTATE",
    "pg_",
    "syntax error",
    "DETAIL",
    "CONTEXT:",
    "violates",
    "does not exist",
    "invalid input syntax",
    "out of range for type",
    "permission denied",
    "row-level security",
    "operator does not",
    "cannot cast",
    "malformed",
    "hedgerow_",
    "app.user_id",
    "tokio",
    "postgres",
    "panicked",
    ".rs:",
    "22P02",
    "22P05",
    "22021",
    "22003",
    "22007",
    "22008",
    "42601",
    "42703",
    "42883",
    "42804",
    "42501",
    "42P01",
    "42P08",
    "42P18",
    "23502",
    "23503",
    "23505",
    "23514",
    "2201B",
    "54001",
    "54000",
    "57014",
    "0A000",
    "XX000",
];

/// Codes of 400 that speak of the request as a whole and so name no field.
const OF_THE_WHOLE: &[&str] =
    &["two_credentials", "body_broken", "unsupported_header", "too_many_parameters"];

/// How an answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// A statement ran into its time limit and the answer said so: 503 with `Retry-After`.
    Stopped,
    /// Below the application: the bytes were no HTTP, and the connection ended.
    NoHttp,
}

/// What an answer is.
///
/// # Errors
/// What is wrong with it.
pub(super) fn judge(
    request: &Request,
    answer: Option<&Answer>,
    forbidden: &[String],
) -> Result<Verdict, String> {
    let Some(answer) = answer else {
        return if request.lonely { Ok(Verdict::NoHttp) } else { Err("no answer".to_owned()) };
    };
    if let Some(secret) = forbidden.iter().find(|secret| answer.raw.contains(secret.as_str())) {
        return Err(format!("the answer holds {secret}"));
    }
    if answer.header("x-injected").is_some() {
        return Err("a header of the input's own is in the answer".to_owned());
    }
    if answer.header("x-request-id").is_none() {
        let plain =
            answer.body.is_empty() && matches!(answer.status, 400 | 413 | 414 | 417 | 431 | 501 | 505);
        let verdict = if request.lonely && plain { Ok(Verdict::NoHttp) } else { Err("no request id") };
        return verdict.map_err(str::to_owned);
    }
    if request.method == "HEAD" {
        return if answer.status < 500 {
            Ok(Verdict::Fine)
        } else {
            Err("a status of 500 or above".to_owned())
        };
    }
    if answer.status < 400 {
        return whole(answer);
    }
    let document = problem(answer)?;
    let code = document["code"].as_str().unwrap_or_default();
    let said = text_of(request);
    // An id of digits may look like a code.
    let text = answer.body.replace(document["requestId"].as_str().unwrap_or_default(), "");
    if let Some(word) = INSIDE.iter().find(|word| text.contains(**word) && !said.contains(**word)) {
        return Err(format!("the problem speaks of what is inside: {word}"));
    }
    match answer.status {
        503 if code == "too_slow" && answer.header("retry-after").is_some() => Ok(Verdict::Stopped),
        500.. => Err("a status of 500 or above".to_owned()),
        400 if !OF_THE_WHOLE.contains(&code) && document["errors"].as_array().is_none_or(Vec::is_empty) => {
            Err("a mistake that names nothing".to_owned())
        }
        _ => Ok(Verdict::Fine),
    }
}

/// A good answer is of the form that it says.
fn whole(answer: &Answer) -> Result<Verdict, String> {
    let kind = answer.header("content-type").unwrap_or_default();
    let is_whole = match kind.split(';').next().unwrap_or_default() {
        "application/x-ndjson" => answer.body.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()),
        kind if kind.ends_with("json") => {
            answer.body.is_empty() || serde_json::from_str::<Value>(&answer.body).is_ok()
        }
        _ => true,
    };
    if is_whole { Ok(Verdict::Fine) } else { Err(format!("the body is no {kind}")) }
}

/// The problem's document (RFC 9457), with what PostgREST's clients read.
fn problem(answer: &Answer) -> Result<Value, String> {
    if answer.header("content-type") != Some("application/problem+json") {
        return Err("an error that is no problem document".to_owned());
    }
    let document: Value =
        serde_json::from_str(&answer.body).map_err(|error| format!("the problem is no JSON: {error}"))?;
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    for member in ["type", "title", "detail", "instance", "code", "message", "requestId"] {
        if !is_text(&document[member]) {
            return Err(format!("the problem has no {member}"));
        }
    }
    if document["status"] != answer.status {
        return Err("the problem has another status".to_owned());
    }
    for member in ["details", "hint"] {
        if !document[member].is_null() && !document[member].is_string() {
            return Err(format!("the problem's {member} is no text"));
        }
    }
    for error in document["errors"].as_array().into_iter().flatten() {
        if !error["field"].is_string() || !is_text(&error["code"]) || !is_text(&error["message"]) {
            return Err(format!("a mistake is not whole: {error}"));
        }
    }
    Ok(document)
}

/// All that was said in a request, as the server may repeat it.
fn text_of(request: &Request) -> String {
    let query = request.target.split(|&byte| byte == b'?').nth(1).unwrap_or_default();
    let mut text = String::from_utf8_lossy(&request.target).into_owned();
    for (name, value) in url::form_urlencoded::parse(query) {
        text.push_str(&format!(" {name} {value}"));
    }
    for (name, value) in url::form_urlencoded::parse(&request.target) {
        text.push_str(&format!(" {name} {value}"));
    }
    for (name, value) in &request.headers {
        text.push_str(&format!(" {name} {}", String::from_utf8_lossy(value)));
    }
    text.push_str(&String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()));
    text
}

#[test]
fn what_is_wrong_with_an_answer_is_seen() {
    let problem = |status: u16, code: &str, message: &str, errors: &str| {
        let body = format!(
            "{{\"type\":\"urn:x\",\"title\":\"x\",\"status\":{status},\"detail\":\"{message}\",\"instance\":\"/\",\"requestId\":\"r\",\
             \"code\":\"{code}\",\"message\":\"{message}\",\"details\":null,\"hint\":null,\"errors\":{errors}}}"
        );
        let headers = [("x-request-id", "r"), ("content-type", "application/problem+json")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Answer { status, headers, raw: body.clone(), body, ..Answer::default() }
    };
    let named = r#"[{"field":"a","code":"b","message":"c"}]"#;
    let said = Request { method: "GET", target: b"/?a=eq.pg_class".to_vec(), ..Request::default() };
    let forbidden = ["mark".to_owned()];
    let check = |answer: Option<Answer>, expected: &str| {
        let verdict = judge(&said, answer.as_ref(), &forbidden);
        assert_eq!(verdict.map_or_else(|why| why, |verdict| format!("{verdict:?}")), expected);
    };
    let changed = |change: fn(&mut Answer)| {
        let mut answer = problem(400, "x", "x", named);
        change(&mut answer);
        Some(answer)
    };
    check(Some(problem(400, "x", "no field pg_class", named)), "Fine");
    check(Some(problem(404, "not_found", "x", "[]")), "Fine");
    check(None, "no answer");
    check(Some(problem(500, "internal", "x", "[]")), "a status of 500 or above");
    check(Some(problem(503, "too_slow", "x", "[]")), "a status of 500 or above");
    check(Some(problem(400, "x", "x", "[]")), "a mistake that names nothing");
    check(Some(problem(400, "x", "x", r#"[{"field":"a"}]"#)), r#"a mistake is not whole: {"field":"a"}"#);
    check(Some(problem(400, "x", "a mark", named)), "the answer holds mark");
    check(
        Some(problem(400, "x", "relation does not exist", named)),
        "the problem speaks of what is inside: does not exist",
    );
    check(Some(problem(400, "", "x", named)), "the problem has no code");
    check(changed(|answer| answer.status = 409), "the problem has another status");
    check(changed(|answer| answer.headers.clear()), "no request id");
    check(changed(|answer| answer.headers.truncate(1)), "an error that is no problem document");
    check(
        changed(|answer| answer.headers.push(("x-injected".to_owned(), "1".to_owned()))),
        "a header of the input's own is in the answer",
    );
    check(
        changed(|answer| {
            answer.status = 200;
            answer.headers[1].1 = "application/json".to_owned();
            answer.body.pop();
        }),
        "the body is no application/json",
    );
}
