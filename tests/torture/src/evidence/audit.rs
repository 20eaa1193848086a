//! The findings of `tillflow audit`.

use std::{path::Path, process::Stdio, time::Duration};
use testkit::{Program, World};
use tokio::{process::Command, time::timeout};

/// Time limit of the audit.
const LIMIT: Duration = Duration::from_mins(15);

/// Runs `tillflow audit` and returns its findings; empty if there are none.
pub(crate) async fn audit(world: &World, folder: &Path) -> Result<Vec<String>, String> {
    let configuration = folder.join("audit.toml");
    // The configuration of a service with a database, with the operator's credentials.
    std::fs::write(&configuration, world.configuration_of_operator()).map_err(|error| error.to_string())?;
    let binary = Program::Apply.binary().with_file_name("tillflow");
    if !binary.is_file() {
        return Err(format!("{} isn't there: run `cargo build --workspace` first", binary.display()));
    }
    let mut command = Command::new(binary);
    command.env_clear().env("TILLFLOW_CONFIG", &configuration).current_dir(folder).kill_on_drop(true);
    command.args(["--output", "json", "audit"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = timeout(LIMIT, command.output()).await.map_err(|_| "the audit doesn't end")?;
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let findings = said.lines().filter(|line| !line.contains("\"kind\":\"account\"")).map(str::to_owned);
    let error = String::from_utf8_lossy(&output.stderr);
    Ok(findings.chain(error.lines().map(str::to_owned)).collect())
}
