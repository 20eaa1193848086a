//! Limits on the share of RAW that a connection or a tenant may hold.
//!
//! All tenants share the room of RAW: one that fills it blocks the others, or causes their history to be discarded
//! early. While a room is over half full and holds several tenants' deliveries, connections and tenants above their
//! share are refused. A tenant that is alone in a room isn't limited.
//!
//! Only deliveries that this replica has appended since it started are counted.

use bus::FeedRoom;
use model::{ConnectionId, Delivery, Origin, TenantId, Timestamp};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The number of slots of the window. In one of them, more bytes may be counted than are still there.
const SLOTS: u8 = 14;
const SLOTS_BACK: i64 = SLOTS as i64 - 1;
/// Upper limit of connections counted at once, and of pairs of tenant and room. Beyond it new ones aren't counted until
/// others have nothing left in RAW.
const COUNTED_MAX: usize = 100_000;
/// Usage of a room from which shares are enforced: below the usage from which history is discarded.
const HELD_TO_FROM: f64 = 0.5;
/// The part of a share, and of that usage, from which holders are reported.
const REPORT_FROM: f64 = 0.7;
/// Upper limit of connections and tenants named in one report.
const NAMED_MAX: usize = 5;
/// The approximate bytes of a delivery besides its body: a batch's bytes are divided among its deliveries by size.
const ENVELOPE_BYTES: u64 = 256;

/// The shares of a room of RAW, from 0 to 1, and the time for which RAW keeps processed deliveries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawShares {
    /// The share that one connection may hold; larger in proportion if its row allows more requests.
    pub of_connections: f64,
    /// The share that all connections of a tenant together may hold.
    pub of_tenants: f64,
    /// The age beyond which nothing is counted.
    pub window: Duration,
}

/// The holder of too large a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The connection.
    Connection,
    /// Its tenant.
    Tenant,
}

impl Holder {
    /// The value of the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Tenant => "tenant",
        }
    }
}

/// The use of a room, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    room: FeedRoom,
    /// Bytes counted for all, back to the oldest message of the room or further.
    counted: u64,
    /// Bytes counted for one tenant in the same time.
    counted_of_tenant: u64,
}

impl Use {
    /// The bytes that a holder with that count has in the room: its part of the bytes there, as some of the counted
    /// bytes may have been discarded.
    fn held(&self, counted: u64) -> u64 {
        let held = u128::from(counted) * u128::from(self.room.bytes) / u128::from(self.counted.max(1));
        counted.min(u64::try_from(held).unwrap_or(u64::MAX))
    }

    /// Returns true if a connection of the tenant, or the tenant, with that many counted bytes holds at least `part` of
    /// `share`, while the room's usage is at least that part of the usage from which shares are enforced.
    fn is_over(&self, part: f64, counted: u64, share: f64) -> bool {
        let is_alone = self.counted <= self.counted_of_tenant;
        !is_alone
            && self.room.usage() >= HELD_TO_FROM * part
            && ratio(self.held(counted), self.room.max_bytes) >= share.min(1.0) * part
    }
}

fn ratio(bytes: u64, of_bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    let ratio = bytes as f64 / of_bytes.max(1) as f64;
    ratio
}

/// The bytes received in the latest slots of time.
#[derive(Debug, Clone, Copy, Default)]
struct Slots {
    bytes: [u64; SLOTS as usize],
    newest: i64,
}

impl Slots {
    fn index(slot: i64) -> usize {
        usize::try_from(slot.rem_euclid(SLOTS_BACK + 1)).unwrap_or_default()
    }

    /// Adds bytes to a slot; those of a past slot, as after the clock was set back, to the newest.
    fn add(&mut self, slot: i64, bytes: u64) {
        if slot > self.newest {
            let first_skipped = slot.saturating_sub(SLOTS_BACK).max(self.newest.saturating_add(1));
            for skipped in first_skipped..=slot {
                self.bytes[Self::index(skipped)] = 0;
            }
            self.newest = slot;
        }
        self.bytes[Self::index(self.newest)] += bytes;
    }

    /// The bytes since the slot `oldest`, as of `now`.
    fn since(&self, oldest: i64, now: i64) -> u64 {
        let first = oldest.max(now.max(self.newest).saturating_sub(SLOTS_BACK));
        (first..=self.newest).map(|slot| self.bytes[Self::index(slot)]).sum()
    }
}

/// The count of one connection or tenant, in one room.
#[derive(Debug, Clone, Copy)]
struct Count {
    slots: Slots,
    room: usize,
    /// The multiple of the usual share.
    in_proportion: f64,
}

