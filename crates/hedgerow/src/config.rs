//! Settings: each key once, with its default, its environment variables and what it takes.
//!
//! Always holds: a flag wins over the environment, the environment over the file, the file over the default; a key that
//! nobody knows and a value that does not fit are problems with a place, and all of them are reported together.

mod audience;
mod audit;
mod keys;
mod providers;
mod rate_limit;
mod server;
mod sign_in;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use hedgerow_database::{DatabaseUrl, PoolSettings, StatementMode, WorkTimeouts};
use hedgerow_schema::meta::MetaLimits;
use hedgerow_schema::query::Switch;
use hedgerow_schema::reader::{Reader, Table};
use hedgerow_schema::{Identifier, Limits, Problem, Problems, Roles};
use ipnet::IpNet;

use keys::{KEYS, Key, LATER_KEYS, LATER_SECTIONS, Takes};

pub use audience::Audience;
pub use server::ServerConfig;
pub use sign_in::{Mode, SignInConfig};

use crate::api_keys::KeySettings;
use crate::audit::AuditOptions;
use crate::auth::origins::OriginPattern;
use crate::auth::secrets::Secrets;
use crate::auth::settings::UserField;
use crate::rate_limit::RateLimitSettings;

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
    /// How many API keys a user has.
    pub keys: KeySettings,
    /// How many requests somebody may send.
    pub rate_limit: RateLimitSettings,
    /// How people sign in, and how mail reaches them.
    pub sign_in: SignInConfig,
    /// How the audit trail is kept.
    pub audit: AuditOptions,
    openapi: Option<Audience>,
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
        let text = |section, name| values.get(&(section, name)).map(String::as_str).unwrap_or_default();
        if rate_limit::lacks_redis(&text)
            && let Some(key) = KEYS.iter().find(|key| key.section == "rate_limit" && key.name == "store")
        {
            let (_, origin, place) = find(key, sources, &file);
            let message = "rate_limit.store is redis, and rate_limit.redis_url says of no server".to_owned();
            problems.push(problem(sources, &origin, place, message));
        }
        let secrets = secrets(sources, &file, &values).unwrap_or_else(|problem| {
            problems.push(*problem);
            None
        });
        let user_fields = sign_in::user_fields(&sources.file, &mut problems);
        let providers = providers::load(sources, &mut problems);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let mut config = build(&values, user_fields, secrets);
        config.sign_in.set_providers(providers);
        Ok(config)
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
            .chain(providers::explain(sources))
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
            let Some(value) = text_of(key.takes, entry.value()) else {
                let wanted = if key.takes.is_list() { "an array of texts" } else { "a single value" };
                reader.note(entry.span(), format!("`{}` is {wanted}", key.name), None);
                continue;
            };
            let line = Problem::at("", text, entry.key_span(), String::new(), None).line;
            values.insert((section, key.name), (value, entry.span(), line));
        }
        if section == "auth" {
            // Tables of their own, read elsewhere.
            table.get("user_fields");
            table.get("providers");
        }
        reader.finish(&table, &format!("[{section}]"), LATER_KEYS);
    }
    reader.finish(&top, "hedgerow.toml", LATER_SECTIONS);
    problems.extend(reader.into_problems());
    values
}

impl Takes {
    fn is_list(self) -> bool {
        matches!(self, Self::List | Self::ListOf(_) | Self::Networks | Self::Origins | Self::Tiers)
    }
}

/// A value of the file as the environment would say it.
fn text_of(takes: Takes, value: &toml::de::DeValue<'_>) -> Option<String> {
    match value {
        toml::de::DeValue::Array(items) if takes.is_list() => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| hedgerow_schema::reader::scalar(item.get_ref())).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::de::DeValue::Table(entries) if matches!(takes, Takes::Tiers) => rate_limit::text_of(entries),
        single => hedgerow_schema::reader::scalar(single),
    }
}

