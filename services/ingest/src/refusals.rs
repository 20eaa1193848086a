//! Refused bodies, and deliveries of connections and tenants that hold too much: counted each time, logged and kept as
//! an open conflict at most once a minute per connection. Codes for people, from handshakes, are kept likewise.
//!
//! The signature of most refused bodies can't be verified, and a handshake has none, so any client that knows a
//! connection's path may cause one: its cost is bounded, and it never delays the response.

use crate::{Holder, log_limit::LogLimit};
use model::{Conflict, ConflictKind, ConnectionId};
use prometheus::{IntCounterVec, Opts};
use runner::Metrics;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use store::{Connection, Store, StoreError};
use tokio::sync::mpsc;

const STAGE: &str = "ingest";
/// Minimum time between two codes of one connection: whoever requests another one soon waits for the newest.
const CODE_EVERY: Duration = Duration::from_secs(1);
/// Upper limit of conflicts that wait to be written; further ones are dropped.
const WAITING_MAX: usize = 256;

/// The reason why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRefusal {
    /// Larger than its platform's limit, as sent or decompressed.
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// In a content coding that isn't accepted.
    UnknownCoding,
    /// Not in the content coding that its header names.
    Malformed,
}

impl BodyRefusal {
    /// The value of the metric label and of the log field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::UnknownCoding => "unknown_coding",
            Self::Malformed => "malformed",
        }
    }

    const fn limit_bytes(self) -> Option<usize> {
        match self {
            Self::TooLarge { limit_bytes } => Some(limit_bytes),
            Self::UnknownCoding | Self::Malformed => None,
        }
    }

    fn detail(self) -> String {
        match self {
            Self::TooLarge { limit_bytes } => {
                format!("a delivery was refused (413): its body has more than {limit_bytes} bytes")
            }
            Self::UnknownCoding => {
                "a delivery was refused (415): its Content-Encoding isn't taken".to_owned()
            }
            Self::Malformed => {
                "a delivery was refused (400): its body isn't in the Content-Encoding that it names"
                    .to_owned()
            }
        }
    }
}

/// Writes conflicts of connections.
pub(crate) trait ConflictLog: Send + Sync + 'static {
    /// Stores the conflict as an open one.
    fn note(&self, conflict: &Conflict) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl ConflictLog for Store {
    async fn note(&self, conflict: &Conflict) -> Result<(), StoreError> {
        self.note_conflict(conflict).await
    }
}

/// Counts refused bodies and deliveries, and queues their conflicts for the log.
pub(crate) struct Refusals {
    count: IntCounterVec,
    held: IntCounterVec,
    log_limit: Mutex<LogLimit<(ConnectionId, ConflictKind)>>,
    code_limit: Mutex<LogLimit<ConnectionId>>,
    queue: mpsc::Sender<Conflict>,
}

impl Refusals {
    /// Registers the metrics and starts the task that writes conflicts; it ends with this value.
    pub(crate) fn new(metrics: &Metrics, log: impl ConflictLog) -> Result<Self, prometheus::Error> {
        let help = "Bodies that were refused, by reason";
        let count = IntCounterVec::new(Opts::new("tillflow_bodies_refused_total", help), &["reason"])?;
        metrics.registry().register(Box::new(count.clone()))?;
        let help =
            "Deliveries that were refused because their connection or its tenant holds too much of RAW";
        let held = IntCounterVec::new(Opts::new("tillflow_held_too_much_total", help), &["holder"])?;
        metrics.registry().register(Box::new(held.clone()))?;
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(write(waiting, log));
        let code_limit = Mutex::new(LogLimit::with_interval(CODE_EVERY));
        Ok(Self { count, held, log_limit: Mutex::default(), code_limit, queue })
    }

