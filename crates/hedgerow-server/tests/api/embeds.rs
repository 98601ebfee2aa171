//! Rows with the rows that they lead to.

use hedgerow_testing::{TestApp, TestUser, Who};
use insta::assert_snapshot;
use serde_json::{Value, json};

const ENTITIES: &[(&str, &str)] = &[
    (
        "countries",
        r#"
        access = { read = "public", write = "admin" }
        fields.name = { type = "text", required = true }
        "#,
    ),
    ("clients", "fields.name = { type = \"text\" }\nfields.secret = { type = \"text\", hidden = true }"),
    ("labels", "soft_delete = true\nfields.name = { type = \"text\" }"),
    (
        "projects",
        r#"
        fields.name = { type = "text", required = true }
        fields.client = { type = "relation", entity = "clients" }
        fields.payer = { type = "relation", entity = "clients" }
        fields.country = { type = "relation", entity = "countries" }
        fields.started = { type = "datetime" }
        fields.size = { type = "integer" }
        fields.share = { type = "number" }
        fields.data = { type = "json" }
        "#,
    ),
    (
        "tasks",
        r#"
        fields.title = { type = "text", required = true }
        fields.done = { type = "boolean", default = false }
        fields.points = { type = "integer" }
        fields.project = { type = "relation", entity = "projects" }
        fields.parent = { type = "relation", entity = "tasks" }
        fields.labels = { type = "relation_many", entity = "labels" }
        "#,
    ),
    ("posts", "access = { read = \"public\", write = \"signed_in\" }\nfields.text = { type = \"text\" }"),
    (
        "remarks",
        "fields.text = { type = \"text\" }\nfields.post = { type = \"relation\", entity = \"posts\" }",
    ),
    (
        "silos",
        "fields.name = { type = \"text\" }\nfields.task = { type = \"relation\", entity = \"tasks\", hidden = true }",
    ),
];

