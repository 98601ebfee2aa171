//! The section `[rate_limit]`: how many requests somebody may send, and where they are counted.

use super::items;
use crate::rate_limit::{QuotaError, RateLimitSettings, Store, Tiers};

/// The quotas of the tiers that are named; the others stay as they are.
pub(super) fn tiers(text: &str) -> Result<Tiers, QuotaError> {
    items(text).try_fold(Tiers::default(), Tiers::with_text)
}

/// A table `{ read = "600/1min" }` as the environment would say it.
pub(super) fn text_of(entries: &toml::de::DeTable<'_>) -> Option<String> {
    let texts: Option<Vec<String>> = entries
        .iter()
        .map(|(name, value)| {
            Some(format!("{}={}", name.get_ref(), hedgerow_schema::reader::scalar(value.get_ref())?))
        })
        .collect();
    texts.map(|texts| texts.join(","))
}

/// Of values that were checked.
pub(super) fn settings<'v>(text: &impl Fn(&'static str, &'static str) -> &'v str) -> RateLimitSettings {
    let store = match text("rate_limit", "store") {
        "postgres" => Store::Postgres,
        "redis" => Store::Redis(text("rate_limit", "redis_url").to_owned().into()),
        _ => Store::Memory,
    };
    RateLimitSettings { tiers: tiers(text("rate_limit", "tiers")).unwrap_or_default(), store }
}

/// Whether Redis is to count and nobody said where it is.
pub(super) fn lacks_redis<'v>(text: &impl Fn(&'static str, &'static str) -> &'v str) -> bool {
    text("rate_limit", "store") == "redis" && text("rate_limit", "redis_url").is_empty()
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Sources};
    use crate::rate_limit::{Store, Tier};

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let sources = Sources { file: file.to_owned(), environment, ..Sources::default() };
        Config::load(&sources).map_err(|problems| problems.to_string())
    }

    #[test]
    fn tiers_are_a_table_in_the_file_and_a_list_in_the_environment() {
        let requests = |config: &Config, tier| config.rate_limit.tiers.of(tier).requests;
        let config = load("[rate_limit]\ntiers = { read = \"7/1s\", export = \"1/1h\" }\n", &[]).unwrap();
        assert_eq!([Tier::Read, Tier::Write, Tier::Export].map(|tier| requests(&config, tier)), [7, 120, 1]);
        let config = load("", &[("HEDGEROW_RATE_LIMIT_TIERS", "write=9/1min")]).unwrap();
        assert_eq!([Tier::Read, Tier::Write].map(|tier| requests(&config, tier)), [600, 9]);
    }

    #[test]
    fn mistakes_have_their_place() {
        let check = |file: &str, expected: &str| {
            let problems = load(file, &[]).unwrap_err();
            assert!(problems.contains(expected), "{problems}");
        };
        check(
            "[rate_limit]\ntiers = { raed = \"7/1s\" }\n",
            "hedgerow.toml:2:9: rate_limit.tiers is a table",
        );
        check("[rate_limit]\ntiers = { read = \"7\" }\n", "hedgerow.toml:2:9: rate_limit.tiers is a table");
        check("[rate_limit]\nstore = \"redis\"\n", "hedgerow.toml:2:9: rate_limit.store is redis");
        check("[rate_limit]\nredis_url = \"http://hunter2\"\n", "rate_limit.redis_url is a URL");
        let config = load("[rate_limit]\nstore = \"redis\"\n", &[("REDIS_URL", "redis://127.0.0.1:1")]);
        assert!(matches!(config.unwrap().rate_limit.store, Store::Redis(_)));
    }
}
