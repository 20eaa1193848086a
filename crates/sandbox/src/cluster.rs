//! A cluster of three nats-servers.

use crate::{
    Nats, NatsOptions, SandboxError,
    nats::{KIND, Peer, READY_LIMIT},
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

/// Number of servers in a cluster: the fewest of which one may be lost.
const SERVERS: usize = 3;
/// Ports below those that the kernel gives to outgoing connections, so that the ports of a killed server are still free
/// when it starts again.
const PORTS: std::ops::Range<u16> = 10_000..30_000;
/// Upper limit of attempts, each with other ports: another process may take a port in between.
const ATTEMPTS: usize = 3;

/// A cluster of three nats-servers with `JetStream`, on free ports. A stream with three replicas stays available while
/// one of them is down.
pub struct NatsCluster {
    /// The servers, named `nats-1` to `nats-3`; each can be killed and started again by itself.
    pub servers: Vec<Nats>,
}

impl NatsCluster {
    /// Starts the servers, each in a folder of its own under `folder`, and waits until they are in sync. They sync to
    /// disk at the server's default interval, every two minutes: an acknowledged message is on two of them. With an
    /// `authorization` block, a user that isn't in it may do nothing.
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

    /// The URLs for clients: any of them can be used.
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Nats::url).collect()
    }

    /// Waits until every server that runs has caught up with the others; then one of them may be lost.
    pub async fn agreed(&self) -> Result<(), SandboxError> {
        for server in &self.servers {
            server.caught_up().await?;
        }
        Ok(())
    }

    /// Stops all servers gracefully.
    pub async fn stop(self) -> Result<(), SandboxError> {
        for server in self.servers {
            server.stop().await?;
        }
        Ok(())
    }
}

impl Nats {
    /// Waits until the server is healthy and in sync with the others of its cluster; returns at once if it doesn't run.
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

/// Free ports; all are bound at the same time, so that none is returned twice.
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
