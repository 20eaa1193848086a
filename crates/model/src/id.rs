//! Ids: our own tokens, the platforms' ids, and the ids that are computed from content.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc};

/// Error for a text that isn't a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text isn't a token: tokens are used in subjects and file names, and match `[A-Za-z0-9_-]{1,64}`.
    #[error("{kind} must be 1 to 64 of A-Z a-z 0-9 _ -, got {length} bytes")]
    Token {
        /// The type of the id.
        kind: &'static str,
        /// Length of the refused text, in bytes.
        length: usize,
    },
    /// The text isn't a platform's id, which is kept as received, within its limits.
    #[error("a platform's id must have 1 to 255 bytes and no control characters, got {length} bytes")]
    External {
        /// Length of the refused text, in bytes.
        length: usize,
    },
    /// The text isn't a computed id, which is written as lower-case hexadecimal.
    #[error("{kind} must be {bytes} bytes in hexadecimal")]
    Hexadecimal {
        /// The type of the id.
        kind: &'static str,
        /// Length of the id, in bytes.
        bytes: usize,
    },
}

macro_rules! token {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks that `text` is `[A-Za-z0-9_-]{1,64}`.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let fits = (1..=64).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
                if fits { Ok(Self(text.into())) } else {
                    Err(InvalidId::Token { kind: stringify!($name), length: text.len() })
                }
            }

            /// The token as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> { Self::new(&text) }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String { id.0.as_ref().to_owned() }
        }
        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> { Self::new(text) }
        }
    )*};
}

token! {
    /// The paying customer: owns stores and has access only to its own.
    TenantId
    /// The scope of ordering: one merchant with all its connections and locations.
    StoreId
    /// One platform's account of one store.
    ConnectionId
    /// A location that holds stock.
    LocationId
    /// A product of a store, whatever its names on the platforms.
    ProductId
    /// The unit that is sold and counted: one variant of a product.
    VariantId
    /// An order of a store.
    OrderId
    /// A customer of a store.
    CustomerId
    /// A promotion of a store.
    PromotionId
    /// An employee of a store.
    EmployeeId
    /// The name of a platform's folder in `platforms`.
    PlatformName
}

macro_rules! derived_token {
    ($($name:ident $prefix:literal)*) => {$(
        impl $name {
            /// Derives the id for the platform's id `external` of `connection`, used while nothing in the store matches
            /// it. It depends on these two only, so that a replay gives the same id.
            pub fn derive(connection: &ConnectionId, external: &ExternalId) -> Self {
                let hash = digest(&[$prefix.as_bytes(), connection.as_str().as_bytes(), external.as_str().as_bytes()]);
                Self(format!("{}_{}", $prefix, hex::encode(&hash[..12])).into())
            }
        }
    )*};
}
derived_token! { ProductId "prd" VariantId "var" OrderId "ord" CustomerId "cus" PromotionId "pro" EmployeeId "emp" }

/// An id as a platform wrote it: opaque, case-sensitive, 1 to 255 bytes without control characters. Numbers keep
/// all their digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExternalId(Arc<str>);

impl ExternalId {
    /// Checks the limits of a platform's id.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        if (1..=255).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId::External { length: text.len() })
        }
    }

    /// The id before all others: no character but control characters is before a space.
    pub fn least() -> Self {
        Self(" ".into())
    }

    /// The id as the platform wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
impl TryFrom<String> for ExternalId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(&text)
    }
}
impl From<ExternalId> for String {
    fn from(id: ExternalId) -> String {
        id.0.as_ref().to_owned()
    }
}

/// Returns the SHA-256 of length-prefixed parts, so that no two lists of parts give the same bytes.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

macro_rules! hash_id {
    ($($(#[$doc:meta])* $name:ident $bytes:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Wraps the bytes as they are.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self { Self(bytes) }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&hex::encode(self.0)) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{self}") }
        }
        impl TryFrom<&[u8]> for $name {
            type Error = InvalidId;
            fn try_from(bytes: &[u8]) -> Result<Self, InvalidId> {
                let refused = InvalidId::Hexadecimal { kind: stringify!($name), bytes: $bytes };
                bytes.try_into().map(Self).map_err(|_| refused)
            }
        }
        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let refused = InvalidId::Hexadecimal { kind: stringify!($name), bytes: $bytes };
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| refused)?;
                Ok(Self(bytes))
            }
        }
    )*};
}

hash_id! {
    /// Identifies one delivery: the same for every retry of it.
    DeliveryId 16
    /// Identifies one event: the same however often it is delivered, replayed or fetched.
    EventId 16
    /// SHA-256 of the received bytes.
    RawDigest 32
}

impl RawDigest {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

fn shortened(hash: [u8; 32]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes
}

impl DeliveryId {
    /// Derives the id from the connection, the topic and `distinct`: the platform's own id of the delivery, or else the
    /// digest of its body.
    pub fn derive(connection: &ConnectionId, topic: &str, distinct: &[u8]) -> Self {
        Self(shortened(digest(&[b"delivery", connection.as_str().as_bytes(), topic.as_bytes(), distinct])))
    }
}

impl EventId {
    /// Derives the id from the connection and `identity`, which the platform's map writes: it names the object and its
    /// version, or the delivery if there is no version.
    pub fn derive(connection: &ConnectionId, identity: &[&[u8]]) -> Self {
        let mut parts: Vec<&[u8]> = vec![b"event", connection.as_str().as_bytes()];
        parts.extend_from_slice(identity);
        Self(shortened(digest(&parts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_carries_what_a_subject_would_read() {
        for text in ["", ".", "a.b", "a*", ">", "a b", "a\r\n", "é", &"a".repeat(65)] {
            assert!(StoreId::new(text).is_err(), "{text:?}");
        }
        assert_eq!(StoreId::new("store_A-1").unwrap().as_str(), "store_A-1");
    }

    #[test]
    fn event_ids_differ_when_the_parts_are_cut_elsewhere() {
        let connection = ConnectionId::new("c").unwrap();
        let one = EventId::derive(&connection, &[b"ab", b"c"]);
        assert_ne!(one, EventId::derive(&connection, &[b"a", b"bc"]));
        assert_eq!(one.to_string().parse::<EventId>().unwrap(), one);
    }
}
