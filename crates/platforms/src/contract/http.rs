//! Requests and replies as values: described here, sent and received elsewhere.

use bytes::Bytes;
use std::time::Duration;

/// Upper limit of a reply, in bytes, for requests that set none of their own.
pub const REPLY_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// For reads.
    Get,
    /// For actions.
    Post,
    /// For replacements.
    Put,
    /// For changes of some fields.
    Patch,
    /// For deletions.
    Delete,
}

impl Method {
    /// The name in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request for the caller to send.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The complete URL.
    pub url: String,
    /// Name and value of each header, credentials included.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// Upper limit of the reply's body, in bytes. A larger one is discarded and counts as no reply.
    pub reply_bytes_max: usize,
}

impl HttpRequest {
    /// A request without headers and body.
    pub fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: Vec::new(), body: Bytes::new(), reply_bytes_max: REPLY_BYTES_DEFAULT }
    }

    /// The request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The request with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl std::fmt::Debug for HttpRequest {
    // Headers carry credentials and bodies carry personal data: neither reaches a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A reply that the caller received.
#[derive(Clone, Copy)]
pub struct HttpReply<'a> {
    /// The status code.
    pub status: u16,
    /// `Retry-After` as a duration; the header may be a number of seconds or a date.
    pub retry_after: Option<Duration>,
    /// Name (lower case) and value of each header; values that aren't text are left out.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> HttpReply<'a> {
    /// A reply without headers.
    pub const fn new(status: u16, body: &'a [u8]) -> Self {
        Self { status, retry_after: None, headers: &[], body }
    }

    /// The value of the header `name` (lower case); the first if there are several.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for HttpReply<'_> {
    // Headers may set cookies and bodies carry personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpReply").field("status", &self.status).finish_non_exhaustive()
    }
}
