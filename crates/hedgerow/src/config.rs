//! Settings: each key once, with its default, its environment variables and what it takes.
//!
//! Always holds: a flag wins over the environment, the environment over the file, the file over the default; a key that
//! nobody knows and a value that does not fit are problems with a place, and all of them are reported together.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use hedgerow_database::{DatabaseUrl, PoolSettings, StatementMode};
use hedgerow_schema::reader::{Reader, Table};
use hedgerow_schema::{Identifier, Limits, Problem, Problems, Roles};
use secrecy::{ExposeSecret, SecretString};

/// One setting.
struct Key {
    section: &'static str,
    name: &'static str,
    /// Besides `HEDGEROW_<SECTION>_<NAME>`, in order.
    variables: &'static [&'static str],
    /// Empty is "not set".
    default: &'static str,
    secret: bool,
    takes: Takes,
}

/// What values a setting takes.
#[derive(Clone, Copy)]
enum Takes {
    Text,
    Url,
    Count,
    Port,
    Duration,
    Size,
    Role,
    OneOf(&'static [&'static str]),
}

const fn key(section: &'static str, name: &'static str, default: &'static str, takes: Takes) -> Key {
    Key { section, name, variables: &[], default, secret: false, takes }
}

const fn url(name: &'static str, variables: &'static [&'static str]) -> Key {
    Key { section: "database", name, variables, default: "", secret: true, takes: Takes::Url }
}

const KEYS: &[Key] = &[
    Key { variables: &["HOST"], ..key("server", "host", "127.0.0.1", Takes::Text) },
    Key { variables: &["PORT"], ..key("server", "port", "4400", Takes::Port) },
    key("server", "body_limit", "1MiB", Takes::Size),
    key("server", "request_timeout", "30s", Takes::Duration),
    Key {
        variables: &["HEDGEROW_SECRET", "BETTER_AUTH_SECRET"],
        secret: true,
        ..key("server", "secret", "", Takes::Text)
    },
    url("url", &["DATABASE_URL"]),
    url("auth_url", &["AUTH_DATABASE_URL"]),
    url("admin_url", &["ADMIN_DATABASE_URL"]),
    url("direct_url", &["DIRECT_DATABASE_URL"]),
    key("database", "max_connections", "20", Takes::Count),
    key("database", "idle_timeout", "30s", Takes::Duration),
    key("database", "acquire_timeout", "2s", Takes::Duration),
    key("database", "statement_timeout", "30s", Takes::Duration),
    key("database", "statements", "auto", Takes::OneOf(&["auto", "named", "unnamed"])),
    key("database", "outdated_server", "refuse", Takes::OneOf(&["refuse", "warn"])),
    key("database", "pending", "refuse", Takes::OneOf(&["refuse", "warn"])),
    key("database", "drift", "warn", Takes::OneOf(&["refuse", "warn"])),
    key("database", "privileged_login", "refuse", Takes::OneOf(&["refuse", "warn"])),
    key("roles", "app", "hedgerow_app", Takes::Role),
    key("roles", "anon", "hedgerow_anon", Takes::Role),
    key("roles", "auth", "hedgerow_auth", Takes::Role),
    key("roles", "admin", "hedgerow_admin", Takes::Role),
    key("api", "default_limit", "1000", Takes::Count),
    key("api", "max_limit", "1000", Takes::Count),
];

/// Sections that later versions understand.
const LATER_SECTIONS: &[&str] = &["auth", "mail", "rate_limit", "audit"];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This environment variable.
    Variable(String),
    /// This line of `hedgerow.toml`.
    File(usize),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "environment ({name})"),
            Self::File(line) => write!(f, "hedgerow.toml:{line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Where settings come from, strongest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// From the command line, as `section.name`.
    pub flags: BTreeMap<String, String>,
    /// The environment, with what `.env` adds.
    pub environment: BTreeMap<String, String>,
    /// The content of `hedgerow.toml`; empty when there is none.
    pub file: String,
}

