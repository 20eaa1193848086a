//! Compiles in the commit that this build is from: `TILLFLOW_COMMIT` if it is set, else that of the clone, else `unknown`.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=TILLFLOW_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    let given = env::var("TILLFLOW_COMMIT").map(|commit| commit.trim().to_owned()).ok();
    let commit = given.filter(|commit| !commit.is_empty()).or_else(of_the_clone);
    println!("cargo:rustc-env=TILLFLOW_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo:rustc-env=TILLFLOW_PROFILE={}", env::var("PROFILE").unwrap_or_default());
}

fn of_the_clone() -> Option<String> {
    // A copy of the sources inside another clone isn't of that clone's commit.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    // Each commit would build this crate and every one that imports it anew: too slow while one works on them.
    if env::var("PROFILE").is_ok_and(|profile| profile != "debug") {
        for file in ["HEAD", "logs/HEAD"] {
            let path = git(&["rev-parse", "--git-path", file])?;
            if Path::new(&path).exists() {
                println!("cargo:rerun-if-changed={path}");
            }
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// The output of a git command; `None` if there is no git, no clone, or it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = output.status.success().then_some(output.stdout)?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}
