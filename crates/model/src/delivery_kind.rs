//! Kinds of deliveries: what a body contains, and so who reads it.

use std::{fmt, sync::Arc};

/// The topic of [`DeliveryKind::Canonical`].
const CANONICAL: &str = "tillflow.v1.Event";
/// The topic of [`DeliveryKind::Reentry`].
const REENTRY: &str = "tillflow.v1.Event.again";
/// The topic of [`DeliveryKind::Instruction`].
const INSTRUCTION: &str = "tillflow.v1.Instruction";
/// The topic of [`DeliveryKind::Unreadable`].
const UNREADABLE: &str = "unreadable";

/// The kind of a delivery's content. In RAW, in subjects and for people it is a text, the topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DeliveryKind {
    /// An event as the platform writes it, of the platform's topic with that name.
    Platform(Arc<str>),
    /// A canonical event that a platform published itself.
    Canonical,
    /// A canonical event that was a dead letter and is re-ingested whole, because its delivery is no longer in RAW. Only
    /// services of ours send it.
    Reentry,
    /// A person's instruction. Only services of ours send it.
    Instruction,
    /// A body of which the platform's topic can't be read: it is kept and becomes a dead letter.
    Unreadable,
}

impl DeliveryKind {
    /// Returns the topic.
    pub fn topic(&self) -> &str {
        match self {
            Self::Platform(topic) => topic,
            Self::Canonical => CANONICAL,
            Self::Reentry => REENTRY,
            Self::Instruction => INSTRUCTION,
            Self::Unreadable => UNREADABLE,
        }
    }

    /// Returns the kind with that topic. The kind alone permits nothing: a sender may name any topic.
    pub fn of_topic(topic: &str) -> Self {
        match topic {
            CANONICAL => Self::Canonical,
            REENTRY => Self::Reentry,
            INSTRUCTION => Self::Instruction,
            UNREADABLE => Self::Unreadable,
            _ => Self::Platform(topic.into()),
        }
    }

    /// Returns the name of the platform's topic; `None` for the other kinds.
    pub fn platform_topic(&self) -> Option<&str> {
        match self {
            Self::Platform(topic) => Some(topic),
            Self::Canonical | Self::Reentry | Self::Instruction | Self::Unreadable => None,
        }
    }
}

impl fmt::Display for DeliveryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.topic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_the_kind_of_its_topic() {
        use DeliveryKind as Kind;
        let platform = Kind::Platform("products/update".into());
        for kind in [Kind::Canonical, Kind::Reentry, Kind::Instruction, Kind::Unreadable, platform] {
            assert_eq!(Kind::of_topic(kind.topic()), kind);
        }
    }
}
