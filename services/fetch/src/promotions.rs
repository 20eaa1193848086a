//! Watches promotions: at the time at which one begins or ends, an event of it is handed to the intake.
//!
//! One worker for the process asks the database for promotions that have to be looked at, in all stores of its partitions.
//! The state at that time is computed by `model`; the event is decided by apply, which knows if the promotion was changed
//! meanwhile. An event has the same id whoever finds it out, and however often.

use crate::{STAGE, shared::Shared};
use model::{
    Action, Delivery, DeliveryId, DeliveryKind, Partition, Payload, PromotionId, RawDigest, Source,
    Timestamp, TraceParent, Zone,
    promotion::{Activity, Watched, WatchedNow},
};
use runner::now;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};
use store::{Changed, LookedAt, PromotionToLookAt, StoreError};
use tokio::sync::broadcast::error::TryRecvError;
use wire::PublishedEvent;

/// Interval between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time after which an event that had no effect yet is handed over again: it is the same one.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Upper limit of remembered events; beyond it, some are handed over once more.
const HANDED_OVER_MAX: usize = 10_000;

/// The events that were handed over last, by promotion.
type HandedOver = HashMap<PromotionId, (DeliveryId, Instant)>;

/// A partition that this process works on, until it is dropped.
pub(crate) struct Owned {
    shared: Arc<Shared>,
    partition: Partition,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.shared.owned.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.partition);
    }
}

/// Looks at promotions until the task is aborted.
pub(crate) async fn watch(shared: Arc<Shared>) {
    shared.watch_promotions().await;
}

impl Shared {
    /// Counts a partition among those of this process.
    pub(crate) fn own(self: &Arc<Self>, partition: Partition) -> Owned {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
        Owned { shared: Arc::clone(self), partition }
    }

    fn is_owned(&self, promotion: &PromotionToLookAt) -> bool {
        let partition = self.service.bus.partitions().of(&promotion.origin.store);
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).contains(&partition)
    }

    async fn watch_promotions(&self) {
        let mut handed_over = HandedOver::new();
        let mut changes = self.changes.subscribe();
        // Zones may have been changed while nobody watched.
        let mut may_be_rezoned = true;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            may_be_rezoned |= has_store_changed(&mut changes);
            match self.look_at_promotions(may_be_rezoned, &mut handed_over).await {
                Ok(()) => may_be_rezoned = false,
                Err(error) => tracing::warn!(stage = STAGE, %error, "promotions can't be looked at"),
            }
        }
    }

    async fn look_at_promotions(
        &self,
        may_be_rezoned: bool,
        handed_over: &mut HandedOver,
    ) -> Result<(), StoreError> {
        if may_be_rezoned {
            self.store.look_at_rezoned_promotions(now()).await?;
        }
        handed_over.retain(|_, (_, at)| at.elapsed() < AGAIN_AFTER);
        let (at, mut last) = (now(), None);
        loop {
            let page = self.store.promotions_to_look_at(at, last.as_ref()).await?;
            let mut looked = Vec::new();
            for promotion in page.iter().filter(|promotion| self.is_owned(promotion)) {
                looked.extend(self.look_at_promotion(promotion, at, handed_over).await);
            }
            if !looked.is_empty() {
                self.store.looked_at(&looked).await?;
            }
            last = page.into_iter().last();
            if last.is_none() {
                return Ok(());
            }
        }
    }

    /// Hands over what has to be announced; else returns when the promotion has to be looked at next.
    async fn look_at_promotion(
        &self,
        promotion: &PromotionToLookAt,
        at: Timestamp,
        handed_over: &mut HandedOver,
    ) -> Option<LookedAt> {
        let watched = Watched {
            promotion: &promotion.promotion,
            announced: promotion.activity,
            from: promotion.watched_from,
            changed_at: promotion.look_at,
        };
        match watched.look(at, zone(promotion)) {
            WatchedNow::Wait(next) => Some(LookedAt {
                id: promotion.id.clone(),
                before: promotion.look_at,
                next,
                zone: promotion.zone.clone(),
            }),
            WatchedNow::Announce(activity) => {
                self.announce(promotion, activity, handed_over).await;
                None
            }
        }
    }

    async fn announce(
        &self,
        promotion: &PromotionToLookAt,
        activity: Activity,
        handed_over: &mut HandedOver,
    ) {
        let delivery = delivery(promotion, activity);
        let id = delivery.id;
        if handed_over.get(&promotion.id).is_some_and(|(before, _)| *before == id) {
            return;
        }
        match outlet::accept(&self.service.bus, &delivery).await {
            Ok(()) => {
                if handed_over.len() >= HANDED_OVER_MAX {
                    handed_over.clear();
                }
                handed_over.insert(promotion.id.clone(), (id, Instant::now()));
                tracing::debug!(
                    stage = STAGE, promotion.id = %promotion.id, is_active = activity.is_active, "a promotion changed"
                );
            }
            Err(error) => tracing::warn!(
                stage = STAGE, promotion.id = %promotion.id, %error, "the begin or end of a promotion isn't accepted"
            ),
        }
    }
}

/// Returns whether a store may have been changed since the last call.
fn has_store_changed(changes: &mut tokio::sync::broadcast::Receiver<Changed>) -> bool {
    let mut has_changed = false;
    loop {
        match changes.try_recv() {
            Ok(Changed::Connection(_)) => {}
            Ok(Changed::Store(_) | Changed::Everything) | Err(TryRecvError::Lagged(_)) => has_changed = true,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return has_changed,
        }
    }
}

/// The zone of the store; universal time for a name that no database of zones has.
fn zone(promotion: &PromotionToLookAt) -> Zone {
    Zone::parse(&promotion.zone).unwrap_or_else(|_| {
        tracing::warn!(stage = STAGE, store.id = %promotion.origin.store, "the store's time zone has no known name");
        Zone::UTC
    })
}

/// The delivery of a begin or an end: the same for the same state of the promotion and the same moment.
fn delivery(promotion: &PromotionToLookAt, activity: Activity) -> Delivery {
    let event = PublishedEvent {
        action: if activity.is_active { Action::Started } else { Action::Ended },
        occurred_at: Some(activity.since),
        version: None,
        payload: Payload::Activity { promotion: promotion.promotion.clone(), activity },
    };
    let body = wire::encode_published(&event);
    let kind = DeliveryKind::Canonical;
    let digest = RawDigest::of(&body);
    let distinct = [digest.as_bytes(), &promotion.watched_from.as_micros().to_le_bytes()[..]];
    let id = DeliveryId::derive(&promotion.origin.connection, kind.topic(), &distinct.concat());
    Delivery {
        id,
        origin: promotion.origin.clone(),
        kind,
        received_at: now(),
        source: Source::Fetch,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace: TraceParent::from_delivery(id),
        body,
    }
}
