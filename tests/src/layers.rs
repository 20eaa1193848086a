//! Checks imports between packages, and the length of files.

use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

/// The crates that services may import.
const ROOMS: &[&str] = &["model", "stage", "platforms", "wire", "bus", "store", "runner", "outlet"];
/// Crates that tests may import in addition to the imports of their package.
const TOOLS: &[&str] = &["sandbox", "simulator", "testkit"];
/// Every package, and those of ours that it may import.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("stage", &["model"]),
    ("platforms", &["model", "stage"]),
    ("wire", &["model", "stage"]),
    ("bus", &["model", "stage"]),
    ("store", &["model", "stage"]),
    ("runner", &["model", "stage", "wire", "bus"]),
    ("https", &[]),
    ("outlet", &["model", "stage", "platforms", "wire", "bus", "store", "https"]),
    ("sandbox", &[]),
    ("simulator", &["https"]),
    ("testkit", EVERYTHING),
    ("ingest", ROOMS),
    ("normalize", ROOMS),
    ("dedupe", ROOMS),
    ("enrich", ROOMS),
    ("transform", RUNS_THREE),
    ("apply", ROOMS),
    ("propagate", ROOMS),
    ("fetch", ROOMS),
    ("gateway", ROOMS),
    ("tillflow", RUNS_ALL),
    ("system-tests", EVERYTHING),
    ("fuzz-targets", EVERYTHING),
    ("torture", EVERYTHING),
    ("world", EVERYTHING),
];
/// One service runs the decisions of three.
const RUNS_THREE: &[&str] = &["model", "bus", "store", "runner", "normalize", "dedupe", "enrich"];
/// The command line runs the services, the servers and the simulators in one process.
const RUNS_ALL: &[&str] = &[
    "model",
    "stage",
    "platforms",
    "wire",
    "bus",
    "store",
    "runner",
    "https",
    "outlet",
    "sandbox",
    "simulator",
    "ingest",
    "normalize",
    "dedupe",
    "enrich",
    "transform",
    "apply",
    "propagate",
    "fetch",
    "gateway",
];
const EVERYTHING: &[&str] = &[
    "model",
    "stage",
    "platforms",
    "wire",
    "bus",
    "store",
    "runner",
    "https",
    "outlet",
    "sandbox",
    "simulator",
    "testkit",
    "ingest",
    "normalize",
    "dedupe",
    "enrich",
    "transform",
    "apply",
    "propagate",
    "fetch",
    "gateway",
    "tillflow",
];
/// Dependencies that only some crates may import; tests of the whole system may import them too, to act as an
/// unauthenticated client.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("async-nats", &["bus"]),
    ("sqlx", &["store"]),
    ("tokio-postgres", &["store"]),
    ("prost", &["wire"]),
    ("prost-build", &["wire"]),
    ("protox", &["wire"]),
    // The library of `tokio-postgres` has no TLS of its own.
    ("rustls", &["https", "store"]),
    ("tokio-rustls", &["store"]),
    ("webpki-roots", &["https", "store"]),
];
const SYSTEM_TESTS: [&str; 2] = ["system-tests", "torture"];
const LINES_MAX: usize = 600;

struct Package {
    name: String,
    manifest: PathBuf,
    imports: Vec<Import>,
}

struct Import {
    name: String,
    ours: bool,
    for_tests_only: bool,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests have a folder of their own")
        .to_path_buf()
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    metadata["packages"].as_array().expect("a workspace has packages").iter().map(package).collect()
}

fn package(value: &Value) -> Package {
    let text = |value: &Value| value.as_str().map(str::to_owned).expect("a text");
    let import = |value: &Value| Import {
        name: text(&value["name"]),
        ours: value["path"].is_string(),
        for_tests_only: value["kind"] == "dev",
    };
    Package {
        name: text(&value["name"]),
        manifest: text(&value["manifest_path"]).into(),
        imports: value["dependencies"].as_array().expect("a list").iter().map(import).collect(),
    }
}

/// Returns the imports of `package` that the table doesn't allow.
fn wrong_imports(package: &Package) -> Vec<String> {
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == package.name) else {
        return vec![format!("{} is not in the table", package.name)];
    };
    let may = |import: &Import| {
        let name = import.name.as_str();
        let kept_in = KEPT_IN.iter().find(|(outside, _)| *outside == name);
        match kept_in {
            Some((_, rooms)) => {
                rooms.contains(&package.name.as_str()) || SYSTEM_TESTS.contains(&package.name.as_str())
            }
            None => {
                !import.ours || allowed.contains(&name) || (import.for_tests_only && TOOLS.contains(&name))
            }
        }
    };
    let wrong = package.imports.iter().filter(|import| !may(import));
    wrong.map(|import| format!("{} must not import {}", package.name, import.name)).collect()
}

#[test]
fn imports_run_in_one_direction() {
    let packages = packages();
    let wrong: Vec<String> = packages.iter().flat_map(wrong_imports).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\nsee docs/ARCHITECTURE.md");
    let found: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let listed: BTreeSet<&str> = IMPORTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, listed, "the table lists every package and no other");
}

#[test]
fn an_import_against_the_direction_is_seen() {
    let package = |name: &str, import: &str, ours, for_tests_only| Package {
        name: name.to_owned(),
        manifest: PathBuf::new(),
        imports: vec![Import { name: import.to_owned(), ours, for_tests_only }],
    };
    for (name, import, ours, for_tests_only) in [
        ("model", "stage", true, false),
        ("platforms", "bus", true, false),
        ("apply", "ingest", true, false),
        ("apply", "testkit", true, false),
        ("runner", "apply", true, true),
        ("ingest", "async-nats", false, false),
        ("apply", "sqlx", false, true),
        ("propagate", "https", true, false),
        ("outlet", "rustls", false, false),
        ("apply", "tokio-postgres", false, false),
        ("nobody", "model", true, false),
    ] {
        assert_eq!(wrong_imports(&package(name, import, ours, for_tests_only)).len(), 1, "{name} {import}");
    }
    for (name, import, ours, for_tests_only) in [
        ("stage", "model", true, false),
        ("bus", "sandbox", true, true),
        ("tillflow", "apply", true, false),
        ("system-tests", "async-nats", false, false),
        ("apply", "tokio", false, false),
    ] {
        assert!(wrong_imports(&package(name, import, ours, for_tests_only)).is_empty(), "{name} {import}");
    }
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    for package in packages() {
        let manifest = std::fs::read_to_string(&package.manifest).expect("a manifest can be read");
        let lines: Vec<&str> = manifest.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert!(lines.windows(2).any(|pair| pair == ["[lints]", "workspace = true"]), "{}", package.name);
    }
}

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let mut too_long = Vec::new();
    let mut counted = 0;
    for folder in ["crates", "services", "tests", "proto", "migrations", "script"] {
        for file in sources(&root().join(folder)) {
            let lines = std::fs::read_to_string(&file).expect("a source is text").lines().count();
            counted += 1;
            if lines > LINES_MAX {
                too_long.push(format!("{} has {lines}", file.display()));
            }
        }
    }
    assert!(counted > 100, "only {counted} files were found");
    assert!(too_long.is_empty(), "{too_long:#?}");
}

/// Files of a folder that people write, at any depth.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let written = ["rs", "proto", "sql", "py", "sh", "md", ""];
    paths
        .flat_map(|path| {
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            match path.is_dir() {
                true => sources(&path),
                false if written.contains(&extension.as_str()) => vec![path],
                false => Vec::new(),
            }
        })
        .collect()
}