async fn made(app: &TestApp, who: &TestUser, entity: &str, row: Value) -> String {
    let answer = app.post(who, &format!("/api/v1/{entity}"), row).await.expect(201);
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// What ann has: two projects of one client, four tasks, two labels, one of them in the trash.
async fn anns_rows(app: &TestApp, ann: &TestUser) {
    let admin = app.user_with("root", "admin", &["*"]).await;
    let land = made(app, &admin, "countries", json!({"name": "Utopia"})).await;
    let acme = made(app, ann, "clients", json!({"name": "Acme"})).await;
    let bank = made(app, ann, "clients", json!({"name": "Bank"})).await;
    let project = json!({
        "name": "Garden", "client": acme, "payer": bank, "country": land, "started": "2026-01-31T10:30:00.123456+01:00",
        "size": 9_007_199_254_740_993_i64, "share": "0.10", "data": {"a": [1, {"b": "x"}]}
    });
    let garden = made(app, ann, "projects", project).await;
    let house = made(app, ann, "projects", json!({"name": "House", "size": 3, "client": acme})).await;
    let _empty = made(app, ann, "projects", json!({"name": "Empty"})).await;
    let red = made(app, ann, "labels", json!({"name": "red"})).await;
    let gone = made(app, ann, "labels", json!({"name": "gone"})).await;
    let dig = made(
        app,
        ann,
        "tasks",
        json!({"title": "dig", "project": garden, "points": 1, "done": true, "labels": [red, gone]}),
    )
    .await;
    for row in [
        json!({"title": "sow", "project": garden, "points": 2, "parent": dig, "labels": [red]}),
        json!({"title": "reap", "project": garden, "points": 3, "parent": dig}),
        json!({"title": "paint", "project": house, "points": 4}),
    ] {
        made(app, ann, "tasks", row).await;
    }
    let _ = app.delete(ann, &format!("/api/v1/labels/{gone}")).await.expect(204);
}

#[tokio::test]
async fn rows_show_what_they_lead_to_in_both_directions() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    anns_rows(&app, &ann).await;
    let get = async |path: &str| app.get(&ann, &format!("/api/v1/{path}")).await.expect(200).text;

    // To one: by the field, by the entity, renamed, nested, spread.
    assert_snapshot!(get("tasks?select=title,project(name,client(name))&order=title&limit=2").await, @r#"[{"title":"dig","project":{"name" : "Garden", "client" : {"name" : "Acme"}}},{"title":"paint","project":{"name" : "House", "client" : {"name" : "Acme"}}}]"#);
    assert_snapshot!(get("tasks?select=title,p:projects(n:name)&title=eq.dig").await, @r#"[{"title":"dig","p":{"n" : "Garden"}}]"#);
    assert_snapshot!(get("tasks?select=title,...project(project:name,...client(client:name))&order=title&limit=2").await, @r#"[{"title":"dig","project":"Garden","client":"Acme"},{"title":"paint","project":"House","client":"Acme"}]"#);
    // From many, in the order, the number and with the conditions that are asked for.
    assert_snapshot!(get("projects?select=name,tasks(title)&order=name&tasks.order=title").await, @r#"[{"name":"Empty","tasks":[]},{"name":"Garden","tasks":[{"title" : "dig"}, {"title" : "reap"}, {"title" : "sow"}]},{"name":"House","tasks":[{"title" : "paint"}]}]"#);
    assert_snapshot!(get("projects?select=name,tasks(title)&name=eq.Garden&tasks.order=points.desc&tasks.limit=1&tasks.offset=1").await, @r#"[{"name":"Garden","tasks":[{"title" : "sow"}]}]"#);
    assert_snapshot!(get("projects?select=name,tasks(title)&order=name&tasks.done=is.true").await, @r#"[{"name":"Empty","tasks":[]},{"name":"Garden","tasks":[{"title" : "dig"}]},{"name":"House","tasks":[]}]"#);
    assert_snapshot!(get("projects?select=name,tasks(title)&order=name&tasks.or=(done.is.true,points.eq.4)").await, @r#"[{"name":"Empty","tasks":[]},{"name":"Garden","tasks":[{"title" : "dig"}]},{"name":"House","tasks":[{"title" : "paint"}]}]"#);
    // Over links, both ways; what is in the trash is in no row.
    assert_snapshot!(get("tasks?select=title,labels(name)&order=title").await, @r#"[{"title":"dig","labels":[{"name" : "red"}]},{"title":"paint","labels":[]},{"title":"reap","labels":[]},{"title":"sow","labels":[{"name" : "red"}]}]"#);
    assert_snapshot!(get("labels?select=name,tasks(title)&tasks.order=title").await, @r#"[{"name":"red","tasks":[{"title" : "dig"}, {"title" : "sow"}]}]"#);
    assert_snapshot!(get("tasks?select=title,tags:labels!labels(name)&title=eq.sow").await, @r#"[{"title":"sow","tags":[{"name" : "red"}]}]"#);
    // Within one entity: the field's name leads up, the entity with the field leads down.
    assert_snapshot!(get("tasks?select=title,parent(title),children:tasks!parent(title)&order=title&children.order=title").await, @r#"[{"title":"dig","parent":null,"children":[{"title" : "reap"}, {"title" : "sow"}]},{"title":"paint","parent":null,"children":[]},{"title":"reap","parent":{"title" : "dig"},"children":[]},{"title":"sow","parent":{"title" : "dig"},"children":[]}]"#);
    // Two relations to one entity: by name.
    assert_snapshot!(get("projects?select=name,client(name),payer(name)&name=eq.Garden").await, @r#"[{"name":"Garden","client":{"name" : "Acme"},"payer":{"name" : "Bank"}}]"#);
    assert_snapshot!(get("projects?select=name,clients!payer(name)&name=eq.Garden").await, @r#"[{"name":"Garden","clients":{"name" : "Bank"}}]"#);
    assert_snapshot!(get("clients?select=name,projects!payer(name)&order=name").await, @r#"[{"name":"Acme","projects":[]},{"name":"Bank","projects":[{"name" : "Garden"}]}]"#);
    let ambiguous = app.get(&ann, "/api/v1/projects?select=name,clients(name)").await;
    assert_snapshot!(ambiguous.problem(), @"300 ambiguous_relation [select: ambiguous_relation]");
    assert_snapshot!(ambiguous.json()["message"].as_str().expect("a message"), @"`clients` could be several relations of projects: `clients!client`, `clients!payer`");
    app.close().await;
}

#[tokio::test]
async fn what_a_row_leads_to_can_decide_about_it() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    anns_rows(&app, &ann).await;
    let get = async |path: &str| app.get(&ann, &format!("/api/v1/{path}")).await.expect(200).text;

    assert_snapshot!(get("projects?select=name,tasks!inner(title)&tasks.done=is.true").await, @r#"[{"name":"Garden","tasks":[{"title" : "dig"}]}]"#);
    // Nothing of it is shown, but it counts.
    assert_snapshot!(get("projects?select=name,tasks!inner()&tasks.points=eq.4").await, @r#"[{"name":"House"}]"#);
    assert_snapshot!(get("projects?select=name,tasks()&tasks=is.null").await, @r#"[{"name":"Empty"}]"#);
    assert_snapshot!(get("projects?select=name,tasks()&tasks=not.is.null&order=name").await, @r#"[{"name":"Garden"},{"name":"House"}]"#);
    assert_snapshot!(get("projects?select=name,tasks()&tasks.done=is.true&or=(tasks.not.is.null,name.eq.Empty)&order=name").await, @r#"[{"name":"Empty"},{"name":"Garden"}]"#);
    assert_snapshot!(get("tasks?select=title,project!inner(name)&project.name=eq.House").await, @r#"[{"title":"paint","project":{"name" : "House"}}]"#);
    assert_snapshot!(get("tasks?select=title,project(name,client!inner(name))&project.client.name=eq.Acme&order=title&limit=1").await, @r#"[{"title":"dig","project":{"name" : "Garden", "client" : {"name" : "Acme"}}}]"#);
    assert_snapshot!(get("clients?select=name,projects!client!inner(name,tasks!inner(title))&projects.tasks.title=eq.sow").await, @r#"[{"name":"Acme","projects":[{"name" : "Garden", "tasks" : [{"title" : "sow"}]}]}]"#);
    assert_snapshot!(get("tasks?select=title,...project!inner(project:name)&project.name=like.H*").await, @r#"[{"title":"paint","project":"House"}]"#);
    // Order by what is there once.
    assert_snapshot!(get("tasks?select=title,project(name)&order=project(name).desc,title").await, @r#"[{"title":"paint","project":{"name" : "House"}},{"title":"dig","project":{"name" : "Garden"}},{"title":"reap","project":{"name" : "Garden"}},{"title":"sow","project":{"name" : "Garden"}}]"#);
    // Counted and added up.
    assert_snapshot!(get("projects?select=name,tasks(count)&order=name").await, @r#"[{"name":"Empty","tasks":[{"count" : 0}]},{"name":"Garden","tasks":[{"count" : 3}]},{"name":"House","tasks":[{"count" : 1}]}]"#);
    assert_snapshot!(get("projects?select=name,tasks(done,n:count(),points.sum())&order=name&tasks.order=done").await, @r#"[{"name":"Empty","tasks":[]},{"name":"Garden","tasks":[{"done" : false, "n" : 2, "sum" : 5}, {"done" : true, "n" : 1, "sum" : 1}]},{"name":"House","tasks":[{"done" : false, "n" : 1, "sum" : 4}]}]"#);
    app.close().await;
}

#[tokio::test]
async fn a_value_has_one_form_wherever_it_stands() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    anns_rows(&app, &ann).await;
    let plain = app.get(&ann, "/api/v1/projects?select=*&name=eq.Garden").await.expect(200).text;
    let embedded = app.get(&ann, "/api/v1/tasks?select=project(*)&title=eq.dig").await.expect(200).text;
    let compact = |text: &str| {
        let value: Value = serde_json::from_str(text).expect("JSON");
        value.to_string()
    };
    // The digits, the order of the keys, everything but the spaces.
    assert_eq!(
        compact(&embedded),
        format!("[{{\"project\":{}}}]", &compact(&plain)[1..compact(&plain).len() - 1])
    );
    assert!(embedded.contains("0.10"), "{embedded}");
    assert!(!embedded.contains('\n'), "a row is one line of NDJSON: {embedded}");
    app.close().await;
}

#[tokio::test]
async fn wide_rows_are_embedded_whole() {
    let fields: String = (0..120).map(|n| format!("fields.f{n} = {{ type = \"integer\" }}\n")).collect();
    let child = "fields.of = { type = \"relation\", entity = \"wide\" }";
    let app = TestApp::with(&[("wide", &fields), ("child", child)]).await;
    let ann = app.user("ann").await;
    let wide = made(&app, &ann, "wide", json!({"f0": 0, "f49": 49, "f119": 119})).await;
    let row = app.get(&ann, &format!("/api/v1/wide/{wide}")).await.expect(200).json();
    made(&app, &ann, "child", json!({"of": wide})).await;
    let child = app.get(&ann, "/api/v1/child?select=of(*)").await.expect(200).json();
    assert_eq!(child[0]["of"], row);
    app.close().await;
}

#[tokio::test]
async fn writes_answer_with_what_their_rows_lead_to() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    anns_rows(&app, &ann).await;
    let house = app.get(&ann, "/api/v1/projects?select=id&name=eq.House").await.json()[0]["id"].clone();
    let path = "/api/v1/tasks?select=title,project(name),labels(name)";
    let task = json!({"title": "plaster", "project": house});
    assert_snapshot!(app.post(&ann, path, task).await.expect(201).text, @r#"{"title":"plaster","project":{"name" : "House"},"labels":[]}"#);
    let changed =
        app.patch(&ann, "/api/v1/tasks?title=eq.plaster&select=title,project(name)", json!({"points": 5}));
    assert_snapshot!(changed.await.expect(200).text, @r#"[{"title":"plaster","project":{"name" : "House"}}]"#);
    let inner = app.patch(
        &ann,
        "/api/v1/tasks?select=title,project!inner(name)&project.name=eq.House&order=title",
        json!({"done": true}),
    );
    assert_snapshot!(inner.await.problem(), @"400 unsupported_parameter [order: unsupported_parameter]");
    let inner = "/api/v1/tasks?select=title,project!inner(name)&project.name=eq.House";
    let mut rows = app.patch(&ann, inner, json!({"done": true})).await.expect(200).json();
    rows.as_array_mut().expect("rows").sort_by_key(|row| row["title"].as_str().map(str::to_owned));
    assert_snapshot!(rows.to_string(), @r#"[{"title":"paint","project":{"name":"House"}},{"title":"plaster","project":{"name":"House"}}]"#);
    let gone = app.delete(&ann, "/api/v1/tasks?title=eq.plaster&select=title,...project(project:name)").await;
    assert_snapshot!(gone.expect(200).text, @r#"[{"title":"plaster","project":"House"}]"#);
    let house = format!("/api/v1/projects/{}", house.as_str().expect("an id"));
    let get = async |query: &str| app.get(&ann, &format!("{house}?{query}")).await;
    assert_snapshot!(get("select=name,tasks(title)&tasks.title=like.p*").await.expect(200).text, @r#"{"name":"House","tasks":[{"title" : "paint"}]}"#);
    assert_snapshot!(get("select=name,tasks!inner(title)").await.problem(), @"400 unsupported_select [select: unsupported_select]");
    app.close().await;
}

#[tokio::test]
async fn nobody_sees_more_through_a_relation_than_without() {
    let app = TestApp::with(ENTITIES).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    anns_rows(&app, &ann).await;
    let post = made(&app, &ann, "posts", json!({"text": "for all"})).await;
    made(&app, &ann, "remarks", json!({"text": "anns own", "post": post})).await;
    made(&app, &ann, "silos", json!({"name": "s"})).await;

    // A public parent's children stay their owner's; the same with conditions that speak of them.
    let all = "/api/v1/posts?select=text,remarks(text)";
    assert_snapshot!(app.get(&ann, all).await.expect(200).text, @r#"[{"text":"for all","remarks":[{"text" : "anns own"}]}]"#);
    assert_snapshot!(app.get(&bob, all).await.expect(200).text, @r#"[{"text":"for all","remarks":[]}]"#);
    assert_eq!(app.get(&bob, "/api/v1/posts?select=text,remarks!inner(text)").await.expect(200).text, "[]");
    assert_eq!(
        app.get(&bob, "/api/v1/posts?select=text,remarks()&remarks=not.is.null").await.expect(200).text,
        "[]"
    );
    assert_snapshot!(app.get(&bob, "/api/v1/posts?select=text,remarks(count())").await.expect(200).text, @r#"[{"text":"for all","remarks":[{"count" : 0}]}]"#);
    assert_snapshot!(app.get(&bob, "/api/v1/countries?select=name,projects(name)").await.expect(200).text, @r#"[{"name":"Utopia","projects":[]}]"#);
    assert_snapshot!(app.get(&ann, "/api/v1/countries?select=name,projects(name)").await.expect(200).text, @r#"[{"name":"Utopia","projects":[{"name" : "Garden"}]}]"#);
    assert_eq!(app.get(&bob, "/api/v1/tasks?select=title,project(name)").await.expect(200).text, "[]");

    // The scope of each entity, whichever way it is reached.
    let narrow = app.key(&ann.user, &["tasks:*", "labels:read"]).await;
    let narrow = TestUser { user: ann.user.clone(), key: narrow };
    for (path, expected) in [
        ("tasks?select=title,labels(name)", "200"),
        ("tasks?select=title,project(name)", "403 projects:read"),
        ("tasks?select=title,...project(name)", "403 projects:read"),
        ("tasks?select=title,project!inner()&project.name=eq.x", "403 projects:read"),
        ("tasks?select=title,labels(name,tasks(project(client(name))))", "403 projects:read"),
        ("labels?select=name,tasks(title)", "200"),
    ] {
        let answer = app.get(&narrow, &format!("/api/v1/{path}")).await;
        let scope =
            answer.json()["message"].as_str().and_then(|text| Some(text.split('`').nth(1)?.to_owned()));
        let got =
            [Some(answer.status.to_string()), scope].into_iter().flatten().collect::<Vec<_>>().join(" ");
        assert_eq!(got, expected, "{path}");
    }
    let written =
        app.patch(&narrow, "/api/v1/tasks?title=eq.dig&select=project(name)", json!({"points": 9})).await;
    assert_snapshot!(written.problem(), @"403 missing_scope");
    assert_eq!(app.database.column("SELECT count(*) FROM tasks WHERE points = 9").await, ["0"]);

    // Nobody reads what is public, and only that.
    assert_snapshot!(app.get(Who::Anyone, "/api/v1/posts?select=text").await.expect(200).text, @r#"[{"text":"for all"}]"#);
    assert_snapshot!(app.get(Who::Anyone, all).await.problem(), @"401 not_signed_in");

    // What is hidden is nowhere, and leads nowhere.
    for path in [
        "clients?select=secret",
        "clients?select=secret::text",
        "clients?select=x:secret",
        "clients?select=secret.max()",
        "clients?secret=eq.x",
        "clients?or=(name.eq.x,secret.eq.x)",
        "clients?order=secret",
        "projects?select=name,client(secret)",
        "projects?select=name,client(name)&client.secret=eq.x",
        "projects?select=name,client(name)&order=client(secret)",
        "silos?select=name,task(title)",
        "tasks?select=title,silos(name)",
    ] {
        let answer = app.get(&ann, &format!("/api/v1/{path}")).await.expect(400);
        assert!(!answer.text.contains("did you mean `secret`"), "{}", answer.text);
    }
    app.close().await;
}
