//! Collections: lists of a platform's API that are read on a schedule. Decides when one is read, in which range, and the
//! consequences of pages, failures and missing objects.

mod missing;
mod page;
mod pick;
mod request;
mod schedule;
mod times;

pub use missing::{MISSING_IN_A_ROW, MissingCounts, MissingVerdict, absences, missing_verdict};
pub use page::{KnownObject, ListedObject, PageObject, PageRead, SortedPage};
pub use pick::{CollectionPick, DueCollection, pick_collection};
pub use request::{ReadRequest, Requested};
pub use schedule::{ReadPlan, Spread};
pub use times::{InvalidReadTimes, QUIET_HOUR, ReadTimes};

use crate::Timestamp;
use schedule::{is_outdated, reports_all};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Upper limit of pages of one read; a list that is longer is given up.
pub const PAGES_MAX: u32 = 50_000;
/// Failed attempts in a row after which a read is given up. The next one begins at its first page.
pub const PAGE_ATTEMPTS_MAX: u32 = 10;
/// Time within which the first read of a new connection begins.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// Pause after the first failed attempt; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// Longest pause between two attempts, unless the platform requests a longer one.
const RETRY_LONGEST: Duration = Duration::from_mins(15);
/// Pause after a page that our own services didn't accept.
const OWN_OUTAGE_PAUSE: Duration = Duration::from_secs(5);
/// Longest interval between two reads that were given up.
const GIVEN_UP_LONGEST: Duration = Duration::from_hours(24);
/// Reads of changes whose pages shifted, in a row, after which the time of changes moves nevertheless: the next whole read
/// makes up for what they lacked.
const SHIFTED_MAX: u32 = 3;
/// Upper limit of the kept text of a failure, in bytes.
const FAILURE_BYTES_MAX: usize = 500;

/// The objects that a read lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadRange {
    /// Everything.
    Whole,
    /// The objects that changed since a time, and before another if there is one.
    Changed {
        /// The first moment.
        since: Timestamp,
        /// The moment after the last.
        until: Option<Timestamp>,
    },
}

/// The part of a read that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadPhase {
    /// Pages are read.
    Listing,
    /// All pages were read; objects that were listed formerly are compared with them.
    Comparing,
    /// Objects that are gone are reported one after the other.
    Retiring,
}

/// A read of a collection, from its first page to its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent, and none is an argument")]
pub struct ListRead {
    /// Its number among the reads of the collection.
    pub number: u64,
    /// The objects that it lists.
    pub range: ReadRange,
    /// True if a person requested it.
    pub is_requested: bool,
    /// True if a person accepts that any number of objects is missing.
    pub accepts_missing: bool,
    /// True if objects that haven't changed since the former read are reported too.
    pub reports_all: bool,
    /// Time at which it began.
    pub began_at: Timestamp,
    /// The part that is under way.
    pub phase: ReadPhase,
    /// The platform's cursor of the next page; `None` for the first.
    pub cursor: Option<String>,
    /// Pages read.
    pub pages: u32,
    /// Objects on these pages.
    pub seen: u64,
    /// Objects that were reported: new, changed, or all of them.
    pub reported: u64,
    /// Number of objects in the whole list, as the first page stated it.
    pub total: Option<u64>,
    /// True if pages shifted while they were read, so that the list may lack objects.
    pub is_shifted: bool,
    /// Failed attempts in a row.
    pub attempts: u32,
    /// Objects that the list lacks, though a former one had them.
    pub missing: u64,
    /// Objects that were missing often enough to be reported as gone.
    pub gone: u64,
}

/// The content of a page, as counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// Objects on the page.
    pub seen: u64,
    /// Objects that were reported.
    pub reported: u64,
    /// True if an object of the page was on a former page of this read, or is on the page twice.
    pub has_repeats: bool,
    /// Number of objects in the whole list, as the page states it.
    pub total: Option<u64>,
    /// The cursor of the next page, with the time to wait before its request.
    pub next: Option<(String, Duration)>,
}

/// The end of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadOutcome {
    /// Every page was read, and none shifted.
    Complete,
    /// Every page was read, but they shifted meanwhile: an object may have been passed over.
    Shifted,
    /// It was given up.
    GivenUp,
    /// A later read took its place.
    Superseded,
}

impl ReadOutcome {
    /// Returns the name used in labels and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Shifted => "shifted",
            Self::GivenUp => "given_up",
            Self::Superseded => "superseded",
        }
    }
}

/// A read that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedRead {
    /// The read in its last state.
    pub read: ListRead,
    /// Its end.
    pub outcome: ReadOutcome,
    /// Time of its end.
    pub ended_at: Timestamp,
}