/// A room of RAW.
#[derive(Debug)]
struct CountedRoom {
    /// Its state as last read.
    state: FeedRoom,
    /// The count of everybody in it.
    slots: Slots,
}

/// All counts.
#[derive(Debug, Default)]
struct Counts {
    rooms: Vec<CountedRoom>,
    of_connections: HashMap<ConnectionId, (Count, TenantId)>,
    of_tenants: HashMap<(TenantId, usize), Count>,
}

/// A time in slots.
#[derive(Debug, Clone, Copy)]
struct At {
    slot: i64,
    slot_micros: i64,
}

impl Counts {
    /// The bytes counted back to the oldest message of the room.
    fn counted(&self, slots: &Slots, room: usize, at: At) -> u64 {
        let Some(oldest) = self.rooms.get(room).and_then(|room| room.state.oldest) else { return 0 };
        slots.since(oldest.as_micros().div_euclid(at.slot_micros), at.slot)
    }

    /// The use of a room; `None` until its state is known.
    fn used(&self, room: usize, tenant: &TenantId, at: At) -> Option<Use> {
        let of_tenant = self.of_tenants.get(&(tenant.clone(), room));
        let of_room = self.rooms.get(room)?;
        Some(Use {
            room: of_room.state,
            counted: self.counted(&of_room.slots, room, at),
            counted_of_tenant: of_tenant.map_or(0, |of| self.counted(&of.slots, room, at)),
        })
    }

    fn forget_gone(&mut self, at: At) {
        let gone = |count: &Count| self.counted(&count.slots, count.room, at) == 0;
        let connections: Vec<_> =
            self.of_connections.iter().filter(|(_, (of, _))| gone(of)).map(|(of, _)| of.clone()).collect();
        let tenants: Vec<_> =
            self.of_tenants.iter().filter(|(_, of)| gone(of)).map(|(of, _)| of.clone()).collect();
        for connection in connections {
            self.of_connections.remove(&connection);
        }
        for tenant in tenants {
            self.of_tenants.remove(&tenant);
        }
    }
}

/// Counts the bytes that each connection and tenant holds of RAW, and refuses those above their share.
pub(crate) struct Quotas {
    shares: Option<RawShares>,
    slot_micros: i64,
    counts: Mutex<Counts>,
}

impl Quotas {
    /// Without shares, counts nothing and refuses nothing.
    pub(crate) fn new(shares: Option<RawShares>) -> Self {
        let window = shares.map_or(Duration::ZERO, |shares| shares.window);
        let slot_micros = i64::try_from(window.as_micros() / u128::from(SLOTS)).unwrap_or(i64::MAX).max(1);
        Self { shares, slot_micros, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, now: Timestamp) -> At {
        At { slot: now.as_micros().div_euclid(self.slot_micros), slot_micros: self.slot_micros }
    }

    /// Refuses another delivery of a connection that holds too much of its room, or whose tenant does. The connection
    /// may hold `in_proportion` times the usual share.
    pub(crate) fn check(
        &self,
        room: usize,
        (tenant, connection): (&TenantId, &ConnectionId),
        in_proportion: f64,
        now: Timestamp,
    ) -> Result<(), Holder> {
        let Some(shares) = self.shares else { return Ok(()) };
        let (at, mut counts) = (self.at(now), self.counts());
        if let Some((count, _)) = counts.of_connections.get_mut(connection) {
            count.in_proportion = in_proportion;
        }
        let Some(used) = counts.used(room, tenant, at) else { return Ok(()) };
        let of_connection = counts.of_connections.get(connection);
        let of_connection = of_connection.map_or(0, |(count, _)| counts.counted(&count.slots, room, at));
        drop(counts);
        if used.is_over(1.0, of_connection, shares.of_connections * in_proportion) {
            return Err(Holder::Connection);
        }
        if used.is_over(1.0, used.counted_of_tenant, shares.of_tenants) {
            return Err(Holder::Tenant);
        }
        Ok(())
    }

    /// Counts a batch that RAW has kept, and that takes `bytes` bytes there.
    pub(crate) fn kept<'a>(
        &self,
        room: usize,
        deliveries: impl Iterator<Item = &'a Delivery> + Clone,
        bytes: u64,
        now: Timestamp,
    ) {
        if self.shares.is_none() {
            return;
        }
        let weight = |delivery: &Delivery| {
            u64::try_from(delivery.body.len()).unwrap_or(u64::MAX).saturating_add(ENVELOPE_BYTES)
        };
        let total = deliveries.clone().map(weight).fold(0, u64::saturating_add).max(1);
        let (slot, mut counts) = (self.at(now).slot, self.counts());
        let Counts { rooms, of_connections, of_tenants } = &mut *counts;
        let Some(of_room) = rooms.get_mut(room) else { return };
        // Valid until the room is read again.
        of_room.state.bytes = of_room.state.bytes.saturating_add(bytes);
        of_room.state.oldest.get_or_insert(now);
        for delivery in deliveries {
            let Origin { tenant, connection, .. } = &delivery.origin;
            let part = u128::from(bytes) * u128::from(weight(delivery)) / u128::from(total);
            let part = u64::try_from(part).unwrap_or(u64::MAX);
            // Adds the parts, not `bytes`: a tenant that holds all of them is then alone, whatever the division
            // rounds off.
            of_room.slots.add(slot, part);
            let new =
                || Count { slots: Slots { newest: slot, ..Slots::default() }, room, in_proportion: 1.0 };
            let of = counted_of(of_connections, connection, || (new(), tenant.clone()));
            if let Some((count, _)) = of {
                count.slots.add(slot, part);
            }
            if let Some(count) = counted_of(of_tenants, &(tenant.clone(), room), new) {
                count.slots.add(slot, part);
            }
        }
    }

