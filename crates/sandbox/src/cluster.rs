//! Three nats-servers that agree with each other.

use crate::{
    Nats, NatsOptions, SandboxError,
    nats::{KIND, READY_LIMIT},
    process::LOOK_INTERVAL,
};
use serde_json::Value;
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    net::{Ipv4Addr, TcpListener},
    path::Path,
};
use tokio::time::{Instant, sleep};

/// How many servers make a cluster: the fewest of which one may be lost.
const SERVERS: usize = 3;
/// Ports below those that the kernel gives to outgoing connections, so that a server that was killed finds its own
/// free.
const PORTS: std::ops::Range<u16> = 10_000..30_000;
/// How often other ports are tried if somebody took one in between.
const ATTEMPTS: usize = 3;

/// What a server of a cluster knows of the others.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Its port for the others.
    pub(crate) port: u16,
    /// The ports of the others.
    pub(crate) others: Vec<u16>,
}

/// Three nats-servers with `JetStream` that hold streams together, on free ports. A stream with three replicas goes on
/// while one of them is away.
pub struct NatsCluster {
    /// The servers, each to be killed and started again by itself; their names are `nats-1` to `nats-3`.
    pub servers: Vec<Nats>,
}

impl NatsCluster {
    /// Starts the servers, each in a folder of its own under `folder`, and waits until they agree. They sync to disk as
    /// they do unless reported otherwise, every two minutes: an acknowledged message is on two of them. With an
    /// `authorization` block, who isn't in it may do nothing.
    pub async fn start(folder: &Path, authorization: Option<&Value>) -> Result<Self, SandboxError> {
        let mut attempt = 1;
        loop {
            match Self::launch(folder, authorization).await {
                Err(SandboxError::Ended { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
                Ok(cluster) => {
                    cluster.agreed().await?;
                    return Ok(cluster);
                }
            }
        }
    }

    async fn launch(folder: &Path, authorization: Option<&Value>) -> Result<Self, SandboxError> {
        // Client, monitoring and route for each.
        let ports = free_ports(3 * SERVERS)?;
        let (routes, others) = ports.split_at(SERVERS);
        let mut servers = Vec::new();
        for (index, (port, own)) in routes.iter().zip(others.chunks(2)).enumerate() {
            let name = format!("nats-{}", index + 1);
            let others = routes.iter().copied().filter(|other| other != port).collect();
            let options = NatsOptions {
                sync_always: false,
                port: own[0],
                authorization: authorization.cloned(),
                ..NatsOptions::new(folder.join(&name))
            };
            servers.push(Nats::start_peer(options, own[1], Peer { name, port: *port, others }).await?);
        }
        Ok(Self { servers })
    }

    /// Where clients connect: any of these.
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Nats::url).collect()
    }

    /// Waits until every server that runs has caught up with the others: now one of them may be lost.
    pub async fn agreed(&self) -> Result<(), SandboxError> {
        for server in &self.servers {
            server.caught_up().await?;
        }
        Ok(())
    }

    /// Stops all servers in order.
    pub async fn stop(self) -> Result<(), SandboxError> {
        for server in self.servers {
            server.stop().await?;
        }
        Ok(())
    }
}

impl Nats {
    /// Waits until the server serves all that it holds, as the others of its cluster do; at once if it doesn't run.
    pub async fn caught_up(&self) -> Result<(), SandboxError> {
        let deadline = Instant::now() + READY_LIMIT;
        while self.runs() && !self.is_healthy().await {
            if Instant::now() > deadline {
                return Err(SandboxError::NotReady {
                    program: KIND.program,
                    limit: READY_LIMIT,
                    log: self.log(),
                });
            }
            sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

/// Ports that nobody has; taken all at once, so that none is given twice.
fn free_ports(count: usize) -> Result<Vec<u16>, SandboxError> {
    let random = RandomState::new().build_hasher().finish();
    let offset = usize::try_from(random % u64::from(PORTS.end - PORTS.start)).unwrap_or_default();
    let from_somewhere = PORTS.cycle().skip(offset).take(PORTS.len());
    let bound = from_somewhere.filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    let listeners: Vec<TcpListener> = bound.take(count).collect();
    listeners
        .iter()
        .map(|listener| Ok(listener.local_addr().map_err(SandboxError::file("a port"))?.port()))
        .collect()
}
