//! Conditions that nobody would write by hand: random ones agree with what they mean, hostile ones do nothing.

use hedgerow_testing::{TestApp, TestUser};
use serde_json::{Value, json};

const ROWS: &str = r#"
fields.name = { type = "text", searchable = true }
fields.a = { type = "integer" }
fields.b = { type = "text" }
fields.c = { type = "boolean" }
fields.t = { type = "tags" }
fields.d = { type = "json" }
fields.of = { type = "relation", entity = "rows" }
fields.many = { type = "relation_many", entity = "rows" }
fields.hush = { type = "text", hidden = true }
"#;

const TEXTS: &[&str] = &["x", "xy", "y,z", "(q)", "it's \"\\", "", "ä*", "NULL", "not.null"];
const TAGS: &[&str] = &["p", "q", "r,s", "{}"];

/// xorshift64*: the same trees at each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).expect("31 bits") % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn some<'a>(&mut self, of: &[&'a str]) -> Vec<&'a str> {
        of.iter().copied().filter(|_| self.roll(2) == 0).collect()
    }
}

struct Row {
    a: Option<i64>,
    b: Option<&'static str>,
    c: Option<bool>,
    t: Option<Vec<&'static str>>,
}

fn rows(dice: &mut Dice) -> Vec<Row> {
    let mut row = || Row {
        a: (dice.roll(4) > 0).then(|| dice.roll(5) as i64 - 2),
        b: (dice.roll(4) > 0).then(|| dice.pick(TEXTS)),
        c: [None, Some(true), Some(false)][dice.roll(3)],
        t: (dice.roll(4) > 0).then(|| dice.some(TAGS)),
    };
    (0..20).map(|_| row()).collect()
}

/// A condition as it is sent, and what it is of each row: true, false or unknown.
type Condition = (String, Vec<Option<bool>>);

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn listed(items: &[&str]) -> String {
    items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(",")
}

fn leaf(dice: &mut Dice, rows: &[Row]) -> Condition {
    let of = |test: &dyn Fn(&Row) -> Option<bool>| rows.iter().map(test).collect::<Vec<_>>();
    let n = dice.roll(5) as i64 - 2;
    let text = dice.pick(TEXTS);
    let tags = dice.some(TAGS);
    let subset = |some: &[&str], all: &[&str]| some.iter().all(|one| all.contains(one));
    match dice.roll(18) {
        0 => (format!("a.eq.{n}"), of(&|row| Some(row.a? == n))),
        1 => (format!("a.neq.{n}"), of(&|row| Some(row.a? != n))),
        2 => (format!("a.gt.{n}"), of(&|row| Some(row.a? > n))),
        3 => (format!("a.lte.{n}"), of(&|row| Some(row.a? <= n))),
        4 => (format!("a.in.({n},1)"), of(&|row| Some([n, 1].contains(&row.a?)))),
        5 => (format!("a.isdistinct.{n}"), of(&|row| Some(row.a != Some(n)))),
        6 => ("a.is.null".to_owned(), of(&|row| Some(row.a.is_none()))),
        7 => (format!("b.eq.{}", quoted(text)), of(&|row| Some(row.b? == text))),
        8 => (format!("b.in.({},x)", quoted(text)), of(&|row| Some([text, "x"].contains(&row.b?)))),
        9 => {
            let items = dice.some(TEXTS);
            let condition = format!("b.eq(any).{{{}}}", listed(&items));
            (condition, of(&|row| if items.is_empty() { Some(false) } else { Some(items.contains(&row.b?)) }))
        }
        10 => ("b.like.x*".to_owned(), of(&|row| Some(row.b?.starts_with('x')))),
        11 => ("b.not.is.null".to_owned(), of(&|row| Some(row.b.is_some()))),
        12 => ("c.is.true".to_owned(), of(&|row| Some(row.c == Some(true)))),
        13 => ("c.eq.false".to_owned(), of(&|row| Some(!row.c?))),
        14 => ("c.is.unknown".to_owned(), of(&|row| Some(row.c.is_none()))),
        15 => (format!("t.cs.{{{}}}", listed(&tags)), of(&|row| Some(subset(&tags, row.t.as_ref()?)))),
        16 => (format!("t.cd.{{{}}}", listed(&tags)), of(&|row| Some(subset(row.t.as_ref()?, &tags)))),
        _ => {
            let any = |own: &[&str]| own.iter().any(|one| tags.contains(one));
            (format!("t.ov.{{{}}}", listed(&tags)), of(&|row| Some(any(row.t.as_ref()?))))
        }
    }
}

fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn tree(dice: &mut Dice, rows: &[Row], depth: usize) -> Condition {
    if depth == 0 || dice.roll(3) == 0 {
        return leaf(dice, rows);
    }
    let parts: Vec<Condition> = (0..=dice.roll(3)).map(|_| tree(dice, rows, depth - 1)).collect();
    let texts: Vec<&str> = parts.iter().map(|(text, _)| text.as_str()).collect();
    let (is_or, is_not) = (dice.roll(2) == 0, dice.roll(3) == 0);
    let turned = |value: Option<bool>, is_turned: bool| value.map(|value| value != is_turned);
    let values = (0..rows.len()).map(|at| {
        // De Morgan: what is true of one is not false of all.
        let all = parts.iter().map(|(_, values)| turned(values[at], is_or)).fold(Some(true), both);
        turned(turned(all, is_or), is_not)
    });
    let word = format!("{}{}", if is_not { "not." } else { "" }, if is_or { "or" } else { "and" });
    (format!("{word}({})", texts.join(",")), values.collect())
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~()*!:".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[tokio::test]
async fn random_trees_mean_what_they_say() {
    let app = TestApp::with(&[("rows", ROWS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let mut dice = Dice(20_261_128);
    let rows = rows(&mut dice);
    let body: Vec<Value> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| json!({"name": format!("{at:02}"), "a": row.a, "b": row.b, "c": row.c, "t": row.t}))
        .collect();
    for user in [&ann, &bob] {
        let _ = app.post(user, "/api/v1/rows", json!(body)).await.expect(201);
    }
    for _ in 0..400 {
        let (text, values) = tree(&mut dice, &rows, 4);
        let expected: Vec<String> =
            (0..rows.len()).filter(|at| values[*at] == Some(true)).map(|at| format!("{at:02}")).collect();
        let path = format!("/api/v1/rows?select=name&order=name&and={}", encoded(&format!("({text})")));
        let answer = app.get(&ann, &path).await.expect(200).json();
        let got: Vec<&str> =
            answer.as_array().expect("rows").iter().filter_map(|row| row["name"].as_str()).collect();
        assert_eq!(got, expected, "{text}");
    }
    app.close().await;
}

/// What people who mean harm write, and what slips in by itself.
const HOSTILE: &[&str] = &[
    "'",
    "\"",
    "''",
    "\\",
    "\\'; --",
    "'; DROP TABLE rows; --",
    "\"; DROP TABLE rows; --",
    "x' OR '1'='1",
    "$1",
    "$$x$$",
    "/*",
    "-- ",
    ";",
    "%",
    "%00",
    "\0",
    "\n",
    "\u{202e}",
    "\u{feff}",
    "𝔘𝔫𝔦",
    "name::int",
    "(SELECT 1)",
    "pg_sleep(10)",
    "userId",
    "hush",
    "ctid",
    "tableoid",
    "search",
    "*",
    "()",
    "((((((((((((((((((((",
    "))))",
    ",,,,",
    "....",
    "::::",
    "!!!!",
    "->",
    "->>->>",
    "{",
    "}{",
    "{}",
    "[]",
    "{\"$gt\":\"\"}",
    "null",
    "not.null",
    "not.not.not.",
    "eq.eq.eq",
    "NaN",
    "Infinity",
    "-0",
    "1e999",
    "9223372036854775808",
    "0x10",
    "<script>",
    "<->",
    "!a:*&|",
    "'a'::regclass",
];

/// Where they write it.
const PLACES: &[&str] = &[
    "{}=eq.1",
    "name={}",
    "name=eq.{}",
    "name=neq.{}",
    "name=like.{}",
    "name=ilike.*{}*",
    "name=in.({})",
    "name=eq(any).{{}}",
    "name=like(all).{{}}",
    "name=isdistinct.{}",
    "name={}.x",
    "name=not.{}.x",
    "name=fts.{}",
    "name=fts({}).x",
    "name=plfts.{}",
    "name=phfts(english).{}",
    "name=wfts.{}",
    "a=eq.{}",
    "a=gt.{}",
    "c=is.{}",
    "t=cs.{{}}",
    "t=ov.{}",
    "t=eq.{}",
    "d=cs.{}",
    "d=eq.{}",
    "d->{}=eq.1",
    "d->>{}=eq.x",
    "d->a->{}=is.null",
    "d->a=gt.{}",
    "many=cs.{{}}",
    "many=cd.{}",
    "id=eq.{}",
    "userId=eq.{}",
    "createdAt=gte.{}",
    "or=({})",
    "or=(name.eq.{},a.eq.1)",
    "or=(name.eq.\"{}\")",
    "or=({}.eq.1)",
    "not.and=(name.{}.1)",
    "and=(or(name.in.({})))",
    "select={}",
    "select=name,{}",
    "select={}:name",
    "select=name::{}",
    "select=name.{}()",
    "select=d->{}",
    "select=d->>{},count()",
    "select={}(name)",
    "select=of({})",
    "select=rows!{}(name)",
    "select=rows!of(name)&rows.{}=eq.x",
    "select=rows!of(name)&rows.name=eq.{}",
    "select=rows!of(name)&rows.order={}",
    "select=rows!of(name)&rows.limit={}",
    "select=rows!of(name)&rows.or=({})",
    "select=rows!of!inner(name)&rows.d->>{}=eq.x",
    "select=rows!many(name)&rows.search={}",
    "select=...of(x:{})",
    "select=of(name)&order=of({})",
    "order={}",
    "order=name.{}",
    "order=d->{}",
    "order=d->>{}.desc",
    "limit={}",
    "offset={}",
    "search={}",
    "search=\"{}\" -{} {}",
];

#[tokio::test]
async fn hostile_words_do_nothing_anywhere() {
    let app = TestApp::with(&[("rows", ROWS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let canary = "c4n4ry of bob's";
    let row = json!({"name": canary, "a": 1, "b": canary, "t": [canary], "d": {"a": canary}, "hush": canary});
    let theirs = app.post(&bob, "/api/v1/rows", row).await.expect(201).json();
    let mine = json!({"name": "mine", "a": 1, "b": "x", "t": ["p"], "d": {"a": 1}});
    let _ = app.post(&ann, "/api/v1/rows", mine).await.expect(201);
    let mut asked = 0;
    for place in PLACES {
        for word in HOSTILE.iter().copied().chain([
            canary,
            theirs["id"].as_str().expect("an id"),
            bob.user.id.as_str(),
        ]) {
            let query: Vec<String> = place
                .split('&')
                .map(|pair| {
                    let (name, value) = pair.split_once('=').expect("a pair");
                    let filled = |text: &str| encoded(&text.replace("{}", word));
                    format!("{}={}", filled(name), filled(value))
                })
                .collect();
            let path = format!("/api/v1/rows?{}", query.join("&"));
            harmless(&app, &ann, &path, canary, word).await;
            asked += 1;
        }
    }
    assert!(asked > 3000, "{asked}");
    assert_eq!(app.database.column("SELECT count(*) FROM rows").await, ["2"]);
    app.close().await;
}

async fn harmless(app: &TestApp, ann: &TestUser, path: &str, canary: &str, word: &str) {
    let answer = app.get(ann, path).await;
    assert!(matches!(answer.status, 200 | 300 | 400), "{path}: {} {}", answer.status, answer.text);
    // An answer repeats what was asked; what bob has it does not know.
    assert!(word == canary || !answer.text.contains(canary), "{path}: {}", answer.text);
    if answer.status == 200 {
        assert!(!answer.text.contains("\"name\":\"c4n4ry"), "{path}: {}", answer.text);
    }
}
