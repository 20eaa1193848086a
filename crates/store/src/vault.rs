//! Credentials at rest: XChaCha20-Poly1305, bound to their row and column, under a named key.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, KeyInit, Payload},
};
use model::{ConnectionId, TenantId};
use std::{collections::BTreeMap, fmt};

/// Length of a nonce, in bytes; it precedes the ciphertext.
const NONCE_BYTES: usize = 24;

/// Reason for which something can't be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The current key is not among the keys.
    #[error("the vault has no key {0:?} to seal with")]
    NoCurrentKey(String),
    /// The sealed value names a key that the vault doesn't have.
    #[error("the vault has no key {0:?}: it was removed before everything was sealed anew")]
    UnknownKey(String),
    /// Another key under that name, the ciphertext of another row, or changed bytes.
    #[error(
        "sealed credentials can't be opened: the key, the row or the bytes are not those they were sealed with"
    )]
    Refused,
    /// The operating system returned no random numbers, or the text is too long.
    #[error("credentials can't be sealed")]
    Unsealable,
}

/// A sealed value: the nonce and the ciphertext, and the name of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key's name.
    pub key_id: String,
    /// The nonce, then the ciphertext with its tag.
    pub bytes: Vec<u8>,
}

/// The keys: each can open, only the current one seals.
pub struct Vault {
    keys: BTreeMap<String, XChaCha20Poly1305>,
    current: String,
}

impl Vault {
    /// Builds a vault from named keys. To rotate: add a key, make it current, reseal everything
    /// ([`crate::Store::reseal_credentials`]), remove the old one.
    pub fn from_keys(keys: BTreeMap<String, [u8; 32]>, current: &str) -> Result<Self, VaultError> {
        if !keys.contains_key(current) {
            return Err(VaultError::NoCurrentKey(current.to_owned()));
        }
        let keys = keys.into_iter().map(|(id, key)| (id, XChaCha20Poly1305::new(&key.into()))).collect();
        Ok(Self { keys, current: current.to_owned() })
    }

    /// The name of the key that seals.
    pub fn current_key(&self) -> &str {
        &self.current
    }

    /// Seals `plain` for one column of one connection's row; it can't be opened for any other.
    pub fn seal(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        column: &str,
        plain: &[u8],
    ) -> Result<Sealed, VaultError> {
        let cipher =
            self.keys.get(&self.current).ok_or_else(|| VaultError::NoCurrentKey(self.current.clone()))?;
        let nonce = XNonce::try_generate().map_err(|_| VaultError::Unsealable)?;
        let aad = bound_to(tenant, connection, column);
        let sealed =
            cipher.encrypt(&nonce, Payload { msg: plain, aad: &aad }).map_err(|_| VaultError::Unsealable)?;
        Ok(Sealed { key_id: self.current.clone(), bytes: [nonce.as_slice(), &sealed].concat() })
    }

    /// Opens a value that was sealed for that column of that connection's row.
    pub fn open(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        column: &str,
        sealed: &Sealed,
    ) -> Result<Vec<u8>, VaultError> {
        let cipher =
            self.keys.get(&sealed.key_id).ok_or_else(|| VaultError::UnknownKey(sealed.key_id.clone()))?;
        let (nonce, ciphertext) =
            sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::Refused)?;
        let aad = bound_to(tenant, connection, column);
        cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &aad })
            .map_err(|_| VaultError::Refused)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("current", &self.current).finish_non_exhaustive()
    }
}

// Neither ids nor columns contain the bar, so the encoding is unambiguous.
fn bound_to(tenant: &TenantId, connection: &ConnectionId, column: &str) -> Vec<u8> {
    format!("{tenant}|{connection}|{column}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(keys: &[(&str, u8)], current: &str) -> Vault {
        let keys = keys.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32])).collect();
        Vault::from_keys(keys, current).unwrap()
    }

    fn row() -> (TenantId, ConnectionId) {
        (TenantId::new("t").unwrap(), ConnectionId::new("c").unwrap())
    }

    #[test]
    fn what_was_sealed_opens_in_its_own_place_only() {
        let (tenant, connection) = row();
        let vault = vault(&[("k1", 1)], "k1");
        let sealed = vault.seal(&tenant, &connection, "credentials", b"token").unwrap();
        assert_eq!(vault.open(&tenant, &connection, "credentials", &sealed).unwrap(), b"token");

        let other_tenant = TenantId::new("t2").unwrap();
        let other_connection = ConnectionId::new("c2").unwrap();
        for (tenant, connection, column) in [
            (&other_tenant, &connection, "credentials"),
            (&tenant, &other_connection, "credentials"),
            (&tenant, &connection, "notes"),
        ] {
            assert_eq!(vault.open(tenant, connection, column, &sealed), Err(VaultError::Refused));
        }
    }

    #[test]
    fn every_changed_byte_is_noticed_and_nothing_is_sealed_alike_twice() {
        let (tenant, connection) = row();
        let vault = vault(&[("k1", 1)], "k1");
        let sealed = vault.seal(&tenant, &connection, "credentials", b"token").unwrap();
        assert_ne!(vault.seal(&tenant, &connection, "credentials", b"token").unwrap(), sealed);
        for index in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[index] ^= 1;
            assert_eq!(vault.open(&tenant, &connection, "credentials", &changed), Err(VaultError::Refused));
        }
        let short = Sealed { bytes: sealed.bytes[..10].to_vec(), ..sealed };
        assert_eq!(vault.open(&tenant, &connection, "credentials", &short), Err(VaultError::Refused));
    }

    #[test]
    fn an_old_key_opens_until_it_is_removed() {
        let (tenant, connection) = row();
        let sealed = vault(&[("k1", 1)], "k1").seal(&tenant, &connection, "credentials", b"token").unwrap();
        let rotating = vault(&[("k1", 1), ("k2", 2)], "k2");
        let plain = rotating.open(&tenant, &connection, "credentials", &sealed).unwrap();
        let anew = rotating.seal(&tenant, &connection, "credentials", &plain).unwrap();
        assert_eq!(anew.key_id, "k2");

        let rotated = vault(&[("k2", 2)], "k2");
        assert_eq!(rotated.open(&tenant, &connection, "credentials", &anew).unwrap(), b"token");
        let refused = rotated.open(&tenant, &connection, "credentials", &sealed);
        assert_eq!(refused, Err(VaultError::UnknownKey("k1".to_owned())));
        assert_eq!(
            Vault::from_keys(BTreeMap::new(), "k1").unwrap_err(),
            VaultError::NoCurrentKey("k1".to_owned())
        );
    }
}
