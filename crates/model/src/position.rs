//! Positions of events: the partition, and the order of acceptance in it.

use crate::StoreId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the fixed number of partitions that stores are distributed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition(pub u16);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of partitions of an installation: a power of two from 1 to 1024, chosen once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct PartitionCount(u16);

impl PartitionCount {
    /// Checks that `count` is a power of two from 1 to 1024.
    pub fn new(count: u16) -> Option<Self> {
        (count.is_power_of_two() && count <= 1024).then_some(Self(count))
    }

    /// Returns the count for a new installation whose broker and services share that many cores: one for two of them, up
    /// to 16. Each partition costs every stage messages and every transaction of its own.
    pub fn for_cores(cores: usize) -> Self {
        let count = cores.div_ceil(2).next_power_of_two().min(16);
        Self(u16::try_from(count).unwrap_or(16))
    }

    /// The count.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns every partition, from 0.
    pub fn all(self) -> impl Iterator<Item = Partition> {
        (0..self.0).map(Partition)
    }

    /// Returns the partition of `store`, which never changes: FNV-1a (32 bits) of its id, as the server's own
    /// `partition()` computes it (nats-server, `server/subject_transform.go`).
    pub fn of(self, store: &StoreId) -> Partition {
        let hash = store
            .as_str()
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        #[expect(clippy::cast_possible_truncation, reason = "the remainder of a u16 fits a u16")]
        Partition((hash % u32::from(self.0)) as u16)
    }
}

impl TryFrom<u16> for PartitionCount {
    type Error = &'static str;
    fn try_from(count: u16) -> Result<Self, Self::Error> {
        Self::new(count).ok_or("the number of partitions is a power of two from 1 to 1024")
    }
}
impl From<PartitionCount> for u16 {
    fn from(count: PartitionCount) -> u16 {
        count.0
    }
}

/// An event's position in its partition; it grows with every accepted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Sequence of the RAW message that holds the delivery.
    pub raw_sequence: u64,
    /// Index of the delivery in that message.
    pub delivery: u32,
    /// Index of the event in that delivery.
    pub event: u32,
}

impl Position {
    /// The position after all others.
    pub const MAX: Self = Self { raw_sequence: u64::MAX, delivery: u32::MAX, event: u32::MAX };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.raw_sequence, self.delivery, self.event)
    }
}

impl std::str::FromStr for Position {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a position is three numbers with dots between";
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().ok_or(wrong);
        Ok(Self {
            raw_sequence: next()?.parse().map_err(|_| wrong)?,
            delivery: next()?.parse().map_err(|_| wrong)?,
            event: next()?.parse().map_err(|_| wrong)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_those_of_the_server() {
        // FNV-1a reference values (draft-eastlake-fnv, test vectors of "a" and "foobar").
        let count = PartitionCount::new(16).unwrap();
        assert_eq!(count.of(&StoreId::new("a").unwrap()), Partition((0xe40c_292c_u32 % 16) as u16));
        assert_eq!(count.of(&StoreId::new("foobar").unwrap()), Partition((0xbf9c_f968_u32 % 16) as u16));
        assert!(PartitionCount::new(12).is_none());
    }

    #[test]
    fn a_new_installation_has_a_partition_for_two_cores() {
        let counts = [1, 2, 3, 4, 8, 12, 32, 1000].map(|cores| PartitionCount::for_cores(cores).get());
        assert_eq!(counts, [1, 1, 2, 2, 4, 8, 16, 16]);
    }

    #[test]
    fn positions_order_by_acceptance_and_survive_text() {
        let earlier = Position { raw_sequence: 9, delivery: 200, event: 1 };
        let later = Position { raw_sequence: 10, delivery: 0, event: 0 };
        assert!(earlier < later);
        assert_eq!(earlier.to_string().parse(), Ok(earlier));
    }
}
