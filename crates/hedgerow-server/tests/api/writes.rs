//! What a write answers with, how many rows it may be about, and trials.

use hedgerow_testing::{Answer, TestApp, TestUser};
use insta::assert_snapshot;
use serde_json::{Value, json};

const TASKS: &str = r#"
fields.title = { type = "text", required = true }
fields.points = { type = "integer", default = 1 }
fields.state = { type = "text", read_only = true, default = "new" }
fields.secret = { type = "text", hidden = true }
fields.kind = { type = "text", immutable = true }
fields.project = { type = "relation", entity = "projects" }
fields.friends = { type = "relation_many", entity = "tasks" }
"#;
const PROJECTS: &str = "fields.name = { type = \"text\", required = true }";
const STEPS: &str = r#"
fields.text = { type = "text" }
fields.task = { type = "relation", entity = "tasks", required = true }
"#;

async fn app() -> (TestApp, TestUser) {
    let app = TestApp::with(&[("tasks", TASKS), ("projects", PROJECTS), ("steps", STEPS)]).await;
    let ann = app.user("ann").await;
    (app, ann)
}

async fn three(app: &TestApp, ann: &TestUser) -> Vec<String> {
    let body = json!([{"title": "a"}, {"title": "b"}, {"title": "c"}]);
    let rows = app.post(ann, "/api/v1/tasks", body).await.expect(201).json();
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

async fn titles(app: &TestApp, ann: &TestUser) -> String {
    let rows = app.get(ann, "/api/v1/tasks?select=title&order=title").await.expect(200).json();
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| row["title"].as_str().expect("a title")).collect::<Vec<_>>().join(" ")
}

fn told(answer: &Answer) -> String {
    let header = |name| answer.header(name).unwrap_or("-").to_owned();
    format!("{} {} | {}", answer.status, answer.text, header("preference-applied"))
}

