//! The document as a page for people: entities, their fields, what can be done with them, and a request for each to copy.
//!
//! Always holds: the page needs no script and no file; every text of the document is escaped.

use std::fmt::Write as _;

use serde_json::Value;

/// The page's style; the answer allows it by its hash, and nothing else.
pub(super) const STYLE: &str = include_str!("page.css");

/// Writes the page of a document of [`super::document`].
pub(super) fn render(document: &Value, base: &str) -> String {
    let base = base.trim_end_matches('/');
    let title = escaped(text(&document["info"]["title"]));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<div class=\"all\">\n<nav aria-label=\"Contents\">\n\
         <a href=\"#the-top\"><b>{title}</b></a>\n<ul>\n"
    );
    let tags: Vec<&Value> = document["tags"].as_array().into_iter().flatten().collect();
    for tag in &tags {
        let name = escaped(text(&tag["name"]));
        let _ = writeln!(page, "<li><a href=\"#{name}\">{name}</a></li>");
    }
    let _ = write!(page, "</ul>\n</nav>\n<main id=\"the-top\">\n<h1>{title}</h1>\n");
    for paragraph in text(&document["info"]["description"]).split("\n\n") {
        let _ = writeln!(page, "<p>{}</p>", marked(paragraph));
    }
    let _ = writeln!(
        page,
        "<p>The same for programs: <a href=\"/api/v1/openapi.json\">openapi.json</a>.</p>\n<h3>Who is asking</h3>\n\
         <div class=\"wide\"><table>"
    );
    for (_, scheme) in document["components"]["securitySchemes"].as_object().into_iter().flatten() {
        let how = match (text(&scheme["type"]), text(&scheme["name"])) {
            ("http", _) => "Authorization: Bearer".to_owned(),
            (_, name) => format!("{}: {name}", text(&scheme["in"])),
        };
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td></tr>",
            escaped(&how),
            marked(text(&scheme["description"]))
        );
    }
    page.push_str("</table></div>\n");
    for tag in &tags {
        section(&mut page, document, tag, base);
    }
    page.push_str("</main>\n</div>\n</body>\n</html>\n");
    page
}

/// One entity, or one of the things beside them.
fn section(page: &mut String, document: &Value, tag: &Value, base: &str) {
    let name = text(&tag["name"]);
    let _ = writeln!(
        page,
        "<section>\n<h2 id=\"{0}\">{0}</h2>\n<p class=\"dim\">{1}</p>",
        escaped(name),
        marked(text(&tag["description"]))
    );
    let schemas = &document["components"]["schemas"];
    if let Some(row) = schemas.get(name) {
        fields(page, row, schemas.get(format!("{name}Insert")));
    }
    page.push_str("<h3>Requests</h3>\n");
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation["tags"][0] == *name {
                self::operation(page, document, &Call { path, method, operation, base });
            }
        }
    }
    page.push_str("</section>\n");
}

fn fields(page: &mut String, row: &Value, insert: Option<&Value>) {
    page.push_str(
        "<div class=\"wide\"><table>\n<thead><tr><th>Field</th><th>Type</th><th>In a body</th><th></th></tr></thead>\n",
    );
    let written = |name: &str| insert.and_then(|insert| insert["properties"].get(name));
    let needed = |name: &str| {
        let names = insert.and_then(|insert| insert["required"].as_array());
        names.is_some_and(|names| names.iter().any(|needed| needed == name))
    };
    let mut rows: Vec<(&str, &Value)> = row["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, read)| (name.as_str(), read))
        .collect();
    // What is written and never read, such as a hidden field.
    let more = insert.and_then(|insert| insert["properties"].as_object()).into_iter().flatten();
    rows.extend(
        more.filter(|(name, _)| row["properties"].get(name.as_str()).is_none()).map(|(n, v)| (n.as_str(), v)),
    );
    for (name, read) in rows {
        let in_body = match written(name) {
            None => "",
            Some(_) if needed(name) => "needed",
            Some(_) => "possible",
        };
        let shape = written(name).unwrap_or(read);
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{in_body}</td><td>{}</td></tr>",
            escaped(name),
            escaped(&kind(read)),
            marked(&limits(shape))
        );
    }
    page.push_str("</table></div>\n");
}

/// A type in words.
fn kind(schema: &Value) -> String {
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec!["any"],
    };
    let named = match schema["format"].as_str() {
        Some(format) if types.first() == Some(&"string") => vec![format],
        _ => types.iter().copied().filter(|name| *name != "null").collect(),
    };
    let or_null = if types.contains(&"null") { " or null" } else { "" };
    format!("{}{or_null}", named.join(" or "))
}

