//! Every setting, with its default, its environment variables and what it takes.
//!
//! Always holds: a setting stands here once; what is not here is a mistake wherever it is written.

/// One setting.
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    /// Besides `HEDGEROW_<SECTION>_<NAME>`, in order.
    pub(super) variables: &'static [&'static str],
    /// Empty is "not set".
    pub(super) default: &'static str,
    pub(super) secret: bool,
    pub(super) takes: Takes,
}

/// What values a setting takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Text,
    Url,
    Count,
    Port,
    Duration,
    /// The same, or nothing.
    DurationOrNone,
    Size,
    Role,
    /// `true`, `false`, or nothing.
    Flag,
    /// http or https, with nothing behind the host.
    Origin,
    /// Texts with commas between; an array in the file.
    List,
    /// The same, each one of these.
    ListOf(&'static [&'static str]),
    /// The same, each an address or a network.
    Networks,
    /// The same, each an origin or a pattern of origins.
    Origins,
    /// The same, each a quota of a tier: `read=600/1min`; in the file a table too.
    Tiers,
    /// The address of a Redis server, or nothing.
    Redis,
    OneOf(&'static [&'static str]),
}

const fn key(section: &'static str, name: &'static str, default: &'static str, takes: Takes) -> Key {
    Key { section, name, variables: &[], default, secret: false, takes }
}

const fn url(name: &'static str, variables: &'static [&'static str]) -> Key {
    Key { section: "database", name, variables, default: "", secret: true, takes: Takes::Url }
}

pub(super) const KEYS: &[Key] = &[
    Key { variables: &["HOST"], ..key("server", "host", "127.0.0.1", Takes::Text) },
    Key { variables: &["PORT"], ..key("server", "port", "4400", Takes::Port) },
    key("server", "body_limit", "1MiB", Takes::Size),
    key("server", "import_limit", "256MiB", Takes::Size),
    key("server", "import_timeout", "15min", Takes::Duration),
    key("server", "request_timeout", "30s", Takes::Duration),
    key("server", "header_timeout", "10s", Takes::Duration),
    key("server", "body_timeout", "10s", Takes::Duration),
    key("server", "write_timeout", "30s", Takes::Duration),
    key("server", "drain", "5s", Takes::Duration),
    key("server", "max_url", "8KiB", Takes::Size),
    key("server", "max_connections", "4096", Takes::Count),
    key("server", "max_connections_per_address", "1024", Takes::Count),
    key("server", "stream_limit", "1h", Takes::Duration),
    Key {
        variables: &["HEDGEROW_SECRET", "BETTER_AUTH_SECRET", "AUTH_SECRET"],
        secret: true,
        ..key("server", "secret", "", Takes::Text)
    },
    Key {
        variables: &["HEDGEROW_SECRETS", "BETTER_AUTH_SECRETS"],
        secret: true,
        ..key("server", "secrets", "", Takes::Text)
    },
    key("server", "trusted_proxies", "", Takes::Networks),
    key("server", "cors_origins", "", Takes::Origins),
    url("url", &["DATABASE_URL"]),
    url("auth_url", &["AUTH_DATABASE_URL"]),
    url("admin_url", &["ADMIN_DATABASE_URL"]),
    url("direct_url", &["DIRECT_DATABASE_URL"]),
    key("database", "max_connections", "20", Takes::Count),
    key("database", "idle_timeout", "30s", Takes::Duration),
    key("database", "acquire_timeout", "2s", Takes::Duration),
    key("database", "statement_timeout", "30s", Takes::Duration),
    key("database", "read_timeout", "", Takes::DurationOrNone),
    key("database", "write_timeout", "", Takes::DurationOrNone),
    key("database", "import_timeout", "", Takes::DurationOrNone),
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
    key("api", "max_keys", "100", Takes::Count),
    key("api", "max_metas", "100", Takes::Count),
    key("api", "max_meta_value", "1MiB", Takes::Size),
    key("api", "openapi", "", Takes::OneOf(&["", "public", "signed_in"])),
    key("api", "max_parameters", "100", Takes::Count),
    key("api", "regex", "false", Takes::Flag),
    key("api", "aggregates", "true", Takes::Flag),
    Key { variables: &["HEDGEROW_URL", "BETTER_AUTH_URL"], ..key("auth", "base_url", "", Takes::Origin) },
    Key { variables: &["BETTER_AUTH_TRUSTED_ORIGINS"], ..key("auth", "trusted_origins", "", Takes::Origins) },
    key("auth", "registration", "open", Takes::OneOf(&["open", "domain", "invitation", "closed"])),
    key("auth", "registration_domains", "", Takes::List),
    key("auth", "default_role", "member", Takes::Role),
    key("auth", "admin_roles", "admin", Takes::List),
    key("auth", "session_expires_in", "7d", Takes::Duration),
    key("auth", "session_update_age", "1d", Takes::Duration),
    key("auth", "session_fresh_age", "1d", Takes::Duration),
    key("auth", "session_tokens", "plain", Takes::OneOf(&["plain", "hashed"])),
    key("auth", "jwt_rotation", "0s", Takes::Duration),
    key("auth", "require_email_verification", "false", Takes::Flag),
    key("auth", "change_email", "", Takes::Flag),
    key("auth", "delete_user", "", Takes::Flag),
    key("auth", "password_min", "8", Takes::Count),
    key("auth", "password_max", "128", Takes::Count),
    key("auth", "passwords_at_once", "2", Takes::Count),
    key(
        "auth",
        "plugins",
        "admin,bearer,jwt,two-factor,magic-link,email-otp,username",
        Takes::ListOf(&["admin", "bearer", "jwt", "two-factor", "magic-link", "email-otp", "username"]),
    ),
    key("auth", "cookie_prefix", "better-auth", Takes::Text),
    key("auth", "cookie_domain", "", Takes::Text),
    key("auth", "secure_cookies", "", Takes::Flag),
    key("auth", "app_name", "Hedgerow", Takes::Text),
    key("auth", "provider_tokens", "encrypted", Takes::OneOf(&["encrypted", "plain"])),
    key("auth", "provider_timeout", "8s", Takes::Duration),
    key("mail", "transport", "", Takes::OneOf(&["", "file", "smtp", "memory"])),
    Key { secret: true, ..key("mail", "url", "", Takes::Text) },
    key("mail", "from", "", Takes::Text),
    key("mail", "folder", "", Takes::Text),
    key("rate_limit", "enabled", "", Takes::Flag),
    key("rate_limit", "store", "memory", Takes::OneOf(&["memory", "postgres", "redis"])),
    Key { variables: &["REDIS_URL"], secret: true, ..key("rate_limit", "redis_url", "", Takes::Redis) },
    key("rate_limit", "tiers", "", Takes::Tiers),
    key("audit", "retention", "90d", Takes::Duration),
    key("audit", "tamper_evident", "true", Takes::Flag),
];

/// Sections that later versions understand.
pub(super) const LATER_SECTIONS: &[&str] = &[];
/// Keys that later versions understand.
pub(super) const LATER_KEYS: &[&str] = &["listen_url"];
