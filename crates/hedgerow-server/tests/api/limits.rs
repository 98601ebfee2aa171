//! Rate limits: exactly as many as are allowed, whoever asks however, on one instance and on several.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hedgerow::database::Identity;
use hedgerow::rate_limit::{Quota, RateLimitSettings, Store, Tier, Tiers};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, TestApp, TestUser, Who};
use serde_json::json;

const NOTES: (&str, &str) = ("notes", "fields.text = { type = \"text\" }");
const OPEN: (&str, &str) = ("posts", "access.read = \"public\"\nfields.text = { type = \"text\" }");

/// So many reads (and twice as many writes) an hour: nothing comes back during a test.
fn an_hour(reads: u32, store: Store) -> RateLimitSettings {
    let quota = |requests| Quota { requests, window: Duration::from_secs(3600) };
    let tiers = Tiers::default().with(Tier::Read, quota(reads)).with(Tier::Write, quota(2 * reads));
    RateLimitSettings { tiers: tiers.with(Tier::Export, quota(2)), store }
}

async fn app_with(settings: RateLimitSettings, server: ServerOptions) -> TestApp {
    TestApp::with_options(&[NOTES, OPEN], server, |options| options.rate_limit = Some(settings)).await
}

async fn limited(reads: u32, store: Store) -> (TestApp, TestUser) {
    let app = app_with(an_hour(reads, store), ServerOptions::default()).await;
    let ann = app.user("ann").await;
    (app, ann)
}

/// How many of so many requests at the same time are answered with 200; all others with 429.
async fn admitted(apps: &[&TestApp], who: &TestUser, requests: usize) -> usize {
    let asked = (0..requests).map(|n| apps[n % apps.len()].get(who, "/api/v1/notes"));
    let answers = futures_util::future::join_all(asked).await;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), requests - passed);
    passed
}

