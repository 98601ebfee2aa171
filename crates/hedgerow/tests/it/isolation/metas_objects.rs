//! Isolation of the objects that are kept of a row's metadata: who reads which, what nobody writes by hand, that what a
//! trigger writes stays within its owner, and each barrier broken, which these attacks alone have to notice.

use hedgerow::database::Identity;

use super::{Probe, Scene, admin, is_in_sample, user};

/// A table of objects, and what bob, nobody and a user without rows read of it.
struct Objects {
    table: &'static str,
    own: &'static str,
    foreign: &'static str,
    bob: &'static str,
    nobody: &'static str,
    stranger: &'static str,
}

/// `p` is the object of what is public, `a` the one of all.
const OBJECTS: &[Objects] = &[
    Objects {
        table: "own_metas_objects",
        own: "own-bob",
        foreign: "own-alice",
        // The other is from a time in which others read these rows.
        bob: "own-bob.a own-bob.p",
        nobody: "-",
        stranger: "",
    },
    Objects {
        table: "shown_metas_objects",
        own: "shown-bob",
        foreign: "shown-alice",
        bob: "shown-alice.p shown-bob.a shown-bob.p",
        nobody: "-",
        stranger: "shown-alice.p shown-bob.p",
    },
    Objects {
        table: "open_metas_objects",
        own: "open-bob",
        foreign: "open-alice",
        bob: "open-alice.p open-bob.a open-bob.p",
        nobody: "open-alice.p open-bob.p",
        stranger: "open-alice.p open-bob.p",
    },
    Objects {
        table: "page_metas_objects",
        own: "page-bob",
        foreign: "page-alice",
        bob: "page-alice-out.p page-bob-out.a page-bob-out.p page-bob.a page-bob.p",
        nobody: "page-alice-out.p",
        stranger: "page-alice-out.p",
    },
    Objects {
        table: "bin_metas_objects",
        own: "bin-bob-live",
        foreign: "bin-alice",
        bob: "bin-alice-live.p bin-bob-live.a bin-bob-live.p bin-bob.a bin-bob.p",
        nobody: "bin-alice-live.p bin-bob-live.p",
        stranger: "bin-alice-live.p bin-bob-live.p",
    },
    // The entity file names a key that is not public: what is public is no object for others.
    Objects {
        table: "kept_metas_objects",
        own: "kept-bob",
        foreign: "kept-alice",
        bob: "kept-bob.a kept-bob.p",
        nobody: "-",
        stranger: "",
    },
];

/// What got through.
async fn attack(scene: &Scene) -> Vec<String> {
    let mut through = reading(scene).await;
    through.extend(writing(scene).await);
    through.extend(keeping(scene).await);
    let probe = Probe::on(scene).await;
    through.extend(floors(scene, &probe).await);
    through.extend(rights(&probe).await);
    probe.close().await;
    through
}

async fn reading(scene: &Scene) -> Vec<String> {
    let mut through = Vec::new();
    for objects in OBJECTS {
        let of_whom = format!(
            "SELECT \"entityId\" || CASE WHEN \"isPublic\" THEN '.p' ELSE '.a' END FROM {} ORDER BY 1",
            objects.table
        );
        let of_whom: &'static str = of_whom.leak();
        for (who, identity, expected) in [
            ("bob", user("bob"), objects.bob),
            // An entity without others has no right for nobody.
            ("anonymous", Identity::Anonymous, objects.nobody),
            ("unknown user", user("nobody"), objects.stranger),
            ("auth", Identity::Auth, "-"),
            ("admin", admin(), "-"),
            ("system", Identity::System { reason: "a test" }, "-"),
        ] {
            let seen = scene.seen(&identity, of_whom).await;
            if seen != expected {
                through.push(format!("{who}: {of_whom}: {seen:?}, expected {expected:?}"));
            }
        }
        // What is private is in no object that others read.
        let others = format!(
            "SELECT object::text FROM {} WHERE \"userId\" <> 'bob' AND object::text LIKE '%private%'",
            objects.table
        );
        let seen = scene.seen(&user("bob"), others.leak()).await;
        if !seen.is_empty() {
            through.push(format!("bob reads of others in {}: {seen}", objects.table));
        }
    }
    through
}

