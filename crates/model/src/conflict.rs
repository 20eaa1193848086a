//! Conflicts: cases that rules can't decide, or that a person has to be informed of.

use crate::{ConnectionId, EventId, ExternalId, LocationId, StoreId, TenantId, VariantId, record::Changes};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The kind of a conflict. At most one conflict is open per connection, kind and subject; for the kinds in
        /// [`Self::OF_STORES`], at most one per store, kind and subject.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ConflictKind {
            $($(#[$doc])* $name,)*
        }

        impl ConflictKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the name used in rows, options and labels.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// A connection reports an item for the first time, and the store has another number.
    FirstContact = "first_contact",
    /// A platform reports a time in the future.
    ClockSkew = "clock_skew",
    /// Several variants of the store have the number that an item would be matched by.
    SkuAmbiguous = "sku_ambiguous",
    /// More was sold than was in stock.
    Oversold = "oversold",
    /// An amount is in another currency than the connection's.
    CurrencyMismatch = "currency_mismatch",
    /// A platform's location is linked to no location of the store.
    UnlinkedLocation = "unlinked_location",
    /// A complete list of a platform lacks more objects than their absence counts for.
    ManyMissing = "many_missing",
    /// A platform refused the body of a request.
    BodyRefused = "body_refused",
    /// A connection, or its tenant, holds more than its share of RAW.
    HoldsTooMuch = "holds_too_much",
    /// A platform checked a webhook's URL, and wants a code from its request entered in its settings.
    VerificationCode = "verification_code",
    /// A platform refused a value.
    WriteRefused = "write_refused",
    /// A value that has to be read from a platform can't be read.
    Unreadable = "unreadable",
    /// A value goes back and forth between the store and a platform; its writes are stopped.
    Flapping = "flapping",
    /// The outcome of a write is unknown and can't be determined.
    WriteUncertain = "write_uncertain",
    /// An order changed after it was final.
    OrderChanged = "order_changed",
    /// The platform requested the erasure of a customer's personal data.
    EraseCustomer = "erase_customer",
    /// The personal data that is kept of a customer has to be reported.
    ReportCustomer = "report_customer",
    /// The platform requested the erasure of the personal data of all customers and employees of an account.
    EraseAccount = "erase_account",
    /// The platform revoked the authorisation.
    AccessRevoked = "access_revoked",
    /// The platform no longer accepts the connection's credentials.
    NeedsReauth = "needs_reauth",
    /// The platform refuses the connection's account or settings.
    Misconfigured = "misconfigured",
}

impl ConflictKind {
    /// The kinds of which at most one conflict per subject is open in a store, whichever connection caused it.
    pub const OF_STORES: [Self; 1] = [Self::Oversold];

    /// The kinds that a report ends by showing that their cause no longer exists.
    pub const ENDED_BY_REPORTS: [Self; 3] = [Self::ClockSkew, Self::SkuAmbiguous, Self::CurrencyMismatch];

    /// Returns whether it is one of [`Self::OF_STORES`].
    pub fn is_of_store(self) -> bool {
        Self::OF_STORES.contains(&self)
    }

    /// Parses the name used in rows and options.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// A detected conflict. The record keeps one open row per connection, kind and subject, however often it is detected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The connection that it was detected on.
    pub connection: ConnectionId,
    /// The event that revealed it, if any.
    pub event: Option<EventId>,
    /// The kind.
    pub kind: ConflictKind,
    /// The subject, such as `item 123 at main`: at most [`Conflict::SUBJECT_MAX_BYTES`], without personal data. A
    /// longer one is cut when it is stored.
    pub subject: String,
    /// The two sides of the conflict, for people: at most [`Conflict::DETAIL_MAX_BYTES`], without personal data.
    pub detail: String,
}

impl Conflict {
    /// Upper limit of a subject, in bytes: a platform's id (255) and a location (64), with the words around them.
    pub const SUBJECT_MAX_BYTES: usize = 400;
    /// Upper limit of a detail, in bytes.
    pub const DETAIL_MAX_BYTES: usize = 2_000;

    /// Returns the subject of conflicts about an item at a location of the store.
    pub fn about_item(item: &ExternalId, location: &LocationId) -> String {
        format!("item {item} at {location}")
    }

    /// Parses a subject that [`Conflict::about_item`] wrote.
    pub fn item_of(subject: &str) -> Option<(ExternalId, LocationId)> {
        // A location's id contains no space, but a platform's id may.
        let (item, location) = subject.strip_prefix("item ")?.rsplit_once(" at ")?;
        Some((ExternalId::new(item).ok()?, LocationId::new(location).ok()?))
    }

