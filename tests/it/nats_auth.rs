//! `tillflow nats-auth`, run as an operator who sets up a broker would.

use crate::command_line::tillflow;
use bus::{Bus, BusConfig, Credentials, User};
use sandbox::{Nats, NatsOptions, Scratch};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};
use testkit::{AccountOptions, Program, World};
use tokio::process::Command;

/// Output of a run.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) value: Value,
    pub(crate) error: String,
}

impl Said {
    fn changes(&self) -> Vec<String> {
        let changes = self.value["changes"].as_array().unwrap_or_else(|| panic!("{}", self.error));
        changes.iter().map(|it| format!("{} {}", it["user"], it["change"]).replace('"', "")).collect()
    }
}

/// Runs it without access to any database.
pub(crate) async fn nats_auth(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(Program::Apply.binary().with_file_name("tillflow"));
    command.env_clear().env("TILLFLOW_BUS__STREAMS_PER_FEED", "4").kill_on_drop(true);
    command.args(["--output", "json", "nats-auth", "--folder"]).arg(folder).args(arguments);
    let output = command.stdin(Stdio::null()).output().await.expect("`cargo build --workspace` made it");
    Said {
        code: output.status.code(),
        value: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The block of `authorization.conf` for the server.
fn block(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("authorization.conf")).expect("it was written");
    let block = text.strip_prefix("authorization:").expect("it is a block of the server's");
    serde_json::from_str(block).expect("the server reads JSON too")
}

async fn comes_in(nats: &Nats, folder: &Path, user: &User) -> bool {
    let seed_file = folder.join("seeds").join(format!("{user}.nk"));
    let config = BusConfig {
        servers: vec![nats.url()],
        credentials: Some(Credentials::Seed { seed_file }),
        connect_limit_ms: 0,
        ..BusConfig::default()
    };
    Bus::connect(&config.of(user)).await.is_ok()
}

#[tokio::test]
async fn users_are_made_once_change_as_requested_and_nothing_is_written_by_a_dry_run() {
    let scratch = Scratch::new().expect("a folder to throw away");
    let folder = scratch.path().join("users");
    let dry = nats_auth(&folder, &["--dry-run"]).await;
    assert_eq!(
        (dry.code, dry.changes().len(), &dry.value["written"]),
        (Some(0), User::OURS.len(), &false.into())
    );
    assert!(!folder.exists());

    let first = nats_auth(&folder, &[]).await;
    assert_eq!((first.code, first.changes().len()), (Some(0), User::OURS.len()), "{}", first.error);
    let made = block(&folder);
    let again = nats_auth(&folder, &[]).await;
    assert_eq!((again.changes().len(), &again.value["server_has_to_reload"]), (0, &false.into()));
    assert_eq!(block(&folder), made, "the second time changes nothing");
    assert!(made.to_string().contains("RAW-3") && !made.to_string().contains("RAW-4"), "four streams a feed");

    let options = NatsOptions { authorization: Some(made), ..NatsOptions::new(scratch.path().join("nats")) };
    let nats = Nats::start(options).await.expect("the server takes the block");
    let till = User::partner("acme", "acme-till").expect("ids are tokens");
    for user in User::OURS {
        assert!(comes_in(&nats, &folder, &user).await, "{user}");
    }
    let added = nats_auth(&folder, &["--partner", "acme", "acme-till"]).await;
    assert_eq!(added.changes(), ["partner-acme-till added"]);
    assert!(!comes_in(&nats, &folder, &till).await, "the server hasn't read it yet");
    nats.reload(block(&folder)).await.expect("it reads it");
    assert!(comes_in(&nats, &folder, &till).await);

    let rotated = nats_auth(&folder, &["--rotate", "partner-acme-till"]).await;
    assert_eq!(rotated.changes(), ["partner-acme-till rotated"]);
    assert_eq!(nats_auth(&folder, &["--rotate", "partner-acme-till"]).await.code, Some(1), "retire first");
    assert_eq!(nats_auth(&folder, &["--retire", "partner-acme-till"]).await.code, Some(0));
    let kept = block(&folder);
    let would = nats_auth(&folder, &["--revoke", "partner-acme-till", "--dry-run"]).await;
    assert_eq!(would.changes(), ["partner-acme-till revoked"]);
    assert_eq!(block(&folder), kept);
    assert_eq!(
        nats_auth(&folder, &["--revoke", "partner-acme-till"]).await.changes(),
        ["partner-acme-till revoked"]
    );
    nats.reload(block(&folder)).await.expect("it reads it");
    assert!(!comes_in(&nats, &folder, &till).await);

    let (public, _) = bus::new_key().expect("a key");
    let given = nats_auth(&folder, &["--partner", "acme", "acme-till", "--public-key", &public]).await;
    assert_eq!((given.code, given.changes()), (Some(0), vec!["partner-acme-till added".to_owned()]));
    assert!(!folder.join("seeds/partner-acme-till.nk").exists(), "its seed is with the partner");
    for (arguments, code) in [
        (&["--revoke", "apply"][..], 1),
        (&["--rotate", "nobody"], 1),
        (&["--partner", "a.b", "till"], 2),
        (&["--partner", "acme"], 2),
        (&["--rotate", "apply", "--revoke", "apply"], 2),
    ] {
        assert_eq!(nats_auth(&folder, arguments).await.code, Some(code), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_clusters_configuration_of_the_broker_takes_the_file_that_is_written() {
    let scratch = Scratch::new().expect("a folder to throw away");
    assert_eq!(nats_auth(&scratch.path().join("nats-users"), &[]).await.code, Some(0));
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let certificates = root.join("crates/bus/tests/users/tls");
    let text = fs::read_to_string(root.join("k8s/base/nats/nats.conf")).expect("it is there");
    let quoted = |path: PathBuf| format!("\"{}\"", path.display());
    let here = |name: &str| quoted(certificates.join(name));
    let text = text
        .replace("/etc/nats-tls/tls.crt", &here("server.pem"))
        .replace("/etc/nats-tls/tls.key", &here("server-key.pem"))
        .replace("/data", &quoted(scratch.path().join("data")));
    fs::create_dir(scratch.path().join("nats")).expect("a folder can be made");
    let file = scratch.path().join("nats/nats.conf");
    fs::write(&file, text).expect("a file can be written");
    let program = sandbox::nats_server().expect("script/setup has it");
    let mut command = Command::new(program);
    command.env("POD_NAME", "nats-0").arg("-t").arg("--config").arg(&file);
    let output = command.output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(scratch.path().join("nats-users/authorization.conf")).expect("it is there");
    let output = command.output().await.expect("it runs");
    assert!(!output.status.success(), "without the users it doesn't start");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_whose_connection_is_not_in_the_record_gets_no_user_unless_nobody_shall_look() {
    let world = World::start(&[Program::Ingest]).await;
    let merchant = world.merchant("acme").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let folder = world.streams_folder().join("../../../../partners");
    let folder = folder.to_str().expect("a path");
    let run = async |arguments: &[&str]| {
        tillflow(&world, &[&["nats-auth", "--folder", folder], arguments].concat()).await
    };
    let connection = account.connection.as_str();
    for (store, of) in [("acme", "acme-till"), ("other", connection)] {
        let refused = run(&["--partner", store, of]).await;
        assert_eq!(refused.code, 1, "{store} {of}: {}", refused.error);
        let reason = format!("the record has no connection {of} of store {store}");
        assert!(
            refused.error.contains(&reason) && refused.error.contains("--unchecked"),
            "{}",
            refused.error
        );
    }
    assert!(!Path::new(folder).exists(), "nothing is written");
    let added = run(&["--partner", "acme", connection]).await.well();
    let names = |said: &[Value]| {
        let changes = said[0]["changes"].as_array().cloned().unwrap_or_default();
        changes.iter().map(|it| it["user"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(&added).contains(&format!("partner-{connection}")), "{added:?}");
    // For a connection that isn't set up yet.
    let added = run(&["--partner", "acme", "acme-till", "--unchecked"]).await.well();
    assert_eq!(names(&added), ["partner-acme-till"]);
    assert_eq!(run(&["--unchecked"]).await.code, 2, "there is nothing to check");
}
