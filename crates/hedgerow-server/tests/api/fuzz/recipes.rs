//! How each route is asked so that it would do something, and which places such a request has.
//!
//! Always holds: routes are read from the source and asked which methods they know, so that a new one without a recipe fails here.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a hostile input goes.
pub(super) const HOLE: &str = "\u{a7}";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    Nobody,
    Key,
    Session,
    Admin,
}

/// A request that would be understood, and what of it may be hostile. Words in braces are ids of whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) method: &'static str,
    /// As the router has it.
    pub(super) template: &'static str,
    /// The same with values.
    pub(super) path: String,
    /// Names and values, decoded, that stay.
    pub(super) query: Vec<(&'static str, &'static str)>,
    /// Names and values, decoded, one of which is added and has a hole.
    pub(super) shapes: Vec<(String, String)>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: Option<&'static str>,
    pub(super) who: As,
    /// What it is answered as it stands, where that is not success: the positive control.
    pub(super) refused: Option<u16>,
}

/// The path templates outside `/api/auth`, as the source has them.
pub(super) fn templates() -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for file in files(&source) {
        let text = fs::read_to_string(&file).expect("a source file");
        let name = file.strip_prefix(&source).expect("below src").display().to_string();
        if name.starts_with("api/auth") {
            continue;
        }
        for piece in text.split(".nest(\"").skip(1) {
            let prefix = piece.split('"').next().unwrap_or_default();
            assert_eq!(prefix, "/api/auth", "{name} nests routes that this test does not know how to read");
        }
        for piece in text.split(".route(").skip(1) {
            match piece.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                Some(path) if name == "router.rs" => found.push(path.to_owned()),
                Some(path) => panic!("{name}: routes stand in router.rs: {path}"),
                None => assert_ne!(name, "router.rs", "a route's path is a literal, for this test to read"),
            }
        }
    }
    assert!(found.len() >= 10, "the routes were not found: {found:?}");
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut all: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect();
    all.sort();
    all
}

impl Recipe {
    fn new(method: &'static str, template: &'static str, path: &str) -> Self {
        Self {
            method,
            template,
            path: path.to_owned(),
            query: Vec::new(),
            shapes: Vec::new(),
            headers: Vec::new(),
            body: None,
            who: As::Key,
            refused: None,
        }
    }

    fn by(self, who: As) -> Self {
        Self { who, ..self }
    }

    fn refused(self, status: u16) -> Self {
        Self { refused: Some(status), ..self }
    }

    fn query(self, query: &[(&'static str, &'static str)]) -> Self {
        Self { query: query.to_vec(), ..self }
    }

    fn shapes(self, shapes: &[(String, String)]) -> Self {
        Self { shapes: shapes.to_vec(), ..self }
    }

    fn body(self, body: &'static str) -> Self {
        Self { body: Some(body), ..self }
    }

