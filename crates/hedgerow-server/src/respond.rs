//! Errors as answers: one table from what happened to a status, and `application/problem+json` (RFC 9457) with the
//! members that PostgREST's clients read (`code`, `message`, `details`, `hint`).

use std::error::Error as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hedgerow::Error;
use hedgerow::rate_limit::{Exceeded, Quota, Standing};
use hedgerow::schema::InputError;
use hedgerow::schema::query::AMBIGUOUS;
use serde_json::{Value, json};

use crate::limit;

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The operation failed.
    Operation(Error),
    /// Two credentials, and which counts would be a guess.
    TwoCredentials,
    /// The session cookie opens nothing; these `Set-Cookie` lines take it away.
    DeadCookie(Vec<String>),
    /// A page that is not trusted asks for a change in the name of whoever is signed in.
    UntrustedOrigin,
    /// The body is larger than allowed.
    TooLarge(usize),
    /// The body could not be read to its end.
    BodyBroken,
    /// The body is of a kind that is not understood.
    UnsupportedMediaType(String),
    /// The body is no file that can be imported.
    UnsupportedFile(String),
    /// Rows of a file were refused, and so was the file.
    RowsRefused {
        /// So many,
        refused: u64,
        /// of so many.
        read: u64,
        /// What is wrong, with the row's place in the field.
        errors: Vec<InputError>,
        /// The same row by row, as in the report of an import that was done.
        failures: Value,
    },
    /// The answer is wanted in a form that there is none of.
    NotAcceptable {
        /// As asked.
        wanted: String,
        /// The forms that there are.
        offered: String,
    },
    /// One row was asked for, and so many are there.
    NotOneRow(usize),
    /// What was to be made only where it is not is there.
    IsThere,
    /// The rows that were asked for begin behind the last one.
    BeyondEnd {
        /// Where they would begin.
        offset: u32,
        /// How many rows there are.
        total: u64,
    },
    /// The request asks by this header for something that is not done, and would be answered as if it were.
    UnsupportedHeader(String),
    /// This operation of a batch failed, and so did the batch.
    InBatch(String, Box<Failure>),
    /// There is nothing at this path.
    NoSuchPath,
    /// The path does not know the method.
    NoSuchMethod,
    /// Too many requests.
    TooMany(Exceeded),
    /// The path and the query are longer than allowed.
    UrlTooLong(usize),
    /// The header lines are longer than allowed.
    HeadersTooLarge(usize),
    /// The query has more parameters than allowed.
    TooManyParameters(usize),
    /// The body says in two ways how long it is.
    TwoLengths,
    /// The body comes too slowly.
    BodyTooSlow,
    /// This instance is about to end, and others should be asked.
    Leaving,
    /// The request took too long.
    TimedOut(Duration),
    /// A handler panicked.
    Panicked,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Operation(error)
    }
}

/// So many mistakes are described; whoever made more knows what kind they are.
const MOST_MISTAKES: usize = 100;

/// Marks an answer of a request that did nothing because its caller is not who they were remembered as.
#[derive(Clone, Copy)]
pub(crate) struct CredentialChanged;

