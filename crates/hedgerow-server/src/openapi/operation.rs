//! One operation of the document, and the map of paths that it goes into.
//!
//! Always holds: an operation goes in only when the table of routes has it.

use hedgerow::schema::Action;
use serde_json::{Map, Value, json};

use crate::routes::DATA_API;

/// The document's paths, in the order in which they were described.
#[derive(Default)]
pub(super) struct Paths(Map<String, Value>);

impl Paths {
    /// Describes `method` at `path`, which is `template` with its names filled in.
    pub(super) fn add(&mut self, method: &str, template: &str, path: &str, operation: Operation) {
        if !DATA_API.contains(&(method, template)) {
            return;
        }
        let item = self.0.entry(path.to_owned()).or_insert_with(|| json!({}));
        item[method.to_ascii_lowercase()] = operation.into_value();
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// What may become of any request.
const EVERYWHERE: &[u16] = &[400, 401, 414, 429, 431, 503];

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callers {
    /// Everyone.
    Anyone,
    /// Whoever is signed in, or has a key.
    SignedIn,
    /// Whoever is signed in; no key.
    Sessions,
}

/// An operation under way.
pub(super) struct Operation {
    members: Map<String, Value>,
    parameters: Vec<Value>,
    answers: Map<String, Value>,
}

impl Operation {
    pub(super) fn new(id: String, tag: &str, summary: String) -> Self {
        let members = [("operationId", json!(id)), ("tags", json!([tag])), ("summary", json!(summary))];
        Self {
            members: members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            parameters: Vec::new(),
            answers: Map::new(),
        }
    }

    /// Who may call it, and the scope that a key needs.
    pub(super) fn called_by(mut self, callers: Callers, scope: Option<(&str, Action)>) -> Self {
        let mut security = vec![
            json!({ "apiKey": [] }),
            json!({ "apiKeyHeader": [] }),
            json!({ "session": [] }),
            json!({ "sessionToken": [] }),
        ];
        match callers {
            Callers::Anyone => security.push(json!({})),
            Callers::SignedIn => {}
            Callers::Sessions => drop(security.drain(..2)),
        }
        self.members.insert("security".to_owned(), Value::Array(security));
        if let Some((resource, action)) = scope {
            self.members.insert("x-scope".to_owned(), json!(format!("{resource}:{}", action.name())));
        }
        self
    }

    /// Adds to its description.
    pub(super) fn says(mut self, text: &str) -> Self {
        let known = self.members.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{known} {text}").trim().to_owned();
        self.members.insert("description".to_owned(), json!(text));
        self
    }

    /// Parameters that are shared, by their names among the components.
    pub(super) fn takes<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let references = names.into_iter().map(|name| parameter(name.as_ref()));
        self.parameters.extend(references);
        self
    }

    /// A body of JSON.
    pub(super) fn body(self, schema: Value) -> Self {
        self.body_of(&[("application/json", schema)])
    }

    /// A body of JSON that may be left out.
    pub(super) fn body_or_none(self, schema: Value) -> Self {
        let mut this = self.body(schema);
        this.members["requestBody"]["required"] = json!(false);
        this
    }

    /// A body in one of several media types.
    pub(super) fn body_of(mut self, kinds: &[(&str, Value)]) -> Self {
        let content: Map<String, Value> =
            kinds.iter().map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema }))).collect();
        self.members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
        self
    }

    /// An answer without a body.
    pub(super) fn says_done(self, status: u16, description: &str, headers: &[&str]) -> Self {
        self.answer(status, description, headers, &[])
    }

    /// An answer in one of several media types.
    pub(super) fn answer(
        mut self,
        status: u16,
        description: &str,
        headers: &[&str],
        kinds: &[(&str, Value)],
    ) -> Self {
        let names = ["X-Request-Id", "RateLimit", "RateLimit-Policy"];
        let references: Map<String, Value> = headers
            .iter()
            .chain(&names)
            .map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })))
            .collect();
        let mut answer = json!({ "description": description, "headers": references });
        if !kinds.is_empty() {
            let content: Map<String, Value> = kinds
                .iter()
                .map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema })))
                .collect();
            answer["content"] = Value::Object(content);
        }
        self.answers.insert(status.to_string(), answer);
        self
    }

    /// The problems that it may answer with.
    pub(super) fn fails(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            self.answers.insert(status.to_string(), super::answers::problem(*status));
        }
        self
    }

    fn into_value(self) -> Value {
        let mut this = self.fails(EVERYWHERE);
        if let Some(scope) = this.members.get("x-scope").and_then(Value::as_str) {
            let sentence = format!("A key needs the scope `{scope}`.");
            this = this.says(&sentence);
        }
        if !this.parameters.is_empty() {
            this.members.insert("parameters".to_owned(), Value::Array(this.parameters));
        }
        let mut answers: Vec<(String, Value)> = this.answers.into_iter().collect();
        answers.sort_by(|a, b| a.0.cmp(&b.0));
        this.members.insert("responses".to_owned(), Value::Object(answers.into_iter().collect()));
        Value::Object(this.members)
    }
}

/// A shared schema.
pub(super) fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An array of a shared schema.
pub(super) fn array_of(name: &str) -> Value {
    json!({ "type": "array", "items": schema(name) })
}

fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}
