//! Tracks the room that each connection's dead letters take, and selects those to discard when it is too much.

use model::{ConnectionId, Origin, TenantId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The share of DEAD that the dead letters of one connection may take.
const CONNECTION_SHARE: u64 = 16;
/// The share of DEAD that the dead letters of one tenant may take.
const TENANT_SHARE: u64 = 4;
/// Overhead of a stored dead letter in bytes: subject, headers and the broker's own data.
const OVERHEAD_BYTES: u64 = 256;

/// A dead letter of DEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeadLetter {
    /// Its sequence in DEAD.
    pub(super) sequence: u64,
    /// Size of its content, in bytes.
    pub(super) bytes: u64,
    /// Time of receipt of its delivery.
    pub(super) received_at: Timestamp,
    /// The body that it left in RAW, if it did.
    pub(super) in_raw: Option<InRaw>,
}

/// A body that is stored in RAW.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InRaw {
    /// The sequence of RAW's message.
    pub(super) sequence: u64,
    /// The length of the body, in bytes.
    pub(super) bytes: u64,
}

/// The limit that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Room {
    /// The limit of the dead letter's connection.
    Connection,
    /// The limit of its tenant.
    Tenant,
    /// The limit of all together.
    All,
}

impl Room {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Tenant => "tenant",
            Self::All => "all",
        }
    }
}

/// Dead letters of one connection to discard, oldest first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Discarded {
    pub(super) origin: Origin,
    pub(super) room: Room,
    pub(super) sequences: Vec<u64>,
}

/// The dead letters of DEAD by connection, oldest first.
#[derive(Debug, Default)]
pub(super) struct Usage {
    of: BTreeMap<ConnectionId, Connection>,
    dead_letters: u64,
}

#[derive(Debug)]
struct Connection {
    origin: Origin,
    dead_letters: VecDeque<DeadLetter>,
    bytes: u64,
}

impl Connection {
    /// Removes the oldest dead letter unless it is the only one: the newest is kept, however large it is.
    fn discard_oldest(&mut self) -> Option<u64> {
        if self.dead_letters.len() < 2 {
            return None;
        }
        let dead_letter = self.dead_letters.pop_front()?;
        self.bytes -= dead_letter.bytes + OVERHEAD_BYTES;
        Some(dead_letter.sequence)
    }
}

impl Usage {
    /// Adds a dead letter behind the present ones.
    pub(super) fn add(&mut self, origin: &Origin, dead_letter: DeadLetter) {
        let new = || Connection { origin: origin.clone(), dead_letters: VecDeque::new(), bytes: 0 };
        let of = self.of.entry(origin.connection.clone()).or_insert_with(new);
        of.dead_letters.push_back(dead_letter);
        of.bytes += dead_letter.bytes + OVERHEAD_BYTES;
        self.dead_letters += 1;
    }

    /// The number of dead letters.
    pub(super) const fn dead_letters(&self) -> u64 {
        self.dead_letters
    }

    fn bytes(&self) -> u64 {
        self.of.values().map(|connection| connection.bytes).sum()
    }

    /// Discards the oldest dead letters of connections and tenants that take more than their share of `room_bytes`: a
    /// connection a sixteenth, a tenant a quarter, all together seven tenths. In the last case the largest connections
    /// shrink until six tenths are taken.
    pub(super) fn make_room(&mut self, room_bytes: u64) -> Vec<Discarded> {
        let mut discarded = Vec::new();
        let connection_max = room_bytes / CONNECTION_SHARE;
        for connection in self.of.keys().cloned().collect::<Vec<_>>() {
            let over = self.of.get(&connection).map_or(0, |it| it.bytes.saturating_sub(connection_max));
            self.shrink(&connection, over, Room::Connection, &mut discarded);
        }
        let tenants: BTreeSet<TenantId> = self.of.values().map(|it| it.origin.tenant.clone()).collect();
        for tenant in tenants {
            self.shrink_largest(room_bytes / TENANT_SHARE, Room::Tenant, &mut discarded, |origin| {
                origin.tenant == tenant
            });
        }
        if self.bytes() > room_bytes / 10 * 7 {
            self.shrink_largest(room_bytes / 10 * 6, Room::All, &mut discarded, |_| true);
        }
        discarded
    }

    /// Shrinks the largest of the selected connections until they take no more than `max_bytes` together.
    fn shrink_largest(
        &mut self,
        max_bytes: u64,
        room: Room,
        discarded: &mut Vec<Discarded>,
        is_among: impl Fn(&Origin) -> bool,
    ) {
        loop {
            let among = || self.of.values().filter(|connection| is_among(&connection.origin));
            let over = among().map(|connection| connection.bytes).sum::<u64>().saturating_sub(max_bytes);
            let largest =
                among().filter(|connection| connection.dead_letters.len() > 1).max_by_key(|it| it.bytes);
            let Some(largest) = largest.filter(|_| over > 0) else { return };
            // At most half of its bytes; then the largest is determined again.
            let (connection, bytes) = (largest.origin.connection.clone(), over.min(largest.bytes / 2));
            self.shrink(&connection, bytes, room, discarded);
        }
    }

