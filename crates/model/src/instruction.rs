//! Instructions: what a person decided where rules can't, as events of the store like any other.

use crate::{ExternalId, LocationId, VariantId};

/// Which number stands where a connection reports an item for the first time and the store has another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BaselineRule {
    /// Nobody's yet: a conflict is opened, and nothing is written there until it is resolved.
    #[default]
    Ask,
    /// The store's: its level is due at the platform.
    Store,
    /// The platform's: it is a count, and the store follows.
    Platform,
}

impl BaselineRule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ask, Self::Store, Self::Platform];

    /// The name that rows and options carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Store => "store",
            Self::Platform => "platform",
        }
    }

    /// Reads the name that rows and options carry.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }
}

/// The side whose number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The store's.
    Store,
    /// The platform's.
    Platform,
}

/// A decision of a person about one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Links a platform's variant to a variant of the store.
    Link {
        /// The platform's id.
        variant: ExternalId,
        /// Our id.
        to: VariantId,
    },
    /// Retires the link of a platform's variant; it is not matched again by its number.
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
    /// Answers a first contact, and starts writes again that had stopped.
    Adopt {
        /// The platform's id of what is counted.
        item: ExternalId,
        /// Our id of the location.
        location: LocationId,
        /// Whose number stands.
        side: Side,
    },
    /// Sets the rule for first contacts of the connection; those that wait for an answer get this one.
    Baseline(BaselineRule),
}
