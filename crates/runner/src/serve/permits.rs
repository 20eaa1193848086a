//! Permits of connections: their limits, and eviction when there is none left.

use super::origin::Origin;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Permits that are withdrawn at once when the system has no descriptor left: an evicted connection closes its own only
/// a moment later.
const SPARE: usize = 16;

/// Reason for which a connection gets no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPermit {
    /// All permits are held by proven connections.
    Full,
    /// All permits of one address are held by its proven connections.
    Address,
}

/// The permits of one listener. A connection is unproven until [`Permit::prove`]. If a permit is requested and none is
/// free, the oldest unproven connection loses its own, so that an unauthenticated client keeps one only until enough
/// others have connected. If an address is at its limit, its own oldest unproven connection is evicted.
#[derive(Debug)]
pub(super) struct Permits {
    connections_max: usize,
    of_address_max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    taken: usize,
    /// Reduced number of permits while the system lacks descriptors; `None` otherwise.
    shrunk_to: Option<usize>,
    unproven: BTreeMap<u64, (Option<Origin>, CancellationToken)>,
    of: HashMap<Origin, OfAddress>,
}

#[derive(Debug, Default)]
struct OfAddress {
    taken: usize,
    unproven: BTreeSet<u64>,
}

impl Permits {
    pub(super) fn new(connections_max: usize, of_address_max: usize) -> Arc<Self> {
        Arc::new(Self { connections_max, of_address_max, table: Mutex::default() })
    }

    /// Takes a permit; it counts against the limit of `origin`, if there is one.
    pub(super) fn take(self: &Arc<Self>, origin: Option<Origin>) -> Result<Permit, NoPermit> {
        let mut table = self.table();
        if let Some(of) = origin.as_ref().and_then(|origin| table.of.get(origin))
            && of.taken >= self.of_address_max
        {
            let oldest = of.unproven.first().copied().ok_or(NoPermit::Address)?;
            table.evict(oldest);
        }
        let permits = table.shrunk_to.unwrap_or(self.connections_max);
        if table.taken >= permits && !table.evict_oldest() {
            return Err(NoPermit::Full);
        }
        let evicted = CancellationToken::new();
        let number = table.enter(origin, evicted.clone());
        table.taken += 1;
        if let Some(origin) = origin {
            table.of.entry(origin).or_default().taken += 1;
        }
        drop(table);
        Ok(Permit { permits: Arc::clone(self), origin, evicted, number: Mutex::new(Some(number)) })
    }

    /// Reduces the number of permits below those taken, because the system has no descriptor for another connection.
    pub(super) fn shrink(&self) {
        let mut table = self.table();
        let permits = table.taken.saturating_sub(SPARE).max(1);
        table.shrunk_to = Some(permits);
        while table.taken > permits && table.evict_oldest() {}
    }

    /// Restores the configured number of permits.
    pub(super) fn restore(&self) {
        self.table().shrunk_to = None;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn enter(&mut self, origin: Option<Origin>, evicted: CancellationToken) -> u64 {
        let number = self.next;
        self.next += 1;
        self.unproven.insert(number, (origin, evicted));
        if let Some(origin) = origin {
            self.of.entry(origin).or_default().unproven.insert(number);
        }
        number
    }

    /// Removes a connection from the list of those that can be evicted.
    fn leave(&mut self, number: u64) -> Option<(Option<Origin>, CancellationToken)> {
        let (origin, evicted) = self.unproven.remove(&number)?;
        if let Some(of) = origin.as_ref().and_then(|origin| self.of.get_mut(origin)) {
            of.unproven.remove(&number);
        }
        Some((origin, evicted))
    }

    fn evict_oldest(&mut self) -> bool {
        let oldest = self.unproven.keys().next().copied();
        oldest.is_some_and(|oldest| self.evict(oldest))
    }

    fn evict(&mut self, number: u64) -> bool {
        let Some((origin, evicted)) = self.leave(number) else { return false };
        evicted.cancel();
        self.give_back(origin);
        true
    }

    fn give_back(&mut self, origin: Option<Origin>) {
        self.taken -= 1;
        let Some(origin) = origin else { return };
        if let Some(of) = self.of.get_mut(&origin) {
            of.taken -= 1;
            if of.taken == 0 {
                self.of.remove(&origin);
            }
        }
    }
}

/// The permit of one connection; returned when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Arc<Permits>,
    origin: Option<Origin>,
    evicted: CancellationToken,
    /// Its number among the unproven connections; `None` once it is proven.
    number: Mutex<Option<u64>>,
}

