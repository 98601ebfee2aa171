//! The application under attack: entities of every type of field and every kind of access, several attackers with a session, a
//! key and rows each, and bob, whose rows nobody may see and nothing may change.
//!
//! Always holds: what must not be seen carries the mark of its owner, so that a leak is found in any answer, whatever it says.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use hedgerow::users;
use hedgerow_server::ServerOptions;
use hedgerow_testing::{TestApp, TestUser};
use serde_json::{Value, json};

const THINGS: &str = r#"
metadata = true
fields.title = { type = "text", max_length = 200, searchable = true }
fields.text = { type = "textarea", searchable = true }
fields.story = { type = "markdown" }
fields.mail = { type = "email" }
fields.link = { type = "url" }
fields.phone = { type = "phone", unique = true }
fields.slug = { type = "slug", max_length = 60, unique = true }
fields.count = { type = "integer", indexed = true }
fields.price = { type = "number", precision = 12, scale = 2 }
fields.amount = { type = "number" }
fields.done = { type = "boolean" }
fields.day = { type = "date" }
fields.at = { type = "datetime" }
fields.opens = { type = "time" }
fields.data = { type = "json" }
fields.extra = { type = "json", schema = { type = "object", properties = { size = { type = "integer" } } } }
fields.state = { type = "select", options = ["new", "old"], default = "new" }
fields.colours = { type = "multiselect", options = ["red", "it's blue", "a;b"] }
fields.tags = { type = "tags" }
fields.parent = { type = "relation", entity = "things", on_delete = "set_null" }
fields.project = { type = "relation", entity = "projects", on_delete = "cascade" }
fields.rate = { type = "relation", entity = "rates", on_delete = "restrict" }
fields.others = { type = "relation_many", entity = "things" }
fields.helper = { type = "user", on_delete = "set_null" }
fields.external = { type = "uuid", indexed = true }
fields.country = { type = "country" }
fields.currency = { type = "currency" }
fields.zone = { type = "timezone" }
fields.photo = { type = "file" }
fields.pattern = { type = "text", pattern = '[A-Z][a-z]*' }
fields.secret = { type = "text", hidden = true }
fields.stamp = { type = "text", read_only = true }
fields.fixed = { type = "text", immutable = true }
metas.weight = { type = "number", searchable = true }
metas.at = { type = "datetime", searchable = true }
metas.hidden = { type = "text" }
"#;
const PROJECTS: &str =
    "fields.title = { type = \"text\", max_length = 300, unique = true, searchable = true }";
const NOTES: &str = r#"
access = { read = "signed_in", write = "signed_in" }
fields.title = { type = "text" }
fields.secret = { type = "text", hidden = true }
"#;
const POSTS: &str = r#"
access = { read = "public", write = "signed_in", published_when = "state = 'out'" }
metadata = true
fields.title = { type = "text", searchable = true }
fields.state = { type = "select", options = ["draft", "out"], default = "draft" }
"#;
const RATES: &str = r#"
access = { read = "public", write = "admin" }
fields.title = { type = "text", max_length = 300, unique = true }
"#;
const BINS: &str = r#"
soft_delete = true
metadata = true
fields.title = { type = "text", max_length = 300, unique = true }
fields.data = { type = "json" }
"#;

/// The entities with rows of their owners' own.
const ENTITIES: &[&str] = &["things", "projects", "notes", "posts", "rates", "bins"];

/// Somebody who asks, and what this person has.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) user: TestUser,
    /// A key that may be changed and revoked.
    other_key: String,
    pub(super) cookie: String,
    /// Of the page that the cookie is sent from.
    pub(super) origin: String,
    /// By the words in braces with which recipes speak of them.
    pub(super) ids: HashMap<&'static str, String>,
    /// In every answer to this person a leak.
    pub(super) forbidden: Vec<String>,
}

impl Person {
    /// A text with the words in braces replaced by this person's ids.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, id) in &self.ids {
            text = text.replace(&format!("{{{word}}}"), id);
        }
        text
    }

    fn mark(&self) -> String {
        format!("mark-5b1c-{}", self.name)
    }

    fn hidden(&self) -> String {
        format!("hidden-5b1c-{}", self.name)
    }

    /// What nobody else may see.
    fn secrets(&self) -> Vec<String> {
        let token = self.cookie.split(['=', '.']).nth(2).expect("a session's token").to_owned();
        vec![self.mark(), self.user.key.clone(), self.other_key.clone(), token, self.user.user.email.clone()]
    }
}

