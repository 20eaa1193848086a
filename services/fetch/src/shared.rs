//! The resources that all partitions of the service share.

use crate::{
    matches::{MatchMeasure, Matching},
    measure::Measure,
    schedule::ScheduledReads,
};
use outlet::Fetcher;
use platforms::Validator;
use runner::{Alerts, Service};
use std::collections::HashMap;
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
    pub(crate) reads: ScheduledReads,
    /// A permit for each page of a list that may be held at once.
    pub(crate) pages: Semaphore,
    pub(crate) measure: Measure,
    pub(crate) matching: Matching,
    pub(crate) match_measure: MatchMeasure,
}
