//! Fetches the objects that a notification names or that a list has, and hands them to the intake.

use crate::{Accounts, Budgets, Client, Failed, NotAccepted, OwnedReply, Refusable, accept};
use bus::Bus;
use model::{AskedBy, CallClass, Delivery, DeliveryId, DeliveryKind, Origin, Source, Timestamp, TraceParent};
use platforms::{
    Access, AccountRefusal, CallContext, CallError, Fetch, Files, HttpRequest, ListPage, Object, Platform,
    Reader, Wanted,
};
use stage::{Reject, RejectClass};
use std::time::Duration;
use store::Connection;

/// Upper limit of pages per notification.
const PAGES_MAX: usize = 1000;

/// The reason why an object wasn't fetched.
#[derive(Debug, thiserror::Error)]
pub enum NotFetched {
    /// Not now; retry, not before `after`.
    #[error("not now: {reason}")]
    Later {
        /// The observed failure.
        reason: String,
        /// Minimum wait.
        after: Option<Duration>,
    },
    /// The platform has no such object, and has no report that would show it: a mirror that waits for it stops waiting.
    #[error("the platform has no such object")]
    Gone,
    /// Not until the account's credentials or settings change.
    #[error("{1}")]
    AccountRefused(AccountRefusal, Reject),
    /// Never: the platform refuses this very object.
    #[error(transparent)]
    Refused(Reject),
}

impl Refusable for Result<usize, NotFetched> {
    fn is_unauthorized(&self) -> bool {
        matches!(self, Err(NotFetched::AccountRefused(AccountRefusal::Unauthorized, _)))
    }
}

impl From<Reject> for NotFetched {
    fn from(reject: Reject) -> Self {
        CallError::from(reject).into()
    }
}

impl From<CallError> for NotFetched {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Conflict => {
                Self::Later { reason: "the platform's reply can't be read".to_owned(), after: None }
            }
            CallError::Gone => Self::Gone,
            CallError::RateLimited { after } => Self::Later { reason: "too many calls".to_owned(), after },
            CallError::Transient { reason } => Self::Later { reason, after: None },
            CallError::AccountRefused(refusal, reject) => Self::AccountRefused(refusal, reject),
            CallError::TooOld(reject) | CallError::Rejected(reject) => Self::Refused(reject),
        }
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

/// The connection whose objects are fetched, and the cause.
pub struct Target<'a> {
    /// Tenant, store, connection and platform of the objects.
    pub origin: Origin,
    /// The connection, with its credentials.
    pub connection: &'a Connection,
    /// The delivery that caused the fetch.
    pub cause: Option<DeliveryId>,
    /// The mirror that waits for the read-back, if one does.
    pub asked_by: Option<AskedBy>,
    /// The trace of the fetch.
    pub trace: Option<TraceParent>,
}

/// One fetch.
#[derive(Clone, Copy)]
struct Reading<'a> {
    platform: &'a dyn Platform,
    reader: &'a dyn Reader,
    target: &'a Target<'a>,
    wanted: &'a Fetch<'a>,
    now: Timestamp,
}

/// Fetches objects; cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    bus: Bus,
    client: Client,
    budgets: Budgets,
    accounts: Accounts,
}

impl Fetcher {
    /// A fetcher that hands objects to the intake on `bus`.
    pub const fn new(bus: Bus, client: Client, budgets: Budgets, accounts: Accounts) -> Self {
        Self { bus, client, budgets, accounts }
    }

    /// Fetches `wanted`, all pages of it, and waits until the intake has each object on disk. Returns the number of
    /// objects. Fetching again is safe: the same object is the same delivery. Only read-backs are new deliveries each
    /// time, since a mirror waits for that very report.
    pub async fn fetch(
        &self,
        platform: &dyn Platform,
        target: &Target<'_>,
        wanted: &Fetch<'_>,
        now: Timestamp,
    ) -> Result<usize, NotFetched> {
        let Some(reader) = platform.reader() else { return Ok(0) };
        let without_token = Access::from(target.connection);
        let context = CallContext { access: &without_token, idempotency_key: "", now };
        // No token is asked for where nothing is to be fetched.
        if matches!(reader.request(wanted, &context), Ok(None)) {
            return Ok(0);
        }
        let reading = Reading { platform, reader, target, wanted, now };
        let read = |access: Access| async move { self.pages(&reading, &access).await };
        self.accounts.with_access(target.connection, platform, now, read).await?
    }

