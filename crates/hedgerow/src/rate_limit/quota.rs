//! So many requests in so much time, for each kind of request.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::config::parse_duration;

/// What kind of request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Reads rows.
    Read,
    /// Changes rows.
    Write,
    /// Has to do with signing in, by address; besides it each path has Better Auth's own limit.
    Auth,
    /// Reads whole tables: CSV, NDJSON.
    Export,
}

impl Tier {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Auth, Self::Export];

    /// As headers and settings write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Auth => "auth",
            Self::Export => "export",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// So many requests in so much time. Written `600/1min`; as many may come at once, and they come back evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests, at least one.
    pub requests: u32,
    /// The time, from a second to a day.
    pub window: Duration,
}

/// A text is no [`Quota`], or names no [`Tier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a quota is a number of requests and a time from 1s to 1d, such as 600/1min, of read, write, auth or export"
)]
pub struct QuotaError;

impl Quota {
    const fn per_minute(requests: u32) -> Self {
        Self { requests, window: Duration::from_secs(60) }
    }

    /// So many times as many requests in the same time.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self { requests: self.requests.saturating_mul(factor), ..self }
    }
}

impl FromStr for Quota {
    type Err = QuotaError;

    /// ```
    /// use hedgerow::rate_limit::Quota;
    /// let quota: Quota = "600/1min".parse()?;
    /// assert_eq!((quota.requests, quota.window.as_secs()), (600, 60));
    /// assert!("600".parse::<Quota>().is_err());
    /// assert!("0/1min".parse::<Quota>().is_err());
    /// # Ok::<(), hedgerow::rate_limit::QuotaError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let (requests, window) = text.split_once('/').ok_or(QuotaError)?;
        let requests: u32 = requests.trim().parse().map_err(|_| QuotaError)?;
        let window = parse_duration(window.trim()).ok_or(QuotaError)?;
        let fits = (1..=1_000_000).contains(&requests)
            && (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&window);
        if fits { Ok(Self { requests, window }) } else { Err(QuotaError) }
    }
}

/// The quota of each tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiers {
    read: Quota,
    write: Quota,
    auth: Quota,
    export: Quota,
}

impl Default for Tiers {
    /// Ten reads and two writes in a second, for as long as one likes.
    fn default() -> Self {
        Self {
            read: Quota::per_minute(600),
            write: Quota::per_minute(120),
            auth: Quota::per_minute(120),
            export: Quota::per_minute(10),
        }
    }
}

impl Tiers {
    /// The quota of one credential.
    pub fn of(&self, tier: Tier) -> Quota {
        match tier {
            Tier::Read => self.read,
            Tier::Write => self.write,
            Tier::Auth => self.auth,
            Tier::Export => self.export,
        }
    }

    /// The same with another quota for one tier.
    #[must_use]
    pub fn with(mut self, tier: Tier, quota: Quota) -> Self {
        let place = match tier {
            Tier::Read => &mut self.read,
            Tier::Write => &mut self.write,
            Tier::Auth => &mut self.auth,
            Tier::Export => &mut self.export,
        };
        *place = quota;
        self
    }

    /// The defaults, but for one tier: `read=600/1min`.
    ///
    /// # Errors
    /// [`QuotaError`]
    pub fn with_text(self, text: &str) -> Result<Self, QuotaError> {
        let (name, quota) = text.split_once('=').ok_or(QuotaError)?;
        let tier = Tier::ALL.into_iter().find(|tier| tier.name() == name.trim()).ok_or(QuotaError)?;
        Ok(self.with(tier, quota.trim().parse()?))
    }
}
