//! Limits on requests under way: the number of HTTP requests, and the bytes of bodies held in memory, received over
//! HTTP and the bus together.
//!
//! The sender of a body can be verified only after all of the body is received. Until then its request is displaced,
//! the oldest first, when another needs the room: an ordinary body is complete within moments, and one that never ends
//! becomes the oldest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// There is no room, or it was given to another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// Room for a number of requests and bytes; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    requests_max: usize,
    bytes_max: usize,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    requests: usize,
    bytes: usize,
    unproven: BTreeMap<u64, Unproven>,
}

#[derive(Debug)]
struct Unproven {
    bytes: usize,
    displaced: CancellationToken,
}

impl Room {
    pub(crate) fn new(requests_max: usize, bytes_max: usize) -> Self {
        Self { requests_max, bytes_max, table: Arc::default() }
    }

    /// Takes the room of one request that holds no bytes yet.
    pub(crate) fn enter(&self) -> Result<RequestRoom, NoRoom> {
        let mut table = self.table();
        if table.requests >= self.requests_max && !table.displace_oldest() {
            return Err(NoRoom);
        }
        let (number, displaced) = (table.next, CancellationToken::new());
        table.next += 1;
        table.requests += 1;
        table.unproven.insert(number, Unproven { bytes: 0, displaced: displaced.clone() });
        drop(table);
        Ok(RequestRoom { room: self.clone(), number, bytes: 0, displaced })
    }

    /// Takes room for a complete message from the bus, whose sender the broker has authenticated: it is never
    /// displaced, and bodies that aren't verified yet are displaced by it. The number of those requests has a limit of
    /// its own.
    pub(crate) fn hold(&self, bytes: usize) -> Result<MessageRoom, NoRoom> {
        let mut table = self.table();
        while table.bytes + bytes > self.bytes_max {
            if !table.displace_oldest() {
                return Err(NoRoom);
            }
        }
        table.bytes += bytes;
        drop(table);
        Ok(MessageRoom { room: self.clone(), bytes })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn displace_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.unproven.pop_first() else { return false };
        oldest.displaced.cancel();
        self.requests -= 1;
        self.bytes -= oldest.bytes;
        true
    }
}

/// Room for the bytes of a message from the bus; released when dropped.
#[derive(Debug)]
pub(crate) struct MessageRoom {
    room: Room,
    bytes: usize,
}

impl Drop for MessageRoom {
    fn drop(&mut self) {
        self.room.table().bytes -= self.bytes;
    }
}

/// The room of one request; released when dropped.
#[derive(Debug)]
pub(crate) struct RequestRoom {
    room: Room,
    number: u64,
    bytes: usize,
    displaced: CancellationToken,
}

impl RequestRoom {
    /// Waits until the room was given to another request.
    pub(crate) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }

    /// Takes room for `bytes` more bytes.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let mut table = self.room.table();
        if self.displaced.is_cancelled() {
            return Err(NoRoom);
        }
        while table.bytes + bytes > self.room.bytes_max {
            // The request itself is displaced only if it is the oldest.
            if !table.displace_oldest() || self.displaced.is_cancelled() {
                return Err(NoRoom);
            }
        }
        table.bytes += bytes;
        if let Some(own) = table.unproven.get_mut(&self.number) {
            own.bytes += bytes;
        }
        drop(table);
        self.bytes += bytes;
        Ok(())
    }

    /// Marks the request as verified: it is no longer displaced. Fails if it was displaced before.
    pub(crate) fn prove(&mut self) -> Result<(), NoRoom> {
        let mut table = self.room.table();
        if self.displaced.is_cancelled() {
            return Err(NoRoom);
        }
        table.unproven.remove(&self.number);
        Ok(())
    }
}

impl Drop for RequestRoom {
    fn drop(&mut self) {
        let mut table = self.room.table();
        table.unproven.remove(&self.number);
        // A displaced request has already released its room.
        if !self.displaced.is_cancelled() {
            table.requests -= 1;
            table.bytes -= self.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(room: &Room) -> (usize, usize) {
        let table = room.table();
        (table.requests, table.bytes)
    }

    #[test]
    fn the_oldest_body_that_is_not_believed_yet_gives_way() {
        let room = Room::new(100, 10);
        let [mut first, mut second, mut third] = [(); 3].map(|()| room.enter().unwrap());
        first.grow(4).unwrap();
        first.prove().unwrap();
        second.grow(4).unwrap();
        third.grow(4).unwrap();
        assert_eq!(held(&room), (2, 8), "the second gave way");
        assert_eq!((second.grow(0), second.prove()), (Err(NoRoom), Err(NoRoom)));
        drop(second);
        assert_eq!(held(&room), (2, 8), "its room was given back once");
        // The oldest request that isn't verified yet is the one that grows.
        assert_eq!(third.grow(4), Err(NoRoom));
        let mut fourth = room.enter().unwrap();
        assert_eq!(fourth.grow(7), Err(NoRoom), "none is left to give way but itself");
        drop((first, third, fourth));
        assert_eq!(held(&room), (0, 0));
    }

    #[test]
    fn what_the_bus_brings_shares_the_bytes_and_displaces_only_what_is_not_believed() {
        let room = Room::new(1, 10);
        let published = room.hold(6).unwrap();
        let mut body = room.enter().unwrap();
        body.grow(4).unwrap();
        let another = room.hold(3).unwrap();
        assert_eq!((body.prove(), held(&room)), (Err(NoRoom), (0, 9)), "the body gave way");
        assert!(room.hold(2).is_err(), "what was published doesn't");
        let mut believed = room.enter().unwrap();
        believed.grow(1).unwrap();
        believed.prove().unwrap();
        assert!(room.hold(1).is_err(), "nor what is believed");
        drop((published, another, believed));
        assert_eq!(held(&room), (0, 0));
    }

    #[test]
    fn requests_beyond_the_limit_displace_the_oldest_unless_all_are_believed() {
        let room = Room::new(2, 10);
        let (mut first, mut second) = (room.enter().unwrap(), room.enter().unwrap());
        let mut third = room.enter().unwrap();
        assert_eq!(first.prove(), Err(NoRoom));
        second.prove().unwrap();
        third.prove().unwrap();
        assert!(room.enter().is_err());
        drop(second);
        assert!(room.enter().is_ok());
    }
}
