//! The form of bodies, and what is said about a wrong one, in the words of zod 4, which Better Auth's clients show.
//!
//! Always holds: all problems are noted, in the order of the fields; a text with U+0000, which PostgreSQL cannot keep, is
//! refused here.

use hedgerow::auth::refusal::Refusal;
use serde_json::{Map, Value};

/// A body under inspection.
pub(super) struct Fields<'b> {
    object: Option<&'b Map<String, Value>>,
    problems: Vec<String>,
}

/// What a body has to be.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// An object with known members.
    Object,
    /// An object with any members.
    Record,
    /// Both, and so there are two complaints.
    ObjectAndRecord,
    /// An object, or nothing at all.
    Optional,
}

impl<'b> Fields<'b> {
    /// Looks at a body.
    pub(super) fn of(body: Option<&'b Value>, shape: Shape) -> Self {
        let mut fields = Self { object: body.and_then(Value::as_object), problems: Vec::new() };
        if fields.object.is_none() && !(body.is_none() && matches!(shape, Shape::Optional)) {
            let found = type_of(body);
            let words: &[&str] = match shape {
                Shape::Object | Shape::Optional => &["object"],
                Shape::Record => &["record"],
                Shape::ObjectAndRecord => &["object", "record"],
            };
            for word in words {
                fields.problems.push(format!("[body] Invalid input: expected {word}, received {found}"));
            }
        }
        fields
    }

    /// The members, for what is not known beforehand.
    pub(super) fn object(&self) -> Option<&'b Map<String, Value>> {
        self.object
    }

    /// Notes a problem with a field.
    pub(super) fn note(&mut self, name: &str, problem: &str) {
        self.problems.push(format!("[body.{name}] {problem}"));
    }

    /// A text that must be there.
    pub(super) fn string(&mut self, name: &str) -> &'b str {
        match self.get(name) {
            Some(Value::String(text)) => self.without_nul(name, text),
            other => self.wrong(name, "string", other).unwrap_or_default(),
        }
    }

    /// A text that must be there and not be empty.
    pub(super) fn filled(&mut self, name: &str) -> &'b str {
        let text = self.string(name);
        if text.is_empty() && matches!(self.get(name), Some(Value::String(_))) {
            self.note(name, "Too small: expected string to have >=1 characters");
        }
        text
    }

    /// An e-mail address that must be there.
    pub(super) fn email(&mut self, name: &str) -> &'b str {
        let text = self.string(name);
        if matches!(self.get(name), Some(Value::String(_))) && !is_email(text) {
            self.note(name, "Invalid email address");
        }
        text
    }

    /// A text, if there is one.
    pub(super) fn optional(&mut self, name: &str) -> Option<&'b str> {
        match self.get(name) {
            None => None,
            Some(Value::String(text)) => Some(self.without_nul(name, text)),
            other => self.wrong(name, "string", other),
        }
    }

    /// A text, or what JavaScript makes of another value.
    pub(super) fn coerced(&mut self, name: &str) -> String {
        match self.get(name) {
            Some(Value::String(text)) => self.without_nul(name, text).to_owned(),
            Some(Value::Array(_) | Value::Object(_)) => "[object Object]".to_owned(),
            Some(other) => other.to_string(),
            None => "undefined".to_owned(),
        }
    }

    /// An object that must be there.
    pub(super) fn record(&mut self, name: &str) -> Option<&'b Map<String, Value>> {
        match self.get(name) {
            Some(Value::Object(object)) => Some(object),
            other => {
                self.wrong(name, "record", other);
                None
            }
        }
    }

    /// Whatever is there.
    pub(super) fn any(&self, name: &str) -> Option<&'b Value> {
        self.get(name)
    }

    /// A text, `null`, or nothing.
    pub(super) fn nullable(&mut self, name: &str) -> Option<Option<&'b str>> {
        match self.get(name) {
            Some(Value::Null) => Some(None),
            _ => self.optional(name).map(Some),
        }
    }

    /// One of these words; the first where nothing is said.
    pub(super) fn one_of(&mut self, name: &str, words: &[&'static str]) -> &'static str {
        let first = words.first().copied().unwrap_or_default();
        let found = match self.get(name) {
            None => return first,
            Some(Value::String(text)) => words.iter().find(|word| **word == *text).copied(),
            Some(_) => None,
        };
        if found.is_none() {
            let mut sorted = words.to_vec();
            sorted.sort_unstable();
            let list: Vec<String> = sorted.iter().map(|word| format!("\"{word}\"")).collect();
            self.note(name, &format!("Invalid option: expected one of {}", list.join("|")));
        }
        found.unwrap_or(first)
    }

    /// Yes, no, or nothing.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.get(name) {
            None => None,
            Some(Value::Bool(flag)) => Some(*flag),
            // Forms know texts only.
            Some(Value::String(text)) if text == "true" || text == "false" => Some(text == "true"),
            other => {
                self.wrong(name, "boolean", other);
                None
            }
        }
    }

    /// A number, or nothing.
    pub(super) fn number(&mut self, name: &str) -> Option<f64> {
        match self.get(name) {
            None => None,
            Some(Value::Number(number)) => number.as_f64(),
            other => {
                self.wrong(name, "number", other);
                None
            }
        }
    }

    /// What was wrong, if anything was.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.problems.is_empty() { Ok(()) } else { Err(Refusal::validation(self.problems.join("; "))) }
    }

    fn get(&self, name: &str) -> Option<&'b Value> {
        self.object.and_then(|object| object.get(name))
    }

    fn wrong(&mut self, name: &str, expected: &str, found: Option<&Value>) -> Option<&'b str> {
        // A body that is no object was complained about already.
        if self.object.is_some() {
            let problem = format!("Invalid input: expected {expected}, received {}", type_of(found));
            self.note(name, &problem);
        }
        None
    }

    fn without_nul(&mut self, name: &str, text: &'b str) -> &'b str {
        if text.contains('\0') {
            self.note(name, "Invalid input: a text cannot contain U+0000");
        }
        text
    }
}

