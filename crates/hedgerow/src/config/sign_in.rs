//! The sections `[auth]`, `[mail]` and `[rate_limit]` as settings of sign-in.
//!
//! Always holds: what development opens by itself, production opens only when it is said.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hedgerow_schema::reader::{Reader, Table, scalar};
use hedgerow_schema::{Identifier, Problem};
use secrecy::SecretString;
use url::Url;

use super::{items, parse_duration};
use crate::auth::settings::{
    AuthSettings, Plugin, ProviderTokens, Registration, Switch, TokenStorage, UserField, UserFieldKind,
    Verification,
};
use crate::auth::social::settings::ProviderSettings;
use crate::mail::{MailSettings, TransportKind};

/// What the sections say.
#[derive(Clone, Debug)]
pub struct SignInConfig {
    settings: AuthSettings,
    change_email: Option<Switch>,
    delete_user: Option<Switch>,
    rate_limit: Option<Switch>,
    transport: Option<TransportKind>,
    mail_url: Option<SecretString>,
    mail_from: String,
    mail_folder: String,
    /// How many passwords are checked at the same time.
    pub passwords_at_once: usize,
}

/// For whom the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Somebody who tries things out on this computer.
    Development,
    /// Everybody.
    Production,
}

impl SignInConfig {
    /// Only called with values that were checked.
    pub(super) fn of<'v>(
        text: &impl Fn(&'static str, &'static str) -> &'v str,
        fields: Vec<UserField>,
    ) -> Self {
        let auth = |name| text("auth", name);
        let switch = |text: &str| match text {
            "true" => Some(Switch::On),
            "false" => Some(Switch::Off),
            _ => None,
        };
        let duration = |name| parse_duration(auth(name)).unwrap_or(Duration::ZERO);
        let count = |name| auth(name).parse::<usize>().unwrap_or(1);
        let domains = || items(auth("registration_domains")).map(str::to_lowercase).collect();
        let settings = AuthSettings {
            base_url: base_url(auth("base_url")),
            trusted_origins: items(auth("trusted_origins")).filter_map(|item| item.parse().ok()).collect(),
            registration: match auth("registration") {
                "domain" => Registration::Domains(domains()),
                "invitation" => Registration::Invitation,
                "closed" => Registration::Closed,
                _ => Registration::Open,
            },
            default_role: auth("default_role").to_owned(),
            admin_roles: items(auth("admin_roles")).map(str::to_owned).collect(),
            session_expires_in: duration("session_expires_in"),
            session_update_age: duration("session_update_age"),
            session_fresh_age: duration("session_fresh_age"),
            session_tokens: match auth("session_tokens") {
                "hashed" => TokenStorage::Hashed,
                _ => TokenStorage::Plain,
            },
            jwt_rotation: Some(duration("jwt_rotation")).filter(|rotation| !rotation.is_zero()),
            verification: match auth("require_email_verification") {
                "true" => Verification::Required,
                _ => Verification::Optional,
            },
            password_min: count("password_min"),
            password_max: count("password_max"),
            plugins: items(auth("plugins")).filter_map(Plugin::named).collect(),
            fields,
            cookie_prefix: auth("cookie_prefix").to_owned(),
            secure_cookies: switch(auth("secure_cookies")).map(|switch| switch == Switch::On),
            cookie_domain: Some(auth("cookie_domain").to_owned()).filter(|domain| !domain.is_empty()),
            app_name: auth("app_name").to_owned(),
            provider_tokens: match auth("provider_tokens") {
                "plain" => ProviderTokens::Plain,
                _ => ProviderTokens::Encrypted,
            },
            provider_timeout: duration("provider_timeout"),
            ..AuthSettings::default()
        };
        Self {
            settings,
            change_email: switch(auth("change_email")),
            delete_user: switch(auth("delete_user")),
            rate_limit: switch(text("rate_limit", "enabled")),
            transport: match text("mail", "transport") {
                "file" => Some(TransportKind::File),
                "smtp" => Some(TransportKind::Smtp),
                "memory" => Some(TransportKind::Memory),
                _ => None,
            },
            mail_url: Some(text("mail", "url")).filter(|url| !url.is_empty()).map(SecretString::from),
            mail_from: text("mail", "from").to_owned(),
            mail_folder: text("mail", "folder").to_owned(),
            passwords_at_once: count("passwords_at_once"),
        }
    }

    /// Adds the providers, which have tables of their own.
    pub(super) fn set_providers(&mut self, providers: Vec<ProviderSettings>) {
        self.settings.providers = providers;
    }

    /// The settings of sign-in.
    pub fn settings(&self, mode: Mode) -> AuthSettings {
        let usual = if mode == Mode::Development { Switch::On } else { Switch::Off };
        let mut trusted_origins = self.settings.trusted_origins.clone();
        if mode == Mode::Development {
            // Front ends that are tried out on this computer, whatever port their tool takes.
            let own = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];
            trusted_origins.extend(own.into_iter().filter_map(|origin| origin.parse().ok()));
        }
        AuthSettings {
            trusted_origins,
            change_email: self.change_email.unwrap_or(usual),
            delete_user: self.delete_user.unwrap_or(usual),
            ..self.settings.clone()
        }
    }

    /// Whether requests to sign-in are counted.
    pub fn rate_limit(&self, mode: Mode) -> Switch {
        self.rate_limit.unwrap_or(if mode == Mode::Development { Switch::Off } else { Switch::On })
    }

    /// How mail leaves; `folder` is where the project keeps its state.
    pub fn mail(&self, folder: &Path) -> MailSettings {
        let usual = if self.mail_url.is_some() { TransportKind::Smtp } else { TransportKind::File };
        let own = Path::new(&self.mail_folder);
        let folder = if self.mail_folder.is_empty() { folder.join("mail") } else { PathBuf::from(own) };
        let host = self.settings.base_url.as_ref().and_then(Url::domain).unwrap_or("localhost");
        let from = if self.mail_from.is_empty() {
            format!("{} <no-reply@{host}>", self.settings.app_name)
        } else {
            self.mail_from.clone()
        };
        MailSettings { transport: self.transport.unwrap_or(usual), url: self.mail_url.clone(), from, folder }
    }

    /// Whether mail only goes to files, because nobody said how it leaves.
    pub fn has_no_mail(&self) -> bool {
        self.transport.is_none() && self.mail_url.is_none()
    }
}

