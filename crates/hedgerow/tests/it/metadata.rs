//! The library's metadata: values that come back as they went in, writes that happen as a whole, levels made one.

use hedgerow::metadata::{DataType, Meta, MetaService, MetasOf, Only};
use hedgerow::records::{self, Expected, Writes};
use hedgerow::schema::meta::{Level, MergeDepth, MetaInput, MetaValue};
use hedgerow::schema::write::{BodyRules, WriteKind, read_body};
use hedgerow::{Caller, Ctx, Error, SignedIn, UserId};
use hedgerow_testing::TestApp;
use tokio::task::JoinSet;

const ENTITIES: &[(&str, &str)] = &[
    (
        "tasks",
        "metadata = true\nfields.title = { type = \"text\", required = true }\n\
         metas.weight = { type = \"integer\", min = 0, default = 3, searchable = true }\n\
         metas.beta = { type = \"boolean\", default = false, rollout = 100 }\n\
         metas.layout = { type = \"json\", level = \"user\", default = { columns = 2, dense = false } }",
    ),
    (
        "posts",
        "metadata = true\naccess = { read = \"signed_in\" }\nfields.title = { type = \"text\" }\nmetas.mood = { type = \"text\" }",
    ),
    (
        "signs",
        "metadata = true\naccess = { read = \"public\", write = \"admin\" }\nfields.title = { type = \"text\" }",
    ),
    ("plain", "fields.title = { type = \"text\" }"),
];

/// Rows and users have three keys at most.
async fn three_keys() -> TestApp {
    TestApp::with_options(ENTITIES, Default::default(), |options| options.limits.metas.keys = 3).await
}

fn ctx(test: &TestApp, user: &UserId) -> Ctx {
    Ctx::for_user(test.app.world(), user.clone())
}

fn admin(test: &TestApp, user: &UserId) -> Ctx {
    let signed_in = SignedIn { id: user.clone(), is_admin: true, scopes: None, key: None };
    Ctx::new(test.app.world(), Caller::User(signed_in), "test")
}

fn input<'j>(key: &'j str, json: &'j str) -> MetaInput<'j> {
    MetaInput { key, json, ..MetaInput::default() }
}

/// A new row; its body as a request sends it.
async fn create(test: &TestApp, ctx: &Ctx, entity: &str, body: &str) -> Result<String, Error> {
    let schema = test.app.schema();
    let entity = schema.entity(entity).expect("the entity");
    let body = read_body(entity, &WriteKind::Create.into(), body.as_bytes()).map_err(Error::Input)?;
    let mut writes = Writes::alone(ctx, &test.app);
    let rows = records::create(&mut writes, entity, &body, &[]).await?;
    Ok(rows.aside[0][0].clone().expect("an id"))
}

/// The keys with their values.
fn shown(metas: &[Meta]) -> Vec<String> {
    metas.iter().map(|meta| format!("{}={}", meta.key, meta.value.json())).collect()
}