/// The application and everybody in it.
pub(super) struct World {
    pub(super) app: TestApp,
    pub(super) attackers: Vec<Person>,
    pub(super) admin: Person,
    pub(super) bob: Person,
}

impl World {
    pub(super) async fn new(attackers: usize) -> Self {
        let entities = [
            ("things", THINGS),
            ("projects", PROJECTS),
            ("notes", NOTES),
            ("posts", POSTS),
            ("rates", RATES),
            ("bins", BINS),
        ];
        let app = TestApp::with_options(&entities, ServerOptions::default(), |options| {
            // What is asked here must not take long; what does is stopped.
            options.pool.statement_timeout = Duration::from_secs(1);
            // A quarter of them may be streams.
            options.pool.max_connections = 4 * attackers;
        })
        .await;
        let admin = person(&app, "root-5b1c", "admin").await;
        let rate = row(&app, &admin.user, "rates", json!({"title": "rate"})).await;
        let bob = with_rows(&app, person(&app, "bob-5b1c", "member").await, &rate).await;
        let mut all = Vec::new();
        for number in 0..attackers {
            let one = person(&app, &format!("ann{number}-5b1c"), "member").await;
            all.push(with_rows(&app, one, &rate).await);
        }
        let mut world = Self { app, attackers: all, admin, bob };
        world.admin.ids.insert("rate", rate);
        // Everybody has metadata of their own; what all share is the administrator's.
        for person in world.attackers.iter().chain([&world.bob]) {
            let metas = json!({"a": 1, "note": {"of": person.mark()}, "text": person.mark()});
            let _ = world.app.patch(&person.user, "/api/v1/users/me/metas", metas).await.expect(200);
        }
        let shared = json!({"a": 1, "b": {"c": 2}});
        let _ = world.app.patch(&world.admin.user, "/api/v1/metas", shared).await.expect(200);
        world.forbid();
        world.keep().await;
        world
    }

    /// Everything of others, and what is hidden of one's own.
    fn forbid(&mut self) {
        let everybody = || self.attackers.iter().chain([&self.admin, &self.bob]);
        let hidden: Vec<String> = everybody().map(Person::hidden).collect();
        let secrets: Vec<(String, Vec<String>)> =
            everybody().map(|person| (person.name.clone(), person.secrets())).collect();
        for person in self.attackers.iter_mut().chain([&mut self.admin]) {
            let others = secrets.iter().filter(|(name, _)| *name != person.name);
            person.forbidden =
                others.flat_map(|(_, secrets)| secrets.clone()).chain(hidden.clone()).collect();
        }
    }

    /// What no log may hold: everybody's.
    pub(super) fn secrets(&self) -> Vec<String> {
        let everybody = self.attackers.iter().chain([&self.admin, &self.bob]);
        everybody.flat_map(|person| person.secrets().into_iter().chain([person.hidden()])).collect()
    }