    fn headers(self, headers: &[(&'static str, &'static str)]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    /// Parameters that mean something somewhere.
    fn words(self) -> Self {
        self.shapes(&shapes(OF_ANY_ROUTE))
    }
}

/// Parameters with holes, separated by spaces.
fn shapes(text: &str) -> Vec<(String, String)> {
    text.split_whitespace().map(shape).collect()
}

/// `name=value` with holes.
fn shape(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').expect("a parameter");
    (name.replace('~', HOLE), value.replace('~', HOLE))
}

const OF_ANY_ROUTE: &str = r#"
    ~=1 ~=eq.1 select=~ select=id,~ limit=~ offset=~ id=eq.~ order=~ title=eq.~
"#;

const OF_A_CHANGE: &str = r#"
    ~=1 ~=eq.1 select=~ select=title::~ select=project(~) columns=~ columns="~" columns=title,~
    on_conflict=~ on_conflict=slug,~ limit=~ offset=~ order=~ title=eq.~ title=ilike.~ or=(~)
    or=(title.eq.~,id.eq.1) data->>~=eq.1 data->>a=eq.~ project.title=eq.~ metas=~ metas=all,~ metas.~=eq.1 metas.a=eq.~
    metas.weight=not.gt.~ id=in.(~)
"#;

const OF_AN_IMPORT: &str = r#"
    ~=1 skip_invalid=~ missing=~ dry_run=~ match=~ match=~=projects.title match=project=~ match=project=~.title
    match=project=projects.~ match=parent=things.~ match=others=things.~ select=~ columns=~ title=eq.~
"#;

/// The parameters of a list, besides its filters by field.
const OF_A_LIST: &str = r#"
    ~=1 ~=eq.1 ~=~ ~.limit=1 ~.title=eq.a select=~ select=~:title select=title:~ select=title,~
    select=title::~ select=data->~ select=data->>~ select=data->a->>~ select=x:data->>~ select=~()
    select=count.~() select=count.sum()::~ select=title,~.count() select=x:~.sum() select=~(id)
    select=project(~) select=project!~(id) select=x:project!inner(id,~) select=project(id,things(~))
    select=things(~) select=things!~(id) select=things!parent(id,~) select=others(~)
    select=others(id,others(~)) select=...project(~) select=...~(title) select=helper(~) select=rate(~)
    select=project(title::~) select=project(data->>~) order=~ order=title.~ order=title.desc.~ order=~.desc
    order=title,~ order=data->~ order=data->>~.desc order=project(~) order=~(title) order=things(~) limit=~
    offset=~ cursor=~ search=~ search="~" search=a,~ distinct=~ metas=~ metas.~=eq.1 metas.a=eq.~ metas.a=~
    or=~ or=(~) or=(~.eq.1,id.eq.1) or=(title.~,id.eq.1) or=(title.eq.~,id.eq.1) or=(title.eq."~",id.eq.1)
    or=(title.in.(~),id.eq.1) or=(and(title.eq.~),count.gt.1) or=(not.and(count.gt.~,id.is.null))
    or=(data->>a.eq.~,data->~.is.null) or=(tags.cs.{~}) and=~ and=(~) and=(count.gt.~,count.lt.9)
    and=(day.gte.~,at.lt.~) not=~ not.or=(~) not.and=(title.eq.~) not.or=~ project=~ project=is.~
    things=not.is.~ columns=~ on_conflict=~ things.~=1 things.limit=~ things.offset=~ things.order=~
    things.or=(~) things.and=(title.eq.~) things.select=~ things.title=~ things.title=eq.~ things.count=gt.~
    metas=a,~ metas="~" metas.a=in.(~) metas.a=like.~ metas."~"=eq.1 order=metas.~ order=metas."~".desc
    order=metas.weight.~ or=(metas.~.eq.1,id.eq.1) or=(metas."~".not.eq.1,id.eq.1) or=(metas.a.eq.~,id.eq.1)
    not.or=(metas.weight.gt.~,metas.at.lt.~) things.metas=~ things.metas.~=eq.1 things.metas.weight=lt.~
    things.data->>~=eq.1 project.title=~ project.~=eq.1 project.title=ilike.~ others.id=eq.~ others.order=~
    others.limit=~ things.project.title=eq.~
"#;

/// The operators with an operand that is all hostile or in part.
const OPERATORS: &str = r#"
    ~ eq.~ neq.~ gt.~ gte.~ lt.~ lte.~ like.~ ilike.~ match.~ imatch.~ in.~ in.(~) in.(a,~) in.("~") is.~
    isdistinct.~ fts.~ plfts.~ phfts.~ wfts.~ fts(english).~ fts(~).a cs.~ cs.{~} cs.{"~"} cd.{~} ov.{~}
    ov.~ sl.~ sr.~ nxr.~ nxl.~ adj.~ not.~ not.eq.~ not.in.(~) not.like.*~* not.is.~ not.cs.{~} eq(any).{~}
    eq(all).{a,~} gt(any).{~} like(any).{~} ilike(all).{~,a} match(any).{~} ~.1
"#;

/// Each field's name as far as filters know it, and some that they do not.
const FIELDS: &str = r#"
    id userId createdAt updatedAt title text story mail link phone slug count price amount done day at opens
    data extra state colours tags parent project rate others helper external country currency zone photo
    pattern stamp fixed secret search data->a data->>a data->a->>b data->0->>-1 extra->size ctid deletedAt
    metas.a metas.weight metas.at metas.ui.theme metas.hidden metas.data
"#;

fn of_a_list() -> Vec<(String, String)> {
    shapes(OF_A_LIST)
}

/// Every operator on each of these fields.
fn filters(fields: &str) -> Vec<(String, String)> {
    let of_field =
        |field| OPERATORS.split_whitespace().map(move |operator| shape(&format!("{field}={operator}")));
    fields.split_whitespace().flat_map(of_field).collect()
}

const THING: &str = r#"{"title": "a", "text": "b", "story": "c", "mail": "a@example.com", "link": "https://example.com/", "phone": "+49 30 654321",
    "slug": "a-b", "count": 1, "price": 1.5, "amount": 1.5, "done": true, "day": "2026-02-28", "at": "2026-02-28T10:00:00Z", "opens": "09:30",
    "data": {"a": [1, {"b": "c"}]}, "extra": {"size": 1}, "state": "new", "colours": ["red"], "tags": ["a", "b"], "parent": "{parent}",
    "project": "{project}", "rate": "{rate}", "others": ["{parent}"], "helper": "{user}", "external": "01890a5d-ac96-774b-bcce-b302099a8058",
    "country": "DE", "currency": "EUR", "zone": "UTC", "photo": "a.png", "pattern": "Abc"}"#;

