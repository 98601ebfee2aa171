//! New rows that may be there already.

use hedgerow_testing::{TestApp, TestUser};
use insta::assert_snapshot;
use serde_json::{Value, json};

const GOODS: &str = r#"
fields.sku = { type = "text", unique = true, max_length = 50 }
fields.name = { type = "text" }
fields.count = { type = "integer", default = 0 }
fields.origin = { type = "text", immutable = true }
fields.like = { type = "relation_many", entity = "goods" }
fields.shelf = { type = "text", max_length = 50 }
fields.place = { type = "integer" }
[[indexes]]
fields = ["shelf", "place"]
unique = true
"#;
const BIN: &str = "soft_delete = true\nfields.sku = { type = \"text\", unique = true, max_length = 50 }\nfields.name = { type = \"text\" }";

async fn app() -> (TestApp, TestUser) {
    let app = TestApp::with(&[("goods", GOODS), ("bin", BIN)]).await;
    let ann = app.user("ann").await;
    (app, ann)
}

async fn upsert(
    app: &TestApp,
    who: &TestUser,
    path: &str,
    body: Value,
    how: &str,
) -> hedgerow_testing::Answer {
    let prefer = format!("resolution={how}-duplicates, return=representation");
    app.ask_with(who, "POST", &format!("/api/v1/{path}"), Some(body), &[("prefer", &prefer)]).await
}

async fn all(app: &TestApp, who: &TestUser) -> String {
    app.get(who, "/api/v1/goods?select=sku,name,count&order=sku").await.expect(200).text
}

