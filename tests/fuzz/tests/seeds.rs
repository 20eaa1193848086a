//! Runs each stored input of each target through the shipped code.

use fuzz_targets::TARGETS;
use std::{
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

/// Upper limits of the stored inputs of all targets together.
const FILES_MAX: usize = 400;
const BYTES_MAX: u64 = 500_000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_corpus_input_of_every_target_is_answered() {
    let mut failed = Vec::new();
    for (target, play) in TARGETS {
        let folder = fuzz().join("seeds").join(target);
        let inputs = names(&folder);
        assert!(!inputs.is_empty(), "{target} has no inputs");
        for input in inputs {
            let data = fs::read(folder.join(&input)).expect("an input can be read");
            // A panic prints the property that doesn't hold; this adds the input.
            if catch_unwind(|| play(&data)).is_err() {
                failed.push(format!("fuzz/seeds/{target}/{input}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_target_has_a_program_and_inputs_of_its_own() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("seeds")), targets);
    let programs = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz().join("targets")), programs);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest can be read");
    for target in targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"\npath = \"targets/{target}.rs\"")),
            "{target}"
        );
    }
}

#[test]
fn the_inputs_that_are_kept_are_few_and_small() {
    let folders = TARGETS.iter().map(|(target, _)| fuzz().join("seeds").join(target));
    let inputs: Vec<PathBuf> =
        folders.flat_map(|folder| names(&folder).into_iter().map(move |name| folder.join(name))).collect();
    let bytes: u64 = inputs.iter().map(|input| fs::metadata(input).expect("an input").len()).sum();
    assert!(inputs.len() <= FILES_MAX && bytes <= BYTES_MAX, "{} files, {bytes} bytes", inputs.len());
}
