//! Batched look-ups behind a cache.

use crate::{Enrich, Known, PartitionState, located, location_key};
use bus::Bus;
use model::{ConnectionId, Event, LinkKind, Partition, Position};
use runner::{Positioned, StageIo};
use stage::Fault;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use store::{Changed, LinkKey, Store};
use tokio_util::sync::CancellationToken;

/// Upper limit of cached links; about 200 bytes each.
const LINKS_MAX: u64 = 200_000;
/// Upper limit of cached connections.
const CONNECTIONS_MAX: u64 = 100_000;
/// Time for which a connection is cached if no notice of a change arrives.
const CONNECTION_FOR: Duration = Duration::from_mins(10);

/// The look-ups; cheap to clone. Only existing rows are cached: a missing one may be created at any moment.
#[derive(Clone)]
pub struct Lookup {
    store: Store,
    connections: moka::sync::Cache<ConnectionId, Arc<Known>>,
    links: moka::sync::Cache<LinkKey, Arc<str>>,
}

impl Lookup {
    /// Look-ups in the database.
    pub fn new(store: Store) -> Self {
        let connections =
            moka::sync::Cache::builder().max_capacity(CONNECTIONS_MAX).time_to_live(CONNECTION_FOR).build();
        let links =
            moka::sync::Cache::builder().max_capacity(LINKS_MAX).support_invalidation_closures().build();
        Self { store, connections, links }
    }

    /// Removes entries from the cache on the database's change notices, until `stop`.
    pub async fn forget_what_changes(self, stop: CancellationToken) {
        let mut notices = self.store.listen_changes();
        loop {
            let changed = tokio::select! {
                changed = notices.next() => changed,
                () = stop.cancelled() => return,
            };
            match changed {
                Changed::Connection(id) => self.connections.invalidate(&id),
                Changed::Store(_) | Changed::Everything => self.connections.invalidate_all(),
            }
            // Links of locations can be set anew by hand; all others never change.
            if let Err(error) = self.links.invalidate_entries_if(|key, _| key.kind == LinkKind::Location) {
                tracing::debug!(%error, "forgetting all links");
                self.links.invalidate_all();
            }
        }
    }

    async fn connections(
        &self,
        batch: &[Positioned<Event>],
    ) -> Result<HashMap<ConnectionId, Arc<Known>>, Fault> {
        let ids: BTreeSet<&ConnectionId> = batch.iter().map(|event| &event.value.origin.connection).collect();
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for id in ids {
            match self.connections.get(id) {
                Some(known) => drop(found.insert(id.clone(), known)),
                None => missing.push(id.clone()),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        for connection in self.store.connections(&missing).await? {
            let origin = connection.origin();
            let known = Known { origin, default_location: connection.default_location };
            let known = Arc::new(known);
            self.connections.insert(connection.id.clone(), Arc::clone(&known));
            found.insert(connection.id, known);
        }
        Ok(found)
    }

    async fn links(&self, batch: &[Positioned<Event>]) -> Result<HashMap<LinkKey, Arc<str>>, Fault> {
        let mut found = HashMap::new();
        let mut missing = BTreeSet::new();
        for event in batch.iter().map(|event| &event.value) {
            for external in located(event) {
                let key = location_key(event, external);
                if found.contains_key(&key) {
                    continue;
                }
                match self.links.get(&key) {
                    Some(internal) => drop(found.insert(key, internal)),
                    None => drop(missing.insert(key)),
                }
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        for (key, internal) in self.store.links(&missing).await? {
            let internal: Arc<str> = internal.into();
            self.links.insert(key.clone(), Arc::clone(&internal));
            found.insert(key, internal);
        }
        Ok(found)
    }
}

impl StageIo<Enrich> for Lookup {
    async fn open(&self, _: &Bus, _: Partition, _: Position) -> Result<PartitionState, Fault> {
        Ok(PartitionState::default())
    }

    async fn load(&self, inputs: &[Positioned<Event>], state: &mut PartitionState) -> Result<(), Fault> {
        *state =
            PartitionState { connections: self.connections(inputs).await?, links: self.links(inputs).await? };
        Ok(())
    }
}
