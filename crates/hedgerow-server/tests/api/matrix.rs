//! The isolation matrix over HTTP: every route and method, as every kind of caller, on every kind of entity. What is expected is
//! a rule written here once; the routes are read where they are made, so that a new one is not forgotten.

use std::collections::BTreeMap;

use hedgerow::api_keys::{self, NewApiKey};
use hedgerow::users::{self, User};
use hedgerow_testing::{Answer, Browser, TestApp, TestUser, Who};
use serde_json::json;

const ABSENT: &str = "01900000-0000-7000-8000-000000000000";

/// One entity of each kind of access; `spare` is what a key of another entity is for.
const ENTITIES: &[(&str, &str)] = &[
    ("own", "metadata = true\nfields.text = { type = \"text\" }"),
    (
        "shown",
        "metadata = true\naccess = { read = \"signed_in\", write = \"signed_in\" }\nfields.text = { type = \"text\" }",
    ),
    ("open", "metadata = true\naccess = { read = \"public\" }\nfields.text = { type = \"text\" }"),
    (
        "page",
        "metadata = true\naccess = { read = \"public\", published_when = \"text = 'out'\" }\nfields.text = { type = \"text\" }",
    ),
    (
        "reference",
        "metadata = true\naccess = { read = \"public\", write = \"admin\" }\nfields.text = { type = \"text\" }",
    ),
    ("bin", "metadata = true\nsoft_delete = true\nfields.text = { type = \"text\" }"),
    ("spare", "fields.text = { type = \"text\" }"),
];

/// What is asked of an entity, and of what else there is below `/api/v1`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    List,
    Create,
    UpdateMany,
    DeleteMany,
    Get,
    Update,
    Replace,
    Delete,
    Restore,
    Trash,
    Purge,
    /// A file of one row.
    Import,
    /// Of keys, with the action that a scope has to allow; of one key where `bool` says so.
    Keys(&'static str, OneKey),
    /// Making or rotating one.
    MakesKeys(OneKey),
    /// What the API is; it tells nothing of rows, so a key needs no scope.
    Describe,
    /// Reading the audit trail.
    Trail,
    /// A batch with one new row.
    Batch,
    /// Of metadata.
    Metas(Whose, &'static str),
}

/// Whose metadata a route is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Whose {
    /// That of a row, of which one key is public.
    Row,
    /// That of the caller; ann alone has some.
    Me,
    /// That of ann, of which one key is public.
    Ann,
    /// What all share.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum OneKey {
    None,
    Ann,
}

/// The rule of a route: `None` where there is none yet.
fn deed(method: &str, path: &str) -> Option<Deed> {
    Some(match (method, path) {
        ("GET", "/api/v1/{entity}") => Deed::List,
        ("POST", "/api/v1/{entity}") => Deed::Create,
        ("PATCH", "/api/v1/{entity}") => Deed::UpdateMany,
        ("DELETE", "/api/v1/{entity}") => Deed::DeleteMany,
        ("GET", "/api/v1/{entity}/{id}") => Deed::Get,
        ("PATCH", "/api/v1/{entity}/{id}") => Deed::Update,
        ("PUT", "/api/v1/{entity}/{id}") => Deed::Replace,
        ("DELETE", "/api/v1/{entity}/{id}") => Deed::Delete,
        ("POST", "/api/v1/{entity}/import") => Deed::Import,
        ("POST", "/api/v1/{entity}/{id}/restore") => Deed::Restore,
        ("GET", "/api/v1/{entity}/trash") => Deed::Trash,
        ("DELETE", "/api/v1/{entity}/trash/{id}") => Deed::Purge,
        ("GET", "/api/v1/openapi.json" | "/api/v1/docs") => Deed::Describe,
        ("GET", "/api/v1/audit-logs") => Deed::Trail,
        ("POST", "/api/v1/batch") => Deed::Batch,
        ("GET", "/api/v1/api-keys") => Deed::Keys("read", OneKey::None),
        ("POST", "/api/v1/api-keys") => Deed::MakesKeys(OneKey::None),
        ("GET", "/api/v1/api-keys/{id}") => Deed::Keys("read", OneKey::Ann),
        ("PATCH", "/api/v1/api-keys/{id}") => Deed::Keys("write", OneKey::Ann),
        ("DELETE", "/api/v1/api-keys/{id}") => Deed::Keys("delete", OneKey::Ann),
        ("POST", "/api/v1/api-keys/{id}/revoke") => Deed::Keys("delete", OneKey::Ann),
        ("POST", "/api/v1/api-keys/{id}/rotate") => Deed::MakesKeys(OneKey::Ann),
        _ => return of_metas(method, path),
    })
}

