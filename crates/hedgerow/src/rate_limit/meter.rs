//! The arithmetic of a counter: the generic cell rate algorithm (ITU-T I.371, annex A). What is kept is the moment at which the
//! whole quota is there again; each request moves it on by the time in which one request comes back.

use std::time::Duration;

use super::Quota;

/// A quota in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meter {
    /// After so many microseconds one more request may come.
    pub(super) step: i64,
    /// So many may come at once.
    pub(super) requests: u32,
}

/// Requests that somebody wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) key: [u8; 16],
    pub(super) meter: Meter,
    pub(super) wanted: u32,
    /// Requests that were done already, and count whether there is room for them or not.
    pub(super) owed: u32,
}

/// What a store says to an [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// So many of the wanted may be sent.
    pub(super) granted: u32,
    /// Microseconds from now until the whole quota is there again.
    pub(super) ahead: i64,
}

impl Meter {
    pub(super) fn of(quota: Quota) -> Self {
        let window = i64::try_from(quota.window.as_micros()).unwrap_or(i64::MAX);
        Self { step: (window / i64::from(quota.requests)).max(1), requests: quota.requests }
    }

    /// How many more may come at once.
    pub(super) fn room(self, ahead: i64) -> u32 {
        let free = (self.step * i64::from(self.requests)).saturating_sub(ahead.max(0)) / self.step;
        u32::try_from(free).unwrap_or(0)
    }

    /// Takes what there is of `wanted`, and all that is owed, from a counter that is full again `ahead` microseconds from now.
    pub(super) fn take(self, ahead: i64, wanted: u32, owed: u32) -> Taken {
        let ahead = ahead.max(0);
        let granted = wanted.min(self.room(ahead));
        Taken { granted, ahead: ahead + (i64::from(granted) + i64::from(owed)) * self.step }
    }

    /// How long until one request may come.
    pub(super) fn wait(self, ahead: i64) -> Duration {
        let wait = ahead - self.step * (i64::from(self.requests) - 1);
        Duration::from_micros(u64::try_from(wait).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_may_come_at_once_and_comes_back_evenly() {
        let meter = Meter::of("10/1s".parse().unwrap());
        let (mut ahead, mut granted) = (0, 0);
        for _ in 0..25 {
            let taken = meter.take(ahead, 1, 0);
            (ahead, granted) = (taken.ahead, granted + taken.granted);
        }
        assert_eq!((granted, ahead), (10, 1_000_000));
        assert_eq!(meter.wait(ahead), Duration::from_millis(100));
        // A tenth of a second later one came back, and no more.
        ahead -= 100_000;
        assert_eq!(meter.take(ahead, 5, 0), Taken { granted: 1, ahead: 1_000_000 });
        // After a pause of any length it is the quota again, not more.
        assert_eq!(meter.take(-1_000_000_000, 50, 0).granted, 10);
    }

    #[test]
    fn a_quota_that_does_not_divide_its_time_never_allows_more() {
        let meter = Meter::of("7/1s".parse().unwrap());
        assert_eq!(meter.take(0, 100, 0).granted, 7);
        assert_eq!(meter.take(meter.take(0, 7, 0).ahead, 1, 0).granted, 0);
        let meter = Meter::of("1000000/1s".parse().unwrap());
        assert_eq!(meter.take(0, u32::MAX, 0).granted, 1_000_000);
    }

    #[test]
    fn what_is_owed_is_waited_for() {
        let meter = Meter::of("10/1s".parse().unwrap());
        let taken = meter.take(0, 1, 24);
        assert_eq!(taken, Taken { granted: 1, ahead: 2_500_000 });
        assert_eq!(meter.wait(taken.ahead), Duration::from_millis(1600));
        assert_eq!(meter.take(taken.ahead - 1_599_999, 1, 0).granted, 0);
        assert_eq!(meter.take(taken.ahead - 1_600_000, 1, 0).granted, 1);
    }
}
