//! A cluster of three with the files of `tillflow nats-auth`, and servers that don't belong to it.

use crate::{PATIENCE, nats_auth::nats_auth};
use bus::{Bus, BusConfig, Credentials, User};
use sandbox::Scratch;
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};
use testkit::eventually;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
};

const SERVERS: usize = 3;

/// A server, stopped when dropped.
struct Server {
    monitoring: u16,
    client: u16,
    log: PathBuf,
    _process: Child,
}

impl Server {
    /// Starts a server with that `cluster` block, which listens for routes at that port.
    fn start(folder: &Path, name: &str, cluster: &str, route: u16, ports: [u16; 2]) -> Self {
        let [client, monitoring] = ports;
        let own = folder.join(name);
        fs::create_dir_all(&own).expect("a folder can be made");
        let cluster = cluster.replace("0.0.0.0:6222", &format!("127.0.0.1:{route}"));
        fs::write(own.join("cluster.conf"), cluster).expect("a file can be written");
        let store = own.join("data");
        let text = format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{client}\"\nhttp: \"127.0.0.1:{monitoring}\"\nmax_payload: 8MB\n\
             jetstream {{ store_dir: \"{}\" }}\ninclude \"cluster.conf\"\ninclude \"../users/authorization.conf\"\n",
            store.display()
        );
        let (file, log) = (own.join("nats.conf"), own.join("nats.log"));
        fs::write(&file, text).expect("a file can be written");
        let said = fs::File::create(&log).expect("a file can be made");
        let mut command = Command::new(sandbox::nats_server().expect("script/setup has it"));
        command.arg("--config").arg(&file).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        Self { monitoring, client, log, _process: command.spawn().expect("it can be started") }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The names of the servers that it has routes to.
    async fn routes(&self) -> Vec<String> {
        let said = get(self.monitoring, "/routez").await.unwrap_or_default();
        let routes = said["routes"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> =
            routes.iter().filter_map(|route| route["remote_name"].as_str().map(str::to_owned)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The response of a server's monitoring, if there is one.
async fn get(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await.ok()?;
    serde_json::from_str(response.split_once("\r\n\r\n")?.1).ok()
}

/// Unused ports, all reserved before any is released.
fn free_ports(count: usize) -> Vec<u16> {
    let bound: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port is free")).collect();
    bound.iter().map(|listener| listener.local_addr().expect("it is bound").port()).collect()
}

/// The folder of a server's certificate, key and authority, with the file names in the block.
fn certificates(scratch: &Path, name: &str, authority: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/routes_tls");
    let folder = scratch.join(format!("tls-{name}"));
    fs::create_dir(&folder).expect("a folder can be made");
    for (file, of) in [
        ("tls.crt", format!("{name}.pem")),
        ("tls.key", format!("{name}-key.pem")),
        ("ca.crt", format!("{authority}.pem")),
    ] {
        fs::copy(from.join(of), folder.join(file)).expect("it is there");
    }
    folder
}

fn cluster_block(folder: &Path) -> String {
    fs::read_to_string(folder.join("cluster.conf")).expect("it was written")
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_join_by_the_file_that_is_written_and_nobody_without_its_password_or_certificate() {
    let scratch = Scratch::new().expect("a folder to throw away");
    let (users, tls) = (scratch.path().join("users"), certificates(scratch.path(), "server", "authority"));
    let ports = free_ports(3 * SERVERS + 6);
    let (routes, ports) = ports.split_at(SERVERS);
    let servers: Vec<String> = routes.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let mut arguments = vec!["--route-tls", tls.to_str().expect("a path")];
    for server in &servers {
        arguments.extend(["--route-server", server]);
    }
    let dry = nats_auth(&users, &[&arguments[..], &["--dry-run"]].concat()).await;
    assert_eq!((dry.code, &dry.value["cluster_changed"]), (Some(0), &true.into()), "{}", dry.error);
    assert!(!users.exists());
    let made = nats_auth(&users, &arguments).await;
    assert_eq!((made.code, &made.value["cluster_changed"]), (Some(0), &true.into()), "{}", made.error);
    let block = cluster_block(&users);
    let again = nats_auth(&users, &arguments).await;
    assert_eq!((again.code, &again.value["cluster_changed"]), (Some(0), &false.into()));
    assert_eq!(cluster_block(&users), block, "the password stays");
    let mode = |file: &str| fs::metadata(users.join(file)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode("cluster.conf"), mode("seeds/routes.password")), (0o600, 0o600));

    let start = |index: usize| {
        let ports = [ports[2 * index], ports[2 * index + 1]];
        Server::start(scratch.path(), &format!("nats-{index}"), &block, routes[index], ports)
    };
    let cluster: Vec<Server> = (0..SERVERS).map(start).collect();
    for (index, server) in cluster.iter().enumerate() {
        eventually(PATIENCE, "it has a route to each other server", async || {
            let found = server.routes().await;
            if found.len() == SERVERS - 1 {
                Ok(())
            } else {
                Err(format!("{index}: {found:?} {}", server.log()))
            }
        })
        .await;
    }
    // Streams of three replicas need all three servers.
    let config = BusConfig {
        servers: cluster.iter().map(|server| format!("nats://127.0.0.1:{}", server.client)).collect(),
        monitoring_url: Some(format!("http://127.0.0.1:{}", cluster[0].monitoring)),
        replicas: 3,
        streams_per_feed: 4,
        credentials: Some(Credentials::Seed { seed_file: users.join("seeds/administrator.nk") }),
        ..BusConfig::default()
    };
    eventually(PATIENCE, "streams with three replicas are made", async || {
        let bus = Bus::connect(&config.clone().of(&User::Administrator))
            .await
            .map_err(|error| error.to_string())?;
        bus.declare().await.map_err(|error| error.to_string())
    })
    .await;

    // The right certificate without the password, and the password without the right certificate.
    let password = fs::read_to_string(users.join("seeds/routes.password")).expect("it was written");
    let guessed = block.replace(password.trim(), &"0".repeat(password.trim().len()));
    let foreign_tls = certificates(scratch.path(), "foreign_client", "authority");
    let foreign = block.replace(tls.to_str().expect("a path"), foreign_tls.to_str().expect("a path"));
    assert!(guessed != block && foreign != block);
    for (index, (name, block, said)) in [
        ("guesser", guessed, "authentication error"),
        ("foreign_client", foreign, "TLS route handshake error"),
    ]
    .into_iter()
    .enumerate()
    {
        let own = &ports[2 * SERVERS + 3 * index..];
        let foreign_client = Server::start(scratch.path(), name, &block, own[0], [own[1], own[2]]);
        eventually(PATIENCE, &format!("each server refuses the {name}"), async || {
            let accepting = cluster.iter().find(|server| !server.log().contains(said));
            accepting.map_or(Ok(()), |server| Err(format!("{}\n{}", server.log(), foreign_client.log())))
        })
        .await;
        // A route that it has dialled and that isn't refused yet isn't a route of the others.
        for server in &cluster {
            assert!(!server.routes().await.iter().any(|other| other == name), "{name}");
        }
    }
}

#[tokio::test]
async fn servers_that_make_no_cluster_are_refused() {
    let scratch = Scratch::new().expect("a folder to throw away");
    let users = scratch.path().join("users");
    for servers in [&["a", "b"][..], &["a", "b", "b"], &["a", "b", "user:secret@c"]] {
        let arguments: Vec<&str> = servers.iter().flat_map(|server| ["--route-server", server]).collect();
        assert_eq!(nats_auth(&users, &arguments).await.code, Some(2), "{servers:?}");
    }
    assert_eq!(nats_auth(&users, &["--route-tls", "/etc/nats-tls"]).await.code, Some(2));
    assert!(!users.exists(), "nothing is written");
}
