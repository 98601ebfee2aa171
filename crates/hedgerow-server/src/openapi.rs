//! The description of the data API: an OpenAPI 3.1 document, written of the table of routes and of the application's entities.
//!
//! Always holds: the same entities make the same bytes; it says nothing of a hidden field; what has no route is not described.

mod answers;
mod built_in;
mod metas;
mod operation;
mod page;
mod parameters;
mod rows;
mod served;

use hedgerow::Schema;
use hedgerow::auth::settings::AuthSettings;
use hedgerow::config::Audience;
use hedgerow::schema::{Limits, shape};
use serde_json::{Map, Value, json};

use operation::Paths;
pub(crate) use served::{Written, docs, json};

/// What the document says beside the entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// What the application is called.
    pub title: String,
    /// The name of the session cookie.
    pub cookie: String,
    /// The largest `limit` of a list.
    pub max_limit: u32,
    /// Who may read the description itself.
    pub readers: Audience,
}

impl About {
    /// What these settings say.
    pub fn of(settings: &AuthSettings, limits: Limits, readers: Audience) -> Self {
        let base = settings.base_url.as_ref();
        let is_secure =
            settings.secure_cookies.unwrap_or_else(|| base.is_some_and(|url| url.scheme() == "https"));
        let start = if is_secure { "__Secure-" } else { "" };
        Self {
            title: settings.app_name.clone(),
            cookie: format!("{start}{}.session_token", settings.cookie_prefix),
            max_limit: limits.max,
            readers,
        }
    }
}

/// The document (OpenAPI Specification 3.1.1).
///
/// ```
/// use hedgerow::schema::{EntityFile, Schema};
/// use hedgerow::{auth::settings::AuthSettings, config::Audience, schema::Limits};
/// use hedgerow_server::openapi::{About, document};
/// let text = "name = \"tasks\"\nfields.title = { type = \"text\" }".to_owned();
/// let schema = Schema::parse(&[EntityFile { name: "tasks.toml".into(), text }]).unwrap();
/// let about = About::of(&AuthSettings::development(), Limits::default(), Audience::SignedIn);
/// let document = document(&schema, &about);
/// assert_eq!(document["openapi"], "3.1.1");
/// assert_eq!(document["paths"]["/api/v1/tasks"]["get"]["operationId"], "tasks_list");
/// ```
pub fn document(schema: &Schema, about: &About) -> Value {
    let mut paths = Paths::default();
    let mut tags = Vec::new();
    let mut schemas = Map::new();
    let mut parameters = parameters::shared(about);
    for entity in schema.entities() {
        tags.push(json!({
            "name": entity.name.as_str(),
            "description": format!("{}. {}", entity.label.plural, rows::access_in_words(entity)),
        }));
        rows::describe(entity, &mut paths);
        metas::of_rows(entity, &mut paths);
        for (suffix, shape) in [
            ("", shape::row(entity)),
            ("Insert", shape::insert(schema, entity)),
            ("Update", shape::update(entity)),
            ("Replace", shape::replace(entity)),
        ] {
            schemas.insert(format!("{}{suffix}", entity.name), shape);
        }
        schemas.extend(metas::schemas_of(entity));
        parameters.extend(parameters::of_fields(entity));
    }
    built_in::describe(about, &mut paths, &mut tags, &mut schemas, &mut parameters);
    schemas.extend(answers::schemas());
    schemas.extend(parameters::filters());
    schemas.extend(
        shape::code_lists()
            .map(|(name, codes)| (name.to_owned(), json!({ "type": "string", "enum": codes }))),
    );
    let paths = paths.into_value();
    tags.retain(|tag| is_used(&paths, &tag["name"]));
    let mut document = json!({
        "openapi": "3.1.1",
        "info": {
            "title": format!("{} API", about.title),
            "version": "1",
            "summary": "The application's rows, as PostgreSQL lets whoever asks see and change them.",
            "description": DESCRIPTION,
            "license": { "name": "As the application's owner says", "url": "/" },
        },
        "servers": [{ "url": "/", "description": "This server." }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters,
            "headers": answers::headers(),
            "responses": answers::problems(),
            "securitySchemes": security_schemes(about),
        },
    });
    drop_unused(&mut document);
    document
}

const DESCRIPTION: &str = "\
The grammar is PostgREST's: `field=operator.value` filters, `select` names fields and embedded rows, `order` sorts. A list is a bare array \
with `Content-Range` and `Link`. Errors are `application/problem+json` (RFC 9457) with a stable `code`; wrong input names each mistake in \
`errors`.\n\n\
Who asks sees their own rows, and those of others that the entity opens; a row that is not theirs to see is 404, like one that does not \
exist. An API key also needs the scope that an operation names.";

fn security_schemes(about: &About) -> Value {
    json!({
        "apiKey": {
            "type": "http", "scheme": "bearer", "bearerFormat": "hrk_…",
            "description": "An API key: `Authorization: Bearer hrk_…`. It may do what its scopes allow.",
        },
        "apiKeyHeader": {
            "type": "apiKey", "in": "header", "name": "x-api-key",
            "description": "The same key in a header of its own.",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": about.cookie,
            "description": "The session of a browser that signed in; a change must come from a page of a trusted origin.",
        },
        "sessionToken": {
            "type": "http", "scheme": "bearer",
            "description": "A session token, or a JWT of `/api/auth/token`.",
        },
    })
}

/// The document as a page of HTML, for people; `base` is where the server is reached.
pub fn page(document: &Value, base: &str) -> String {
    page::render(document, base)
}

/// Whether an operation has the tag.
fn is_used(paths: &Value, tag: &Value) -> bool {
    let items = paths.as_object().into_iter().flatten();
    items.flat_map(|(_, item)| item.as_object().into_iter().flatten()).any(|(_, one)| one["tags"][0] == *tag)
}

/// Takes out shared parts that nothing refers to, such as the list of countries where no field is one.
fn drop_unused(document: &mut Value) {
    loop {
        let mut used = Vec::new();
        references(document, &mut used);
        let mut dropped = false;
        if let Some(components) = document["components"].as_object_mut() {
            for (kind, parts) in components.iter_mut().filter(|(kind, _)| *kind != "securitySchemes") {
                let Some(parts) = parts.as_object_mut() else { continue };
                let before = parts.len();
                parts.retain(|name, _| used.contains(&format!("#/components/{kind}/{name}")));
                dropped |= parts.len() < before;
            }
        }
        if !dropped {
            return;
        }
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(target) if name == "$ref" => found.push(target.clone()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
