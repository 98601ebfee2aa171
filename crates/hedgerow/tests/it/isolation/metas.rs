//! Isolation of metadata: who reads which meta of which row, every way to write a meta that is not one's own, and each
//! barrier broken by hand, which these attacks alone have to notice.

use std::fmt::Write as _;

use hedgerow::database::Identity;

use super::{Probe, Scene, admin, is_in_sample, user};

/// A table of metadata, and how its rows are written.
struct Metas {
    table: &'static str,
    /// A row of bob's that metas can be of, or one that administrators write.
    own: &'static str,
    /// A row of alice's, which bob does not see.
    foreign: &'static str,
    /// How many metas bob may change.
    writes: u64,
    /// How many bob reads.
    reads: u64,
    /// How many everybody reads.
    open: u64,
}

/// Those of rows that their owners write.
const OF_OWNERS: &[Metas] = &[
    Metas { table: "own_metas", own: "own-bob", foreign: "own-alice", writes: 2, reads: 2, open: 0 },
    Metas { table: "shown_metas", own: "shown-bob", foreign: "shown-alice", writes: 2, reads: 3, open: 0 },
    // What the entity file does not make public is not, whatever a row says.
    Metas { table: "kept_metas", own: "kept-bob", foreign: "kept-alice", writes: 2, reads: 3, open: 0 },
    Metas { table: "open_metas", own: "open-bob", foreign: "open-alice", writes: 2, reads: 3, open: 2 },
    // What is published of alice's has one public meta; nothing of bob's is.
    Metas { table: "page_metas", own: "page-bob", foreign: "page-alice", writes: 4, reads: 5, open: 1 },
    // One of two rows is in the trash.
    Metas { table: "bin_metas", own: "bin-bob-live", foreign: "bin-alice", writes: 4, reads: 5, open: 2 },
];

/// Those of rows that administrators write: the table, a row, and how many metas everybody reads.
const OF_ADMINISTRATORS: &[(&str, &str, u64)] =
    &[("reference_metas", "reference-root", 2), ("notice_metas", "notice-draft", 1)];

/// All tables of metadata.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    let owners = OF_OWNERS.iter().map(|metas| metas.table);
    owners.chain(OF_ADMINISTRATORS.iter().map(|(table, ..)| *table)).chain(["user_metas", "global_metas"])
}

/// Takes the metas of a table's rows away, and the objects that are kept of them: a row that has some can be neither renamed
/// nor given away for that reason alone.
pub(super) fn emptied(table: &str) -> String {
    let name = format!("{table}_metas");
    let metas =
        if tables().any(|known| known == name) { format!("DELETE FROM {name};") } else { String::new() };
    let keeps = OF_OWNERS.iter().any(|known| known.table == name);
    metas + &if keeps { format!("DELETE FROM {name}_objects;") } else { String::new() }
}

