//! One row with a field of every type, on all its ways in and out; and tables whose columns were there before.

use std::io::Cursor;

use hedgerow::export::export;
use hedgerow::import::{Format, ImportOptions, import};
use hedgerow::schema::{FieldKind, Pattern};
use hedgerow::{Caller, Ctx};
use hedgerow_testing::{TestApp, TestUser};
use insta::assert_snapshot;
use serde_json::{Value, json};

const THINGS: &str = r#"
fields.name = { type = "text", required = true, max_length = 50, pattern = '[A-Z][\w ]*', searchable = true }
fields.text = { type = "textarea" }
fields.story = { type = "markdown" }
fields.mail = { type = "email" }
fields.link = { type = "url" }
fields.phone = { type = "phone", unique = true }
fields.slug = { type = "slug", max_length = 50, unique = true }
fields.count = { type = "integer", min = 0 }
fields.price = { type = "number", precision = 12, scale = 2 }
fields.done = { type = "boolean" }
fields.day = { type = "date", min = 2026-01-01 }
fields.at = { type = "datetime", max = "2100-01-01T00:00:00Z" }
fields.opens = { type = "time", min = "06:00" }
fields.extra = { type = "json", schema = { type = "object", properties = { size = { type = "integer" } } } }
fields.state = { type = "select", options = ["new", "old"], default = "new" }
fields.colours = { type = "multiselect", options = ["red", "it's blue", "a;b"] }
fields.tags = { type = "tags", default = ["first"] }
fields.parent = { type = "relation", entity = "things", on_delete = "set_null" }
fields.others = { type = "relation_many", entity = "things" }
fields.helper = { type = "user", on_delete = "set_null" }
fields.external = { type = "uuid", indexed = true }
fields.country = { type = "country" }
fields.currency = { type = "currency", default = "EUR" }
fields.zone = { type = "timezone" }
fields.photo = { type = "file" }

[[indexes]]
fields = ["day", "createdAt"]

[[indexes]]
fields = ["country", "currency", "day"]
unique = true
"#;

const EXTERNAL: &str = "01890A5D-AC96-774B-BCCE-B302099A8057";

fn thing(helper: &TestUser) -> Value {
    json!({
        "name": "Big thing", "text": "a\nb", "story": "# a", "mail": "ann@example.com", "link": "https://example.com/a?b",
        "phone": "+49 (30) 1234-56", "slug": "big-thing", "count": 9_007_199_254_740_993_i64, "price": 12.5, "done": true,
        "day": "2026-02-28", "at": "2026-02-28T10:00:00.5+02:00", "opens": "09:30", "extra": {"size": 3},
        "state": "old", "colours": ["a;b", "red"], "tags": ["b", "a, \"quoted\" \\ {x}", "NULL", " c"], "helper": helper.user.id.as_str(), "external": EXTERNAL, "country": "DE", "currency": "CHF",
        "zone": "Europe/Zurich", "photo": "uploads/ä.png"
    })
}

/// A row without what differs from run to run.
fn stable(row: &Value) -> String {
    let mut row = row.clone();
    for key in ["id", "userId", "createdAt", "updatedAt", "helper"] {
        if row[key].is_string() {
            row[key] = json!("…");
        }
    }
    row.to_string()
}

#[tokio::test]
async fn every_type_goes_in_and_comes_out() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let schema = app.app.schema();
    let things = schema.entity("things").expect("things");
    for name in FieldKind::NAMES {
        assert!(things.fields.iter().any(|field| field.kind.name() == *name), "{name} is not tested here");
    }

    let created = app.post(&ann, "/api/v1/things", thing(&bob)).await.expect(201);
    let row = created.json();
    assert_snapshot!(stable(&row));
    assert_eq!(row["helper"], bob.user.id.as_str());
    let path = created.header("location").expect("a location").to_owned();
    assert_eq!(app.get(&ann, &path).await.expect(200).json(), row);

    let change = json!({
        "phone": null, "opens": "23:59:59.123456", "colours": [], "tags": ["x"], "external": null, "parent": row["id"],
        "zone": "UTC", "extra": null, "day": "9999-12-31"
    });
    let select = "select=phone,opens,colours,tags,external,zone,extra,day";
    let changed = app.patch(&ann, &format!("{path}?{select}"), change).await.expect(200);
    assert_snapshot!(changed.text, @r#"{"phone":null,"opens":"23:59:59.123456","colours":[],"tags":["x"],"external":null,"zone":"UTC","extra":null,"day":"9999-12-31"}"#);
    let replaced = app.put(&ann, &path, json!({"name": "Anew"})).await.expect(200).json();
    assert_eq!(replaced["tags"], json!(["first"]), "the default comes back");
    assert_eq!(replaced["colours"], Value::Null);
    app.close().await;
}

