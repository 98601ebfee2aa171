//! How many requests somebody may send: quotas by tier, counted for addresses, credentials and users.
//!
//! Always holds:
//! * one number is kept for each counter, and the work for a request does not grow with the requests before it;
//! * the IPv6 addresses of one network of 64 bits are one; whatever number of keys a user has, they share the user's counter;
//! * a store that does not answer does not stop the application: until it is back each instance counts for itself, and the log
//!   says so. A limit protects the others' share of the machine; what keeps tenants apart is not made of it.

mod memory;
mod meter;
mod postgres;
mod quota;
mod redis;
mod shared;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hedgerow_database::{Database, ExposeSecret, UserId};
use ring::hmac;

pub use quota::{Quota, QuotaError, Tier, Tiers};

use crate::auth::secrets::Secrets;
use crate::context::World;
use memory::Memory;
use meter::{Ask, Meter, Taken};
use shared::{Backend, Shared};

/// Where the counters are.
#[derive(Clone, Debug, Default)]
pub enum Store {
    /// In this process: another instance counts anew, and so does the next start.
    #[default]
    Memory,
    /// In the database, for all instances on it.
    Postgres,
    /// In the Redis (or Valkey) server at this URL, for all instances that use it.
    Redis(hedgerow_database::SecretString),
}

/// What [`RateLimits`] are made of.
#[derive(Clone, Debug, Default)]
pub struct RateLimitSettings {
    /// How much of what.
    pub tiers: Tiers,
    /// Where it is counted.
    pub store: Store,
}

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted<'a> {
    /// Everything from one address, before anybody asks who it is. Many people may share it, so it gets four times the quota.
    Address(Option<IpAddr>),
    /// Requests from an address of which nobody says who they are.
    Anonymous(Option<IpAddr>),
    /// Requests with one API key, by its id.
    Key(&'a str),
    /// Requests of a user's sessions.
    Sessions(&'a UserId),
    /// Everything of one user: twice the quota, so that one key that ran wild leaves its owner something.
    User(&'a UserId),
}

/// Where a counter stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which tier.
    pub tier: Tier,
    /// How much it allows whom this counter is of.
    pub quota: Quota,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// Until the whole quota is there again, if no request comes.
    pub reset: Duration,
}

/// A request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The counter that says so.
    pub standing: Standing,
    /// A request may come again after it.
    pub retry_after: Duration,
}

/// Counts requests.
pub struct RateLimits {
    tiers: Tiers,
    store: Counters,
    /// What is stored tells nobody whose address or key it counts.
    key: hmac::Key,
}

enum Counters {
    Memory(Memory),
    Shared(Shared),
}

impl RateLimits {
    /// Opens no connection yet. Must be called within a tokio runtime where a store is shared.
    pub fn open(settings: &RateLimitSettings, database: &Database, secrets: &Secrets, world: &World) -> Self {
        let backend = match &settings.store {
            Store::Memory => None,
            Store::Postgres => Some(Backend::Postgres(postgres::Counters::new(database.clone()))),
            Store::Redis(url) => Some(Backend::Redis(redis::Counters::new(url.clone()))),
        };
        let store = match backend {
            None => Counters::Memory(Memory::new(world.clone())),
            Some(backend) => Counters::Shared(Shared::start(backend, world.clone())),
        };
        let secret = secrets.current().expose_secret();
        let key = hmac::Key::new(hmac::HMAC_SHA256, format!("hedgerow rate limits {secret}").as_bytes());
        Self { tiers: settings.tiers, store, key }
    }

    /// Counts one request for each of `counted`, in this order, and says where the counter that has least left stands.
    ///
    /// # Errors
    /// [`Exceeded`] by the first that has nothing left; the request is not counted by that one and those behind it.
    pub async fn count(&self, tier: Tier, counted: &[Counted<'_>]) -> Result<Standing, Exceeded> {
        let mut least = self.nothing(tier);
        // One after the other: what the first refuses takes nothing from the next.
        for &one in counted {
            let (standing, taken, meter) = self.take(tier, one, 1, 0).await;
            if taken.granted == 0 {
                return Err(Exceeded { standing, retry_after: meter.wait(taken.ahead) });
            }
            if standing.remaining < least.remaining {
                least = standing;
            }
        }
        Ok(least)
    }

    /// Counts what a request that was let in does besides: so many requests more, also where nothing is left. Whoever owes
    /// something waits for it with the next request. Says where the counter that has least left stands.
    pub async fn charge(&self, tier: Tier, counted: &[Counted<'_>], requests: u32) -> Standing {
        let mut least = self.nothing(tier);
        for &one in counted {
            let (standing, ..) = self.take(tier, one, 0, requests).await;
            if standing.remaining < least.remaining {
                least = standing;
            }
        }
        least
    }

    fn nothing(&self, tier: Tier) -> Standing {
        Standing { tier, quota: self.tiers.of(tier), remaining: u32::MAX, reset: Duration::ZERO }
    }

    async fn take(
        &self,
        tier: Tier,
        counted: Counted<'_>,
        wanted: u32,
        owed: u32,
    ) -> (Standing, Taken, Meter) {
        let quota = self.tiers.of(tier).times(counted.share());
        let meter = Meter::of(quota);
        let ask = Ask { key: self.name(tier, counted), meter, wanted, owed };
        let taken = match &self.store {
            Counters::Memory(memory) => memory.take(ask),
            Counters::Shared(shared) => shared.take(ask).await,
        };
        let reset = Duration::from_micros(u64::try_from(taken.ahead).unwrap_or(0));
        (Standing { tier, quota, remaining: meter.room(taken.ahead), reset }, taken, meter)
    }

    /// The counter's name: the same on every instance with the same secret.
    fn name(&self, tier: Tier, counted: Counted<'_>) -> [u8; 16] {
        let address = |address: Option<IpAddr>| {
            address.map_or_else(|| "unknown".to_owned(), |address| network(address).to_string())
        };
        let text = match counted {
            Counted::Address(from) => format!("{tier}|address|{}", address(from)),
            Counted::Anonymous(from) => format!("{tier}|anonymous|{}", address(from)),
            Counted::Key(id) => format!("{tier}|key|{id}"),
            Counted::Sessions(user) => format!("{tier}|sessions|{user}"),
            Counted::User(user) => format!("{tier}|user|{user}"),
        };
        let tag = hmac::sign(&self.key, text.as_bytes());
        let mut name = [0; 16];
        name.copy_from_slice(&tag.as_ref()[..16]);
        name
    }

    /// Ends the task of a shared store.
    pub async fn close(&self) {
        if let Counters::Shared(shared) = &self.store {
            shared.close().await;
        }
    }
}

impl Counted<'_> {
    /// How many times the tier's quota.
    fn share(self) -> u32 {
        match self {
            Self::Address(_) => 4,
            Self::User(_) => 2,
            Self::Anonymous(_) | Self::Key(_) | Self::Sessions(_) => 1,
        }
    }
}

/// What counts as one address: an IPv6 network of 64 bits, or an IPv4 address in whatever spelling.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}