    /// Records the usage of RAW's rooms, and forgets holders that have nothing left in them.
    pub(crate) fn note_rooms(&self, rooms: Vec<FeedRoom>, now: Timestamp) {
        let mut counts = self.counts();
        let mut before = std::mem::take(&mut counts.rooms).into_iter();
        let counted = |state: FeedRoom| {
            let slots = before.next().map(|room| room.slots).unwrap_or_default();
            // The bytes of forgotten holders must not count as others' later.
            let slots = if state.oldest.is_none() { Slots::default() } else { slots };
            CountedRoom { state, slots }
        };
        counts.rooms = rooms.into_iter().map(counted).collect();
        counts.forget_gone(self.at(now));
    }

    /// The text of an alert that names the holders of most of their share, largest first; `None` if there are none.
    pub(crate) fn reported(&self, now: Timestamp) -> Option<String> {
        let (shares, at, counts) = (self.shares?, self.at(now), self.counts());
        if counts.rooms.iter().all(|room| room.state.usage() < HELD_TO_FROM * REPORT_FROM) {
            return None;
        }
        let over = |count: &Count, tenant: &TenantId, share: f64| {
            let used = counts.used(count.room, tenant, at)?;
            let counted = counts.counted(&count.slots, count.room, at);
            let of_share = ratio(used.held(counted), used.room.max_bytes) / share.min(1.0);
            used.is_over(REPORT_FROM, counted, share).then_some(of_share * 100.0)
        };
        let connections = counts.of_connections.iter().filter_map(|(connection, (count, tenant))| {
            let percent = over(count, tenant, shares.of_connections * count.in_proportion)?;
            Some((percent, format!("connection {connection} of tenant {tenant} ({percent:.0} %)")))
        });
        let tenants = counts.of_tenants.iter().filter_map(|((tenant, _), count)| {
            let percent = over(count, tenant, shares.of_tenants)?;
            Some((percent, format!("tenant {tenant} ({percent:.0} %)")))
        });
        let mut over: Vec<(f64, String)> = connections.chain(tenants).collect();
        over.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        let unnamed = over.len().saturating_sub(NAMED_MAX);
        let named: Vec<String> = over.into_iter().take(NAMED_MAX).map(|(_, name)| name).collect();
        let further = if unnamed > 0 { format!(", and {unnamed} further") } else { String::new() };
        (!named.is_empty()).then(|| {
            let part = REPORT_FROM * 100.0;
            format!(
                "RAW fills up, and these hold more than {part:.0} % of their share of it: {}{further}",
                named.join(", ")
            )
        })
    }
}

/// The count of that key, or a new one; `None` if too many are counted.
fn counted_of<'a, Key: Hash + Eq + Clone, Value>(
    of: &'a mut HashMap<Key, Value>,
    key: &Key,
    new: impl FnOnce() -> Value,
) -> Option<&'a mut Value> {
    if !of.contains_key(key) {
        if of.len() >= COUNTED_MAX {
            return None;
        }
        of.insert(key.clone(), new());
    }
    of.get_mut(key)
}

#[cfg(test)]
mod tests;
