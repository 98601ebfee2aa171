//! `POST /api/v1/batch`: several writes in one transaction, all or nothing.
//!
//! Always holds: each operation is read, checked and done as the same request by itself would be, by the same code; a relation
//! may name a row that an operation before it made: `{"$ref": "0.id"}`.

use std::borrow::Cow;

use axum::extract::{Request as Received, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use hedgerow::Error;
use hedgerow::records::Writes;
use hedgerow::schema::write::members;
use hedgerow::schema::{Entity, InputError, Limits, Schema};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_json::value::RawValue;
use url::form_urlencoded;

use crate::api::v1::prefer::Preferences;
use crate::api::v1::records::asked::Asked;
use crate::api::v1::records::reply::Answer;
use crate::api::v1::records::request::{Request, Target, expected, form};
use crate::api::v1::records::settle::{Work, repeatable, settle};
use crate::limit;
use crate::middleware::Facts;
use crate::respond::Failure;
use crate::service::Service;

/// A batch has at most this many operations.
const MAX_OPERATIONS: usize = 100;

/// Operations that are done together.
pub(crate) struct Batch<'r> {
    pub(crate) operations: Vec<Request<'r>>,
    /// `Prefer: tx=rollback`
    pub(crate) is_trial: bool,
}

/// `POST /api/v1/batch`
pub(crate) async fn batch(State(service): State<Service>, request: Received) -> Result<Response, Failure> {
    let facts = Facts::of(request.extensions());
    let mut asked = Asked::of_batch(&service, request).await?;
    let body = asked.body(service.options.body_limit).await?;
    let repeatable = repeatable(&asked, "POST /api/v1/batch".to_owned(), &body)?;
    if let Some((name, _)) = asked.parameters.first() {
        let message = format!("`{name}` is no parameter here: each operation has its own in its path");
        return Err(Error::input(name, "unknown_parameter", message).into());
    }
    expected(&asked.headers, &Target::Rows)?;
    let drafts = read(&body).map_err(Error::Input)?;
    let mut operations = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.iter().enumerate() {
        operations.push(draft.request(&asked.schema, asked.limits, at)?);
    }
    limit::weigh(&service, &facts, asked.ctx.caller(), operations.len()).await;
    let work = Work::Batch(Batch { operations, is_trial: asked.prefer.rollback });
    let answer = settle(&asked.ctx, &service.app, &work, repeatable.as_ref()).await?;
    Ok(answer.into_response())
}

impl Batch<'_> {
    /// Does all operations in their order.
    pub(crate) async fn perform(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        let mut answers: Vec<Answer> = Vec::with_capacity(self.operations.len());
        for operation in &self.operations {
            let body = refer(operation, &answers)?;
            let operation = Request { body: &body, ..operation.clone() };
            let answer = operation.perform(writes).await;
            answers.push(answer.map_err(|failure| operation.failed(failure))?);
        }
        let mut body = vec![b'['];
        for (at, answer) in answers.iter().enumerate() {
            if at > 0 {
                body.push(b',');
            }
            let mut element = answer.element().to_string();
            // The body as it is: its numbers keep their digits.
            element.truncate(element.len() - 1);
            body.extend_from_slice(element.as_bytes());
            body.extend_from_slice(b",\"body\":");
            body.extend_from_slice(if answer.body().is_empty() { b"null" } else { answer.body() });
            body.push(b'}');
        }
        body.push(b']');
        let answer = Answer::json(200, body);
        Ok(if self.is_trial { answer.with_preferences(&["tx=rollback"]) } else { answer })
    }
}

/// An operation as the body has it.
struct Draft<'b> {
    method: Method,
    /// Decoded segments behind `/api/v1`.
    segments: Vec<String>,
    /// Where its entity's rows are.
    rows_at: String,
    parameters: Vec<(String, String)>,
    headers: HeaderMap,
    body: &'b str,
}

