//! Against the real programs.
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use sandbox::{Nats, NatsCluster, NatsOptions, Postgres, PostgresOptions, SandboxError, Scratch};
use std::path::Path;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether it has ended, though nobody may have asked how: orphans belong to a process that need not care.
fn ended(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// What the server of `url` says first: its `INFO` line.
async fn greeting(url: &str) -> String {
    let stream = TcpStream::connect(url.trim_start_matches("nats://")).await.unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    line
}

async fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_nats_server_serves_durably_keeps_its_ports_and_leaves_no_process() {
    let scratch = Scratch::new().unwrap();
    let mut nats = Nats::start(NatsOptions::new(scratch.path().join("nats"))).await.unwrap();
    let (url, monitoring, first) = (nats.url(), nats.monitoring_url(), nats.pid());
    assert!(greeting(&url).await.contains("\"max_payload\":8388608"));
    assert!(get(&monitoring, "/varz").await.contains("\"sync_always\": true"));

    nats.kill().await.unwrap();
    assert!(!alive(first));
    nats.restart().await.unwrap();
    assert_eq!((nats.url(), nats.monitoring_url()), (url.clone(), monitoring));
    assert!(greeting(&url).await.starts_with("INFO "));

    let second = nats.pid();
    nats.stop().await.unwrap();
    assert!(!alive(second));
    assert!(TcpStream::connect(url.trim_start_matches("nats://")).await.is_err());
}

#[tokio::test]
async fn three_servers_agree_and_each_comes_back_at_its_address() {
    let scratch = Scratch::new().unwrap();
    let mut cluster = NatsCluster::start(scratch.path(), None).await.unwrap();
    let names: Vec<&str> = cluster.servers.iter().map(Nats::name).collect();
    assert_eq!(names, ["nats-1", "nats-2", "nats-3"]);
    let urls = cluster.urls();
    for url in &urls {
        assert!(greeting(url).await.contains("\"cluster\":\"sandbox\""));
    }
    let monitoring = cluster.servers[0].monitoring_url();
    assert!(get(&monitoring, "/varz").await.contains("\"sync_interval\": 120000000000"), "as it comes");

    cluster.servers[1].kill().await.unwrap();
    cluster.agreed().await.unwrap();
    cluster.servers[1].restart().await.unwrap();
    cluster.agreed().await.unwrap();
    assert_eq!(cluster.urls(), urls);
    assert!(get(&monitoring, "/jsz").await.contains("\"cluster_size\": 3"));
    let pids: Vec<u32> = cluster.servers.iter().map(Nats::pid).collect();
    cluster.stop().await.unwrap();
    assert!(pids.into_iter().all(|pid| !alive(pid)));
}

#[tokio::test]
async fn a_folder_belongs_to_one_server() {
    let scratch = Scratch::new().unwrap();
    let nats = Nats::start(NatsOptions::new(scratch.path())).await.unwrap();
    let second = Nats::start(NatsOptions::new(scratch.path())).await;
    assert!(matches!(second, Err(SandboxError::InUse { .. })));
    nats.stop().await.unwrap();
    Nats::start(NatsOptions::new(scratch.path())).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_postgres_keeps_its_port_and_its_data_over_a_kill_and_leaves_no_process() {
    let scratch = Scratch::new().unwrap();
    let mut postgres = Postgres::start(PostgresOptions::new(scratch.path().join("postgres"))).await.unwrap();
    let url = postgres.create_database("shop_1").await.unwrap();
    assert!(url.ends_with("/shop_1"));
    let first = postgres.pid();

    postgres.kill().await.unwrap();
    assert!(!alive(first));
    assert!(postgres.create_database("shop_2").await.is_err(), "a killed server makes no database");
    postgres.restart().await.unwrap();
    assert_eq!(postgres.create_database("shop_1").await.unwrap(), url, "there already, on the same port");

    let second = postgres.pid();
    postgres.stop().await.unwrap();
    assert!(!alive(second));
    let again = Postgres::start(PostgresOptions::new(scratch.path().join("postgres"))).await.unwrap();
    again.create_database("shop_1").await.unwrap();
    again.stop().await.unwrap();
}

#[tokio::test]
async fn a_name_that_needs_quoting_makes_no_database() {
    let scratch = Scratch::new().unwrap();
    let postgres = Postgres::start(PostgresOptions::new(scratch.path())).await.unwrap();
    for name in ["", "a\"; drop database postgres; --", "Upper"] {
        assert!(matches!(postgres.create_database(name).await, Err(SandboxError::Database { .. })), "{name}");
    }
    postgres.stop().await.unwrap();
}

/// Runs itself as the parent that is killed.
#[tokio::test]
async fn what_was_started_ends_with_a_parent_that_is_killed() {
    const PARENT: &str = "SANDBOX_TEST_PARENT_FOLDER";
    if let Some(folder) = std::env::var_os(PARENT) {
        let nats = Nats::start(NatsOptions::new(folder)).await.unwrap();
        println!("\npid {}", nats.pid());
        std::future::pending::<()>().await;
    }
    let scratch = Scratch::new().unwrap();
    let mut parent = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_started_ends_with_a_parent_that_is_killed", "--nocapture"])
        .env(PARENT, scratch.path())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pid: u32 = loop {
        let line = lines.next_line().await.unwrap().expect("the parent tells what it started");
        if let Some(pid) = line.strip_prefix("pid ") {
            break pid.parse().unwrap();
        }
    };
    assert!(alive(pid));
    parent.kill().await.unwrap();
    // The folder is free as soon as the server is gone, and not before.
    let next = Nats::start(NatsOptions::new(scratch.path())).await.unwrap();
    assert!(ended(pid));
    next.stop().await.unwrap();
}
