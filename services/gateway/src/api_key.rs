//! The text of keys: `tfk_<id>_<secret>`.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// The beginning of every key, by which scanners of leaked secrets recognize one.
const PREFIX: &str = "tfk";
/// Length of an id, in bytes; written in hexadecimal.
const ID_BYTES: usize = 8;
/// Length of a secret, in bytes; written in base64url.
const SECRET_BYTES: usize = 32;

/// The secret of a key. Never shown but in the response to its creation.
pub struct KeySecret([u8; SECRET_BYTES]);

impl KeySecret {
    /// Returns SHA-256 of the secret, which is kept in its place.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// Returns whether the secret has this digest, in constant time.
    pub fn has_digest(&self, digest: &[u8; 32]) -> bool {
        self.digest().ct_eq(digest).into()
    }
}

/// A key as its owner has it.
pub struct ApiKeyText {
    /// The id, by which it is looked up.
    pub id: String,
    /// The secret.
    pub secret: KeySecret,
}

impl ApiKeyText {
    /// Makes a key of random bytes.
    pub fn random() -> Self {
        Self { id: hex::encode(rand::random::<[u8; ID_BYTES]>()), secret: KeySecret(rand::random()) }
    }

    /// Reads a key; `None` if the text isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once('_')?;
        let (id, secret) = rest.split_once('_')?;
        let is_id =
            id.len() == 2 * ID_BYTES && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if prefix != PREFIX || !is_id {
            return None;
        }
        let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?;
        Some(Self { id: id.to_owned(), secret: KeySecret(secret.try_into().ok()?) })
    }

    /// Returns the text with the secret, for its owner.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}_{}_{}", self.id, BASE64_URL_SAFE_NO_PAD.encode(self.secret.0))
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyText").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_and_any_other_text_is_none() {
        let key = ApiKeyText::random();
        let text = key.reveal();
        let read = ApiKeyText::parse(&text).unwrap();
        assert_eq!(read.id, key.id);
        assert!(read.secret.has_digest(&key.secret.digest()));
        let id = &key.id;
        let others = [
            String::new(),
            "tfk".to_owned(),
            format!("tfk_{id}"),
            format!("tfk_{id}_"),
            format!("tfk_{id}_c2hvcnQ"),
            text.replacen("tfk", "tfx", 1),
            text.replacen(id.as_str(), &id.to_uppercase(), 1).replacen("tfk", "TFK", 1),
            format!("{text}A"),
            format!("{text}="),
            format!(" {text}"),
        ];
        for other in others {
            assert!(ApiKeyText::parse(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn another_secret_has_another_digest() {
        let (one, other) = (ApiKeyText::random(), ApiKeyText::random());
        assert!(!one.secret.has_digest(&other.secret.digest()));
    }

    #[test]
    fn a_key_is_never_shown_by_debugging() {
        let key = ApiKeyText::random();
        let text = key.reveal();
        let secret = text.rsplit_once('_').map(|(_, secret)| secret).unwrap();
        assert!(!format!("{key:?}").contains(secret));
    }
}