    /// Ids of rows that no attacker owns.
    pub(super) fn foreign_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.bob.ids.values().cloned().collect();
        ids.sort();
        ids
    }

    /// Keeps a copy of all rows, to begin from again.
    async fn keep(&self) {
        let statement = "
            CREATE SCHEMA keep;
            DO $$ DECLARE name text; BEGIN
              FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
                EXECUTE format('CREATE TABLE keep.%I AS TABLE public.%I', name, name);
              END LOOP;
            END $$";
        self.app.database.sql(statement).await;
    }

    /// Gives a person the rows of the beginning. Rows that did not change stay, so that what points at them is left alone.
    pub(super) async fn restore(&self, person: &Person) {
        let statement = "
            DELETE FROM api_keys own WHERE \"userId\" = 'USER' AND \"lastUsed\" IS NULL
              AND NOT EXISTS (SELECT FROM keep.api_keys kept WHERE kept::text = own::text);
            SET session_replication_role = replica;
            DO $$ DECLARE name text; columns text; BEGIN
              FOR name IN SELECT t.tablename FROM pg_tables t JOIN information_schema.columns c
                  ON c.table_schema = 'public' AND c.table_name = t.tablename AND c.column_name = 'userId'
                WHERE t.schemaname = 'public' AND t.tablename NOT IN ('session', 'account', 'user', 'things_others')
                  AND t.tablename NOT LIKE 'api_audit%' LOOP
                SELECT string_agg(quote_ident(column_name), ', ') INTO columns FROM information_schema.columns
                  WHERE table_schema = 'public' AND table_name = name AND is_generated = 'NEVER';
                IF name <> 'api_keys' THEN
                  EXECUTE format('DELETE FROM public.%I own WHERE \"userId\" = %L
                    AND NOT EXISTS (SELECT FROM keep.%I kept WHERE kept::text = own::text)', name, 'USER', name);
                END IF;
                EXECUTE format('INSERT INTO public.%I (%s) SELECT %s FROM keep.%I WHERE \"userId\" = %L ON CONFLICT DO NOTHING',
                  name, columns, columns, name, 'USER');
              END LOOP;
              DELETE FROM things_others WHERE \"sourceId\" NOT IN (SELECT id FROM things);
              DELETE FROM things_others WHERE \"sourceId\" IN (SELECT id FROM things WHERE \"userId\" = 'USER');
              INSERT INTO things_others SELECT * FROM keep.things_others
                WHERE \"sourceId\" IN (SELECT id FROM things WHERE \"userId\" = 'USER');
            END $$";
        self.app.database.sql(&statement.replace("USER", person.user.user.id.as_str())).await;
    }

    /// Everything that no attacker may change, byte by byte: bob's rows, all users, the reference data, and what tables there are
    /// with which rights and policies.
    pub(super) async fn untouchable(&self) -> BTreeSet<String> {
        let bob = self.bob.user.user.id.as_str();
        let mut all = BTreeSet::new();
        for entity in ENTITIES {
            let rows = format!("SELECT '{entity} ' || t::text FROM {entity} t WHERE \"userId\" = '{bob}'");
            all.extend(self.app.database.column(&rows).await);
        }
        for query in [
            "SELECT t::text FROM rates t",
            "SELECT t::text FROM things_metas t WHERE \"userId\" = 'BOB'",
            "SELECT t::text FROM posts_metas t WHERE \"userId\" = 'BOB'",
            "SELECT t::text FROM bins_metas t WHERE \"userId\" = 'BOB'",
            "SELECT t::text FROM things_others t WHERE \"sourceId\" IN (SELECT id FROM things WHERE \"userId\" = 'BOB')",
            "SELECT (to_jsonb(t) - 'updatedAt')::text FROM \"user\" t",
            "SELECT t::text FROM user_metas t WHERE \"userId\" = 'BOB'",
            "SELECT (to_jsonb(t) - 'lastUsed' - 'updatedAt' - 'requestCount')::text FROM api_keys t WHERE \"userId\" = 'BOB'",
            "SELECT c.relname || ' ' || c.relkind::text || c.relrowsecurity::text || c.relforcerowsecurity::text || coalesce(c.relacl::text, '')
               FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'api\\_audit%'",
            "SELECT p::text FROM pg_policies p WHERE tablename NOT LIKE 'api\\_audit%'",
            "SELECT r.rolname || ' ' || r.rolsuper::text || r.rolbypassrls::text FROM pg_roles r WHERE r.rolname LIKE 'hedgerow%'",
        ] {
            all.extend(self.app.database.column(&query.replace("BOB", bob)).await);
        }
        assert!(all.iter().any(|row| row.contains(&self.bob.mark())), "the control does not see bob's rows");
        all
    }

    /// What bob himself sees: the rows are there, and the server answers.
    pub(super) async fn bobs_view(&self) -> Vec<String> {
        let mut all = Vec::new();
        for entity in ENTITIES {
            let path = format!("/api/v1/{entity}?userId=eq.{}&order=id", self.bob.user.user.id);
            all.push(self.app.get(&self.bob.user, &path).await.expect(200).text);
        }
        assert!(all.iter().any(|rows| rows.contains(&self.bob.mark())), "bob does not see his own rows");
        all
    }
}

