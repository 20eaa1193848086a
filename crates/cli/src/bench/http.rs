//! Webhooks over HTTP.

use super::{feed, latencies::Latencies};
use crate::failure::Failed;
use std::{fmt::Write as _, net::SocketAddr, sync::Arc, time::Instant};
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

/// The pace of sending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Upper limit of connections.
    pub(crate) connections: u32,
    /// The number of levels, which the webhooks report in turns. Those of one level share a connection: they are sent
    /// one after the other.
    pub(crate) levels: u64,
    /// Webhooks a second; 0 for as fast as they are accepted.
    pub(crate) rate: u64,
}

/// Sends webhooks through several connections, one webhook at a time each.
pub(crate) async fn send(requests: Vec<Vec<u8>>, address: SocketAddr, pace: Pace) -> Result<Sent, Failed> {
    let (requests, began, Pace { connections, levels, rate }) = (requests.into(), Instant::now(), pace);
    let levels = usize::try_from(levels).unwrap_or(usize::MAX).max(1);
    let connections = (busy(connections, rate) as usize).clamp(1, levels);
    let mut senders = JoinSet::new();
    for number in 0..connections {
        let turns = Turns { number, connections, levels };
        let sender = Sender { requests: Arc::clone(&requests), turns, began, rate };
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

/// The webhooks of one connection.
#[derive(Debug, Clone, Copy)]
struct Turns {
    number: usize,
    connections: usize,
    levels: usize,
}

impl Turns {
    /// The indexes among the first `count`, in their order.
    fn indexes(self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).filter(move |index| index % self.levels % self.connections == self.number)
    }
}

/// One connection that sends one webhook after the other; written here, because a client library would use most of
/// the machine.
struct Sender {
    requests: Arc<[Vec<u8>]>,
    turns: Turns,
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
        for index in self.turns.indexes(self.requests.len()) {
            let request = &self.requests[index];
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
        Ok(sent)
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

    #[test]
    fn every_webhook_has_one_connection_and_those_of_a_level_share_it() {
        for (connections, levels) in [(1, 1), (3, 10), (10, 10), (4, 10)] {
            let mut by_level = vec![None; levels];
            let mut sent = Vec::new();
            for number in 0..connections {
                for index in (Turns { number, connections, levels }).indexes(35) {
                    assert_eq!(*by_level[index % levels].get_or_insert(number), number, "{index}");
                    sent.push(index);
                }
            }
            sent.sort_unstable();
            assert_eq!(sent, (0..35).collect::<Vec<_>>());
        }
    }
}