/// All settings of an installation.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP listens.
    pub server: ServerConfig,
    /// The tenants' database.
    pub database_url: Option<DatabaseUrl>,
    /// Sign-in's login.
    pub auth_url: Option<DatabaseUrl>,
    /// Administration's login.
    pub admin_url: Option<DatabaseUrl>,
    /// The owner's login, for setup and migrations.
    pub direct_url: Option<DatabaseUrl>,
    /// Connections and timeouts.
    pub pool: PoolSettings,
    /// Whether to serve from a PostgreSQL with known holes in row-level security.
    pub outdated_server: Strictness,
    /// What `serve` does where the database lacks what the entity files name.
    pub pending: Strictness,
    /// What `serve` does where the database differs otherwise.
    pub drift: Strictness,
    /// Whether to serve with a login that row-level security does not bind.
    pub privileged_login: Strictness,
    /// The names of the database roles.
    pub roles: Roles,
    /// How many rows a list has.
    pub limits: Limits,
}

/// HTTP settings.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// What signs what leaves the server.
    pub secret: Option<SecretString>,
}

/// What to do about something dangerous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Do not start.
    Refuse,
    /// Say it and go on.
    Warn,
}

impl Config {
    /// Puts the sources together.
    ///
    /// # Errors
    /// Every problem of every source.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let file = read_file(&sources.file, &mut problems);
        let mut values = BTreeMap::new();
        for key in KEYS {
            let (text, origin, place) = find(key, sources, &file);
            if let Err(wanted) = check(key.takes, &text) {
                let shown = if key.secret { "what it is".to_owned() } else { format!("{text:?}") };
                let message = format!("{}.{} is {wanted}, not {shown}", key.section, key.name);
                problems.push(problem(sources, &origin, place, message));
            }
            values.insert((key.section, key.name), text);
        }
        let limit = |name| values.get(&("api", name)).and_then(|text| text.parse::<u32>().ok());
        if let (Some(default), Some(max)) = (limit("default_limit"), limit("max_limit"))
            && default > max
            && let Some(key) = KEYS.iter().find(|key| key.name == "default_limit")
        {
            // The built-in default goes down with a smaller maximum; one that somebody chose is a mistake.
            let (_, origin, place) = find(key, sources, &file);
            let message = format!("api.default_limit is {default}, more than api.max_limit, which is {max}");
            if origin != Origin::Default {
                problems.push(problem(sources, &origin, place, message));
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(build(&values))
    }

    /// Each setting with its value and where it came from, secrets masked.
    pub fn explain(sources: &Sources) -> Vec<(String, String, Origin)> {
        let file = read_file(&sources.file, &mut Vec::new());
        KEYS.iter()
            .map(|key| {
                let (text, origin, _) = find(key, sources, &file);
                let shown = match (key.secret, text.is_empty()) {
                    (true, false) => "********".to_owned(),
                    _ => text,
                };
                (format!("{}.{}", key.section, key.name), shown, origin)
            })
            .collect()
    }
}

/// A mistake where it stands: in the file, or in what overrides it.
fn problem(sources: &Sources, origin: &Origin, place: Option<Range<usize>>, message: String) -> Problem {
    match place {
        Some(span) => Problem::at("hedgerow.toml", &sources.file, span, message, None),
        None => Problem::without_place(&origin.to_string(), message),
    }
}

type FileValues = BTreeMap<(&'static str, &'static str), (String, Range<usize>, usize)>;

fn read_file(text: &str, problems: &mut Vec<Problem>) -> FileValues {
    let mut values = BTreeMap::new();
    let mut reader = Reader::new("hedgerow.toml", text);
    let document = reader.document();
    let mut top = Table::new(document.get_ref(), 0..0);
    let mut sections: Vec<&'static str> = KEYS.iter().map(|key| key.section).collect();
    sections.dedup();
    for section in sections {
        let Some(mut table) = reader.table(&mut top, section) else { continue };
        for key in KEYS.iter().filter(|key| key.section == section) {
            let Some(entry) = table.get(key.name) else { continue };
            let Some(value) = hedgerow_schema::reader::scalar(entry.value()) else {
                reader.note(entry.span(), format!("`{}` is a single value", key.name), None);
                continue;
            };
            let line = Problem::at("", text, entry.key_span(), String::new(), None).line;
            values.insert((section, key.name), (value, entry.span(), line));
        }
        reader.finish(&table, &format!("[{section}]"), &["trusted_proxies", "cors_origins", "listen_url"]);
    }
    reader.finish(&top, "hedgerow.toml", LATER_SECTIONS);
    problems.extend(reader.into_problems());
    values
}

fn find(key: &Key, sources: &Sources, file: &FileValues) -> (String, Origin, Option<Range<usize>>) {
    if let Some(value) = sources.flags.get(&format!("{}.{}", key.section, key.name)) {
        return (value.clone(), Origin::Flag, None);
    }
    let systematic = format!("HEDGEROW_{}_{}", key.section.to_uppercase(), key.name.to_uppercase());
    for name in std::iter::once(systematic.as_str()).chain(key.variables.iter().copied()) {
        if let Some(value) = sources.environment.get(name).filter(|value| !value.is_empty()) {
            return (value.clone(), Origin::Variable(name.to_owned()), None);
        }
        // A file that holds the secret, as container platforms give it.
        let by_file = format!("{name}_FILE");
        if key.secret
            && let Some(path) = sources.environment.get(&by_file).filter(|path| !path.is_empty())
            && let Ok(value) = std::fs::read_to_string(Path::new(path))
        {
            return (value.trim_end().to_owned(), Origin::Variable(by_file), None);
        }
    }
    match file.get(&(key.section, key.name)) {
        Some((value, span, line)) => (value.clone(), Origin::File(*line), Some(span.clone())),
        None => (key.default.to_owned(), Origin::Default, None),
    }
}

/// What is wanted, when `text` is not it.
fn check(takes: Takes, text: &str) -> Result<(), String> {
    let fits = match takes {
        Takes::Text => true,
        Takes::Url => {
            return if text.is_empty() {
                Ok(())
            } else {
                text.parse::<DatabaseUrl>().map(|_| ()).map_err(|error| format!("a database URL ({error})"))
            };
        }
        Takes::Count => text.parse::<u32>().is_ok_and(|count| (1..=100_000).contains(&count)),
        Takes::Port => text.parse::<u16>().is_ok(),
        Takes::Duration => parse_duration(text).is_some(),
        Takes::Size => parse_size(text).is_some(),
        Takes::Role => Identifier::parse(text).is_ok(),
        Takes::OneOf(words) => words.contains(&text),
    };
    if fits {
        return Ok(());
    }
    Err(match takes {
        Takes::Text | Takes::Url => "a text".to_owned(),
        Takes::Count => "a whole number from 1 to 100000".to_owned(),
        Takes::Port => "a port from 0 to 65535".to_owned(),
        Takes::Duration => "a duration such as 500ms, 30s, 5min, 2h or 7d".to_owned(),
        Takes::Size => "a size such as 64KiB or 1MiB".to_owned(),
        Takes::Role => "the name of a role: letters, digits and underscores".to_owned(),
        Takes::OneOf(words) => format!("one of {}", words.join(", ")),
    })
}

/// `500ms`, `30s`, `5min`, `2h`, `7d`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(hedgerow::config::parse_duration("90d"), Some(Duration::from_secs(90 * 86_400)));
/// assert_eq!(hedgerow::config::parse_duration("soon"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" | "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    // 100 years: beyond that somebody mistyped, and arithmetic on times would overflow.
    number.checked_mul(millis).filter(|&millis| millis <= 3_155_760_000_000).map(Duration::from_millis)
}