#[tokio::test]
async fn what_another_program_wrote_is_read_as_it_is() {
    let test = TestApp::with(ENTITIES).await;
    let user = test.user("ann").await.user;
    let ann = ctx(&test, &user.id);
    let metas = MetaService::new(&ann, &test.app);
    // A table that was adopted has no such rule.
    let rows = format!(
        "ALTER TABLE user_metas DROP CONSTRAINT \"user_metas_metaValue_check\", ALTER \"isPublic\" DROP NOT NULL;
         INSERT INTO user_metas (\"userId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\") VALUES
           ('{0}', 'flag', 'yes', 'boolean', NULL), ('{0}', 'list', '[1, 2]', 'array', false), ('{0}', 'on', 'true', 'boolean', true),
           ('{0}', 'size', 'XL', 'number', NULL), ('{0}', 'spy', '007', 'number', false), ('{0}', 'ten', '1.0', 'number', false)",
        user.id
    );
    test.database.sql(&rows).await;
    let found = metas.list_metas(MetasOf::User, None).await.expect("metas");
    let expected = ["flag=\"yes\"", "list=\"[1, 2]\"", "on=true", "size=\"XL\"", "spy=\"007\"", "ten=1.0"];
    assert_eq!(shown(&found), expected);
    assert!(!found[0].is_public);
    let id = create(&test, &ann, "tasks", "{\"title\": \"x\"}").await.expect("a row");
    let tasks = test.app.schema();
    let merged = metas.get_merged_meta(tasks.entity("tasks").expect("it"), &id, MergeDepth::Shallow).await;
    let merged = merged.expect("merged");
    let merged: Vec<String> = (merged.iter().filter(|(_, found)| found.level == Level::User))
        .map(|(key, found)| format!("{key}={}", found.value.json()))
        .collect();
    assert_eq!(merged, expected);
    // Whatever it was, it can be changed, and is right then.
    metas.set_meta(MetasOf::User, &input("size", "42")).await.expect("set");
    assert_eq!(metas.get_user_meta("size").await.expect("there").value.json(), "42");
}

#[tokio::test]
async fn values_come_back_as_they_went_in_and_flags_stay() {
    let test = TestApp::with(ENTITIES).await;
    let ann = ctx(&test, &test.user("ann").await.user.id);
    let metas = MetaService::new(&ann, &test.app);
    for (key, json) in [
        ("no", "false"),
        ("zero", "0"),
        ("empty", "\"\""),
        ("price", "1.10"),
        ("huge", "123456789012345678901234567890.5"),
        ("document", "{\"a\":null,\"b\":[1.50,{}]}"),
        ("ключ / \"x\"", "\"ü\\n\""),
    ] {
        let set = metas.set_meta(MetasOf::User, &input(key, json)).await.expect("set");
        assert_eq!((set.value.json().as_str(), set.is_public, set.is_searchable), (json, false, false));
        assert_eq!(metas.get_user_meta(key).await.expect("there"), set);
    }
    // Seven, and none of them twice.
    assert_eq!(metas.count_metas(MetasOf::User).await.expect("a count"), 7);

    let flagged = MetaInput { is_public: Some(true), is_searchable: Some(true), ..input("color", "\"red\"") };
    metas.set_meta(MetasOf::User, &flagged).await.expect("set");
    let value_only = metas.set_meta(MetasOf::User, &input("color", "\"blue\"")).await.expect("set");
    assert_eq!(
        (value_only.value.json().as_str(), value_only.is_public, value_only.is_searchable),
        ("\"blue\"", true, true)
    );
    let one_flag = MetaInput { is_public: Some(false), ..input("color", "\"blue\"") };
    let one_flag = metas.set_meta(MetasOf::User, &one_flag).await.expect("set");
    assert_eq!((one_flag.is_public, one_flag.is_searchable), (false, true));
    test.close().await;
}

#[tokio::test]
async fn a_value_keeps_its_type_where_it_fits_it() {
    let test = TestApp::with(ENTITIES).await;
    let ann = ctx(&test, &test.user("ann").await.user.id);
    let metas = MetaService::new(&ann, &test.app);
    let typed = async |data_type, json: &str, then: &str| {
        let first = MetaInput { data_type, ..input("k", json) };
        metas.set_meta(MetasOf::User, &first).await.expect("set");
        let second = metas.set_meta(MetasOf::User, &input("k", then)).await.expect("set");
        (second.value.data_type().name(), second.value.json())
    };
    assert_eq!(typed(Some(DataType::String), "\"a\"", "\"b\"").await, ("string", "\"b\"".to_owned()));
    assert_eq!(
        typed(Some(DataType::Date), "\"2026-01-01\"", "\"2026-01-02\"").await,
        ("date", "\"2026-01-02\"".to_owned())
    );
    assert_eq!(
        typed(Some(DataType::Date), "\"2026-01-01\"", "\"soon\"").await,
        ("text", "\"soon\"".to_owned())
    );
    assert_eq!(
        typed(Some(DataType::Datetime), "\"2026-01-01T00:00:00Z\"", "\"2026-01-02T01:00:00+01:00\"").await,
        ("datetime", "\"2026-01-02T00:00:00.000Z\"".to_owned())
    );
    assert_eq!(typed(Some(DataType::Json), "{}", "5").await, ("json", "5".to_owned()));
    assert_eq!(typed(None, "5", "\"x\"").await, ("text", "\"x\"".to_owned()));
    assert_eq!(typed(None, "\"x\"", "[1]").await, ("json", "[1]".to_owned()));
    // What the database computes for comparing is there exactly for numbers.
    metas.set_meta(MetasOf::User, &input("n", "-2.5e-3")).await.expect("set");
    let numbers = test
        .database
        .column(
            "SELECT \"metaKey\" || ' ' || \"metaNumber\" FROM user_metas WHERE \"metaNumber\" IS NOT NULL",
        )
        .await;
    assert_eq!(numbers, ["n -0.0025"]);
    test.close().await;
}

#[tokio::test]
async fn several_keys_are_written_as_a_whole() {
    let test = three_keys().await;
    let ann = ctx(&test, &test.user("ann").await.user.id);
    let metas = MetaService::new(&ann, &test.app);
    metas.set_metas(MetasOf::User, &[input("a", "1"), input("b", "2")]).await.expect("set");
    let wrong = metas.set_metas(MetasOf::User, &[input("a", "5"), input("", "6"), input("c", "null")]).await;
    let Err(Error::Input(errors)) = wrong else { panic!("{wrong:?}") };
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), ["invalid_meta_key", "null_value"]);
    let many = metas.set_metas(MetasOf::User, &[input("a", "5"), input("c", "6"), input("d", "7")]).await;
    assert_eq!(many.expect_err("four keys").code(), "too_many_metas");
    let all = metas.list_metas(MetasOf::User, None).await.expect("a list");
    assert_eq!(shown(&all), ["a=1", "b=2"]);
    let some = metas.list_metas(MetasOf::User, Some(&["b", "z"])).await.expect("a list");
    assert_eq!(shown(&some), ["b=2"]);
    // A key that is there is one more write and not one more key.
    metas
        .set_metas(MetasOf::User, &[input("a", "5"), input("b", "6"), input("c", "7")])
        .await
        .expect("three");

    let created = metas.create_meta(MetasOf::User, &input("a", "9")).await;
    assert_eq!(created.expect_err("it is there").code(), "already_exists");
    metas.delete_meta(MetasOf::User, "a", &Expected::Any).await.expect("deleted");
    assert_eq!(
        metas.delete_meta(MetasOf::User, "a", &Expected::Any).await.expect_err("gone").code(),
        "not_found"
    );
    metas.create_meta(MetasOf::User, &input("a", "9")).await.expect("new again");
    test.close().await;
}

