//! Objects that a complete list lacks, though a former one had them.

/// Complete lists in a row that lack an object before it is gone.
pub const MISSING_IN_A_ROW: i16 = 2;
/// Share of the known objects that may be missing at once: one in that many.
const SHARE: u64 = 10;
/// Number of objects that may be missing at once from any list.
const AT_LEAST: u64 = 3;

/// The objects of a collection after a complete list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MissingCounts {
    /// Objects that this list or a former one has.
    pub known: u64,
    /// Those that this list lacks.
    pub missing: u64,
    /// Those of them that the complete list before lacked too.
    pub missing_again: u64,
}

/// The consequence of missing objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingVerdict {
    /// Their absence counts; some are gone.
    Counted {
        /// Objects that are reported as gone.
        gone: u64,
    },
    /// So many are missing that the list is more likely wrong than they are gone: nothing follows before a person
    /// accepts it.
    TooMany {
        /// The number up to which their absence would count.
        limit: u64,
    },
}

/// Returns the number of absences that a complete list counts for an object that it lacks: with a person's acceptance as
/// many as are needed.
pub const fn absences(accepts_missing: bool) -> i16 {
    if accepts_missing { MISSING_IN_A_ROW } else { 1 }
}

/// Returns the consequence of missing objects. More than a tenth of the known ones (or more than three, if that is more)
/// don't count, and neither does a list without any object.
pub fn missing_verdict(counts: MissingCounts, accepts_missing: bool) -> MissingVerdict {
    if accepts_missing {
        return MissingVerdict::Counted { gone: counts.missing };
    }
    let limit = (counts.known / SHARE).max(AT_LEAST);
    let is_empty = counts.missing > 0 && counts.missing == counts.known;
    if counts.missing > limit || is_empty {
        return MissingVerdict::TooMany { limit: if is_empty { limit.min(counts.known - 1) } else { limit } };
    }
    MissingVerdict::Counted { gone: counts.missing_again }
}
