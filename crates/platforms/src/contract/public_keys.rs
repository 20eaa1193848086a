//! Public keys of platforms that sign with a private one.

use crate::{Access, CallError, HttpReply, HttpRequest, Signed, Unverified};
use stage::Reject;
use std::fmt;

/// The public keys of a platform whose signatures name the key that they were made with. A key is fetched once from the
/// connection's API and then kept by the caller.
pub trait PublicKeys: Sync {
    /// The id of the key that the request is signed with. Nothing is verified yet: anyone may have written it.
    fn key_id(&self, signed: &Signed<'_>) -> Result<KeyId, Unverified>;

    /// The request for a key. It is sent to the connection's API, whoever asked for it.
    fn request(&self, key: &KeyId, access: &Access) -> Result<HttpRequest, Reject>;

    /// The key in the reply, in the form that [`Webhooks::verify`](crate::Webhooks::verify) reads.
    /// [`CallError::Gone`] if the platform has no such key.
    fn key(&self, reply: &HttpReply<'_>) -> Result<Vec<u8>, CallError>;
}

/// Upper limit of an id's length, in bytes.
const ID_BYTES_MAX: usize = 64;

/// The id of a public key: 1 to 64 ASCII alphanumeric characters, `-` and `_`, so that it can't change the URL of the
/// request that it is put into.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// An id as a request names it; [`Unverified::Mismatch`] if it has another form.
    pub fn new(id: impl Into<String>) -> Result<Self, Unverified> {
        let id = id.into();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_valid = (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_part);
        if is_valid { Ok(Self(id)) } else { Err(Unverified::Mismatch) }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_change_the_url_is_none() {
        for id in ["9936261a-7d7b-4621-a0f1-96ccb428af49", "a", "A_9", &"k".repeat(64)] {
            assert_eq!(KeyId::new(id).unwrap().as_str(), id);
        }
        let long = "k".repeat(65);
        for id in ["", "../config", "a/b", "a?b", "a#b", "a%2fb", "a b", "a.b", "ä", "a\n", "a@b:c", &long] {
            assert_eq!(KeyId::new(id), Err(Unverified::Mismatch), "{id}");
        }
    }
}
