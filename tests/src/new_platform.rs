//! The skeleton of a new platform: `script/new-platform` copies the toy platform of `tests/toy-platform`.

use crate::layers::root;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

const REGISTRIES: [&str; 2] = ["crates/platforms/src/lib.rs", "crates/simulator/src/lib.rs"];

/// A folder with copies of the registries; deleted at the end.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tillflow-{name}-{}", std::process::id()));
        for registry in REGISTRIES {
            let file = folder.join(registry);
            fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("a folder can be made");
            fs::copy(root().join(registry), file).expect("a file can be copied");
        }
        Self(folder)
    }

    fn generate(&self, name: &str) -> Output {
        let script = root().join("script/new-platform");
        Command::new(script).arg(name).arg("--root").arg(&self.0).output().expect("the script runs")
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Nothing is left to do about a folder that stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_new_platform_has_its_folders_and_its_lines_in_the_registries_and_no_trace_of_the_toy() {
    let copy = Copy::new("new-platform");
    let output = copy.generate("paladin");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in [
        "crates/platforms/src/paladin/mod.rs",
        "crates/platforms/src/paladin/map.rs",
        "crates/platforms/src/paladin/webhooks.rs",
        "crates/platforms/src/paladin/README.md",
        "crates/platforms/src/paladin/examples/SOURCES.md",
        "crates/platforms/src/paladin/examples/level_changed.sample.json",
        "crates/simulator/src/paladin/mod.rs",
        "crates/simulator/src/paladin/sign.rs",
        "crates/simulator/src/paladin/samples.rs",
        "schemas/paladin/level_changed.schema.json",
    ] {
        let text = copy.read(file);
        assert!(!text.to_lowercase().contains("acme"), "{file}");
        assert!(text.to_lowercase().contains("paladin") || file.contains("example"), "{file}");
    }
    for registry in REGISTRIES {
        let text = copy.read(registry);
        assert!(text.contains("\nmod paladin;\n"), "{registry}");
        let listed = format!("; {}] = [&", platforms::all().len() + 1);
        assert!(text.contains(&listed) && text.contains("&paladin::PLATFORM, &"), "{registry}");
    }
}

#[test]
fn a_name_that_is_taken_or_is_none_changes_nothing() {
    let copy = Copy::new("no-platform");
    let before = REGISTRIES.map(|registry| copy.read(registry));
    for name in ["Paladin", "2go", "a", "point-of-sale", "../etc"] {
        assert_eq!(copy.generate(name).status.code(), Some(2), "{name}");
    }
    assert_eq!(REGISTRIES.map(|registry| copy.read(registry)), before);
    assert!(copy.generate("paladin").status.success());
    let once = REGISTRIES.map(|registry| copy.read(registry));
    assert_eq!(copy.generate("paladin").status.code(), Some(2), "taken");
    assert_eq!(REGISTRIES.map(|registry| copy.read(registry)), once);
}