/// Signs somebody up, with a key for everything.
async fn person(app: &TestApp, name: &str, role: &str) -> Person {
    let email = format!("{name}@example.com");
    let browser = app.browser();
    let body = json!({ "name": name, "email": email, "password": "password-1234" });
    let _ = browser.post("/sign-up/email", body).await.expect(200);
    if role == "admin" {
        app.database.sql(&format!("UPDATE \"user\" SET role = 'admin' WHERE email = '{email}'")).await;
    }
    let user = users::find(&app.app, &email).await.expect("who signed up");
    let key = app.key(&user, &["*"]).await;
    let mut ids = HashMap::from([("user", user.id.as_str().to_owned())]);
    let other_key = app.key(&user, &["things:read"]).await;
    let other =
        format!("SELECT id FROM api_keys WHERE \"userId\" = '{}' AND scopes = '{{things:read}}'", user.id);
    ids.insert("key", app.database.column(&other).await.remove(0));
    let cookie = browser.cookie_header();
    let origin = app.app.auth().base_url().origin().ascii_serialization();
    Person {
        name: name.to_owned(),
        user: TestUser { user, key },
        other_key,
        cookie,
        origin,
        ids,
        forbidden: Vec::new(),
    }
}

async fn row(app: &TestApp, who: &TestUser, entity: &str, body: Value) -> String {
    let row = app.post(who, &format!("/api/v1/{entity}"), body).await.expect(201).json();
    row["id"].as_str().expect("an id").to_owned()
}

/// Gives somebody a row of every kind.
async fn with_rows(app: &TestApp, mut person: Person, rate: &str) -> Person {
    let (mark, user) = (person.mark(), person.user.clone());
    let add = async |entity: &str, body: Value| row(app, &user, entity, body).await;
    let project = add("projects", json!({"title": mark})).await;
    let parent = add("things", json!({"title": mark, "project": project, "count": 7})).await;
    let thing = json!({
        "title": mark, "text": format!("the plan of {mark}"), "story": format!("# {mark}"), "data": {"a": {"b": mark}, "n": 1},
        "tags": [mark, "a"], "photo": mark, "fixed": mark, "count": 3, "price": 12.5, "day": "2026-02-28", "done": true,
        "at": "2026-02-28T10:00:00Z", "opens": "09:30", "phone": "+49 30 123456", "slug": "big-thing", "colours": ["red"],
        "parent": parent, "project": project, "rate": rate, "others": [parent], "helper": user.user.id.as_str(),
        "external": "01890a5d-ac96-774b-bcce-b302099a8057", "country": "DE", "currency": "CHF", "zone": "Europe/Zurich",
        "extra": {"size": 3}, "pattern": "Abc", "amount": 0.000_000_1,
    });
    let thing = add("things", thing).await;
    let note = add("notes", json!({"title": "a note for everyone"})).await;
    let post = add("posts", json!({"title": "a post for everyone", "state": "out"})).await;
    // Whoever publishes it shows it to everyone: only bob's, which nobody else can publish, has a mark.
    let title = if person.name.starts_with("bob") { mark.as_str() } else { "a draft" };
    let draft = add("posts", json!({"title": title})).await;
    let bin = add("bins", json!({"title": mark})).await;
    let trashed = add("bins", json!({"title": format!("{mark} trashed")})).await;
    let _ = app.delete(&user, &format!("/api/v1/bins/{trashed}")).await.expect(204);
    let hidden = format!(
        "UPDATE things SET secret = '{hidden}' WHERE \"userId\" = '{id}'; UPDATE notes SET secret = '{hidden}' WHERE \"userId\" = '{id}'",
        hidden = person.hidden(),
        id = user.user.id
    );
    app.database.sql(&hidden).await;
    // Of bob's metadata a mark is in what is private, of rows that everyone reads, too.
    for entity in ["things", "posts", "bins"] {
        let metas = format!(
            "INSERT INTO {entity}_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\", \"isSearchable\")
             SELECT t.\"userId\", t.id, m.* FROM {entity} t CROSS JOIN (VALUES
               ('a', '1', 'number', true, true), ('weight', '1.5', 'number', false, true), ('ui.theme', '{mark}', 'text', false, true),
               ('at', '2026-02-28T10:00:00.000Z', 'datetime', false, true), ('hidden', '{mark}', 'text', false, false),
               ('data', '{{\"a\": \"{mark}\"}}', 'json', false, true), ('day', '2026-02-28', 'date', true, true), ('done', 'true', 'boolean', false, true)
             ) m WHERE t.\"userId\" = '{id}'",
            id = user.user.id
        );
        app.database.sql(&metas).await;
    }
    person.ids.extend([
        ("project", project),
        ("parent", parent),
        ("thing", thing),
        ("note", note),
        ("post", post),
        ("draft", draft),
        ("bin", bin),
        ("trashed", trashed),
        ("rate", rate.to_owned()),
    ]);
    person
}