/// What a value must be beside its type, in words.
fn limits(schema: &Value) -> String {
    let mut words = vec![text(&schema["description"]).to_owned()];
    if let Some(options) = schema["enum"].as_array().or_else(|| schema["items"]["enum"].as_array()) {
        let options: Vec<String> =
            options.iter().filter_map(|o| o.as_str()).map(|o| format!("`{o}`")).collect();
        words.push(format!("One of {}.", options.join(", ")));
    }
    for (name, word) in [("minLength", "At least"), ("maxLength", "At most")] {
        // That a text is not empty goes without saying.
        if let Some(length) = schema[name].as_u64().filter(|length| *length > 1) {
            words.push(format!("{word} {length} characters."));
        }
    }
    for (name, word) in [("minimum", "From"), ("maximum", "Up to")] {
        let limit = &schema[name];
        // The ends of 64 bits are no rule of the field.
        if limit.is_number() && limit.as_i64().is_none_or(|n| n != i64::MIN && n != i64::MAX) {
            words.push(format!("{word} {limit}."));
        }
    }
    if let Some(default) = schema.get("default") {
        words.push(format!("By default `{default}`."));
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// One request.
struct Call<'d> {
    path: &'d str,
    method: &'d str,
    operation: &'d Value,
    base: &'d str,
}

fn operation(page: &mut String, document: &Value, call: &Call<'_>) {
    let Call { path, method, operation, .. } = call;
    let _ = writeln!(
        page,
        "<details>\n<summary><span class=\"m {method}\">{}</span><code>{}</code><span class=\"dim\">{}</span></summary>\n<div>",
        method.to_uppercase(),
        escaped(path),
        escaped(text(&operation["summary"]))
    );
    if let Some(description) = operation["description"].as_str() {
        let _ = writeln!(page, "<p>{}</p>", marked(description));
    }
    let _ = writeln!(page, "<pre><code>{}</code></pre>", escaped(&curl(document, call)));
    let parameters: Vec<&Value> =
        operation["parameters"].as_array().into_iter().flatten().map(|one| resolved(document, one)).collect();
    let filters = parameters.iter().filter(|one| is_filter(one)).count();
    if parameters.len() > filters {
        page.push_str("<div class=\"wide\"><table>\n");
        if filters > 0 {
            page.push_str(
                "<tr><td><i>field</i></td><td>A filter by any field of the table above, such as <code>createdAt=gte.2026-01-31</code>.</td></tr>\n",
            );
        }
        for one in parameters.iter().filter(|one| !is_filter(one)) {
            let _ = writeln!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td></tr>",
                escaped(text(&one["name"])),
                marked(text(&one["description"]))
            );
        }
        page.push_str("</table></div>\n");
    }
    page.push_str("<div class=\"wide\"><table>\n");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let answer = resolved(document, answer);
        let _ = writeln!(page, "<tr><td>{status}</td><td>{}</td></tr>", marked(text(&answer["description"])));
    }
    page.push_str("</table></div>\n</div>\n</details>\n");
}

fn is_filter(parameter: &Value) -> bool {
    text(&parameter["schema"]["$ref"]).contains("/Filter")
}

/// A request to copy.
fn curl(document: &Value, call: &Call<'_>) -> String {
    let Call { path, method, operation, base } = call;
    let path = path.replace("{id}", "ID");
    let parameters =
        || operation["parameters"].as_array().into_iter().flatten().map(|one| resolved(document, one));
    let has = |name: &str| parameters().any(|one| one["name"] == *name);
    let query = if parameters().any(is_filter) && *method != "get" {
        "?id=eq.ID"
    } else if has("limit") {
        "?limit=3"
    } else {
        ""
    };
    let verb = if *method == "get" { String::new() } else { format!("-X {} ", method.to_uppercase()) };
    let by_key = |way: &Value| way.get("apiKey").is_some() || way.get("apiKeyHeader").is_some();
    let credential = match operation["security"].as_array() {
        Some(ways) if !ways.iter().any(by_key) => "SESSION_TOKEN",
        _ => "hrk_…",
    };
    let mut line = format!("curl {verb}-H 'Authorization: Bearer {credential}' '{base}{path}{query}'");
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if schema.is_object() {
        let first = schema["anyOf"].get(0).unwrap_or(schema);
        let example = resolved(document, first)["examples"].get(0).cloned();
        let body = example.unwrap_or_else(|| serde_json::json!({})).to_string();
        let _ = write!(line, " \\\n  --json '{}'", body.replace('\'', "'\\''"));
    }
    line
}

/// What a reference refers to.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let target = value["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Text as HTML, with what stands between backticks as code.
fn marked(text: &str) -> String {
    let mut html = String::new();
    for (at, part) in text.split('`').enumerate() {
        let part = escaped(part);
        if at % 2 == 1 {
            let _ = write!(html, "<code>{part}</code>");
        } else {
            html.push_str(&part);
        }
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