fn of_metas(method: &str, path: &str) -> Option<Deed> {
    let (of, rest) = path.split_once("/metas")?;
    let whose = match of {
        "/api/v1/{entity}/{id}" => Whose::Row,
        "/api/v1/users/me" => Whose::Me,
        "/api/v1/users/{id}" => Whose::Ann,
        "/api/v1" => Whose::All,
        _ => return None,
    };
    let deed = match (method, rest) {
        ("GET", "") => "list",
        ("PATCH", "") => "change",
        ("GET", "/{key}") => "get",
        ("PUT", "/{key}") => "put",
        ("DELETE", "/{key}") => "remove",
        _ => return None,
    };
    Some(Deed::Metas(whose, deed))
}

impl Deed {
    fn action(self) -> &'static str {
        match self {
            Self::List | Self::Get | Self::Trash | Self::Describe | Self::Trail => "read",
            Self::Create | Self::UpdateMany | Self::Update | Self::Replace | Self::Restore => "write",
            Self::DeleteMany | Self::Delete | Self::Purge => "delete",
            Self::Keys(action, _) => action,
            Self::MakesKeys(_) | Self::Batch | Self::Import => "write",
            Self::Metas(_, "list" | "get") => "read",
            // A key that is deleted is a change of its row.
            Self::Metas(Whose::Row, _) => "write",
            Self::Metas(_, "remove") => "delete",
            Self::Metas(..) => "write",
        }
    }

    fn success(self) -> u16 {
        match self {
            Self::Create | Self::MakesKeys(_) => 201,
            Self::Delete | Self::Purge | Self::Keys("delete", OneKey::Ann) | Self::Metas(_, "remove") => 204,
            _ => 200,
        }
    }

    /// Whether it is about one row.
    fn names_a_row(self) -> bool {
        matches!(
            self,
            Self::Get
                | Self::Update
                | Self::Replace
                | Self::Delete
                | Self::Restore
                | Self::Purge
                | Self::Metas(Whose::Row, _)
        )
    }

    fn is_of_the_trash(self) -> bool {
        matches!(self, Self::Restore | Self::Trash | Self::Purge)
    }
}

/// Methods of a route, read from the text that makes it.
fn methods(text: &str) -> Vec<&'static str> {
    let known =
        [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("patch(", "PATCH"), ("delete(", "DELETE")];
    let is_word = |at: usize| {
        text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    };
    known
        .iter()
        .filter(|(word, _)| text.match_indices(word).any(|(at, _)| is_word(at)))
        .map(|(_, method)| *method)
        .collect()
}

/// All routes below `/api/v1`, read where they are made: method and template.
fn routes() -> Vec<(&'static str, String)> {
    let source = include_str!("../../src/router.rs");
    let mut named: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for piece in source.split("    let ").skip(1) {
        let (name, rest) = piece.split_once('=').expect("a value");
        let value = rest.split(';').next().expect("a statement");
        named.insert(name.trim(), methods(value));
    }
    let mut all = Vec::new();
    for piece in source.split(".route(").skip(1) {
        let path = piece.split('"').nth(1).expect("a path").to_owned();
        let value =
            piece.split_once(',').expect("what answers").1.split("\n        .").next().expect("its end");
        let mut found = methods(value);
        let word = value.trim().trim_end_matches([')', ',']).trim().trim_end_matches(".clone(");
        found.extend(named.get(word).into_iter().flatten());
        assert!(!found.is_empty(), "{path} has no method that this test understands: {value}");
        all.extend(found.into_iter().map(|method| (method, path.clone())));
    }
    all.retain(|(_, path)| path.starts_with("/api/v1/"));
    assert!(all.len() >= 18, "{all:?}");
    all
}