    async fn pages(&self, reading: &Reading<'_>, access: &Access) -> Result<usize, NotFetched> {
        let Reading { platform, reader, target, wanted, now } = *reading;
        let context = CallContext { access, idempotency_key: "", now };
        let mut next = reader.request(wanted, &context)?;
        let mut count = 0;
        for _ in 0..PAGES_MAX {
            let Some(request) = next else { return Ok(count) };
            self.budgets.wait(target.connection, platform, class_of(wanted)).await?;
            let called = self.client.call(request, target.trace.as_ref()).await;
            let reply = called.map_err(Failed::into_call_error)?;
            let page = reader.page(wanted, &context, &reply.as_reply());
            let page = self.budgets.heed(target.connection, platform, page).await?;
            for object in page.objects {
                let key = wanted.delivery_key(reader, &object, target.cause, now);
                let id = DeliveryId::derive(&target.origin.connection, object.topic, &key);
                self.hand_over(target, id, object, now).await?;
                count += 1;
            }
            next = page.next;
        }
        Err(NotFetched::Later { reason: format!("more than {PAGES_MAX} pages"), after: None })
    }

    /// Reads one page of a collection.
    pub async fn list(
        &self,
        platform: &dyn Platform,
        target: &Target<'_>,
        wanted: &Wanted<'_>,
        now: Timestamp,
    ) -> Result<ListPage, CallError> {
        let missing = || Reject::new(RejectClass::Platform, "the platform has no collections");
        let collections = platform.collections().ok_or_else(missing).map_err(CallError::Rejected)?;
        let read = |access: Access| async move {
            let context = CallContext { access: &access, idempotency_key: "", now };
            let request = collections.request(wanted, &context)?;
            self.budgets.wait(target.connection, platform, CallClass::List).await?;
            let called = self.client.call(request, target.trace.as_ref()).await;
            let reply = called.map_err(Failed::into_call_error)?;
            let part = match collections.files() {
                Some(files) => {
                    files.part(wanted, &context, &reply.as_reply()).map(|part| Some(files).zip(part))
                }
                None => Ok(None),
            };
            let page = match part {
                Ok(Some((files, part))) => return self.part(files, wanted, &reply, part).await,
                Ok(None) => collections.page(wanted, &context, &reply.as_reply()),
                Err(error) => Err(error),
            };
            self.budgets.heed(target.connection, platform, page).await
        };
        self.accounts.with_access(target.connection, platform, now, read).await?
    }

    /// Reads the part of a file that a reply named. Its host isn't the API's: no budget counts the call, and the trace
    /// stays here.
    async fn part(
        &self,
        files: &dyn Files,
        wanted: &Wanted<'_>,
        reply: &OwnedReply,
        part: HttpRequest,
    ) -> Result<ListPage, CallError> {
        let part = self.client.call(part, None).await.map_err(Failed::into_call_error)?;
        files.page(wanted, &reply.as_reply(), &part.as_reply())
    }

    /// Hands an object to the intake as the delivery `id`, and waits until RAW has it on disk. Handing it over again is
    /// safe: it is the same delivery.
    pub async fn hand_over(
        &self,
        target: &Target<'_>,
        id: DeliveryId,
        Object { topic, body }: Object,
        now: Timestamp,
    ) -> Result<(), NotAccepted> {
        let delivery = Delivery {
            id,
            origin: target.origin.clone(),
            kind: DeliveryKind::Platform(topic.into()),
            received_at: now,
            source: if target.asked_by.is_some() { Source::ReadBack } else { Source::Fetch },
            cause: target.cause,
            asked_by: target.asked_by.clone(),
            attempt: 0,
            currency: None,
            account: None,
            headers: Vec::new(),
            trace: target.trace.unwrap_or_else(|| TraceParent::from_delivery(id)),
            body: body.into(),
        };
        accept(&self.bus, &delivery).await
    }
}

/// The purpose of fetching an object. A product that a mirror waits for is read for its price or text.
const fn class_of(wanted: &Fetch<'_>) -> CallClass {
    match wanted {
        Fetch::Level { .. } => CallClass::Stock,
        Fetch::Notified { .. } => CallClass::Notice,
        Fetch::Product { .. } => CallClass::Price,
    }
}

impl NotFetched {
    /// Returns the reason for a dead letter if the error leads to one: nothing waits for an object that is gone
    /// or refused.
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
        assert!(NotFetched::from(CallError::Gone).into_reject().is_ok());
        for later in [CallError::RateLimited { after: None }, CallError::Conflict] {
            assert!(NotFetched::from(later).into_reject().is_err());
        }
    }
}
