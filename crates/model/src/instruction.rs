//! Instructions: a person's decisions where rules can't decide, as events of the store like any other; among them the
//! links of matches, which are made without a person above the limit that the store sets.

use crate::{ExternalId, LocationId, VariantId, matching::Score};

/// The rule for a first contact: a connection reports an item for the first time, and the store has another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BaselineRule {
    /// No number stands yet: a conflict is opened, and nothing is written there until it is resolved.
    #[default]
    Ask,
    /// The store's number stands: its level is due at the platform.
    Store,
    /// The platform's number stands: it is a count, and the store adopts it.
    Platform,
}

impl BaselineRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Ask, Self::Store, Self::Platform];

    /// Returns the name used in rows and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Store => "store",
            Self::Platform => "platform",
        }
    }

    /// Parses the name used in rows and options.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }
}

/// The side whose number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The store's number stands.
    Store,
    /// The platform's number stands.
    Platform,
}

/// A link that a match justifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedLink {
    /// The platform's id of the item.
    pub variant: ExternalId,
    /// The variant of the store that the item was linked to when it was matched.
    pub from: VariantId,
    /// The variant that it was matched with.
    pub to: VariantId,
    /// The certainty of the match.
    pub score: Score,
    /// True if no person accepted the match.
    pub is_automatic: bool,
    /// True if the item's product has no other variant: the product is linked with it.
    pub is_only_variant: bool,
}

/// A decision about one connection: a person's, or one that a person's settings stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Links a platform's variant to a variant of the store.
    Link {
        /// The platform's id.
        variant: ExternalId,
        /// Our id.
        to: VariantId,
    },
    /// Links a platform's variant to a variant of other platforms that it was matched with, unless either of them was
    /// linked otherwise meanwhile.
    LinkMatched(MatchedLink),
    /// Retires the link of a platform's variant; the variant isn't matched by its number again.
    Unlink {
        /// The platform's id.
        variant: ExternalId,
    },
    /// Links a platform's location to a location of the store.
    LinkLocation {
        /// The platform's id.
        location: ExternalId,
        /// Our id.
        to: LocationId,
    },
    /// Decides a first contact, and restarts writes that had stopped.
    Adopt {
        /// The platform's id of the item.
        item: ExternalId,
        /// Our id of the location.
        location: LocationId,
        /// The side whose number stands.
        side: Side,
    },
    /// Sets the connection's rule for first contacts; undecided ones get this rule.
    Baseline(BaselineRule),
}
