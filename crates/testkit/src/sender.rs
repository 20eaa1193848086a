//! The sending side of webhooks.

use crate::Signed;
use serde_json::Value;
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Response timeout: longer than the intake tries to have the broker store a delivery.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause before a delivery is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A response of the intake.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body if it is JSON, otherwise null.
    pub body: Value,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    /// The intake's id of the delivery that it accepted.
    pub fn delivery(&self) -> Option<String> {
        self.body["delivery"].as_str().map(str::to_owned)
    }
}

/// Sends webhooks as a platform does; cheap to clone.
#[derive(Clone)]
pub struct Sender(reqwest::Client);

impl Default for Sender {
    fn default() -> Self {
        Self::patient_for(RESPONSE_TIMEOUT)
    }
}

impl Sender {
    /// Creates a sender with this response timeout.
    pub fn patient_for(limit: Duration) -> Self {
        Self(https::client().no_proxy().timeout(limit).build().expect("an HTTP client"))
    }

    /// Sends once; returns `None` if there was no response.
    pub async fn send(&self, delivery: &Signed) -> Option<Response> {
        let mut request = self.0.post(&delivery.url).body(delivery.body.clone());
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers = response.headers().iter().map(header).collect();
        let body = response.bytes().await.ok()?;
        Some(Response { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    /// Sends once in chunks of that many bytes, without the body's length (RFC 9112, 7.1). Returns the status and the
    /// body of the response; `None` if there was none.
    pub async fn send_in_chunks(&self, delivery: &Signed, bytes: usize) -> Option<Response> {
        let url = reqwest::Url::parse(&delivery.url).ok()?;
        let host = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
        let mut request = format!("POST {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", url.path());
        for (name, value) in &delivery.headers {
            write!(request, "{name}: {value}\r\n").ok()?;
        }
        request.push_str("transfer-encoding: chunked\r\n\r\n");
        let mut request = request.into_bytes();
        for chunk in delivery.body.chunks(bytes) {
            request.extend(format!("{:x}\r\n", chunk.len()).bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        let mut stream = TcpStream::connect(host).await.ok()?;
        stream.write_all(&request).await.ok()?;
        let mut response = Vec::new();
        timeout(RESPONSE_TIMEOUT, stream.read_to_end(&mut response)).await.ok()?.ok()?;
        let response = String::from_utf8_lossy(&response);
        let (head, body) = response.split_once("\r\n\r\n")?;
        let status = head.split_whitespace().nth(1)?.parse().ok()?;
        Some(Response { status, headers: Vec::new(), body: serde_json::from_str(body).unwrap_or_default() })
    }

    /// Sends again and again until the delivery is accepted, as platforms do. Returns the intake's id of the delivery
    /// and the number of attempts. Panics if that takes longer than `limit`.
    pub async fn send_until_kept(&self, delivery: &Signed, limit: Duration) -> (String, u32) {
        let deadline = Instant::now() + limit;
        let mut attempts = 0;
        loop {
            let response = self.send(delivery).await;
            attempts += 1;
            if let Some(response) = response.as_ref().filter(|response| (200..300).contains(&response.status))
            {
                return (response.delivery().expect("the topic is known"), attempts);
            }
            assert!(Instant::now() < deadline, "not taken within {limit:?}; at last: {response:?}");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}