/// Reads the body of a batch, all mistakes at once.
fn read(body: &[u8]) -> Result<Vec<Draft<'_>>, Vec<InputError>> {
    let whole = |code, message: &str| vec![InputError::new(String::new(), code, message.to_owned())];
    const SHAPE: &str = "the body is {\"operations\": [{\"method\", \"path\", \"body\", \"headers\"}]}";
    let text = std::str::from_utf8(body).map_err(|_| whole("invalid_json", "the body is not UTF-8"))?;
    let outer = members(text).map_err(|_| whole("invalid_body", SHAPE))?;
    let [(name, operations)] = outer.as_slice() else { return Err(whole("invalid_body", SHAPE)) };
    let operations: Vec<&RawValue> = match serde_json::from_str(operations.get()) {
        Ok(operations) if name == "operations" => operations,
        _ => return Err(whole("invalid_body", SHAPE)),
    };
    if operations.is_empty() || operations.len() > MAX_OPERATIONS {
        let message = format!("a batch has 1 to {MAX_OPERATIONS} operations, this one {}", operations.len());
        return Err(vec![InputError::new("operations".to_owned(), "invalid_batch", message)]);
    }
    let (mut drafts, mut errors) = (Vec::new(), Vec::new());
    for (at, operation) in operations.iter().enumerate() {
        match Draft::read(operation.get(), &format!("operations[{at}]")) {
            Ok(draft) => drafts.push(draft),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(drafts) } else { Err(errors) }
}

impl<'b> Draft<'b> {
    fn read(text: &'b str, place: &str) -> Result<Self, Vec<InputError>> {
        let wrong = |field: &str, message: &str| {
            vec![InputError::new(format!("{place}{field}"), "invalid_operation", message.to_owned())]
        };
        let members = members(text).map_err(|_| wrong("", "an operation is an object"))?;
        let (mut method, mut path, mut headers, mut body) = (None, None, HeaderMap::new(), "");
        for (at, (name, value)) in members.iter().enumerate() {
            if members[..at].iter().any(|(other, _)| other == name) {
                return Err(wrong(&format!(".{name}"), "stands here twice"));
            }
            match name.as_str() {
                "method" => method = serde_json::from_str::<String>(value.get()).ok(),
                "path" => path = serde_json::from_str::<String>(value.get()).ok(),
                "headers" => headers = read_headers(value).map_err(|message| wrong(".headers", &message))?,
                "body" => body = value.get(),
                _ => {
                    let message = "an operation has method, path, body and headers";
                    return Err(wrong(&format!(".{name}"), message));
                }
            }
        }
        let method = match method.as_deref() {
            Some("POST") => Method::POST,
            Some("PATCH") => Method::PATCH,
            Some("PUT") => Method::PUT,
            Some("DELETE") => Method::DELETE,
            _ => return Err(wrong(".method", "`method` is POST, PATCH, PUT or DELETE")),
        };
        let form = "`path` is a path of the data API, for example /api/v1/tasks?select=id";
        let path = path.ok_or_else(|| wrong(".path", form))?;
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let rest = path.strip_prefix("/api/v1").unwrap_or(path);
        let Some(rest) = rest.strip_prefix('/') else { return Err(wrong(".path", form)) };
        let decoded = rest.split('/').map(|segment| percent_decode_str(segment).decode_utf8());
        let segments: Result<Vec<String>, _> = decoded.map(|segment| segment.map(Cow::into_owned)).collect();
        let segments = segments.map_err(|_| wrong(".path", form))?;
        let rows_at = format!("/api/v1/{}", segments.first().map(String::as_str).unwrap_or_default());
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { method, segments, rows_at, parameters, headers, body })
    }

    /// As a request by itself.
    fn request<'r>(&'r self, schema: &'r Schema, limits: Limits, at: usize) -> Result<Request<'r>, Failure> {
        let place = format!("operations[{at}]");
        let failed = |failure| Failure::InBatch(place.clone(), Box::new(failure));
        let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        let (name, target) = match segments.as_slice() {
            [name] => (*name, Target::Rows),
            [name, "trash", id] => (*name, Target::Trash((*id).to_owned())),
            [name, id, "restore"] => (*name, Target::Restore((*id).to_owned())),
            [name, id] => (*name, Target::Row((*id).to_owned())),
            _ => return Err(failed(Failure::NoSuchPath)),
        };
        let unknown = || failed(Error::UnknownEntity { name: name.to_owned() }.into());
        let entity = schema.entity(name).ok_or_else(unknown)?;
        let prefer = Preferences::read(&self.headers).map_err(|error| failed(error.into()))?;
        if prefer.rollback {
            let message = "a batch is one transaction: send `Prefer: tx=rollback` with the batch itself";
            let error = Error::input("headers.prefer", "invalid_preference", message);
            return Err(failed(error.into()));
        }
        Ok(Request {
            schema,
            limits,
            entity,
            method: self.method.clone(),
            expected: expected(&self.headers, &target).map_err(failed)?,
            target,
            parameters: self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            path: self.rows_at.clone(),
            prefer,
            form: form(&self.headers).map_err(failed)?,
            body: self.body.as_bytes(),
            place: place.clone(),
        })
    }
}