    /// Counts a refused body of a connection; the first in a minute is logged and kept as a conflict.
    pub(crate) fn note(&self, connection: &Connection, refusal: BodyRefusal, now: Instant) {
        self.count.with_label_values(&[refusal.as_str()]).inc();
        if !self.is_due(connection, ConflictKind::BodyRefused, now) {
            return;
        }
        tracing::warn!(
            stage = STAGE, store.id = %connection.store, connection.id = %connection.id,
            reason = refusal.as_str(), limit_bytes = refusal.limit_bytes(), "body refused"
        );
        self.keep(connection, ConflictKind::BodyRefused, refusal.detail());
    }

    /// Counts a delivery of a connection that holds too much of RAW, or whose tenant does; the first in a minute is
    /// logged and kept as a conflict.
    pub(crate) fn note_held(&self, connection: &Connection, holder: Holder, now: Instant) {
        self.held.with_label_values(&[holder.as_str()]).inc();
        if !self.is_due(connection, ConflictKind::HoldsTooMuch, now) {
            return;
        }
        tracing::warn!(
            stage = STAGE, tenant.id = %connection.tenant, store.id = %connection.store, connection.id = %connection.id,
            holder = holder.as_str(), "delivery refused: too much of RAW is held"
        );
        let who = match holder {
            Holder::Connection => "the connection",
            Holder::Tenant => "its tenant",
        };
        let detail = format!("deliveries are refused (429): {who} holds more than its share of RAW");
        self.keep(connection, ConflictKind::HoldsTooMuch, detail);
    }

    /// Keeps the code of a handshake as a conflict, in which a person reads it; the newest one replaces the others.
    pub(crate) fn note_code(&self, connection: &Connection, code: &str, now: Instant) {
        let mut limit = self.code_limit.lock().unwrap_or_else(PoisonError::into_inner);
        if !limit.is_due(&connection.id, now) {
            return;
        }
        tracing::info!(
            stage = STAGE, store.id = %connection.store, connection.id = %connection.id,
            "the platform checked the URL of the webhooks; its code is a conflict"
        );
        let detail =
            format!("the platform checked this URL; enter its code in the platform's settings: {code}");
        self.keep(connection, ConflictKind::VerificationCode, detail);
    }

    fn is_due(&self, connection: &Connection, kind: ConflictKind, now: Instant) -> bool {
        let mut limit = self.log_limit.lock().unwrap_or_else(PoisonError::into_inner);
        limit.is_due(&(connection.id.clone(), kind), now)
    }

    fn keep(&self, connection: &Connection, kind: ConflictKind, detail: String) {
        let conflict = Conflict {
            tenant: connection.tenant.clone(),
            store: connection.store.clone(),
            connection: connection.id.clone(),
            event: None,
            kind,
            subject: String::new(),
            detail,
        };
        if self.queue.try_send(conflict).is_err() {
            tracing::warn!(stage = STAGE, connection.id = %connection.id, "conflict dropped: too many wait");
        }
    }
}

