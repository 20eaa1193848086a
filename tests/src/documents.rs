//! Files and names that documents mention: they exist.

use crate::layers::{root, sources};
use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// Top-level folders; a path that begins with one is a path of ours.
const FOLDERS: &[&str] =
    &["crates", "services", "tests", "docs", "k8s", "proto", "schemas", "migrations", "script"];
/// Extensions of files of ours that documents name without their folder.
const KINDS: &[&str] = &["rs", "md", "sql", "proto"];

/// Every file of the project that people write, from the root.
fn files() -> Vec<PathBuf> {
    let root = root();
    let mut files: Vec<PathBuf> = FOLDERS.iter().flat_map(|folder| sources(&root.join(folder))).collect();
    for kind in ["yaml", "toml", "json"] {
        files.extend(FOLDERS.iter().flat_map(|folder| of_kind(&root.join(folder), kind)));
    }
    let top = fs::read_dir(&root).expect("the root can be read");
    files.extend(top.map(|entry| entry.expect("an entry can be read").path()).filter(|path| path.is_file()));
    files.iter().map(|file| file.strip_prefix(&root).expect("below the root").to_path_buf()).collect()
}

fn of_kind(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let found = |path: PathBuf| {
        let is_of_kind = path.extension().is_some_and(|extension| extension == kind);
        if path.is_dir() { of_kind(&path, kind) } else { Vec::from_iter(is_of_kind.then_some(path)) }
    };
    paths.flat_map(found).collect()
}

/// The parts of a path; `src` goes without saying in documents.
fn parts(path: &Path) -> Vec<&str> {
    let named = path.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    named.filter(|name| *name != "src").collect()
}

/// Names in code, comments and texts.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|name| !name.is_empty())
}

/// Returns whether a text in backticks is a path of ours.
fn is_path(text: &str) -> bool {
    let path = Path::new(text);
    let is_plain = text.chars().all(|character| character.is_alphanumeric() || "_-./".contains(character));
    let has_kind = path.extension().is_some_and(|kind| KINDS.iter().any(|known| kind == *known));
    let is_rooted = text.contains('/') && FOLDERS.iter().any(|folder| path.starts_with(folder));
    is_plain && (has_kind || is_rooted)
}

/// Returns whether a text in backticks is a name with its type or module.
fn is_qualified_name(text: &str) -> bool {
    let parts: Vec<&str> = text.strip_suffix("()").unwrap_or(text).split("::").collect();
    let is_name = |part: &&str| {
        part.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && part.chars().all(|character| character.is_alphanumeric() || character == '_')
    };
    parts.len() > 1 && parts.iter().all(is_name)
}

#[test]
fn every_file_and_name_that_a_document_mentions_exists() {
    let (root, files) = (root(), files());
    let known_parts: Vec<Vec<&str>> = files.iter().map(|file| parts(file)).collect();
    let sources = files.iter().filter(|file| file.extension().is_some_and(|kind| kind != "md"));
    let texts: Vec<String> = sources.filter_map(|file| fs::read_to_string(root.join(file)).ok()).collect();
    let known: BTreeSet<&str> = texts.iter().flat_map(|text| names(text)).collect();

    let (mut missing, mut looked_up) = (Vec::new(), 0);
    for document in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "md")) {
        if document.starts_with("tests/cases") {
            continue;
        }
        let text = fs::read_to_string(root.join(document)).expect("a document is text");
        for (number, line) in text.lines().enumerate() {
            for mentioned in line.split('`').skip(1).step_by(2) {
                let exists = if is_path(mentioned) {
                    let beside = root.join(document).with_file_name(mentioned);
                    let wanted = parts(Path::new(mentioned));
                    beside.exists()
                        || known_parts.iter().any(|of| of.windows(wanted.len()).any(|at| at == wanted))
                } else if is_qualified_name(mentioned) {
                    names(mentioned).all(|name| known.contains(name))
                } else {
                    continue;
                };
                looked_up += 1;
                if !exists {
                    missing.push(format!("{}:{}: {mentioned}", document.display(), number + 1));
                }
            }
        }
    }
    assert!(looked_up > 200, "only {looked_up} were looked up");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_path_and_a_name_differ_from_other_words() {
    assert!(is_path("bus/reply.rs") && is_path("services/apply") && is_path("0001-x.md"));
    assert!(!is_path("POST /webhook/x.y") && !is_path("pos.raw.3") && !is_path("api.json"));
    assert!(
        is_qualified_name("Store::claim_due()")
            && !is_qualified_name("Store")
            && !is_qualified_name("a::b c")
    );
}