/// The headers of an operation: those that speak of one write.
fn read_headers(value: &RawValue) -> Result<HeaderMap, String> {
    const ALLOWED: [&str; 3] = ["prefer", "accept", "if-match"];
    let form = || "`headers` is an object of texts: Prefer, Accept, If-Match".to_owned();
    let mut headers = HeaderMap::new();
    for (name, value) in members(value.get()).map_err(|_| form())? {
        let name = name.to_ascii_lowercase();
        let text: String = serde_json::from_str(value.get()).map_err(|_| form())?;
        let value = HeaderValue::from_str(&text).map_err(|_| form())?;
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(known) if ALLOWED.contains(&name.as_str()) => headers.append(known, value),
            _ => return Err(form()),
        };
    }
    Ok(headers)
}

/// The body of an operation with the ids of rows that were made before it in place of `{"$ref": "0.id"}`, in fields that point at
/// rows.
fn refer<'r>(operation: &'r Request<'_>, answers: &[Answer]) -> Result<Cow<'r, [u8]>, Failure> {
    let text = std::str::from_utf8(operation.body).unwrap_or_default();
    if !text.contains("$ref") {
        return Ok(Cow::Borrowed(operation.body));
    }
    let referred = if text.starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(text).ok().map(|items| {
            let items: Result<Vec<String>, String> =
                items.iter().map(|item| refer_object(operation.entity, item.get(), answers)).collect();
            items.map(|items| format!("[{}]", items.join(",")))
        })
    } else {
        Some(refer_object(operation.entity, text, answers))
    };
    match referred {
        Some(Ok(text)) => Ok(Cow::Owned(text.into_bytes())),
        // What is no JSON is told where it is read.
        None => Ok(Cow::Borrowed(operation.body)),
        Some(Err(reference)) => {
            let message =
                format!("`{reference}` is no reference to an earlier operation's row: 0.id, 1.id, 2.1.id …");
            let field = format!("{}.body", operation.place);
            Err(Error::Input(vec![InputError::new(field, "invalid_reference", message)]).into())
        }
    }
}

fn refer_object(entity: &Entity, text: &str, answers: &[Answer]) -> Result<String, String> {
    let Ok(members) = members(text) else { return Ok(text.to_owned()) };
    let mut out = String::from("{");
    for (at, (name, value)) in members.iter().enumerate() {
        let kind = entity.field(name).map(|field| &field.kind);
        let points = kind.is_some_and(|kind| kind.relation().is_some() || kind.links().is_some());
        let value = value.get();
        let value = match serde_json::from_str::<Vec<&RawValue>>(value) {
            Ok(items) if points => {
                let items: Result<Vec<String>, String> =
                    items.iter().map(|item| resolve(item.get(), answers)).collect();
                format!("[{}]", items?.join(","))
            }
            _ if points => resolve(value, answers)?,
            _ => value.to_owned(),
        };
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push(':');
        out.push_str(&value);
    }
    out.push('}');
    Ok(out)
}

/// `{"$ref": "0.id"}`: the id in the answer of operation 0; `"0.2.id"`: that of the third row in it.
fn resolve(text: &str, answers: &[Answer]) -> Result<String, String> {
    let Ok(object) = members(text) else { return Ok(text.to_owned()) };
    let [(name, reference)] = object.as_slice() else { return Ok(text.to_owned()) };
    if name != "$ref" {
        return Ok(text.to_owned());
    }
    let reference: String = serde_json::from_str(reference.get()).map_err(|_| text.to_owned())?;
    let mut steps = reference.split('.');
    let answer = steps.next().and_then(|at| answers.get(at.parse::<usize>().ok()?));
    let mut found: Option<Value> = answer.and_then(|answer| serde_json::from_slice(answer.body()).ok());
    for step in steps {
        found = found.and_then(|value| match value {
            Value::Array(items) => items.into_iter().nth(step.parse().ok()?),
            Value::Object(mut members) => members.remove(step),
            _ => None,
        });
    }
    match found {
        Some(Value::String(id)) => Ok(Value::String(id).to_string()),
        _ => Err(reference),
    }
}
