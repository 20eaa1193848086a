//! The resources that all partitions of the service share.

use crate::{
    matches::{MatchMeasure, Matching},
    measure::Measure,
    schedule::Schedules,
};
use model::Partition;
use outlet::Fetcher;
use platforms::Validator;
use runner::{Alerts, Service};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
};
use store::{Changed, Store};
use tokio::sync::{Semaphore, broadcast};

/// The resources of all partitions.
pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) alerts: Alerts,
    pub(crate) store: Store,
    pub(crate) fetcher: Fetcher,
    pub(crate) schemas: HashMap<&'static str, Validator>,
    /// Notices of changes of the set-up.
    pub(crate) changes: broadcast::Sender<Changed>,
    pub(crate) reads: Schedules,
    /// A permit for each page of a list that may be held at once.
    pub(crate) pages: Semaphore,
    /// A permit for each partition whose variants may be compared at once.
    pub(crate) comparisons: Semaphore,
    pub(crate) measure: Measure,
    pub(crate) matching: Matching,
    pub(crate) match_measure: MatchMeasure,
    /// The partitions that this process works on.
    pub(crate) owned: Mutex<BTreeSet<Partition>>,
}
