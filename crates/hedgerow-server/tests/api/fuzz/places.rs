//! The places of a request: each part of its path, its parameters, its headers and its body, in turn taken by an input.

use serde_json::Value;
use url::form_urlencoded;

use super::recipes::{As, HOLE, Recipe};
use super::wire::Request;
use super::world::Person;

/// The headers that the server reads, and some that other servers do. One a line.
const HEADERS: &str = "
prefer: ~
prefer: return=~
prefer: return=representation, ~
prefer: count=~
prefer: resolution=~
prefer: missing=~
prefer: max-affected=~
prefer: handling=~
prefer: handling=strict, ~
prefer: tx=~
prefer: timezone=~
if-match: ~
if-match: \"~\"
if-match: W/\"~\"
if-none-match: ~
if-none-match: \"~\"
if-modified-since: ~
idempotency-key: ~
idempotency-key: \"~\"
range: ~
range: ~-1
range: 0-~
range: items=0-~
range-unit: ~
accept: ~
accept: application/~
accept: text/csv;q=~
accept: application/vnd.pgrst.object+json;nulls=~
accept: application/vnd.pgrst.~+json
accept-language: ~
accept-encoding: ~
accept-profile: ~
content-profile: ~
content-type: ~
content-type: application/~
content-type: application/json; charset=~
content-type: text/csv; header=~
content-encoding: ~
content-length: ~
transfer-encoding: ~
expect: ~
authorization: ~
authorization: Bearer ~
authorization: Basic ~
authorization: Bearer hrk_~
authorization: Bearer a.~.b
x-api-key: ~
x-api-key: hrk_~
apikey: ~
cookie: ~
cookie: better-auth.session_token=~
cookie: better-auth.session_token=a.~
origin: ~
origin: https://~
referer: ~
host: ~
sec-fetch-site: ~
access-control-request-method: ~
access-control-request-headers: ~
x-request-id: ~
x-forwarded-for: ~
x-forwarded-for: ~, 127.0.0.1
x-forwarded-proto: ~
x-forwarded-host: ~
x-real-ip: ~
forwarded: for=~
x-http-method-override: ~
x-client-info: ~
traceparent: ~
user-agent: ~
upgrade: ~
x-~: 1
";

/// Members that a body must not reach a row with.
const MEMBERS: &[&str] = &[
    "id",
    "userId",
    "createdAt",
    "updatedAt",
    "deletedAt",
    "secret",
    "stamp",
    "fixed",
    "search",
    "role",
    "scopes",
    "metas",
];

/// A part of a request that an input takes.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Part of the path by its number, escaped.
    Segment(usize),
    /// The whole path, as it is.
    RawPath,
    /// The name and value of a parameter, escaped.
    Parameter(String, String),
    /// The whole query, as it is.
    RawQuery,
    Header(&'static str, &'static str),
    /// A value in the body (RFC 6901).
    Value(String),
    /// A member more in an object of the body.
    Member(String, &'static str),
    /// The name of one.
    Name(String),
    /// The whole body.
    Body,
}

/// What kind of input a place takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Value,
    Body,
}

impl Place {
    pub(super) fn takes(&self) -> Takes {
        match self {
            Self::Value(_) | Self::Member(..) => Takes::Value,
            Self::Body => Takes::Body,
            _ => Takes::Text,
        }
    }

    /// All places of a recipe's request.
    pub(super) fn all(recipe: &Recipe) -> Vec<Self> {
        let segments = recipe.path.split('/').skip(1).count();
        let mut all: Vec<Self> = (0..segments).map(Self::Segment).collect();
        all.extend([Self::RawPath, Self::RawQuery]);
        all.extend(recipe.shapes.iter().map(|(name, value)| Self::Parameter(name.clone(), value.clone())));
        let headers = HEADERS.lines().filter_map(|line| line.split_once(": "));
        all.extend(headers.map(|(name, value)| Self::Header(name, value)));
        if let Some(body) = recipe.body {
            all.push(Self::Body);
            if let Ok(body) = serde_json::from_str::<Value>(body) {
                inside(&body, "", &mut all);
            }
        }
        all
    }
}

