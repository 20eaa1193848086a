//! A standard NATS client in another language.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The package to install, and its required digest.
const REQUIREMENT: &str =
    "nats-py==2.16.0 --hash=sha256:aeb1ff123966c05833d26c7df7e1d54c1c6d32b612428b21677a2e921f1fecae\n";
/// The folder under the checkout's cache; each version has its own.
const FOLDER: &str = "nats-py-2.16.0";

/// A `python3` with the package `nats-py`, installed once into `.cache/python` of the checkout. Panics with the missing
/// requirement if it can't be installed.
pub fn python_with_nats() -> Command {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/python");
    let packages = cache.join(FOLDER);
    if !packages.join("nats").is_dir() {
        install(&cache, &packages);
    }
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", &packages).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Installs into a folder of its own first, so that no process ever finds a partial installation.
fn install(cache: &Path, packages: &Path) {
    let making: PathBuf = cache.join(format!("{FOLDER}.{}", std::process::id()));
    fs::create_dir_all(&making).expect("the cache can be written");
    let requirements = making.join("requirements.txt");
    fs::write(&requirements, REQUIREMENT).expect("the cache can be written");
    let outcome = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        ])
        .arg("--target")
        .arg(&making)
        .arg("--requirement")
        .arg(&requirements)
        .output();
    let remedy = "install python3 with pip, and let pip reach a package index";
    let outcome = outcome.unwrap_or_else(|error| panic!("python3 can't be run ({error}): {remedy}"));
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success(), "nats-py can't be installed: {remedy}; pip says:\n{said}");
    // Another process may have been faster.
    if fs::rename(&making, packages).is_err() {
        fs::remove_dir_all(&making).expect("the cache can be written");
    }
}
