//! Tests against the real programs.
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use sandbox::{Nats, NatsCluster, NatsOptions, Postgres, PostgresOptions, SandboxError, Scratch};
use std::{fs, path::Path};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Returns true if the process has ended, even if it is a zombie: orphans belong to a process that need not reap them.
fn ended(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// The first line that the server of `url` sends: `INFO`.
async fn greeting(url: &str) -> String {
    let stream = TcpStream::connect(url.trim_start_matches("nats://")).await.unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    line
}

async fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
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
async fn clusters_to_throw_away_are_copies_of_one_and_have_passwords_of_their_own() {
    let scratch = Scratch::new().unwrap();
    let start = async |name: &str| {
        let options = PostgresOptions::throwaway(scratch.path().join(name));
        Postgres::start(options).await.unwrap()
    };
    let (one, mut other) = (start("one").await, start("other").await);
    one.create_database("only_here").await.unwrap();
    let identifier = |name: &str| {
        let control = fs::read(scratch.path().join(name).join("cluster/global/pg_control")).unwrap();
        control[..8].to_vec()
    };
    assert_eq!(identifier("one"), identifier("other"), "the system identifier is the template's");
    let password = |name: &str| fs::read(scratch.path().join(name).join("password")).unwrap();
    assert_ne!(password("one"), password("other"));

    other.kill().await.unwrap();
    other.restart().await.unwrap();
    other.create_database("only_here").await.unwrap();
    one.stop().await.unwrap();
    other.stop().await.unwrap();
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

/// Runs its own program as the parent that is killed.
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
        let line = lines.next_line().await.unwrap().expect("the parent reports what it started");
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

async fn accepts_login(postgres: &Postgres, password: Option<&str>) -> bool {
    let mut command = postgres.psql().unwrap();
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    command.args(["--no-password", "-c", "select 1"]).output().await.unwrap().status.success()
}

#[tokio::test]
async fn a_postgres_lets_nobody_in_without_its_password_even_if_an_older_version_trusted_everybody() {
    let scratch = Scratch::new().unwrap();
    let folder = scratch.path().join("postgres");
    let postgres = Postgres::start(PostgresOptions::new(&folder)).await.unwrap();
    assert!(accepts_login(&postgres, None).await);
    for wrong in ["", "postgres", &"0".repeat(64)] {
        assert!(!accepts_login(&postgres, Some(wrong)).await, "{wrong:?}");
    }
    postgres.create_database("kept").await.unwrap();
    postgres.stop().await.unwrap();

    std::fs::remove_file(folder.join("password")).unwrap();
    std::fs::write(folder.join("cluster/pg_hba.conf"), "host all all 127.0.0.1/32 trust\n").unwrap();
    let postgres = Postgres::start(PostgresOptions::new(&folder)).await.unwrap();
    assert!(accepts_login(&postgres, None).await);
    assert!(!accepts_login(&postgres, Some("postgres")).await, "it trusts nobody any more");
    postgres.create_database("kept").await.unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn what_servers_write_is_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new().unwrap();
    let (nats, postgres) = (scratch.path().join("nats"), scratch.path().join("postgres"));
    let _nats = Nats::start(NatsOptions::new(&nats)).await.unwrap();
    let _postgres = Postgres::start(PostgresOptions::new(&postgres)).await.unwrap();
    for (path, mode) in [
        (nats.clone(), 0o700),
        (nats.join("nats.conf"), 0o600),
        (nats.join("log"), 0o600),
        (postgres.clone(), 0o700),
        (postgres.join("password"), 0o600),
        (postgres.join("log"), 0o600),
        (postgres.join("cluster"), 0o700),
    ] {
        let found = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
}

#[tokio::test]
async fn what_postgres_refuses_is_not_quoted_in_its_log() {
    let scratch = Scratch::new().unwrap();
    let folder = scratch.path().join("postgres");
    let postgres = Postgres::start(PostgresOptions::new(&folder)).await.unwrap();
    let statements =
        "create table t (name text primary key); insert into t values ('Ada Lovelace'), ('Ada Lovelace')";
    let output = postgres.psql().unwrap().args(["-c", statements]).output().await.unwrap();
    assert!(!output.status.success());
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.contains("duplicate key") && !log.contains("Lovelace"), "{log}");
    postgres.stop().await.unwrap();
}