fn parse_size(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" | "KB" => 1 << 10,
        "MiB" | "MB" => 1 << 20,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor).filter(|&bytes| (1..=1 << 30).contains(&bytes))
}

/// Only called with values that were checked.
fn build(values: &BTreeMap<(&str, &str), String>) -> Config {
    let text = |section, name| values.get(&(section, name)).map(String::as_str).unwrap_or_default();
    let count = |section, name| text(section, name).parse::<u32>().unwrap_or(1);
    let duration = |section, name| parse_duration(text(section, name)).unwrap_or_default();
    let database_url = |name| text("database", name).parse::<DatabaseUrl>().ok();
    let role = |name| Identifier::joined(&[text("roles", name)]);
    let strictness = |name| match text("database", name) {
        "warn" => Strictness::Warn,
        _ => Strictness::Refuse,
    };
    let statement_timeout = duration("database", "statement_timeout");
    let max = count("api", "max_limit");
    Config {
        server: ServerConfig {
            host: text("server", "host").to_owned(),
            port: text("server", "port").parse().unwrap_or(4400),
            body_limit: parse_size(text("server", "body_limit")).unwrap_or(1 << 20),
            request_timeout: duration("server", "request_timeout"),
            secret: Some(text("server", "secret"))
                .filter(|secret| !secret.is_empty())
                .map(SecretString::from),
        },
        database_url: database_url("url"),
        auth_url: database_url("auth_url"),
        admin_url: database_url("admin_url"),
        direct_url: database_url("direct_url"),
        pool: PoolSettings {
            max_connections: count("database", "max_connections") as usize,
            idle_timeout: duration("database", "idle_timeout"),
            acquire_timeout: duration("database", "acquire_timeout"),
            statement_timeout,
            idle_in_transaction_timeout: statement_timeout,
            statements: match text("database", "statements") {
                "named" => StatementMode::Named,
                "unnamed" => StatementMode::Unnamed,
                _ => StatementMode::Auto,
            },
        },
        outdated_server: strictness("outdated_server"),
        pending: strictness("pending"),
        drift: strictness("drift"),
        privileged_login: strictness("privileged_login"),
        roles: Roles { app: role("app"), anon: role("anon"), auth: role("auth"), admin: role("admin") },
        limits: Limits { default: count("api", "default_limit").min(max), max },
    }
}