/// http or https with a host, and nothing behind it.
pub(super) fn base_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    // Better Auth's own base URL may say where it is mounted, which is where it is here.
    if url.path().trim_end_matches('/') == "/api/auth" {
        url.set_path("/");
    }
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    plain.then_some(url)
}

/// `[auth.user_fields.NAME]`: columns of the table `user` that the application adds.
pub(super) fn user_fields(file: &str, problems: &mut Vec<Problem>) -> Vec<UserField> {
    let mut reader = Reader::new("hedgerow.toml", file);
    let document = reader.document();
    let mut top = Table::new(document.get_ref(), 0..0);
    let mut fields = Vec::new();
    if !reader.is_clean() {
        // Said already, by whoever read the file first.
        return fields;
    }
    let Some(mut auth) = reader.table(&mut top, "auth") else { return fields };
    let Some(table) = reader.table(&mut auth, "user_fields") else { return fields };
    for entry in table.entries() {
        let Some(mut field) = entry.table() else {
            reader.note(entry.span(), "a field of the user is a table".to_owned(), None);
            continue;
        };
        let kinds = [
            ("text", UserFieldKind::Text),
            ("number", UserFieldKind::Number),
            ("boolean", UserFieldKind::Boolean),
        ];
        let kind = reader.word(&mut field, "type", &kinds).unwrap_or(UserFieldKind::Text);
        let required = reader.flag(&mut field, "required");
        let input = field.get("input").is_none_or(|entry| scalar(entry.value()).as_deref() != Some("false"));
        let default = field.get("default").and_then(|entry| scalar(entry.value())).map(|text| match kind {
            UserFieldKind::Text => serde_json::Value::String(text),
            UserFieldKind::Number | UserFieldKind::Boolean => serde_json::from_str(&text).unwrap_or_default(),
        });
        reader.finish(&field, &format!("[auth.user_fields.{}]", entry.key()), &[]);
        match Identifier::parse(entry.key()) {
            Ok(name) if !OWN_COLUMNS.contains(&name.as_str()) => {
                fields.push(UserField { name, kind, required, input, default });
            }
            _ => reader.note(
                entry.key_span(),
                format!("`{}` cannot be a field of the user", entry.key()),
                Some("use letters, digits and underscores, and none of Better Auth's own names".to_owned()),
            ),
        }
    }
    problems.extend(reader.into_problems());
    fields
}

/// What the table `user` has already.
const OWN_COLUMNS: &[&str] = &[
    "id",
    "name",
    "email",
    "emailVerified",
    "image",
    "createdAt",
    "updatedAt",
    "role",
    "banned",
    "banReason",
    "banExpires",
    "twoFactorEnabled",
    "username",
    "displayUsername",
    "password",
];
