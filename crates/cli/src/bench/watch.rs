//! The calls that shops receive, and the webhooks that report them back.

use super::{
    arrivals::Arrivals,
    changes::STALLED,
    numbering::{self, LevelReport, Numbering},
};
use crate::failure::Failed;
use model::Timestamp;
use simulator::{ChangedLevel, RecordedCall, SentWebhook, ShopHandle};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Interval between looks at the calls that arrived; their times are those of the simulator, which keeps the last
/// 20,000 of a shop.
pub(crate) const LOOKED_AT_EVERY: Duration = Duration::from_millis(50);

/// Calls and webhooks of some shops since the watch began.
pub(crate) struct Watch {
    shops: Vec<Watched>,
    pub(crate) seen: Seen,
}

/// The calls that arrived and the webhooks that were sent.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The first call with each delivery's value.
    pub(crate) arrivals: Arrivals,
    /// Number of all calls, readings too.
    pub(crate) calls: u64,
    /// Number of calls that the platform refused or failed to reply to.
    pub(crate) calls_failed: u64,
    /// Number of accepted webhooks.
    pub(crate) echoes: u64,
}

/// One shop, with the numbers of the calls and the attempts at webhooks that were seen.
struct Watched {
    shop: ShopHandle,
    store: u32,
    /// The numbers of the items by the platform's ids.
    items: HashMap<String, u32>,
    calls: u64,
    webhooks: u64,
}

impl Watch {
    pub(crate) fn new(shops: impl Iterator<Item = ShopHandle>, numbering: Numbering) -> Self {
        let watched = |(store, shop): (u32, ShopHandle)| {
            let id = |item| Some((shop.find(&numbering::sku(store, item))?.item, item));
            let items = (0..numbering.items).filter_map(id).collect();
            let (calls, webhooks) = (shop.calls_since(u64::MAX).1, shop.webhooks_sent_since(u64::MAX).1);
            Watched { shop, store, items, calls, webhooks }
        };
        let seen = Seen { arrivals: Arrivals::new(numbering), calls: 0, calls_failed: 0, echoes: 0 };
        Self { shops: (0..).zip(shops).map(watched).collect(), seen }
    }

    /// Waits until the last level of each item has arrived.
    pub(crate) async fn until_complete(&mut self) -> Result<(), Failed> {
        let (mut calls, mut changed) = (0, Instant::now());
        while !self.seen.arrivals.is_complete() {
            tokio::time::sleep(LOOKED_AT_EVERY).await;
            self.look()?;
            if self.seen.calls > calls {
                (calls, changed) = (self.seen.calls, Instant::now());
            } else if changed.elapsed() > STALLED {
                return Err(Failed::Other(format!("after {calls} calls none came within {STALLED:?}")));
            }
        }
        Ok(())
    }

    /// Waits until the intake has every webhook that reports these calls; returns everything seen.
    pub(crate) async fn until_reported(mut self) -> Result<Seen, Failed> {
        let all = async {
            for watched in &self.shops {
                watched.shop.deliver_now().await;
            }
        };
        let late = |_| Failed::Other(format!("webhooks of the shops still wait after {STALLED:?}"));
        tokio::time::timeout(STALLED, all).await.map_err(late)?;
        self.look()?;
        Ok(self.seen)
    }

    /// Takes what happened since it was called last.
    fn look(&mut self) -> Result<(), Failed> {
        for watched in &mut self.shops {
            let (calls, count) = watched.shop.calls_since(watched.calls);
            watched.calls = count;
            let (webhooks, count) = watched.shop.webhooks_sent_since(watched.webhooks);
            watched.webhooks = count;
            self.seen.webhooks(&webhooks);
            self.seen.calls(&calls, |changed| watched.report(changed))?;
        }
        Ok(())
    }
}

impl Watched {
    /// The report of a level of this shop.
    fn report(&self, changed: &ChangedLevel) -> Option<LevelReport> {
        let item = *self.items.get(&changed.item)?;
        Some(LevelReport { store: self.store, item, available: changed.quantity.parse().ok()? })
    }
}

impl Seen {
    fn webhooks(&mut self, sent: &[SentWebhook]) {
        let is_accepted = |sent: &&SentWebhook| sent.status.is_some_and(is_success);
        self.echoes += sent.iter().filter(is_accepted).count() as u64;
    }

    /// Fails for a level that no delivery reported, or that arrived before.
    fn calls(
        &mut self,
        calls: &[RecordedCall],
        report: impl Fn(&ChangedLevel) -> Option<LevelReport>,
    ) -> Result<(), Failed> {
        self.calls += calls.len() as u64;
        for call in calls {
            self.calls_failed += u64::from(!is_success(call.status));
            let at = Timestamp::from_micros(call.arrived_at.timestamp_micros());
            for level in &call.levels {
                if !report(level).is_some_and(|report| self.arrivals.record(&report, at)) {
                    let ChangedLevel { item, quantity, .. } = level;
                    let what =
                        format!("a call set {item} to {quantity}, which no delivery reports, or again");
                    return Err(Failed::Other(what));
                }
            }
        }
        Ok(())
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    const NUMBERING: Numbering = Numbering { events: 2, stores: 1, items: 1 };

    fn seen() -> Seen {
        Seen { arrivals: Arrivals::new(NUMBERING), calls: 0, calls_failed: 0, echoes: 0 }
    }

    /// A call with that status that set the item to these quantities.
    fn call(status: u16, quantities: &[&str]) -> RecordedCall {
        let level = |quantity: &&str| ChangedLevel {
            item: "A".to_owned(),
            location: "L".to_owned(),
            quantity: (*quantity).to_owned(),
        };
        RecordedCall {
            arrived_at: DateTime::UNIX_EPOCH,
            at: DateTime::UNIX_EPOCH,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            operation: String::new(),
            idempotency_key: None,
            traceparent: None,
            status,
            levels: quantities.iter().map(level).collect(),
        }
    }

    fn report(changed: &ChangedLevel) -> Option<LevelReport> {
        Some(LevelReport { store: 0, item: 0, available: changed.quantity.parse().ok()? })
    }

    #[test]
    fn calls_are_counted_and_their_levels_recorded_even_if_the_reply_was_lost() {
        let mut seen = seen();
        let calls =
            [call(200, &[]), call(429, &[]), call(500, &["1001"]), call(0, &[]), call(200, &["1002"])];
        seen.calls(&calls, report).unwrap();
        assert_eq!((seen.calls, seen.calls_failed), (5, 3));
        assert!(seen.arrivals.is_complete());
    }

    #[test]
    fn a_level_of_no_delivery_and_one_that_is_set_again_end_the_measurement() {
        for wrong in ["1000", "1003", "1001.5", "1001"] {
            let mut seen = seen();
            seen.calls(&[call(200, &["1001"])], report).unwrap();
            assert!(seen.calls(&[call(200, &[wrong])], report).is_err(), "{wrong}");
        }
        assert!(seen().calls(&[call(200, &["1001"])], |_| None).is_err(), "an unknown item");
    }
}