/// Every row of every entity has a private and a public meta, and so has every user; alice has one that bob has not.
pub(super) fn rows() -> String {
    let mut rows = String::new();
    for table in ["own", "shown", "open", "kept", "page", "bin", "reference", "notice"] {
        for (key, public) in [("private", table == "kept"), ("public", true)] {
            let _ = write!(
                rows,
                "INSERT INTO {table}_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\", \"isPublic\")
                   SELECT \"userId\", id, '{key}', 'x', {public} FROM {table};"
            );
        }
    }
    rows.push_str(
        // Left from a time in which others read these rows.
        "INSERT INTO own_metas_objects SELECT \"userId\", id, true, '{}' FROM own;
         INSERT INTO user_metas (\"userId\", \"metaKey\", \"metaValue\", \"isPublic\")
           SELECT id, key, 'x', key = 'public' FROM \"user\", unnest('{private,public}'::text[]) key;
         INSERT INTO user_metas (\"userId\", \"metaKey\", \"metaValue\") VALUES ('alice', 'alices', 'x');
         INSERT INTO global_metas (\"metaKey\", \"metaValue\", \"isPublic\") VALUES ('private', 'x', false), ('public', 'x', true);",
    );
    rows
}

/// What got through.
pub(super) async fn attack(scene: &Scene) -> Vec<String> {
    let mut through = reading(scene).await;
    through.extend(writing(scene).await);
    let probe = Probe::on(scene).await;
    through.extend(floors(scene, &probe).await);
    through.extend(rights(&probe).await);
    probe.close().await;
    through
}

/// Which metas each of them sees; "-" is no right at all.
async fn reading(scene: &Scene) -> Vec<String> {
    let readers: [(&str, Identity); 6] = [
        ("bob", user("bob")),
        ("anonymous", Identity::Anonymous),
        ("unknown user", user("nobody")),
        ("auth", Identity::Auth),
        ("admin", admin()),
        ("system", Identity::System { reason: "a test" }),
    ];
    let both = "open-alice.public open-bob.public";
    let live = "bin-alice-live.public bin-bob-live.public";
    let of_reference = "reference-root.public reference-spare.public";
    let all_of_reference =
        "reference-root.private reference-root.public reference-spare.private reference-spare.public";
    let all_notices = "notice-draft.private notice-draft.public notice-out.private notice-out.public";
    macro_rules! of {
        ($table:literal) => {
            concat!("SELECT \"entityId\" || '.' || \"metaKey\" FROM ", $table, " ORDER BY 1")
        };
    }
    let selects: [(&'static str, [&str; 6]); 10] = [
        (of!("own_metas"), ["own-bob.private own-bob.public", "-", "", "-", "-", "-"]),
        (
            of!("shown_metas"),
            [
                "shown-alice.public shown-bob.private shown-bob.public",
                "-",
                "shown-alice.public shown-bob.public",
                "-",
                "-",
                "-",
            ],
        ),
        (
            of!("kept_metas"),
            [
                "kept-alice.public kept-bob.private kept-bob.public",
                "-",
                "kept-alice.public kept-bob.public",
                "-",
                "-",
                "-",
            ],
        ),
        (
            of!("open_metas"),
            ["open-alice.public open-bob.private open-bob.public", both, both, "-", "-", "-"],
        ),
        // Neither a draft of alice's nor what she took away shows its public meta.
        (
            of!("page_metas"),
            [
                "page-alice-out.public page-bob-out.private page-bob-out.public page-bob.private page-bob.public",
                "page-alice-out.public",
                "page-alice-out.public",
                "-",
                "-",
                "-",
            ],
        ),
        (
            of!("bin_metas"),
            [
                "bin-alice-live.public bin-bob-live.private bin-bob-live.public bin-bob.private bin-bob.public",
                live,
                live,
                "-",
                "-",
                "-",
            ],
        ),
        (
            of!("reference_metas"),
            [of_reference, of_reference, of_reference, "-", all_of_reference, all_of_reference],
        ),
        (
            of!("notice_metas"),
            ["notice-out.public", "notice-out.public", "notice-out.public", "-", all_notices, all_notices],
        ),
        // An administrator is one user among others here.
        (
            "SELECT \"userId\" || '.' || \"metaKey\" FROM user_metas ORDER BY 1",
            [
                "alice.public bob.private bob.public root.public",
                "-",
                "alice.public bob.public root.public",
                "-",
                "alice.public bob.public root.private root.public",
                "",
            ],
        ),
        (
            "SELECT \"metaKey\" FROM global_metas ORDER BY 1",
            ["private public", "public", "private public", "-", "private public", "public"],
        ),
    ];
    let mut through = Vec::new();
    for (sql, expected) in selects {
        for ((who, identity), expected) in readers.iter().zip(expected) {
            let seen = scene.seen(identity, sql).await;
            if seen != expected {
                through.push(format!("{who}: {sql}: {seen:?}, expected {expected:?}"));
            }
        }
    }
    through
}

/// Statements, and what each must come to.
async fn writing(scene: &Scene) -> Vec<String> {
    let mut through = Vec::new();
    for Metas { table, own, foreign, writes, .. } in OF_OWNERS {
        let meta = "(\"entityId\", \"metaKey\", \"metaValue\")";
        let into =
            |row: &str, key: &str| format!("INSERT INTO {table} {meta} VALUES ('{row}', '{key}', 'x')");
        let again = "ON CONFLICT (\"userId\", \"entityId\", \"metaKey\") DO UPDATE SET \"metaValue\" = 'x'";
        let tries: Vec<(String, &str)> = vec![
            (into(own, "new"), "1 rows"),
            (into(own, "public"), "exists"),
            (format!("{} {again}", into(own, "public")), "1 rows"),
            // Another's row is no row; whether it has the key is not told.
            (into(foreign, "new"), "no such row"),
            (into(foreign, "private"), "no such row"),
            (into("nothing", "new"), "no such row"),
            (format!("{} ON CONFLICT DO NOTHING", into(foreign, "private")), "no such row"),
            (format!("{} ON CONFLICT DO NOTHING", into(foreign, "new")), "no such row"),
            (format!("{} {again}", into(foreign, "public")), "no such row"),
            // Whose it is nobody says, not even truly.
            (
                format!(
                    "INSERT INTO {table} (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") VALUES ('alice', '{foreign}', 'new', 'x')"
                ),
                "refused",
            ),
            (
                format!(
                    "INSERT INTO {table} (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") VALUES ('bob', '{own}', 'new', 'x')"
                ),
                "refused",
            ),
            (format!("UPDATE {table} SET \"metaValue\" = 'y'"), ""),
            (
                format!(
                    "UPDATE {table} SET \"metaValue\" = 'y', \"isPublic\" = true WHERE \"userId\" = 'alice'"
                ),
                "0 rows",
            ),
            // A meta stays where it is, under its key.
            (format!("UPDATE {table} SET \"entityId\" = '{foreign}'"), "refused"),
            (format!("UPDATE {table} SET \"entityId\" = '{own}'"), "refused"),
            (format!("UPDATE {table} SET \"metaKey\" = 'y'"), "refused"),
            (format!("UPDATE {table} SET \"userId\" = 'alice'"), "refused"),
            (format!("UPDATE {table} SET \"createdAt\" = now()"), "refused"),
            (format!("UPDATE {table} SET \"metaNumber\" = DEFAULT"), "refused"),
            (format!("DELETE FROM {table}"), ""),
            (format!("DELETE FROM {table} WHERE \"userId\" = 'alice'"), "0 rows"),
            (format!("DELETE FROM {table} WHERE \"entityId\" = '{foreign}' RETURNING *"), "0 rows"),
            (format!("TRUNCATE {table}"), "refused"),
            // Comparing reads: what is private is in no condition.
            (
                format!("SELECT \"metaKey\" FROM {table} WHERE \"userId\" = 'alice' AND NOT \"isPublic\""),
                "0 rows",
            ),
        ];
        let all = format!("{writes} rows");
        for (sql, expected) in tries {
            let expected = if expected.is_empty() { &all } else { expected };
            through.extend(scene.comes_to("bob", &user("bob"), &sql, expected).await);
        }
        for (who, identity, expected) in [
            ("anonymous", Identity::Anonymous, "refused"),
            ("unknown user", user("nobody"), "no such row"),
            ("auth", Identity::Auth, "refused"),
            ("admin", admin(), "refused"),
            ("system", Identity::System { reason: "a test" }, "refused"),
        ] {
            through.extend(scene.comes_to(who, &identity, &into(foreign, "new"), expected).await);
            let expected = if who == "unknown user" { "0 rows" } else { "refused" };
            for sql in [format!("UPDATE {table} SET \"metaValue\" = 'y'"), format!("DELETE FROM {table}")] {
                through.extend(scene.comes_to(who, &identity, &sql, expected).await);
            }
        }
    }
    through.extend(writing_shared(scene).await);
    through
}

/// The same of what administrators write, and of users.
async fn writing_shared(scene: &Scene) -> Vec<String> {
    let (bob, nobody) = (user("bob"), user("nobody"));
    let system = Identity::System { reason: "a test" };
    let mut through = Vec::new();
    for (table, row, _) in OF_ADMINISTRATORS {
        let meta = "(\"entityId\", \"metaKey\", \"metaValue\")";
        let new = format!("INSERT INTO {table} {meta} VALUES ('{row}', 'new', 'x')");
        let change = format!("UPDATE {table} SET \"metaValue\" = 'y'");
        let delete = format!("DELETE FROM {table}");
        for sql in [&new, &change, &delete] {
            for (who, identity) in [
                ("bob", &bob),
                ("anonymous", &Identity::Anonymous),
                ("unknown user", &nobody),
                ("auth", &Identity::Auth),
            ] {
                through.extend(scene.comes_to(who, identity, sql, "refused").await);
            }
        }
        for (sql, expected) in [
            (new.clone(), "1 rows"),
            (change.clone(), "4 rows"),
            (delete.clone(), "4 rows"),
            (format!("INSERT INTO {table} {meta} VALUES ('nothing', 'new', 'x')"), "no such row"),
            (
                format!(
                    "INSERT INTO {table} (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") VALUES ('bob', '{row}', 'new', 'x')"
                ),
                "refused",
            ),
            (format!("UPDATE {table} SET \"userId\" = 'bob'"), "refused"),
            (format!("UPDATE {table} SET \"entityId\" = '{row}'"), "refused"),
            (format!("UPDATE {table} SET \"metaKey\" = 'y'"), "refused"),
            (format!("TRUNCATE {table}"), "refused"),
        ] {
            through.extend(scene.comes_to("admin", &admin(), &sql, expected).await);
        }
        through.extend(scene.comes_to("system", &system, &new, "refused").await);
    }
    let of_user =
        |key: &str| format!("INSERT INTO user_metas (\"metaKey\", \"metaValue\") VALUES ('{key}', 'x')");
    let global = "INSERT INTO global_metas (\"metaKey\", \"metaValue\") VALUES ('new', 'x')";
    let tries: &[(&str, &Identity, String, &str)] = &[
        ("bob", &bob, of_user("new"), "1 rows"),
        ("bob", &bob, of_user("public"), "exists"),
        // A key that alice has is as free as one that nobody has.
        ("bob", &bob, of_user("alices"), "1 rows"),
        ("bob", &bob, format!("{} ON CONFLICT DO NOTHING RETURNING id", of_user("alices")), "1 rows"),
        (
            "bob",
            &bob,
            "INSERT INTO user_metas (\"userId\", \"metaKey\", \"metaValue\") VALUES ('alice', 'new', 'x')"
                .into(),
            "refused",
        ),
        (
            "bob",
            &bob,
            "INSERT INTO user_metas (\"userId\", \"metaKey\", \"metaValue\") VALUES ('bob', 'new', 'x')"
                .into(),
            "refused",
        ),
        (
            "bob",
            &bob,
            "INSERT INTO user_metas (id, \"metaKey\", \"metaValue\") VALUES ('x', 'new', 'x')".into(),
            "refused",
        ),
        ("bob", &bob, "UPDATE user_metas SET \"metaValue\" = 'y'".into(), "2 rows"),
        (
            "bob",
            &bob,
            "UPDATE user_metas SET \"metaValue\" = 'y' WHERE \"userId\" = 'alice'".into(),
            "0 rows",
        ),
        ("bob", &bob, "UPDATE user_metas SET \"userId\" = 'alice'".into(), "refused"),
        ("bob", &bob, "UPDATE user_metas SET \"metaKey\" = 'y'".into(), "refused"),
        ("bob", &bob, "UPDATE user_metas SET id = 'y'".into(), "refused"),
        ("bob", &bob, "DELETE FROM user_metas".into(), "2 rows"),
        ("bob", &bob, "DELETE FROM user_metas WHERE \"userId\" = 'alice' RETURNING *".into(), "0 rows"),
        ("bob", &bob, "TRUNCATE user_metas".into(), "refused"),
        ("anonymous", &Identity::Anonymous, of_user("new"), "refused"),
        ("anonymous", &Identity::Anonymous, "DELETE FROM user_metas".into(), "refused"),
        ("unknown user", &nobody, of_user("new"), "no such row"),
        ("unknown user", &nobody, "UPDATE user_metas SET \"metaValue\" = 'y'".into(), "0 rows"),
        ("auth", &Identity::Auth, of_user("new"), "refused"),
        ("admin", &admin(), of_user("new"), "refused"),
        ("admin", &admin(), "DELETE FROM user_metas".into(), "refused"),
        ("bob", &bob, global.into(), "refused"),
        ("bob", &bob, "UPDATE global_metas SET \"metaValue\" = 'y'".into(), "refused"),
        ("bob", &bob, "DELETE FROM global_metas".into(), "refused"),
        ("anonymous", &Identity::Anonymous, "DELETE FROM global_metas".into(), "refused"),
        ("auth", &Identity::Auth, global.into(), "refused"),
        ("admin", &admin(), global.into(), "1 rows"),
        ("admin", &admin(), "UPDATE global_metas SET \"metaValue\" = 'y'".into(), "2 rows"),
        ("admin", &admin(), "UPDATE global_metas SET \"metaKey\" = 'y'".into(), "refused"),
        ("admin", &admin(), "DELETE FROM global_metas".into(), "2 rows"),
        ("admin", &admin(), "TRUNCATE global_metas".into(), "refused"),
        // No identity writes nothing, the machine's own work included.
        ("system", &system, global.into(), "refused"),
        ("system", &system, "UPDATE global_metas SET \"metaValue\" = 'y'".into(), "0 rows"),
        ("system", &system, "DELETE FROM global_metas".into(), "0 rows"),
    ];
    for (who, identity, sql, expected) in tries {
        through.extend(scene.comes_to(who, identity, sql, expected).await);
    }
    through
}

/// The floors alone: others' policies and rights open everything above them.
async fn floors(scene: &Scene, probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    // It reads no column, so that the policies of SELECT are not asked.
    let change = |table: &str| format!("UPDATE {table} SET \"metaValue\" = 'y'");
    let mut tries: Vec<(&str, &str, &str, String, Option<u64>)> = Vec::new();
    for Metas { table, foreign, writes, reads, open, .. } in OF_OWNERS {
        let all = format!("SELECT FROM {table}");
        tries.extend([
            (*table, "hedgerow_app", "bob", all.clone(), Some(*reads)),
            (table, "hedgerow_app", "", all, Some(*open)),
            (table, "hedgerow_app", "bob", change(table), Some(*writes)),
            (table, "hedgerow_app", "", change(table), Some(0)),
            (table, "hedgerow_app", "bob", format!("DELETE FROM {table}"), Some(*writes)),
            (table, "hedgerow_app", "", format!("DELETE FROM {table}"), Some(0)),
            // Right in everything but whose it is.
            (
                table,
                "hedgerow_app",
                "bob",
                format!(
                    "INSERT INTO {table} (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") VALUES ('alice', '{foreign}', 'new', 'x')"
                ),
                None,
            ),
            (
                table,
                "hedgerow_app",
                "bob",
                format!(
                    "UPDATE {table} SET \"userId\" = 'alice', \"entityId\" = '{foreign}', \"metaKey\" = gen_random_uuid()::text"
                ),
                None,
            ),
        ]);
    }
    for (table, row, open) in OF_ADMINISTRATORS {
        let insert = |owner: &str| {
            format!(
                "INSERT INTO {table} (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") VALUES ('{owner}', '{row}', 'new', 'x')"
            )
        };
        for (role, who, sql, expected) in [
            ("hedgerow_app", "bob", format!("SELECT FROM {table}"), Some(*open)),
            ("hedgerow_app", "", format!("SELECT FROM {table}"), Some(*open)),
            ("hedgerow_admin", "root", format!("SELECT FROM {table}"), Some(4)),
            ("hedgerow_app", "bob", change(table), Some(0)),
            ("hedgerow_app", "bob", format!("DELETE FROM {table}"), Some(0)),
            ("hedgerow_app", "bob", insert("bob"), None),
            ("hedgerow_admin", "root", insert("bob"), None),
            ("hedgerow_admin", "root", insert("root"), Some(1)),
        ] {
            tries.push((table, role, who, sql, expected));
        }
    }
    let of_user = |owner: &str| {
        format!(
            "INSERT INTO user_metas (\"userId\", \"metaKey\", \"metaValue\") VALUES ('{owner}', 'new', 'x')"
        )
    };
    let global = "INSERT INTO global_metas (\"metaKey\", \"metaValue\") VALUES ('new', 'x')";
    for (table, role, who, sql, expected) in [
        ("user_metas", "hedgerow_app", "bob", "SELECT FROM user_metas".to_owned(), Some(4)),
        ("user_metas", "hedgerow_app", "", "SELECT FROM user_metas".to_owned(), Some(0)),
        // Not even administrators read what users keep for themselves, and nobody's role is nobody.
        ("user_metas", "hedgerow_admin", "root", "SELECT FROM user_metas".to_owned(), Some(4)),
        ("user_metas", "hedgerow_anon", "", "SELECT FROM user_metas".to_owned(), Some(0)),
        ("user_metas", "hedgerow_app", "bob", change("user_metas"), Some(2)),
        ("user_metas", "hedgerow_admin", "root", change("user_metas"), Some(2)),
        ("user_metas", "hedgerow_app", "bob", "DELETE FROM user_metas".to_owned(), Some(2)),
        ("user_metas", "hedgerow_app", "bob", of_user("alice"), None),
        (
            "user_metas",
            "hedgerow_app",
            "bob",
            "UPDATE user_metas SET \"userId\" = 'alice', \"metaKey\" = gen_random_uuid()::text".to_owned(),
            None,
        ),
        ("global_metas", "hedgerow_app", "bob", "SELECT FROM global_metas".to_owned(), Some(2)),
        ("global_metas", "hedgerow_anon", "", "SELECT FROM global_metas".to_owned(), Some(1)),
        ("global_metas", "hedgerow_app", "bob", change("global_metas"), Some(0)),
        ("global_metas", "hedgerow_app", "bob", "DELETE FROM global_metas".to_owned(), Some(0)),
        ("global_metas", "hedgerow_app", "bob", global.to_owned(), None),
        ("global_metas", "hedgerow_admin", "root", global.to_owned(), Some(1)),
        ("global_metas", "hedgerow_admin", "", global.to_owned(), None),
        ("global_metas", "hedgerow_admin", "", change("global_metas"), Some(0)),
        ("global_metas", "hedgerow_admin", "", "DELETE FROM global_metas".to_owned(), Some(0)),
    ] {
        tries.push((table, role, who, sql, expected));
    }
    for (table, role, who, sql, expected) in tries {
        // What is kept beside a meta has barriers of its own, which must not be what refuses here.
        let opened = format!(
            "ALTER TABLE {table} DISABLE TRIGGER USER; CREATE POLICY hole ON {table} USING (true) WITH CHECK (true);
             GRANT ALL ON {table} TO hedgerow_app, hedgerow_anon, hedgerow_auth, hedgerow_admin;"
        );
        let count = probe.rows(role, who, &opened, &sql).await;
        if count != expected {
            through.push(format!(
                "floor of {table}: {role} {who:?}: {sql}: {count:?} rows, expected {expected:?}"
            ));
        }
    }
    // FORCE and ENABLE: the owner of the tables reads what everybody reads.
    let open = OF_OWNERS.iter().map(|metas| (metas.table, metas.open));
    let shared = OF_ADMINISTRATORS.iter().map(|(table, _, open)| (*table, *open));
    for (table, open) in open.chain(shared).chain([("user_metas", 0), ("global_metas", 1)]) {
        let as_owner = format!("SET LOCAL ROLE hedgerow_owner; SELECT count(*) FROM {table}");
        let count = scene.database.try_column(&as_owner).await;
        if count != Ok(vec![open.to_string()]) {
            through.push(format!("the owner sees {count:?} rows of {table}"));
        }
    }
    through
}

