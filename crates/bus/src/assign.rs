use model::{Partition, PartitionCount};
use std::collections::{BTreeMap, BTreeSet};

/// The partitions that `me` owns among `members`: each partition goes to the member with its highest score (rendezvous
/// hash) that still has fewer than its share, ⌈partitions / members⌉. The same members give the same result in every
/// process: every partition has exactly one owner. A name that is not among the members owns nothing.
pub fn assign(partitions: PartitionCount, members: &BTreeSet<String>, me: &str) -> BTreeSet<Partition> {
    let share = usize::from(partitions.get()).div_ceil(members.len().max(1));
    let mut scores: Vec<(u64, Partition, &str)> = partitions
        .all()
        .flat_map(|partition| {
            members.iter().map(move |member| (score(partition, member), partition, member.as_str()))
        })
        .collect();
    // Highest scores first, so that a full member refuses the partitions with its lowest scores.
    scores.sort_unstable_by(|a, b| b.cmp(a));
    let mut owned: BTreeMap<&str, BTreeSet<Partition>> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (_, partition, member) in scores {
        let mine = owned.entry(member).or_default();
        if mine.len() < share && taken.insert(partition) {
            mine.insert(partition);
        }
    }
    owned.remove(me).unwrap_or_default()
}

/// Score of a member for a partition: FNV-1a (64 bits) of both, then the finalizer of `SplitMix64`. With FNV alone,
/// names that differ in their last character only get too similar scores.
fn score(partition: Partition, member: &str) -> u64 {
    let bytes = partition.0.to_be_bytes().into_iter().chain(member.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts() -> impl Strategy<Value = PartitionCount> {
        (0..=8_u32).prop_map(|power| PartitionCount::new(1 << power).unwrap())
    }

    fn members() -> impl Strategy<Value = BTreeSet<String>> {
        prop::collection::btree_set("[a-z]{1,4}-[0-9]", 1..12)
    }

    fn owners(count: PartitionCount, members: &BTreeSet<String>) -> BTreeMap<Partition, &str> {
        let all = members.iter().flat_map(|member| {
            assign(count, members, member).into_iter().map(move |partition| (partition, member.as_str()))
        });
        all.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_partition_has_one_owner_and_nobody_more_than_a_share(count in counts(), members in members()) {
            let share = usize::from(count.get()).div_ceil(members.len());
            let each: Vec<usize> = members.iter().map(|member| assign(count, &members, member).len()).collect();
            prop_assert!(each.iter().all(|owned| *owned <= share));
            prop_assert_eq!(each.iter().sum::<usize>(), usize::from(count.get()));
            prop_assert_eq!(owners(count, &members).len(), usize::from(count.get()));
        }

        #[test]
        fn who_is_no_member_owns_nothing(count in counts(), members in members()) {
            prop_assert!(assign(count, &members, "nobody").is_empty());
            prop_assert!(assign(count, &BTreeSet::new(), "nobody").is_empty());
        }

        #[test]
        fn when_a_member_leaves_most_of_what_the_others_own_stays(members in members(), leaver in any::<prop::sample::Index>()) {
            prop_assume!(members.len() > 1);
            let count = PartitionCount::new(256).unwrap();
            let before = owners(count, &members);
            let leaver = leaver.get(&members.iter().collect::<Vec<_>>()).as_str().to_owned();
            let rest: BTreeSet<String> = members.iter().filter(|member| **member != leaver).cloned().collect();
            let after = owners(count, &rest);
            let moved = before.iter().filter(|(partition, owner)| **owner != leaver && after[*partition] != **owner).count();
            prop_assert!(moved <= 256 / members.len(), "{} of 256 moved among {}", moved, members.len());
        }
    }
}