#[tokio::test]
async fn a_row_and_its_metadata_are_one_write() {
    let test = three_keys().await;
    let (ann, bob) =
        (ctx(&test, &test.user("ann").await.user.id), ctx(&test, &test.user("bob").await.user.id));
    let schema = test.app.schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let id = create(
        &test,
        &ann,
        "tasks",
        r#"{"title": "a", "metas": {"color": "red", "weight": 7, "gone": null}}"#,
    )
    .await;
    let id = id.expect("created");
    let metas = MetaService::new(&ann, &test.app);
    let of = MetasOf::Row(tasks, &id);
    assert_eq!(shown(&metas.list_metas(of, None).await.expect("a list")), ["color=\"red\"", "weight=7"]);
    // Declared flags hold wherever the value comes from.
    assert!(metas.get_meta(of, "weight").await.expect("there").is_searchable);

    // One that does not fit leaves no row. The database itself refuses this one.
    test.database.sql("ALTER TABLE tasks_metas ADD CONSTRAINT bad CHECK (\"metaKey\" <> 'bad')").await;
    let refused = create(&test, &ann, "tasks", r#"{"title": "b", "metas": {"bad": 1}}"#).await;
    assert_eq!(refused.expect_err("refused").code(), "check_failed");
    let refused = create(&test, &ann, "tasks", r#"{"title": "b", "metas": {"weight": -1}}"#).await;
    let Err(Error::Input(errors)) = refused else { panic!("{refused:?}") };
    assert_eq!((errors[0].field.as_str(), errors[0].code), ("metas.weight", "too_small"));
    assert_eq!(test.database.column("SELECT title FROM tasks").await, ["a"]);

    // A change, too: nothing of it stays, and metadata alone is a change of the row.
    let change = async |who: &Ctx, json: &str| {
        let rules = BodyRules { metas: test.app.limits().metas, ..WriteKind::Update.into() };
        let body = read_body(tasks, &rules, json.as_bytes()).map_err(Error::Input)?;
        let mut writes = Writes::alone(who, &test.app);
        records::update_one(&mut writes, tasks, &id, &body.rows()[0], &[], Expected::Any).await.map(drop)
    };
    let many = change(&ann, r#"{"title": "c", "metas": {"x": 1, "y": 2}}"#).await;
    assert_eq!(many.expect_err("four keys").code(), "too_many_metas");
    assert_eq!(test.database.column("SELECT title FROM tasks").await, ["a"]);
    let before = test.database.column("SELECT \"updatedAt\"::text FROM tasks").await;
    change(&ann, r#"{"metas": {"color": null, "x": false}}"#).await.expect("changed");
    assert_ne!(test.database.column("SELECT \"updatedAt\"::text FROM tasks").await, before);
    assert_eq!(shown(&metas.list_metas(of, None).await.expect("a list")), ["weight=7", "x=false"]);
    assert_eq!(change(&bob, r#"{"metas": {"x": true}}"#).await.expect_err("not bob's").code(), "not_found");

    // Metas go with their row.
    let mut writes = Writes::alone(&ann, &test.app);
    records::delete_one(&mut writes, tasks, &id, &[], Expected::Any).await.expect("deleted");
    assert!(test.database.column("SELECT \"metaKey\" FROM tasks_metas").await.is_empty());
    test.close().await;
}

#[tokio::test]
async fn rows_of_others_have_the_metadata_that_is_public() {
    let test = TestApp::with(ENTITIES).await;
    let (ann, bob) =
        (ctx(&test, &test.user("ann").await.user.id), ctx(&test, &test.user("bob").await.user.id));
    let schema = test.app.schema();
    let posts = schema.entity("posts").expect("posts");
    let id = create(&test, &ann, "posts", r#"{"title": "a", "metas": {"secret": 1, "mood": "x"}}"#)
        .await
        .expect("created");
    let of = MetasOf::Row(posts, &id);
    let (anns, bobs) = (MetaService::new(&ann, &test.app), MetaService::new(&bob, &test.app));
    let open = MetaInput { is_public: Some(true), ..input("color", "\"red\"") };
    anns.set_meta(of, &open).await.expect("set");
    // What the entity file keeps from others is not theirs to read, whatever the row says.
    test.database.sql("UPDATE posts_metas SET \"isPublic\" = true WHERE \"metaKey\" = 'mood'").await;
    assert_eq!(shown(&bobs.list_metas(of, None).await.expect("a list")), ["color=\"red\""]);
    assert_eq!(bobs.get_meta(of, "secret").await.expect_err("not public").code(), "not_found");
    for error in [
        bobs.set_meta(of, &input("color", "\"blue\"")).await.expect_err("ann's row"),
        bobs.create_meta(of, &input("new", "1")).await.expect_err("ann's row"),
        bobs.delete_meta(of, "color", &Expected::Any).await.expect_err("ann's row"),
        bobs.delete_meta(of, "secret", &Expected::Any).await.expect_err("ann's row"),
    ] {
        assert_eq!(error.code(), "not_owner");
    }
    let merged = bobs.get_merged_meta(posts, &id, MergeDepth::Shallow).await.expect("merged");
    assert_eq!(merged.keys().collect::<Vec<_>>(), ["color"]);

    // Another's private rows have none at all, like rows that are not there.
    let tasks = schema.entity("tasks").expect("tasks");
    let private = create(&test, &ann, "tasks", r#"{"title": "a"}"#).await.expect("created");
    for id in [private.as_str(), "nothing", "a\0b"] {
        let of = MetasOf::Row(tasks, id);
        assert_eq!(bobs.list_metas(of, None).await.expect_err("no row").code(), "not_found");
        assert_eq!(bobs.set_meta(of, &input("k", "1")).await.expect_err("no row").code(), "not_found");
        assert_eq!(bobs.create_meta(of, &input("k", "1")).await.expect_err("no row").code(), "not_found");
        assert_eq!(bobs.delete_meta(of, "k", &Expected::Any).await.expect_err("no row").code(), "not_found");
        let merged = bobs.get_merged_meta(tasks, id, MergeDepth::Shallow).await;
        assert_eq!(merged.expect_err("no row").code(), "not_found");
    }
    let plain = schema.entity("plain").expect("plain");
    assert_eq!(
        anns.list_metas(MetasOf::Row(plain, "x"), None).await.expect_err("none").code(),
        "no_metadata"
    );

    // Users: what is public is seen by whoever is signed in.
    anns.set_meta(MetasOf::User, &open).await.expect("set");
    anns.set_meta(MetasOf::User, &input("theme", "\"dark\"")).await.expect("set");
    let Caller::User(who) = ann.caller() else { unreachable!() };
    let other = MetasOf::Other(who.id.as_str());
    assert_eq!(shown(&bobs.list_metas(other, None).await.expect("a list")), ["color=\"red\""]);
    assert_eq!(anns.list_metas(other, None).await.expect("a list").len(), 2);
    let nobody = Ctx::new(test.app.world(), Caller::Anonymous, "test");
    let error = MetaService::new(&nobody, &test.app).list_metas(other, None).await.expect_err("nobody");
    assert_eq!(error.code(), "not_signed_in");
    test.close().await;
}

#[tokio::test]
async fn levels_are_merged_and_say_where_a_value_is_from() {
    let test = TestApp::with(ENTITIES).await;
    let (root, ann) = (test.user_with("root", "admin", &["*"]).await.user.id, test.user("ann").await.user.id);
    let (root, ann) = (admin(&test, &root), ctx(&test, &ann));
    let schema = test.app.schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let id = create(&test, &ann, "tasks", r#"{"title": "a", "metas": {"color": "red", "size": 1}}"#)
        .await
        .expect("created");
    let (roots, anns) = (MetaService::new(&root, &test.app), MetaService::new(&ann, &test.app));
    let refused = anns.set_meta(MetasOf::Global, &input("color", "\"grey\"")).await;
    assert_eq!(refused.expect_err("admins only").code(), "admin_only");
    for (key, json) in [
        ("color", "\"grey\""),
        ("size", "0"),
        ("motto", "\"all\""),
        ("layout", r#"{"columns":3,"wide":true}"#),
    ] {
        roots.set_meta(MetasOf::Global, &input(key, json)).await.expect("set");
    }
    // False, 0 and empty texts are values, and win.
    anns.set_metas(
        MetasOf::User,
        &[input("color", "\"\""), input("layout", r#"{"dense":true}"#), input("weight", "100")],
    )
    .await
    .expect("set");
    let merged = async |depth| {
        let merged = anns.get_merged_meta(tasks, &id, depth).await.expect("merged");
        merged
            .iter()
            .map(|(key, own)| format!("{key}={} {:?}", own.value.json(), own.level))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        merged(MergeDepth::Shallow).await,
        [
            // Rolled out to everybody.
            "beta=true Default",
            "color=\"\" User",
            "layout={\"dense\":true} User",
            "motto=\"all\" Global",
            "size=1 Entity",
            // A user's own key of that name is another one: this is declared for rows.
            "weight=3 Default",
        ]
    );
    let deep = anns.get_merged_meta(tasks, &id, MergeDepth::Deep).await.expect("merged");
    assert_eq!(deep["layout"].value.json(), r#"{"dense":true,"columns":3,"wide":true}"#);
    assert_eq!(deep["layout"].from, [Level::User, Level::Global, Level::Default]);

    // What is declared for all alone cannot be set nearer.
    let own = anns.set_meta(MetasOf::Row(tasks, &id), &input("beta", "false")).await;
    let Err(Error::Input(errors)) = own else { panic!("{own:?}") };
    assert_eq!(errors[0].code, "wrong_level");
    roots.set_meta(MetasOf::Global, &input("beta", "false")).await.expect("set");
    assert_eq!(merged(MergeDepth::Shallow).await[0], "beta=false Global");
    let wrong = roots.set_meta(MetasOf::Global, &input("weight", "\"heavy\"")).await;
    assert_eq!(wrong.expect_err("an integer").code(), "invalid_integer");

    // Reference data: one administrator's metas are another's.
    let signs = schema.entity("signs").expect("signs");
    let sign =
        create(&test, &root, "signs", r#"{"title": "a", "metas": {"note": "x"}}"#).await.expect("created");
    let other = test.user_with("other", "admin", &["*"]).await.user.id;
    let other = admin(&test, &other);
    let others = MetaService::new(&other, &test.app);
    let of = MetasOf::Row(signs, &sign);
    assert_eq!(others.get_meta(of, "note").await.expect("there").value.json(), "\"x\"");
    let open = MetaInput { is_public: Some(true), ..input("note", "\"y\"") };
    others.set_meta(of, &open).await.expect("set");
    let nobody = Ctx::new(test.app.world(), Caller::Anonymous, "test");
    let merged =
        MetaService::new(&nobody, &test.app).get_merged_meta(signs, &sign, MergeDepth::Shallow).await;
    assert_eq!(merged.expect("a public row").keys().collect::<Vec<_>>(), ["note"]);
    test.close().await;
}

#[tokio::test]
async fn fifty_who_count_on_one_key_lose_nothing() {
    let test = TestApp::with(ENTITIES).await;
    let ann = ctx(&test, &test.user("ann").await.user.id);
    let schema = test.app.schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let id = create(&test, &ann, "tasks", r#"{"title": "a", "metas": {"count": 0}}"#).await.expect("created");
    let mut counting = JoinSet::new();
    for _ in 0..50 {
        let (app, ann, id) = (test.app.clone(), ann.clone(), id.clone());
        counting.spawn(async move {
            let schema = app.schema();
            let of = MetasOf::Row(schema.entity("tasks").expect("tasks"), &id);
            let metas = MetaService::new(&ann, &app);
            let mut tries = 0_u32;
            loop {
                tries += 1;
                let before = metas.get_meta(of, "count").await.expect("there").value;
                let after = (before.json().parse::<u32>().expect("a number") + 1).to_string();
                match metas.compare_and_set(of, &input("count", &after), Only::IfValue(&before)).await {
                    Ok(_) => return tries,
                    Err(Error::Changed) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    let tries: u32 = counting.join_all().await.into_iter().sum();
    assert!(tries > 50, "nobody met anybody");
    let count =
        MetaService::new(&ann, &test.app).get_meta(MetasOf::Row(tasks, &id), "count").await.expect("there");
    assert_eq!(count.value, MetaValue::read("50").expect("a value"));
    // Fifty who create one key: one of them does.
    let mut creating = JoinSet::new();
    for _ in 0..50 {
        let (app, ann, id) = (test.app.clone(), ann.clone(), id.clone());
        creating.spawn(async move {
            let schema = app.schema();
            let of = MetasOf::Row(schema.entity("tasks").expect("tasks"), &id);
            MetaService::new(&ann, &app).create_meta(of, &input("new", "1")).await.is_ok()
        });
    }
    assert_eq!(creating.join_all().await.into_iter().filter(|created| *created).count(), 1);
    test.close().await;
}

#[tokio::test]
async fn metadata_is_copied_with_its_flags() {
    let test = TestApp::with(ENTITIES).await;
    let ann = ctx(&test, &test.user("ann").await.user.id);
    let schema = test.app.schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let from = create(&test, &ann, "tasks", r#"{"title": "a", "metas": {"color": "red", "weight": 5}}"#)
        .await
        .expect("created");
    let to = create(&test, &ann, "tasks", r#"{"title": "b", "metas": {"color": "blue", "own": 1}}"#)
        .await
        .expect("created");
    let metas = MetaService::new(&ann, &test.app);
    let found = async |condition| metas.search_by_meta(tasks, "weight", condition, 10).await;
    assert_eq!(found("gte.5").await.expect("a search"), std::slice::from_ref(&from));
    assert!(found("lt.5").await.expect("a search").is_empty());
    assert_eq!(found("gte.many").await.expect_err("no number").code(), "invalid_integer");
    let (from, to) = (MetasOf::Row(tasks, &from), MetasOf::Row(tasks, &to));
    let open = MetaInput {
        is_public: Some(true),
        data_type: Some(DataType::Date),
        ..input("day", "\"2026-01-01\"")
    };
    metas.set_meta(from, &open).await.expect("set");
    assert_eq!(metas.copy_metas(from, to).await.expect("copied"), 3);
    let all = metas.list_metas(to, None).await.expect("a list");
    assert_eq!(shown(&all), ["color=\"red\"", "day=\"2026-01-01\"", "own=1", "weight=5"]);
    assert_eq!((all[1].is_public, all[1].value.data_type()), (true, DataType::Date));
    test.close().await;
}

#[tokio::test]
async fn what_is_searchable_is_short() {
    let test = TestApp::with(ENTITIES).await;
    let ann = ctx(&test, &test.user("ann").await.user.id);
    let metas = MetaService::new(&ann, &test.app);
    let long = format!("\"{}\"", "x".repeat(3000));
    let searchable = MetaInput { is_searchable: Some(true), ..input("k", &long) };
    assert_eq!(
        metas.set_meta(MetasOf::User, &searchable).await.expect_err("long").code(),
        "too_long_to_search"
    );
    metas
        .set_meta(MetasOf::User, &MetaInput { is_searchable: Some(true), ..input("k", "1") })
        .await
        .expect("short");
    // The flag that stays says it, too.
    assert_eq!(
        metas.set_meta(MetasOf::User, &input("k", &long)).await.expect_err("long").code(),
        "too_long_to_search"
    );
    assert_eq!(metas.get_user_meta("k").await.expect("there").value.json(), "1");
    // What is stored counts, without the quotes.
    let huge = format!("\"{}\"", "x".repeat(1024 * 1024));
    metas.set_meta(MetasOf::User, &input("huge", &huge)).await.expect("as large as may be");
    let more = format!("\"{}\"", "x".repeat(1024 * 1024 + 1));
    assert_eq!(
        metas.set_meta(MetasOf::User, &input("huge", &more)).await.expect_err("more").code(),
        "value_too_large"
    );
    test.close().await;
}