/// What JavaScript would call it.
fn type_of(value: Option<&Value>) -> &'static str {
    match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}

/// The addresses that zod 4 takes, of a length that mail servers take (RFC 5321, section 4.5.3.1.3).
///
/// `^(?:[A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$`
pub(super) fn is_email(text: &str) -> bool {
    if text.len() > 254 {
        return false;
    }
    let Some((local, domain)) = text.split_once('@') else { return false };
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"_'+-".contains(&b);
    let local_fits =
        local.split('.').all(|part| !part.is_empty() && part.bytes().all(letter)) && !local.ends_with('\'');
    let mut labels: Vec<&str> = domain.split('.').collect();
    let top = labels.pop().unwrap_or_default();
    let label_fits = |label: &&str| {
        label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && label.bytes().next().is_some_and(|b| b != b'-')
    };
    local_fits
        && !labels.is_empty()
        && labels.iter().all(label_fits)
        && top.len() >= 2
        && top.bytes().all(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_could_reach_somebody_else_are_none() {
        for good in ["a@b.co", "a.b+c@x-y.example.com", "o'neil@example.com", "A_1@EXAMPLE.COM"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.co",
            "a@b",
            "a@b.c",
            "a@-b.co",
            "a@b..co",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.co",
            "a@x.co,b@y.co",
            "a@x.co b@y.co",
            "\"a b\"@x.co",
            "a(comment)@x.co",
            "a@x.co\r\nBcc: b@y.co",
            "a@b.co\0",
            "ä@b.co",
            "a@bü.co",
            "a@b@c.co",
            "o'@b.co",
            "a@b.c1",
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
        assert!(!is_email(&format!("{}@example.com", "a".repeat(250))));
    }

    #[test]
    fn problems_are_said_as_zod_says_them() {
        let check = |body: &str, expected: &str| {
            let body: Option<Value> =
                if body.is_empty() { None } else { Some(serde_json::from_str(body).unwrap()) };
            let mut fields = Fields::of(body.as_ref(), Shape::ObjectAndRecord);
            fields.string("name");
            fields.email("email");
            fields.filled("password");
            fields.optional("image");
            fields.flag("rememberMe");
            let message = fields.finish().err().and_then(|refusal| refusal.message).unwrap_or_default();
            assert_eq!(message, expected);
        };
        check(r#"{"name":"","email":"a@b.co","password":"x"}"#, "");
        check(
            "",
            "[body] Invalid input: expected object, received undefined; [body] Invalid input: expected record, received undefined",
        );
        check(
            r#"{"email": 5, "password": ""}"#,
            "[body.name] Invalid input: expected string, received undefined; [body.email] Invalid input: expected string, received number; [body.password] Too small: expected string to have >=1 characters",
        );
        check(
            r#"{"name":"a\u0000","email":"a@b.co","password":"x","image":null,"rememberMe":[]}"#,
            "[body.name] Invalid input: a text cannot contain U+0000; [body.image] Invalid input: expected string, received null; [body.rememberMe] Invalid input: expected boolean, received array",
        );
    }
}
