//! Walking through lists: cursors, offsets, ranges and counts.

use hedgerow_testing::{Answer, TestApp, TestUser, Who};
use insta::assert_snapshot;
use serde_json::{Value, json};

const TASKS: &str = r#"
fields.title = { type = "text", required = true, max_length = 200 }
fields.due = { type = "date" }
fields.points = { type = "integer" }
"#;

/// `n` tasks t00, t01, …; every third has no day.
async fn tasks(app: &TestApp, user: &TestUser, n: usize) {
    let rows: Vec<Value> = (0..n)
        .map(|at| match at % 3 {
            0 => json!({"title": format!("t{at:02}")}),
            _ => json!({"title": format!("t{at:02}"), "due": format!("2026-01-{:02}", at % 5 + 1)}),
        })
        .collect();
    let _ = app.post(user, "/api/v1/tasks", json!(rows)).await.expect(201);
}

fn titles(answer: &Answer) -> Vec<String> {
    let rows = answer.json();
    let title = |row: &Value| row["title"].as_str().expect("a title").to_owned();
    rows.as_array().expect("an array").iter().map(title).collect()
}

/// Where a link of the answer leads.
fn link(answer: &Answer, rel: &str) -> Option<String> {
    let links = answer.header("link")?.split(", ").map(str::to_owned);
    let suffix = format!(">; rel=\"{rel}\"");
    links.into_iter().find_map(|link| link.strip_prefix('<')?.strip_suffix(&suffix).map(str::to_owned))
}

/// The relations of an answer's links.
fn rels(answer: &Answer) -> String {
    let known = ["first", "prev", "next"];
    known.into_iter().filter(|rel| link(answer, rel).is_some()).collect::<Vec<_>>().join(" ")
}

/// All pages behind a path, forward; then back again from the last one.
async fn walk(app: &TestApp, user: &TestUser, path: &str) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let mut answer = app.get(user, path).await.expect(200);
    let mut forward = vec![titles(&answer)];
    while let Some(next) = link(&answer, "next") {
        answer = app.get(user, &next).await.expect(200);
        forward.push(titles(&answer));
    }
    let mut backward = vec![titles(&answer)];
    while let Some(prev) = link(&answer, "prev") {
        answer = app.get(user, &prev).await.expect(200);
        backward.push(titles(&answer));
    }
    (forward, backward)
}

#[tokio::test]
async fn a_list_is_walked_to_its_end_and_back() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let bob = app.user("bob").await;
    tasks(&app, &ann, 20).await;
    tasks(&app, &bob, 20).await;
    for order in [
        "title",
        "title.desc",
        "due,title",
        "due.desc",
        "due.nullsfirst,title.desc",
        "due.desc.nullslast,title",
        "points,due.desc",
        "createdAt",
        "id.desc",
    ] {
        let all = titles(&app.get(&ann, &format!("/api/v1/tasks?order={order}")).await.expect(200));
        assert_eq!(all.len(), 20, "{order}");
        for limit in [1, 3, 5, 19, 20] {
            let path = format!("/api/v1/tasks?order={order}&limit={limit}&select=title");
            let (forward, mut backward) = walk(&app, &ann, &path).await;
            assert_eq!(forward.concat(), all, "{path}");
            // No empty page at the end of a list that fills its pages exactly.
            assert_eq!(forward.len(), 20_usize.div_ceil(limit), "{path}");
            backward.reverse();
            assert_eq!(backward.concat(), all, "{path}");
        }
    }
    app.close().await;
}