/// A problem on its way to the client; written when the request is known around it.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: &'static str,
    message: String,
    /// What PostgREST's clients read; where it is not said, the mistakes in the input.
    details: Option<String>,
    hint: Option<&'static str>,
    errors: Vec<InputError>,
    /// Members of this kind of problem.
    more: Vec<(&'static str, Value)>,
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Operation(error) => status_of(error),
            Self::TwoCredentials | Self::BodyBroken | Self::UnsupportedHeader(_) => StatusCode::BAD_REQUEST,
            Self::DeadCookie(_) => StatusCode::UNAUTHORIZED,
            Self::UntrustedOrigin => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) | Self::UnsupportedFile(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RowsRefused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotAcceptable { .. } | Self::NotOneRow(_) => StatusCode::NOT_ACCEPTABLE,
            Self::IsThere => StatusCode::PRECONDITION_FAILED,
            Self::BeyondEnd { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::InBatch(_, failure) => failure.status(),
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::UrlTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooManyParameters(_) | Self::TwoLengths => StatusCode::BAD_REQUEST,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TimedOut(_) | Self::Leaving => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// As a document by itself, and its status: for an answer that has begun.
    pub(crate) fn told(self, path: &str, request_id: &str) -> (StatusCode, Value) {
        let status = self.status();
        self.log();
        (status, self.problem().document(status, path, request_id))
    }

    /// What is the server's own is told to the operator.
    fn log(&self) {
        if self.status().is_server_error()
            && let Some(error) = self.operation()
            && !matches!(error, Error::CredentialChanged)
        {
            log(error);
        }
    }

    /// The operation's error, if it is one.
    fn operation(&self) -> Option<&Error> {
        match self {
            Self::Operation(error) => Some(error),
            Self::InBatch(_, failure) => failure.operation(),
            _ => None,
        }
    }

    fn problem(&self) -> Problem {
        let plain = |code, message: String, hint| Problem {
            code,
            message,
            details: None,
            hint,
            errors: Vec::new(),
            more: Vec::new(),
        };
        match self {
            Self::Operation(error) => Problem {
                errors: error.inputs().to_vec(),
                ..plain(error.code(), error.public_message(), error.hint())
            },
            Self::TwoCredentials => plain(
                "two_credentials",
                "the request carries two different credentials".to_owned(),
                Some("send one of Authorization, x-api-key and the session cookie"),
            ),
            Self::DeadCookie(_) => {
                plain("invalid_credential", Error::InvalidCredential.public_message(), Some("sign in again"))
            }
            Self::UntrustedOrigin => plain(
                "untrusted_origin",
                "a change with a session cookie must come from a page of a trusted origin".to_owned(),
                Some(
                    "add the page's origin to auth.trusted_origins, or send the session's token in Authorization",
                ),
            ),
            Self::TooLarge(limit) => plain(
                "body_too_large",
                format!("a body has at most {limit} bytes"),
                Some("send the rows in several requests"),
            ),
            Self::BodyBroken => {
                plain("body_broken", "the body could not be read to its end".to_owned(), None)
            }
            Self::UnsupportedMediaType(found) => plain(
                "unsupported_media_type",
                format!("a body of {found} is not understood"),
                Some("send JSON, with Content-Type: application/json and without Content-Encoding"),
            ),
            Self::UnsupportedFile(found) => plain(
                "unsupported_media_type",
                format!("a file of {found} is not understood"),
                Some(
                    "send text/csv with a header line, application/x-ndjson or application/json, all in UTF-8",
                ),
            ),
            Self::RowsRefused { refused, read, errors, failures } => {
                // After the first refusal rows are checked, but no longer sent to the database.
                let about = if refused < read { "at least " } else { "" };
                Problem {
                    errors: errors.clone(),
                    more: vec![("failed", Value::from(*refused)), ("failures", failures.clone())],
                    ..plain(
                        "rows_refused",
                        format!("{about}{refused} of {read} rows were refused, so nothing was imported"),
                        Some("correct them, or import the others with skip_invalid=true"),
                    )
                }
            }
            Self::NotAcceptable { wanted, offered } => plain(
                "not_acceptable",
                format!("there is no answer in {wanted}; there is {offered}"),
                Some("accept application/json"),
            ),
            // The codes and details are PostgREST's: its clients look at them.
            Self::NotOneRow(count) => Problem {
                details: Some(format!("The result contains {count} rows")),
                ..plain(
                    "PGRST116",
                    "one row was asked for, and there is not exactly one".to_owned(),
                    Some("accept application/json for a list of any number of rows"),
                )
            },
            Self::IsThere => plain(
                "precondition_failed",
                "there is one already, and `If-None-Match: *` asks for a new one".to_owned(),
                Some("leave the header out to change it"),
            ),
            Self::BeyondEnd { offset, total } => Problem {
                details: Some(format!(
                    "An offset of {offset} was requested, but there are only {total} rows."
                )),
                ..plain(
                    "PGRST103",
                    "the rows that were asked for begin behind the last one".to_owned(),
                    Some("begin with a smaller offset"),
                )
            },
            Self::UnsupportedHeader(header) => plain(
                "unsupported_header",
                format!("`{header}` does not count here, and nothing was done"),
                Some(
                    "leave the header out; If-Match and If-None-Match are for one row, /api/v1/{entity}/{id}",
                ),
            ),
            Self::InBatch(place, failure) => failure.problem().of_operation(place),
            Self::NoSuchPath => plain(
                "no_such_path",
                "there is nothing at this path".to_owned(),
                Some("rows are at /api/v1/{entity} and /api/v1/{entity}/{id}"),
            ),
            Self::NoSuchMethod => plain(
                "no_such_method",
                "this path does not know the method".to_owned(),
                Some(
                    "`Allow` says which methods it knows, and /api/v1/docs what each of them does; there are no functions to call (rpc)",
                ),
            ),
            Self::TooMany(exceeded) => {
                let Standing { tier, quota, .. } = exceeded.standing;
                let Quota { requests, window } = quota;
                plain(
                    "rate_limited",
                    format!("too many requests of the kind `{tier}`: {requests} in {window:?} are allowed"),
                    Some(
                        "wait as long as Retry-After says; RateLimit says with each answer how many may follow",
                    ),
                )
            }
            Self::UrlTooLong(limit) => plain(
                "url_too_long",
                format!("a path and its query have at most {limit} bytes"),
                Some("ask in several requests"),
            ),
            Self::HeadersTooLarge(limit) => {
                plain("headers_too_large", format!("the header lines have at most {limit} bytes"), None)
            }
            Self::TooManyParameters(limit) => plain(
                "too_many_parameters",
                format!("a query has at most {limit} parameters"),
                Some("`in.(…)` compares one field with many values"),
            ),
            Self::TwoLengths => plain(
                "two_lengths",
                "a body says its length by Content-Length or by Transfer-Encoding, not both".to_owned(),
                None,
            ),
            Self::BodyTooSlow => {
                plain("body_too_slow", "the body comes too slowly, and nothing was done".to_owned(), None)
            }
            Self::Leaving => {
                plain("leaving", "this instance is about to end; ask another one".to_owned(), None)
            }
            Self::TimedOut(limit) => {
                plain("request_timeout", format!("the request took longer than {limit:?}"), None)
            }
            Self::Panicked => {
                plain("internal", "something went wrong on the server; its log says what".to_owned(), None)
            }
        }
    }
}

/// The one table from an operation's error to a status.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotSignedIn | Error::InvalidCredential => StatusCode::UNAUTHORIZED,
        Error::MissingScope { .. }
        | Error::AddressNotAllowed
        | Error::SessionRequired
        | Error::AdminOnly { .. }
        | Error::NotOwner
        | Error::NotAllowed(_) => StatusCode::FORBIDDEN,
        Error::NotFound
        | Error::NoSuchMeta { .. }
        | Error::UnknownEntity { .. }
        | Error::NoMetadata { .. } => StatusCode::NOT_FOUND,
        // PostgREST's answer where a relation has several meanings: the choices are in the message.
        Error::Input(inputs) if inputs.iter().all(|input| input.code == AMBIGUOUS) => {
            StatusCode::MULTIPLE_CHOICES
        }
        Error::Input(_) => StatusCode::BAD_REQUEST,
        Error::Conflict(_) | Error::KeyInUse => StatusCode::CONFLICT,
        Error::Changed => StatusCode::PRECONDITION_FAILED,
        Error::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Error::CredentialChanged | Error::TooSlow(_) | Error::Unavailable(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        // The enum may grow; a new member is a defect here until it has its line above.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        self.log();
        let mut response = status.into_response();
        if matches!(self, Self::Operation(Error::CredentialChanged)) {
            response.extensions_mut().insert(CredentialChanged);
        }
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let waits = matches!(self, Self::Operation(Error::KeyInUse));
        if status == StatusCode::SERVICE_UNAVAILABLE || waits {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::BeyondEnd { total, .. } = &self {
            let range = HeaderValue::from_str(&format!("*/{total}"));
            headers.extend(range.ok().map(|range| (header::CONTENT_RANGE, range)));
        }
        if let Self::TooMany(exceeded) = &self {
            headers.insert(header::RETRY_AFTER, limit::seconds(exceeded.retry_after).into());
        }
        if let Self::DeadCookie(lines) = &self {
            for line in lines.iter().filter_map(|line| HeaderValue::from_str(line).ok()) {
                headers.append(header::SET_COOKIE, line);
            }
        }
        response.extensions_mut().insert(self.problem());
        response
    }
}

/// The operator's side of an error: everything that led to it.
fn log(error: &Error) {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(one) = cause {
        causes.push(one.to_string());
        cause = one.source();
    }
    tracing::error!(code = error.code(), causes = causes.join(": "), "{error}");
}

impl Problem {
    /// The same, told of an operation of a batch.
    fn of_operation(mut self, place: &str) -> Self {
        if self.errors.is_empty() {
            let (code, message) = (self.code, self.message.clone());
            self.errors.push(InputError { field: place.to_owned(), code, message });
            return self;
        }
        for error in &mut self.errors {
            let dot = if error.field.is_empty() || error.field.starts_with('[') { "" } else { "." };
            error.field = format!("{place}{dot}{}", error.field);
        }
        self
    }

    /// Turns an answer that carries a problem into the problem's document; status and headers stay.
    pub(crate) fn write(self, response: Response, path: &str, request_id: &str) -> Response {
        let (mut parts, _) = response.into_parts();
        let document = self.document(parts.status, path, request_id);
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        Response::from_parts(parts, Body::from(document.to_string()))
    }

    fn document(mut self, status: StatusCode, path: &str, request_id: &str) -> Value {
        let more = self.errors.len().saturating_sub(MOST_MISTAKES);
        if more > 0 {
            self.errors.truncate(MOST_MISTAKES);
            let message = format!("and {more} more");
            self.errors.push(InputError { field: String::new(), code: "more_mistakes", message });
        }
        let details: Vec<String> = self.errors.iter().map(|error| error.message.clone()).collect();
        let mut document = json!({
            "type": format!("urn:hedgerow:problem:{}", self.code),
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.message,
            "instance": path,
            "requestId": request_id,
            "code": self.code,
            "message": self.message,
            "details": self.details.or_else(|| (details.len() > 1).then(|| details.join("; "))),
            "hint": self.hint,
        });
        if !self.errors.is_empty() {
            let errors = self
                .errors
                .iter()
                .map(|error| json!({ "field": error.field, "code": error.code, "message": error.message }));
            document["errors"] = errors.collect();
        }
        for (name, value) in self.more {
            document[name] = value;
        }
        document
    }
}

/// Nothing is at this path.
pub(crate) async fn no_such_path(_: Uri) -> Failure {
    Failure::NoSuchPath
}

/// The path is there, the method is not.
pub(crate) async fn no_such_method() -> Failure {
    Failure::NoSuchMethod
}
