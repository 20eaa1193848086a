//! The HTTP client.

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use model::TraceParent;
use platforms::{HttpReply, HttpRequest, Method};
use reqwest::{
    Response,
    header::{DATE, RETRY_AFTER},
    redirect::Policy,
};
use std::time::Duration;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a call may take in all. The outcome is unknown after it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How large a reply may be.
const REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a platform may make us wait: a longer `Retry-After` is taken as this.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Why there is no reply. Whether the platform did what it was asked is unknown.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It couldn't be sent, or no answer came in time.
    #[error("no answer from the platform")]
    NoAnswer(#[source] reqwest::Error),
    /// The reply is larger than 4 MiB.
    #[error("the platform's reply is larger than {REPLY_BYTES_MAX} bytes")]
    TooLarge,
}

/// A reply, read to its end.
#[derive(Debug)]
pub struct OwnedReply {
    status: u16,
    retry_after: Option<Duration>,
    body: Bytes,
}

impl OwnedReply {
    /// As platforms read it.
    pub fn as_reply(&self) -> HttpReply<'_> {
        HttpReply { status: self.status, retry_after: self.retry_after, body: &self.body }
    }

    /// Whether the status is 2xx.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// Makes requests; cheap to clone. Follows no redirect and uses no proxy: credentials go where the connection says.
#[derive(Clone)]
pub struct Client(reqwest::Client);

impl Client {
    /// A client with the limits above.
    pub fn new() -> Result<Self, Failed> {
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("tillflow/", env!("CARGO_PKG_VERSION")));
        builder.build().map(Self).map_err(Failed::NoAnswer)
    }

    /// Makes one request, as a part of the trace.
    pub async fn call(
        &self,
        request: HttpRequest,
        trace: Option<&TraceParent>,
    ) -> Result<OwnedReply, Failed> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
        };
        let mut building = self.0.request(method, request.url).body(request.body);
        for (name, value) in request.headers {
            building = building.header(name, value);
        }
        if let Some(trace) = trace {
            building = building.header("traceparent", trace.as_str());
        }
        // An error's own text would name the URL with its query; platforms' ids may be in it.
        let mut response = building.send().await.map_err(|error| Failed::NoAnswer(error.without_url()))?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Failed::NoAnswer(error.without_url()))?
        {
            if body.len() + chunk.len() > REPLY_BYTES_MAX {
                return Err(Failed::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(OwnedReply { status, retry_after, body: body.freeze() })
    }
}

/// `Retry-After` in either of its forms (RFC 9110, 10.2.3). A date is held against the platform's own `Date`, whose
/// clock wrote it, and only without one against ours.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    wait_of(text(RETRY_AFTER)?, text(DATE), Utc::now())
}

fn wait_of(told: &str, date: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = told.trim().parse::<f64>() {
        return Some(Duration::try_from_secs_f64(seconds).unwrap_or(RETRY_AFTER_MAX).min(RETRY_AFTER_MAX));
    }
    let read = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok().map(|at| at.to_utc());
    let wait = read(told)? - date.and_then(read).unwrap_or(now);
    // A date that has passed is now.
    Some(wait.to_std().unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_from_seconds_and_from_a_date() {
        let now = DateTime::from_timestamp(784_111_777, 0).unwrap_or_default();
        let wait = |told, date| wait_of(told, date, now);
        assert_eq!(wait("2.5", None), Some(Duration::from_millis(2_500)));
        assert_eq!(wait("99999", None), Some(RETRY_AFTER_MAX));
        let at = "Sun, 06 Nov 1994 08:50:07 GMT";
        assert_eq!(wait(at, None), Some(Duration::from_secs(30)));
        assert_eq!(wait(at, Some("Sun, 06 Nov 1994 08:50:00 GMT")), Some(Duration::from_secs(7)));
        assert_eq!(wait(at, Some("Sun, 06 Nov 1994 08:59:00 GMT")), Some(Duration::ZERO));
        assert_eq!(wait("Wed, 21 Oct 2099 07:28:00 GMT", None), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("soon", None), None);
    }
}
