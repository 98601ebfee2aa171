//! Sign-in, held against the real Better Auth: the same requests, its own client, and both on one database.

use std::net::TcpListener;
use std::path::PathBuf;

use hedgerow_testing::{TestDatabase, cluster_address};

use crate::better_auth::{BetterAuth, Node};
use crate::production::own_database;
use crate::project::{Project, Running};

/// The secret of `settings.mjs`.
const SECRET: &str = "conformance-secret-0123456789-abcdefghijklmnop";

const SKIPPED: &str = "skipped: the real Better Auth needs node and npm";

/// A login that sees and changes everything, for programs that make databases or age sessions; gone with `drop_login`.
struct Superuser {
    name: String,
    url: String,
}

impl Superuser {
    async fn new(test: &TestDatabase) -> Self {
        let name = format!("{}_node", test.name);
        test.sql(&format!("CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'node'")).await;
        let (host, port) = cluster_address().await;
        Self { url: format!("postgresql://{name}:node@{host}:{port}/{}", test.name), name }
    }

    async fn drop_login(self, test: &TestDatabase) {
        test.sql(&format!("DROP ROLE {}", self.name)).await;
    }
}

/// Hedgerow as the profiles of `reference.mjs` are, on an own database.
struct SignIn {
    test: TestDatabase,
    superuser: Superuser,
    base: String,
    mails: PathBuf,
    _project: Project,
    _gitlab: Node,
    _serve: Running,
}

impl SignIn {
    async fn new(better_auth: &BetterAuth, profile: &str) -> Self {
        let (test, owner) = own_database().await;
        let superuser = Superuser::new(&test).await;
        let gitlab = better_auth.start("fake-gitlab.mjs", &[]);
        let project = Project::new();
        let mails = project.path().join("mails");
        std::fs::create_dir_all(&mails).expect("a folder");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let base = format!("http://127.0.0.1:{port}");
        let address = gitlab.ready["gitlab"].as_str().expect("an address");
        project.write("hedgerow.toml", &settings(profile, &base, address));
        let logins = &test.logins;
        let url = |url: Option<&hedgerow::database::DatabaseUrl>| url.expect("a URL").to_string();
        let env = [
            ("BETTER_AUTH_SECRET", SECRET.to_owned()),
            ("HEDGEROW_MAIL_TRANSPORT", "file".to_owned()),
            ("HEDGEROW_MAIL_FOLDER", mails.display().to_string()),
            ("DATABASE_URL", url(Some(&logins.tenant))),
            ("AUTH_DATABASE_URL", url(logins.auth.as_ref())),
            ("ADMIN_DATABASE_URL", url(logins.admin.as_ref())),
            ("DIRECT_DATABASE_URL", owner),
        ];
        let pairs: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        project.run_with(&["migrate", "new", "init"], &pairs).expect(0);
        project.run_with(&["migrate", "apply"], &pairs).expect(0);
        let mut command = project.command(&["serve", "--port", &port.to_string()]);
        command.envs(pairs);
        let mut serve = Running::start(command);
        serve.wait_for("\"serving\"");
        Self { test, superuser, base, mails, _project: project, _gitlab: gitlab, _serve: serve }
    }

    fn mail(&self) -> String {
        format!("hedgerow:{}", self.mails.display())
    }

    async fn end(self) {
        let Self { test, superuser, .. } = self;
        superuser.drop_login(&test).await;
    }
}

/// What a profile is in Hedgerow's words.
fn settings(profile: &str, base: &str, gitlab: &str) -> String {
    let plugins = match profile {
        "plugins" => r#"["admin", "bearer", "jwt", "two-factor", "username", "magic-link", "email-otp"]"#,
        _ => r#"["admin", "bearer"]"#,
    };
    let more = match profile {
        "verify" => "require_email_verification = true\n",
        "secure" => "secure_cookies = true\n",
        _ => "",
    };
    let limits = match profile {
        "limited" => "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[rate_limit]\nenabled = true\n",
        _ => "[rate_limit]\nenabled = false\n",
    };
    format!(
        "[auth]\nbase_url = \"{base}\"\nplugins = {plugins}\nchange_email = true\ndelete_user = true\napp_name = \"conformance\"\n{more}\n\
         [auth.providers.google]\nclient_id = \"google-client\"\nclient_secret = \"google-secret\"\n\
         [auth.providers.gitlab]\nclient_id = \"gl-client\"\nclient_secret = \"gl-secret\"\nissuer = \"{gitlab}\"\n[database]\noutdated_server = \"warn\"\n{limits}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_hold_for_the_real_better_auth() {
    let Some(better_auth) = BetterAuth::install() else {
        eprintln!("{SKIPPED}");
        return;
    };
    let test = TestDatabase::empty().await;
    let superuser = Superuser::new(&test).await;
    // The other recordings take longer and cannot change either: the versions are those of the lock file.
    better_auth.run("record.mjs", &["--server", &superuser.url, "--profile", "verify", "--check"]);
    better_auth.run("prove.mjs", &["--server", &superuser.url]);
    superuser.drop_login(&test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_answered_as_better_auth_answers_it() {
    let Some(better_auth) = BetterAuth::install() else {
        eprintln!("{SKIPPED}");
        return;
    };
    let wanted =
        std::env::var("HEDGEROW_PROFILES").unwrap_or("core verify secure limited plugins".to_owned());
    for profile in wanted.split(' ') {
        let here = SignIn::new(&better_auth, profile).await;
        let golden = format!("answers/{profile}.json");
        let out = here.mails.with_extension("answers").display().to_string();
        let mail = here.mail();
        let arguments = [
            "--base",
            &here.base,
            "--profile",
            profile,
            "--database",
            &here.superuser.url,
            "--mail",
            &mail,
            "--out",
            &out,
            "--expect",
            &golden,
            "--as",
            "hedgerow",
        ];
        better_auth.run("drive.mjs", &arguments);
        here.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_better_auth_and_a_server_beside_work() {
    let Some(better_auth) = BetterAuth::install() else {
        eprintln!("{SKIPPED}");
        return;
    };
    let here = SignIn::new(&better_auth, "plugins").await;
    let (base, database, mail) = (here.base.clone(), here.superuser.url.clone(), here.mail());
    better_auth.run("client.mjs", &["--base", &base, "--database", &database, "--mail", &mail]);

    let login = format!("{}_beside", here.test.name);
    let make = format!(
        "CREATE ROLE {login} LOGIN PASSWORD 'node' NOINHERIT IN ROLE hedgerow_auth; ALTER ROLE {login} SET role = hedgerow_auth"
    );
    here.test.sql(&make).await;
    let beside = database.replace(&format!("{}:", here.superuser.name), &format!("{login}:"));
    let list = here.mails.with_extension("jsonl").display().to_string();
    let arguments = ["--profile", "plugins", "--database", &beside, "--mail", &list, "--migrate", "no"];
    let node = better_auth.start("reference.mjs", &arguments);
    let other = node.ready["base"].as_str().expect("a base").to_owned();
    let arguments = ["--base", &other, "--other", &base, "--database", &database, "--plugins"];
    better_auth.run("together.mjs", &arguments);
    drop(node);
    here.test.sql(&format!("DROP ROLE {login}")).await;
    here.end().await;
}
