//! Isolation, attacked from every side, and proof that the attacks would notice.
//!
//! `attack` runs a matrix of entity x identity x command on a database and returns what got through. The first test
//! wants nothing to get through; the others break one barrier each by hand and want `attack` to notice. Every attack has a
//! positive control: an owner who no longer sees or writes their own rows is a finding too.

mod metas;
mod metas_objects;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use hedgerow::App;
use hedgerow::AppOptions;
use hedgerow::database::{Database, Error, Identity, Meaning, Row, ServerError, UserId};
use hedgerow_testing::{TestDatabase, schema_of};

/// One entity of each kind of access, and relations of both kinds.
const ENTITIES: &[(&str, &str)] = &[
    (
        "own",
        "metadata = true\nfields.text = { type = \"text\" }\nfields.kept = { type = \"integer\", read_only = true }",
    ),
    (
        "shown",
        "metadata = true\naccess = { read = \"signed_in\", write = \"signed_in\" }\nfields.text = { type = \"text\" }",
    ),
    ("open", "metadata = true\naccess = { read = \"public\" }\nfields.text = { type = \"text\" }"),
    (
        "kept",
        "metadata = true\naccess = { read = \"signed_in\" }\nfields.text = { type = \"text\" }\n[metas.private]\ntype = \"text\"",
    ),
    (
        "reference",
        "metadata = true\naccess = { read = \"public\", write = \"admin\" }\nfields.text = { type = \"text\" }",
    ),
    (
        "child",
        "fields.parent = { type = \"relation\", entity = \"own\", on_delete = \"set_null\" }\n\
         fields.of = { type = \"relation\", entity = \"reference\" }\n\
         fields.text = { type = \"text\", immutable = true }\n\
         fields.many = { type = \"relation_many\", entity = \"own\" }",
    ),
    (
        "page",
        "metadata = true\naccess = { read = \"public\", published_when = \"text = 'out'\" }\n\
         fields.text = { type = \"text\" }\n\
         fields.links = { type = \"relation_many\", entity = \"reference\" }",
    ),
    (
        "bin",
        "metadata = true\nsoft_delete = true\naccess = { read = \"public\" }\nfields.text = { type = \"text\" }",
    ),
    (
        "notice",
        "metadata = true\naccess = { read = \"public\", write = \"admin\", published_when = \"text = 'out'\" }\nfields.text = { type = \"text\" }",
    ),
];

/// Tables with an id and a text.
const TABLES: &[&str] =
    &["own", "shown", "open", "reference", "child", "page", "bin", "api_keys", "\"user\""];
/// Tables of links.
const LINKS: &[&str] = &["child_many", "page_links"];

/// Tables of sign-in: how each is called, a column that does not say which row, and the rest of a new row that `{who}` has.
const SIGN_IN: &[(&str, &str, &str)] = &[
    (
        "session",
        "\"userAgent\"",
        "(id, token, \"expiresAt\", \"updatedAt\", \"userId\") VALUES ('{who}2', '{who}2', now() + interval '1 hour', now(), '{who}')",
    ),
    (
        "account",
        "scope",
        "(id, \"accountId\", \"providerId\", \"updatedAt\", \"userId\") VALUES ('{who}2', '{who}2', 'credential', now(), '{who}')",
    ),
    ("verification", "value", "(id, identifier, value, \"expiresAt\") VALUES ('{who}2', 'x', 'x', now())"),
    ("jwks", "alg", "(id, \"publicKey\", \"privateKey\", \"createdAt\") VALUES ('{who}2', 'x', 'x', now())"),
    (
        "\"twoFactor\"",
        "\"lastUsedStep\"",
        "(id, secret, \"backupCodes\", \"userId\") VALUES ('{who}2', 'x', 'x', '{who}')",
    ),
];

/// All tables, those of sign-in included.
fn tables() -> impl Iterator<Item = &'static str> {
    let others = SIGN_IN.iter().map(|(table, ..)| *table).chain(["api_idempotency", TRAIL]);
    TABLES.iter().chain(LINKS).copied().chain(others)
}

/// The audit trail.
const TRAIL: &str = "api_audit_logs";

struct Scene {
    database: TestDatabase,
    connections: Database,
}

fn user(id: &str) -> Identity {
    Identity::User(id.parse().expect("an id"))
}

fn admin() -> Identity {
    Identity::Admin("root".parse().expect("an id"))
}