fn standing(answer: &Answer) -> (String, String) {
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    (header("ratelimit-policy"), header("ratelimit"))
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_quota_passes_at_once() {
    let (app, ann) = limited(20, Store::Memory).await;
    assert_eq!(admitted(&[&app], &ann, 50).await, 20);
    // Another kind of request has a counter of its own.
    let _ = app.post(&ann, "/api/v1/notes", json!({"text": "n"})).await.expect(201);
    app.close().await;
}

#[tokio::test]
async fn every_answer_says_where_the_counter_stands() {
    let settings = RateLimitSettings { tiers: Tiers::default(), store: Store::Memory };
    let app = app_with(settings, ServerOptions::default()).await;
    let ann = app.user("ann").await;
    let answer = app.get(&ann, "/api/v1/notes").await.expect(200);
    assert_eq!(standing(&answer), ("\"read\";q=600;w=60".into(), "\"read\";r=599;t=1".into()));
    // Also where it is a problem, and where nobody says who they are.
    let answer = app.get(&ann, "/api/v1/notes?nope=1").await.expect(400);
    assert_eq!(standing(&answer).0, "\"read\";q=600;w=60");
    let answer = app.get(Who::Anyone, "/api/v1/nothing").await.expect(404);
    assert_eq!(standing(&answer).0, "\"read\";q=600;w=60");
    let answer = app.post(&ann, "/api/v1/notes", json!({})).await.expect(201);
    assert_eq!(standing(&answer).0, "\"write\";q=120;w=60");
    let exported = Who::Headers(&[("accept", "application/json, text/csv")]);
    assert_eq!(standing(&app.get(exported, "/api/v1/posts").await).0, "\"export\";q=10;w=60");
    // Health is nobody's business.
    assert_eq!(standing(&app.get(Who::Anyone, "/readyz").await.expect(200)), (String::new(), String::new()));
    app.close().await;
}

#[tokio::test]
async fn a_request_too_many_is_told_when_to_come_again() {
    let (app, ann) = limited(2, Store::Memory).await;
    for _ in 0..2 {
        let _ = app.get(&ann, "/api/v1/notes").await.expect(200);
    }
    let answer = app.get(&ann, "/api/v1/notes").await;
    assert_eq!(answer.problem(), "429 rate_limited");
    assert_eq!(standing(&answer).0, "\"read\";q=2;w=3600");
    assert!(standing(&answer).1.starts_with("\"read\";r=0;t="), "{answer:?}");
    let wait: u64 = answer.header("retry-after").expect("a header").parse().expect("seconds");
    assert!((1700..=1800).contains(&wait), "half of the window: {wait}");
    app.close().await;
}

#[tokio::test]
async fn no_spelling_of_a_path_is_another_counter() {
    let (app, ann) = limited(10, Store::Memory).await;
    let paths = [
        "/api/v1/notes",
        "/api/v1/Notes",
        "/api/v1/notes/",
        "/api/v1//notes",
        "/api/v1/%6eotes",
        "/api/v1/notes?x=1",
        "/api/v1/notes/x",
        "/api/v1/./notes",
        "/API/v1/notes",
    ];
    let mut refused = 0;
    // By address there are four times as many, whoever asks and wherever to.
    for n in 0..50 {
        refused += usize::from(app.get(&ann, paths[n % paths.len()]).await.status == 429);
    }
    assert!(refused >= 10, "{refused}");
    for path in paths {
        assert_eq!(app.get(Who::Anyone, path).await.status, 429, "{path}");
    }
    app.close().await;
}

#[tokio::test]
async fn the_keys_of_a_user_share_twice_the_quota() {
    let (app, ann) = limited(10, Store::Memory).await;
    let bob = app.user("bob").await;
    let mut passed = Vec::new();
    for _ in 0..3 {
        let key = app.key(&ann.user, &["*"]).await;
        let mine = TestUser { user: ann.user.clone(), key };
        passed.push(admitted(&[&app], &mine, 11).await);
    }
    // The third finds nothing left, although it was never used.
    assert_eq!(passed, [10, 10, 0]);
    assert_eq!(admitted(&[&app], &bob, 5).await, 5, "another user is not concerned");
    app.close().await;
}

#[tokio::test]
async fn addresses_are_believed_of_proxies_alone() {
    let spoof = |address: &'static str| [("x-forwarded-for", address)];
    // No proxy is trusted: whatever is said, it is one address.
    let (app, _) = limited(5, Store::Memory).await;
    let addresses = ["203.0.113.1", "203.0.113.2", "2001:db8::1", "nonsense", "127.0.0.1", "::1"];
    let mut passed = 0;
    for address in addresses.iter().cycle().take(30) {
        passed += usize::from(app.get(Who::Headers(&spoof(address)), "/api/v1/posts").await.status == 200);
    }
    assert_eq!(passed, 5);
    app.close().await;

    let proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let server = ServerOptions { trusted_proxies: proxies, ..ServerOptions::default() };
    let app = app_with(an_hour(5, Store::Memory), server).await;
    let count = async |from: &dyn Fn(usize) -> String| {
        let mut passed = 0;
        for n in 0..12 {
            let from = from(n);
            let headers = [("x-forwarded-for", from.as_str())];
            passed += usize::from(app.get(Who::Headers(&headers), "/api/v1/posts").await.status == 200);
        }
        passed
    };
    assert_eq!(count(&|n| format!("203.0.113.{n}")).await, 12, "clients of our proxy are told apart");
    assert_eq!(
        count(&|n| format!("198.51.100.{n}, 192.0.2.9")).await,
        5,
        "by the hop before it, not by theirs"
    );
    assert_eq!(count(&|n| format!("2001:db8:0:7::{n:x}")).await, 5, "a network of 64 bits is one");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_their_counters_in_the_database() {
    let (app, ann) = limited(20, Store::Postgres).await;
    let other = TestApp::beside_with(&app, |options| {
        options.rate_limit = Some(an_hour(20, Store::Postgres));
    })
    .await;
    assert_eq!(admitted(&[&app, &other], &ann, 60).await, 20);
    // A start changes nothing.
    let third = TestApp::beside_with(&app, |options| {
        options.rate_limit = Some(an_hour(20, Store::Postgres));
    })
    .await;
    let answer = third.get(&ann, "/api/v1/notes").await.expect(429);
    assert!(standing(&answer).1.starts_with("\"read\";r=0;t="), "{answer:?}");
    // Nobody but sign-in's role reaches the counters.
    let id = ann.user.id.clone();
    for identity in [Identity::User(id.clone()), Identity::Anonymous, Identity::Admin(id)] {
        for sql in ["SELECT * FROM hedgerow.rate_limits", "DELETE FROM hedgerow.rate_limits"] {
            let error =
                app.app.database().flight(&identity).execute(sql, &[]).await.expect_err("it is closed");
            assert_eq!(error.server().map(|error| error.code.code()), Some("42501"), "{sql} as {identity:?}");
        }
    }
    for app in [third, other, app] {
        app.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_does_not_stop_the_application() {
    let nowhere = Store::Redis("redis://127.0.0.1:1/".to_owned().into());
    let (app, ann) = limited(5, nowhere).await;
    // Each instance counts by itself until it is back.
    assert_eq!(admitted(&[&app], &ann, 12).await, 5);
    app.close().await;
}

/// A Redis of this test's own; `None` where it is not installed.
struct Redis {
    process: Child,
    port: u16,
    directory: std::path::PathBuf,
}

impl Redis {
    async fn start() -> Option<Self> {
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
        let directory = std::env::temp_dir().join(format!("hedgerow-redis-{port}"));
        std::fs::create_dir_all(&directory).expect("a folder");
        let arguments =
            ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--requirepass", "secret"];
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string()]).arg("--dir").arg(&directory).args(arguments);
        let Ok(process) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            return None;
        };
        let redis = Self { process, port, directory };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis does not listen");
            tokio::task::yield_now().await;
        }
        Some(redis)
    }

    fn store(&self) -> Store {
        Store::Redis(format!("redis://:secret@127.0.0.1:{}/", self.port).into())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_their_counters_in_redis() {
    let Some(redis) = Redis::start().await else {
        println!("skipped: redis-server is not installed (Debian: apt-get install redis-server)");
        return;
    };
    let (app, ann) = limited(20, redis.store()).await;
    let settings = an_hour(20, redis.store());
    let other = TestApp::beside_with(&app, |options| options.rate_limit = Some(settings)).await;
    assert_eq!(admitted(&[&app, &other], &ann, 60).await, 20);
    let answer = other.get(&ann, "/api/v1/notes").await.expect(429);
    assert_eq!(standing(&answer).0, "\"read\";q=20;w=3600");
    assert!(standing(&answer).1.starts_with("\"read\";r=0;t="), "{answer:?}");
    let (third, carol) = limited(10, redis.store()).await;
    weighs_its_operations(&third, &carol).await;
    third.close().await;
    // It goes away in the middle: this instance counts on its own.
    drop(redis);
    assert_eq!(admitted(&[&app], &app.user("bob").await, 30).await, 20);
    for app in [other, app] {
        app.close().await;
    }
}

/// A hot counter with a large quota is taken from in portions, and two instances never admit more than it.
#[tokio::test(flavor = "multi_thread")]
async fn portions_taken_ahead_never_exceed_the_quota() {
    let (app, ann) = limited(400, Store::Postgres).await;
    let other = TestApp::beside_with(&app, |options| {
        options.rate_limit = Some(an_hour(400, Store::Postgres));
    })
    .await;
    let mut passed = 0;
    for _ in 0..10 {
        passed += admitted(&[&app, &other], &ann, 60).await;
    }
    // What an instance held ahead is given up after a second without a request, in each round perhaps; it is never doubled.
    assert!((400 - 10 * 2 * 8..=400).contains(&passed), "{passed}");
    for app in [other, app] {
        app.close().await;
    }
}

/// Of twenty writes an hour, two batches of fifteen: the second one is let in, and what it owes is waited for.
async fn weighs_its_operations(app: &TestApp, ann: &TestUser) {
    let batch = async |operations: usize| {
        let one = json!({"method": "POST", "path": "/notes", "body": {"text": "n"}});
        app.post(ann, "/api/v1/batch", json!({"operations": vec![one; operations]})).await
    };
    let left = |answer: &Answer| standing(answer).1.split(';').nth(1).map(str::to_owned);
    assert_eq!(left(&batch(15).await.expect(200)).as_deref(), Some("r=5"));
    assert_eq!(left(&batch(15).await.expect(200)).as_deref(), Some("r=0"));
    let refused = app.post(ann, "/api/v1/notes", json!({"text": "n"})).await.expect(429);
    // Ten are owed, and the eleventh is the one that is asked for; three minutes each.
    let wait: u64 = refused.header("retry-after").expect("a header").parse().expect("seconds");
    assert!((1900..=1980).contains(&wait), "{wait}");
    let _ = batch(1).await.expect(429);
    // One that is not understood has done nothing.
    let bob = app.user("bob").await;
    for body in
        [json!({"operations": []}), json!({"operations": [{"method": "POST", "path": "/nothing"}, {}]})]
    {
        assert!([400, 404].contains(&app.post(&bob, "/api/v1/batch", body).await.status));
    }
    let single = app.post(&bob, "/api/v1/notes", json!({"text": "n"})).await.expect(201);
    assert_eq!(left(&single).as_deref(), Some("r=17"));
    assert_eq!(app.database.column("SELECT count(*) FROM notes").await, ["31"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_counts_as_its_operations() {
    for store in [Store::Memory, Store::Postgres] {
        let (app, ann) = limited(10, store).await;
        weighs_its_operations(&app, &ann).await;
        app.close().await;
    }
}

/// What is opened without limits has none.
#[tokio::test]
async fn limits_are_off_unless_somebody_asked_for_them() {
    let app = TestApp::with(&[NOTES]).await;
    assert_eq!(standing(&app.get(Who::Anyone, "/api/v1/notes").await), (String::new(), String::new()));
    app.close().await;
}