#[tokio::test]
async fn each_page_links_to_those_around_it() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    tasks(&app, &ann, 6).await;
    let get = async |path: &str| app.get(&ann, path).await.expect(200);
    let first = get("/api/v1/tasks?order=title&limit=2&title=neq.x").await;
    assert_eq!((titles(&first).join(" "), rels(&first)), ("t00 t01".into(), "next".into()));
    assert_eq!(first.header("content-range"), Some("0-1/*"));
    let second = get(&link(&first, "next").expect("a page")).await;
    assert_eq!((titles(&second).join(" "), rels(&second)), ("t02 t03".into(), "first prev next".into()));
    // Where it begins is not known: rows before it may have come and gone.
    assert_eq!(second.header("content-range"), Some("*/*"));
    assert_snapshot!(link(&second, "first").expect("a page"), @"/api/v1/tasks?order=title&limit=2&title=neq.x");
    let third = get(&link(&second, "next").expect("a page")).await;
    assert_eq!((titles(&third).join(" "), rels(&third)), ("t04 t05".into(), "first prev".into()));
    let back = get(&link(&third, "prev").expect("a page")).await;
    assert_eq!((titles(&back).join(" "), rels(&back)), ("t02 t03".into(), "first prev next".into()));
    let start = get(&link(&back, "prev").expect("a page")).await;
    assert_eq!((titles(&start).join(" "), rels(&start)), ("t00 t01".into(), "first next".into()));

    // The rows behind a place may all be gone: the empty page still leads back, and on when rows come.
    let gone = link(&second, "next").expect("a page");
    let _ = app.delete(&ann, "/api/v1/tasks?title=gte.t04").await.expect(200);
    let empty = get(&gone).await;
    assert_eq!((titles(&empty).len(), rels(&empty)), (0, "first prev".into()));
    assert_eq!(titles(&get(&link(&empty, "prev").expect("a page")).await), ["t02", "t03"]);
    // And those before it.
    let before = link(&back, "prev").expect("a page");
    let _ = app.delete(&ann, "/api/v1/tasks?title=lt.t02").await.expect(200);
    let empty = get(&before).await;
    assert_eq!((titles(&empty).len(), rels(&empty)), (0, "first next".into()));
    assert_eq!(titles(&get(&link(&empty, "next").expect("a page")).await), ["t02", "t03"]);
    let nothing = get("/api/v1/tasks?title=eq.none").await;
    assert_eq!((nothing.header("content-range"), nothing.header("link")), (Some("*/*"), None));
    app.close().await;
}

