//! Measures signed webhooks over HTTP, until the response that they are on disk.

use super::{cpu::CpuSeconds, feed, figure, latencies::Latencies};
use crate::{
    cli::{IngestBench, Output},
    dev::Servers,
    failure::Failed,
    output,
};
use runner::{Metrics, Readiness, Service};
use sandbox::Scratch;
use serde_json::json;
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
use tokio_util::sync::CancellationToken;

/// Upper limit of a response's size, in bytes.
const RESPONSE_BYTES_MAX: usize = 16 * 1024;

struct Measured {
    seconds: f64,
    latencies_ms: Vec<f64>,
    refused: usize,
    cpu: CpuSeconds,
}

pub(crate) async fn run(arguments: IngestBench, output: Output) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let measured = measure(&servers, &arguments).await;
    servers.stop().await?;
    report(&measured?, output);
    Ok(())
}

async fn measure(servers: &Servers, arguments: &IngestBench) -> Result<Measured, Failed> {
    let bus = runner::connect(&servers.bus).await?;
    bus.check().await?;
    bus.declare().await?;
    let listener = ::ingest::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr().map_err(|error| Failed::io("no address", error))?;
    let stop = CancellationToken::new();
    let service = Service {
        bus,
        metrics: Metrics::new().map_err(runner::Failure::from)?,
        readiness: Readiness::default(),
        stop: stop.clone(),
        replica: runner::replica_name(),
    };
    let mut config = ::ingest::Config { requests_per_minute: u32::MAX, ..::ingest::Config::default() };
    // All senders have one address here, and each sends everything through one connection.
    config.connections_per_address_max = config.connections_max;
    config.requests_per_http_connection_max = u64::MAX;
    let serving = tokio::spawn(::ingest::serve(service, servers.store.clone(), config, listener));

    output::progress(&format!("signing {} webhooks", arguments.load.events));
    let requests: Arc<[Vec<u8>]> = feed::levels(&arguments.load)?.iter().map(request).collect();
    output::progress("sending");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let (before, began) = (CpuSeconds::now(nats, postgres), Instant::now());
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..arguments.connections {
        let sender =
            Sender { requests: Arc::clone(&requests), next: Arc::clone(&next), began, rate: arguments.rate };
        senders.spawn(sender.run(address));
    }
    let (mut latencies_ms, mut refused) = (Vec::with_capacity(requests.len()), 0);
    while let Some(sent) = senders.join_next().await {
        let sent = sent.map_err(|error| Failed::Other(error.to_string()))?;
        let (times, others) = sent.map_err(|error| Failed::io("a sender failed", error))?;
        latencies_ms.extend(times);
        refused += others;
    }
    let seconds = began.elapsed().as_secs_f64();
    let cpu = CpuSeconds::now(nats, postgres).since(before);
    stop.cancel();
    serving.await.map_err(|error| Failed::Other(error.to_string()))??;
    Ok(Measured { seconds, latencies_ms, refused, cpu })
}

/// The bytes of a request.
fn request(signed: &feed::Signed) -> Vec<u8> {
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

/// One connection that sends one webhook after the other; written here, because a client library would use most of
/// the machine.
struct Sender {
    requests: Arc<[Vec<u8>]>,
    next: Arc<AtomicUsize>,
    began: Instant,
    rate: u64,
}

impl Sender {
    /// Returns the response times of accepted webhooks, in ms, and the number of others.
    async fn run(self, address: SocketAddr) -> std::io::Result<(Vec<f64>, usize)> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut times, mut refused) = (Vec::new(), 0);
        let mut buffer = Vec::with_capacity(RESPONSE_BYTES_MAX);
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = self.requests.get(index) else { return Ok((times, refused)) };
            let mut sent = Instant::now();
            if self.rate > 0 {
                // Measured from the time it was due: a sender that waits for a response must not hide that others
                // waited too.
                let due = feed::due(self.began, index, self.rate);
                tokio::time::sleep_until(due.into()).await;
                sent = due;
            }
            stream.write_all(request).await?;
            match read_response(&mut stream, &mut buffer).await? {
                200 => times.push(sent.elapsed().as_secs_f64() * 1000.0),
                _ => refused += 1,
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

fn report(measured: &Measured, output: Output) {
    let latencies = Latencies::of(measured.latencies_ms.clone());
    let kept = figure(latencies.len());
    let per_second = kept / measured.seconds;
    let each = |seconds: f64| seconds * 1e6 / kept;
    let (p50, p99, cpu) = (latencies.quantile(0.5), latencies.quantile(0.99), measured.cpu);
    match output {
        Output::Text => format!(
            "{kept} webhooks on disk, {} refused: {per_second:.0} a second\n  \
             response: p50 {p50:.1} ms, p99 {p99:.1} ms\n  \
             CPU per webhook, the senders' included: {:.0} µs = ours {:.0} + broker {:.0}",
            measured.refused,
            each(cpu.total()),
            each(cpu.ours),
            each(cpu.broker)
        )
        .lines()
        .for_each(output::line),
        Output::Json => output::json(&json!({
            "webhooks": latencies.len(), "refused": measured.refused, "seconds": measured.seconds,
            "webhooks_per_second": per_second, "latency_ms": {"p50": p50, "p99": p99, "max": latencies.quantile(1.0)},
            "cpu_us_per_webhook": {"ours": each(cpu.ours), "broker": each(cpu.broker), "total": each(cpu.total())},
        })),
    }
}