/// The rights alone, row-level security being off: what each role may do.
async fn rights(probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    for table in tables() {
        let row = OF_OWNERS.iter().find(|metas| metas.table == table).map(|metas| metas.own);
        let row =
            row.or_else(|| OF_ADMINISTRATORS.iter().find(|(own, ..)| *own == table).map(|(_, row, _)| *row));
        let of = |columns: &str, values: &str| {
            match row {
            Some(row) => format!(
                "INSERT INTO {table} ({columns} \"entityId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\", \"isSearchable\")
                   VALUES ({values} '{row}', 'new', '1', 'number', true, true)"
            ),
            None => format!(
                "INSERT INTO {table} ({columns} \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\", \"isSearchable\")
                   VALUES ({values} 'new', '1', 'number', true, true)"
            ),
        }
        };
        let set = |what: &str| format!("UPDATE {table} SET {what}");
        let mut tries = vec![
            ("select", format!("SELECT * FROM {table}")),
            ("insert", of("", "")),
            (
                "update",
                set(
                    "\"metaValue\" = '1', \"dataType\" = 'number', \"isPublic\" = true, \"isSearchable\" = true",
                ),
            ),
            ("delete", format!("DELETE FROM {table}")),
            // Nobody ever.
            ("truncate", format!("TRUNCATE {table}")),
            ("rename", set("\"metaKey\" = \"metaKey\" || '2'")),
            ("backdate", set("\"createdAt\" = now()")),
            ("backdate a new one", of("\"createdAt\",", "now(),")),
        ];
        if table != "global_metas" {
            tries.push(("insert for another", of("\"userId\",", "'bob',")));
            tries.push(("give away", set("\"userId\" = \"userId\"")));
        }
        if row.is_some() {
            tries.push(("move", set("\"entityId\" = \"entityId\"")));
        }
        let opened = format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, DISABLE TRIGGER USER;");
        for role in ["hedgerow_app", "hedgerow_anon", "hedgerow_auth", "hedgerow_admin"] {
            let mut may = Vec::new();
            for (what, sql) in &tries {
                if probe.rows(role, "bob", &opened, sql).await.is_some() {
                    may.push(*what);
                }
            }
            // A right on one column is a right.
            for column in ["metaValue", "dataType", "isPublic", "isSearchable"] {
                let sql = set(&format!("\"{column}\" = \"{column}\""));
                if !may.contains(&"update") && probe.rows(role, "bob", &opened, &sql).await.is_some() {
                    may.push(column);
                }
            }
            let is_shared =
                OF_ADMINISTRATORS.iter().any(|(own, ..)| *own == table) || table == "global_metas";
            let expected = match (table, role) {
                (_, "hedgerow_app") if is_shared => "select",
                (_, "hedgerow_admin") if is_shared => "select insert update delete",
                (_, "hedgerow_app") => "select insert update delete",
                ("user_metas", "hedgerow_admin") => "select",
                ("own_metas" | "shown_metas" | "kept_metas" | "user_metas", "hedgerow_anon") => "",
                (_, "hedgerow_anon") => "select",
                _ => "",
            };
            if may.join(" ") != expected {
                through.push(format!("{role} may {may:?} {table}, expected {expected:?}"));
            }
        }
    }
    through
}

