//! Providers as the configuration names them.
//!
//! Always holds: settings that were made are complete: a client with its secret, and an issuer where the kind needs one, over
//! TLS or on this computer.

use secrecy::SecretString;
use url::Url;

use crate::auth::http::{Network, Reach, is_this_computer};
use crate::auth::settings::Switch;

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Google.
    Google,
    /// GitHub, also an Enterprise Server of one's own.
    GitHub,
    /// GitLab, also one of one's own.
    GitLab,
    /// OpenID Connect, as its discovery document says.
    Oidc,
}

impl ProviderKind {
    /// All, by the names that settings use.
    pub const ALL: [(&'static str, Self); 4] =
        [("google", Self::Google), ("github", Self::GitHub), ("gitlab", Self::GitLab), ("oidc", Self::Oidc)];

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(own, _)| *own == name).map(|(_, kind)| kind)
    }
}

/// Whether what a provider says of addresses is believed where it does not vouch for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is: accounts are linked without a verified address at the provider.
    Trusted,
    /// Only its word that an address is verified counts.
    Usual,
}

/// One provider.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// As it is called in requests and rows.
    pub name: String,
    /// What it speaks.
    pub kind: ProviderKind,
    /// Who we are there.
    pub client_id: String,
    /// Other clients of ours, such as apps, whose ID tokens are accepted.
    pub other_clients: Vec<String>,
    /// How we prove it.
    pub client_secret: SecretString,
    /// Where it is, without a slash at the end; the public one where nothing is said.
    pub issuer: Option<String>,
    /// What is asked for besides what signing in needs.
    pub scopes: Vec<String>,
    /// Further parameters of its authorization address.
    pub parameters: Vec<(String, String)>,
    /// Whether it is believed without verified addresses.
    pub trust: Trust,
    /// Whether people may make an account by it.
    pub sign_up: Switch,
    /// Whether it is on a network of one's own.
    pub reach: Reach,
}

impl ProviderSettings {
    /// A client of a provider, with the usual settings.
    pub fn new(
        name: &str,
        kind: ProviderKind,
        client_id: &str,
        client_secret: impl Into<SecretString>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            client_id: client_id.to_owned(),
            other_clients: Vec::new(),
            client_secret: client_secret.into(),
            issuer: None,
            scopes: Vec::new(),
            parameters: Vec::new(),
            trust: Trust::Usual,
            sign_up: Switch::On,
            reach: Reach::Public,
        }
    }

    /// What of the network it may name.
    pub(super) fn network(&self) -> Network {
        match self.issuer.as_deref().map(Url::parse) {
            Some(Ok(url)) => Network::around(&url, self.reach),
            Some(Err(_)) | None => Network::public(),
        }
    }

    /// Whether an ID token for this client is for us.
    pub(super) fn is_ours(&self, client: &str) -> bool {
        self.client_id == client || self.other_clients.iter().any(|other| other == client)
    }
}

/// An issuer's address as it is kept, if it can be one: `https`, or `http` on this computer.
pub fn issuer(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_this_computer(&url));
    let is_plain = url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (is_safe && is_plain).then(|| text.to_owned())
}

/// Parameters of an authorization address that are nobody's but ours.
pub const RESERVED: [&str; 8] = [
    "state",
    "client_id",
    "redirect_uri",
    "response_type",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "scope",
];

/// Whether a text can be a provider's name: part of an address, and of rows.
pub fn is_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    !text.is_empty() && text.len() <= 64 && text != "credential" && text.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_over_tls_or_on_this_computer() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(issuer(text).as_deref(), expected, "{text}");
        check("https://gitlab.example.com", Some("https://gitlab.example.com"));
        check("https://gitlab.example.com/", Some("https://gitlab.example.com"));
        check("https://sso.example.com/realms/x", Some("https://sso.example.com/realms/x"));
        check("http://127.0.0.1:9901", Some("http://127.0.0.1:9901"));
        check("http://localhost:9901", Some("http://localhost:9901"));
        check("http://[::1]:9901", Some("http://[::1]:9901"));
        for bad in [
            "",
            "gitlab.example.com",
            "http://gitlab.example.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "https://user@gitlab.example.com",
            "https://gitlab.example.com?x",
            "https://gitlab.example.com#x",
            "ftp://localhost",
            "file:///etc/passwd",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn only_the_server_that_is_named_may_be_on_this_computer() {
        let mut settings = ProviderSettings::new("own", ProviderKind::Oidc, "id", "secret");
        let check = |settings: &ProviderSettings, url: &str, expected: bool| {
            assert_eq!(settings.network().place(&url.parse().unwrap()).is_ok(), expected, "{url}");
        };
        settings.issuer = Some("http://127.0.0.1:9901".to_owned());
        check(&settings, "http://127.0.0.1:9901/token", true);
        check(&settings, "http://127.0.0.1:9902/token", false);
        check(&settings, "http://localhost:9901/token", false);
        check(&settings, "https://sso.example.com/token", true);
        settings.issuer = Some("https://sso.example.com".to_owned());
        for bad in [
            "http://sso.example.com/token",
            "http://127.0.0.1/",
            "https://user:password@sso.example.com/token",
            "file:///etc/passwd",
        ] {
            check(&settings, bad, false);
        }
        // A public provider that names an address: asked, and then stopped by what the address is.
        check(&settings, "https://169.254.169.254/", true);
    }

    #[test]
    fn nothing_prints_a_clients_secret() {
        let settings = ProviderSettings::new("own", ProviderKind::Oidc, "id", "hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