/// The places in a value of a body.
fn inside(value: &Value, pointer: &str, all: &mut Vec<Place>) {
    if !pointer.is_empty() {
        all.push(Place::Value(pointer.to_owned()));
    }
    match value {
        Value::Object(members) => {
            all.push(Place::Name(pointer.to_owned()));
            all.extend(MEMBERS.iter().map(|name| Place::Member(pointer.to_owned(), name)));
            for (name, value) in members {
                inside(value, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                inside(value, &format!("{pointer}/{at}"), all);
            }
        }
        _ => {}
    }
}

/// The request of a recipe, with an input in one of its places.
pub(super) fn request(recipe: &Recipe, who: &Person, taken: Option<(&Place, &[u8])>) -> Request {
    let path = who.fill(&recipe.path);
    let mut target = path.clone().into_bytes();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &recipe.query {
        query.append_pair(name, &who.fill(value));
    }
    let mut query = query.finish().into_bytes();
    let mut request = Request { method: recipe.method, ..Request::default() };
    match recipe.who {
        As::Nobody => {}
        As::Key | As::Admin => request.set("authorization", format!("Bearer {}", who.user.key)),
        As::Session => {
            request.set("cookie", who.cookie.clone());
            request.set("origin", who.origin.clone());
        }
    }
    if let Some(body) = recipe.body {
        request.set("content-type", "application/json");
        request.body = Some(who.fill(body).into_bytes());
    }
    for (name, value) in &recipe.headers {
        request.set(name, who.fill(value));
    }
    match taken {
        None => {}
        Some((Place::Segment(number), input)) => {
            let parts = path.split('/').skip(1).enumerate();
            let part =
                |(at, part): (usize, &str)| if at == *number { escaped(input) } else { part.to_owned() };
            target = format!("/{}", parts.map(part).collect::<Vec<_>>().join("/")).into_bytes();
        }
        Some((Place::RawPath, input)) => target = [target.as_slice(), b"/", input].concat(),
        Some((Place::RawQuery, input)) => query = input.to_vec(),
        Some((Place::Parameter(name, value), input)) => {
            let more = format!("{}={}", holes(&who.fill(name), input), holes(&who.fill(value), input));
            // A parameter that is there already is replaced: twice would be a mistake by itself.
            let own = format!("{name}=");
            let kept: Vec<&[u8]> =
                query.split(|&byte| byte == b'&').filter(|one| !one.starts_with(own.as_bytes())).collect();
            let separator: &[u8] = if query.is_empty() { b"" } else { b"&" };
            query = [kept.join(&b'&'), separator.to_vec(), more.into_bytes()].concat();
        }
        Some((Place::Header(name, value), input)) => {
            let (name, value) = (replaced(name, input), replaced(value, input));
            let name = String::from_utf8_lossy(&name).into_owned();
            if name == "x-api-key" || name == "cookie" {
                request.headers.retain(|(own, _)| own != "authorization");
            }
            // What says where a body ends may not say the truth; a name that is none, or a control character, is no header.
            let is_framing = matches!(
                name.as_str(),
                "content-length" | "transfer-encoding" | "expect" | "upgrade" | "host"
            );
            let is_token =
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
            request.lonely |= is_framing || !is_token || is_broken(&value);
            request.set(&name, value);
        }
        Some((Place::Value(pointer), input)) => request.body = with(&request, pointer, |_| input.to_vec()),
        Some((Place::Member(pointer, name), input)) => {
            request.body = with(&request, pointer, |object| member(object, &format!("\"{name}\""), input));
        }
        Some((Place::Name(pointer), input)) => {
            let name = serde_json::to_vec(&String::from_utf8_lossy(input)).expect("a text is JSON");
            let name = String::from_utf8_lossy(&name).into_owned();
            request.body = with(&request, pointer, |object| member(object, &name, b"\"a\""));
        }
        Some((Place::Body, input)) => request.body = Some(input.to_vec()),
    }
    if !query.is_empty() {
        target = [target.as_slice(), b"?", &query].concat();
    }
    // Clients escape these (RFC 3986, appendix A).
    request.lonely |= target.iter().any(|byte| !(0x21..0x7f).contains(byte) || b"\"<>`".contains(byte));
    request.target = target;
    request
}

fn is_broken(value: &[u8]) -> bool {
    value.iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f)
}

/// A text with its holes filled by bytes.
fn replaced(text: &str, input: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = text.split('~').map(str::as_bytes).collect();
    parts.join(input)
}

/// A part of a query, escaped, with its holes filled by bytes.
fn holes(text: &str, input: &[u8]) -> String {
    let parts: Vec<String> = text.split(HOLE).map(|part| escaped(part.as_bytes())).collect();
    parts.join(&escaped(input))
}

fn escaped(bytes: &[u8]) -> String {
    form_urlencoded::byte_serialize(bytes).collect::<String>().replace('+', "%20")
}

/// The request's body with the text of the value at a pointer made anew.
fn with(request: &Request, pointer: &str, change: impl FnOnce(&str) -> Vec<u8>) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(request.body.as_deref()?).expect("the recipe's body");
    let place = body.pointer_mut(pointer).expect("a place of the recipe's body");
    let changed = change(&place.to_string());
    *place = Value::String(HOLE.to_owned());
    let text = body.to_string();
    let (before, after) = text.split_once(&format!("\"{HOLE}\"")).expect("the hole");
    Some([before.as_bytes(), &changed, after.as_bytes()].concat())
}

/// The text of an object with a member more.
fn member(object: &str, name: &str, value: &[u8]) -> Vec<u8> {
    let separator = if object == "{}" { "" } else { "," };
    [b"{", name.as_bytes(), b":", value, separator.as_bytes(), &object.as_bytes()[1..]].concat()
}
