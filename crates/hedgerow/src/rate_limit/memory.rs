//! Counters of this process.
//!
//! Always holds: memory is bounded, and what was counted longest ago is forgotten first. To push out one counter, somebody has to
//! fill all others, from as many addresses or users.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use super::meter::{Ask, Taken};
use crate::context::World;

/// How many counters are remembered: some 80 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).expect("is not zero");

pub(super) struct Memory {
    /// When each counter's quota is whole again, in microseconds since 1970.
    full_at: Mutex<LruCache<[u8; 16], i64>>,
    world: World,
}

impl Memory {
    pub(super) fn new(world: World) -> Self {
        Self { full_at: Mutex::new(LruCache::new(REMEMBERED)), world }
    }

    pub(super) fn take(&self, ask: Ask) -> Taken {
        let now = self.world.now().as_microsecond();
        let mut all = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = all.get_or_insert_mut(ask.key, || now);
        let taken = ask.meter.take(full_at.saturating_sub(now), ask.wanted, ask.owed);
        *full_at = now + taken.ahead;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::super::meter::Meter;
    use super::*;

    #[test]
    fn memory_is_bounded_and_each_counter_is_its_own() {
        let memory = Memory::new(World::default());
        let meter = Meter::of("1/1h".parse().unwrap());
        let ask = |n: u32| {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&n.to_be_bytes());
            memory.take(Ask { key, meter, wanted: 1, owed: 0 }).granted
        };
        assert_eq!((ask(1), ask(1), ask(2)), (1, 0, 1));
        for n in 0..150_000 {
            ask(n);
        }
        assert_eq!(memory.full_at.lock().unwrap().len(), REMEMBERED.get());
        assert_eq!(ask(149_999), 0, "the newest are remembered");
    }
}