#[tokio::test]
async fn an_answer_is_as_large_as_wanted() {
    let (app, ann) = app().await;
    let prefer = async |method, path: &str, body: Option<Value>, prefer: &str| {
        app.ask_with(&ann, method, path, body, &[("prefer", prefer)]).await
    };
    let new = || Some(json!({"title": "x"}));
    let path = "/api/v1/tasks?select=title";
    let minimal = prefer("POST", path, new(), "return=minimal").await;
    assert_snapshot!(told(&minimal), @"201  | return=minimal");
    assert!(minimal.header("location").is_some() && minimal.header("etag").is_some());
    assert_eq!(minimal.header("content-type"), None);
    assert_snapshot!(told(&prefer("POST", path, new(), "return=headers-only").await), @"201  | return=headers-only");
    let array = prefer("POST", path, new(), "return=\"representation\", count=exact").await;
    assert_snapshot!(told(&array), @r#"201 [{"title":"x"}] | return=representation, count=exact"#);
    assert_eq!(array.header("content-range"), Some("*/1"));
    assert_snapshot!(told(&prefer("POST", path, new(), "count=planned").await), @r#"201 {"title":"x"} | -"#);

    let id = minimal.header("location").expect("a place").to_owned();
    let change = || Some(json!({"title": "y"}));
    assert_snapshot!(told(&prefer("PATCH", &id, change(), "return=minimal").await), @"204  | return=minimal");
    assert_snapshot!(told(&prefer("PUT", &id, change(), "return=minimal").await), @"204  | return=minimal");
    let one = format!("{id}?select=title");
    assert_snapshot!(told(&prefer("PATCH", &one, change(), "return=representation").await), @r#"200 {"title":"y"} | return=representation"#);
    assert_snapshot!(told(&prefer("PATCH", "/api/v1/tasks?title=eq.x", change(), "return=minimal, count=exact").await), @"204  | return=minimal, count=exact");
    assert_snapshot!(told(&prefer("DELETE", &one, None, "return=representation").await), @r#"200 {"title":"y"} | return=representation"#);
    assert_snapshot!(told(&prefer("DELETE", "/api/v1/tasks?title=eq.y", None, "return=minimal").await), @"204  | return=minimal");
    app.close().await;
}

#[tokio::test]
async fn one_object_is_one_row_or_nothing_is_done() {
    let (app, ann) = app().await;
    let object = [("accept", "application/vnd.pgrst.object+json"), ("prefer", "return=representation")];
    let ask = async |method, path: &str, body| app.ask_with(&ann, method, path, body, &object).await;
    let path = "/api/v1/tasks?select=title";
    let one = ask("POST", path, Some(json!([{"title": "a"}]))).await.expect(201);
    assert_snapshot!(told(&one), @r#"201 {"title":"a"} | return=representation"#);
    assert_eq!(one.header("content-type"), Some("application/vnd.pgrst.object+json"));
    let several = ask("POST", path, Some(json!([{"title": "b"}, {"title": "c"}]))).await;
    assert_snapshot!(several.problem(), @"406 PGRST116");
    assert_eq!(titles(&app, &ann).await, "a");

    let _ = three(&app, &ann).await;
    for (method, query) in [("PATCH", "title=eq.a"), ("DELETE", "title=in.(b,c)"), ("PATCH", "title=eq.none")]
    {
        let body = (method == "PATCH").then(|| json!({"title": "z"}));
        let refused = ask(method, &format!("/api/v1/tasks?{query}"), body).await;
        assert_eq!(refused.problem(), "406 PGRST116", "{method} {query}");
    }
    assert_eq!(titles(&app, &ann).await, "a a b c");
    let done = ask("PATCH", "/api/v1/tasks?title=eq.b&select=title", Some(json!({"title": "z"}))).await;
    assert_snapshot!(told(&done), @r#"200 {"title":"z"} | return=representation"#);
    let done = ask("DELETE", "/api/v1/tasks?title=eq.z&select=title", None).await;
    assert_snapshot!(told(&done), @r#"200 {"title":"z"} | return=representation"#);
    app.close().await;
}

#[tokio::test]
async fn no_more_rows_than_meant() {
    let (app, ann) = app().await;
    let ids = three(&app, &ann).await;
    for (method, path) in
        [("PATCH", "/api/v1/tasks?id=not.is.null"), ("DELETE", "/api/v1/tasks?title=in.(a,b)")]
    {
        let body = (method == "PATCH").then(|| json!({"title": "z"}));
        let most = [("prefer", "handling=strict, max-affected=1")];
        let refused = app.ask_with(&ann, method, path, body, &most).await;
        assert_eq!(refused.problem(), "400 max_affected_exceeded [Prefer: max_affected_exceeded]");
    }
    assert_eq!(titles(&app, &ann).await, "a b c");
    let path = format!("/api/v1/tasks?id=eq.{}&select=title", ids[0]);
    let most = [("prefer", "handling=strict, max-affected=1, return=representation")];
    let done = app.ask_with(&ann, "PATCH", &path, Some(json!({"title": "z"})), &most).await;
    assert_snapshot!(told(&done), @r#"200 [{"title":"z"}] | return=representation, handling=strict, max-affected=1"#);
    app.close().await;
}

#[tokio::test]
async fn a_trial_answers_and_leaves_nothing() {
    let (app, ann) = app().await;
    let ids = three(&app, &ann).await;
    let row = format!("/api/v1/tasks/{}?select=title", ids[0]);
    let trial = [("prefer", "tx=rollback")];
    for (method, path, body, expected) in [
        (
            "POST",
            "/api/v1/tasks?select=title",
            Some(json!({"title": "n"})),
            r#"201 {"title":"n"} | tx=rollback"#,
        ),
        ("PATCH", &row, Some(json!({"title": "n"})), r#"200 {"title":"n"} | tx=rollback"#),
        ("PUT", &row, Some(json!({"title": "n"})), r#"200 {"title":"n"} | tx=rollback"#),
        ("DELETE", &row, None, "204  | tx=rollback"),
        (
            "PATCH",
            "/api/v1/tasks?title=eq.b&select=title",
            Some(json!({"title": "n"})),
            r#"200 [{"title":"n"}] | tx=rollback"#,
        ),
        ("DELETE", "/api/v1/tasks?title=eq.b&select=title", None, r#"200 [{"title":"b"}] | tx=rollback"#),
    ] {
        let answer = app.ask_with(&ann, method, path, body, &trial).await;
        assert_eq!(told(&answer), expected, "{method} {path}");
        assert_eq!(titles(&app, &ann).await, "a b c", "{method} {path}");
    }
    let refused = app.ask_with(&ann, "POST", "/api/v1/tasks", Some(json!({})), &trial).await;
    assert_snapshot!(refused.problem(), @"400 required [title: required]");
    app.close().await;
}

#[tokio::test]
async fn what_is_missing_is_the_default_or_null() {
    let (app, ann) = app().await;
    let body = || Some(json!([{"title": "a", "points": 7}, {"title": "b"}]));
    let ask = async |query: &str, body, prefer: &str| {
        let path = format!("/api/v1/tasks?select=title,points{query}");
        app.ask_with(&ann, "POST", &path, body, &[("prefer", prefer)]).await
    };
    assert_snapshot!(told(&ask("", body(), "missing=default").await), @r#"201 [{"title":"a","points":7},{"title":"b","points":1}] | missing=default"#);
    assert_snapshot!(told(&ask("", body(), "missing=null").await), @r#"201 [{"title":"a","points":7},{"title":"b","points":null}] | missing=null"#);
    // `columns`, as PostgREST's client sends it: what it leaves out does not count, what it names and the row has not is missing.
    let columns = "&columns=%22title%22,%22points%22";
    let extra = || Some(json!([{"title": "a", "nonsense": true, "state": "old"}]));
    assert_snapshot!(told(&ask(columns, extra(), "return=representation").await), @r#"201 [{"title":"a","points":1}] | return=representation"#);
    assert_snapshot!(told(&ask(columns, extra(), "missing=null").await), @r#"201 [{"title":"a","points":null}] | missing=null"#);
    assert_snapshot!(ask("&columns=points", body(), "missing=null").await.problem(), @"400 invalid_input [[0].title: required, [1].title: required]");
    assert_snapshot!(ask("&columns=titel", body(), "").await.problem(), @"400 unknown_field [columns: unknown_field]");
    assert_snapshot!(ask("&columns=title&columns=title", body(), "").await.problem(), @"400 repeated_parameter [columns: repeated_parameter]");
    assert_snapshot!(ask("&on_conflict=id", body(), "").await.problem(), @"400 unknown_parameter [on_conflict: unknown_parameter]");
    let patch = app
        .ask_with(
            &ann,
            "PATCH",
            "/api/v1/tasks/x",
            Some(json!({"title": "a"})),
            &[("prefer", "handling=strict, missing=null")],
        )
        .await;
    assert_snapshot!(patch.problem(), @"400 invalid_preference [Prefer: invalid_preference]");
    app.close().await;
}

#[tokio::test]
async fn rows_are_found_once_where_the_change_is_of_what_was_asked_about() {
    let (app, ann) = app().await;
    let ids = three(&app, &ann).await;
    let _ =
        app.patch(&ann, &format!("/api/v1/tasks/{}", ids[0]), json!({"friends": [ids[1]]})).await.expect(200);
    let path = format!("/api/v1/tasks?select=title,friends&friends=cs.{{{}}}", ids[1]);
    let done = app.patch(&ann, &path, json!({"title": "d", "friends": [ids[2]]})).await.expect(200);
    assert_eq!(done.json(), json!([{"title": "d", "friends": [ids[2]]}]));
    // Nothing has such a friend any more, and nothing is changed.
    let again = app.patch(&ann, &path, json!({"title": "e", "friends": []})).await.expect(200);
    assert_eq!(again.json(), json!([]));
    assert_eq!(titles(&app, &ann).await, "b c d");
    app.close().await;
}

#[tokio::test]
async fn rows_change_each_in_its_own_way() {
    let (app, ann) = app().await;
    let ids = three(&app, &ann).await;
    let path = "/api/v1/tasks?select=title,points,friends";
    let body = json!([
        {"id": ids[2], "title": "C"},
        {"id": ids[0], "points": 5, "friends": [ids[1]]},
        {"id": ids[1], "title": "B", "points": null},
    ]);
    let done = app.patch(&ann, path, body).await.expect(200);
    let friend = format!("\"{}\"", ids[1]);
    assert_snapshot!(done.text.replace(&friend, "\"b\""), @r#"[{"title":"C","points":1,"friends":[]},{"title":"a","points":5,"friends":["b"]},{"title":"B","points":null,"friends":[]}]"#);

    // All or none.
    let bob = app.user("bob").await;
    let foreign = three(&app, &bob).await;
    let mut told = Vec::new();
    for other in ["01900000-0000-7000-8000-000000000000", foreign[0].as_str(), "", "a\u{0}b"] {
        let body = json!([{"id": ids[0], "title": "z"}, {"id": other, "title": "z"}]);
        let refused = app.patch(&ann, path, body).await;
        told.push((refused.problem(), refused.json()["message"].clone()));
    }
    assert!(told.iter().all(|one| one == &told[0]), "{told:?}");
    assert_snapshot!(told[0].0, @"404 not_found");
    assert_eq!(titles(&app, &ann).await, "B C a");
    assert_eq!(titles(&app, &bob).await, "a b c");

    for (body, expected) in [
        (
            json!([{"id": ids[0], "title": "y"}, {"id": ids[0], "title": "z"}]),
            "400 repeated_row [[1].id: repeated_row]",
        ),
        (json!([{"title": "y"}]), "400 required [[0].id: required]"),
        (json!([{"id": 7, "title": "y"}]), "400 invalid_text [[0].id: invalid_text]"),
        (json!([{"id": ids[0], "kind": "y"}]), "400 immutable_field [[0].kind: immutable_field]"),
        (json!([{"id": ids[0]}]), "400 empty_change [[0]: empty_change]"),
    ] {
        assert_eq!(app.patch(&ann, path, body.clone()).await.problem(), expected, "{body}");
    }
    assert_eq!(app.patch(&ann, path, json!([])).await.expect(200).text, "[]");
    app.close().await;
}

#[tokio::test]
async fn children_are_created_with_their_parent() {
    let (app, ann) = app().await;
    let body = json!({"name": "p", "tasks": [
        {"title": "a", "steps": [{"text": "1"}, {"text": "2"}]},
        {"title": "b", "points": 3},
    ]});
    let project = app.post(&ann, "/api/v1/projects", body).await.expect(201).json();
    let tasks =
        app.get(&ann, "/api/v1/tasks?select=title,points,project&order=title").await.expect(200).json();
    assert_eq!(
        tasks,
        json!([{"title": "a", "points": 1, "project": project["id"]}, {"title": "b", "points": 3, "project": project["id"]}])
    );
    let steps = app.get(&ann, "/api/v1/steps?select=text&order=text").await.expect(200);
    assert_eq!(steps.text, r#"[{"text":"1"},{"text":"2"}]"#);

    let deep = json!({"name": "p", "tasks": [{"title": "a", "steps": [{"text": "x", "steps": []}]}]});
    for (body, expected) in [
        (
            json!({"name": "p", "tasks": [{"points": 1}, {"title": "x", "steps": [{"text": 1}]}]}),
            "400 invalid_input [tasks[0].title: required, tasks[1].steps[0].text: invalid_text]",
        ),
        (
            json!({"name": "p", "tasks": [{"title": "a", "project": "x"}]}),
            "400 read_only_field [tasks[0].project: read_only_field]",
        ),
        (
            json!({"name": "p", "tasks": [{"title": "a", "userId": "x"}]}),
            "400 read_only_field [tasks[0].userId: read_only_field]",
        ),
        (
            json!({"name": "p", "tasks": [{"title": "a", "state": "x"}]}),
            "400 read_only_field [tasks[0].state: read_only_field]",
        ),
        (json!({"name": "p", "tasks": {"title": "a"}}), "400 invalid_list [tasks: invalid_list]"),
        (json!({"name": "p", "steps": []}), "400 unknown_field [steps: unknown_field]"),
        (deep, "400 unknown_field [tasks[0].steps[0].steps: unknown_field]"),
        (
            json!({"name": "p", "tasks": vec![json!({"title": "a"}); 1000]}),
            "400 too_many_rows [: too_many_rows]",
        ),
    ] {
        let text = body.to_string();
        assert_eq!(
            app.post(&ann, "/api/v1/projects", body).await.problem(),
            expected,
            "{}",
            &text[..text.len().min(200)]
        );
    }
    // Only new rows have rows within; a child that the database refuses takes its parent along.
    let path = format!("/api/v1/projects/{}", project["id"].as_str().expect("an id"));
    assert_snapshot!(app.patch(&ann, &path, json!({"tasks": []})).await.problem(), @"400 unknown_field [tasks: unknown_field]");
    let refused = app
        .post(&ann, "/api/v1/tasks", json!({"title": "t", "friends": ["nobody"], "steps": [{"text": "x"}]}))
        .await;
    assert_snapshot!(refused.problem(), @"409 relation_not_found [friends: relation_not_found]");
    assert_eq!(app.get(&ann, "/api/v1/projects").await.json().as_array().map(Vec::len), Some(1));

    // The scopes of both.
    let only = TestUser { user: ann.user.clone(), key: app.key(&ann.user, &["projects:*"]).await };
    let refused = app.post(&only, "/api/v1/projects", json!({"name": "q", "tasks": [{"title": "t"}]})).await;
    assert_snapshot!(refused.problem(), @"403 missing_scope");
    let _ = app.post(&only, "/api/v1/projects", json!({"name": "q"})).await.expect(201);
    app.close().await;
}

#[tokio::test]
async fn no_path_writes_what_is_not_to_be_written() {
    let (app, ann) = app().await;
    let bob = app.user("bob").await;
    let ids = three(&app, &ann).await;
    let row = format!("/api/v1/tasks/{}", ids[0]);
    let merge = [("prefer", "resolution=merge-duplicates")];
    for (field, value) in [
        ("userId", json!(bob.user.id.as_str())),
        ("createdAt", json!("2020-01-01T00:00:00Z")),
        ("updatedAt", json!("2020-01-01T00:00:00Z")),
        ("state", json!("old")),
        ("role", json!("admin")),
        ("search", json!("x")),
        ("xmin", json!("1")),
    ] {
        let with = |mut body: Value| {
            body[field] = value.clone();
            body
        };
        let tries = [
            app.post(&ann, "/api/v1/tasks", with(json!({"title": "m"}))).await,
            app.post(&ann, "/api/v1/tasks", json!([with(json!({"title": "m"}))])).await,
            app.ask_with(&ann, "POST", "/api/v1/tasks", Some(with(json!({"title": "m"}))), &merge).await,
            app.ask_with(&ann, "POST", "/api/v1/tasks", Some(with(json!({"id": ids[0], "title": "m"}))), &merge).await,
            app.post(&ann, "/api/v1/projects", json!({"name": "m", "tasks": [with(json!({"title": "m"}))]})).await,
            app.patch(&ann, &row, with(json!({"title": "m"}))).await,
            app.patch(&ann, "/api/v1/tasks?title=eq.a", with(json!({"title": "m"}))).await,
            app.patch(&ann, "/api/v1/tasks", json!([with(json!({"id": ids[0], "title": "m"}))])).await,
            app.put(&ann, &row, with(json!({"title": "m"}))).await,
            app.post(&ann, "/api/v1/batch", json!({"operations": [{"method": "PATCH", "path": row, "body": with(json!({"title": "m"}))}]})).await,
        ];
        for (at, answer) in tries.iter().enumerate() {
            let problem = answer.problem();
            assert!(
                problem.starts_with("400 read_only_field") || problem.starts_with("400 unknown_field"),
                "{field} {at}: {problem}"
            );
            assert!(problem.contains(field), "{field} {at}: {problem}");
        }
    }
    // `id` is a key, never a value.
    for answer in [
        app.post(&ann, "/api/v1/tasks", json!({"id": ids[0], "title": "m"})).await,
        app.patch(&ann, &row, json!({"id": ids[1], "title": "m"})).await,
        app.put(&ann, &row, json!({"id": ids[1], "title": "m"})).await,
    ] {
        assert_eq!(answer.problem(), "400 read_only_field [id: read_only_field]");
    }
    for (method, path) in [("PATCH", row.as_str()), ("PUT", &row), ("PATCH", "/api/v1/tasks?title=eq.a")] {
        let body = json!({"title": "m", "kind": "m"});
        let answer = app.ask_with(&ann, method, path, Some(body), &[]).await;
        assert_eq!(answer.problem(), "400 immutable_field [kind: immutable_field]", "{method} {path}");
    }
    // A hidden field is written, and shown nowhere.
    let shown = app.post(&ann, "/api/v1/tasks", json!({"title": "s", "secret": "canary"})).await.expect(201);
    let again = app
        .patch(&ann, shown.header("location").expect("a place"), json!({"secret": "canary2"}))
        .await
        .expect(200);
    assert!(
        !shown.text.contains("canary") && !again.text.contains("canary"),
        "{} {}",
        shown.text,
        again.text
    );
    assert_eq!(titles(&app, &ann).await, "a b c s");
    app.close().await;
}