/// The items of a list.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
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
        Takes::DurationOrNone => text.is_empty() || parse_duration(text).is_some(),
        Takes::Size => parse_size(text).is_some(),
        Takes::Role => Identifier::parse(text).is_ok(),
        Takes::Flag => matches!(text, "" | "true" | "false"),
        Takes::Origin => text.is_empty() || sign_in::base_url(text).is_some(),
        Takes::List => true,
        Takes::ListOf(words) => items(text).all(|item| words.contains(&item)),
        Takes::Networks => items(text).all(|item| network(item).is_some()),
        Takes::Origins => items(text).all(|item| item.parse::<OriginPattern>().is_ok()),
        Takes::Tiers => rate_limit::tiers(text).is_ok(),
        Takes::Redis => text.is_empty() || text.starts_with("redis://") || text.starts_with("rediss://"),
        Takes::OneOf(words) => words.contains(&text),
    };
    if fits {
        return Ok(());
    }
    Err(match takes {
        Takes::Text | Takes::Url | Takes::List => "a text".to_owned(),
        Takes::Flag => "true or false".to_owned(),
        Takes::Origin => "a URL such as https://app.example.com, without a path".to_owned(),
        Takes::ListOf(words) => format!("a list of {}", words.join(", ")),
        Takes::Networks => "a list of addresses or networks such as 10.0.0.0/8".to_owned(),
        Takes::Origins => {
            "a list of origins such as https://app.example.com, https://*.example.com or myapp://".to_owned()
        }
        Takes::Tiers => {
            "a table of quotas such as { read = \"600/1min\" }, with the tiers read, write, auth and export"
                .to_owned()
        }
        Takes::Redis => "a URL such as redis://host:6379 or rediss://user:password@host:6380".to_owned(),
        Takes::Count => "a whole number from 1 to 100000".to_owned(),
        Takes::Port => "a port from 0 to 65535".to_owned(),
        Takes::Duration | Takes::DurationOrNone => "a duration such as 500ms, 30s, 5min, 2h or 7d".to_owned(),
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

/// The secrets that sign and seal. A list beside one secret: Hedgerow's own secret leads it, Better Auth's only opens what was
/// sealed before there were versions, as it does there.
fn secrets(
    sources: &Sources,
    file: &FileValues,
    values: &BTreeMap<(&'static str, &'static str), String>,
) -> Result<Option<Secrets>, Box<Problem>> {
    let text = |name| values.get(&("server", name)).map(String::as_str).unwrap_or_default();
    let found = |name| KEYS.iter().find(|key| key.name == name).map(|key| find(key, sources, file));
    let (one, list) = (text("secret"), text("secrets"));
    if list.is_empty() {
        return Ok(Some(one).filter(|one| !one.is_empty()).map(Secrets::single));
    }
    let listed = Secrets::parse_versions(list).map_err(|error| {
        let (_, origin, place) = found("secrets").unwrap_or((String::new(), Origin::Default, None));
        Box::new(problem(sources, &origin, place, format!("server.secrets: {error}")))
    })?;
    let is_better_auths = found("secret").is_some_and(|(_, origin, _)| {
        matches!(origin, Origin::Variable(name) if name.starts_with("BETTER_AUTH_") || name.starts_with("AUTH_"))
    });
    Ok(Some(match one {
        "" => listed,
        one if is_better_auths => listed.with_unversioned(one),
        one => listed.led_by(one),
    }))
}

/// An address is a network of one.
fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

/// Only called with values that were checked.
fn build(
    values: &BTreeMap<(&str, &str), String>,
    user_fields: Vec<UserField>,
    secrets: Option<Secrets>,
) -> Config {
    let text = |section, name| values.get(&(section, name)).map(String::as_str).unwrap_or_default();
    let count = |section, name| text(section, name).parse::<u32>().unwrap_or(1);
    let duration = |section, name| parse_duration(text(section, name)).unwrap_or_default();
    let database_url = |name| text("database", name).parse::<DatabaseUrl>().ok();
    let role = |name| Identifier::joined(&[text("roles", name)]);
    let strictness = |name| match text("database", name) {
        "warn" => Strictness::Warn,
        _ => Strictness::Refuse,
    };
    let switch = |name| if text("api", name) == "true" { Switch::On } else { Switch::Off };
    let statement_timeout = duration("database", "statement_timeout");
    let own_timeout = |name| parse_duration(text("database", name));
    let max = count("api", "max_limit");
    Config {
        server: server::of(&text, secrets),
        database_url: database_url("url"),
        auth_url: database_url("auth_url"),
        admin_url: database_url("admin_url"),
        direct_url: database_url("direct_url"),
        pool: PoolSettings {
            max_connections: count("database", "max_connections") as usize,
            idle_timeout: duration("database", "idle_timeout"),
            acquire_timeout: duration("database", "acquire_timeout"),
            statement_timeout,
            timeouts: WorkTimeouts {
                read: own_timeout("read_timeout"),
                write: own_timeout("write_timeout"),
                import: own_timeout("import_timeout"),
            },
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
        keys: KeySettings { most: count("api", "max_keys"), ..KeySettings::default() },
        rate_limit: rate_limit::settings(&text),
        limits: Limits {
            default: count("api", "default_limit").min(max),
            max,
            regex: switch("regex"),
            aggregates: switch("aggregates"),
            metas: MetaLimits {
                value_bytes: parse_size(text("api", "max_meta_value")).unwrap_or(1),
                keys: count("api", "max_metas"),
            },
        },
        sign_in: SignInConfig::of(&text, user_fields),
        audit: audit::options(&text),
        openapi: Audience::named(text("api", "openapi")),
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
