//! The code that knows a platform by its name: the platform's folders, the two registries, and tests.

use crate::layers::{root, sources};
use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// The folders that contain a folder for each platform.
const HOMES: [&str; 2] = ["crates/platforms/src", "crates/simulator/src"];
/// The files that list the platforms.
const REGISTRIES: [&str; 2] = ["crates/platforms/src/lib.rs", "crates/simulator/src/lib.rs"];
/// Folders with code.
const CODE: [&str; 4] = ["crates", "services", "proto", "script"];
/// Extensions of documents and data.
const NO_CODE: [&str; 2] = ["md", "sql"];
/// Files of which some lines name platforms nevertheless: a part of those lines, and the reason.
const EXCEPTIONS: [(&str, &str, &str); 5] = [
    ("crates/cli/src/cli.rs", "tillflow ", HELP),
    ("crates/cli/src/cli/bench.rs", "tillflow ", HELP),
    ("crates/cli/src/cli/decisions.rs", "tillflow ", HELP),
    ("crates/cli/src/cli/matches.rs", "tillflow ", HELP),
    ("crates/cli/src/cli/reads.rs", "tillflow ", HELP),
];
const HELP: &str = "examples in `--help` that can be run as they are while `tillflow dev` runs";

/// The names of the platforms that have a folder in `home`: one with a `mod.rs`, unlike the parts of other modules.
fn platforms_in(home: &str) -> BTreeSet<String> {
    let is_platform = |name: &String| root().join(home).join(name).join("mod.rs").is_file();
    folders(home).into_iter().filter(is_platform).collect()
}

/// The names of the folders in a folder.
fn folders(home: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(home)).expect("a folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let name = |path: PathBuf| path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
    paths.filter(|path| path.is_dir()).map(name).collect()
}

/// Every file with code, from the root.
fn code() -> Vec<PathBuf> {
    let root = root();
    let mut files: Vec<PathBuf> = CODE.iter().flat_map(|folder| sources(&root.join(folder))).collect();
    for home in ["crates", "services"] {
        files.extend(folders(home).iter().map(|name| root.join(home).join(name).join("Cargo.toml")));
    }
    files.push(root.join("Cargo.toml"));
    let files = files.iter().map(|file| file.strip_prefix(&root).expect("below the root").to_path_buf());
    files
        .filter(|file| !NO_CODE.iter().any(|kind| file.extension().is_some_and(|held| held == *kind)))
        .collect()
}

/// Returns true for a file of tests.
fn is_test(file: &Path) -> bool {
    let is_folder = |part: Component<'_>| part.as_os_str() == "tests";
    file.components().any(is_folder) || file.file_name().is_some_and(|name| name == "tests.rs")
}

/// Returns true if a file may name this platform.
fn may_name(file: &Path, platform: &str) -> bool {
    let is_at_home = HOMES.iter().any(|home| file.starts_with(Path::new(home).join(platform)));
    let is_registry = REGISTRIES.iter().any(|list| file == Path::new(list));
    is_at_home || is_registry || is_test(file)
}

/// Returns true if a line is an exception.
fn is_excepted(file: &Path, line: &str) -> bool {
    EXCEPTIONS.iter().any(|(held, part, _)| file == Path::new(held) && line.contains(part))
}

/// The lines of a file with their numbers, without its modules of tests.
fn shipped(text: &str) -> Vec<(usize, &str)> {
    let (mut kept, mut lines) = (Vec::new(), text.lines().enumerate().peekable());
    while let Some((index, line)) = lines.next() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let opens = lines
            .peek()
            .is_some_and(|(_, next)| next.trim_start().starts_with("mod ") && next.ends_with('{'));
        if line.trim() == "#[cfg(test)]" && opens {
            let end = format!("{indent}}}");
            lines.by_ref().find(|(_, line)| *line == end);
        } else {
            kept.push((index + 1, line));
        }
    }
    kept
}

/// Lines of a file that name a platform and may not.
fn found(file: &Path, text: &str, platforms: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for platform in platforms.iter().filter(|platform| !may_name(file, platform)) {
        let names_it = |line: &str| line.to_lowercase().contains(platform.as_str());
        let lines = shipped(text).into_iter();
        let named = lines.filter(|(_, line)| names_it(line) && !is_excepted(file, line));
        found.extend(named.map(|(number, line)| format!("{}:{number}: {}", file.display(), line.trim())));
    }
    found
}

#[test]
fn a_platform_is_known_in_its_folders_and_the_registries_alone() {
    let platforms = platforms_in(HOMES[0]);
    let files = code();
    let read = |file: &PathBuf| fs::read_to_string(root().join(file)).expect("code is text");
    let found: Vec<String> = files.iter().flat_map(|file| found(file, &read(file), &platforms)).collect();
    assert!(files.len() > 300, "only {} files were found", files.len());
    assert!(found.is_empty(), "{found:#?}\nsee docs/platforms/adding-one.md");
}

#[test]
fn every_platform_has_its_folders_and_its_lines_in_the_registries() {
    let platforms = platforms_in(HOMES[0]);
    assert_eq!(platforms_in(HOMES[1]), platforms);
    let names =
        |names: &mut dyn Iterator<Item = &'static str>| names.map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(names(&mut platforms::all().iter().map(|platform| platform.name())), platforms);
    assert_eq!(names(&mut simulator::all().map(simulator::SimulatedPlatform::name)), platforms);
}

#[test]
fn every_exception_is_needed() {
    let platforms = platforms_in(HOMES[0]);
    for (file, part, reason) in EXCEPTIONS {
        let text = fs::read_to_string(root().join(file)).expect("the file exists");
        let excepted = text.lines().filter(|line| line.contains(part)).collect::<String>().to_lowercase();
        assert!(platforms.iter().any(|platform| excepted.contains(platform.as_str())), "{file}: {reason}");
    }
}

#[test]
fn a_name_in_code_is_seen() {
    let platforms = BTreeSet::from(["acme".to_owned()]);
    let lines = |file: &str, text: &str| found(Path::new(file), text, &platforms).len();
    let text = "fn one() {}\n/// As Acme does.\nif kind == Kind::ACME {\n#[cfg(test)]\nmod tests {\n    \"acme\"\n}\n\"acme\"";
    assert_eq!(lines("services/apply/src/lib.rs", text), 3);
    assert_eq!(lines("crates/platforms/src/other/mod.rs", text), 3);
    assert_eq!(lines("crates/cli/src/cli.rs", "\"tillflow trigger acme\"\nif is_acme() {"), 1);
    for at_home in [
        "crates/platforms/src/acme/map.rs",
        "crates/simulator/src/acme/mod.rs",
        "crates/simulator/src/lib.rs",
        "services/apply/src/decide/tests/late.rs",
        "services/apply/src/tests.rs",
        "crates/store/tests/it/fixture.rs",
    ] {
        assert_eq!(lines(at_home, text), 0, "{at_home}");
    }
}