/// Who asks, and what the rule knows of them.
struct Caller {
    name: &'static str,
    headers: Vec<(String, String)>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Nobody,
    /// A credential that is not valid any more.
    Dead,
    /// A key, with what its scopes allow on the entity, and on keys.
    Key {
        owner: &'static str,
        allows: &'static [&'static str],
        all: AllScopes,
    },
    /// Somebody who signed in.
    Session,
}

#[derive(Clone, Copy, PartialEq)]
enum AllScopes {
    Yes,
    No,
}

impl Kind {
    fn is(self, name: &str) -> bool {
        match self {
            Self::Session => name == "ann",
            Self::Key { owner, .. } => owner == name,
            Self::Nobody | Self::Dead => false,
        }
    }

    fn may(self, action: &str) -> bool {
        match self {
            Self::Session => true,
            Self::Key { allows, .. } => allows.contains(&action),
            Self::Nobody | Self::Dead => false,
        }
    }

    fn has_all_scopes(self) -> bool {
        matches!(self, Self::Session | Self::Key { all: AllScopes::Yes, .. })
    }
}

/// What must be answered.
fn expected(deed: Deed, entity: &str, caller: Kind) -> u16 {
    let is_public = matches!(entity, "open" | "page" | "reference");
    let reads = matches!(deed, Deed::List | Deed::Get | Deed::Metas(Whose::Row, "list" | "get"));
    match (caller, deed) {
        (Kind::Dead, _) => return 401,
        (Kind::Nobody, _) if is_public && reads => return 200,
        (Kind::Nobody, _) => return 401,
        (_, Deed::Describe) => return deed.success(),
        (Kind::Key { .. }, Deed::MakesKeys(_)) => return 403,
        (_, Deed::Keys(..) | Deed::Trail) if !caller.has_all_scopes() => return 403,
        (_, Deed::Keys(_, OneKey::Ann)) if !caller.is("ann") => return 404,
        (_, Deed::Keys(..) | Deed::MakesKeys(_) | Deed::Trail) => {
            return deed.success();
        }
        (_, Deed::Metas(Whose::Me | Whose::Ann | Whose::All, _)) if !caller.has_all_scopes() => return 403,
        (_, Deed::Metas(whose, what)) if whose != Whose::Row => return of_others(whose, what, deed, caller),
        _ => {}
    }
    if !caller.may(deed.action()) {
        return 403;
    }
    let writes = !reads;
    if entity == "reference" {
        // Only administrators write, and their trash would be theirs too.
        return match (writes, caller.is("root")) {
            (true, false) => 403,
            (true, true) if deed.is_of_the_trash() => 404,
            _ => deed.success(),
        };
    }
    if deed.is_of_the_trash() && entity != "bin" {
        return 404;
    }
    if !deed.names_a_row() || caller.is("ann") {
        return deed.success();
    }
    // Somebody else's row.
    match (entity, deed) {
        ("own" | "bin", _) => 404,
        _ if reads => 200,
        _ => 403,
    }
}

/// What must be answered to a request about metadata that is no row's.
fn of_others(whose: Whose, what: &str, deed: Deed, caller: Kind) -> u16 {
    match (whose, what) {
        (_, "list") => 200,
        (Whose::Me, "put") if !caller.is("ann") => 201,
        (Whose::Me, "get" | "remove") if !caller.is("ann") => 404,
        (Whose::Ann, "put" | "change" | "remove") if !caller.is("ann") => 404,
        (Whose::All, "put" | "change" | "remove") if !caller.is("root") => 403,
        _ => deed.success(),
    }
}