    /// Discards the oldest dead letters of a connection until at least `bytes` bytes are freed.
    fn shrink(&mut self, connection: &ConnectionId, bytes: u64, room: Room, discarded: &mut Vec<Discarded>) {
        let Some(of) = self.of.get_mut(connection) else { return };
        let target = of.bytes - bytes;
        let mut sequences = Vec::new();
        while of.bytes > target
            && let Some(sequence) = of.discard_oldest()
        {
            sequences.push(sequence);
        }
        self.dead_letters -= u64::try_from(sequences.len()).unwrap_or(u64::MAX);
        if !sequences.is_empty() {
            discarded.push(Discarded { origin: of.origin.clone(), room, sequences });
        }
    }

    /// Removes and returns the dead letters of a connection whose deliveries were received before `before`.
    pub(super) fn take_before(&mut self, connection: &ConnectionId, before: Timestamp) -> Vec<u64> {
        let Some(of) = self.of.get_mut(connection) else { return Vec::new() };
        let (taken, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut of.dead_letters)
            .into_iter()
            .partition(|dead_letter| dead_letter.received_at < before);
        of.dead_letters = kept;
        of.bytes -= taken.iter().map(|dead_letter| dead_letter.bytes + OVERHEAD_BYTES).sum::<u64>();
        self.dead_letters -= u64::try_from(taken.len()).unwrap_or(u64::MAX);
        taken.into_iter().map(|dead_letter| dead_letter.sequence).collect()
    }

