//! Import and export: real files, all or nothing, each refused row by its line.

use std::io::Cursor;

use hedgerow::export::export;
use hedgerow::import::{Format, ImportOptions, ImportReport, Missing, Owner, Refusal, import};
use hedgerow::users::User;
use hedgerow::{Caller, Ctx, Error};
use hedgerow_testing::{TestApp, TestUser};

const PLANES: &str = "access = { read = \"signed_in\", write = \"admin\" }\nfields.tailnum = { type = \"text\", unique = true, max_length = 10 }";
const HANGARS: &str = "fields.code = { type = \"integer\", unique = true }";
const FLIGHTS: &str = r#"
fields.number = { type = "integer", required = true, unique = true, min = 1 }
fields.planeId = { type = "relation", entity = "planes" }
fields.hangar = { type = "relation", entity = "hangars" }
fields.status = { type = "select", options = ["on", "off"], default = "on", required = true }
fields.note = { type = "text" }
fields.extra = { type = "json" }
fields.price = { type = "number" }
fields.at = { type = "datetime" }
fields.cargo = { type = "boolean" }
fields.checkedBy = { type = "relation", entity = "planes", read_only = true }
fields.checkedAt = { type = "datetime", read_only = true, default = "now()" }
"#;

async fn app() -> (TestApp, TestUser, TestUser) {
    let app = TestApp::with(&[("planes", PLANES), ("hangars", HANGARS), ("flights", FLIGHTS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let root = app.user_with("root", "admin", &["*"]).await;
    let report = run(&app, &root.user, &options("planes"), "tailnum\nN1\nN2\n").await.expect("planes");
    assert_eq!((report.read, report.written, report.owners), (2, 2, 1));
    (app, ann, bob)
}

fn options(entity: &str) -> ImportOptions {
    ImportOptions::new(entity, Format::Csv)
}

/// Options for rows whose owner stands in a column.
fn options_by(entity: &str, column: &str) -> ImportOptions {
    ImportOptions { owner: Owner::Column(column.to_owned()), ..options(entity) }
}

async fn run(app: &TestApp, user: &User, options: &ImportOptions, text: &str) -> Result<ImportReport, Error> {
    let ctx = Ctx::new(app.app.world(), Caller::from(user), "test");
    import(&ctx, &app.app, options, Cursor::new(text.to_owned()), &mut |_| {}).await
}

/// `4: note too_long, 7: …`
fn refusals(report: &ImportReport) -> String {
    let lines = report.refusals.iter().map(|refusal| {
        let errors: Vec<_> =
            refusal.errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect();
        format!("{}: {}", refusal.line, errors.join(" & "))
    });
    lines.collect::<Vec<_>>().join(", ")
}

async fn count(app: &TestApp) -> String {
    app.database.column("SELECT count(*) FROM flights").await.remove(0)
}

#[tokio::test]
async fn rows_go_to_the_owners_that_a_column_names() {
    let (app, ann, bob) = app().await;
    let mut options = options_by("flights", "who");
    options.matches = vec!["planeId=planes.tailnum".parse().expect("a match")];
    options.rename = vec![("tail".to_owned(), "planeId".to_owned())];
    options.missing = Missing::Null;
    options.nulls = vec!["NA".to_owned()];
    options.ignore = vec!["junk".to_owned()];
    let file = format!(
        "who,number,tail,note,junk,userId\nANN@example.com,1,N1,\"a, \"\"b\"\"\",x,eve\n{},2,N9,NA,x,eve\nann@example.com,3,NA,,x,eve\n",
        bob.user.id
    );
    let report = run(&app, &ann.user, &options, &file).await.expect("a report");
    assert_eq!((report.written, report.owners, report.unmatched), (3, 2, 1));
    assert_eq!(report.left_out, ["userId"]);
    let rows = "SELECT \"userId\" || ' ' || number || ' ' || coalesce((SELECT tailnum FROM planes WHERE id = \"planeId\"), '-') || ' ' || coalesce(note, '-') || ' ' || status FROM flights ORDER BY number";
    let (ann, bob) = (ann.user.id, bob.user.id);
    assert_eq!(
        app.database.column(rows).await,
        [format!("{ann} 1 N1 a, \"b\" on"), format!("{bob} 2 - - on"), format!("{ann} 3 - - on")]
    );
    app.close().await;
}

#[tokio::test]
async fn one_refused_row_refuses_all_and_every_one_is_named() {
    let (app, ann, _) = app().await;
    let mut options = options("flights");
    options.matches = vec!["planeId=planes.tailnum".parse().expect("a match")];
    let file = "number,status,planeId\n1,on,N1\nx,on,N1\n3,maybe,N1\n4,on,N9\n,on,\n6\n7,on,\n";
    let report = run(&app, &ann.user, &options, file).await.expect("a report");
    insta::assert_snapshot!(refusals(&report), @"3: number invalid_integer, 4: status not_an_option, 5: planeId relation_not_found, 6: number required, 7:  invalid_row");
    assert_eq!((report.read, report.refused, report.written), (7, 5, 0));
    assert_eq!(count(&app).await, "0");

    options.refusal = Refusal::SkipsRow;
    let report = run(&app, &ann.user, &options, file).await.expect("a report");
    assert_eq!((report.refused, report.written), (5, 2));
    assert_eq!(count(&app).await, "2");
    app.close().await;
}

#[tokio::test]
async fn rows_that_the_database_refuses_are_found_in_their_batch() {
    let (app, ann, bob) = app().await;
    let mut options = options("flights");
    // Twice the same number: the second is refused, wherever in 2,500 rows it stands.
    let mut file = String::from("number\n");
    for n in 1..=2500 {
        file.push_str(&format!("{}\n", if n == 1234 { 1200 } else { n }));
    }
    let report = run(&app, &ann.user, &options, &file).await.expect("a report");
    assert_eq!(refusals(&report), "1235: number already_exists");
    assert_eq!((report.written, count(&app).await.as_str()), (0, "0"));
    options.refusal = Refusal::SkipsRow;
    let report = run(&app, &ann.user, &options, &file).await.expect("a report");
    assert_eq!((report.written, report.refused), (2499, 1));
    // The same again: every row is there already, and bob's are bob's own.
    let again = run(&app, &ann.user, &options, &file).await.expect("a report");
    assert_eq!((again.written, again.refused), (0, 2500));
    assert_eq!(run(&app, &bob.user, &options, &file).await.expect("a report").written, 2499);
    app.close().await;
}

#[tokio::test]
async fn natural_keys_are_looked_up_among_the_owners_rows() {
    let (app, ann, bob) = app().await;
    for user in [&ann, &bob] {
        let report = run(&app, &user.user, &options("hangars"), "code\n5\n").await;
        assert_eq!(report.expect("a report").written, 1);
    }
    let mut options = options_by("flights", "who");
    options.matches = vec!["hangar=hangars.code".parse().expect("a match")];
    let report =
        run(&app, &ann.user, &options, "who,number,hangar\nann@example.com,1,5\nbob@example.com,2,5\n")
            .await
            .expect("a report");
    assert_eq!(report.written, 2);
    let mixed =
        "SELECT count(*) FROM flights f JOIN hangars h ON h.id = f.hangar WHERE h.\"userId\" <> f.\"userId\"";
    assert_eq!(app.database.column(mixed).await, ["0"]);
    let found = "SELECT count(*) FROM flights f JOIN hangars h ON h.id = f.hangar";
    assert_eq!(app.database.column(found).await, ["2"]);
    app.close().await;
}

#[tokio::test]
async fn json_keeps_its_types() {
    let (app, ann, _) = app().await;
    let mut options = options("flights");
    options.format = Format::Ndjson;
    let file = "{\"number\": 1, \"extra\": {\"a\": [1, 2.50]}, \"cargo\": true}\n\n{\"number\": \"2\", \"nope\": 1}\nnonsense\n[1]\n{\"number\": 3, \"cargo\": \"true\"}\n";
    let report = run(&app, &ann.user, &options, file).await.expect("a report");
    insta::assert_snapshot!(refusals(&report), @"3: nope unknown_field, 4:  invalid_json, 5:  invalid_row, 6: cargo invalid_boolean");
    options.format = Format::Json;
    let report = run(
        &app,
        &ann.user,
        &options,
        "[{\"number\": 1, \"extra\": {\"a\": [1, 2.50]}}, {\"number\": 2, \"status\": null}]",
    )
    .await;
    assert_eq!(report.expect("a report").written, 2);
    assert_eq!(
        app.database.column("SELECT extra::text FROM flights WHERE number = 1").await,
        ["{\"a\": [1, 2.50]}"]
    );
    let error = run(&app, &ann.user, &options, "{\"number\": 1}").await.expect_err("no array");
    assert!(error.public_message().contains("no array of objects"), "{}", error.public_message());
    app.close().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_meant_is_refused_before_the_first_row() {
    let (app, ann, _) = app().await;
    let check = async |options: &ImportOptions, file: &str, expected: &str| {
        let error = run(&app, &ann.user, options, file).await.expect_err(expected);
        let found: Vec<_> =
            error.inputs().iter().map(|input| format!("{} {}", input.field, input.code)).collect();
        let found = if found.is_empty() { error.code().to_owned() } else { found.join(", ") };
        assert_eq!(found, expected);
    };
    check(&options("nothing"), "a\n", "unknown_entity").await;
    check(&options("flights"), "number,colour,size\n1,2,3\n", "colour unknown_field, size unknown_field")
        .await;
    check(&options("flights"), "number,number\n", " unreadable_file").await;
    // One stray quote would make one cell of all that follows; what was read before it is undone.
    let many: String = (1..3000).map(|n| format!("{n},\"a note\"\n")).collect();
    check(&options("flights"), &format!("number,note\n{many}3000,\"a note\n3001,x\n"), " unreadable_file")
        .await;
    assert_eq!(count(&app).await, "0");
    check(&options_by("flights", "who"), "number\n1\n", "who missing_column").await;
    check(&options("planes"), "tailnum\nN3\n", "admin_only").await;
    let mut with_match = options("flights");
    for (text, expected) in [
        ("nope=planes.tailnum", "nope invalid_match"),
        ("note=planes.tailnum", "note invalid_match"),
        ("planeId=hangars.code", "planeId invalid_match"),
        ("planeId=planes.nope", "planeId invalid_match"),
        ("planeId=planes.tailnum", "planeId missing_column"),
        ("checkedBy=planes.tailnum", "checkedBy invalid_match"),
    ] {
        with_match.matches = vec![text.parse().expect("a match")];
        check(&with_match, "number\n1\n", expected).await;
    }
    let unknown =
        run(&app, &ann.user, &options_by("flights", "who"), "who,number\neve@example.com,1\n,2\n").await;
    assert_eq!(refusals(&unknown.expect("a report")), "2: who unknown_user, 3: who required");
    app.close().await;
}

#[tokio::test]
async fn what_is_exported_can_be_imported_again() {
    let (app, ann, bob) = app().await;
    let mut options = options("flights");
    let file = "number,note,price,at,cargo,extra\n1,\"a, \"\"b\"\"\nc\",12.50,2026-01-31T09:30:00.123Z,true,\"{\"\"a\"\": 1}\"\n2,,,,,\n";
    assert_eq!(run(&app, &ann.user, &options, file).await.expect("a report").written, 2);
    for (format, other) in
        [(Format::Csv, Format::Csv), (Format::Ndjson, Format::Ndjson), (Format::Json, Format::Json)]
    {
        let mut out = Vec::new();
        let rows =
            export(&app.app, "flights", Some(&ann.user.id), format, &mut out).await.expect("an export");
        assert_eq!(rows, 2);
        let text = String::from_utf8(out).expect("text");
        app.database.sql(&format!("DELETE FROM flights WHERE \"userId\" = '{}'", bob.user.id)).await;
        options.format = other;
        let report = run(&app, &bob.user, &options, &text).await.expect("a report");
        assert_eq!((report.written, report.refused), (2, 0), "{text}\n{report:?}");
        assert_eq!(report.left_out, ["id", "userId", "checkedBy", "checkedAt", "createdAt", "updatedAt"]);
        let same = "SELECT count(*) FROM flights a JOIN flights b USING (number, status)
            WHERE a.\"userId\" < b.\"userId\" AND (a.note, a.price, a.at, a.cargo, a.extra) IS NOT DISTINCT FROM (b.note, b.price, b.at, b.cargo, b.extra)";
        assert_eq!(app.database.column(same).await, ["2"], "{text}");
    }
    // Without a user: every user's own rows, and nothing twice.
    let mut out = Vec::new();
    assert_eq!(export(&app.app, "flights", None, Format::Csv, &mut out).await.expect("an export"), 4);
    let mut out = Vec::new();
    assert_eq!(export(&app.app, "planes", None, Format::Csv, &mut out).await.expect("an export"), 2);
    let mut out = Vec::new();
    assert_eq!(export(&app.app, "hangars", None, Format::Json, &mut out).await.expect("an export"), 0);
    assert_eq!(out, b"[]\n");
    app.close().await;
}