struct Scene<'a> {
    app: &'a TestApp,
    ann: TestUser,
    root: TestUser,
}

impl Scene<'_> {
    /// A row of the entity as the deed wants it, of ann, or where only administrators write of root.
    async fn row(&self, deed: Deed, entity: &str) -> String {
        let owner = if entity == "reference" { &self.root } else { &self.ann };
        let path = format!("/api/v1/{entity}");
        let row = self.app.post(owner, &path, json!({"text": "out"})).await.expect(201).json();
        let id = row["id"].as_str().expect("an id").to_owned();
        if matches!(deed, Deed::Metas(..)) {
            let key = json!({"value": 1, "isPublic": true});
            let _ = self.app.put(owner, &format!("{path}/{id}/metas/k"), key).await.expect(201);
        }
        if deed.is_of_the_trash() && entity == "bin" {
            let _ = self.app.delete(owner, &format!("{path}/{id}")).await.expect(204);
        }
        id
    }

    /// Whether the row is as it was made.
    async fn is_untouched(&self, entity: &str, id: &str) -> bool {
        let metas =
            format!("SELECT \"metaKey\" || \"metaValue\" FROM {entity}_metas WHERE \"entityId\" = '{id}'");
        let metas = self.app.database.column(&metas).await;
        let row = self.app.database.column(&format!("SELECT text FROM {entity} WHERE id = '{id}'")).await;
        row == ["out"] && metas.iter().all(|meta| meta == "k1") && metas.len() < 2
    }

    /// Gives ann one key, and all of them one; nobody else has any.
    async fn metas(&self) -> String {
        let id = self.ann.user.id.as_str();
        let columns = "(\"metaKey\", \"metaValue\", \"dataType\", \"isPublic\"";
        self.app
            .database
            .sql(&format!(
                "DELETE FROM user_metas; DELETE FROM global_metas;
                 INSERT INTO user_metas {columns}, \"userId\") VALUES ('k', '1', 'number', true, '{id}');
                 INSERT INTO global_metas {columns}) VALUES ('k', '1', 'number', true)"
            ))
            .await;
        id.to_owned()
    }

    /// Whether both are as they were made.
    async fn are_metas_untouched(&self, whose: Whose) -> bool {
        let table = if whose == Whose::All {
            "global_metas".to_owned()
        } else {
            format!("user_metas WHERE \"userId\" = '{}'", self.ann.user.id)
        };
        self.app.database.column(&format!("SELECT \"metaKey\" || \"metaValue\" FROM {table}")).await == ["k1"]
    }

    async fn key(&self) -> String {
        let new = NewApiKey {
            name: "target".to_owned(),
            scopes: vec!["own:read".parse().expect("a scope")],
            ..NewApiKey::default()
        };
        api_keys::create(&self.app.app, &self.ann.user, &new).await.expect("a key").0.id
    }

    async fn ask(&self, caller: &Caller, method: &'static str, path: &str, deed: Deed) -> Answer {
        let headers: Vec<(&str, &str)> =
            caller.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = match deed {
            Deed::Create => Some(json!({"text": "out"})),
            Deed::Import => Some(json!([{"text": "out"}])),
            Deed::Batch => {
                let operation = json!({"method": "POST", "path": "/own", "body": {"text": "out"}});
                Some(json!({"operations": [operation]}))
            }
            Deed::UpdateMany | Deed::Update | Deed::Replace => Some(json!({"text": "taken"})),
            Deed::MakesKeys(OneKey::None) => Some(json!({"name": "k", "scopes": ["own:read"]})),
            Deed::Keys("write", _) => Some(json!({"name": "k"})),
            Deed::Metas(_, "put") => Some(json!({"value": 2})),
            Deed::Metas(_, "change") => Some(json!({"k": 2, "more": 3})),
            _ => None,
        };
        let query = match deed {
            Deed::UpdateMany | Deed::DeleteMany => "?text=eq.out",
            _ => "",
        };
        self.app
            .ask(Who::Headers(&headers), method, &format!("{path}{query}"), body.map(|body| body.to_string()))
            .await
    }
}

