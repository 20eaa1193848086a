//! Requests by which a platform checks a webhook's URL before it uses it.

use crate::{Unverified, VerifyContext};

/// The requests of a platform that deliver nothing: it only wants to see that the URL is served, or that its owner
/// knows a secret. None of them is signed.
pub trait Handshakes: Sync {
    /// Upper limit of the body of such a request, in bytes. Zero if they are all GET requests: the bodies of unsigned
    /// requests then aren't read.
    fn body_bytes_max(&self) -> usize {
        0
    }

    /// The reply to a request without a signature. `None` if it is no handshake: it is refused like any other unsigned
    /// request. Anyone can send one, so that a reply contains nothing secret.
    fn reply(
        &self,
        request: &Handshake<'_>,
        context: &VerifyContext<'_>,
    ) -> Result<Option<HandshakeReply>, Unverified>;

    /// The code in a handshake that a person has to enter in the platform's settings: people see it, and nothing else
    /// is done with it. A short text of ASCII, as anyone can send one. `None` on platforms that check the URL by the
    /// reply alone.
    fn code_for_people(&self, _request: &Handshake<'_>) -> Option<String> {
        None
    }
}

/// A request that may be a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// True for GET, false for POST.
    pub is_get: bool,
    /// The query of the URL, without its question mark; empty if there is none.
    pub query: &'a str,
    /// Name (lower case) and value of each header; values that aren't text are left out.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

/// The content of a reply with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeReply {
    /// The media type. None that browsers run: a reply may repeat a part of the request.
    pub media_type: HandshakeMedia,
    /// The body.
    pub body: String,
}

/// The media type of a reply to a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeMedia {
    /// `application/json`.
    Json,
    /// `text/plain`.
    Text,
}

impl HandshakeMedia {
    /// The value of `Content-Type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain",
        }
    }
}