impl Permit {
    /// Waits until the permit is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    /// Marks the connection as proven, because one of its requests was authenticated: it is never evicted from now on.
    pub(super) fn prove(&self) {
        if let Some(number) = self.number().take() {
            self.permits.table().leave(number);
        }
    }

    /// Marks the connection as unproven again, and as the youngest one.
    pub(super) fn doubt(&self) {
        let mut number = self.number();
        if number.is_none() && !self.evicted.is_cancelled() {
            *number = Some(self.permits.table().enter(self.origin, self.evicted.clone()));
        }
    }

    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let number = self.number().take();
        let mut table = self.permits.table();
        if let Some(number) = number {
            table.leave(number);
        }
        // The permit of an evicted connection was already returned.
        if !self.evicted.is_cancelled() {
            table.give_back(self.origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse::<IpAddr>().unwrap())
    }

    fn is_evicted(permit: &Permit) -> bool {
        permit.evicted.is_cancelled()
    }

    #[test]
    fn the_oldest_unauthenticated_client_gives_way_and_a_proven_connection_does_not() {
        let permits = Permits::new(3, 3);
        let held: Vec<Permit> = (0..3).map(|_| permits.take(Some(origin("192.0.2.1"))).unwrap()).collect();
        held[0].prove();
        let fourth = permits.take(Some(origin("192.0.2.2"))).unwrap();
        let evicted = || held.iter().map(is_evicted).collect::<Vec<_>>();
        assert_eq!(evicted(), [false, true, false]);
        fourth.prove();
        held[2].prove();
        assert_eq!(permits.take(None).unwrap_err(), NoPermit::Full);
        drop(fourth);
        drop(held);
        let table = permits.table();
        assert_eq!((table.taken, table.unproven.len(), table.of.len()), (0, 0, 0), "all was given back once");
    }

    #[test]
    fn an_address_displaces_its_own_and_no_other() {
        let permits = Permits::new(100, 2);
        let other = permits.take(Some(origin("192.0.2.9"))).unwrap();
        let held: Vec<Permit> = (0..3).map(|_| permits.take(Some(origin("192.0.2.1"))).unwrap()).collect();
        assert_eq!(held.iter().map(is_evicted).collect::<Vec<_>>(), [true, false, false]);
        held[1].prove();
        held[2].prove();
        assert_eq!(permits.take(Some(origin("192.0.2.1"))).unwrap_err(), NoPermit::Address);
        assert!(!is_evicted(&other));
        // One network of IPv6 counts as one address.
        let _held: Vec<Permit> = ["2001:db8::1", "2001:db8::2"]
            .map(|text| {
                let permit = permits.take(Some(origin(text))).unwrap();
                permit.prove();
                permit
            })
            .into();
        assert_eq!(permits.take(Some(origin("2001:db8::ffff"))).unwrap_err(), NoPermit::Address);
        assert!(permits.take(Some(origin("2001:db8:0:1::1"))).is_ok());
        // Trusted proxies have no limit of their own.
        let proxied: Vec<Permit> = (0..50).map(|_| permits.take(None).unwrap()).collect();
        assert!(proxied.iter().all(|permit| !is_evicted(permit)));
    }

    #[test]
    fn without_descriptors_there_are_fewer_permits_until_there_are_more_again() {
        let permits = Permits::new(100, 100);
        let held: Vec<Permit> = (0..30).map(|_| permits.take(None).unwrap()).collect();
        held[0].prove();
        permits.shrink();
        let evicted = |held: &[Permit]| held.iter().filter(|permit| is_evicted(permit)).count();
        assert_eq!((evicted(&held), permits.table().taken), (SPARE, 30 - SPARE));
        let newcomer = permits.take(None).unwrap();
        assert_eq!((evicted(&held), is_evicted(&held[0])), (SPARE + 1, false));
        permits.restore();
        assert!(permits.take(None).is_ok());
        assert_eq!((evicted(&held), is_evicted(&newcomer)), (SPARE + 1, false));
    }

    #[test]
    fn who_has_to_prove_itself_anew_is_the_youngest_unauthenticated_client() {
        let permits = Permits::new(2, 2);
        let (proxy, unauthenticated_client) = (permits.take(None).unwrap(), permits.take(None).unwrap());
        proxy.prove();
        proxy.doubt();
        proxy.doubt();
        let _third = permits.take(None).unwrap();
        assert!(is_evicted(&unauthenticated_client) && !is_evicted(&proxy));
        let _fourth = permits.take(None).unwrap();
        assert!(is_evicted(&proxy));
        proxy.prove();
        proxy.doubt();
        drop((proxy, unauthenticated_client));
        assert_eq!(permits.table().taken, 2);
    }
}
