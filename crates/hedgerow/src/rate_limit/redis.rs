//! Counters in Redis 3.2 or later, or what speaks like it. They expire by themselves.

use std::time::Duration;

use hedgerow_database::{ExposeSecret, SecretString};
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};

use super::meter::{Ask, Taken};

/// Takes what each counter has left, and what is owed. The time is the server's. Numbers are doubles in Lua, exact up to 2^53: microseconds fit
/// until the year 2255.
const TAKE: &str = "
-- Before Redis 5, a script that asked for the time may only write when it says so; later ones know no other way.
pcall(redis.replicate_commands)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers = {}
for i, key in ipairs(KEYS) do
  local step, quota = tonumber(ARGV[4*i-3]), tonumber(ARGV[4*i-2])
  local wanted, owed = tonumber(ARGV[4*i-1]), tonumber(ARGV[4*i])
  local ahead = math.max((tonumber(redis.call('GET', key)) or 0) - now, 0)
  local granted = math.max(math.min(wanted, math.floor((step * quota - ahead) / step)), 0)
  if granted + owed > 0 then
    ahead = ahead + (granted + owed) * step
    redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
  end
  answers[2*i-1], answers[2*i] = granted, ahead
end
return answers";

/// How long Redis may take; a request waits for it.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Counters {
    url: SecretString,
    script: Script,
    /// The one connection; it is made when it is needed and gone when something failed.
    connection: Option<MultiplexedConnection>,
}

impl Counters {
    pub(super) fn new(url: SecretString) -> Self {
        Self { url, script: Script::new(TAKE), connection: None }
    }

    /// One answer for each ask, in their order; each key is asked for once.
    pub(super) async fn take(&mut self, asks: &[Ask]) -> Result<Vec<Taken>, RedisError> {
        let late = || RedisError::from((redis::ErrorKind::Io, "Redis did not answer in time"));
        let outcome =
            tokio::time::timeout(PATIENCE, self.take_now(asks)).await.unwrap_or_else(|_| Err(late()));
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    async fn take_now(&mut self, asks: &[Ask]) -> Result<Vec<Taken>, RedisError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let client = Client::open(self.url.expose_secret())?;
                none.insert(client.get_multiplexed_async_connection().await?)
            }
        };
        let mut invocation = self.script.prepare_invoke();
        for ask in asks {
            // One hash tag: all of them are in the same slot of a cluster.
            invocation.key(format!("{{hedgerow:limit}}:{}", uuid::Uuid::from_bytes(ask.key).simple()));
            invocation.arg(ask.meter.step).arg(ask.meter.requests).arg(ask.wanted).arg(ask.owed);
        }
        let numbers: Vec<i64> = invocation.invoke_async(connection).await?;
        let (pairs, _) = numbers.as_chunks::<2>();
        if pairs.len() != asks.len() {
            return Err((redis::ErrorKind::UnexpectedReturnType, "Redis answered for other keys").into());
        }
        let taken =
            |&[granted, ahead]: &[i64; 2]| Taken { granted: u32::try_from(granted).unwrap_or(0), ahead };
        Ok(pairs.iter().map(taken).collect())
    }
}
