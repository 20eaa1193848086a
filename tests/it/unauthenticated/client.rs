//! Clients that write raw bytes, and measurements of the intake that receives them.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::{fmt::Write as _, net::SocketAddr, time::Duration};
use testkit::{Program, Signed, World};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Time limit for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// The pause before an unauthenticated client whose connection was closed reconnects.
const PAUSE: Duration = Duration::from_secs(2);

/// One connection.
pub(super) struct UnauthenticatedClient(TcpStream);

/// A connection from `127.0.0.<host>`.
async fn connect(to: SocketAddr, host: u8) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0)))?;
    socket.connect(to).await
}

/// Keeps an idle connection open, and opens another one whenever it is closed.
pub(super) async fn idle_for_ever(to: SocketAddr, host: u8) {
    loop {
        if let Ok(mut stream) = connect(to, host).await {
            stream.read_to_end(&mut Vec::new()).await.ok();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl UnauthenticatedClient {
    /// Connects to the intake from `127.0.0.<host>`.
    pub(super) async fn connect(world: &World, host: u8) -> Self {
        let to = world.ingest_url().trim_start_matches("http://").parse().expect("an address");
        Self(connect(to, host).await.expect("the intake can be reached"))
    }

    /// Sends bytes, as many as are accepted.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        timeout(RESPONSE_TIMEOUT, self.0.write_all(bytes)).await.ok();
    }

    /// The response, up to where the connection is closed or pauses.
    pub(super) async fn response(&mut self) -> String {
        let mut response = vec![0; 16 * 1024];
        let read = timeout(RESPONSE_TIMEOUT, self.0.read(&mut response)).await;
        response.truncate(read.ok().and_then(Result::ok).unwrap_or_default());
        String::from_utf8_lossy(&response).into_owned()
    }

    /// The status of the response.
    pub(super) async fn status(&mut self) -> Option<u16> {
        self.response().await.get(9..12)?.parse().ok()
    }
}

/// The head of a request that announces a body of `body_bytes` bytes.
pub(super) fn head(delivery: &Signed, body_bytes: usize) -> String {
    let rest = delivery.url.trim_start_matches("http://");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut head = format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {body_bytes}\r\n");
    for (name, value) in &delivery.headers {
        write!(head, "{name}: {value}\r\n").expect("a text can be written");
    }
    head + "\r\n"
}

fn proc_file(world: &World, name: &str) -> String {
    let pid = world.process(Program::Ingest).pid();
    std::fs::read_to_string(format!("/proc/{pid}/{name}")).expect("the intake runs")
}

/// The intake's present memory and its maximum so far, in KiB.
pub(super) fn memory_kib(world: &World) -> (u64, u64) {
    let status = proc_file(world, "status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it has a size");
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// The CPU time that the intake has used, in ms.
pub(super) fn processor_ms(world: &World) -> u64 {
    let stat = proc_file(world, "stat");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks = |index: usize| fields[index].parse::<u64>().expect("ticks");
    // A tick is 10 ms on Linux.
    (ticks(11) + ticks(12)) * 10
}

/// Number of the intake's file descriptors.
pub(super) fn descriptors(world: &World) -> usize {
    let pid = world.process(Program::Ingest).pid();
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the intake runs").count()
}

/// Limits the intake to `count` file descriptors from now on.
pub(super) fn limit_descriptors(world: &World, count: u64) {
    let pid = i32::try_from(world.process(Program::Ingest).pid()).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: Some(count), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(pid, Resource::Nofile, limit).expect("a child can be limited");
}

/// Median, 99th percentile and maximum.
pub(super) fn milliseconds(mut times: Vec<u128>) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    format!("p50 {} ms, p99 {} ms, longest {} ms", at(50), at(99), at(100))
}
