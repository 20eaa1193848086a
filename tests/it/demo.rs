//! `tillflow dev --demo`, run as a new user would.

use crate::PATIENCE;
use sandbox::Scratch;
use serde_json::Value;
use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
};
use testkit::{Program, eventually};
use tokio::process::Command;

/// Number of our levels that have to come back from the platforms.
const ECHOES: u64 = 30;

fn tillflow() -> Command {
    let mut command = Command::new(Program::Apply.binary().with_file_name("tillflow"));
    command.env_remove("TILLFLOW_CONFIG").kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Number of events of the demo's store that are echoes of our own writes.
async fn echoes(folder: &Path) -> Result<u64, String> {
    let output = tillflow().args(["--output", "json", "audit", "--dir"]).arg(folder).output().await;
    let output = output.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let account = lines.into_iter().find(|line| line["kind"] == "account");
    let account = account.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    account["outcomes"]["echo"].as_u64().ok_or_else(|| account.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_demo_levels_go_out_and_come_back_and_no_platform_refuses_a_write() {
    let scratch = Scratch::new().expect("a folder to throw away");
    let (folder, log) = (scratch.path().join("demo"), scratch.path().join("log"));
    let file = File::create(&log).expect("a log can be written");
    let mut dev = tillflow()
        .args([
            "dev",
            "--demo",
            "--listen",
            "127.0.0.1:0",
            "--api-listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args(["--traffic-per-minute", "300", "--dir"])
        .arg(&folder)
        .stdout(file.try_clone().expect("a file"))
        .stderr(file)
        .spawn()
        .expect("`cargo build --workspace` made it");
    let said = || fs::read_to_string(&log).expect("a log can be read");
    eventually(
        PATIENCE,
        "it runs",
        async || {
            if folder.join("dev.json").is_file() { Ok(()) } else { Err(said()) }
        },
    )
    .await;
    eventually(PATIENCE, "our writes come back", async || match echoes(&folder).await {
        Ok(count) if count >= ECHOES => Ok(()),
        Ok(count) => Err(format!("{count} came back")),
        Err(error) => Err(format!("{error}\n{}", said())),
    })
    .await;
    assert!(!said().contains("refused a write"), "{}", said());
    let pid = dev.id().expect("it runs").to_string();
    let asked = Command::new("kill").args(["-INT", &pid]).status().await.expect("it can be asked to stop");
    assert!(asked.success());
    let ended = tokio::time::timeout(PATIENCE, dev.wait()).await.expect("it stops").expect("it ran");
    assert!(ended.success(), "{ended}: {}", said());
}
