//! The words of code, comments and documents: `docs/GLOSSARY.md` has the ones that are used, one sense each.

use crate::layers::{root, sources};
use std::{fs, path::Path};

/// Words that are used no more, each with the one in its place.
const RETIRED: &[(&str, &str)] = &[
    ("told", "reported, or observed"),
    ("tells", "reports, or distinguishes"),
    ("door", "intake"),
    ("doors", "intakes"),
    ("endings", "event outcomes"),
    ("dismissal", "dropped input"),
    ("dismissals", "dropped inputs"),
    ("dismissed", "dropped"),
    ("stranger", "unauthenticated client, or foreign client"),
    ("strangers", "unauthenticated clients, or foreign clients"),
    ("knock", "request"),
    ("knocks", "requests"),
    ("rhythm", "flush interval"),
    ("tell", "report, show, or print"),
    ("sought", "target, or wanted"),
    ("dressed", "as a webhook"),
    ("liking", "score"),
    ("strangeness", "foreign reason"),
    ("judging", "validating"),
    ("prospect", "link candidate"),
    ("prospects", "link candidates"),
    ("companion", "other mirror"),
    ("companions", "level index, or level mirrors"),
    ("sight", "view"),
    ("mend", "correct, or fix"),
    ("mended", "corrected, or fixed"),
    ("believe", "accept, verify, or replace what is implausible"),
    ("believes", "accepts, or verifies"),
    ("fate", "webhook fault"),
    ("dice", "fault injector"),
];
/// Files that speak of the letters of an alphabet. Elsewhere a letter is a dead letter.
const ALPHABET: &[&str] = &[
    "bounds/tests.rs",
    "model/src/money.rs",
    "mirror/value.rs",
    "model/src/sku.rs",
    "square/html.rs",
    "testkit/src/mutation.rs",
    "testkit/src/payloads.rs",
    "platforms/tests/signatures.rs",
    "cases/tokens.rs",
    "fuzz/src/replies.rs",
    "fuzz/src/signatures.rs",
    "seeds/texts.rs",
    "world/src/shrink.rs",
    "check/replay.rs",
    "it/large_bodies.rs",
    "docs/semantics.md",
];
/// Files that name retired words: this one, the glossary, and where databases and keys of former versions are read.
const NAMES_THEM: &[&str] = &[
    "tests/src/words.rs",
    "docs/GLOSSARY.md",
    "store/tests/it/upgrade.rs",
    "bus/src/keyring.rs",
    "bus/tests/users/keys.rs",
];
/// The first words of questions. A comment begins with a noun phrase, or a verb in the third person.
const QUESTIONS: &[&str] =
    &["How", "What", "Whatever", "When", "Where", "Whether", "Which", "Who", "Whoever", "Whose", "Why"];

/// The words of a text, in lower case; names are taken apart.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in text.chars() {
        if !letter.is_alphabetic() || letter.is_uppercase() && before.is_lowercase() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphabetic(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Retired words of a line, each with the one in its place.
fn retired(line: &str, speaks_of_the_alphabet: bool) -> Vec<String> {
    let words = words(line);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let instead = RETIRED.iter().find(|(old, _)| old == word).map(|(_, instead)| *instead);
        let is_dead = at.checked_sub(1).is_none_or(|before| words[before] == "dead");
        let is_letter = !speaks_of_the_alphabet && !is_dead && ["letter", "letters"].contains(&word.as_str());
        found.extend(instead.or(is_letter.then_some("dead letter")).map(|use_| format!("{word}: {use_}")));
    }
    found
}

/// The first word of a comment that opens like a question.
fn question(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    let first = text.split_whitespace().next()?;
    QUESTIONS.contains(&first).then_some(first)
}

/// Every line that somebody reads, with the file and the number of it.
fn lines(mut each: impl FnMut(&Path, usize, &str)) {
    let mut counted = 0;
    for folder in ["crates", "services", "tests", "proto", "docs", "k8s"] {
        for file in sources(&root().join(folder)) {
            let is_read =
                file.extension().is_some_and(|kind| kind == "rs" || kind == "proto" || kind == "md");
            if !is_read || NAMES_THEM.iter().any(|known| file.ends_with(known)) {
                continue;
            }
            counted += 1;
            let text = fs::read_to_string(&file).expect("a source is text");
            text.lines().enumerate().for_each(|(number, line)| each(&file, number + 1, line));
        }
    }
    assert!(counted > 500, "only {counted} files were found");
}

#[test]
fn retired_words_stay_out() {
    let mut found = Vec::new();
    lines(|file, number, line| {
        let speaks_of_the_alphabet = ALPHABET.iter().any(|known| file.ends_with(known));
        let here = retired(line, speaks_of_the_alphabet).into_iter();
        found.extend(here.map(|word| format!("{}:{number}: {word}", file.display())));
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_comment_opens_like_a_question() {
    let (mut found, mut is_open) = (Vec::new(), false);
    lines(|file, number, line| {
        let opens = !std::mem::replace(&mut is_open, line.trim_start().starts_with("//"));
        if let (true, Some(word)) = (opens, question(line)) {
            found.push(format!("{}:{number}: {word}", file.display()));
        }
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_retired_word_is_seen_in_names_and_texts() {
    assert_eq!(
        words("SomeDoor::the_door(\"ThreeWords\")"),
        ["some", "door", "the", "door", "three", "words"]
    );
    assert_eq!(retired("fn open(door: &Door)", false), ["door: intake", "door: intake"]);
    assert_eq!(retired("// All endings of a store.", false), ["endings: event outcomes"]);
    assert_eq!(retired("let letters = 1;", false), ["letters: dead letter"]);
    assert_eq!(retired("let dead_letters = DeadLetter;", false), [""; 0]);
    assert_eq!(retired("let letters = 'a'..='z';", true), [""; 0]);
    assert_eq!(question("    /// Whether it is open."), Some("Whether"));
    assert_eq!(question("/// Returns whether it is open."), None);
}