    /// Returns the subject of conflicts about a variant at a location of the store.
    pub fn about_variant(variant: &VariantId, location: &LocationId) -> String {
        format!("variant {variant} at {location}")
    }

    /// Parses a subject that [`Conflict::about_variant`] wrote.
    pub fn variant_of(subject: &str) -> Option<(VariantId, LocationId)> {
        let (variant, location) = subject.strip_prefix("variant ")?.split_once(" at ")?;
        Some((VariantId::new(variant).ok()?, LocationId::new(location).ok()?))
    }

    /// Returns the subject of conflicts about a platform's variant.
    pub fn about_external(variant: &ExternalId) -> String {
        format!("variant {variant}")
    }

    /// Returns the subject of conflicts about a list of a platform.
    pub fn about_collection(collection: &str) -> String {
        format!("collection {collection}")
    }

    /// Returns the subject of conflicts about a platform's location.
    pub fn about_location(location: &ExternalId) -> String {
        format!("location {location}")
    }

    /// Returns whether `end` ends this conflict.
    pub fn is_ended_by(&self, end: &ConflictEnd) -> bool {
        self.kind == end.kind
            && (self.kind.is_of_store() || self.connection == end.connection)
            && self.store == end.store
            && self.subject == end.subject
    }
}

/// The end of a conflict whose cause no longer exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictEnd {
    /// The store.
    pub store: StoreId,
    /// The connection that it was detected on.
    pub connection: ConnectionId,
    /// The kind.
    pub kind: ConflictKind,
    /// The subject.
    pub subject: String,
}

impl Changes {
    /// Opens a conflict, or counts it once more. Removes an earlier end of it from the same batch.
    pub fn open_conflict(&mut self, conflict: Conflict) {
        self.conflicts_ended.retain(|end| !conflict.is_ended_by(end));
        self.conflicts.push(conflict);
    }

    /// Ends a conflict, if it is open. Removes an earlier opening of it from the same batch.
    pub fn end_conflict(&mut self, end: ConflictEnd) {
        self.conflicts.retain(|conflict| !conflict.is_ended_by(&end));
        if !self.conflicts_ended.contains(&end) {
            self.conflicts_ended.push(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_read_from_it() {
        let names: BTreeSet<&str> = ConflictKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), ConflictKind::ALL.len());
        for kind in ConflictKind::ALL {
            assert_eq!(ConflictKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(ConflictKind::parse("oversell"), None);
    }

    #[test]
    fn a_subject_names_an_item_and_is_read_again() {
        let longest = format!("a at b{}", "x".repeat(249));
        for (item, location) in [("123", "main"), ("7 at home", "l-1"), (longest.as_str(), &"l".repeat(64))] {
            let (item, location) = (ExternalId::new(item).unwrap(), LocationId::new(location).unwrap());
            let subject = Conflict::about_item(&item, &location);
            assert!(subject.len() <= Conflict::SUBJECT_MAX_BYTES, "{}", subject.len());
            assert_eq!(Conflict::item_of(&subject), Some((item, location)));
        }
        for other in ["location 7", "item 7", "item  at main", "item 7 at two words", ""] {
            assert_eq!(Conflict::item_of(other), None, "{other}");
        }
    }

    #[test]
    fn of_an_opening_and_an_end_in_one_batch_the_later_stands() {
        let conflict = |subject: &str| Conflict {
            tenant: TenantId::new("t").unwrap(),
            store: StoreId::new("s").unwrap(),
            connection: ConnectionId::new("c").unwrap(),
            event: None,
            kind: ConflictKind::Oversold,
            subject: subject.to_owned(),
            detail: String::new(),
        };
        let end = |subject: &str| ConflictEnd {
            store: StoreId::new("s").unwrap(),
            connection: ConnectionId::new("c").unwrap(),
            kind: ConflictKind::Oversold,
            subject: subject.to_owned(),
        };
        let mut changes = Changes::default();
        changes.open_conflict(conflict("item 1"));
        changes.open_conflict(conflict("item 2"));
        changes.end_conflict(end("item 1"));
        changes.end_conflict(end("item 1"));
        assert_eq!(changes.conflicts, [conflict("item 2")]);
        assert_eq!(changes.conflicts_ended, [end("item 1")]);
        changes.open_conflict(conflict("item 1"));
        assert_eq!(changes.conflicts, [conflict("item 2"), conflict("item 1")]);
        assert_eq!(changes.conflicts_ended, []);
    }
}