const FILE: &str = r#"[
    {"title": "a", "count": 1, "tags": ["a"], "data": {"a": [1, {"b": "c"}]}, "state": "new", "id": "x"},
    {"title": "b", "at": "2026-02-28T10:00:00Z", "others": ["{parent}"], "project": "{project}"}]"#;

const NESTED: &str =
    r#"{"title": "a", "things": [{"title": "b", "count": 1, "tags": ["a"]}, {"title": "c"}]}"#;

const BATCH: &str = r#"{"operations": [
    {"method": "POST", "path": "/api/v1/projects", "body": {"title": "a"}},
    {"method": "POST", "path": "/api/v1/things?select=id,title", "body": {"title": "b", "project": {"$ref": "0.id"}}, "headers": {"Prefer": "return=representation"}},
    {"method": "PATCH", "path": "/api/v1/things/{thing}", "body": {"count": 2}},
    {"method": "DELETE", "path": "/api/v1/things?title=eq.b"},
    {"method": "PUT", "path": "/api/v1/bins/{bin}", "body": {"title": "c"}, "headers": {"If-Match": "*"}},
    {"method": "POST", "path": "/bins/{trashed}/restore"}]}"#;

const KEY: &str = r#"{"name": "a", "scopes": ["things:read", "projects:*"], "expiresAt": "2099-01-01T00:00:00Z", "allowedIps": ["127.0.0.1", "10.0.0.0/8"]}"#;

