//! The arguments of the services' programs, run as an operator would.

use serde_json::Value;
use std::process::Output;
use testkit::Program;
use tokio::process::Command;

async fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(Program::Apply.binary().with_file_name(program));
    command.args(arguments).env_clear().kill_on_drop(true);
    command.output().await.expect("`cargo build --workspace` made it")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn every_service_says_its_version_and_the_keys_of_its_configuration() {
    let version = run("tillflow", &["version", "--output", "json"]).await;
    let version: Value = serde_json::from_slice(&version.stdout).expect("it is JSON");
    let commit = version["commit"].as_str().expect("a text");
    for program in Program::ALL {
        let name = program.name();
        let said = run(name, &["--version"]).await;
        assert!(said.status.success(), "{name}");
        let line = text(&said.stdout);
        assert!(line.starts_with(&format!("{name} ")) && line.contains(commit), "{line}");

        let said = run(name, &["--help"]).await;
        assert!(said.status.success(), "{name}");
        let help = text(&said.stdout);
        for key in ["  bus.servers ", "  admin.listen ", "  log.format ", "Example:", "Exit codes:"] {
            assert!(help.contains(key), "{key} is not in the help of {name}:\n{help}");
        }
    }
    let help = text(&run(Program::Ingest.name(), &["--help"]).await.stdout);
    assert!(
        help.contains("  service.requests_per_minute ") && help.contains("  service.store.url "),
        "{help}"
    );
}

#[tokio::test]
async fn an_unknown_argument_of_a_service_is_refused_before_it_starts() {
    let refused = run(Program::Ingest.name(), &["--allow-unsave"]).await;
    assert_eq!(refused.status.code(), Some(2));
    let error = text(&refused.stderr);
    assert!(error.contains("--allow-unsave") && error.contains("--allow-unsafe"), "{error}");
}