#[tokio::test]
async fn moments_of_the_same_millisecond_are_told_apart() {
    let app =
        TestApp::with(&[("tasks", "fields.n = { type = \"integer\" }\nfields.at = { type = \"datetime\" }")])
            .await;
    let ann = app.user("ann").await;
    let insert = format!(
        "INSERT INTO tasks (\"userId\", n, at)
         SELECT '{}', n, '2026-01-31T09:30:00Z'::timestamptz + n * interval '1 microsecond' FROM generate_series(1, 50) n;
         INSERT INTO tasks (\"userId\", n, at) VALUES ('{0}', 0, '0044-03-15 12:00:00.000001+00 BC'), ('{0}', 51, '12345-01-01'),
             ('{0}', 52, 'infinity'), ('{0}', -1, '-infinity')",
        ann.user.id
    );
    app.database.sql(&insert).await;
    let mut answer = app.get(&ann, "/api/v1/tasks?order=at&limit=7&select=n").await.expect(200);
    let mut seen = Vec::new();
    loop {
        seen.extend(
            answer.json().as_array().expect("rows").iter().map(|row| row["n"].as_i64().expect("a number")),
        );
        let Some(next) = link(&answer, "next") else { break };
        answer = app.get(&ann, &next).await.expect(200);
    }
    assert_eq!(seen, (-1..=52).collect::<Vec<_>>());
    app.close().await;
}

#[tokio::test]
async fn a_cursor_opens_for_nobody_and_nothing_else() {
    let app = TestApp::with(&[("tasks", TASKS), ("notes", TASKS)]).await;
    let ann = app.user("ann").await;
    let bob = app.user("bob").await;
    tasks(&app, &ann, 5).await;
    tasks(&app, &bob, 5).await;
    let answer = app.get(&ann, "/api/v1/tasks?order=title&limit=2&title=neq.x").await.expect(200);
    let next = link(&answer, "next").expect("a page");
    let cursor = next.rsplit_once("cursor=").expect("a cursor").1.to_owned();
    let _ = app.get(&ann, &next).await.expect(200);
    let problem = async |who: &TestUser, path: &str| app.get(who, path).await.problem();
    assert_snapshot!(problem(&bob, &next).await, @"400 invalid_cursor [cursor: invalid_cursor]");
    for path in [
        format!("/api/v1/tasks?order=title&limit=2&cursor={cursor}"),
        format!("/api/v1/tasks?order=title&limit=2&title=neq.y&cursor={cursor}"),
        format!("/api/v1/tasks?order=title.desc&limit=2&title=neq.x&cursor={cursor}"),
        format!("/api/v1/tasks?order=due&limit=2&title=neq.x&cursor={cursor}"),
        format!("/api/v1/notes?order=title&limit=2&title=neq.x&cursor={cursor}"),
        format!("/api/v1/tasks?order=title&limit=2&title=neq.x&cursor={cursor}A"),
        format!("/api/v1/tasks?order=title&limit=2&title=neq.x&cursor=A{cursor}"),
        "/api/v1/tasks?cursor=".to_owned(),
        "/api/v1/tasks?cursor=x".to_owned(),
        "/api/v1/tasks?cursor=%00%ff'--".to_owned(),
    ] {
        assert_eq!(problem(&ann, &path).await, "400 invalid_cursor [cursor: invalid_cursor]", "{path}");
    }
    // Every single byte counts.
    for at in 0..cursor.len() {
        let other = if cursor.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
        let path = format!("/api/v1/tasks?order=title&limit=2&title=neq.x&cursor={changed}");
        assert_eq!(app.get(&ann, &path).await.status, 400, "{changed}");
    }
    // The order of the parameters, the size of a page and the columns are free.
    let freed = format!("/api/v1/tasks?cursor={cursor}&title=neq.x&select=title&limit=3&order=title.asc,id");
    assert_eq!(titles(&app.get(&ann, &freed).await.expect(200)), ["t02", "t03", "t04"]);
    assert_snapshot!(problem(&ann, &format!("{next}&offset=2")).await, @"400 cursor_and_offset [cursor: cursor_and_offset]");
    assert_snapshot!(problem(&ann, &format!("{next}&cursor={cursor}")).await, @"400 repeated_parameter [cursor: repeated_parameter]");
    let answer =
        app.patch(&ann, &format!("/api/v1/tasks?title=eq.t00&cursor={cursor}"), json!({"points": 1})).await;
    assert_snapshot!(answer.problem(), @"400 unsupported_parameter [cursor: unsupported_parameter]");
    // Another instance with the same secret understands it.
    let beside = TestApp::beside(&app).await;
    assert_eq!(titles(&beside.get(&ann, &next).await.expect(200)), ["t02", "t03"]);
    beside.close().await;
    app.close().await;
}

#[tokio::test]
async fn who_counts_rows_gets_offsets() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    tasks(&app, &ann, 5).await;
    let page = async |query: &str| {
        let answer = app.get(&ann, &format!("/api/v1/tasks?{query}")).await.expect(200);
        let [range, link] =
            ["content-range", "link"].map(|name| answer.header(name).unwrap_or("-").to_owned());
        format!("{} | {range} | {link}", titles(&answer).join(" "))
    };
    assert_snapshot!(page("order=title&offset=0&limit=2").await, @r#"t00 t01 | 0-1/* | </api/v1/tasks?order=title&limit=2&offset=2>; rel="next""#);
    assert_snapshot!(page("order=title&limit=2&offset=2").await, @r#"t02 t03 | 2-3/* | </api/v1/tasks?order=title&limit=2>; rel="first", </api/v1/tasks?order=title&limit=2>; rel="prev", </api/v1/tasks?order=title&limit=2&offset=4>; rel="next""#);
    assert_snapshot!(page("order=title&limit=2&offset=4").await, @r#"t04 | 4-4/* | </api/v1/tasks?order=title&limit=2>; rel="first", </api/v1/tasks?order=title&limit=2&offset=2>; rel="prev""#);
    assert_snapshot!(page("order=title&limit=2&offset=40").await, @r#" | */* | </api/v1/tasks?order=title&limit=2>; rel="first", </api/v1/tasks?order=title&limit=2&offset=38>; rel="prev""#);
    assert_snapshot!(page("order=title&limit=5").await, @"t00 t01 t02 t03 t04 | 0-4/* | -");
    assert_snapshot!(page("limit=0").await, @" | */* | -");
    app.close().await;
}

#[tokio::test]
async fn rows_are_counted_for_who_asks() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let bob = app.user("bob").await;
    tasks(&app, &ann, 5).await;
    tasks(&app, &bob, 50).await;
    let ask = async |method: &'static str, query: &str, count: &str| {
        let prefer = format!("count={count}");
        let headers = [("authorization", &*format!("Bearer {}", ann.key)), ("prefer", &prefer)];
        let answer = app.ask(Who::Headers(&headers), method, &format!("/api/v1/tasks?{query}"), None).await;
        let [range, kept] =
            ["content-range", "preference-applied"].map(|name| answer.header(name).unwrap_or("-").to_owned());
        if method == "HEAD" {
            assert_eq!(answer.text, "");
        }
        format!("{} {range} {kept}", answer.status)
    };
    assert_snapshot!(ask("GET", "", "exact").await, @"200 0-4/5 count=exact");
    assert_snapshot!(ask("GET", "limit=2", "exact").await, @"206 0-1/5 count=exact");
    assert_snapshot!(ask("GET", "limit=2&offset=3", "exact").await, @"206 3-4/5 count=exact");
    assert_snapshot!(ask("GET", "title=eq.none", "exact").await, @"200 */0 count=exact");
    assert_snapshot!(ask("GET", "limit=0", "exact").await, @"206 */5 count=exact");
    assert_snapshot!(ask("GET", "due=is.null", "exact").await, @"200 0-1/2 count=exact");
    assert_snapshot!(ask("GET", "offset=5", "exact").await, @"206 */5 count=exact");
    assert_snapshot!(ask("GET", "offset=6", "exact").await, @"416 */5 -");
    assert_snapshot!(ask("GET", "offset=6", "planned").await, @"206 */5 count=planned");
    assert_snapshot!(ask("GET", "limit=2", "planned").await, @"206 0-1/5 count=planned");
    assert_snapshot!(ask("GET", "limit=2", "estimated").await, @"206 0-1/5 count=estimated");
    assert_snapshot!(ask("HEAD", "limit=2", "exact").await, @"206 0-1/5 count=exact");
    assert_snapshot!(ask("HEAD", "titel=eq.x", "exact").await, @"400 - -");
    assert_snapshot!(ask("GET", "", "many").await, @"400 - -");
    let first = app.get(&ann, "/api/v1/tasks?limit=2").await.expect(200);
    let next = link(&first, "next").expect("a page");
    let next = next.split_once('?').expect("parameters").1;
    assert_snapshot!(ask("GET", next, "exact").await, @"206 */5 count=exact");

    let headers = [("authorization", &*format!("Bearer {}", ann.key)), ("prefer", "count=exact")];
    let beyond = app.get(Who::Headers(&headers), "/api/v1/tasks?offset=6").await.expect(416).json();
    assert_eq!(beyond["code"], "PGRST103");
    assert_snapshot!(beyond["details"].as_str().expect("details"), @"An offset of 6 was requested, but there are only 5 rows.");

    // Beyond the bound, a count that is not asked to be exact says no more than that; it tells nothing of others' rows.
    let many = format!(
        "INSERT INTO tasks (\"userId\", title) SELECT '{}', 'x' FROM generate_series(1, 12000)",
        ann.user.id
    );
    app.database.sql(&many).await;
    assert_snapshot!(ask("GET", "limit=1", "planned").await, @"206 0-0/10001 count=planned");
    assert_snapshot!(ask("GET", "limit=1", "exact").await, @"206 0-0/12005 count=exact");
    app.close().await;
}

#[tokio::test]
async fn a_range_of_rows_may_be_a_header() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    tasks(&app, &ann, 5).await;
    let ask = async |range: &str, query: &str| {
        let headers =
            [("authorization", &*format!("Bearer {}", ann.key)), ("range-unit", "items"), ("range", range)];
        app.get(Who::Headers(&headers), &format!("/api/v1/tasks?order=title{query}")).await
    };
    let answer = ask("1-2", "").await.expect(200);
    assert_eq!(
        (titles(&answer).join(" "), answer.header("content-range")),
        ("t01 t02".into(), Some("1-2/*"))
    );
    assert_eq!(titles(&ask("3-", "").await.expect(200)), ["t03", "t04"]);
    assert_snapshot!(ask("2-1", "").await.problem(), @"400 invalid_range [Range: invalid_range]");
    assert_snapshot!(ask("0-5000", "").await.problem(), @"400 invalid_limit [limit: invalid_limit]");
    assert_snapshot!(ask("0-1", "&limit=1").await.problem(), @"400 two_ranges [Range: two_ranges]");
    // Of bytes a list has none: the header says nothing then.
    let headers = [("authorization", &*format!("Bearer {}", ann.key)), ("range", "bytes=0-10")];
    assert_eq!(titles(&app.get(Who::Headers(&headers), "/api/v1/tasks").await.expect(200)).len(), 5);
    app.close().await;
}

#[tokio::test]
async fn where_rows_have_no_place_links_have_offsets() {
    let app = TestApp::with(&[("tasks", &format!("{TASKS}fields.extra = {{ type = \"json\" }}\n"))]).await;
    let ann = app.user("ann").await;
    tasks(&app, &ann, 5).await;
    let by_path = "/api/v1/tasks?order=extra-%3E%3Ea,title&limit=2";
    let (forward, backward) = walk(&app, &ann, by_path).await;
    assert_eq!(forward.concat(), ["t00", "t01", "t02", "t03", "t04"]);
    assert_eq!(backward.len(), 3);
    let refused = app.get(&ann, &format!("{by_path}&cursor=x")).await.problem();
    assert_snapshot!(refused, @"400 unsupported_cursor [cursor: unsupported_cursor]");
    // Grouped rows are counted as the rows that they are then.
    let headers = [("authorization", &*format!("Bearer {}", ann.key)), ("prefer", "count=exact")];
    let path = "/api/v1/tasks?select=due,n:count()&limit=1";
    let grouped = app.get(Who::Headers(&headers), path).await.expect(206);
    let days = app.get(&ann, "/api/v1/tasks?select=due,n:count()").await.expect(200).json();
    let days = days.as_array().expect("rows").len();
    assert_eq!(grouped.header("content-range"), Some(&*format!("0-0/{days}")));
    assert_eq!(rels(&grouped), "next");
    app.close().await;
}

#[tokio::test]
async fn the_trash_is_walked_like_a_list() {
    let app = TestApp::with(&[("tasks", &format!("soft_delete = true\n{TASKS}"))]).await;
    let ann = app.user("ann").await;
    tasks(&app, &ann, 7).await;
    let _ = app.delete(&ann, "/api/v1/tasks?title=gte.t02").await.expect(200);
    let (forward, mut backward) = walk(&app, &ann, "/api/v1/tasks/trash?order=title&limit=2").await;
    assert_eq!(forward, [vec!["t02", "t03"], vec!["t04", "t05"], vec!["t06"]]);
    backward.reverse();
    assert_eq!(backward.concat(), forward.concat());
    // A place in the trash is none among the living.
    let next = link(&app.get(&ann, "/api/v1/tasks/trash?order=title&limit=2").await, "next").expect("a page");
    let elsewhere = next.replace("/trash", "");
    assert_eq!(app.get(&ann, &elsewhere).await.problem(), "400 invalid_cursor [cursor: invalid_cursor]");
    app.close().await;
}
