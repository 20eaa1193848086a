//! The resources that all partitions of the service share.

use outlet::Fetcher;
use platforms::Validator;
use runner::{Alerts, Service};
use std::collections::HashMap;
use store::{Changed, Store};
use tokio::sync::broadcast;

/// The resources of all partitions.
pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) alerts: Alerts,
    pub(crate) store: Store,
    pub(crate) fetcher: Fetcher,
    pub(crate) schemas: HashMap<&'static str, Validator>,
    /// Notices of changes of the set-up.
    pub(crate) changes: broadcast::Sender<Changed>,
}