/// The reason why a page wasn't read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageFailure {
    /// The platform limits its calls.
    RateLimited {
        /// Minimum wait.
        after: Option<Duration>,
    },
    /// The platform has an outage, or its reply can't be read.
    Outage,
    /// Our own services didn't accept the page.
    OwnOutage,
    /// The platform refuses this list or its cursor.
    Refused,
}

/// The reads of one collection of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CollectionState {
    /// Time at which the next page, or the next read, is due.
    pub due_at: Timestamp,
    /// Time since which changes weren't read; `None` before the first read.
    pub changes_since: Option<Timestamp>,
    /// Time from which the first read of changes reads, whenever it begins and however often anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_since: Option<Timestamp>,
    /// Beginning of the last whole read.
    pub whole_at: Option<Timestamp>,
    /// Time of the next scheduled whole read, for people.
    pub whole_due_at: Option<Timestamp>,
    /// Number of reads that began.
    pub reads: u64,
    /// Number of whole reads that ended.
    pub wholes: u64,
    /// Reads in a row that were given up.
    pub given_up: u32,
    /// Reads of changes in a row whose pages shifted.
    pub shifted: u32,
    /// The read under way.
    pub read: Option<ListRead>,
    /// The last read that ended.
    pub last: Option<EndedRead>,
    /// End of the last complete read: its age is that of the collection.
    pub complete_at: Option<Timestamp>,
    /// The last failure, without payload; `None` after a page.
    pub failure: Option<String>,
}

impl CollectionState {
    /// Returns the state of a collection that was never read: it is due soon, at a time that differs between collections.
    pub fn first(plan: &ReadPlan, spread: Spread, now: Timestamp) -> Self {
        let within = (plan.every / 10).min(FIRST_WITHIN);
        // A connection whose account is refused at first is read later, and from here on all the same.
        let first_since = plan.first_since(now);
        Self { due_at: now.after(spread.within(within, 0)), first_since, ..Self::default() }
    }

    /// Begins the next scheduled read, unless one is under way. Returns the one that it supersedes: a read that didn't end
    /// within a day, whose cursor no platform keeps.
    pub fn begin(&mut self, plan: &ReadPlan, now: Timestamp) -> Option<EndedRead> {
        if self.read.as_ref().is_some_and(|read| !is_outdated(read, now)) {
            return None;
        }
        let range = plan.next_range(self, now);
        if let (ReadRange::Changed { since, .. }, None) = (range, self.changes_since) {
            self.first_since.get_or_insert(since);
        }
        self.start(range, (false, false), now)
    }

    /// Begins the read that a person requested. Returns the one that it supersedes.
    pub fn begin_requested(
        &mut self,
        request: &ReadRequest,
        plan: &ReadPlan,
        now: Timestamp,
    ) -> Option<EndedRead> {
        let range = request.range(self, plan, now);
        self.start(range, (true, request.accepts_missing), now)
    }

    fn start(
        &mut self,
        range: ReadRange,
        (is_requested, accepts_missing): (bool, bool),
        now: Timestamp,
    ) -> Option<EndedRead> {
        let superseded = self.end(ReadOutcome::Superseded, now);
        self.reads += 1;
        self.due_at = now;
        self.read = Some(ListRead {
            number: self.reads,
            range,
            is_requested,
            accepts_missing,
            reports_all: is_requested || reports_all(range, self.wholes),
            began_at: now,
            phase: ReadPhase::Listing,
            cursor: None,
            pages: 0,
            seen: 0,
            reported: 0,
            total: None,
            is_shifted: false,
            attempts: 0,
            missing: 0,
            gone: 0,
        });
        superseded
    }

    /// Takes a page that was accepted. After the last one the read is [`Comparing`](ReadPhase::Comparing) if the list is
    /// whole and complete, otherwise it ends.
    pub fn take_page(
        &mut self,
        page: &PageCounts,
        plan: &ReadPlan,
        spread: Spread,
        now: Timestamp,
    ) -> Option<EndedRead> {
        let read = self.read.as_mut()?;
        read.pages += 1;
        read.seen += page.seen;
        read.reported += page.reported;
        read.attempts = 0;
        read.total = read.total.or(page.total);
        read.is_shifted |= page.has_repeats || (page.total.is_some() && page.total != read.total);
        self.failure = None;
        if let Some((cursor, wait)) = &page.next {
            if read.pages >= PAGES_MAX {
                return self.give_up(&format!("more than {PAGES_MAX} pages"), plan, spread, now);
            }
            read.cursor = Some(cursor.clone());
            self.due_at = now.after(*wait);
            return None;
        }
        read.cursor = None;
        read.is_shifted |= read.total.is_some_and(|total| total != read.seen);
        if read.range == ReadRange::Whole && !read.is_shifted {
            read.phase = ReadPhase::Comparing;
            return None;
        }
        self.finish(plan, spread, now)
    }