/// Every way of asking every route. The order matters little: rows are put back in between.
pub(super) fn all() -> Vec<Recipe> {
    let row = |method, path| Recipe::new(method, "/api/v1/{entity}/{id}", path);
    let rows = |method, path| Recipe::new(method, "/api/v1/{entity}", path);
    let changes = shapes(OF_A_CHANGE);
    let embedded = [("select", "id,title,data,project(id,title),things!parent(id,title),others(id)")];
    let mut all = vec![
        rows("GET", "/api/v1/things").shapes(&filters(FIELDS)),
        rows("GET", "/api/v1/things").query(&embedded).shapes(&of_a_list()),
        rows("GET", "/api/v1/things").shapes(&of_a_list()).by(As::Session),
        rows("GET", "/api/v1/projects").query(&[("select", "*,things(id,title)")]).shapes(&of_a_list()),
        rows("GET", "/api/v1/things").headers(&[("accept", "text/csv")]).shapes(&filters("title data->>a")),
        rows("GET", "/api/v1/things")
            .headers(&[("accept", "application/x-ndjson"), ("prefer", "count=exact")])
            .words(),
        rows("GET", "/api/v1/notes").shapes(&filters("title userId secret")),
        rows("GET", "/api/v1/posts").shapes(&filters("title state metas.a metas.ui.theme")).by(As::Nobody),
        rows("GET", "/api/v1/posts").shapes(&of_a_list()).by(As::Nobody),
        rows("GET", "/api/v1/rates").shapes(&of_a_list()).by(As::Admin),
        rows("GET", "/api/v1/bins").shapes(&filters("deletedAt title data")),
        rows("HEAD", "/api/v1/things").headers(&[("prefer", "count=exact")]).shapes(&of_a_list()),
        rows("POST", "/api/v1/things").body(THING).shapes(&changes),
        rows("POST", "/api/v1/things")
            .body(r#"[{"title": "a", "count": 1}, {"title": "b", "tags": ["a"]}]"#)
            .shapes(&changes)
            .by(As::Session),
        rows("POST", "/api/v1/things")
            .query(&[("on_conflict", "slug")])
            .headers(&[("prefer", "resolution=merge-duplicates, return=representation")])
            .body(r#"[{"slug": "big-thing", "count": 5}, {"slug": "other", "count": 6}]"#)
            .shapes(&changes),
        rows("POST", "/api/v1/things")
            .query(&[("on_conflict", "id")])
            .headers(&[("prefer", "resolution=merge-duplicates")])
            .body(r#"{"id": "{thing}", "count": 5}"#)
            .words(),
        rows("POST", "/api/v1/things")
            .headers(&[("idempotency-key", "\"one\""), ("prefer", "tx=rollback")])
            .body(r#"{"title": "a"}"#)
            .words(),
        rows("POST", "/api/v1/things")
            .headers(&[("content-type", "text/csv")])
            .body("title,count\r\na,1\r\n")
            .refused(415)
            .words(),
        rows("POST", "/api/v1/projects").body(NESTED).shapes(&changes),
        rows("POST", "/api/v1/notes").body(r#"{"title": "a"}"#).words(),
        rows("POST", "/api/v1/bins").body(r#"{"title": "a", "data": {"a": null}}"#).words(),
        rows("POST", "/api/v1/rates").body(r#"{"title": "a"}"#).words().by(As::Admin),
        rows("POST", "/api/v1/posts").body(r#"{"title": "a"}"#).words().by(As::Nobody).refused(401),
        rows("PATCH", "/api/v1/things").query(&[("id", "eq.{thing}")]).body(THING).shapes(&changes),
        rows("PATCH", "/api/v1/things")
            .body(r#"[{"id": "{thing}", "count": 5}, {"id": "{parent}", "title": "b"}]"#)
            .shapes(&changes),
        rows("PATCH", "/api/v1/rates")
            .query(&[("title", "eq.rate")])
            .body(r#"{"title": "a"}"#)
            .words()
            .by(As::Admin),
        rows("DELETE", "/api/v1/things").query(&[("count", "eq.3")]).shapes(&changes),
        rows("DELETE", "/api/v1/bins").query(&[("title", "neq.a")]).shapes(&changes),
        row("GET", "/api/v1/things/{thing}").shapes(&of_a_list()),
        row("GET", "/api/v1/posts/{post}").words().by(As::Nobody),
        row("HEAD", "/api/v1/things/{thing}").words(),
        row("PATCH", "/api/v1/things/{thing}").body(THING).shapes(&changes),
        row("PATCH", "/api/v1/notes/{note}").body(r#"{"title": "a"}"#).words().by(As::Session),
        row("PATCH", "/api/v1/rates/{rate}").body(r#"{"title": "a"}"#).words().by(As::Admin),
        row("PUT", "/api/v1/things/{thing}").body(THING).shapes(&changes),
        row("PUT", "/api/v1/bins/{bin}").body(r#"{"title": "a", "id": "{bin}"}"#).words(),
        row("DELETE", "/api/v1/things/{thing}").words(),
        row("DELETE", "/api/v1/bins/{bin}").words(),
    ];
    all.extend(of_metas());
    all.extend(imports());
    all.extend(beside_rows());
    all.extend(plain_pages());
    all
}

const META: &str =
    r#"{"value": {"a": [1, {"b": "c"}]}, "dataType": "json", "isPublic": true, "isSearchable": false}"#;

const METAS: &str = r#"{"a": 2, "b": "c", "d": {"e": [null]}, "f": null}"#;

/// The metadata of a row, of oneself by two paths, and of all.
fn of_metas() -> Vec<Recipe> {
    let asked = shapes(r#"keys=~ keys=a,~ keys="~" keys="a~" merged=~ merge=~ ~=1 select=~"#);
    let mut all = Vec::new();
    for (template, one, path, reader, writer) in [
        (
            "/api/v1/{entity}/{id}/metas",
            "/api/v1/{entity}/{id}/metas/{key}",
            "/api/v1/things/{thing}/metas",
            As::Key,
            As::Session,
        ),
        (
            "/api/v1/users/me/metas",
            "/api/v1/users/me/metas/{key}",
            "/api/v1/users/me/metas",
            As::Session,
            As::Key,
        ),
        (
            "/api/v1/users/{id}/metas",
            "/api/v1/users/{id}/metas/{key}",
            "/api/v1/users/{user}/metas",
            As::Key,
            As::Key,
        ),
        ("/api/v1/metas", "/api/v1/metas/{key}", "/api/v1/metas", As::Session, As::Admin),
    ] {
        let of_all = |method| Recipe::new(method, template, path);
        let of_one = |method| Recipe::new(method, one, &format!("{path}/a")).words();
        all.extend([
            of_all("GET").shapes(&asked).by(reader),
            of_all("HEAD").shapes(&asked).by(reader),
            of_all("PATCH").body(METAS).words().by(writer),
            of_one("GET").by(reader),
            of_one("HEAD").by(reader),
            of_one("PUT").body(META).by(writer),
            of_one("PUT").body(r#"{"value": "a"}"#).headers(&[("if-match", "*")]).by(writer),
            of_one("DELETE").by(writer),
        ]);
    }
    let merged = [("merged", "true"), ("merge", "deep")];
    all.push(
        Recipe::new("GET", "/api/v1/{entity}/{id}/metas", "/api/v1/things/{thing}/metas")
            .query(&merged)
            .shapes(&asked),
    );
    let post = Recipe::new("GET", "/api/v1/{entity}/{id}/metas", "/api/v1/posts/{post}/metas");
    all.push(post.query(&merged).shapes(&asked).by(As::Nobody));
    all
}

/// Files, and what is asked of a row that is called `import`.
fn imports() -> Vec<Recipe> {
    let of = |method, path| Recipe::new(method, "/api/v1/{entity}/import", path);
    let file = |kind, body| of("POST", "/api/v1/things/import").headers(&[("content-type", kind)]).body(body);
    let shapes = shapes(OF_AN_IMPORT);
    vec![
        file("application/json", FILE).shapes(&shapes),
        file("application/json", FILE)
            .query(&[("skip_invalid", "true"), ("dry_run", "true")])
            .by(As::Session),
        file("text/csv", "title,count,tags,userId\r\n\"a, \"\"b\"\"\",1,a; b,x\r\nb,,,\r\n")
            .query(&[("skip_invalid", "true")])
            .shapes(&shapes),
        file("application/x-ndjson", "{\"title\": \"a\", \"data\": {\"a\": [1]}}\n\n{\"title\": \"b\"}\n")
            .query(&[("missing", "null")])
            .shapes(&shapes),
        file("text/csv", "title,project\nfile,My project\n")
            .query(&[("match", "project=projects.title"), ("missing", "null")])
            .words(),
        file("text/plain", "title\na\n").refused(415).words(),
        of("POST", "/api/v1/rates/import").body(r#"[{"title": "a"}]"#).by(As::Admin),
        of("POST", "/api/v1/posts/import").body(r#"[{"title": "a"}]"#).by(As::Nobody).refused(401),
        of("GET", "/api/v1/things/import").refused(404).words(),
        of("HEAD", "/api/v1/things/import").refused(404),
        of("PATCH", "/api/v1/things/import").body(r#"{"title": "a"}"#).refused(404),
        of("PUT", "/api/v1/things/import").body(r#"{"title": "a"}"#).refused(404),
        of("DELETE", "/api/v1/things/import").refused(404),
    ]
}

fn beside_rows() -> Vec<Recipe> {
    let keys = |method, path| Recipe::new(method, "/api/v1/api-keys", path).by(As::Session).words();
    let key = |method, path| Recipe::new(method, "/api/v1/api-keys/{id}", path).by(As::Session).words();
    vec![
        Recipe::new("POST", "/api/v1/{entity}/{id}/restore", "/api/v1/bins/{trashed}/restore").words(),
        Recipe::new("GET", "/api/v1/{entity}/trash", "/api/v1/bins/trash").shapes(&of_a_list()),
        Recipe::new("HEAD", "/api/v1/{entity}/trash", "/api/v1/bins/trash").words(),
        Recipe::new("DELETE", "/api/v1/{entity}/trash/{id}", "/api/v1/bins/trash/{trashed}").words(),
        Recipe::new("POST", "/api/v1/batch", "/api/v1/batch").body(BATCH).words(),
        Recipe::new("POST", "/api/v1/batch", "/api/v1/batch").body(BATCH).words().by(As::Session),
        keys("GET", "/api/v1/api-keys"),
        keys("GET", "/api/v1/api-keys").by(As::Key),
        keys("HEAD", "/api/v1/api-keys"),
        keys("POST", "/api/v1/api-keys").body(KEY),
        keys("POST", "/api/v1/api-keys").body(KEY).by(As::Key).refused(403),
        key("GET", "/api/v1/api-keys/{key}"),
        key("HEAD", "/api/v1/api-keys/{key}"),
        key("PATCH", "/api/v1/api-keys/{key}").body(r#"{"name": "b"}"#),
        key("DELETE", "/api/v1/api-keys/{key}"),
        Recipe::new("POST", "/api/v1/api-keys/{id}/rotate", "/api/v1/api-keys/{key}/rotate")
            .body(r#"{"overlap": 3600}"#)
            .by(As::Session)
            .words(),
        Recipe::new("POST", "/api/v1/api-keys/{id}/revoke", "/api/v1/api-keys/{key}/revoke")
            .body("{}")
            .by(As::Session)
            .words(),
        Recipe::new("GET", "/api/v1/audit-logs", "/api/v1/audit-logs").shapes(&trail()),
        Recipe::new("GET", "/api/v1/audit-logs", "/api/v1/audit-logs")
            .headers(&[("accept", "text/csv")])
            .shapes(&trail())
            .by(As::Session),
        Recipe::new("HEAD", "/api/v1/audit-logs", "/api/v1/audit-logs").words(),
        Recipe::new("GET", "/api/v1/openapi.json", "/api/v1/openapi.json").words(),
        Recipe::new("HEAD", "/api/v1/openapi.json", "/api/v1/openapi.json").words(),
        Recipe::new("GET", "/api/v1/docs", "/api/v1/docs").words().by(As::Session),
        Recipe::new("HEAD", "/api/v1/docs", "/api/v1/docs").words(),
    ]
}

/// The parameters of the audit trail.
fn trail() -> Vec<(String, String)> {
    let fields = ["id", "userId", "method", "endpoint", "status", "createdAt", "from", "to", "ipAddress"];
    let operators = ["~", "eq.~", "gt.~", "like.~", "in.(~)", "is.~"];
    let filters =
        fields.iter().flat_map(|field| operators.map(|operator| shape(&format!("{field}={operator}"))));
    filters.chain(shapes("limit=~ cursor=~ order=~ select=~ or=(~) search=~ ~=1 offset=~")).collect()
}

fn plain_pages() -> Vec<Recipe> {
    let mut all = Vec::new();
    for path in ["/livez", "/readyz", "/sign-in", "/sign-up", "/set-password"] {
        for method in ["GET", "HEAD"] {
            all.push(Recipe {
                shapes: vec![shape("~=1"), shape("token=~")],
                ..Recipe::new(method, path, path).by(As::Nobody)
            });
        }
    }
    all
}
