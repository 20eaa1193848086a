//! Locations of the programs.

use crate::SandboxError;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

const NATS_VARIABLE: &str = "TILLFLOW_NATS_SERVER";
const POSTGRES_VARIABLE: &str = "TILLFLOW_POSTGRES_BIN";

/// The program of nats-server: `$TILLFLOW_NATS_SERVER`, then `.cache/bin/nats-server` in the current folder or one
/// above, then the first on `PATH`.
pub fn nats_server() -> Result<PathBuf, SandboxError> {
    let missing = SandboxError::NotFound { program: "nats-server", variable: NATS_VARIABLE };
    if let Some(named) = env::var_os(NATS_VARIABLE) {
        let named = PathBuf::from(named);
        return if named.is_file() { Ok(named) } else { Err(missing) };
    }
    let here = env::current_dir().map_err(SandboxError::file("."))?;
    let cached = here.ancestors().map(|folder| folder.join(".cache/bin/nats-server"));
    cached.chain(on_path("nats-server")).find(|program| program.is_file()).ok_or(missing)
}

/// The folder that holds `initdb` and `postgres`: `$TILLFLOW_POSTGRES_BIN`, then the output of `pg_config --bindir`,
/// then the newest under `/usr/lib/postgresql`, then `PATH`.
pub(crate) fn postgres_folder() -> Result<PathBuf, SandboxError> {
    let missing = SandboxError::NotFound { program: "postgres", variable: POSTGRES_VARIABLE };
    let complete = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    if let Some(named) = env::var_os(POSTGRES_VARIABLE) {
        return Some(PathBuf::from(named)).filter(complete).ok_or(missing);
    }
    let on_path = on_path("postgres").filter_map(|program| program.parent().map(Path::to_path_buf));
    configured().into_iter().chain(versioned()).chain(on_path).find(complete).ok_or(missing)
}

/// The program `psql`: beside the server's programs, or on `PATH`.
pub(crate) fn psql(programs: &Path) -> Result<PathBuf, SandboxError> {
    let missing = SandboxError::NotFound { program: "psql", variable: POSTGRES_VARIABLE };
    let beside = std::iter::once(programs.join("psql"));
    beside.chain(on_path("psql")).find(|program| program.is_file()).ok_or(missing)
}

fn configured() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(folder.trim()))
}

fn versioned() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn on_path(program: &'static str) -> impl Iterator<Item = PathBuf> {
    let folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    folders.into_iter().map(move |folder| folder.join(program))
}