    /// Takes the verdict about the objects that a complete list lacks.
    pub fn compare(
        &mut self,
        counts: MissingCounts,
        verdict: MissingVerdict,
        plan: &ReadPlan,
        spread: Spread,
        now: Timestamp,
    ) -> Option<EndedRead> {
        let read = self.read.as_mut()?;
        read.missing = counts.missing;
        if let MissingVerdict::Counted { gone } = verdict
            && gone > 0
        {
            read.gone = gone;
            read.phase = ReadPhase::Retiring;
            return None;
        }
        self.finish(plan, spread, now)
    }

    /// Ends a read of which everything was reported. The time of changes moves to the beginning of the read; a request
    /// for a range of time doesn't move it.
    pub fn finish(&mut self, plan: &ReadPlan, spread: Spread, now: Timestamp) -> Option<EndedRead> {
        let read = self.read.as_ref()?;
        let (range, began_at, is_shifted) = (read.range, read.began_at, read.is_shifted);
        let is_of_a_range = read.is_requested && matches!(range, ReadRange::Changed { until: Some(_), .. });
        self.shifted = if is_shifted { self.shifted + 1 } else { 0 };
        if !is_of_a_range && (!is_shifted || self.shifted >= SHIFTED_MAX) {
            self.changes_since = self.changes_since.max(Some(began_at));
        }
        if range == ReadRange::Whole {
            self.wholes += 1;
            self.whole_at = Some(began_at);
        }
        self.given_up = 0;
        self.due_at = plan.next_due(spread, self.reads, now);
        let outcome = if is_shifted { ReadOutcome::Shifted } else { ReadOutcome::Complete };
        if outcome == ReadOutcome::Complete && !is_of_a_range {
            self.complete_at = Some(now);
        }
        self.end(outcome, now)
    }

    /// Takes a failed attempt: the same page is due again after a pause, or the read is given up. An outage of our own
    /// services and a limit of calls never end a read.
    pub fn fail(
        &mut self,
        failure: &PageFailure,
        reason: &str,
        (plan, spread): (&ReadPlan, Spread),
        now: Timestamp,
    ) -> Option<EndedRead> {
        let read = self.read.as_mut()?;
        let pause = retry_pause(read.attempts, spread);
        let wait = match failure {
            PageFailure::OwnOutage => OWN_OUTAGE_PAUSE,
            PageFailure::RateLimited { after } => pause.max(after.unwrap_or_default()),
            PageFailure::Outage if read.attempts + 1 < PAGE_ATTEMPTS_MAX => pause,
            PageFailure::Outage | PageFailure::Refused => return self.give_up(reason, plan, spread, now),
        };
        if *failure != PageFailure::OwnOutage {
            read.attempts = read.attempts.saturating_add(1);
        }
        self.due_at = now.after(wait);
        self.failure = Some(kept(reason));
        None
    }

    fn give_up(
        &mut self,
        reason: &str,
        plan: &ReadPlan,
        spread: Spread,
        now: Timestamp,
    ) -> Option<EndedRead> {
        self.failure = Some(kept(reason));
        let factor = 1 << self.given_up.min(10);
        self.given_up = self.given_up.saturating_add(1);
        let pause = plan.every.saturating_mul(factor).min(GIVEN_UP_LONGEST.max(plan.every));
        self.due_at = now.after(pause + spread.within(pause / 10, self.reads));
        self.end(ReadOutcome::GivenUp, now)
    }

    fn end(&mut self, outcome: ReadOutcome, ended_at: Timestamp) -> Option<EndedRead> {
        let ended = EndedRead { read: self.read.take()?, outcome, ended_at };
        self.last = Some(ended.clone());
        Some(ended)
    }
}

/// The pause after failed attempts.
fn retry_pause(attempts: u32, spread: Spread) -> Duration {
    let pause = RETRY_FIRST.saturating_mul(1 << attempts.min(20)).min(RETRY_LONGEST);
    pause + spread.within(pause / 4, u64::from(attempts))
}

/// A text of bounded length.
fn kept(reason: &str) -> String {
    let end = (0..=FAILURE_BYTES_MAX.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
    reason[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests;