#[tokio::test]
async fn rows_meet_by_a_key_of_their_owner() {
    let (app, ann) = app().await;
    let path = "goods?on_conflict=sku&select=sku,name,count";
    let first =
        upsert(&app, &ann, path, json!([{"sku": "a", "name": "A"}, {"sku": "b", "count": 2}]), "merge").await;
    assert_eq!(first.status, 201);
    assert_snapshot!(first.text, @r#"[{"sku":"a","name":"A","count":0},{"sku":"b","name":null,"count":2}]"#);
    assert_snapshot!(first.header("preference-applied").unwrap_or("-"), @"return=representation, resolution=merge-duplicates");
    // Rows with other fields go in other statements; each changes what it names.
    let second = upsert(
        &app,
        &ann,
        path,
        json!([{"sku": "b", "name": "B"}, {"sku": "a", "count": 5}, {"sku": "c"}]),
        "merge",
    )
    .await;
    assert_eq!(second.status, 201);
    assert_snapshot!(second.text, @r#"[{"sku":"b","name":"B","count":2},{"sku":"a","name":"A","count":5},{"sku":"c","name":null,"count":0}]"#);
    let third = upsert(&app, &ann, path, json!({"sku": "c", "name": "C"}), "merge").await;
    assert_eq!(third.status, 200, "nothing is new");
    assert!(third.header("location").is_some() && third.header("etag").is_some());

    let ignored =
        upsert(&app, &ann, path, json!([{"sku": "a", "name": "Z"}, {"sku": "d", "name": "D"}]), "ignore")
            .await;
    assert_snapshot!(ignored.text, @r#"[{"sku":"d","name":"D","count":0}]"#);
    assert_eq!(upsert(&app, &ann, path, json!({"sku": "a"}), "ignore").await.expect(200).text, "[]");
    assert_snapshot!(all(&app, &ann).await, @r#"[{"sku":"a","name":"A","count":5},{"sku":"b","name":"B","count":2},{"sku":"c","name":"C","count":0},{"sku":"d","name":"D","count":0}]"#);

    // Somebody else's rows are not there.
    let bob = app.user("bob").await;
    let own = upsert(&app, &bob, path, json!([{"sku": "a", "name": "bob's"}]), "merge").await.expect(201);
    assert_snapshot!(own.text, @r#"[{"sku":"a","name":"bob's","count":0}]"#);
    assert_snapshot!(all(&app, &bob).await, @r#"[{"sku":"a","name":"bob's","count":0}]"#);
    assert!(all(&app, &ann).await.contains(r#"{"sku":"a","name":"A","count":5}"#));

    let twice = upsert(&app, &ann, path, json!([{"sku": "x"}, {"sku": "x"}]), "merge").await;
    assert_snapshot!(twice.problem(), @"400 repeated_row [: repeated_row]");
    app.close().await;
}

#[tokio::test]
async fn rows_meet_by_their_id_and_none_is_made_with_one() {
    let (app, ann) = app().await;
    let bob = app.user("bob").await;
    let made = app.post(&ann, "/api/v1/goods", json!([{"sku": "a"}, {"sku": "b"}])).await.expect(201).json();
    let foreign = app.post(&bob, "/api/v1/goods", json!({"sku": "a"})).await.expect(201).json();
    for path in ["goods?select=sku,name", "goods?select=sku,name&on_conflict=id"] {
        let body = json!([{"sku": format!("new{}", path.len())}, {"id": made[1]["id"], "name": "B"}]);
        let done = upsert(&app, &ann, path, body, "merge").await.expect(201);
        assert!(done.text.contains(r#",{"sku":"b","name":"B"}]"#), "{}", done.text);
    }
    let kept = upsert(
        &app,
        &ann,
        "goods?select=sku",
        json!([{"id": made[0]["id"], "name": "Z"}, {"sku": "n"}]),
        "ignore",
    )
    .await;
    assert_snapshot!(kept.expect(201).text, @r#"[{"sku":"n"}]"#);
    let before = all(&app, &ann).await;
    let mut told = Vec::new();
    for id in [foreign["id"].clone(), json!("01900000-0000-7000-8000-000000000000"), json!("")] {
        for how in ["merge", "ignore"] {
            let body = json!([{"sku": "z"}, {"id": id, "name": "taken over"}]);
            let refused = upsert(&app, &ann, "goods", body, how).await;
            told.push(format!("{} {}", refused.problem(), refused.json()["message"]));
        }
    }
    assert!(told.iter().all(|one| one == &told[0]), "{told:?}");
    assert_snapshot!(told[0], @r#"404 not_found "there is no such row""#);
    assert_eq!(all(&app, &ann).await, before);
    assert_snapshot!(all(&app, &bob).await, @r#"[{"sku":"a","name":null,"count":0}]"#);
    let clash = upsert(&app, &ann, "goods", json!([{"id": made[0]["id"], "sku": "b"}]), "merge").await;
    assert_snapshot!(clash.problem(), @"409 already_exists [sku: already_exists]");
    let with_key =
        upsert(&app, &ann, "goods?on_conflict=sku", json!([{"id": made[0]["id"], "sku": "b"}]), "merge")
            .await;
    assert_snapshot!(with_key.problem(), @"400 read_only_field [[0].id: read_only_field]");
    app.close().await;
}

#[tokio::test]
async fn keys_of_several_fields_links_and_what_cannot_change() {
    let (app, ann) = app().await;
    let path = "goods?on_conflict=place,shelf&select=shelf,place,name,origin";
    let row = |more: Value| {
        let mut row = json!({"shelf": "x", "place": 1});
        row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        row
    };
    let _ = upsert(&app, &ann, path, row(json!({"origin": "here"})), "merge").await.expect(201);
    let same =
        upsert(&app, &ann, path, row(json!({"origin": "here", "name": "n"})), "merge").await.expect(200);
    assert_snapshot!(same.text, @r#"[{"shelf":"x","place":1,"name":"n","origin":"here"}]"#);
    let other = upsert(&app, &ann, path, row(json!({"origin": "there", "name": "m"})), "merge").await;
    assert_snapshot!(other.problem(), @"400 immutable_field [: immutable_field]");
    let nothing_new = upsert(&app, &ann, path, row(json!({})), "merge").await.expect(200);
    assert_snapshot!(nothing_new.text, @r#"[{"shelf":"x","place":1,"name":"n","origin":"here"}]"#);

    let one = app.post(&ann, "/api/v1/goods", json!({"sku": "l"})).await.expect(201).json()["id"].clone();
    let linked =
        upsert(&app, &ann, "goods?on_conflict=sku&select=like", json!({"sku": "l", "like": [one]}), "merge")
            .await;
    assert_eq!(linked.expect(200).json(), json!([{"like": [one]}]));

    for (key, expected) in [
        ("name", "400 invalid_on_conflict [on_conflict: invalid_on_conflict]"),
        ("shelf", "400 invalid_on_conflict [on_conflict: invalid_on_conflict]"),
        ("sku,name", "400 invalid_on_conflict [on_conflict: invalid_on_conflict]"),
        ("userId", "400 invalid_on_conflict [on_conflict: invalid_on_conflict]"),
        ("nope", "400 invalid_on_conflict [on_conflict: invalid_on_conflict]"),
        ("", "400 invalid_on_conflict [on_conflict: invalid_on_conflict]"),
    ] {
        let refused =
            upsert(&app, &ann, &format!("goods?on_conflict={key}"), json!({"sku": "q"}), "merge").await;
        assert_eq!(refused.problem(), expected, "{key}");
    }
    // What is in the trash has no place any more.
    let path = "bin?on_conflict=sku&select=sku,name";
    let made = app.post(&ann, "/api/v1/bin", json!({"sku": "a", "name": "old"})).await.expect(201);
    let _ = app.delete(&ann, made.header("location").expect("a place")).await.expect(204);
    let anew = upsert(&app, &ann, path, json!({"sku": "a", "name": "new"}), "merge").await.expect(201);
    assert_snapshot!(anew.text, @r#"[{"sku":"a","name":"new"}]"#);
    let met = upsert(&app, &ann, path, json!({"sku": "a", "name": "newer"}), "merge").await.expect(200);
    assert_snapshot!(met.text, @r#"[{"sku":"a","name":"newer"}]"#);
    app.close().await;
}
