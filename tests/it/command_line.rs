//! `tillflow` on a running system.

use serde_json::Value;
use std::{
    process::{Output, Stdio},
    time::Duration,
};
use testkit::{Program, World};
use tokio::process::Command;

/// Time limit of a verb.
const LIMIT: Duration = Duration::from_mins(1);

/// Output of a verb.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    /// Its lines, as JSON.
    pub(crate) lines: Vec<Value>,
    pub(crate) error: String,
}

impl Said {
    /// Its lines; panics if it failed.
    pub(crate) fn well(self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{}\n{:?}", self.error, self.lines);
        self.lines
    }
}

/// Runs `tillflow --output json` with these arguments on the world's servers, without any `tillflow dev`.
pub(crate) async fn tillflow(world: &World, arguments: &[&str]) -> Said {
    let output = run(world, &[&["--output", "json"], arguments].concat()).await;
    let lines = String::from_utf8_lossy(&output.stdout);
    Said {
        code: output.status.code().expect("it ends by itself"),
        lines: lines.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect(),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `tillflow` with these arguments on the world's servers and returns its raw output.
pub(crate) async fn run(world: &World, arguments: &[&str]) -> Output {
    let folder = tempfile(world);
    let config = folder.join("tillflow.toml");
    // The configuration of a service with a database.
    std::fs::write(&config, world.configuration_of_operator()).expect("a configuration can be written");
    let mut command = Command::new(Program::Apply.binary().with_file_name("tillflow"));
    command.env_clear().env("TILLFLOW_CONFIG", &config).current_dir(&folder).kill_on_drop(true);
    command.args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("it ends");
    output.expect("`cargo build --workspace` made it")
}

fn tempfile(world: &World) -> std::path::PathBuf {
    let folder = world.streams_folder().join("../../../../command-line");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}
