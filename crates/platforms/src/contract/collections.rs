//! Collections: lists of objects that Tillflow reads on a schedule.

use crate::{CallContext, CallError, HttpReply, HttpRequest, Object};
use model::{ReadPlan, ReadRange, Timestamp};
use stage::Reject;
use std::time::Duration;

/// The lists of a platform's API.
pub trait Collections: Sync {
    /// Every collection, in the order in which a first sync reads them: what others refer to comes first.
    fn all(&self) -> &'static [Collection];

    /// The request for one page.
    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject>;

    /// The objects in the reply, and where the next page begins.
    fn page(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<ListPage, CallError>;

    /// The lists that come as files, if some do.
    fn files(&self) -> Option<&dyn Files> {
        None
    }

    /// The object that `map` reads as the deletion of the object with this [key](Listed::key), or as its unknown
    /// level. `None` if nothing follows from its absence in a complete list. `at` is the beginning of the list in which
    /// it was found missing: reports that are later than that show that it exists.
    fn missing(&self, _collection: &str, _key: &str, _at: Timestamp) -> Option<Object> {
        None
    }
}

/// Lists that come as files: the reply to the request for a page names one, often on another host, and its next part is the
/// page.
pub trait Files: Sync {
    /// The request for a part of the file that the reply names; `None` if the reply is a page itself. It goes to a host
    /// that the platform's module knows, and carries no credentials that the reply doesn't contain.
    fn part(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Option<HttpRequest>, CallError>;

    /// The objects in the part, and where the next page begins. A limit of calls of the file's host isn't one of the
    /// platform's API, and is [`CallError::Transient`].
    fn page(
        &self,
        wanted: &Wanted<'_>,
        reply: &HttpReply<'_>,
        part: &HttpReply<'_>,
    ) -> Result<ListPage, CallError>;
}

/// One list of a platform's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    /// Its name, the same for all platforms where the objects are the same: `products`, `levels`, `orders`,
    /// `customers`, `promotions`, `employees`.
    pub name: &'static str,
    /// The reads that the platform offers.
    pub reads: Reads,
    /// Interval between two reads that a connection has by default: of changes where the platform lists them, otherwise
    /// of everything.
    pub every: Duration,
}

impl Collection {
    /// The schedule of its reads: at the platform's interval unless another is chosen, and as a whole each `whole_every`
    /// where changes can be read too.
    pub fn plan(&self, every: Option<Duration>, whole_every: Duration) -> ReadPlan {
        let (changes, whole) = match self.reads {
            Reads::Whole => (None, true),
            Reads::ChangesAndWhole { overlap } => (Some(overlap), true),
            Reads::Changes { overlap } => (Some(overlap), false),
        };
        ReadPlan { changes, whole, every: every.unwrap_or(self.every), whole_every, whole_due: None }
    }
}

/// The reads of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Only everything.
    Whole,
    /// The objects that changed since a time, and everything.
    ChangesAndWhole {
        /// Time by which the platform's list may lag behind its own clock: the next read begins that much earlier.
        overlap: Duration,
    },
    /// Only the objects that changed since a time: a complete list would be without limit, as with orders.
    Changes {
        /// The same.
        overlap: Duration,
    },
}

/// A page of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The collection's name.
    pub collection: &'a str,
    /// The objects to list.
    pub range: Range,
    /// [`ListPage::next`] of the page before; `None` for the first page.
    pub cursor: Option<&'a str>,
}

/// The objects to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Everything.
    Whole,
    /// The objects that changed since a time, and before another if one is named and the platform can filter by it.
    Changed {
        /// The first moment.
        since: Timestamp,
        /// The moment after the last.
        until: Option<Timestamp>,
    },
}

impl From<ReadRange> for Range {
    fn from(range: ReadRange) -> Self {
        match range {
            ReadRange::Whole => Self::Whole,
            ReadRange::Changed { since, until } => Self::Changed { since, until },
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage {
    /// The objects.
    pub objects: Vec<Listed>,
    /// The beginning of the next page; `None` after the last. It survives a restart, so it contains no credentials.
    pub next: Option<NextPage>,
    /// Number of objects in the whole list, as the reply states it. A number that changes between two pages shows that
    /// the pages shifted.
    pub total: Option<u64>,
}

/// The beginning of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage {
    /// The platform's cursor, or whatever else [`Collections::request`] needs.
    pub cursor: String,
    /// Time to wait before the request: a platform that prepares a list is asked again later.
    pub wait: Duration,
}

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The object's identity within its collection: at most 1,000 bytes. If one list has a key twice, its pages shifted.
    /// Empty for an object that the list doesn't account for, because it is only related to another one or can't be
    /// identified: nothing follows from its absence.
    pub key: String,
    /// The object, as [`Platform::map`](crate::Platform::map) expects it.
    pub object: Object,
}
