//! Checks that the cluster's network policies allow what the services need, and no more.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/base")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folder of a service that replaces others.
fn transform() -> PathBuf {
    base().join("../transform")
}

/// The folder of a service.
fn folder_of(service: &str) -> PathBuf {
    if service == "transform" { transform() } else { base().join(service) }
}

/// The deployed services: folders with a deployment.
fn deployed() -> BTreeSet<String> {
    let folders = fs::read_dir(base()).expect("k8s/base is there");
    let folders = folders.map(|entry| entry.expect("an entry").path()).chain([transform()]);
    let deployed = folders.filter(|folder| folder.join("deployment.yaml").exists());
    deployed.map(|folder| folder.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

/// The services that a policy selects by name.
fn selected_by(policy: &str) -> BTreeSet<String> {
    let policies = read(&base().join("network.yaml"));
    let name = format!("  name: {policy}\n");
    let text = policies.split("\n---\n").find(|text| text.contains(&name)).expect("the policy is there");
    let (_, values) = text.split_once("values: [").expect("it selects by name");
    let (values, _) = values.split_once(']').expect("the list ends");
    values.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_service_reaches_the_broker_and_whoever_gets_its_password_the_database() {
    let with = |secret: &str| {
        let holds = |service: &String| read(&folder_of(service).join("deployment.yaml")).contains(secret);
        deployed().into_iter().filter(holds).collect::<BTreeSet<_>>()
    };
    assert_eq!(selected_by("to-nats"), deployed());
    let mut to_postgres = selected_by("to-postgres");
    assert!(to_postgres.remove("migrate"), "the job makes the tables");
    assert_eq!(to_postgres, with("tillflow-store"));
}

#[test]
fn only_services_that_call_platforms_reach_the_internet() {
    // `outlet` also hands deliveries to the intake: a service that calls platforms makes its client.
    let calls = |service: &String| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services").join(service).join("src");
        let files = std::fs::read_dir(sources).expect("a service has sources");
        files.map(|file| file.expect("an entry").path()).filter(|file| file.is_file()).any(|file| {
            let source = read(&file);
            source.contains("outlet::") && source.contains("Client::new(")
        })
    };
    let calling: BTreeSet<String> = deployed().into_iter().filter(calls).collect();
    assert!(!calling.is_empty());
    assert_eq!(selected_by("to-platforms"), calling);
}

#[test]
fn images_are_named_by_digest() {
    for folder in ["base", "migrate", "transform"] {
        let text = read(&base().join("..").join(folder).join("kustomization.yaml"));
        let images: Vec<&str> = text.lines().filter(|line| line.contains("{name: tillflow/")).collect();
        assert!(!images.is_empty());
        for image in images {
            assert!(image.contains("digest: \"sha256:") && !image.contains("newTag"), "{image}");
        }
    }
}
