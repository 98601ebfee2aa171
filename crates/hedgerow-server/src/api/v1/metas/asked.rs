//! Requests about metadata as typed values: parameters, conditions and bodies, every mistake with its name.
//!
//! Always holds: the JSON of a value is taken as it came, digit for digit.

use axum::http::{HeaderMap, HeaderValue, Method, header};
use hedgerow::metadata::{DataType, MetasOf, Only};
use hedgerow::records::Expected;
use hedgerow::schema::InputError;
use hedgerow::schema::meta::{MergeDepth, MetaLimits, read_keys};
use hedgerow::schema::write::members;

use crate::api::v1::records::request::{Target, expected};
use crate::respond::Failure;

type Mistakes = Vec<InputError>;

/// Room around a value of the largest size in the body of a PUT.
const AROUND_VALUE: usize = 64 << 10;

/// How large the body of a PUT may be: a value of the largest size has to get in.
pub(super) fn body_limit(usual: usize, limits: MetaLimits) -> usize {
    usual.max(limits.value_bytes.saturating_add(AROUND_VALUE))
}

/// What of an object of metadata is wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) keys: Option<Vec<String>>,
    pub(super) merged: Option<MergeDepth>,
}

impl Wanted {
    /// `keys`, and of a row's and one's own `merged` and `merge`.
    pub(super) fn read(parameters: &[(String, String)], of: MetasOf<'_>) -> Result<Self, Mistakes> {
        let (mut keys, mut merged, mut depth) = (None, None, None);
        let mut mistakes = Vec::new();
        for (at, (name, text)) in parameters.iter().enumerate() {
            let mut word = |words: &str| {
                let message = format!("`{name}` is {words}");
                mistakes.push(InputError::new(name, "invalid_parameter", message));
            };
            if parameters[..at].iter().any(|(other, _)| other == name) {
                mistakes.push(repeated(name));
                continue;
            }
            let merges = matches!(of, MetasOf::Row(..) | MetasOf::User);
            match (name.as_str(), merges, text.as_str()) {
                ("keys", _, text) => match read_keys("keys", text) {
                    Ok(read) => keys = Some(read),
                    Err(found) => mistakes.extend(found),
                },
                ("merged", true, "true") => merged = Some(true),
                ("merged", true, "false") => merged = Some(false),
                ("merged", true, _) => word("`true` or `false`"),
                ("merge", true, "deep") => depth = Some(MergeDepth::Deep),
                ("merge", true, "shallow") => depth = Some(MergeDepth::Shallow),
                ("merge", true, _) => word("`shallow` or `deep`"),
                ("merged" | "merge", false, _) => {
                    let message = format!("`{name}` is for rows and for one's own metadata");
                    mistakes.push(InputError::new(name, "unknown_parameter", message));
                }
                _ => mistakes.push(unknown(name)),
            }
        }
        if depth.is_some() && merged != Some(true) {
            let message = "`merge` says how to merge, and only `merged=true` asks for it";
            mistakes.push(InputError::new("merge", "invalid_parameter", message));
        }
        let merged = (merged == Some(true)).then(|| depth.unwrap_or_default());
        if mistakes.is_empty() { Ok(Self { keys, merged }) } else { Err(mistakes) }
    }

    pub(super) fn shows(&self, key: &str) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.iter().any(|own| own == key))
    }
}

/// For what takes none.
pub(super) fn no_parameters(parameters: &[(String, String)]) -> Result<(), Mistakes> {
    let mistakes: Mistakes = parameters.iter().map(|(name, _)| unknown(name)).collect();
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

fn unknown(name: &str) -> InputError {
    InputError::new(name, "unknown_parameter", format!("`{name}` is no parameter here"))
}

fn repeated(name: &str) -> InputError {
    InputError::new(name, "repeated_parameter", format!("`{name}` stands here twice"))
}

/// What has to hold for a meta to be written (RFC 9110, section 13.1).
pub(super) struct Conditions {
    is_new: bool,
    is_there: bool,
    pub(super) expected: Expected,
}

impl Conditions {
    pub(super) fn read(headers: &HeaderMap, method: &Method) -> Result<Self, Failure> {
        let is_new = headers.get(header::IF_NONE_MATCH).map(HeaderValue::as_bytes) == Some(b"*")
            && *method == Method::PUT
            && !headers.contains_key(header::IF_MATCH);
        if is_new {
            return Ok(Self { is_new, is_there: false, expected: Expected::Any });
        }
        let target = match *method {
            Method::PATCH => Target::Rows,
            _ => Target::Row(String::new()),
        };
        let expected = expected(headers, &target)?;
        Ok(Self { is_new, is_there: headers.contains_key(header::IF_MATCH), expected })
    }

    pub(super) fn only(&self) -> Option<Only<'_>> {
        match (&self.expected, self.is_there) {
            _ if self.is_new => Some(Only::IfAbsent),
            (Expected::Versions(versions), _) => Some(Only::IfVersion(versions)),
            (Expected::Any, true) => Some(Only::IfPresent),
            (Expected::Any, false) => None,
        }
    }
}

/// The body of a PUT: `{"value", "dataType"?, "isPublic"?, "isSearchable"?}`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NewValue<'b> {
    pub(super) json: &'b str,
    pub(super) data_type: Option<DataType>,
    pub(super) is_public: Option<bool>,
    pub(super) is_searchable: Option<bool>,
}

impl<'b> NewValue<'b> {
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Mistakes> {
        let members = members(object(body)?).map_err(|error| not_json(&error.to_string()))?;
        let mut read = Self::default();
        let mut mistakes = Vec::new();
        for (at, (name, json)) in members.iter().enumerate() {
            let json = json.get();
            let mut mistake = |code, message: String| mistakes.push(InputError::new(name, code, message));
            let flag = || match json {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            };
            if members[..at].iter().any(|(other, _)| other == name) {
                mistake("repeated_field", format!("`{name}` stands here twice"));
                continue;
            }
            match name.as_str() {
                "value" => read.json = json,
                "dataType" => {
                    let said = serde_json::from_str::<String>(json).ok();
                    read.data_type = said.and_then(|name| DataType::parse(&name));
                    if read.data_type.is_none() {
                        let all = DataType::ALL.map(|own| format!("`{}`", own.name())).join(", ");
                        mistake("invalid_data_type", format!("`dataType` is one of {all}"));
                    }
                }
                "isPublic" | "isSearchable" => {
                    let place =
                        if name == "isPublic" { &mut read.is_public } else { &mut read.is_searchable };
                    *place = flag();
                    if place.is_none() {
                        mistake("invalid_boolean", format!("`{name}` is true or false"));
                    }
                }
                _ => mistake("unknown_field", format!("`{name}` is no field of a meta")),
            }
        }
        if !members.iter().any(|(name, _)| name == "value") {
            mistakes.push(InputError::new("value", "required", "`value` is required"));
        }
        if mistakes.is_empty() { Ok(read) } else { Err(mistakes) }
    }
}

/// A body that is an object.
pub(super) fn object(body: &[u8]) -> Result<&str, Mistakes> {
    let text = std::str::from_utf8(body).map_err(|_| not_json("it is not UTF-8"))?;
    let json: &serde_json::value::RawValue =
        serde_json::from_str(text).map_err(|error| not_json(&error.to_string()))?;
    if json.get().starts_with('{') {
        Ok(json.get())
    } else {
        Err(vec![InputError::new("", "invalid_body", "the body is an object")])
    }
}

fn not_json(why: &str) -> Mistakes {
    vec![InputError::new("", "invalid_json", format!("the body is no JSON: {why}"))]
}