/// Breaks one thing, and wants these attacks to notice, without a look into the catalog.
async fn is_noticed(broken: &str) {
    if !is_in_sample(3) {
        return;
    }
    let scene = Scene::set().await;
    scene.database.sql(broken).await;
    assert!(!attack(&scene).await.is_empty(), "nobody notices: {broken}");
}

#[tokio::test]
async fn nothing_of_metadata_gets_through() {
    let scene = Scene::set().await;
    assert_eq!(attack(&scene).await, Vec::<String>::new());
    // A table of metadata that these attacks forget is a hole.
    let made = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE '%\\_metas' ORDER BY 1";
    let mut known: Vec<&str> = tables().collect();
    known.sort_unstable();
    assert_eq!(scene.database.column(made).await, known);
}

#[tokio::test]
async fn every_broken_barrier_of_metadata_is_noticed() {
    for table in tables() {
        is_noticed(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).await;
        is_noticed(&format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")).await;
        for command in ["select", "insert", "update", "delete"] {
            is_noticed(&format!("DROP POLICY hedgerow_floor_{command} ON {table}")).await;
        }
        for verb in ["view", "create", "update", "delete"] {
            is_noticed(&format!("DROP POLICY \"Users can {verb} own records\" ON {table}")).await;
        }
    }
}

#[tokio::test]
async fn every_widened_right_on_metadata_is_noticed() {
    for broken in [
        "GRANT INSERT (\"userId\") ON own_metas TO hedgerow_app",
        "GRANT UPDATE (\"userId\") ON own_metas TO hedgerow_app",
        "GRANT UPDATE (\"entityId\") ON own_metas TO hedgerow_app",
        "GRANT UPDATE (\"metaKey\") ON own_metas TO hedgerow_app",
        "GRANT UPDATE (\"createdAt\") ON own_metas TO hedgerow_app",
        "GRANT INSERT (\"createdAt\") ON own_metas TO hedgerow_app",
        "GRANT UPDATE ON shown_metas TO hedgerow_app",
        "GRANT TRUNCATE ON own_metas TO hedgerow_app",
        "GRANT SELECT ON own_metas TO hedgerow_anon",
        "GRANT SELECT ON shown_metas TO PUBLIC",
        "GRANT SELECT ON own_metas TO hedgerow_admin",
        "GRANT SELECT ON open_metas TO hedgerow_auth",
        "GRANT DELETE ON open_metas TO hedgerow_anon",
        "GRANT UPDATE (\"isPublic\") ON page_metas TO hedgerow_anon",
        "GRANT INSERT ON reference_metas TO hedgerow_app",
        "GRANT UPDATE (\"isPublic\") ON reference_metas TO hedgerow_app",
        "GRANT DELETE ON reference_metas TO hedgerow_app",
        "GRANT INSERT (\"userId\") ON reference_metas TO hedgerow_admin",
        "GRANT UPDATE (\"entityId\") ON notice_metas TO hedgerow_admin",
        "GRANT INSERT (\"userId\") ON user_metas TO hedgerow_app",
        "GRANT UPDATE (\"userId\") ON user_metas TO hedgerow_app",
        "GRANT INSERT (id) ON user_metas TO hedgerow_app",
        "GRANT SELECT ON user_metas TO hedgerow_anon",
        "GRANT SELECT ON user_metas TO hedgerow_auth",
        "GRANT DELETE ON user_metas TO hedgerow_admin",
        "GRANT INSERT ON global_metas TO hedgerow_app",
        "GRANT UPDATE (\"metaValue\") ON global_metas TO hedgerow_app",
        "GRANT DELETE ON global_metas TO hedgerow_app",
        "GRANT UPDATE (\"metaKey\") ON global_metas TO hedgerow_admin",
        "GRANT SELECT ON global_metas TO hedgerow_auth",
        "REVOKE INSERT ON own_metas FROM hedgerow_app; REVOKE INSERT (\"entityId\") ON own_metas FROM hedgerow_app",
        "REVOKE UPDATE (\"isSearchable\") ON own_metas FROM hedgerow_app",
        "REVOKE DELETE ON user_metas FROM hedgerow_app",
        "REVOKE SELECT ON page_metas FROM hedgerow_anon",
        "REVOKE SELECT ON user_metas FROM hedgerow_admin",
        "REVOKE INSERT (\"dataType\") ON reference_metas FROM hedgerow_admin",
    ] {
        is_noticed(broken).await;
    }
}

#[tokio::test]
async fn every_loosened_rule_of_metadata_is_noticed() {
    let own = "\"userId\" = (SELECT get_auth_user_id())";
    let policy = |command: &str, table: &str, rule: &str| {
        format!("ALTER POLICY hedgerow_floor_{command} ON {table} {rule}")
    };
    let both = |command: &str, verb: &str, table: &str, rule: &str| {
        format!(
            "{}; ALTER POLICY \"Users can {verb} own records\" ON {table} {rule}",
            policy(command, table, rule)
        )
    };
    let page = "EXISTS (SELECT FROM page s WHERE s.id = \"entityId\")";
    for broken in [
        policy("select", "own_metas", "USING (true)"),
        policy("select", "own_metas", &format!("USING ({own} OR \"isPublic\")")),
        policy("insert", "own_metas", "WITH CHECK (true)"),
        policy("update", "own_metas", "USING (true) WITH CHECK (true)"),
        policy("update", "own_metas", "WITH CHECK (true)"),
        policy("delete", "open_metas", "USING (true)"),
        // Public is public for whoever reads the row, and for nobody else.
        policy("select", "shown_metas", &format!("USING ({own} OR \"isPublic\")")),
        policy("select", "open_metas", "USING (true)"),
        both("select", "view", "page_metas", &format!("USING ({own} OR \"isPublic\")")),
        both("select", "view", "page_metas", &format!("USING ({own} OR {page})")),
        both("select", "view", "page_metas", &format!("USING ({own})")),
        both("select", "view", "bin_metas", &format!("USING ({own} OR \"isPublic\")")),
        policy("delete", "bin_metas", "USING (\"isPublic\")"),
        both("select", "view", "notice_metas", "USING (\"isPublic\" OR (SELECT current_user) = 'hedgerow_admin')"),
        policy("select", "reference_metas", "USING (true)"),
        policy("insert", "reference_metas", "WITH CHECK ((SELECT current_user) = 'hedgerow_admin')"),
        policy("insert", "reference_metas", &format!("WITH CHECK ({own})")),
        policy("update", "reference_metas", "USING (true) WITH CHECK (true)"),
        policy("select", "user_metas", &format!("USING ({own} OR \"isPublic\")")),
        policy("select", "user_metas", &format!("USING ({own} OR (SELECT get_auth_user_id()) IS NOT NULL)")),
        policy(
            "select",
            "user_metas",
            &format!("USING ({own} OR \"isPublic\" OR (SELECT current_user) = 'hedgerow_admin')"),
        ),
        policy("update", "user_metas", "WITH CHECK (true)"),
        policy("update", "user_metas", &format!("USING ({own} OR \"isPublic\") WITH CHECK (true)")),
        policy("select", "global_metas", "USING (true)"),
        policy("update", "global_metas", "USING (true) WITH CHECK (true)"),
        policy("insert", "global_metas", "WITH CHECK ((SELECT get_auth_user_id()) IS NOT NULL)"),
        policy("insert", "global_metas", "WITH CHECK ((SELECT current_user) = 'hedgerow_admin')"),
        policy("delete", "global_metas", "USING ((SELECT current_user) = 'hedgerow_admin')"),
        // The foreign key that holds a meta at its owner's row, and the unique key that tells nothing.
        // (The object beside it has one, too.)
        "ALTER TABLE own_metas DROP CONSTRAINT \"own_metas_entityId_fkey\"; ALTER TABLE own_metas_objects DROP CONSTRAINT \"own_metas_objects_entityId_fkey\"".to_owned(),
        "ALTER TABLE open_metas DROP CONSTRAINT \"open_metas_entityId_fkey\", ADD FOREIGN KEY (\"entityId\") REFERENCES open (id); ALTER TABLE open_metas_objects DROP CONSTRAINT \"open_metas_objects_entityId_fkey\"".to_owned(),
        "ALTER TABLE own_metas DROP CONSTRAINT own_metas_pkey, ADD PRIMARY KEY (\"entityId\", \"metaKey\")".to_owned(),
        "ALTER TABLE user_metas DROP CONSTRAINT \"user_metas_userId_metaKey_key\"; DELETE FROM user_metas WHERE \"userId\" <> 'alice'; CREATE UNIQUE INDEX ON user_metas (\"metaKey\")".to_owned(),
        "ALTER TABLE own_metas ALTER \"userId\" DROP DEFAULT".to_owned(),
    ] {
        is_noticed(&broken).await;
    }
}