#[tokio::test]
async fn many_rows_have_lists_of_different_lengths() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let ann = app.user("ann").await;
    let body = json!([
        {"name": "A", "tags": [], "opens": "10:00", "external": EXTERNAL, "helper": ann.user.id.as_str()},
        {"name": "B", "tags": ["a\\\"b", "{}", "c,d"], "opens": "11:00:00.5", "external": EXTERNAL, "helper": ann.user.id.as_str()},
        {"name": "C", "tags": null, "opens": null, "external": null, "helper": null}
    ]);
    let made = app.post(&ann, "/api/v1/things?select=name,tags,opens,external", body).await.expect(201);
    assert_snapshot!(made.text);
    app.close().await;
}

#[tokio::test]
async fn every_type_can_be_filtered_as_far_as_it_says() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let _ = app.post(&ann, "/api/v1/things", thing(&bob)).await.expect(201);
    let _ = app.post(&ann, "/api/v1/things", json!({"name": "Other", "tags": null})).await.expect(201);
    for (query, names) in [
        ("story=like.%23*", "Big thing"),
        ("phone=eq.%2B49 30 123456", "Big thing"),
        ("phone=like.%2B49*", "Big thing"),
        ("slug=in.(big-thing,other)", "Big thing"),
        ("opens=gt.09:00&opens=lt.10:00:00.5", "Big thing"),
        ("at=eq.2026-02-28T08:00:00.5Z", "Big thing"),
        ("external=eq.01890a5d-ac96-774b-bcce-b302099a8057", "Big thing"),
        (&format!("external=in.({EXTERNAL})"), "Big thing"),
        (&format!("helper=eq.{}", bob.user.id), "Big thing"),
        ("country=neq.FR", "Big thing"),
        ("zone=ilike.europe/*", "Big thing"),
        ("tags=is.null", "Other"),
        ("colours=not.is.null", "Big thing"),
        ("order=external.nullsfirst", "Other Big thing"),
        ("order=opens", "Big thing Other"),
    ] {
        let query = query.replace(' ', "%20");
        let answer = app.get(&ann, &format!("/api/v1/things?{query}")).await.expect(200).json();
        let found: Vec<&str> =
            answer.as_array().expect("rows").iter().filter_map(|row| row["name"].as_str()).collect();
        assert_eq!(found.join(" "), names, "{query}");
    }
    let mut answers = String::new();
    for query in [
        "tags=eq.a",
        "colours=gt.{a}",
        "order=tags",
        "opens=eq.9",
        "opens=like.0*",
        "external=eq.x",
        "external=like.0*",
    ] {
        let problem = app.get(&ann, &format!("/api/v1/things?{query}")).await;
        answers.push_str(&format!("{query} => {}\n", problem.problem()));
    }
    assert_snapshot!(answers, @r"
    tags=eq.a => 400 invalid_filter [tags: invalid_filter]
    colours=gt.{a} => 400 unsupported_operator [colours: unsupported_operator]
    order=tags => 400 invalid_order [order: invalid_order]
    opens=eq.9 => 400 invalid_time [opens: invalid_time]
    opens=like.0* => 400 unsupported_operator [opens: unsupported_operator]
    external=eq.x => 400 invalid_uuid [external: invalid_uuid]
    external=like.0* => 400 unsupported_operator [external: unsupported_operator]
    ");
    app.close().await;
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let _ = app.post(&ann, "/api/v1/things", thing(&bob)).await.expect(201);
    let lists = json!([
        {"name": "Empty", "tags": [], "colours": ["it's blue", "red"]},
        {"name": "Brackets", "tags": ["[x]", "y"], "colours": ["a;b"]},
        {"name": "None", "tags": ["x; y"], "colours": null}
    ]);
    let _ = app.post(&ann, "/api/v1/things", lists).await.expect(201);
    let rows = async |user: &TestUser| {
        let rows = app.get(user, "/api/v1/things?order=name").await.expect(200).json();
        rows.as_array().expect("rows").iter().map(stable).collect::<Vec<_>>()
    };
    let made = rows(&ann).await;
    for format in [Format::Csv, Format::Ndjson, Format::Json] {
        let mut file = Vec::new();
        let written =
            export(&app.app, "things", Some(&ann.user.id), format, &mut file).await.expect("an export");
        assert_eq!(written, 4);
        let file = String::from_utf8(file).expect("text");
        if format == Format::Csv {
            assert!(file.contains(",red;it's blue,[],"), "{file}");
        }
        let ctx = Ctx::new(app.app.world(), Caller::from(&bob.user), "test");
        let options = ImportOptions::new("things", format);
        let report = import(&ctx, &app.app, &options, Cursor::new(file), &mut |_| {}).await;
        let report = report.expect("an import");
        assert_eq!((report.written, report.refused), (4, 0), "{:?}", report.refusals);
        assert_eq!(rows(&bob).await, made, "{format:?}");
        app.database.sql(&format!("DELETE FROM things WHERE \"userId\" = '{}'", bob.user.id)).await;
    }
    app.close().await;
}

