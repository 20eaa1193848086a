use crate::{
    SandboxError, find, private,
    process::{Home, Kind, LOOK_INTERVAL, Server},
    slow_disk,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// Time limit for a server to be ready; it reads all its streams first.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(30);
/// The lowest limit that Tillflow accepts of a server, in bytes: a delivery of 4 MiB with its headers, and messages
/// that are made of it.
const MAX_PAYLOAD_BYTES: u32 = 8 * 1024 * 1024;
/// Time limit of a health check.
const HEALTH_LIMIT: Duration = Duration::from_secs(5);
/// Log lines of the server after it has reloaded its configuration, and after it has failed to (2.15.1, `reload.go`).
const RELOADED: &str = "Reloaded server configuration";
const NOT_RELOADED: &str = "Failed to reload server configuration";
pub(crate) const KIND: Kind = Kind { program: "nats-server", orderly: Signal::TERM, abrupt: Signal::KILL };

/// Options for the start of a nats-server.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// The folder of its streams, its configuration and its log.
    pub data_dir: PathBuf,
    /// True if an acknowledged message is on disk (`sync_interval: always`).
    pub sync_always: bool,
    /// The port on loopback; 0 selects a free one.
    pub port: u16,
    /// Upper limit of one message, in bytes.
    pub max_payload_bytes: u32,
    /// The server's `authorization` block: its users and their permissions. Without it, every process on this machine
    /// may do everything.
    pub authorization: Option<Value>,
    /// The server's `tls` block: the encryption of connections.
    pub tls: Option<Value>,
    /// Prolongs each sync to disk, by means of `strace`.
    pub sync_delay: Option<Duration>,
}

impl NatsOptions {
    /// A durable server on a free port.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            sync_always: true,
            port: 0,
            max_payload_bytes: MAX_PAYLOAD_BYTES,
            authorization: None,
            tls: None,
            sync_delay: None,
        }
    }
}

/// The name and port of one server in a cluster, and the ports of the others.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Its port for the others.
    pub(crate) port: u16,
    /// The ports of the others.
    pub(crate) others: Vec<u16>,
}

/// A nats-server with `JetStream` that belongs to this process; it is killed when this is dropped.
pub struct Nats {
    home: Home,
    program: PathBuf,
    sync_always: bool,
    max_payload_bytes: u32,
    authorization: Mutex<Option<Value>>,
    reloading: tokio::sync::Mutex<()>,
    tls: Option<Value>,
    sync_delay: Option<Duration>,
    peer: Option<Peer>,
    ports: Ports,
    /// The ports in the running server's configuration, 0 for any free one: a reload must not change them.
    asked_for: Ports,
    server: Option<Server>,
    pid: u32,
}

#[derive(Clone, Copy)]
struct Ports {
    client: u16,
    monitoring: u16,
}

impl Nats {
    /// Starts a server and waits until it is ready. The program is `$TILLFLOW_NATS_SERVER`, `.cache/bin/nats-server` in
    /// the current folder or one above, or the first on `PATH`.
    pub async fn start(options: NatsOptions) -> Result<Self, SandboxError> {
        Self::begin(options, 0, None).await
    }

    /// Starts a server of a cluster.
    pub(crate) async fn start_peer(
        options: NatsOptions,
        monitoring: u16,
        peer: Peer,
    ) -> Result<Self, SandboxError> {
        Self::begin(options, monitoring, Some(peer)).await
    }

    async fn begin(options: NatsOptions, monitoring: u16, peer: Option<Peer>) -> Result<Self, SandboxError> {
        let NatsOptions { data_dir, sync_always, port, max_payload_bytes, authorization, tls, sync_delay } =
            options;
        let program = find::nats_server()?;
        let home = Home::take(&data_dir).await?;
        let ports = Ports { client: port, monitoring };
        let mut nats = Self {
            home,
            program,
            sync_always,
            max_payload_bytes,
            authorization: Mutex::new(authorization),
            reloading: tokio::sync::Mutex::default(),
            tls,
            sync_delay,
            peer,
            ports,
            asked_for: ports,
            server: None,
            pid: 0,
        };
        nats.launch().await?;
        Ok(nats)
    }

    /// Its name in its cluster; `nats` without one.
    pub fn name(&self) -> &str {
        self.peer.as_ref().map_or("nats", |peer| &peer.name)
    }