impl ServerConfig {
    /// Whether there is a secret that is long enough to sign with.
    pub fn has_good_secret(&self) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.expose_secret().len() >= 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
        let map =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Sources { file: file.to_owned(), environment: map(environment), flags: map(flags) }
    }

    #[test]
    fn the_nearest_source_wins() {
        let file = "[server]\nport = 1\nhost = \"file\"\n[database]\nidle_timeout = \"5s\"";
        let check = |environment: &[(&str, &str)], flags: &[(&str, &str)], port: u16, host: &str| {
            let config = Config::load(&sources(file, environment, flags)).unwrap();
            assert_eq!((config.server.port, config.server.host.as_str()), (port, host));
            assert_eq!(config.pool.idle_timeout, Duration::from_secs(5));
        };
        check(&[], &[], 1, "file");
        check(&[("PORT", "2"), ("HOST", "variable")], &[], 2, "variable");
        check(&[("PORT", "2"), ("HEDGEROW_SERVER_PORT", "3")], &[], 3, "file");
        check(&[("PORT", "2")], &[("server.port", "4")], 4, "file");
        check(&[("PORT", "")], &[], 1, "file");
    }

    #[test]
    fn every_problem_is_reported_with_its_place() {
        let check = |file: &str, expected: Option<&str>| {
            let problems = Config::load(&sources(file, &[], &[])).err().map(|problems| problems.to_string());
            assert_eq!(problems.as_deref(), expected);
        };
        check("[api]\nmax_limit = 5\n", None);
        check(
            "[api]\nmax_limit = 5\ndefault_limit = 6\n",
            Some("hedgerow.toml:3:17: api.default_limit is 6, more than api.max_limit, which is 5"),
        );
        let file = "[server]\nport = \"many\"\nhots = \"x\"\n[colours]\nred = 1\n[database]\nstatements = \"some\"\n";
        let environment = [("HEDGEROW_API_MAX_LIMIT", "0"), ("DATABASE_URL", "mysql://hunter2@x/y")];
        let problems = Config::load(&sources(file, &environment, &[])).unwrap_err().to_string();
        for expected in [
            "hedgerow.toml:3:1: `hots` is no key of [server] (did you mean `host`?",
            "hedgerow.toml:4:2: `colours` is no key of hedgerow.toml",
            "hedgerow.toml:2:8: server.port is a port",
            "hedgerow.toml:7:14: database.statements is one of auto, named, unnamed",
            "environment (HEDGEROW_API_MAX_LIMIT)",
            "environment (DATABASE_URL)",
        ] {
            assert!(problems.contains(expected), "{expected}\n{problems}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}