/// Statements about objects themselves, and what each must come to.
async fn writing(scene: &Scene) -> Vec<String> {
    let mut through = Vec::new();
    for Objects { table, own, foreign, .. } in OBJECTS {
        let into = |row: &str| {
            format!(
                "INSERT INTO {table} (\"entityId\", \"isPublic\", object) VALUES ('{row}', false, '{{}}')"
            )
        };
        let change = format!("UPDATE {table} SET object = '{{}}'");
        for (sql, expected) in [
            (into(own), "exists"),
            (into(foreign), "no such row"),
            (into("nothing"), "no such row"),
            (
                format!(
                    "INSERT INTO {table} (\"userId\", \"entityId\", \"isPublic\", object) VALUES ('alice', '{foreign}', false, '{{}}')"
                ),
                "refused",
            ),
            (format!("{change} WHERE \"userId\" = 'alice'"), "0 rows"),
            (format!("UPDATE {table} SET \"userId\" = 'alice'"), "refused"),
            (format!("UPDATE {table} SET \"entityId\" = '{foreign}'"), "refused"),
            (format!("UPDATE {table} SET \"isPublic\" = true"), "refused"),
            (format!("DELETE FROM {table}"), "refused"),
            (format!("TRUNCATE {table}"), "refused"),
        ] {
            through.extend(scene.comes_to("bob", &user("bob"), &sql, expected).await);
        }
        for (who, identity, inserted, changed) in [
            ("anonymous", Identity::Anonymous, "refused", "refused"),
            ("unknown user", user("nobody"), "no such row", "0 rows"),
            ("auth", Identity::Auth, "refused", "refused"),
            ("admin", admin(), "refused", "refused"),
            ("system", Identity::System { reason: "a test" }, "refused", "refused"),
        ] {
            through.extend(scene.comes_to(who, &identity, &into(foreign), inserted).await);
            through.extend(scene.comes_to(who, &identity, &change, changed).await);
        }
    }
    through
}

