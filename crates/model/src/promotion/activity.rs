//! The activity of a promotion: whether it is active and since when, as it is announced to whoever follows the store.

use super::{Promotion, is_active, next_change};
use crate::{Timestamp, Zone};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Time for which begins and ends that nobody observed are followed. Of older ones only the result is announced.
pub const MISSED_MAX: Duration = Duration::from_hours(31 * 24);
/// Upper limit of begins and ends that are followed at once.
pub const EDGES_MAX: usize = 1_000;
/// Time after which a promotion is looked at again even if nothing is due: the rules of time zones change with builds.
pub const LOOK_AGAIN: Duration = Duration::from_hours(24);

/// The activity of a promotion since its last begin or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// True from a begin to the next end.
    pub is_active: bool,
    /// The instant of that begin or end.
    pub since: Timestamp,
}

/// A promotion with what was announced of it.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The promotion.
    pub promotion: &'a Promotion,
    /// The last begin or end that was announced; `None` if it never was active.
    pub announced: Option<Activity>,
    /// Time up to which that accounts for every begin and end.
    pub from: Timestamp,
    /// Time at which something else may have changed it: its report, or another zone of the shop.
    pub changed_at: Timestamp,
}

/// The result of looking at a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchedNow {
    /// This has to be announced: the last begin or end up to now. Of several that nobody observed only the last is announced.
    Announce(Activity),
    /// Everything was announced; the promotion has to be looked at again then, or not before it changes.
    Wait(Option<Timestamp>),
}

impl Watched<'_> {
    /// Looks at the promotion.
    pub fn look(&self, now: Timestamp, zone: Zone) -> WatchedNow {
        let is_now = is_active(self.promotion, now, zone);
        let edge = self.last_edge(now, zone);
        let since = edge.unwrap_or(self.from.max(self.changed_at)).min(now);
        let is_news = match self.announced {
            None => is_now || edge.is_some(),
            Some(announced) => {
                announced.is_active != is_now || edge.is_some_and(|edge| edge > announced.since)
            }
        };
        if is_news {
            return WatchedNow::Announce(Activity { is_active: is_now, since });
        }
        let next =
            next_change(self.promotion, now, zone).map(|change| change.at().min(now.after(LOOK_AGAIN)));
        WatchedNow::Wait(next)
    }

    /// The last begin or end by the schedule that isn't accounted for.
    fn last_edge(&self, now: Timestamp, zone: Zone) -> Option<Timestamp> {
        let earliest = Timestamp::from_micros(now.as_micros().saturating_sub(micros(MISSED_MAX)));
        let (mut at, mut last) = (self.from.max(earliest), None);
        for _ in 0..EDGES_MAX {
            match next_change(self.promotion, at, zone).map(super::Change::at).filter(|edge| *edge <= now) {
                Some(edge) => (at, last) = (edge, Some(edge)),
                None => break,
            }
        }
        last
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
