//! Fetches what a notification speaks of, and hands it to the intake.

use crate::{Budgets, Client, NotAccepted, accept};
use bus::Bus;
use model::{AskedBy, Delivery, DeliveryId, Origin, RawDigest, Source, Timestamp, TraceParent};
use platforms::{Access, AccountRefusal, CallContext, CallOutcome, Fetch, Fetched, Platform};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// How many pages one notification may have.
const PAGES_MAX: usize = 1000;

/// Why something wasn't fetched.
#[derive(Debug, thiserror::Error)]
pub enum NotFetched {
    /// Not now; the same again, not before `after`.
    #[error("not now: {reason}")]
    Later {
        /// How it showed.
        reason: String,
        /// How long to wait at least.
        after: Option<Duration>,
    },
    /// The platform has no such object, and no report of its own that would say so: whoever waits for it forgets it.
    #[error("the platform has no such object")]
    Gone,
    /// Not before the account's credentials or settings are others.
    #[error("{1}")]
    AccountRefused(AccountRefusal, Reject),
    /// Never: the platform refuses this very thing.
    #[error(transparent)]
    Refused(Reject),
}

impl From<Reject> for NotFetched {
    fn from(reject: Reject) -> Self {
        failed(reject.into())
    }
}

impl From<NotAccepted> for NotFetched {
    fn from(error: NotAccepted) -> Self {
        match error {
            NotAccepted::TooLarge(_) => Self::Refused(Reject::new(RejectClass::Config, error.to_string())),
            NotAccepted::Bus(_) | NotAccepted::Refused(_) | NotAccepted::Unreadable => {
                Self::Later { reason: error.to_string(), after: None }
            }
        }
    }
}

/// Whose objects are fetched, and why.
pub struct Target<'a> {
    /// Whose.
    pub origin: Origin,
    /// Where the platform's API is.
    pub access: &'a Access,
    /// What made us fetch.
    pub cause: Option<DeliveryId>,
    /// How many of our own writes lie before it.
    pub hops: u8,
    /// The mirror that waits for what is read back, if one does.
    pub asked_by: Option<AskedBy>,
    /// The trace it belongs to.
    pub trace: Option<TraceParent>,
}

/// Fetches; cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    bus: Bus,
    client: Client,
    budgets: Budgets,
}

impl Fetcher {
    /// One that hands objects to the intake on `bus`.
    pub const fn new(bus: Bus, client: Client, budgets: Budgets) -> Self {
        Self { bus, client, budgets }
    }

    /// Fetches what is wanted, all pages of it, and waits until the intake has each object on disk. Says how many there
    /// were. Fetching again is safe: the same object is the same delivery; only what is read back counts each time,
    /// since someone waits for that very report.
    pub async fn fetch(
        &self,
        platform: &dyn Platform,
        target: &Target<'_>,
        wanted: &Fetch<'_>,
        now: Timestamp,
    ) -> Result<usize, NotFetched> {
        let context = CallContext { access: target.access, idempotency_key: "", now };
        let mut next = platform.fetch(wanted, &context)?;
        let mut count = 0;
        for _ in 0..PAGES_MAX {
            let Some(request) = next else { return Ok(count) };
            self.budgets.wait(&target.origin.connection, platform).await;
            let called = self.client.call(request, target.trace.as_ref()).await;
            let reply = called.map_err(|error| failed(error.into_outcome()))?;
            match platform.fetched(wanted, &context, &reply.as_reply()) {
                Fetched::Failed(reply) => return Err(failed(reply)),
                Fetched::Objects { objects, next: more } => {
                    for (topic, body) in objects {
                        let distinct = match wanted {
                            Fetch::Notified { .. } => RawDigest::of(&body).as_bytes().to_vec(),
                            Fetch::Level { .. } | Fetch::Product { .. } => {
                                now.as_micros().to_le_bytes().to_vec()
                            }
                        };
                        let id = DeliveryId::derive(&target.origin.connection, topic, &distinct);
                        self.hand_over(target, id, topic, body, now).await?;
                        count += 1;
                    }
                    next = more;
                }
            }
        }
        Err(NotFetched::Later { reason: format!("more than {PAGES_MAX} pages"), after: None })
    }

    async fn hand_over(
        &self,
        target: &Target<'_>,
        id: DeliveryId,
        topic: &'static str,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), NotFetched> {
        let delivery = Delivery {
            id,
            origin: target.origin.clone(),
            topic: topic.into(),
            received_at: now,
            source: Source::Poll,
            cause: target.cause,
            hops: target.hops,
            asked_by: target.asked_by.clone(),
            attempt: 0,
            headers: Vec::new(),
            trace: target.trace.unwrap_or_else(|| TraceParent::from_delivery(id)),
            body: body.into(),
        };
        Ok(accept(&self.bus, &delivery).await?)
    }
}

fn failed(outcome: CallOutcome) -> NotFetched {
    match outcome {
        CallOutcome::Done { .. } | CallOutcome::Conflict => {
            NotFetched::Later { reason: "the platform's reply can't be read".to_owned(), after: None }
        }
        CallOutcome::Gone => NotFetched::Gone,
        CallOutcome::Throttled { after } => NotFetched::Later { reason: "too many calls".to_owned(), after },
        CallOutcome::Retry { reason } => NotFetched::Later { reason, after: None },
        CallOutcome::AccountRefused(refusal, reject) => NotFetched::AccountRefused(refusal, reject),
        CallOutcome::TooOld(reject) | CallOutcome::Rejected(reject) => NotFetched::Refused(reject),
    }
}

impl NotFetched {
    /// The reason for a dead letter, where that is what becomes of it: nothing waits for what is gone or refused.
    pub fn into_reject(self) -> Result<Reject, Self> {
        match self {
            Self::Gone => Ok(Reject::new(RejectClass::Platform, "the platform has no such object")),
            Self::Refused(reject) => Ok(reject),
            other @ (Self::Later { .. } | Self::AccountRefused(..)) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_good_is_distinguished_from_what_an_account_is_refused() {
        let reject = |class| NotFetched::from(Reject::new(class, "no"));
        assert!(matches!(
            reject(RejectClass::Config),
            NotFetched::AccountRefused(AccountRefusal::Misconfigured, _)
        ));
        assert!(matches!(
            reject(RejectClass::Auth),
            NotFetched::AccountRefused(AccountRefusal::Unauthorized, _)
        ));
        assert!(reject(RejectClass::Schema).into_reject().is_ok());
        assert!(failed(CallOutcome::Gone).into_reject().is_ok());
        for later in [CallOutcome::Throttled { after: None }, CallOutcome::DONE] {
            assert!(failed(later).into_reject().is_err());
        }
    }
}