async fn write(mut waiting: mpsc::Receiver<Conflict>, log: impl ConflictLog) {
    while let Some(conflict) = waiting.recv().await {
        if let Err(error) = log.note(&conflict).await {
            let connection = &conflict.connection;
            tracing::warn!(stage = STAGE, connection.id = %connection, %error, "conflict not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{BaselineRule, PlatformName, StoreId, TenantId};
    use std::collections::BTreeSet;
    use store::{Health, Rules};

    const TOO_LARGE: BodyRefusal = BodyRefusal::TooLarge { limit_bytes: 1024 };

    struct Written(mpsc::UnboundedSender<Conflict>);

    impl ConflictLog for Written {
        async fn note(&self, conflict: &Conflict) -> Result<(), StoreError> {
            self.0.send(conflict.clone()).unwrap();
            Ok(())
        }
    }

    /// A database that never responds.
    struct Stuck;

    impl ConflictLog for Stuck {
        async fn note(&self, _: &Conflict) -> Result<(), StoreError> {
            std::future::pending().await
        }
    }

    fn connection(id: &str) -> Connection {
        Connection {
            tenant: TenantId::new("tenant").unwrap(),
            store: StoreId::new("store").unwrap(),
            id: ConnectionId::new(id).unwrap(),
            platform: PlatformName::new("shopify").unwrap(),
            enabled: true,
            base_url: String::new(),
            account: String::new(),
            api_version: String::new(),
            token: String::new(),
            secrets: Vec::new(),
            notification_url: String::new(),
            default_location: None,
            requests_per_minute: None,
            rules: Rules::default(),
            currency: None,
            health: Health::Ok,
            health_reason: None,
            health_since: None,
            probe_at: None,
            baseline: BaselineRule::Store,
            ignored_locations: BTreeSet::new(),
        }
    }

    fn counted(refusals: &Refusals, refusal: BodyRefusal) -> u64 {
        refusals.count.with_label_values(&[refusal.as_str()]).get()
    }

    #[tokio::test]
    async fn every_refusal_is_counted_by_reason_and_one_a_minute_and_connection_becomes_a_conflict() {
        let (log, mut written) = mpsc::unbounded_channel();
        let refusals = Refusals::new(&Metrics::new().unwrap(), Written(log)).unwrap();
        let (one, other, began) = (connection("one"), connection("other"), Instant::now());
        for (of, refusal, second) in [
            (&one, TOO_LARGE, 0),
            (&one, BodyRefusal::Malformed, 1),
            (&one, TOO_LARGE, 59),
            (&other, BodyRefusal::UnknownCoding, 59),
            (&one, BodyRefusal::Malformed, 60),
            (&other, BodyRefusal::UnknownCoding, 60),
        ] {
            refusals.note(of, refusal, began + Duration::from_secs(second));
        }
        let counts = [TOO_LARGE, BodyRefusal::UnknownCoding, BodyRefusal::Malformed]
            .map(|refusal| counted(&refusals, refusal));
        assert_eq!(counts, [2, 2, 2]);
        drop(refusals);
        let mut conflicts = Vec::new();
        while let Some(conflict) = written.recv().await {
            assert_eq!((conflict.kind, conflict.store.as_str()), (ConflictKind::BodyRefused, "store"));
            conflicts.push((conflict.connection.to_string(), conflict.detail));
        }
        let expected =
            [("one", TOO_LARGE), ("other", BodyRefusal::UnknownCoding), ("one", BodyRefusal::Malformed)];
        assert_eq!(conflicts, expected.map(|(id, refusal)| (id.to_owned(), refusal.detail())));
    }

    #[tokio::test]
    async fn the_newest_code_is_kept_and_codes_have_a_limit() {
        let (log, mut written) = mpsc::unbounded_channel();
        let refusals = Refusals::new(&Metrics::new().unwrap(), Written(log)).unwrap();
        let (one, other, began) = (connection("one"), connection("other"), Instant::now());
        for (of, code, millis) in
            [(&one, "c-1", 0), (&one, "c-2", 999), (&other, "c-3", 999), (&one, "c-4", 1_000)]
        {
            refusals.note_code(of, code, began + Duration::from_millis(millis));
        }
        drop(refusals);
        let mut codes = Vec::new();
        while let Some(conflict) = written.recv().await {
            assert_eq!((conflict.kind, conflict.subject.as_str()), (ConflictKind::VerificationCode, ""));
            codes.push(conflict.detail.rsplit(' ').next().unwrap().to_owned());
        }
        assert_eq!(codes, ["c-1", "c-3", "c-4"]);
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_holds_up_no_response_and_bounds_what_waits() {
        let refusals = Refusals::new(&Metrics::new().unwrap(), Stuck).unwrap();
        let now = Instant::now();
        for number in 0..WAITING_MAX + 10 {
            refusals.note(&connection(&format!("c-{number}")), TOO_LARGE, now);
        }
        assert_eq!(counted(&refusals, TOO_LARGE), WAITING_MAX as u64 + 10);
        assert_eq!(refusals.queue.capacity(), 0);
    }
}