#[tokio::test]
async fn the_database_holds_the_rules_by_itself() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let ann = app.user("ann").await;
    let insert = async |column: &str, literal: &str| {
        let id = &ann.user.id;
        let columns = if column == "name" { String::new() } else { "name, ".to_owned() };
        let values = if column == "name" { "" } else { "'A', " };
        let sql = format!(
            "INSERT INTO things ({columns}\"{column}\", \"userId\") VALUES ({values}{literal}, '{id}') RETURNING id"
        );
        app.database.try_column(&sql).await.err()
    };
    for (column, literal, constraint) in [
        ("name", "'a'", "things_name_pattern"),
        ("mail", "'a b@c'", "things_mail_email"),
        ("link", "'ftp://x'", "things_link_url"),
        ("phone", "'0301234'", "things_phone_phone"),
        ("slug", "'A'", "things_slug_slug"),
        ("day", "'2025-12-31'", "things_day_min"),
        ("at", "'2100-01-01T00:00:01Z'", "things_at_max"),
        ("opens", "'05:59'", "things_opens_min"),
        ("state", "'other'", "things_state_options"),
        ("colours", "'{red,green}'", "things_colours_options"),
        ("colours", "'{NULL}'", "things_colours_options"),
        ("tags", "'{NULL}'", "things_tags_tags"),
        ("tags", "array_fill('x'::text, '{101}')", "things_tags_tags"),
        ("country", "'de'", "things_country_country"),
        ("currency", "'EURO'", "things_currency_currency"),
        ("photo", "''", "things_photo_file"),
        ("photo", "E'a\\nb'", "things_photo_file"),
        ("helper", "'nobody'", "things_helper_fkey"),
    ] {
        let said = insert(column, literal).await;
        let said = said.unwrap_or_else(|| panic!("{column} = {literal} was taken"));
        assert!(said.contains(constraint), "{column} = {literal}: {said}");
    }
    // Lists of lists are no list of a field; where SQL made one, it is shown and nothing breaks.
    assert_eq!(insert("colours", "'{{red},{red}}'").await, None);
    let shown = app.get(&ann, "/api/v1/things?colours=not.is.null&select=colours").await.expect(200);
    assert_snapshot!(shown.text, @r#"[{"colours":[["red"],["red"]]}]"#);
    app.close().await;
}

#[tokio::test]
async fn a_pattern_means_the_same_in_postgresql() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let texts = [
        "", "a", "ab", "A1", "a-b", "a]b", "a}", "x y", "\t", "a\nb", "AB-12", "_", "a.b", "\\", "^", "aaa",
        "[", "a|b",
    ];
    for pattern in [
        "a|b",
        "^a$",
        r"[A-Z]{2}-\d{1,3}",
        r"\w+\s\S*?",
        r"[\w.\-]+",
        "[[:upper:]_]+}?",
        "a.b",
        "(?:a(b)?)+",
        r"a\]b|\^|\\|\_",
        r"[\]\[^-]",
        "[^a-z]*",
        "a{2,}",
        "()a",
        "a||b",
        r"\t|\n",
        r"[\t ]",
        "[a-]+",
        r"a\|b",
        "(a|ab)(|b)",
        r"[\d_]",
        "a{0,255}",
        r"a\}|\$|\#|\/",
        "]|}",
    ] {
        let parsed = Pattern::parse(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
        for text in texts {
            let sql = format!("SELECT ({} ~ {})::text", literal(text), literal(&format!("^(?:{pattern})$")));
            let matches = app.database.column(&sql).await;
            assert_eq!(matches, [parsed.matches(text).to_string()], "{pattern:?} on {text:?}");
        }
    }
    app.close().await;
}

fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

