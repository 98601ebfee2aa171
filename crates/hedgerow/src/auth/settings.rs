//! How sign-in behaves, as typed settings.
//!
//! Always holds: where a setting could open something, its default keeps it closed, except in development.

use std::collections::BTreeSet;
use std::time::Duration;

use url::Url;

use crate::auth::origins::OriginPattern;
use crate::auth::social::settings::ProviderSettings;

/// Settings of sign-in.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// Where people reach this server: scheme, host and port. `None` is where it listens, as in development.
    pub base_url: Option<Url>,
    /// Origins of front ends besides the base URL's own.
    pub trusted_origins: Vec<OriginPattern>,
    /// Who may make an account.
    pub registration: Registration,
    /// The role of whoever makes an account.
    pub default_role: String,
    /// The roles that see to other users.
    pub admin_roles: Vec<String>,
    /// How long a session lasts after its last refresh.
    pub session_expires_in: Duration,
    /// How old a session's last refresh is before the next one.
    pub session_update_age: Duration,
    /// How old a session is at most where something sensitive is done; zero switches the check off.
    pub session_fresh_age: Duration,
    /// Whether a session's token is kept in clear, as Better Auth does, or as a hash.
    pub session_tokens: TokenStorage,
    /// After how long tokens for other services are signed with a new key; `None` is never.
    pub jwt_rotation: Option<Duration>,
    /// Whether signing in needs a confirmed address.
    pub verification: Verification,
    /// Whether people may change their address.
    pub change_email: Switch,
    /// Whether people may delete their account.
    pub delete_user: Switch,
    /// Shortest password, in UTF-16 units.
    pub password_min: usize,
    /// Longest password, in UTF-16 units.
    pub password_max: usize,
    /// What is there besides the core.
    pub plugins: BTreeSet<Plugin>,
    /// Fields of the user beyond Better Auth's own.
    pub fields: Vec<UserField>,
    /// How cookies start; Better Auth says `better-auth`.
    pub cookie_prefix: String,
    /// Whether cookies are sent over TLS alone; `None` follows the base URL's scheme.
    pub secure_cookies: Option<bool>,
    /// The parent domain that shares the cookies.
    pub cookie_domain: Option<String>,
    /// What authenticator apps and mails call the application.
    pub app_name: String,
    /// Providers that people sign in with.
    pub providers: Vec<ProviderSettings>,
    /// How the tokens of providers are kept.
    pub provider_tokens: ProviderTokens,
    /// How long a request to a provider takes at most.
    pub provider_timeout: Duration,
}

impl Default for AuthSettings {
    /// Production's defaults.
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            base_url: None,
            trusted_origins: Vec::new(),
            registration: Registration::Open,
            default_role: crate::users::MEMBER.to_owned(),
            admin_roles: vec![crate::users::ADMIN.to_owned()],
            session_expires_in: 7 * day,
            session_update_age: day,
            session_fresh_age: day,
            session_tokens: TokenStorage::Plain,
            jwt_rotation: None,
            verification: Verification::Optional,
            change_email: Switch::Off,
            delete_user: Switch::Off,
            password_min: 8,
            password_max: 128,
            plugins: Plugin::ALL.into_iter().collect(),
            fields: Vec::new(),
            cookie_prefix: "better-auth".to_owned(),
            secure_cookies: None,
            cookie_domain: None,
            app_name: "Hedgerow".to_owned(),
            providers: Vec::new(),
            provider_tokens: ProviderTokens::Encrypted,
            provider_timeout: Duration::from_secs(8),
        }
    }
}

impl AuthSettings {
    /// Development's defaults: nothing stands in the way of trying things out.
    pub fn development() -> Self {
        Self { change_email: Switch::On, delete_user: Switch::On, ..Self::default() }
    }

    /// Whether the plugin is there.
    pub fn has(&self, plugin: Plugin) -> bool {
        self.plugins.contains(&plugin)
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is there.
    On,
    /// It is not there.
    Off,
}

/// Whether signing in needs a confirmed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It does not.
    Optional,
    /// It does; then signing up does not tell whether an address is known.
    Required,
}

/// How a session's token is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStorage {
    /// In clear, so that a Node server beside this one knows it.
    Plain,
    /// As a hash, so that a copy of the database opens no session.
    Hashed,
}

/// How the tokens of providers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderTokens {
    /// Encrypted with the secret. A Node server with `encryptOAuthTokens` reads access and refresh tokens.
    Encrypted,
    /// In clear, as Better Auth does unless it is told otherwise.
    Plain,
}

/// Who may make an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Whoever has an address of one of these domains, in lower case.
    Domains(Vec<String>),
    /// Whoever was invited.
    Invitation,
    /// Nobody; administrators make accounts.
    Closed,
}

/// What is there besides the core; the names are Better Auth's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plugin {
    /// `/admin/*`
    Admin,
    /// Session tokens in `Authorization`.
    Bearer,
    /// `/token`, `/jwks`
    Jwt,
    /// `/two-factor/*`
    TwoFactor,
    /// `/sign-in/magic-link`
    MagicLink,
    /// `/email-otp/*`
    EmailOtp,
    /// `/sign-in/username`
    Username,
}

impl Plugin {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Admin,
        Self::Bearer,
        Self::Jwt,
        Self::TwoFactor,
        Self::MagicLink,
        Self::EmailOtp,
        Self::Username,
    ];

    /// As the settings spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::TwoFactor => "two-factor",
            Self::MagicLink => "magic-link",
            Self::EmailOtp => "email-otp",
            Self::Username => "username",
        }
    }

    /// The plugin of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plugin| plugin.name() == name)
    }
}

/// A field of the user that the application adds; a column of the table `user` of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserField {
    /// The column and the member of the JSON object.
    pub name: hedgerow_schema::Identifier,
    /// What it holds.
    pub kind: UserFieldKind,
    /// Whether signing up needs it.
    pub required: bool,
    /// Whether people may set it themselves.
    pub input: bool,
    /// What it is when nothing is said.
    pub default: Option<serde_json::Value>,
}

/// What a field of the user holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserFieldKind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
}
