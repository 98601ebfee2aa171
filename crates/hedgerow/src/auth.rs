//! Signing in: accounts and sessions as Better Auth keeps them, and the rules by which they are given.
//!
//! Always holds: what is known of users is read and written as the sign-in role alone; a session is looked up
//! in the database or proved in the request's own flight, so what was revoked is revoked for every instance with the next request; nothing that takes longer for an
//! address that is known than for another is done before the answer (see [`later`]).

pub mod accounts;
pub mod admin;
pub mod arrivals;
pub mod email;
pub mod email_otp;
pub mod http;
pub mod invitations;
pub mod later;
pub mod magic_link;
pub mod origins;
pub mod passwords;
pub mod refusal;
pub mod sessions;
pub mod settings;
pub mod sign_in;
pub mod sign_up;
pub mod social;
pub mod store;
pub mod throttle;
pub mod two_factor;
pub mod username;

pub mod jwt;
pub mod password;
pub mod sealed;
pub mod secrets;
pub mod signed;
pub mod totp;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use crate::context::World;
use crate::mail::{DEFAULT_QUEUE, Mailer, MemoryMailbox, Templates, Transport};
use crate::memory::Memory;
use crate::token;
use later::Later;
use origins::Origins;
use password::Passwords;
use secrets::Secrets;
use settings::{AuthSettings, Plugin, Switch};
use social::Social;
use throttle::Throttle;

/// Sign-in of one application: its settings and what it works with. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    settings: AuthSettings,
    secrets: Secrets,
    passwords: Passwords,
    mailer: Mailer,
    later: Later,
    throttle: Option<Throttle>,
    social: Social,
    /// Sessions by the hashes of their tokens, and when they end.
    sessions: Memory<Timestamp>,
    /// Where the server listens, when nobody said where people reach it.
    listens_at: OnceLock<Url>,
    nowhere: Url,
}

/// What [`Auth`] is made of.
#[derive(Clone)]
pub struct AuthOptions {
    /// How it behaves.
    pub settings: AuthSettings,
    /// What signs and seals.
    pub secrets: Secrets,
    /// What brings mail.
    pub mailer: Mailer,
    /// How many passwords are checked at the same time; each takes 32 MiB and a core for some 70 ms.
    pub passwords_at_once: usize,
    /// Whether tries are counted.
    pub rate_limit: Switch,
}

impl AuthOptions {
    /// For a program that keeps no secret: sessions end with it, and mails stay in its memory.
    pub fn for_itself(world: &World) -> Self {
        let settings = AuthSettings::default();
        let secrets = Secrets::single(token::letters::<64>(world));
        let sender =
            "no-reply@localhost.localdomain".parse().unwrap_or_else(|_| unreachable!("this is an address"));
        let transport = Transport::Memory(MemoryMailbox::new());
        let mailer =
            Mailer::new(transport, sender, Templates::built_in(), &settings.app_name, DEFAULT_QUEUE, world);
        Self { settings, secrets, mailer, passwords_at_once: 2, rate_limit: Switch::Off }
    }
}

/// From where a request comes, for the session's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The address; empty when unknown.
    pub ip_address: String,
    /// The program; empty when unknown.
    pub user_agent: String,
}

/// How many wait for a password to be checked, for each that is being checked.
const WAITING: usize = 64;

/// How often what ended is deleted.
const CLEAN: Duration = Duration::from_secs(600);

impl Auth {
    /// Puts sign-in together. Must be called within a tokio runtime.
    pub fn new(options: AuthOptions) -> Self {
        let at_once = options.passwords_at_once.max(1);
        let social = Social::new(&options.settings.providers, options.settings.provider_timeout);
        let inner = Inner {
            settings: options.settings,
            secrets: options.secrets,
            passwords: Passwords::new(at_once, at_once * WAITING),
            mailer: options.mailer,
            later: Later::default(),
            social,
            sessions: Memory::default(),
            throttle: (options.rate_limit == Switch::On).then(Throttle::default),
            listens_at: OnceLock::new(),
            nowhere: Url::parse("http://localhost").unwrap_or_else(|_| unreachable!("this is a URL")),
        };
        Self { inner: Arc::new(inner) }
    }

    /// How it behaves.
    pub fn settings(&self) -> &AuthSettings {
        &self.inner.settings
    }

    /// Whether the plugin is there.
    pub fn has(&self, plugin: Plugin) -> bool {
        self.inner.settings.has(plugin)
    }

    /// Whose sessions are known.
    pub(crate) fn sessions(&self) -> &Memory<Timestamp> {
        &self.inner.sessions
    }

    /// What signs and seals.
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// What checks passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    /// What brings mail.
    pub fn mailer(&self) -> &Mailer {
        &self.inner.mailer
    }

    /// What counts tries, if anything does.
    pub fn throttle(&self) -> Option<&Throttle> {
        self.inner.throttle.as_ref()
    }

    /// The providers that people sign in with.
    pub fn social(&self) -> &Social {
        &self.inner.social
    }

    /// Work after the answer.
    pub fn later(&self) -> &Later {
        &self.inner.later
    }

    /// Says where the server listens; counts where no base URL is set.
    pub fn listens_at(&self, url: Url) {
        let _ = self.inner.listens_at.set(url);
    }

    /// Where people reach this server.
    pub fn base_url(&self) -> &Url {
        let known = self.inner.settings.base_url.as_ref();
        known.or_else(|| self.inner.listens_at.get()).unwrap_or(&self.inner.nowhere)
    }

    /// An endpoint of sign-in, for a link in a mail: never built from what a request says about its host.
    pub fn endpoint(&self, path: &str) -> Url {
        let mut url = self.base_url().clone();
        url.set_path(&format!("/api/auth/{path}"));
        url.set_query(None);
        url
    }

    /// Whom sign-in trusts.
    pub fn origins(&self) -> Origins<'_> {
        Origins { base: self.base_url(), trusted: &self.inner.settings.trusted_origins }
    }

    /// Whether cookies are for TLS alone.
    pub fn has_secure_cookies(&self) -> bool {
        self.inner.settings.secure_cookies.unwrap_or_else(|| self.base_url().scheme() == "https")
    }

    /// Deletes what ended, every ten minutes; never done.
    pub async fn keep_clean(app: &crate::App) {
        let mut ticks = tokio::time::interval(CLEAN);
        loop {
            ticks.tick().await;
            if let Err(error) = store::verification::clean(app).await {
                tracing::warn!(%error, "sessions and links that ended could not be deleted; the next try is in ten minutes");
            }
            while match crate::idempotency::clean(app).await {
                Ok(is_more) => is_more,
                Err(error) => {
                    tracing::warn!(%error, "old idempotency keys could not be deleted; the next try is in ten minutes");
                    false
                }
            } {}
        }
    }

    /// Finishes what was to be done after answers, for a while.
    pub async fn close(&self) {
        self.inner.later.close().await;
        self.inner.mailer.close(later::GRACE).await;
    }
}
