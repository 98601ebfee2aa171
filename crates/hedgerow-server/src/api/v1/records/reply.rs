//! The answer to a write, before it becomes an HTTP response, an element of a batch's answer, or what an idempotency key
//! keeps.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::Error;
use hedgerow::database::JsonRows;
use hedgerow::idempotency::Kept;
use hedgerow::records::OneRow;
use serde_json::{Value, json};

use super::request::Form;
use crate::api::v1::prefer::{
    CountMode, Missing, PREFERENCE_APPLIED, Preferences, Resolution, Return, applied,
};
use crate::respond::Failure;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How one row is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Object,
    Array,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// JSON, or nothing.
    body: Vec<u8>,
}

/// An answer in the making.
pub(crate) struct Reply<'p> {
    status: u16,
    headers: Vec<(String, String)>,
    prefer: &'p Preferences,
    form: Form,
}

impl<'p> Reply<'p> {
    /// `status` is that of an answer which shows rows.
    pub(crate) fn new(status: u16, prefer: &'p Preferences, form: Form) -> Self {
        Self { status, headers: Vec::new(), prefer, form }
    }

    pub(crate) fn with_location(mut self, location: &str) -> Self {
        self.header(header::LOCATION, location.to_owned());
        self
    }

    /// Shows one row, and tells its version.
    pub(crate) fn of_one(mut self, row: OneRow, shown: Shown) -> Result<Answer, Failure> {
        self.insist(1)?;
        if let Some(tag) = row.tag() {
            self.header(header::ETAG, tag);
        }
        let body = match shown {
            Shown::Array if self.form == Form::Usual => [b"[", row.object.as_slice(), b"]"].concat(),
            _ => row.object,
        };
        Ok(self.finish(1, body))
    }

    /// Shows rows.
    pub(crate) fn of_rows(self, rows: JsonRows) -> Result<Answer, Failure> {
        let count = rows.count as u64;
        self.insist(count)?;
        match self.form {
            Form::Usual => Ok(self.finish(count, rows.into_array())),
            Form::Object if count != 1 => Err(Failure::NotOneRow(rows.count)),
            Form::Object => self.of_one(OneRow::first(rows)?, Shown::Object),
        }
    }

    /// Shows nothing.
    pub(crate) fn of_nothing(mut self) -> Answer {
        self.status = StatusCode::NO_CONTENT.as_u16();
        self.tell_preferences(None);
        Answer { status: self.status, headers: self.headers, body: Vec::new() }
    }

    /// No more rows than the client means.
    fn insist(&self, count: u64) -> Result<(), Failure> {
        match self.prefer.max_affected {
            Some(most) if count > most => {
                let message = format!(
                    "this would change {count} rows, and `max-affected` allows {most}; nothing was done"
                );
                Err(Error::input("Prefer", "max_affected_exceeded", message).into())
            }
            _ => Ok(()),
        }
    }

    fn finish(mut self, count: u64, body: Vec<u8>) -> Answer {
        self.tell_preferences(Some(count));
        if matches!(self.prefer.returning, Some(Return::Minimal | Return::HeadersOnly)) {
            if self.status == StatusCode::OK.as_u16() {
                self.status = StatusCode::NO_CONTENT.as_u16();
            }
            return Answer { status: self.status, headers: self.headers, body: Vec::new() };
        }
        self.header(header::CONTENT_TYPE, self.form.media_type().to_owned());
        Answer { status: self.status, headers: self.headers, body }
    }

    fn tell_preferences(&mut self, count: Option<u64>) {
        let prefer = self.prefer;
        let mut kept = Vec::new();
        kept.extend(prefer.returning.map(|returning| match returning {
            Return::Minimal => "return=minimal",
            Return::HeadersOnly => "return=headers-only",
            Return::Representation => "return=representation",
        }));
        kept.extend(prefer.resolution.map(|resolution| match resolution {
            Resolution::MergeDuplicates => "resolution=merge-duplicates",
            Resolution::IgnoreDuplicates => "resolution=ignore-duplicates",
        }));
        kept.extend(prefer.missing.map(|missing| match missing {
            Missing::Default => "missing=default",
            Missing::Null => "missing=null",
        }));
        kept.extend(prefer.strict.then_some("handling=strict"));
        let most = prefer.max_affected.map(|most| format!("max-affected={most}"));
        kept.extend(most.as_deref());
        kept.extend(prefer.rollback.then_some("tx=rollback"));
        if let (Some(CountMode::Exact), Some(count)) = (prefer.count, count) {
            kept.push("count=exact");
            self.header(header::CONTENT_RANGE, format!("*/{count}"));
        }
        let told = applied(&kept).and_then(|value| value.to_str().ok().map(str::to_owned));
        if let Some(told) = told {
            self.header(PREFERENCE_APPLIED, told);
        }
    }

    fn header(&mut self, name: HeaderName, value: String) {
        self.headers.push((name.to_string(), value));
    }
}

impl Form {
    fn media_type(self) -> &'static str {
        match self {
            Self::Usual => "application/json",
            Self::Object => "application/vnd.pgrst.object+json",
        }
    }
}

impl Answer {
    /// An answer with this body.
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        let headers = vec![(header::CONTENT_TYPE.to_string(), "application/json".to_owned())];
        Self { status, headers, body }
    }

    /// The same with what a trial says of itself.
    pub(crate) fn with_preferences(mut self, kept: &[&str]) -> Self {
        let told = applied(kept).and_then(|value| value.to_str().ok().map(str::to_owned));
        self.headers.extend(told.map(|told| (PREFERENCE_APPLIED.to_string(), told)));
        self
    }

    /// As an element of a batch's answer.
    pub(crate) fn element(&self) -> Value {
        let headers: serde_json::Map<String, Value> = self
            .headers
            .iter()
            .filter(|(name, _)| name != header::CONTENT_TYPE.as_str())
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({ "status": self.status, "headers": headers })
    }

    /// The body, for what refers to it and what shows it.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// What an idempotency key keeps of it.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            status: self.status,
            headers: json!(self.headers).to_string(),
            body: String::from_utf8_lossy(&self.body).into_owned(),
        }
    }

    /// What was kept, said again.
    pub(crate) fn again(kept: Kept) -> Self {
        let mut headers: Vec<(String, String)> = serde_json::from_str(&kept.headers).unwrap_or_default();
        headers.push((REPLAYED.to_string(), "true".to_owned()));
        Self { status: kept.status, headers, body: kept.body.into_bytes() }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
