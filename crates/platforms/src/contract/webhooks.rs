//! Deliveries that a platform sends by itself.

use crate::{Handshakes, PublicKeys};
use bytes::Bytes;
use model::Timestamp;
use std::time::Duration;

/// Upper limit of the difference between the time that a signature states and the time of receipt. Standard Webhooks
/// recommends five minutes; its senders sign each attempt anew.
const SIGNATURE_AGE_MAX: Duration = Duration::from_mins(5);

/// The webhooks of a platform.
pub trait Webhooks: Sync {
    /// The names (lower case) of the headers that may carry a signature; `verify` needs one of them.
    fn signature_headers(&self) -> &'static [&'static str];

    /// The names (lower case) of the headers that a request may carry only once: those that `verify`, `split` and
    /// `map` read.
    fn single_headers(&self) -> &'static [&'static str] {
        self.signature_headers()
    }

    /// The names (lower case) of the headers that `map` reads.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Verifies that the platform sent `signed`: over the raw bytes, in constant time, with any active secret or the
    /// public key that the request names. Where the scheme signs a time, an old one is refused
    /// ([`VerifyContext::check_age`]).
    fn verify(&self, signed: &Signed<'_>, context: &VerifyContext<'_>) -> Result<(), Unverified>;

    /// Returns the deliveries in a verified request, in their order. Reads no more of the body than that needs. Empty
    /// if the request can't be read: it is kept as a whole, and becomes a dead letter later.
    fn split(&self, signed: &Signed<'_>) -> Vec<Envelope>;

    /// The requests by which the platform checks the URL, if it makes any.
    fn handshakes(&self) -> Option<&dyn Handshakes> {
        None
    }

    /// The public keys that `verify` needs, if the platform signs with private ones.
    fn public_keys(&self) -> Option<&dyn PublicKeys> {
        None
    }
}

/// A request as received.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Name (lower case) and value of each header; values that aren't text are left out.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte as signed.
    pub body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// The value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The input of `verify` besides the request.
#[derive(Clone, Copy)]
pub struct VerifyContext<'a> {
    /// Every active secret of the connection: the present one and, during a rotation, the previous one.
    pub secrets: &'a [String],
    /// The public key that the request names, on platforms with [`PublicKeys`]. `None` if there is no such key.
    pub public_key: Option<&'a [u8]>,
    /// The URL as registered with the platform, for platforms that sign it.
    pub notification_url: &'a str,
    /// The time of receipt.
    pub received_at: Timestamp,
}

impl<'a> VerifyContext<'a> {
    /// The context of a platform that signs with secrets.
    pub const fn new(secrets: &'a [String], notification_url: &'a str, received_at: Timestamp) -> Self {
        Self { secrets, public_key: None, notification_url, received_at }
    }

    /// Refuses a signature whose own time is more than five minutes before or after the time of receipt: whoever
    /// recorded a request can't send it later.
    pub fn check_age(&self, signed_at: Timestamp) -> Result<(), Unverified> {
        let age_micros =
            self.received_at.micros_since(signed_at).max(signed_at.micros_since(self.received_at));
        if u128::from(age_micros) > SIGNATURE_AGE_MAX.as_micros() {
            Err(Unverified::Outdated)
        } else {
            Ok(())
        }
    }
}

/// The reason why a delivery isn't verified. The sender never learns which of them applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// There is no signature.
    #[error("the signature is missing")]
    Missing,
    /// No active secret gives this signature, or the public key doesn't.
    #[error("the signature doesn't match")]
    Mismatch,
    /// The signature is right, and its time is too far from now.
    #[error("the signature's time is more than five minutes from now")]
    Outdated,
}

/// One delivery of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The topic, as the platform writes it; may be an unknown one.
    pub topic: String,
    /// The key that distinguishes this delivery from others and is the same for its retries; `None` if only the body
    /// does.
    pub key: Option<String>,
    /// The delivery's own body; `None` if it is the whole body of the request.
    pub body: Option<Bytes>,
}

impl Envelope {
    /// The only delivery of a request.
    pub const fn whole(topic: String, key: Option<String>) -> Self {
        Self { topic, key, body: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_accepted_five_minutes_before_and_after_its_time() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let context = VerifyContext::new(&[], "", at(1_000));
        for signed_at in [700, 1_000, 1_300] {
            assert_eq!(context.check_age(at(signed_at)), Ok(()), "{signed_at}");
        }
        for signed_at in [0, 699, 1_301, i64::MAX / 1_000_000] {
            assert_eq!(context.check_age(at(signed_at)), Err(Unverified::Outdated), "{signed_at}");
        }
    }
}