    /// The URL for clients: `nats://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client)
    }

    /// The monitoring URL: `http://127.0.0.1:<port>`.
    pub fn monitoring_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.monitoring)
    }

    /// The process id of the server that was started last.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Stops the server gracefully; kills it if that takes more than 15 seconds.
    pub async fn stop(mut self) -> Result<(), SandboxError> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Kills the server (SIGKILL), as a fault would.
    pub async fn kill(&mut self) -> Result<(), SandboxError> {
        match self.server.take() {
            Some(server) => server.kill().await,
            None => Ok(()),
        }
    }

    /// Stops the server if it runs, and starts it again on the same ports with the same data.
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        if let Some(server) = self.server.take() {
            server.stop().await?;
        }
        self.launch().await
    }

    /// Replaces the server's `authorization` block, as an operator would: the server reloads its configuration. Users
    /// that are no longer in the block are disconnected; others are not affected. Returns when the server has reloaded.
    pub async fn reload(&self, authorization: Value) -> Result<(), SandboxError> {
        let _reloading = self.reloading.lock().await;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        self.configure()?;
        let Some(server) = &self.server else { return Ok(()) };
        let read = |log: &[u8]| count(log, RELOADED) + count(log, NOT_RELOADED);
        let log = self.home.log();
        let text = || fs::read(&log).map_err(SandboxError::file(&log));
        let (before, refused) = (read(&text()?), count(&text()?, NOT_RELOADED));
        server.signal(Signal::HUP);
        let deadline = Instant::now() + READY_LIMIT;
        while read(&text()?) == before {
            if Instant::now() > deadline {
                return Err(SandboxError::NotReady { program: KIND.program, limit: READY_LIMIT, log });
            }
            sleep(LOOK_INTERVAL).await;
        }
        if count(&text()?, NOT_RELOADED) > refused { Err(self.home.ended(KIND.program)) } else { Ok(()) }
    }

    pub(crate) fn runs(&self) -> bool {
        self.server.is_some()
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.home.log()
    }

    /// Returns true if the server reports that it is healthy (`/healthz`).
    pub(crate) async fn is_healthy(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.ports.monitoring)).await?;
            stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
            let mut response = [0; 12];
            stream.read_exact(&mut response).await.map(|_| response.ends_with(b"200"))
        };
        matches!(timeout(HEALTH_LIMIT, ask).await, Ok(Ok(true)))
    }

    async fn launch(&mut self) -> Result<(), SandboxError> {
        self.asked_for = self.ports;
        let configuration = self.configure()?;
        let mut command = slow_disk::command(&self.program, self.sync_delay);
        command.arg("--config").arg(configuration);
        let mut server = self.home.spawn(command, KIND)?;
        self.ports = self.ready(&mut server).await?;
        self.pid = server.pid();
        self.server = Some(server);
        Ok(())
    }

    /// Writes the server's configuration, as JSON: the server accepts it too, and the quoting rules of its own format
    /// are avoided.
    fn configure(&self) -> Result<PathBuf, SandboxError> {
        let listen =
            |port: u16| if port == 0 { "127.0.0.1:-1".to_owned() } else { format!("127.0.0.1:{port}") };
        let mut jetstream = json!({ "store_dir": self.home.path() });
        if self.sync_always {
            jetstream["sync_interval"] = "always".into();
        }
        let mut configuration = json!({
            "listen": listen(self.asked_for.client),
            "http": listen(self.asked_for.monitoring),
            "max_payload": self.max_payload_bytes,
            "ports_file_dir": self.home.path(),
            "jetstream": jetstream,
        });
        let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (key, block) in [("authorization", authorization), ("tls", self.tls.clone())] {
            if let Some(block) = block {
                configuration[key] = block;
            }
        }
        if let Some(peer) = &self.peer {
            let route = |port: &u16| format!("nats-route://127.0.0.1:{port}");
            configuration["server_name"] = peer.name.as_str().into();
            configuration["cluster"] = json!({
                "name": "sandbox",
                "listen": listen(peer.port),
                "routes": peer.others.iter().map(route).collect::<Vec<_>>(),
            });
        }
        let path = self.home.path().join("nats.conf");
        private::write(&path, format!("{configuration:#}").as_bytes()).map_err(SandboxError::file(&path))?;
        Ok(path)
    }

    /// Waits until the server is ready; it then writes its ports into a file.
    async fn ready(&self, server: &mut Server) -> Result<Ports, SandboxError> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        let path = self.home.path().join(format!("{name}_{}.ports", server.pid()));
        let deadline = Instant::now() + READY_LIMIT;
        while Instant::now() < deadline {
            if server.ended() {
                return Err(self.home.ended(KIND.program));
            }
            if let Some(ports) = fs::read(&path).ok().as_deref().and_then(read_ports) {
                // A killed server leaves the file, and process ids are reused.
                fs::remove_file(&path).map_err(SandboxError::file(&path))?;
                return Ok(ports);
            }
            sleep(LOOK_INTERVAL).await;
        }
        Err(SandboxError::NotReady { program: KIND.program, limit: READY_LIMIT, log: self.home.log() })
    }
}

fn count(log: &[u8], line: &str) -> usize {
    log.windows(line.len()).filter(|window| *window == line.as_bytes()).count()
}

fn read_ports(file: &[u8]) -> Option<Ports> {
    let urls: Value = serde_json::from_slice(file).ok()?;
    let port = |kind: &str| urls.get(kind)?.get(0)?.as_str()?.rsplit(':').next()?.parse().ok();
    Some(Ports { client: port("nats")?, monitoring: port("monitoring")? })
}