const ADOPTED: &str = r#"
fields.at = { type = "datetime", sql_type = "timestamp", default = "now()", min = "2000-01-01T00:00:00Z", indexed = true }
fields.qty = { type = "integer", sql_type = "integer", min = 0 }
fields.rank = { type = "integer", sql_type = "smallint" }
fields.weight = { type = "number", sql_type = "real", min = 0 }
fields.ratio = { type = "number", sql_type = "double precision" }
fields.name = { type = "text", sql_type = "varchar(5)", pattern = "[a-z]+", indexed = true }
fields.extra = { type = "json", sql_type = "json" }
fields.day = { type = "date" }
"#;

#[tokio::test]
async fn columns_may_keep_the_types_they_had() {
    let app = TestApp::with(&[("adopted", ADOPTED)]).await;
    let ann = app.user("ann").await;
    // Whatever the database thinks the time zone is.
    let name = app.database.column("SELECT current_database()").await.remove(0);
    app.database.sql(&format!("ALTER DATABASE \"{name}\" SET timezone = 'Asia/Tokyo'")).await;
    let row = |n: i64| {
        json!({"at": "2026-01-31T23:30:00.25+01:00", "qty": n, "rank": -n, "weight": 0.1, "ratio": 0.30000000000000004, "name": "x",
               "extra": {"b": 1, "a": [1.5]}, "day": "2026-01-31"})
    };
    let select = "select=at,qty,rank,weight,ratio,name,extra,day";
    let one = app.post(&ann, &format!("/api/v1/adopted?{select}"), row(1)).await.expect(201);
    assert_snapshot!(one.text, @r#"{"at":"2026-01-31T22:30:00.250Z","qty":1,"rank":-1,"weight":0.1,"ratio":0.30000000000000004,"name":"x","extra":{"a": [1.5], "b": 1},"day":"2026-01-31"}"#);
    let many =
        app.post(&ann, &format!("/api/v1/adopted?{select}"), json!([row(2), row(3)])).await.expect(201);
    assert!(
        many.text.contains(
            r#"{"at":"2026-01-31T22:30:00.250Z","qty":3,"rank":-3,"weight":0.1,"ratio":0.30000000000000004"#
        ),
        "{}",
        many.text
    );
    assert_eq!(
        app.database.column("SELECT DISTINCT at::text FROM adopted").await,
        ["2026-01-31 22:30:00.25"]
    );
    for (query, quantities) in [
        ("at=eq.2026-01-31T22:30:00.25Z", "1 2 3"),
        ("at=in.(2026-01-31T22:30:00.25Z,2026-01-01T00:00:00Z)", "1 2 3"),
        ("at=gt.2026-01-31T22:30:00.25Z", ""),
        ("weight=eq.0.1", "1 2 3"),
        ("ratio=in.(0.30000000000000004)", "1 2 3"),
        ("qty=gt.1&rank=neq.-3", "2"),
        ("qty=lt.9223372036854775807&name=like.x*", "1 2 3"),
        ("extra=not.is.null&name=in.(x,y)", "1 2 3"),
    ] {
        let rows =
            app.get(&ann, &format!("/api/v1/adopted?{query}&order=qty,at.desc")).await.expect(200).json();
        let found: Vec<String> =
            rows.as_array().expect("rows").iter().map(|row| row["qty"].to_string()).collect();
        assert_eq!(found.join(" "), quantities, "{query}");
    }
    let changed = app
        .patch(
            &ann,
            "/api/v1/adopted?qty=eq.2&select=at,weight,extra",
            json!({"at": "2026-06-01T00:00:00Z", "weight": 7, "extra": []}),
        )
        .await;
    assert_snapshot!(changed.expect(200).text, @r#"[{"at":"2026-06-01T00:00:00.000Z","weight":7,"extra":[]}]"#);
    // A new row's own moment is UTC too.
    let fresh = app.post(&ann, "/api/v1/adopted?select=at,createdAt", json!({})).await.expect(201).json();
    assert_eq!(fresh["at"], fresh["createdAt"]);
    let mut answers = String::new();
    for body in [
        json!({"qty": 2_147_483_648_i64}),
        json!({"rank": 32768}),
        json!({"weight": 1e39}),
        json!({"ratio": "1e-400"}),
        json!({"name": "abcdef"}),
        json!({"at": "1999-12-31T23:59:59Z"}),
    ] {
        answers.push_str(&format!(
            "{body} => {}\n",
            app.post(&ann, "/api/v1/adopted", body.clone()).await.problem()
        ));
    }
    assert_snapshot!(answers);
    app.close().await;
}