/// What writing a meta leaves in the objects of each: one's own are as the metas are, the others as they were.
async fn keeping(scene: &Scene) -> Vec<String> {
    let mut through = Vec::new();
    for Objects { table, own, .. } in OBJECTS {
        let metas = table.trim_end_matches("_objects");
        let Ok(mut transaction) = scene.connections.transaction(&user("bob")).await else {
            through.push("no transaction".to_owned());
            continue;
        };
        let whole = format!(
            "SELECT coalesce(string_agg(object::text, ' ' ORDER BY \"isPublic\"), '') FROM {table} WHERE \"entityId\" = '{own}'"
        );
        let whole: &'static str = whole.leak();
        let written = format!(
            "INSERT INTO {metas} (\"entityId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\")
               VALUES ('{own}', 'more', '1', 'number', true)"
        );
        let hidden = format!("UPDATE {metas} SET \"isPublic\" = false WHERE \"metaKey\" = 'public'");
        let gone = format!("DELETE FROM {metas} WHERE \"metaKey\" = 'more'");
        // What everybody reads after each, where others read the rows.
        let shown = match *table {
            "own_metas_objects" => ["{}"; 3],
            "kept_metas_objects" => [
                r#"{"more":1,"private":"x","public":"x"}"#,
                r#"{"more":1,"private":"x"}"#,
                r#"{"private":"x"}"#,
            ],
            _ => [r#"{"more":1,"public":"x"}"#, r#"{"more":1}"#, "{}"],
        };
        let all = [
            r#"{"more":1,"private":"x","public":"x"}"#,
            r#"{"more":1,"private":"x","public":"x"}"#,
            r#"{"private":"x","public":"x"}"#,
        ];
        for (sql, expected) in [written, hidden, gone].into_iter().zip(all.into_iter().zip(shown)) {
            let expected = format!("{} {}", expected.0, expected.1);
            let seen = async {
                transaction.execute(sql.clone().leak(), &[]).await?;
                transaction.query(whole, &[]).await?[0].get::<String>(0)
            };
            match seen.await {
                Ok(seen) if seen == expected => {}
                other => through.push(format!("{table} after {sql}: {other:?}, expected {expected:?}")),
            }
        }
        let _ = transaction.rollback().await;
    }
    through
}

/// The floors alone: others' policies and rights open everything above them.
async fn floors(scene: &Scene, probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    for objects in OBJECTS {
        let Objects { table, foreign, .. } = objects;
        let count = |seen: &str| seen.split(' ').filter(|one| one.len() > 1).count() as u64;
        let own = objects.bob.split(' ').filter(|one| one.contains("-bob")).count() as u64;
        let opened = format!(
            "CREATE POLICY hole ON {table} USING (true) WITH CHECK (true);
             GRANT ALL ON {table} TO hedgerow_app, hedgerow_anon, hedgerow_auth, hedgerow_admin;"
        );
        // What everybody reads, the role of users without a user reads, too; what the signed in read, it does not.
        let nobody = if *table == "shown_metas_objects" { 0 } else { count(objects.nobody) };
        let change = format!("UPDATE {table} SET object = '{{}}'");
        let delete = format!("DELETE FROM {table}");
        for (user, sql, expected) in [
            ("bob", format!("SELECT FROM {table}"), Some(count(objects.bob))),
            ("", format!("SELECT FROM {table}"), Some(nobody)),
            ("bob", change.clone(), Some(own)),
            ("", change, Some(0)),
            ("bob", delete.clone(), Some(own)),
            ("", delete, Some(0)),
            (
                "bob",
                format!("UPDATE {table} SET \"userId\" = 'alice', \"entityId\" = gen_random_uuid()::text"),
                None,
            ),
        ] {
            let rows = probe.rows("hedgerow_app", user, &opened, &sql).await;
            if rows != expected {
                through
                    .push(format!("floor of {table}: {user:?}: {sql}: {rows:?} rows, expected {expected:?}"));
            }
        }
        let sql = format!("INSERT INTO {table} VALUES ('alice', '{foreign}', false, '{{}}')");
        if probe.rows("hedgerow_app", "bob", &format!("DELETE FROM {table}; {opened}"), &sql).await.is_some()
        {
            through.push(format!("floor of {table}: bob: {sql}"));
        }
        // ENABLE and FORCE.
        let as_owner = format!("SET LOCAL ROLE hedgerow_owner; SELECT count(*) FROM {table}");
        let seen = scene.database.try_column(&as_owner).await;
        if seen != Ok(vec![nobody.to_string()]) {
            through.push(format!("the owner sees {seen:?} rows of {table}"));
        }
    }
    through
}

/// The rights alone, row-level security being off.
async fn rights(probe: &Probe) -> Vec<String> {
    let mut through = Vec::new();
    for Objects { table, own, nobody, .. } in OBJECTS {
        let opened = format!("DELETE FROM {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;");
        for role in ["hedgerow_app", "hedgerow_anon", "hedgerow_auth", "hedgerow_admin"] {
            let mut may = Vec::new();
            for (what, sql) in [
                ("select", format!("SELECT * FROM {table}")),
                (
                    "insert",
                    format!(
                        "INSERT INTO {table} (\"entityId\", \"isPublic\", object) VALUES ('{own}', true, '{{}}')"
                    ),
                ),
                ("insert for another", format!("INSERT INTO {table} VALUES ('bob', '{own}', true, '{{}}')")),
                ("update", format!("UPDATE {table} SET object = '{{}}'")),
                ("give away", format!("UPDATE {table} SET \"userId\" = \"userId\"")),
                ("move", format!("UPDATE {table} SET \"entityId\" = \"entityId\"")),
                ("publish", format!("UPDATE {table} SET \"isPublic\" = \"isPublic\"")),
                ("delete", format!("DELETE FROM {table}")),
                ("truncate", format!("TRUNCATE {table}")),
            ] {
                if probe.rows(role, "bob", &opened, &sql).await.is_some() {
                    may.push(what);
                }
            }
            let expected = match role {
                "hedgerow_app" => "select insert update",
                // Where nobody reads what is shown, a file has taken a key back, and the right is there all the same.
                "hedgerow_anon" if *nobody != "-" => "select",
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
async fn nothing_of_objects_gets_through() {
    let scene = Scene::set().await;
    assert_eq!(attack(&scene).await, Vec::<String>::new());
    // A table of objects that these attacks forget is a hole.
    let made = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname LIKE '%\\_objects' ORDER BY 1";
    let mut known: Vec<&str> = OBJECTS.iter().map(|objects| objects.table).collect();
    known.sort_unstable();
    assert_eq!(scene.database.column(made).await, known);
}

#[tokio::test]
async fn every_broken_barrier_of_objects_is_noticed() {
    // One of those that nobody else reads, of those that everybody does, and of those that ask for the row.
    for table in ["own_metas_objects", "open_metas_objects", "page_metas_objects"] {
        is_noticed(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).await;
        is_noticed(&format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")).await;
        for command in ["select", "insert", "update", "delete"] {
            is_noticed(&format!("DROP POLICY hedgerow_floor_{command} ON {table}")).await;
        }
        for verb in ["view", "create", "update"] {
            is_noticed(&format!("DROP POLICY \"Users can {verb} own records\" ON {table}")).await;
        }
    }
}

#[tokio::test]
async fn every_loosened_rule_of_objects_is_noticed() {
    let own = "\"userId\" = (SELECT get_auth_user_id())";
    let both = |table: &str, rule: &str| {
        format!(
            "ALTER POLICY hedgerow_floor_select ON {table} USING ({rule});
             ALTER POLICY \"Users can view own records\" ON {table} USING ({rule})"
        )
    };
    let page = "EXISTS (SELECT FROM page s WHERE s.id = \"entityId\")";
    for broken in [
        both("own_metas_objects", &format!("{own} OR \"isPublic\"")),
        both("shown_metas_objects", &format!("{own} OR \"isPublic\"")),
        both("shown_metas_objects", &format!("{own} OR (SELECT get_auth_user_id()) IS NOT NULL")),
        both("open_metas_objects", "true"),
        both("page_metas_objects", &format!("{own} OR \"isPublic\"")),
        both("page_metas_objects", &format!("{own} OR {page}")),
        both("bin_metas_objects", &format!("{own} OR \"isPublic\"")),
        both("kept_metas_objects", &format!("{own} OR \"isPublic\" AND (SELECT get_auth_user_id()) IS NOT NULL")),
        "GRANT INSERT (\"userId\") ON own_metas_objects TO hedgerow_app".to_owned(),
        "GRANT UPDATE (\"userId\") ON own_metas_objects TO hedgerow_app".to_owned(),
        "GRANT UPDATE (\"isPublic\") ON open_metas_objects TO hedgerow_app".to_owned(),
        "GRANT UPDATE (\"entityId\") ON own_metas_objects TO hedgerow_app".to_owned(),
        "GRANT DELETE ON own_metas_objects TO hedgerow_app".to_owned(),
        "GRANT SELECT ON own_metas_objects TO hedgerow_anon".to_owned(),
        "GRANT SELECT ON open_metas_objects TO hedgerow_auth".to_owned(),
        "GRANT SELECT ON shown_metas_objects TO hedgerow_admin".to_owned(),
        "ALTER TABLE own_metas_objects ALTER \"userId\" DROP DEFAULT".to_owned(),
        "ALTER TABLE own_metas_objects DROP CONSTRAINT \"own_metas_objects_entityId_fkey\"".to_owned(),
        "ALTER TABLE own_metas_objects DROP CONSTRAINT \"own_metas_objects_entityId_fkey\", ADD FOREIGN KEY (\"entityId\") REFERENCES own (id)".to_owned(),
        "ALTER TABLE own_metas DISABLE TRIGGER keep_own_metas_objects_insert".to_owned(),
        "ALTER TABLE open_metas DISABLE TRIGGER keep_open_metas_objects_update".to_owned(),
        "ALTER TABLE page_metas DISABLE TRIGGER keep_page_metas_objects_delete".to_owned(),
    ] {
        is_noticed(&broken).await;
    }
}