    /// Returns the dead letters whose bodies are in RAW below that sequence, of the connections for which `is_there` is
    /// true: the newest of each connection, as far as its room allows. The others stay without their body.
    pub(super) fn left_to_raw_below(
        &self,
        raw_sequence: u64,
        room_bytes: u64,
        is_there: impl Fn(&Origin) -> bool,
    ) -> Vec<u64> {
        let mut sequences = Vec::new();
        for connection in self.of.values().filter(|connection| is_there(&connection.origin)) {
            let mut room = (room_bytes / CONNECTION_SHARE).saturating_sub(connection.bytes);
            for dead_letter in connection.dead_letters.iter().rev() {
                let Some(body) = dead_letter.in_raw.filter(|body| body.sequence < raw_sequence) else {
                    continue;
                };
                if body.bytes > room {
                    break;
                }
                room -= body.bytes;
                sequences.push(dead_letter.sequence);
            }
        }
        sequences.sort_unstable();
        sequences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{PlatformName, StoreId};
    use proptest::prelude::*;

    const ROOM_BYTES: u64 = 16_000_000;

    fn origin(tenant: u8, connection: u8) -> Origin {
        Origin {
            tenant: TenantId::new(&format!("t{tenant}")).unwrap(),
            store: StoreId::new(&format!("s{tenant}")).unwrap(),
            connection: ConnectionId::new(&format!("t{tenant}-c{connection}")).unwrap(),
            platform: PlatformName::new("shopify").unwrap(),
        }
    }

    /// Time of receipt, in seconds, of the dead letter with that sequence.
    fn at(sequence: u64) -> Timestamp {
        Timestamp::from_micros(i64::try_from(sequence).unwrap() * 1_000_000)
    }

    /// Dead letters of (tenant, connection, bytes), in the order of their sequences from 1 on.
    fn usage(dead_letters: &[(u8, u8, u64)]) -> Usage {
        let mut usage = Usage::default();
        for (sequence, (tenant, connection, bytes)) in (1..).zip(dead_letters) {
            usage.add(
                &origin(*tenant, *connection),
                DeadLetter {
                    sequence,
                    bytes: *bytes - OVERHEAD_BYTES,
                    received_at: at(sequence),
                    in_raw: None,
                },
            );
        }
        usage
    }

    fn made_room(dead_letters: &[(u8, u8, u64)]) -> Vec<(String, Room, Vec<u64>)> {
        let discarded = usage(dead_letters).make_room(ROOM_BYTES);
        discarded.into_iter().map(|it| (it.origin.connection.to_string(), it.room, it.sequences)).collect()
    }

    #[test]
    fn dead_letters_of_a_connection_that_came_before_a_time_are_taken_out_and_no_others() {
        let mut usage = usage(&[(1, 1, 1_000), (1, 2, 1_000), (1, 1, 1_000), (1, 1, 1_000)]);
        let before = usage.bytes();
        let connection = origin(1, 1).connection;
        assert_eq!(usage.take_before(&connection, at(4)), [1, 3]);
        assert_eq!((usage.dead_letters(), usage.bytes()), (2, before - 2_000));
        assert_eq!(usage.take_before(&connection, at(4)), Vec::<u64>::new());
        assert_eq!(usage.take_before(&origin(9, 9).connection, at(9)), Vec::<u64>::new());
    }

    #[test]
    fn a_connection_over_its_room_gives_up_its_own_oldest_dead_letters() {
        assert_eq!(made_room(&[(1, 1, 500_000), (2, 1, 900_000), (1, 1, 500_000)]), []);
        let dead_letters = [(1, 1, 500_000), (2, 1, 900_000), (1, 1, 500_000), (1, 1, 600_000)];
        assert_eq!(made_room(&dead_letters), [("t1-c1".to_owned(), Room::Connection, vec![1, 3])]);
        assert_eq!(made_room(&[(1, 1, 9_000_000)]), [], "the only one stays");
        assert_eq!(
            made_room(&[(1, 1, 100_000), (1, 1, 9_000_000)]),
            [("t1-c1".to_owned(), Room::Connection, vec![1])]
        );
    }

    #[test]
    fn a_tenant_over_its_room_gives_up_dead_letters_of_its_largest_connections() {
        let mut dead_letters: Vec<_> =
            (1..=5).flat_map(|connection| vec![(1, connection, 100_000); 9]).collect();
        assert_eq!(made_room(&[dead_letters.clone(), vec![(2, 1, 900_000)]].concat()).len(), 1);
        dead_letters.truncate(36);
        assert_eq!(made_room(&dead_letters), [], "3.6 of 4 million");
    }

    #[test]
    fn where_all_is_short_of_room_whoever_takes_most_gives_way() {
        let mut dead_letters: Vec<_> = (1..=13).flat_map(|tenant| vec![(tenant, 1, 90_000); 10]).collect();
        dead_letters.push((14, 1, 2_000));
        let discarded = made_room(&dead_letters);
        assert!(discarded.iter().all(|(_, room, _)| *room == Room::All), "{discarded:?}");
        assert!(discarded.iter().all(|(connection, ..)| connection != "t14-c1"), "{discarded:?}");
        let bytes: u64 = discarded.iter().map(|(.., sequences)| 90_000 * sequences.len() as u64).sum();
        assert!((11_702_000 - 9_600_000..=11_702_000 - 9_000_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn of_bodies_that_leave_raw_the_newest_are_kept_as_far_as_room_goes() {
        let mut usage = Usage::default();
        for (sequence, raw) in [(1, 10), (2, 11), (3, 12), (4, 50)] {
            let in_raw = Some(InRaw { sequence: raw, bytes: 400_000 });
            usage
                .add(&origin(1, 1), DeadLetter { sequence, bytes: 1_000, received_at: at(sequence), in_raw });
        }
        usage.add(&origin(1, 1), DeadLetter { sequence: 5, bytes: 1_000, received_at: at(5), in_raw: None });
        let below = |raw_sequence| usage.left_to_raw_below(raw_sequence, ROOM_BYTES, |_| true);
        assert_eq!(below(10), [] as [u64; 0]);
        assert_eq!(below(12), [1, 2]);
        assert_eq!(below(13), [2, 3], "the oldest stays without its body");
        assert_eq!(usage.left_to_raw_below(13, ROOM_BYTES, |_| false), [] as [u64; 0]);
    }

    proptest! {
        #[test]
        fn nobody_within_its_share_loses_a_dead_letter_while_room_is_left_for_all(
            dead_letters in prop::collection::vec((1u8..4, 1u8..3, 1_000u64..300_000), 0..60),
        ) {
            let mut usage = usage(&dead_letters);
            let before: BTreeMap<ConnectionId, u64> =
                usage.of.iter().map(|(id, it)| (id.clone(), it.bytes)).collect();
            let total: u64 = before.values().sum();
            let discarded = usage.make_room(ROOM_BYTES);
            let count: usize = discarded.iter().map(|it| it.sequences.len()).sum();
            prop_assert_eq!(usage.dead_letters() + count as u64, dead_letters.len() as u64);
            for connection in usage.of.values() {
                prop_assert!(connection.bytes <= ROOM_BYTES / CONNECTION_SHARE || connection.dead_letters.len() == 1);
            }
            for it in discarded.iter().filter(|it| it.room == Room::Connection) {
                prop_assert!(before[&it.origin.connection] > ROOM_BYTES / CONNECTION_SHARE);
            }
            if total <= ROOM_BYTES / 10 * 7 {
                prop_assert!(discarded.iter().all(|it| it.room != Room::All));
            }
            prop_assert!(usage.make_room(ROOM_BYTES).is_empty(), "room is made at once");
        }
    }
}