fn bearer(key: &str) -> Vec<(String, String)> {
    vec![("authorization".to_owned(), format!("Bearer {key}"))]
}

/// The callers for one entity.
async fn callers(app: &TestApp, browser: &Browser<'_>, entity: &str, people: &[&User; 4]) -> Vec<Caller> {
    let [ann, bob, root, banned] = people;
    let origin = app.app.auth().base_url().origin().ascii_serialization();
    let cookie = vec![("cookie".to_owned(), browser.cookie_header()), ("origin".to_owned(), origin)];
    let mut callers = vec![
        Caller { name: "anonymous", headers: Vec::new(), kind: Kind::Nobody },
        Caller { name: "session", headers: cookie, kind: Kind::Session },
    ];
    const ALL: &[&str] = &["read", "write", "delete"];
    let own = |action: &str| format!("{entity}:{action}");
    let (all, some) = (AllScopes::Yes, AllScopes::No);
    let keys: [(&'static str, &User, String, Kind); 9] = [
        (
            "key of another entity",
            ann,
            "spare:*".to_owned(),
            Kind::Key { owner: "ann", allows: &[], all: some },
        ),
        ("read key", ann, own("read"), Kind::Key { owner: "ann", allows: &["read"], all: some }),
        ("write key", ann, own("write"), Kind::Key { owner: "ann", allows: &["write"], all: some }),
        ("delete key", ann, own("delete"), Kind::Key { owner: "ann", allows: &["delete"], all: some }),
        ("entity key", ann, own("*"), Kind::Key { owner: "ann", allows: ALL, all: some }),
        ("key for all", ann, "*".to_owned(), Kind::Key { owner: "ann", allows: ALL, all }),
        ("another tenant's key", bob, "*".to_owned(), Kind::Key { owner: "bob", allows: ALL, all }),
        ("administrator's key", root, "*".to_owned(), Kind::Key { owner: "root", allows: ALL, all }),
        ("banned user's key", banned, "*".to_owned(), Kind::Dead),
    ];
    for (name, user, scope, kind) in keys {
        callers.push(Caller { name, headers: bearer(&app.key(user, &[&scope]).await), kind });
    }
    for (name, change) in [("revoked key", "revoked = true"), ("expired key", "\"expiresAt\" = now()")] {
        let key = app.key(ann, &["*"]).await;
        // Known to this server before it ended.
        let _ = app.get(Who::Headers(&[("x-api-key", &key)]), "/api/v1/own").await.expect(200);
        let prefix = &key[.."hrk_12345678".len()];
        app.database.sql(&format!("UPDATE api_keys SET {change} WHERE prefix = '{prefix}'")).await;
        callers.push(Caller { name, headers: bearer(&key), kind: Kind::Dead });
    }
    callers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_caller_as_the_rule_says() {
    let app = TestApp::with_options(ENTITIES, hedgerow_server::ServerOptions::default(), |options| {
        options.keys.most = 100_000;
    })
    .await;
    let browser = app.browser();
    let body = json!({"name": "ann", "email": "ann@example.com", "password": "correct horse battery"});
    let _ = browser.post("/sign-up/email", body).await.expect(200);
    let ann = users::find(&app.app, "ann@example.com").await.expect("ann");
    let ann = TestUser { key: app.key(&ann, &["*"]).await, user: ann };
    let (bob, banned) = (app.user("bob").await, app.user("banned").await);
    let root = app.user_with("root", "admin", &["*"]).await;
    app.database.sql("UPDATE \"user\" SET banned = true WHERE email = 'banned@example.com'").await;
    let scene = Scene { app: &app, ann, root };
    let people = [&scene.ann.user, &bob.user, &scene.root.user, &banned.user];
    let missing: Vec<String> = routes()
        .into_iter()
        .filter(|(method, path)| deed(method, path).is_none())
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert!(
        missing.is_empty(),
        "these routes are in no rule of matrix.rs; say there who may do what:\n{}",
        missing.join("\n")
    );

    let mut wrong = Vec::new();
    let mut asked = 0;
    for (entity, _) in ENTITIES.iter().filter(|(entity, _)| *entity != "spare") {
        let callers = callers(&app, &browser, entity, &people).await;
        for (method, template) in routes() {
            let deed = deed(method, &template).expect("a rule");
            if !template.contains("{entity}") && *entity != "own" {
                continue;
            }
            for caller in &callers {
                let id = match deed {
                    Deed::Keys(_, OneKey::Ann) | Deed::MakesKeys(OneKey::Ann) => scene.key().await,
                    Deed::Keys(..) | Deed::MakesKeys(_) | Deed::Describe | Deed::Trail => String::new(),
                    Deed::Metas(Whose::Me | Whose::Ann | Whose::All, _) => scene.metas().await,
                    _ => scene.row(deed, entity).await,
                };
                let path = template.replace("{entity}", entity).replace("{key}", "k");
                let answer = scene.ask(caller, method, &path.replace("{id}", &id), deed).await;
                asked += 1;
                let want = match (template.as_str(), expected(deed, entity, caller.kind)) {
                    // It stays in the list, and is shown.
                    ("/api/v1/api-keys/{id}/revoke", 204) => 200,
                    (_, want) => want,
                };
                if answer.status != want {
                    wrong.push(format!(
                        "{method} {path} as {}: {}, expected {want}: {}",
                        caller.name, answer.status, answer.text
                    ));
                }
                if answer.status == 404 && template.contains("{id}") {
                    let absent = scene.ask(caller, method, &path.replace("{id}", ABSENT), deed).await;
                    let neutral = |answer: &Answer, id: &str| {
                        let request = answer.header("x-request-id").unwrap_or_default().to_owned();
                        answer.text.replace(id, "ID").replace(&request, "REQUEST")
                    };
                    if (absent.status, neutral(&absent, ABSENT)) != (404, neutral(&answer, &id)) {
                        wrong.push(format!(
                            "{method} {path} as {}: {} is not {}",
                            caller.name, answer.text, absent.text
                        ));
                    }
                }
                let owner = if *entity == "reference" { "root" } else { "ann" };
                let is_about_rows = deed.names_a_row() || matches!(deed, Deed::UpdateMany | Deed::DeleteMany);
                let may_change = caller.kind.is(owner) && answer.status < 400;
                if is_about_rows && !may_change && !scene.is_untouched(entity, &id).await {
                    wrong.push(format!("{method} {path} as {} changed a row that they may not", caller.name));
                }
                if let Deed::Metas(whose, _) = deed
                    && whose != Whose::Row
                    && !(caller.kind.is(if whose == Whose::All { "root" } else { "ann" })
                        && answer.status < 400)
                    && !scene.are_metas_untouched(whose).await
                {
                    wrong.push(format!(
                        "{method} {path} as {} changed metadata that they may not",
                        caller.name
                    ));
                }
                // HEAD goes wherever GET goes.
                if method == "GET" {
                    let head = scene.ask(caller, "HEAD", &path.replace("{id}", &id), deed).await;
                    if head.status != answer.status || !head.text.is_empty() {
                        wrong.push(format!(
                            "HEAD {path} as {}: {}, GET {}",
                            caller.name, head.status, answer.status
                        ));
                    }
                }
            }
        }
    }
    eprintln!("{asked} requests");
    assert!(wrong.is_empty(), "{} of {asked} are not as the rule says:\n{}", wrong.len(), wrong.join("\n"));
    app.close().await;
}