impl Scene {
    /// alice and bob with one row in each entity, root with the reference row; all past row-level security.
    async fn set() -> Self {
        let schema = schema_of(ENTITIES);
        let database = TestDatabase::with(&schema).await;
        let mut rows = String::from(
            "INSERT INTO \"user\" (id, name, email, role) VALUES
               ('alice', 'Alice', 'alice@example.com', 'member'), ('bob', 'Bob', 'bob@example.com', 'member'),
               ('root', 'Root', 'root@example.com', 'admin');
             INSERT INTO reference (id, \"userId\", text) VALUES ('reference-root', 'root', 'root''s'), ('reference-spare', 'root', 'root''s');
             INSERT INTO notice (id, \"userId\", text) VALUES ('notice-draft', 'root', 'x'), ('notice-out', 'root', 'out');",
        );
        for name in ["alice", "bob"] {
            for table in ["own", "shown", "open", "kept"] {
                let _ = write!(
                    rows,
                    "INSERT INTO {table} (id, \"userId\", text) VALUES ('{table}-{name}', '{name}', '{name}''s');"
                );
            }
            let _ = write!(
                rows,
                "INSERT INTO child (id, \"userId\", parent, \"of\", text) VALUES ('child-{name}', '{name}', 'own-{name}', 'reference-root', '{name}''s');
                 INSERT INTO child_many (\"userId\", \"sourceId\", \"targetId\") VALUES ('{name}', 'child-{name}', 'own-{name}');
                 INSERT INTO page (id, \"userId\", text) VALUES ('page-{name}', '{name}', 'draft'), ('page-{name}-out', '{name}', CASE '{name}' WHEN 'bob' THEN 'later' ELSE 'out' END);
                 INSERT INTO page_links (\"userId\", \"sourceId\", \"targetId\") VALUES ('{name}', 'page-{name}', 'reference-root'), ('{name}', 'page-{name}-out', 'reference-root');
                 INSERT INTO bin (id, \"userId\", text, \"deletedAt\") VALUES ('bin-{name}', '{name}', 'x', now()), ('bin-{name}-live', '{name}', 'x', NULL);
                 INSERT INTO api_keys (id, \"userId\", name, key, prefix) VALUES ('key-{name}', '{name}', 'k', repeat('{}', 64), 'p');
                 INSERT INTO api_idempotency (\"userId\", route, key, request, status, body) VALUES ('{name}', 'POST /api/v1/own', 'k-{name}', 'r', 201, '{name}''s');",
                if name == "alice" { 'a' } else { 'b' }
            );
            for (table, _, row) in SIGN_IN {
                let _ = write!(rows, "INSERT INTO {table} {};", row.replace("{who}", name));
            }
            let _ = write!(
                rows,
                "INSERT INTO api_audit_logs (id, \"userId\", \"apiKeyId\", endpoint, method, \"statusCode\") VALUES ('audit-{name}', '{name}', 'key-{name}', '/', 'GET', 200);"
            );
        }
        rows.push_str("INSERT INTO api_audit_logs (id, endpoint, method, \"statusCode\") VALUES ('audit-nobody', '/', 'GET', 401);");
        rows.push_str(&metas::rows());
        database.sql(&rows).await;
        let mut options = AppOptions::new(database.logins.clone());
        options.pool.max_connections = 2;
        let app = App::open(options, schema);
        Self { connections: app.database().clone(), database }
    }

    async fn ids(&self, identity: &Identity, sql: &'static str) -> Result<Vec<String>, Error> {
        let rows = self.connections.flight(identity).rows(sql, &[]).await?;
        rows.iter().map(|row: &Row| row.get(0)).collect()
    }

    /// What a query of one column shows, in one line; `-` is no right at all.
    async fn seen(&self, identity: &Identity, sql: &'static str) -> String {
        match self.ids(identity, sql).await {
            Ok(ids) => ids.join(" "),
            Err(error) if error.server().is_some_and(|error| error.meaning() == Meaning::NotAllowed) => {
                "-".to_owned()
            }
            Err(error) => format!("{error:?}"),
        }
    }

    /// What a statement did: `3 rows`, or what refused it.
    async fn effect(&self, identity: &Identity, sql: &'static str) -> String {
        // In a transaction that is rolled back: an attack that succeeds must not change what the next one meets.
        let outcome = async {
            let mut transaction = self.connections.transaction(identity).await?;
            let count = transaction.execute(sql, &[]).await?;
            transaction.rollback().await?;
            Ok::<_, Error>(count)
        };
        match outcome.await {
            Ok(count) => format!("{count} rows"),
            Err(error) => match error.server().map(ServerError::meaning) {
                Some(Meaning::NotAllowed) => "refused".to_owned(),
                Some(Meaning::NotNull) => "no owner".to_owned(),
                Some(Meaning::ForeignKey) => "no such row".to_owned(),
                Some(Meaning::Unique) => "exists".to_owned(),
                _ => format!("{error:?}"),
            },
        }
    }

    /// A finding, where the statement comes to something else.
    async fn comes_to(&self, who: &str, identity: &Identity, sql: &str, expected: &str) -> Option<String> {
        // Statements are text of the program; a test makes its own.
        let effect = self.effect(identity, sql.to_owned().leak()).await;
        (effect != expected).then(|| format!("{who}: {sql}: {effect}, expected {expected}"))
    }
}

/// What got through.
async fn attack(scene: &Scene) -> Vec<String> {
    let mut through = Vec::new();
    let bob = user("bob");
    let readers: [(&str, Identity); 6] = [
        ("bob", bob.clone()),
        ("anonymous", Identity::Anonymous),
        ("unknown user", user("nobody")),
        ("auth", Identity::Auth),
        ("admin", admin()),
        ("system", Identity::System { reason: "a test" }),
    ];
    // SELECT: which rows of each table each of them sees; "-" is no right at all.
    let selects: [(&str, &'static str, [&str; 6]); 13] = [
        (
            "api_audit_logs",
            "SELECT id FROM api_audit_logs ORDER BY id",
            [
                "audit-bob",
                "-",
                "",
                "-",
                "audit-alice audit-bob audit-nobody",
                "audit-alice audit-bob audit-nobody",
            ],
        ),
        ("own", "SELECT id FROM own ORDER BY id", ["own-bob", "-", "", "-", "-", "-"]),
        ("child", "SELECT id FROM child ORDER BY id", ["child-bob", "-", "", "-", "-", "-"]),
        (
            "shown",
            "SELECT id FROM shown ORDER BY id",
            ["shown-alice shown-bob", "-", "shown-alice shown-bob", "-", "-", "-"],
        ),
        (
            "open",
            "SELECT id FROM open ORDER BY id",
            ["open-alice open-bob", "open-alice open-bob", "open-alice open-bob", "-", "-", "-"],
        ),
        (
            "reference",
            "SELECT id FROM reference ORDER BY id",
            [
                "reference-root reference-spare",
                "reference-root reference-spare",
                "reference-root reference-spare",
                "-",
                "reference-root reference-spare",
                "reference-root reference-spare",
            ],
        ),
        (
            "page",
            "SELECT id FROM page ORDER BY id",
            ["page-alice-out page-bob page-bob-out", "page-alice-out", "page-alice-out", "-", "-", "-"],
        ),
        (
            "bin",
            "SELECT id FROM bin ORDER BY id",
            [
                "bin-alice-live bin-bob-live",
                "bin-alice-live bin-bob-live",
                "bin-alice-live bin-bob-live",
                "-",
                "-",
                "-",
            ],
        ),
        (
            "child_many",
            "SELECT \"sourceId\" FROM child_many ORDER BY 1",
            ["child-bob", "-", "", "-", "-", "-"],
        ),
        (
            "page_links",
            "SELECT \"sourceId\" FROM page_links ORDER BY 1",
            ["page-alice-out page-bob page-bob-out", "page-alice-out", "page-alice-out", "-", "-", "-"],
        ),
        (
            "user",
            "SELECT id FROM \"user\" ORDER BY id",
            ["bob", "-", "", "alice bob root", "alice bob root", "alice bob root"],
        ),
        (
            "api_keys",
            "SELECT id FROM api_keys ORDER BY id",
            ["key-bob", "-", "", "key-alice key-bob", "", ""],
        ),
        (
            "api_idempotency",
            "SELECT key FROM api_idempotency ORDER BY key",
            ["k-bob", "-", "", "k-alice k-bob", "", ""],
        ),
    ];
    for (table, sql, expected) in selects {
        for ((who, identity), expected) in readers.iter().zip(expected) {
            let seen = scene.seen(identity, sql).await;
            if seen != expected {
                through.push(format!("SELECT {table} as {who}: {seen:?}, expected {expected:?}"));
            }
        }
    }
    // Everything else as bob, with its control. Each is a statement, and what it must come to.
    let as_bob: &[(&'static str, &str)] = &[
        // The hash of a key is readable for nobody but sign-in, not even the own one.
        ("SELECT key FROM api_keys", "refused"),
        // Counting is reading.
        ("SELECT id FROM own WHERE (SELECT count(*) FROM own) <> 1", "0 rows"),
        // INSERT: the owner cannot be said, it is filled in.
        ("INSERT INTO own (text) VALUES ('x')", "1 rows"),
        ("INSERT INTO own (text) VALUES ('x') RETURNING id, \"userId\"", "1 rows"),
        ("INSERT INTO own (\"userId\", text) VALUES ('alice', 'x')", "refused"),
        ("INSERT INTO own (\"userId\", text) VALUES ('bob', 'x')", "refused"),
        ("INSERT INTO own (\"createdAt\", text) VALUES (now(), 'x')", "refused"),
        ("INSERT INTO shown (text) VALUES ('x')", "1 rows"),
        ("INSERT INTO shown (\"userId\", text) VALUES ('alice', 'x')", "refused"),
        ("INSERT INTO open (text) VALUES ('x')", "1 rows"),
        ("INSERT INTO open (\"userId\", text) VALUES ('alice', 'x')", "refused"),
        ("INSERT INTO reference (text) VALUES ('x')", "refused"),
        ("INSERT INTO \"user\" (id, name, email) VALUES ('eve', 'Eve', 'eve@example.com')", "refused"),
        // UPDATE: own rows only, also where others can be read; the owner cannot change.
        ("UPDATE own SET text = 'x'", "1 rows"),
        ("UPDATE own SET text = 'x' WHERE id = 'own-alice'", "0 rows"),
        ("UPDATE own SET text = 'x' RETURNING id", "1 rows"),
        ("UPDATE own SET \"userId\" = 'alice'", "refused"),
        ("UPDATE own SET id = 'other'", "refused"),
        ("UPDATE own SET \"createdAt\" = now()", "refused"),
        ("UPDATE shown SET text = 'x'", "1 rows"),
        ("UPDATE shown SET text = 'x' WHERE id = 'shown-alice'", "0 rows"),
        ("UPDATE shown SET \"userId\" = 'alice'", "refused"),
        ("UPDATE open SET text = 'x'", "1 rows"),
        ("UPDATE open SET text = 'x' WHERE id = 'open-alice'", "0 rows"),
        ("UPDATE open SET \"userId\" = 'alice'", "refused"),
        ("UPDATE reference SET text = 'x'", "refused"),
        ("UPDATE child SET text = 'x'", "refused"),
        ("UPDATE \"user\" SET role = 'admin'", "refused"),
        ("INSERT INTO api_keys (name, key, prefix) VALUES ('k', repeat('c', 64), 'p')", "1 rows"),
        (
            "INSERT INTO api_keys (\"userId\", name, key, prefix) VALUES ('alice', 'k', repeat('c', 64), 'p')",
            "refused",
        ),
        ("UPDATE api_keys SET name = 'x'", "1 rows"),
        ("UPDATE api_keys SET scopes = '{*}'", "refused"),
        ("UPDATE api_keys SET \"userId\" = 'alice'", "refused"),
        ("INSERT INTO api_idempotency (route, key, request) VALUES ('r', 'k', 'x')", "1 rows"),
        (
            "INSERT INTO api_idempotency (\"userId\", route, key, request) VALUES ('alice', 'r', 'k', 'x')",
            "refused",
        ),
        // Whose it is nobody says, not even truly.
        (
            "INSERT INTO api_idempotency (\"userId\", route, key, request) VALUES ('bob', 'r', 'k', 'x')",
            "refused",
        ),
        // Another's key is no key that is taken.
        (
            "INSERT INTO api_idempotency (route, key, request) VALUES ('POST /api/v1/own', 'k-alice', 'x') ON CONFLICT DO NOTHING RETURNING key",
            "1 rows",
        ),
        ("UPDATE api_idempotency SET body = 'x'", "1 rows"),
        ("UPDATE api_idempotency SET \"userId\" = 'alice'", "refused"),
        ("UPDATE api_idempotency SET key = 'x'", "refused"),
        ("DELETE FROM api_idempotency", "1 rows"),
        ("UPDATE api_keys SET \"allowedIps\" = NULL", "refused"),
        ("UPDATE api_keys SET \"requestCount\" = 0", "refused"),
        ("UPDATE api_keys SET \"lastUsed\" = NULL", "refused"),
        ("UPDATE api_keys SET \"replacedBy\" = 'x', \"expiresAt\" = now()", "1 rows"),
        ("UPDATE api_keys SET \"replacedBy\" = 'x' WHERE id = 'key-alice'", "0 rows"),
        ("SELECT id FROM api_keys WHERE id = 'key-alice' FOR UPDATE", "0 rows"),
        (
            "INSERT INTO api_keys (name, key, prefix, \"requestCount\") VALUES ('k', repeat('c', 64), 'p', 7)",
            "refused",
        ),
        // DELETE: a row that can be read is not a row that can be deleted.
        ("DELETE FROM own", "1 rows"),
        ("DELETE FROM own WHERE id = 'own-alice'", "0 rows"),
        ("DELETE FROM shown", "1 rows"),
        ("DELETE FROM open", "1 rows"),
        ("DELETE FROM open WHERE id = 'open-alice' RETURNING *", "0 rows"),
        ("DELETE FROM reference", "refused"),
        ("DELETE FROM child", "1 rows"),
        ("DELETE FROM api_keys", "1 rows"),
        ("DELETE FROM \"user\"", "refused"),
        ("TRUNCATE own", "refused"),
        // Upsert onto a foreign id: neither taken over nor read.
        (
            "INSERT INTO own (id, text) VALUES ('own-alice', 'x') ON CONFLICT (id) DO UPDATE SET text = 'x'",
            "refused",
        ),
        (
            "INSERT INTO own (id, text) VALUES ('own-alice', 'x') ON CONFLICT (id) DO NOTHING RETURNING id",
            "0 rows",
        ),
        (
            "INSERT INTO own (id, text) VALUES ('own-bob', 'x') ON CONFLICT (id) DO UPDATE SET text = 'x'",
            "1 rows",
        ),
        (
            "INSERT INTO open (id, text) VALUES ('open-alice', 'x') ON CONFLICT (id) DO UPDATE SET text = 'x'",
            "refused",
        ),
        (
            "MERGE INTO open USING (SELECT 'open-alice' AS id) n ON open.id = n.id WHEN MATCHED THEN UPDATE SET text = 'x'",
            "refused",
        ),
        (
            "MERGE INTO own USING (SELECT 'own-alice' AS id) n ON own.id = n.id WHEN MATCHED THEN DELETE",
            "0 rows",
        ),
        // Foreign keys: only to own rows; to a foreign one as to none at all. Reference data is everybody's to point at.
        ("INSERT INTO child (parent) VALUES ('own-bob')", "1 rows"),
        ("INSERT INTO child (parent) VALUES ('own-alice')", "no such row"),
        ("INSERT INTO child (parent) VALUES ('nothing')", "no such row"),
        ("UPDATE child SET parent = 'own-alice'", "no such row"),
        ("INSERT INTO child (\"of\") VALUES ('reference-root')", "1 rows"),
        ("INSERT INTO child (\"of\") VALUES ('nothing')", "no such row"),
        // What the server alone writes.
        ("INSERT INTO own (kept) VALUES (1)", "refused"),
        ("UPDATE own SET kept = 1", "refused"),
        // A published row is still only its owner's to change, and a draft is nobody else's to see.
        ("INSERT INTO page (text) VALUES ('x')", "1 rows"),
        ("UPDATE page SET text = 'x'", "2 rows"),
        ("DELETE FROM page", "2 rows"),
        ("UPDATE page SET text = 'x' WHERE id = 'page-alice-out'", "0 rows"),
        ("UPDATE page SET text = 'out' WHERE id = 'page-alice'", "0 rows"),
        ("DELETE FROM page WHERE id = 'page-alice-out'", "0 rows"),
        // The trash is closed without its setting.
        ("INSERT INTO bin (text) VALUES ('x')", "1 rows"),
        ("DELETE FROM bin WHERE id = 'bin-bob-live'", "1 rows"),
        ("UPDATE bin SET text = 'x' WHERE id = 'bin-bob-live'", "1 rows"),
        ("UPDATE bin SET text = 'x' WHERE id = 'bin-bob'", "0 rows"),
        ("UPDATE bin SET \"deletedAt\" = NULL WHERE id = 'bin-bob'", "0 rows"),
        ("UPDATE bin SET \"deletedAt\" = now() WHERE id = 'bin-bob-live'", "refused"),
        ("INSERT INTO bin (\"deletedAt\") VALUES (now())", "refused"),
        ("DELETE FROM bin WHERE id = 'bin-bob'", "0 rows"),
        ("DELETE FROM bin WHERE id = 'bin-alice-live'", "0 rows"),
        // Links: from own rows only, to own rows or to reference data; whose they are cannot be said.
        ("DELETE FROM child_many", "1 rows"),
        ("DELETE FROM child_many WHERE \"sourceId\" = 'child-alice'", "0 rows"),
        ("UPDATE child_many SET \"targetId\" = 'own-alice'", "refused"),
        ("INSERT INTO child_many (\"sourceId\", \"targetId\") VALUES ('child-bob', 'own-bob')", "exists"),
        (
            "INSERT INTO child_many (\"sourceId\", \"targetId\") VALUES ('child-bob', 'own-alice')",
            "no such row",
        ),
        (
            "INSERT INTO child_many (\"sourceId\", \"targetId\") VALUES ('child-bob', 'nothing')",
            "no such row",
        ),
        (
            "INSERT INTO child_many (\"sourceId\", \"targetId\") VALUES ('child-alice', 'own-bob')",
            "no such row",
        ),
        (
            "INSERT INTO child_many (\"userId\", \"sourceId\", \"targetId\") VALUES ('alice', 'child-alice', 'own-alice')",
            "refused",
        ),
        (
            "INSERT INTO page_links (\"sourceId\", \"targetId\") VALUES ('page-bob', 'reference-spare')",
            "1 rows",
        ),
        (
            "INSERT INTO page_links (\"sourceId\", \"targetId\") VALUES ('page-alice-out', 'reference-spare')",
            "no such row",
        ),
        ("DELETE FROM page_links WHERE \"sourceId\" = 'page-alice-out'", "0 rows"),
        ("DELETE FROM page_links", "2 rows"),
        // The trail: appended to by its function alone, and read without what seals it.
        (
            "INSERT INTO api_audit_logs (\"userId\", endpoint, method, \"statusCode\") VALUES ('bob', '/', 'GET', 200)",
            "refused",
        ),
        ("UPDATE api_audit_logs SET \"statusCode\" = 200", "refused"),
        ("DELETE FROM api_audit_logs", "refused"),
        ("TRUNCATE api_audit_logs", "refused"),
        ("SELECT \"userMark\" FROM api_audit_logs", "refused"),
        (
            "SELECT hedgerow.write_audit('new', now(), NULL, '/', 'GET', 200, 1, NULL, NULL, NULL, NULL)",
            "1 rows",
        ),
        ("SELECT hedgerow.keep_audit('1 day')", "refused"),
        ("SELECT FROM hedgerow.audit_seals", "refused"),
        // Ways around.
        ("SET LOCAL row_security = off", "0 rows"),
        ("SET ROLE hedgerow_admin", "refused"),
        ("SET ROLE hedgerow_auth", "refused"),
        ("SELECT set_config('role', 'hedgerow_auth', true)", "refused"),
        ("SELECT set_config('role', 'postgres', true)", "refused"),
        ("CREATE TABLE mine (id int)", "refused"),
        ("CREATE TEMPORARY TABLE own (id int)", "refused"),
        ("ALTER TABLE own DISABLE ROW LEVEL SECURITY", "refused"),
        ("CREATE POLICY all_of_it ON own USING (true)", "refused"),
        ("SELECT * FROM hedgerow.migrations", "refused"),
    ];
    for (sql, expected) in as_bob {
        let effect = scene.effect(&bob, sql).await;
        if effect != *expected {
            through.push(format!("bob: {sql}: {effect}, expected {expected}"));
        }
    }
    let as_others: &[(&str, Identity, &'static str, &str)] = &[
        // No identity writes nothing, where a right to write exists at all.
        ("anonymous", Identity::Anonymous, "INSERT INTO open (text) VALUES ('x')", "refused"),
        ("anonymous", Identity::Anonymous, "UPDATE open SET text = 'x'", "refused"),
        ("anonymous", Identity::Anonymous, "DELETE FROM open", "refused"),
        ("anonymous", Identity::Anonymous, "DELETE FROM reference", "refused"),
        ("anonymous", Identity::Anonymous, "DELETE FROM page_links", "refused"),
        ("anonymous", Identity::Anonymous, "UPDATE bin SET \"deletedAt\" = NULL", "refused"),
        ("unknown user", user("nobody"), "DELETE FROM page_links", "0 rows"),
        ("unknown user", user("nobody"), "INSERT INTO own (text) VALUES ('x')", "no such row"),
        ("unknown user", user("nobody"), "UPDATE own SET text = 'x'", "0 rows"),
        ("unknown user", user("nobody"), "DELETE FROM open", "0 rows"),
        ("auth", Identity::Auth, "INSERT INTO own (text) VALUES ('x')", "refused"),
        ("auth", Identity::Auth, "UPDATE \"user\" SET name = 'x'", "3 rows"),
        (
            "auth",
            Identity::Auth,
            "INSERT INTO \"user\" (id, name, email) VALUES ('eve', 'E', 'e@example.com')",
            "1 rows",
        ),
        ("auth", Identity::Auth, "DELETE FROM \"user\" WHERE id = 'bob'", "1 rows"),
        ("auth", Identity::Auth, "UPDATE api_keys SET revoked = true", "2 rows"),
        ("auth", Identity::Auth, "UPDATE api_keys SET \"userId\" = 'bob'", "refused"),
        (
            "auth",
            Identity::Auth,
            "INSERT INTO api_keys (name, key, prefix) VALUES ('k', repeat('c', 64), 'p')",
            "refused",
        ),
        ("auth", Identity::Auth, "SELECT key FROM api_keys", "2 rows"),
        ("auth", Identity::Auth, "DELETE FROM api_idempotency WHERE \"createdAt\" <= now()", "2 rows"),
        ("auth", Identity::Auth, "SELECT body FROM api_idempotency", "refused"),
        ("auth", Identity::Auth, "UPDATE api_idempotency SET body = 'x'", "refused"),
        (
            "auth",
            Identity::Auth,
            "INSERT INTO api_idempotency (route, key, request) VALUES ('r', 'k', 'x')",
            "refused",
        ),
        ("admin", admin(), "DELETE FROM api_idempotency", "0 rows"),
        (
            "admin",
            admin(),
            "INSERT INTO api_idempotency (route, key, request) VALUES ('r', 'k', 'x')",
            "1 rows",
        ),
        ("auth", Identity::Auth, "UPDATE api_keys SET \"requestCount\" = 1, \"lastUsed\" = now()", "2 rows"),
        ("auth", Identity::Auth, "UPDATE api_keys SET scopes = '{*}', \"allowedIps\" = NULL", "refused"),
        // An administrator proves their own key, and sees nothing else of it nor of others'.
        ("admin", Identity::Admin("alice".parse().expect("an id")), "SELECT id FROM api_keys", "1 rows"),
        ("admin", admin(), "SELECT key FROM api_keys", "refused"),
        ("admin", admin(), "UPDATE api_keys SET revoked = true", "refused"),
        ("admin", admin(), "INSERT INTO reference (text) VALUES ('x')", "1 rows"),
        ("admin", admin(), "UPDATE reference SET text = 'x'", "2 rows"),
        ("admin", admin(), "UPDATE reference SET \"userId\" = 'bob'", "refused"),
        ("admin", admin(), "INSERT INTO reference (\"userId\", text) VALUES ('bob', 'x')", "refused"),
        ("admin", admin(), "DELETE FROM reference WHERE id = 'reference-spare'", "1 rows"),
        ("admin", admin(), "UPDATE own SET text = 'x'", "refused"),
        ("admin", admin(), "UPDATE \"user\" SET role = 'admin'", "refused"),
        (
            "system",
            Identity::System { reason: "a test" },
            "INSERT INTO reference (text) VALUES ('x')",
            "refused",
        ),
        ("system", Identity::System { reason: "a test" }, "SELECT FROM own", "refused"),
        (
            "anonymous",
            Identity::Anonymous,
            "SELECT hedgerow.write_audit('new', now(), NULL, '/', 'GET', 200, 1, NULL, NULL, NULL, NULL)",
            "refused",
        ),
        (
            "unknown user",
            user("nobody"),
            "SELECT hedgerow.write_audit('new', now(), NULL, '/', 'GET', 200, 1, NULL, NULL, NULL, NULL)",
            "no such row",
        ),
        (
            "admin",
            admin(),
            "SELECT hedgerow.write_audit('new', now(), NULL, '/', 'GET', 200, 1, NULL, NULL, NULL, NULL)",
            "1 rows",
        ),
        ("admin", admin(), "DELETE FROM api_audit_logs", "refused"),
        ("admin", admin(), "UPDATE api_audit_logs SET \"statusCode\" = 200", "refused"),
        (
            "admin",
            admin(),
            "INSERT INTO api_audit_logs (endpoint, method, \"statusCode\") VALUES ('/', 'GET', 200)",
            "refused",
        ),
        ("admin", admin(), "DELETE FROM hedgerow.audit_seals", "refused"),
        ("admin", admin(), "UPDATE hedgerow.audit_seals SET content = ''", "refused"),
        (
            "auth",
            Identity::Auth,
            "INSERT INTO api_audit_logs (endpoint, method, \"statusCode\") VALUES ('/', 'GET', 401)",
            "1 rows",
        ),
        ("auth", Identity::Auth, "DELETE FROM api_audit_logs", "refused"),
        ("auth", Identity::Auth, "SELECT FROM hedgerow.audit_seals", "refused"),
        ("auth", Identity::Auth, "SELECT hedgerow.keep_audit('1 day')", "refused"),
    ];
    for (who, identity, sql, expected) in as_others {
        let effect = scene.effect(identity, sql).await;
        if effect != *expected {
            through.push(format!("{who}: {sql}: {effect}, expected {expected}"));
        }
    }
    through.extend(barriers(scene).await);
    through
}

/// Each barrier alone: what stands before it is opened first, in a transaction of the superuser that is rolled back, so
/// that a barrier which another one covers is still seen to hold. The shape of everything is compared with what the code
/// says, too.
async fn barriers(scene: &Scene) -> Vec<String> {
    let mut through = Vec::new();
    let probe = Probe::on(scene).await;
    // What opens the way, what is tried as bob, how many rows it may touch (an error is fine).
    let floors = [
        ("own", "own-alice"),
        ("shown", "shown-alice"),
        ("open", "open-alice"),
        ("child", "child-alice"),
        ("reference", "reference-root"),
        ("page", "page-alice"),
        ("bin", "bin-alice"),
        ("api_keys", "key-alice"),
        ("\"user\"", "alice"),
    ];
    for (table, foreign) in floors {
        let text = if matches!(table, "api_keys" | "\"user\"") { "name" } else { "text" };
        // Rows that others point at could not go or be given away for that reason alone.
        let emptied = metas::emptied(table);
        let opened = format!(
            "DELETE FROM child WHERE '{table}' IN ('own', 'reference'); {emptied}
             CREATE POLICY hole ON {table} USING (true) WITH CHECK (true); GRANT ALL ON {table} TO hedgerow_app;"
        );
        let readable = matches!(table, "shown" | "open" | "reference");
        let own = match table {
            "reference" | "\"user\"" => 0,
            "page" | "bin" => 2,
            _ => 1,
        };
        // Rows that everybody reads.
        let for_all = match table {
            "open" | "reference" | "bin" => 2,
            "page" => 1,
            _ => 0,
        };
        let tries = [
            // The floor of SELECT, unless the row is for everyone.
            (format!("SELECT FROM {table} WHERE id = '{foreign}'"), u64::from(readable)),
            (format!("UPDATE {table} SET {text} = 'x' WHERE id = '{foreign}'"), 0),
            (format!("DELETE FROM {table} WHERE id = '{foreign}'"), 0),
            // Without a condition the policies of SELECT are not asked.
            (format!("UPDATE {table} SET {text} = 'x'"), own),
            (format!("DELETE FROM {table}"), own),
        ];
        for (sql, most) in tries {
            if let Some(count) = probe.rows("hedgerow_app", "bob", &opened, &sql).await
                && count > most
            {
                through.push(format!("floor of {table}: {sql}: {count} rows"));
            }
        }
        let everything = format!("SELECT FROM {table}");
        let for_nobody = probe.rows("hedgerow_app", "", &opened, &everything).await;
        if for_nobody.is_some_and(|count| count > for_all) {
            through.push(format!("floor of {table}: {for_nobody:?} rows for nobody"));
        }
        let insert = match table {
            "api_keys" => "INSERT INTO api_keys (\"userId\", name, key, prefix) VALUES ('alice', 'k', repeat('c', 64), 'p')".to_owned(),
            "\"user\"" => "INSERT INTO \"user\" (id, name, email) VALUES ('eve', 'E', 'e@example.com')".to_owned(),
            _ => format!("INSERT INTO {table} (\"userId\", text) VALUES ('alice', 'x')"),
        };
        if probe.rows("hedgerow_app", "bob", &opened, &insert).await.is_some() {
            through.push(format!("floor of {table}: {insert}"));
        }
        if table != "\"user\"" {
            let give_away = format!("UPDATE {table} SET \"userId\" = 'alice'");
            if probe.rows("hedgerow_app", "bob", &opened, &give_away).await.is_some_and(|count| count > 0) {
                through.push(format!("floor of {table}: {give_away}"));
            }
        }
        through.extend(rights(&probe, table, text).await);
        // FORCE and ENABLE: the owner of the tables is bound too.
        let as_owner = format!("SET LOCAL ROLE hedgerow_owner; SELECT count(*) FROM {table}");
        let count = scene.database.try_column(&as_owner).await;
        if count != Ok(vec![for_all.to_string()]) {
            through.push(format!("the owner sees {count:?} rows of {table}"));
        }
    }
    through.extend(links(scene, &probe).await);
    through.extend(idempotency(scene, &probe).await);
    through.extend(trash(&probe).await);
    through.extend(sign_in(scene, &probe).await);
    through.extend(trail(scene, &probe).await);
    // An identity that was set once on a connection reads as an empty text afterwards; nobody's row may match it.
    for setting in ["''", "NULL"] {
        let sql = format!(
            "SELECT set_config('app.user_id', {setting}, true); SET LOCAL ROLE hedgerow_app; SELECT coalesce(string_agg(id, ' '), 'none') FROM own"
        );
        let seen = scene.database.try_column(&sql).await;
        if !seen.as_ref().is_ok_and(|seen| seen.last().is_some_and(|last| last == "none")) {
            through.push(format!("identity {setting}: {seen:?}"));
        }
        let sql = format!(
            "SELECT set_config('app.user_id', {setting}, true); SELECT public.get_auth_user_id() IS NULL"
        );
        let nobody = scene.database.try_column(&sql).await;
        if !nobody.is_ok_and(|nobody| nobody.last().is_some_and(|last| last == "t")) {
            through.push(format!("identity {setting} is somebody"));
        }
    }
    // SET NULL clears the relation, not the owner.
    let sql = "BEGIN; DELETE FROM own WHERE id = 'own-alice'; SELECT \"userId\" || coalesce(parent, ' points nowhere') FROM child WHERE id = 'child-alice'; ROLLBACK";
    if scene.database.try_column(sql).await != Ok(vec!["alice points nowhere".to_owned()]) {
        through.push("SET NULL took more than the relation".to_owned());
    }
    probe.close().await;
    through.extend(shape(scene).await);
    through
}

/// The floors of what requests with a key did.
async fn idempotency(scene: &Scene, probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    const OPENED: &str = "CREATE POLICY hole ON api_idempotency USING (true) WITH CHECK (true);
         GRANT ALL ON api_idempotency TO hedgerow_app, hedgerow_admin, hedgerow_anon, hedgerow_auth;";
    let insert =
        "INSERT INTO api_idempotency (\"userId\", route, key, request) VALUES ('alice', 'r', 'k', 'x')";
    for (role, who, sql, expected) in [
        ("hedgerow_app", "bob", "SELECT FROM api_idempotency WHERE \"userId\" = 'alice'", Some(0)),
        ("hedgerow_app", "bob", "UPDATE api_idempotency SET body = 'x'", Some(1)),
        ("hedgerow_app", "bob", "UPDATE api_idempotency SET \"userId\" = 'alice'", None),
        ("hedgerow_app", "bob", "DELETE FROM api_idempotency", Some(1)),
        ("hedgerow_app", "bob", insert, None),
        ("hedgerow_app", "", "SELECT FROM api_idempotency", Some(0)),
        ("hedgerow_admin", "bob", "SELECT FROM api_idempotency", Some(1)),
        ("hedgerow_admin", "bob", "DELETE FROM api_idempotency", Some(1)),
        ("hedgerow_anon", "", "SELECT FROM api_idempotency", Some(0)),
        ("hedgerow_auth", "", "UPDATE api_idempotency SET body = 'x'", Some(0)),
        ("hedgerow_auth", "", insert, None),
    ] {
        let count = probe.rows(role, who, OPENED, sql).await;
        if count != expected {
            through
                .push(format!("idempotency: {role} {who:?}: {sql}: {count:?} rows, expected {expected:?}"));
        }
    }
    let as_owner = "SET LOCAL ROLE hedgerow_owner; SELECT count(*) FROM api_idempotency";
    let count = scene.database.try_column(as_owner).await;
    if count != Ok(vec!["0".to_owned()]) {
        through.push(format!("the owner sees {count:?} rows of api_idempotency"));
    }
    through
}

/// The barriers of tables of links.
async fn links(scene: &Scene, probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    for (table, foreign, own, for_all) in
        [("child_many", "child-alice", 1, 0), ("page_links", "page-alice", 2, 1)]
    {
        let granted = format!("GRANT ALL ON {table} TO hedgerow_app;");
        let opened = format!("{granted} CREATE POLICY hole ON {table} USING (true) WITH CHECK (true);");
        // It reads no column, so that the policies of SELECT are not asked.
        let same = "SET \"createdAt\" = now()";
        for (opened, sql, expected) in [
            (&opened, format!("SELECT FROM {table} WHERE \"sourceId\" = '{foreign}'"), 0),
            (&opened, format!("UPDATE {table} {same}"), own),
            (&opened, format!("DELETE FROM {table}"), own),
            // Controls: what is allowed is allowed by the policies themselves.
            (&granted, format!("UPDATE {table} {same}"), own),
            (&granted, format!("DELETE FROM {table}"), own),
        ] {
            let count = probe.rows("hedgerow_app", "bob", opened, &sql).await;
            if count != Some(expected) {
                through.push(format!("links: {sql}: {count:?} rows, expected {expected}"));
            }
        }
        let for_nobody = probe.rows("hedgerow_app", "", &opened, &format!("SELECT FROM {table}")).await;
        if for_nobody != Some(for_all) {
            through.push(format!("links: {for_nobody:?} rows of {table} for nobody"));
        }
        // The row is right in everything but whose it is.
        let emptied = format!("{opened} DELETE FROM {table};");
        let target = if table == "child_many" { "own-alice" } else { "reference-root" };
        let insert = format!(
            "INSERT INTO {table} (\"userId\", \"sourceId\", \"targetId\") VALUES ('alice', '{foreign}', '{target}')"
        );
        if probe.rows("hedgerow_app", "bob", &emptied, &insert).await.is_some() {
            through.push(format!("links: {insert}"));
        }
        let as_owner = format!("SET LOCAL ROLE hedgerow_owner; SELECT count(*) FROM {table}");
        // The owner of the tables reads what everybody reads.
        let count = scene.database.try_column(&as_owner).await;
        if count != Ok(vec![for_all.to_string()]) {
            through.push(format!("the owner sees {count:?} rows of {table}"));
        }
        let opened = format!("DELETE FROM {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;");
        let (source, target) =
            if table == "child_many" { ("child-bob", "own-bob") } else { ("page-bob", "reference-root") };
        for role in ["hedgerow_app", "hedgerow_anon", "hedgerow_auth", "hedgerow_admin"] {
            let mut may = Vec::new();
            for (what, sql) in [
                ("select", format!("SELECT FROM {table}")),
                (
                    "insert",
                    format!(
                        "INSERT INTO {table} (\"sourceId\", \"targetId\") VALUES ('{source}', '{target}')"
                    ),
                ),
                ("update", format!("UPDATE {table} SET \"targetId\" = \"targetId\"")),
                ("delete", format!("DELETE FROM {table}")),
                (
                    "insert for another",
                    format!(
                        "INSERT INTO {table} (\"userId\", \"sourceId\", \"targetId\") VALUES ('bob', '{source}', '{target}')"
                    ),
                ),
                ("backdate", format!("UPDATE {table} SET \"createdAt\" = now()")),
                ("truncate", format!("TRUNCATE {table}")),
            ] {
                if probe.rows(role, "bob", &opened, &sql).await.is_some() {
                    may.push(what);
                }
            }
            let expected = match (table, role) {
                (_, "hedgerow_app") => "select insert delete",
                ("page_links", "hedgerow_anon") => "select",
                _ => "",
            };
            if may.join(" ") != expected {
                through.push(format!("{role} may {may:?} {table}, expected {expected:?}"));
            }
        }
    }
    through
}

/// The barriers of the audit trail: its floors, its rights, and its function, which believes nobody about whose row it is.
async fn trail(scene: &Scene, probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    let opened = "CREATE POLICY hole ON api_audit_logs USING (true) WITH CHECK (true); GRANT ALL ON api_audit_logs TO hedgerow_app;";
    let row = |user: &str| {
        format!(
            "INSERT INTO api_audit_logs (\"userId\", endpoint, method, \"statusCode\") VALUES ({user}, '/', 'GET', 200)"
        )
    };
    let write =
        "SELECT hedgerow.write_audit('new', now(), 'key-alice', '/', 'GET', 200, 1, NULL, NULL, NULL, NULL)";
    let written = |user: &str, key: &str| {
        format!(
            "{write}; SELECT FROM api_audit_logs WHERE id = 'new' AND \"userId\" = '{user}' AND \"apiKeyId\" {key}"
        )
    };
    for (role, who, opened, sql, expected) in [
        (
            "hedgerow_app",
            "bob",
            opened,
            "SELECT FROM api_audit_logs WHERE id <> 'audit-bob'".to_owned(),
            Some(0),
        ),
        ("hedgerow_app", "", opened, "SELECT FROM api_audit_logs".to_owned(), Some(0)),
        ("hedgerow_app", "bob", opened, "UPDATE api_audit_logs SET method = 'x'".to_owned(), Some(0)),
        ("hedgerow_app", "bob", opened, "DELETE FROM api_audit_logs".to_owned(), Some(0)),
        ("hedgerow_app", "bob", opened, row("'alice'"), None),
        ("hedgerow_app", "bob", opened, row("NULL"), None),
        // Its own owner's function is bound by the floor: a body that said another user would be refused.
        ("hedgerow_owner", "bob", "", row("'alice'"), None),
        ("hedgerow_owner", "", "", row("NULL"), None),
        // The function: the user is the identity, and a key of somebody else is none. The control: one's own is.
        ("hedgerow_app", "bob", "", written("bob", "IS NULL"), Some(2)),
        ("hedgerow_app", "alice", "", written("alice", "= 'key-alice'"), Some(2)),
        ("hedgerow_admin", "root", "", written("root", "IS NULL"), Some(2)),
        ("hedgerow_anon", "", "", write.to_owned(), None),
        ("hedgerow_auth", "bob", "", write.to_owned(), None),
        // Twice is once.
        (
            "hedgerow_app",
            "bob",
            "",
            format!("{write}; {write}; SELECT FROM api_audit_logs WHERE id = 'new'"),
            Some(3),
        ),
    ] {
        let count = probe.rows(role, who, opened, &sql).await;
        if count != expected {
            through.push(format!("trail: {role} {who:?}: {sql}: {count:?} rows, expected {expected:?}"));
        }
    }
    // The rights alone.
    for (role, expected) in [
        ("hedgerow_app", "select"),
        ("hedgerow_anon", ""),
        ("hedgerow_auth", "insert"),
        ("hedgerow_admin", "select"),
    ] {
        let unbound = "ALTER TABLE api_audit_logs DISABLE ROW LEVEL SECURITY;";
        let mut may = Vec::new();
        for (what, sql) in [
            ("select", "SELECT method FROM api_audit_logs".to_owned()),
            ("insert", row("'bob'")),
            ("update", "UPDATE api_audit_logs SET method = 'x'".to_owned()),
            ("delete", "DELETE FROM api_audit_logs".to_owned()),
            ("truncate", "TRUNCATE api_audit_logs".to_owned()),
        ] {
            if probe.rows(role, "bob", unbound, &sql).await.is_some() {
                may.push(what);
            }
        }
        if may.join(" ") != expected {
            through.push(format!("{role} may {may:?} the trail, expected {expected:?}"));
        }
    }
    // The weeks themselves are closed, to whoever is given rights on one.
    let weeks = "SELECT 'hedgerow.' || relname FROM pg_class WHERE relname LIKE 'api\\_audit\\_logs\\_2%' AND relkind = 'r'";
    let weeks = scene.database.column(weeks).await;
    if weeks.len() != 4 {
        through.push(format!("trail: weeks {weeks:?}"));
    }
    for week in weeks {
        let opened = format!(
            "CREATE POLICY hole ON {week} USING (true) WITH CHECK (true); GRANT ALL ON {week} TO hedgerow_app;"
        );
        for (opened, sql, expected) in [
            ("", format!("SELECT FROM {week}"), None),
            (&*opened, format!("SELECT FROM {week}"), Some(0)),
            (&*opened, format!("DELETE FROM {week}"), Some(0)),
            (&*opened, format!("UPDATE {week} SET method = 'x'"), Some(0)),
        ] {
            let count = probe.rows("hedgerow_app", "bob", opened, &sql).await;
            if count != expected {
                through.push(format!("trail: {sql}: {count:?} rows"));
            }
        }
        let as_owner = format!("SET LOCAL ROLE hedgerow_owner; SELECT count(*) FROM {week}");
        if scene.database.try_column(&as_owner).await != Ok(vec!["0".to_owned()]) {
            through.push(format!("the owner sees rows of {week}"));
        }
    }
    let as_owner = "SET LOCAL ROLE hedgerow_owner; SELECT count(*) FROM api_audit_logs";
    let count = scene.database.try_column(as_owner).await;
    if count != Ok(vec!["0".to_owned()]) {
        through.push(format!("the owner sees {count:?} rows of the trail"));
    }
    // What somebody did stays when their key goes, and when they go.
    let gone = "BEGIN; DELETE FROM api_keys WHERE id = 'key-alice'; DELETE FROM \"user\" WHERE id = 'bob';
        SELECT concat_ws(' ', id, \"userId\", \"apiKeyId\") FROM api_audit_logs ORDER BY id; ROLLBACK";
    let left = scene.database.try_column(gone).await;
    if left != Ok(vec!["audit-alice alice".to_owned(), "audit-bob".to_owned(), "audit-nobody".to_owned()]) {
        through.push(format!("trail: after a deletion {left:?}"));
    }
    through
}

/// The tables of sign-in are for sign-in alone: by their rights, and by their floors where somebody gave others rights.
async fn sign_in(scene: &Scene, probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    for (table, column, row) in SIGN_IN {
        let value = if *column == "\"lastUsedStep\"" { "1" } else { "'x'" };
        let tries = [
            ("select", format!("SELECT FROM {table}")),
            (
                "insert",
                format!("INSERT INTO {table} {}", row.replace("'{who}2'", "'new'").replace("{who}", "bob")),
            ),
            ("update", format!("UPDATE {table} SET {column} = {value}")),
            ("delete", format!("DELETE FROM {table}")),
        ];
        let all = |what: &str| Some(if what == "insert" { 1 } else { 2 });
        // The rights alone.
        let unbound = format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;");
        for role in ["hedgerow_app", "hedgerow_anon", "hedgerow_auth", "hedgerow_admin"] {
            for (what, sql) in &tries {
                let count = probe.rows(role, "bob", &unbound, sql).await;
                if count != (role == "hedgerow_auth").then(|| all(what)).flatten() {
                    through.push(format!("{role} may {what} {table}: {count:?}"));
                }
            }
            if probe.rows(role, "bob", "", &format!("TRUNCATE {table}")).await.is_some() {
                through.push(format!("{role} may truncate {table}"));
            }
        }
        // The floors alone. A row that may not be written is an error, rows that are not seen are none.
        let opened = format!(
            "CREATE POLICY hole ON {table} USING (true) WITH CHECK (true); GRANT ALL ON {table} TO hedgerow_app, hedgerow_admin;"
        );
        for (what, sql) in &tries {
            for role in ["hedgerow_app", "hedgerow_admin"] {
                let count = probe.rows(role, "bob", &opened, sql).await;
                if count != (*what != "insert").then_some(0) {
                    through.push(format!("floor of {table}: {role} may {what}: {count:?} rows"));
                }
            }
            // The control: sign-in itself, past nothing.
            let count = probe.rows("hedgerow_auth", "", "", sql).await;
            if count != all(what) {
                through.push(format!("sign-in may not {what} {table}: {count:?}"));
            }
        }
        let as_owner = format!("SET LOCAL ROLE hedgerow_owner; SELECT count(*) FROM {table}");
        let count = scene.database.try_column(&as_owner).await;
        if count != Ok(vec!["0".to_owned()]) {
            through.push(format!("the owner sees {count:?} rows of {table}"));
        }
    }
    // Whoever was given rights to read sees no session, whatever identity they say they have.
    for right in ["GRANT SELECT ON session TO reporter", "GRANT pg_read_all_data TO reporter"] {
        let opened = format!("CREATE ROLE reporter; {right};");
        let count = probe.rows("reporter", "alice", &opened, "SELECT FROM session").await;
        if count != Some(0) {
            through.push(format!("{right}: {count:?} sessions"));
        }
    }
    // Whoever asks is told of their own sessions whether they stand, and nothing of others'.
    let versions = "SELECT format('(%L, %L, %L)', s.id, s.xmin, u.xmin) FROM session s JOIN \"user\" u ON u.id = s.\"userId\" ORDER BY 1";
    let of = scene.database.column(versions).await;
    for (role, who, of, expected) in [
        ("hedgerow_app", "alice", &of[0], Some(1)),
        ("hedgerow_app", "bob", &of[0], Some(0)),
        ("hedgerow_app", "", &of[0], Some(0)),
        ("hedgerow_admin", "bob", &of[1], Some(1)),
        ("hedgerow_admin", "bob", &of[0], Some(0)),
        ("hedgerow_anon", "bob", &of[1], None),
        ("hedgerow_auth", "bob", &of[1], None),
    ] {
        let sql = format!("SELECT FROM (SELECT hedgerow.session_stands{of} AS stands) s WHERE s.stands = 1");
        let count = probe.rows(role, who, "", &sql).await;
        if count != expected {
            through.push(format!("{role} {who:?}: session_stands{of}: {count:?}, expected {expected:?}"));
        }
    }
    through
}

/// With the setting on that opens the trash, it is opened for its owner and nobody else.
async fn trash(probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    let on = "SELECT set_config('app.deleted', 'on', true);";
    let hole = format!("{on} CREATE POLICY hole ON bin USING (true) WITH CHECK (true);");
    for (opened, who, sql, expected) in [
        (&hole, "bob", "SELECT FROM bin WHERE id = 'bin-alice'", 0),
        (&hole, "bob", "SELECT FROM bin", 3),
        (&hole, "", "SELECT FROM bin", 2),
        (&hole, "bob", "UPDATE bin SET \"deletedAt\" = NULL WHERE id = 'bin-alice'", 0),
        (&on.to_owned(), "bob", "SELECT FROM bin WHERE id = 'bin-bob'", 1),
        (&on.to_owned(), "bob", "UPDATE bin SET \"deletedAt\" = NULL WHERE id = 'bin-bob'", 1),
        (&on.to_owned(), "bob", "UPDATE bin SET \"deletedAt\" = now() WHERE id = 'bin-bob-live'", 1),
        (&on.to_owned(), "bob", "UPDATE bin SET \"deletedAt\" = now() WHERE id = 'bin-alice-live'", 0),
        (&on.to_owned(), "bob", "DELETE FROM bin WHERE id = 'bin-bob'", 1),
    ] {
        let count = probe.rows("hedgerow_app", who, opened, sql).await;
        if count != Some(expected) {
            through.push(format!("trash: {who:?}: {sql}: {count:?} rows, expected {expected}"));
        }
    }
    through
}

/// The grants alone, row-level security being off: what each role may do with a table.
async fn rights(probe: &Probe, table: &str, text: &str) -> Vec<String> {
    let expected = |role: &str| match (table, role) {
        ("own" | "shown" | "open" | "page" | "bin", "hedgerow_app") => "select insert update delete",
        ("child", "hedgerow_app") => "select insert delete",
        ("open" | "reference" | "page" | "bin", "hedgerow_anon") | ("reference", "hedgerow_app") => "select",
        ("reference", "hedgerow_admin") => "select insert update delete",
        ("api_keys", "hedgerow_app") => "select insert update delete",
        ("api_keys", "hedgerow_auth") => "select revoke",
        ("\"user\"", "hedgerow_app" | "hedgerow_admin") => "select",
        ("\"user\"", "hedgerow_auth") => "select insert update delete",
        _ => "",
    };
    let key = |column: &str, value: &str| {
        format!("({column} key, name, prefix) VALUES ({value} repeat('c', 64), 'k', 'p')")
    };
    let (insert, foreign) = match table {
        "api_keys" => (key("", ""), key("\"userId\",", "'alice',")),
        "\"user\"" => {
            let person = "(id, name, email) VALUES ('eve', 'E', 'e@example.com')";
            (person.to_owned(), format!("{person} RETURNING 1/0"))
        }
        _ => (format!("({text}) VALUES ('x')"), format!("(\"userId\", {text}) VALUES ('alice', 'x')")),
    };
    let stamp = if table == "\"user\"" { "WHERE 1/0 = 0" } else { "" };
    let tries = [
        ("select", format!("SELECT {text} FROM {table}")),
        ("insert", format!("INSERT INTO {table} {insert}")),
        ("update", format!("UPDATE {table} SET {text} = 'x'")),
        ("delete", format!("DELETE FROM {table}")),
        ("revoke", "UPDATE api_keys SET revoked = true, \"lastUsed\" = now()".to_owned()),
        // Never anybody's.
        ("insert for another", format!("INSERT INTO {table} {foreign}")),
        ("give away", format!("UPDATE {table} SET \"userId\" = 'alice'")),
        ("rename", format!("UPDATE {table} SET id = id || '2' {stamp}")),
        ("backdate", format!("UPDATE {table} SET \"createdAt\" = now() {stamp}")),
        ("truncate", format!("TRUNCATE {table} CASCADE")),
        (
            "steal a hash",
            "SELECT key FROM api_keys WHERE current_user <> 'hedgerow_auth' OR 1/0 = 0".to_owned(),
        ),
    ];
    let emptied = metas::emptied(table);
    let opened = format!(
        "{emptied} DELETE FROM child; DELETE FROM api_keys WHERE '{table}' <> 'api_keys'; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
    );
    let mut through = Vec::new();
    for role in ["hedgerow_app", "hedgerow_anon", "hedgerow_auth", "hedgerow_admin"] {
        let mut may = Vec::new();
        for (what, sql) in &tries {
            let about_keys = matches!(*what, "revoke" | "steal a hash") && table != "api_keys";
            let by_design = *what == "revoke" && role != "hedgerow_auth";
            if !about_keys && !by_design && probe.rows(role, "bob", &opened, sql).await.is_some() {
                may.push(*what);
            }
        }
        if may.join(" ") != expected(role) {
            through.push(format!("{role} may {:?} {table}, expected {:?}", may.join(" "), expected(role)));
        }
    }
    through
}

/// A superuser's connection on which each try is a transaction that is rolled back.
struct Probe {
    client: tokio_postgres::Client,
    driver: tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Probe {
    async fn on(scene: &Scene) -> Self {
        let url = scene.database.superuser.to_string();
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
        Self { client, driver: tokio::spawn(connection) }
    }

    /// How many rows `sql` touches as this role and user, after `opened` was done as the superuser; `None` is refused.
    async fn rows(&self, role: &str, user: &str, opened: &str, sql: &str) -> Option<u64> {
        let begin = format!(
            "BEGIN; {opened} SELECT set_config('app.user_id', '{user}', true); SET LOCAL ROLE {role}"
        );
        let opened = self.client.batch_execute(&begin).await;
        let outcome = match opened {
            Ok(()) => self.client.simple_query(sql).await.ok(),
            Err(_) => None,
        };
        self.client.batch_execute("ROLLBACK").await.expect("a rollback");
        outcome.map(|messages| {
            let counts = messages.iter().filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::CommandComplete(count) => Some(*count),
                _ => None,
            });
            counts.sum()
        })
    }

    async fn close(self) {
        drop(self.client);
        let _ = self.driver.await;
    }
}

/// Flags, policies, grants, functions and foreign keys as the catalog has them, against the snapshot of how they were
/// made. What the code intends is reviewed in the snapshot; what somebody changed by hand differs from it.
async fn shape(scene: &Scene) -> Vec<String> {
    let now = catalog(&scene.database).await;
    static MADE: tokio::sync::OnceCell<Vec<String>> = tokio::sync::OnceCell::const_new();
    let made = MADE
        .get_or_init(|| async {
            let untouched = TestDatabase::with(&schema_of(ENTITIES)).await;
            catalog(&untouched).await
        })
        .await;
    let missing = made.iter().filter(|line| !now.contains(line)).map(|line| format!("gone: {line}"));
    let added = now.iter().filter(|line| !made.contains(line)).map(|line| format!("new: {line}"));
    missing.chain(added).collect()
}

async fn catalog(database: &TestDatabase) -> Vec<String> {
    let lines = database
        .column(
            "SELECT format('table %s: rls %s, force %s, owner %s', c.oid::regclass, relrowsecurity, relforcerowsecurity, relowner::regrole)
               FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
             UNION ALL
             SELECT format('policy %s %s: %s %s TO %s USING %s CHECK %s', p.polrelid::regclass, polname,
                      CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END, polcmd,
                      CASE polroles WHEN '{0}' THEN 'PUBLIC' ELSE polroles::regrole[]::text END,
                      pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
               FROM pg_policy p
             UNION ALL
             SELECT format('grant on %s: %s', c.oid::regclass, acl) FROM pg_class c, unnest(relacl) acl
               WHERE relnamespace = 'public'::regnamespace AND acl::text NOT LIKE 'hedgerow_owner=%' -- differs by version
             UNION ALL
             SELECT format('grant on %s.%s: %s', a.attrelid::regclass, attname, acl) FROM pg_attribute a, unnest(attacl) acl
               WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
             UNION ALL
             SELECT format('default %s.%s: %s', adrelid::regclass, attname, pg_get_expr(adbin, adrelid))
               FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
               WHERE adrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
             UNION ALL
             SELECT format('constraint %s %s: %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
               WHERE connamespace = 'public'::regnamespace AND contype <> 'n' -- only newer versions name these
             UNION ALL
             SELECT format('not null %s.%s', attrelid::regclass, attname) FROM pg_attribute
               WHERE attnotnull AND attnum > 0 AND attrelid IN
                 (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p'))
             UNION ALL
             SELECT format('function %s: volatile %s, definer %s, %s', oid::regprocedure, provolatile, prosecdef,
                      coalesce(pg_get_function_sqlbody(oid), prosrc))
               FROM pg_proc WHERE pronamespace IN ('public'::regnamespace, 'hedgerow'::regnamespace)
             UNION ALL
             SELECT format('grant on function %s: %s', p.oid::regprocedure, acl) FROM pg_proc p, unnest(proacl) acl
               WHERE pronamespace = 'hedgerow'::regnamespace
             UNION ALL
             SELECT format('grant on %s: %s', c.oid::regclass, acl) FROM pg_class c, unnest(relacl) acl
               WHERE relnamespace = 'hedgerow'::regnamespace AND acl::text NOT LIKE 'hedgerow_owner=%'
             UNION ALL
             SELECT format('trigger %s %s: %s', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
             UNION ALL
             SELECT format('role %s: super %s, bypass %s, inherit %s, login %s, may take %s', rolname, rolsuper, rolbypassrls,
                      rolinherit, rolcanlogin, (SELECT string_agg(roleid::regrole::text, ' ' ORDER BY roleid::regrole::text)
                        FROM pg_auth_members m WHERE member = r.oid
                          AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)))
               FROM pg_roles r WHERE rolname LIKE 'hedgerow%'
             ORDER BY 1",
        )
        .await;
    // The weeks of the trail are all alike, and others tomorrow.
    let mut seen: Vec<String> = Vec::new();
    for line in lines {
        let week = line.find("api_audit_logs_2").map(|at| at + "api_audit_logs_".len());
        let line = week
            .map_or(line.clone(), |at| format!("{}WEEK{}", &line[..at], &line[at + "2026_11_23".len()..]));
        if !seen.contains(&line) {
            seen.push(line);
        }
    }
    seen
}

#[tokio::test]
async fn nothing_gets_through() {
    let scene = Scene::set().await;
    assert_eq!(attack(&scene).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_protection_is_the_one_that_was_reviewed() {
    let database = TestDatabase::with(&schema_of(ENTITIES)).await;
    insta::assert_snapshot!(catalog(&database).await.join("\n"));
}

/// A run tries one in so many of what can be broken, others each time; `HEDGEROW_MUTANTS=all` tries all.
fn is_in_sample(one_in: u32) -> bool {
    static MET: AtomicU32 = AtomicU32::new(0);
    let share = MET.fetch_add(1, Ordering::Relaxed) % one_in;
    share == std::process::id() % one_in || std::env::var("HEDGEROW_MUTANTS").as_deref() == Ok("all")
}

/// Breaks one thing, and wants the attack to notice.
async fn is_noticed(broken: &str) {
    if !is_in_sample(2) {
        return;
    }
    let scene = Scene::set().await;
    scene.database.sql(broken).await;
    let findings = attack(&scene).await;
    assert!(!findings.is_empty(), "nobody notices: {broken}");
    // The shape of the catalog sees everything; the behaviour must see it too, or the attacks have a blind spot.
    let behaviour =
        findings.iter().filter(|finding| !finding.starts_with("gone: ") && !finding.starts_with("new: "));
    assert!(behaviour.count() > 0, "only the catalog shows it: {broken}\n{findings:#?}");
}

#[tokio::test]
async fn every_broken_flag_is_noticed() {
    for table in tables() {
        is_noticed(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).await;
        if !matches!(table, "open" | "reference") {
            is_noticed(&format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")).await;
        }
    }
}

#[tokio::test]
async fn every_broken_floor_is_noticed() {
    for table in tables() {
        for command in ["select", "insert", "update", "delete"] {
            // What is for everyone has nothing to lose by its floor of SELECT.
            if command == "select" && matches!(table, "open" | "reference") {
                continue;
            }
            is_noticed(&format!("DROP POLICY hedgerow_floor_{command} ON {table}")).await;
        }
    }
}

#[tokio::test]
async fn every_missing_policy_is_noticed() {
    for table in tables() {
        for verb in ["view", "create", "update", "delete"] {
            // Nobody changes the trail, with these policies or without.
            if table == TRAIL && matches!(verb, "update" | "delete") {
                continue;
            }
            is_noticed(&format!("DROP POLICY \"Users can {verb} own records\" ON {table}")).await;
        }
    }
}

#[tokio::test]
async fn every_widened_right_is_noticed() {
    for broken in [
        "GRANT UPDATE (\"userId\") ON own TO hedgerow_app; DROP POLICY hedgerow_floor_update ON own; DROP POLICY \"Users can update own records\" ON own; CREATE POLICY u ON own FOR UPDATE USING (true)",
        "GRANT INSERT (\"userId\") ON own TO hedgerow_app",
        "GRANT UPDATE (\"userId\") ON shown TO hedgerow_app",
        "GRANT UPDATE (id) ON own TO hedgerow_app",
        "GRANT INSERT ON own TO hedgerow_app",
        "GRANT UPDATE (text) ON child TO hedgerow_app",
        "GRANT SELECT ON api_keys TO hedgerow_app",
        "GRANT UPDATE ON api_keys TO hedgerow_app",
        "GRANT UPDATE (\"requestCount\") ON api_keys TO hedgerow_app",
        "GRANT INSERT (\"requestCount\") ON api_keys TO hedgerow_app",
        "GRANT UPDATE (\"allowedIps\") ON api_keys TO hedgerow_app",
        "GRANT UPDATE (scopes, \"allowedIps\") ON api_keys TO hedgerow_auth",
        "GRANT SELECT ON api_keys TO hedgerow_admin",
        "GRANT UPDATE (revoked) ON api_keys TO hedgerow_admin",
        "GRANT TRUNCATE ON own TO hedgerow_app",
        "GRANT UPDATE (kept) ON own TO hedgerow_app",
        "GRANT INSERT (kept) ON own TO hedgerow_app",
        "GRANT INSERT (\"deletedAt\") ON bin TO hedgerow_app",
        "GRANT UPDATE (\"deletedAt\") ON bin TO hedgerow_anon",
        "GRANT UPDATE (\"targetId\") ON child_many TO hedgerow_app",
        "GRANT INSERT ON child_many TO hedgerow_app",
        "GRANT DELETE ON page_links TO hedgerow_anon",
        "GRANT SELECT ON child_many TO hedgerow_admin",
        "REVOKE UPDATE (\"deletedAt\") ON bin FROM hedgerow_app",
        "REVOKE INSERT ON child_many FROM hedgerow_app; REVOKE INSERT (\"sourceId\") ON child_many FROM hedgerow_app",
        "GRANT INSERT ON reference TO hedgerow_app",
        "GRANT DELETE ON reference TO hedgerow_app",
        "GRANT UPDATE ON reference TO hedgerow_app",
        "GRANT SELECT ON own TO hedgerow_anon",
        "GRANT SELECT ON own TO PUBLIC",
        "GRANT DELETE ON open TO hedgerow_anon",
        "GRANT SELECT ON own TO hedgerow_auth",
        "GRANT SELECT ON own TO hedgerow_admin",
        "GRANT UPDATE ON \"user\" TO hedgerow_app",
        "GRANT UPDATE ON \"user\" TO hedgerow_admin",
        "GRANT INSERT ON api_keys TO hedgerow_auth",
        "GRANT SELECT ON session TO hedgerow_app; ALTER POLICY hedgerow_floor_select ON session USING (true)",
        "GRANT SELECT (id) ON session TO hedgerow_app",
        "GRANT INSERT ON session TO hedgerow_admin",
        "GRANT EXECUTE ON FUNCTION hedgerow.session_stands TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION hedgerow.session_stands FROM hedgerow_app",
        "GRANT UPDATE ON account TO hedgerow_admin",
        "GRANT SELECT ON verification TO hedgerow_anon",
        "GRANT SELECT ON jwks TO PUBLIC",
        "GRANT DELETE ON \"twoFactor\" TO hedgerow_app",
        "GRANT TRUNCATE ON session TO hedgerow_auth",
        "GRANT SELECT ON api_idempotency TO hedgerow_auth",
        "GRANT INSERT (\"userId\") ON api_idempotency TO hedgerow_app",
        "GRANT SELECT ON api_idempotency TO hedgerow_anon",
        "REVOKE DELETE ON verification FROM hedgerow_auth",
        "GRANT INSERT ON api_audit_logs TO hedgerow_app",
        "GRANT UPDATE ON api_audit_logs TO hedgerow_app",
        "GRANT DELETE ON api_audit_logs TO hedgerow_admin",
        "GRANT TRUNCATE ON api_audit_logs TO hedgerow_admin",
        "GRANT SELECT ON api_audit_logs TO hedgerow_app",
        "GRANT SELECT ON api_audit_logs TO hedgerow_anon",
        "REVOKE INSERT ON api_audit_logs FROM hedgerow_auth",
        "GRANT DELETE ON hedgerow.audit_seals TO hedgerow_admin",
        "GRANT SELECT ON hedgerow.audit_seals TO hedgerow_app",
        "GRANT EXECUTE ON FUNCTION hedgerow.keep_audit TO hedgerow_app",
        "GRANT EXECUTE ON FUNCTION hedgerow.write_audit TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION hedgerow.write_audit FROM hedgerow_app",
        "GRANT USAGE ON SCHEMA hedgerow TO hedgerow_app; GRANT SELECT ON hedgerow.migrations TO hedgerow_app",
        "GRANT CREATE ON SCHEMA public TO hedgerow_app",
        "REVOKE SELECT ON own FROM hedgerow_app",
        "REVOKE DELETE ON own FROM hedgerow_app",
        "REVOKE INSERT ON own FROM hedgerow_app",
    ] {
        is_noticed(broken).await;
    }
}

#[tokio::test]
async fn every_loosened_expression_is_noticed() {
    for broken in [
        "ALTER POLICY hedgerow_floor_select ON own USING (true)",
        "ALTER POLICY hedgerow_floor_insert ON own WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_update ON own USING (true) WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_update ON own WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_delete ON open USING (true)",
        "ALTER POLICY hedgerow_floor_select ON shown USING (true); ALTER POLICY \"Users can view own records\" ON shown USING (true); GRANT SELECT ON shown TO hedgerow_anon",
        "ALTER POLICY hedgerow_floor_select ON \"user\" USING (true)",
        "ALTER POLICY hedgerow_floor_update ON \"user\" USING (true) WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_select ON own TO hedgerow_admin",
        "ALTER POLICY hedgerow_floor_select ON session USING (\"userId\" = (SELECT get_auth_user_id()))",
        "ALTER POLICY hedgerow_floor_select ON session USING (\"userId\" = (SELECT get_auth_user_id()) OR current_user = 'hedgerow_auth')",
        "ALTER FUNCTION hedgerow.session_stands SECURITY INVOKER",
        "ALTER POLICY hedgerow_floor_update ON account USING (true) WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_insert ON jwks WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_select ON api_idempotency USING (true)",
        "ALTER POLICY hedgerow_floor_update ON api_idempotency USING (true) WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_delete ON \"twoFactor\" TO hedgerow_app",
        "ALTER POLICY hedgerow_floor_select ON api_audit_logs USING (true)",
        "ALTER POLICY hedgerow_floor_insert ON api_audit_logs WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_insert ON api_audit_logs WITH CHECK (\"userId\" IS NULL OR \"userId\" = (SELECT get_auth_user_id()))",
        "ALTER POLICY hedgerow_floor_update ON api_audit_logs USING (true) WITH CHECK (true)",
        "ALTER POLICY hedgerow_floor_delete ON api_audit_logs USING (true)",
        "ALTER TABLE api_audit_logs DROP CONSTRAINT \"api_audit_logs_userId_fkey\", ADD FOREIGN KEY (\"userId\") REFERENCES \"user\" (id) ON DELETE CASCADE",
        "ALTER FUNCTION hedgerow.write_audit SECURITY INVOKER",
        "ALTER TABLE child DROP CONSTRAINT child_parent_fkey",
        "ALTER TABLE child DROP CONSTRAINT child_parent_fkey, ADD FOREIGN KEY (parent) REFERENCES own (id)",
        "ALTER TABLE child DROP CONSTRAINT child_parent_fkey, ALTER \"userId\" DROP NOT NULL, ADD FOREIGN KEY (\"userId\", parent) REFERENCES own (\"userId\", id) ON DELETE SET NULL",
        "ALTER TABLE own ALTER \"userId\" DROP DEFAULT",
        "ALTER POLICY hedgerow_floor_select ON page USING (true)",
        "ALTER POLICY hedgerow_floor_select ON page USING (\"userId\" = (SELECT get_auth_user_id()))",
        "ALTER POLICY hedgerow_floor_select ON bin USING (true)",
        "ALTER POLICY hedgerow_floor_select ON bin USING (\"deletedAt\" IS NULL OR (SELECT current_setting('app.deleted', true)) = 'on')",
        "ALTER POLICY hedgerow_floor_select ON bin USING (\"deletedAt\" IS NULL)",
        "ALTER POLICY hedgerow_floor_select ON page_links USING (true)",
        "ALTER POLICY hedgerow_floor_select ON page_links USING (\"userId\" = (SELECT get_auth_user_id()))",
        "ALTER POLICY hedgerow_floor_insert ON child_many WITH CHECK (true)",
        "ALTER TABLE child_many DROP CONSTRAINT \"child_many_targetId_fkey\"",
        "ALTER TABLE child_many DROP CONSTRAINT \"child_many_sourceId_fkey\"",
        "ALTER TABLE child_many DROP CONSTRAINT \"child_many_targetId_fkey\", ADD FOREIGN KEY (\"targetId\") REFERENCES own (id)",
        "ALTER TABLE page_links DROP CONSTRAINT \"page_links_sourceId_fkey\", ADD FOREIGN KEY (\"sourceId\") REFERENCES page (id)",
        "CREATE OR REPLACE FUNCTION public.get_auth_user_id() RETURNS text LANGUAGE sql STABLE RETURN current_setting('app.user_id', true)",
        "CREATE OR REPLACE FUNCTION public.get_auth_user_id() RETURNS text LANGUAGE sql STABLE RETURN 'alice'",
    ] {
        is_noticed(broken).await;
    }
}

#[tokio::test]
async fn logins_cannot_become_more_than_their_own_roles() {
    let scene = Scene::set().await;
    // Through the pool's own login, before and after any switch of role.
    let check = async |login: &str, role: &str, expected: bool| {
        let url = scene.database.superuser.with_login(login, None).to_string();
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
        let driver = tokio::spawn(connection);
        let outcome = client.batch_execute(&format!("SET ROLE {role}")).await.is_ok();
        drop(client);
        let _ = driver.await;
        assert_eq!(outcome, expected, "{login} becomes {role}");
    };
    for (login, roles) in [
        ("hedgerow_app_login", ["hedgerow_app", "hedgerow_anon"].as_slice()),
        ("hedgerow_auth_login", &["hedgerow_auth"]),
        ("hedgerow_admin_login", &["hedgerow_admin"]),
    ] {
        for role in
            ["hedgerow_app", "hedgerow_anon", "hedgerow_auth", "hedgerow_admin", "hedgerow_owner", "postgres"]
        {
            check(login, role, roles.contains(&role)).await;
        }
    }
    // NOINHERIT: a login that forgot to switch has no rights at all.
    let url = scene.database.logins.tenant.to_string();
    let (client, connection) =
        tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
    let driver = tokio::spawn(connection);
    assert!(client.batch_execute("SELECT FROM own").await.is_err());
    drop(client);
    let _ = driver.await;
}

#[tokio::test]
async fn one_connection_serves_many_and_mixes_nobody_up() {
    let scene = Scene::set().await;
    let sql = "SELECT id FROM own ORDER BY id";
    let ids: Vec<UserId> = ["alice", "bob"].map(|id| id.parse().expect("an id")).into();
    for round in 0..40 {
        let id = &ids[round % 2];
        let seen = scene.ids(&Identity::User(id.clone()), sql).await.expect("an answer");
        assert_eq!(seen, [format!("own-{id}")], "round {round}");
        // An error in between, and nobody: neither leaves anything behind.
        assert!(scene.ids(&Identity::Anonymous, "SELECT (1/0)::text").await.is_err());
        assert_eq!(
            scene
                .ids(&Identity::Anonymous, "SELECT coalesce(public.get_auth_user_id(), 'nobody')")
                .await
                .expect("an answer"),
            ["nobody"]
        );
    }
}
