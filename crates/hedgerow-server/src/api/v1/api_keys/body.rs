//! Bodies about keys: JSON to checked values, every mistake with its field.

use hedgerow::api_keys::{NewApiKey, parse_network};
use hedgerow::schema::write::members;
use hedgerow::schema::{InputError, Scope};
use jiff::Timestamp;
use serde_json::Value;

type Mistakes = Vec<InputError>;

/// `{"name","scopes","expiresAt"?,"allowedIps"?}`
pub(super) fn new_key(body: &[u8]) -> Result<NewApiKey, Mistakes> {
    let mut fields = Fields::of(body, &["name", "scopes", "expiresAt", "allowedIps"]);
    let name = fields.required("name", text);
    let scopes = fields.required("scopes", |value, note| {
        list(value, note, "an array of scopes such as `tasks:read`", "invalid_scope", |text| {
            text.parse::<Scope>().map_err(|error| error.to_string())
        })
    });
    let expires_at = fields.optional("expiresAt", |value, note| {
        let moment = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        if moment.is_none() {
            note("", "invalid_datetime", "must be a moment such as 2027-01-31T09:30:00Z".to_owned());
        }
        moment
    });
    let allowed_ips = fields.optional("allowedIps", |value, note| {
        list(
            value,
            note,
            "an array of addresses and networks such as 10.0.0.0/8",
            "invalid_address",
            |text| parse_network(text).map_err(|error| error.to_string()),
        )
    });
    fields.finish()?;
    Ok(NewApiKey {
        name: name.unwrap_or_default(),
        scopes: scopes.unwrap_or_default(),
        expires_at,
        allowed_ips,
    })
}

/// `{"name"}`
pub(super) fn name(body: &[u8]) -> Result<String, Mistakes> {
    let mut fields = Fields::of(body, &["name"]);
    let name = fields.required("name", text);
    fields.finish()?;
    Ok(name.unwrap_or_default())
}

/// `{"overlap"?}`, or nothing at all.
pub(super) fn overlap(body: &[u8]) -> Result<Option<u64>, Mistakes> {
    if body.is_empty() {
        return Ok(None);
    }
    let mut fields = Fields::of(body, &["overlap"]);
    let overlap = fields.optional("overlap", |value, note| {
        let seconds = value.as_u64();
        if seconds.is_none() {
            note("", "invalid_overlap", "must be a whole number of seconds".to_owned());
        }
        seconds
    });
    fields.finish()?;
    Ok(overlap)
}

/// `{}`, or nothing at all.
pub(super) fn nothing(body: &[u8]) -> Result<(), Mistakes> {
    if body.is_empty() { Ok(()) } else { Fields::of(body, &[]).finish() }
}

/// Notes a mistake of a field: the place within it, a code, and what must be.
type Note<'n> = dyn FnMut(&str, &'static str, String) + 'n;

fn text(value: &Value, note: &mut Note<'_>) -> Option<String> {
    let text = value.as_str().map(str::to_owned);
    if text.is_none() {
        note("", "invalid_text", "must be a text".to_owned());
    }
    text
}

fn list<T>(
    value: &Value,
    note: &mut Note<'_>,
    wanted: &str,
    code: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<Vec<T>> {
    let Some(items) = value.as_array() else {
        note("", "invalid_list", format!("must be {wanted}"));
        return None;
    };
    let mut all = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let read = item.as_str().ok_or_else(|| "must be a text".to_owned()).and_then(&read);
        match read {
            Ok(item) => all.push(item),
            Err(message) => note(&format!("[{at}]"), code, message),
        }
    }
    Some(all)
}

/// The members of an object, taken one by one.
struct Fields {
    members: Vec<(String, Value)>,
    mistakes: Mistakes,
    is_object: bool,
}

impl Fields {
    fn of(body: &[u8], known: &[&str]) -> Self {
        let whole = |code, message: String| Self {
            members: Vec::new(),
            mistakes: vec![InputError { field: String::new(), code, message }],
            is_object: false,
        };
        let text = match std::str::from_utf8(body) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("the body is not UTF-8 at byte {}", error.valid_up_to());
                return whole("invalid_json", message);
            }
        };
        if let Err(error) = serde_json::from_str::<Value>(text) {
            return whole("invalid_json", format!("the body is no JSON: {error}"));
        }
        let Ok(all) = members(text) else {
            return whole("invalid_body", "the body is an object".to_owned());
        };
        let mut fields = Self { members: Vec::new(), mistakes: Vec::new(), is_object: true };
        for (name, value) in all {
            if !known.contains(&name.as_str()) {
                fields.mistake(&name, "unknown_field", format!("`{name}` cannot be set here"));
            } else if fields.members.iter().any(|(other, _)| *other == name) {
                fields.mistake(&name, "repeated_field", format!("`{name}` stands here twice"));
            } else {
                fields.members.push((name, serde_json::from_str(value.get()).unwrap_or_default()));
            }
        }
        fields
    }

    fn mistake(&mut self, field: &str, code: &'static str, message: String) {
        self.mistakes.push(InputError { field: field.to_owned(), code, message });
    }

    fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value, &mut Note<'_>) -> Option<T>,
    ) -> Option<T> {
        let is_there = self.members.iter().any(|(own, value)| own == name && !value.is_null());
        if !is_there && self.is_object {
            self.mistake(name, "required", format!("`{name}` is required"));
        }
        self.optional(name, read)
    }

    /// Null is nothing.
    fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value, &mut Note<'_>) -> Option<T>,
    ) -> Option<T> {
        let (_, value) = self.members.iter().find(|(own, value)| own == name && !value.is_null())?;
        let mistakes = &mut self.mistakes;
        let mut note = |place: &str, code, message: String| {
            let field = format!("{name}{place}");
            let message = if place.is_empty() { format!("`{name}` {message}") } else { message };
            mistakes.push(InputError { field, code, message });
        };
        read(value, &mut note)
    }

    fn finish(self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(self.mistakes) }
    }
}
