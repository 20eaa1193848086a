//! Deliveries that a platform sends by itself.

use bytes::Bytes;

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

    /// Verifies that the platform sent `signed`: over the raw bytes, in constant time, with any active secret.
    fn verify(&self, signed: &Signed<'_>, secrets: &Secrets<'_>) -> Result<(), Unverified>;

    /// Returns the deliveries in a verified request, in their order. Reads no more of the body than that needs. Empty
    /// if the request can't be read: it is kept as a whole, and becomes a dead letter later.
    fn split(&self, signed: &Signed<'_>) -> Vec<Envelope>;
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

/// The secrets and the URL that a connection's signatures are verified with.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// Every active secret: the present one and, during a rotation, the previous one.
    pub active: &'a [String],
    /// The URL as registered with the platform, for platforms that sign it.
    pub notification_url: &'a str,
}

/// The reason why a delivery isn't verified. The sender never learns which of the two applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// There is no signature.
    #[error("the signature is missing")]
    Missing,
    /// No active secret gives this signature.
    #[error("the signature doesn't match")]
    Mismatch,
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
