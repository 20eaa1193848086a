//! Webhooks over HTTP.

use super::{feed, latencies::Latencies};
use crate::failure::Failed;
use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// Upper limit of a response's size, in bytes.
const RESPONSE_BYTES_MAX: usize = 16 * 1024;

/// Upper limit of the seconds for which a connection waits until its next webhook is due: the intake closes one that is
/// idle for five.
const IDLE_SECONDS_MAX: u64 = 2;

/// The intake's configuration for senders that have one address, each of which sends everything through one connection.
pub(crate) fn config() -> ::ingest::Config {
    let config = ::ingest::Config { requests_per_minute: u32::MAX, ..::ingest::Config::default() };
    ::ingest::Config {
        connections_per_address_max: config.connections_max,
        requests_per_http_connection_max: u64::MAX,
        ..config
    }
}

/// The bytes of a webhook's request.
pub(crate) fn request(signed: &feed::Signed) -> Vec<u8> {
    let mut head = format!(
        "POST /webhook/{}/{} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        signed.platform,
        signed.connection,
        signed.body.len()
    );
    for (name, value) in signed.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"))
    {
        // Writing to a string can't fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&signed.body);
    bytes
}

/// Sends webhooks through at most `connections` connections, one webhook at a time each: at `rate` a second, or, if that
/// is 0, as fast as they are accepted.
pub(crate) async fn send(
    requests: Vec<Vec<u8>>,
    address: SocketAddr,
    connections: u32,
    rate: u64,
) -> Result<Sent, Failed> {
    let (requests, next, began) = (requests.into(), Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut senders = JoinSet::new();
    for _ in 0..busy(connections, rate) {
        let sender = Sender { requests: Arc::clone(&requests), next: Arc::clone(&next), began, rate };
        senders.spawn(sender.run(address));
    }
    let mut all = Sent { latencies: Latencies::new()?, refused: 0 };
    while let Some(sent) = senders.join_next().await {
        let sent = sent.map_err(|error| Failed::Other(error.to_string()))??;
        all.latencies.add(&sent.latencies)?;
        all.refused += sent.refused;
    }
    Ok(all)
}

/// The number of connections that are never idle for too long at that rate.
fn busy(connections: u32, rate: u64) -> u32 {
    let often_enough = u32::try_from(rate.saturating_mul(IDLE_SECONDS_MAX)).unwrap_or(u32::MAX);
    if rate == 0 { connections } else { connections.min(often_enough) }
}

/// The responses to webhooks.
pub(crate) struct Sent {
    /// Response times of accepted webhooks.
    pub(crate) latencies: Latencies,
    /// Number of others.
    pub(crate) refused: u64,
}

/// One connection that sends one webhook after the other; written here, because a client library would use most of
/// the machine.
struct Sender {
    requests: Arc<[Vec<u8>]>,
    next: Arc<AtomicUsize>,
    began: Instant,
    rate: u64,
}

impl Sender {
    async fn run(self, address: SocketAddr) -> Result<Sent, Failed> {
        let failed = |error| Failed::io("a sender failed", error);
        let mut stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let mut sent = Sent { latencies: Latencies::new()?, refused: 0 };
        let mut buffer = Vec::with_capacity(RESPONSE_BYTES_MAX);
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = self.requests.get(index) else { return Ok(sent) };
            let mut from = Instant::now();
            if self.rate > 0 {
                // Measured from the time it was due: a sender that waits for a response must not hide that others
                // waited too.
                from = feed::due(self.began, index, self.rate);
                tokio::time::sleep_until(from.into()).await;
            }
            stream.write_all(request).await.map_err(failed)?;
            match read_response(&mut stream, &mut buffer).await.map_err(failed)? {
                200 => sent.latencies.record(from.elapsed())?,
                _ => sent.refused += 1,
            }
        }
    }
}

/// Reads a response to its end; returns its status.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<u16> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 || buffer.len() > RESPONSE_BYTES_MAX {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if buffer.len() < head + 4 + length.unwrap_or(0_usize) {
            continue;
        }
        let status = text.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        return status.ok_or_else(|| std::io::ErrorKind::InvalidData.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_a_low_rate_few_connections_send_so_that_none_is_closed_as_idle() {
        assert_eq!([busy(256, 0), busy(256, 1), busy(256, 50), busy(256, 1700)], [256, 2, 100, 256]);
        assert_eq!([busy(8, 50), busy(256, u64::MAX)], [8, 256]);
    }
}
