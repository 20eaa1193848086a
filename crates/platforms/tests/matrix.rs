//! `docs/platforms/README.md`: what each platform can do, and what of it is not verified; and `conformance.md` beside it.
//! They are made from the code, the tests and the platforms' READMEs;
//! `TILLFLOW_WRITE_DOCS=1 cargo nextest run -p platforms --test matrix` writes them anew.

#![expect(clippy::unwrap_used, reason = "a suite stops at what it can't read")]

mod requirements;

use model::MirrorKind;
use platforms::{Platform, Reads, TopicKind};
use std::{env, fmt::Write as _, fs, path::PathBuf, time::Duration};

/// The words that a fact which is not verified begins with, in the order of the table's columns.
const SUBJECTS: [&str; 6] = ["Everything", "Webhooks", "Fetches", "Lists", "Writes", "Mapping"];

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../.."].iter().collect()
}

/// The facts of a platform that are not verified, each with its subject.
fn not_verified(platform: &dyn Platform) -> Vec<(&'static str, String)> {
    let name = platform.name();
    let path = root().join("crates/platforms/src").join(name).join("README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (_, section) = readme
        .split_once("\n## Not verified\n")
        .unwrap_or_else(|| panic!("{name}: the README has no section \"Not verified\""));
    let section = section.split("\n## ").next().unwrap_or_default();
    let facts = section.split("\n- ").skip(1);
    let fact = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let subject = SUBJECTS.into_iter().find(|subject| text.starts_with(&format!("{subject}: ")));
        let subject = subject.unwrap_or_else(|| panic!("{name}: begin with one of {SUBJECTS:?}: {text}"));
        (subject, text[subject.len() + 2..].to_owned())
    };
    facts.map(fact).collect()
}

fn webhooks(platform: &dyn Platform) -> String {
    if platform.webhooks().is_none() {
        return String::new();
    }
    let count = |kind: fn(TopicKind) -> bool| {
        platform.spec().topics.iter().filter(|topic| topic.is_sent() && kind(topic.kind)).count()
    };
    let (full, thin) = (
        count(|kind| matches!(kind, TopicKind::Full | TopicKind::Both)),
        count(|kind| kind == TopicKind::Thin),
    );
    let topics = [(full, "with content"), (thin, "thin")].into_iter().filter(|(count, _)| *count > 0);
    topics.map(|(count, kind)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

fn lists(platform: &dyn Platform) -> String {
    let Some(collections) = platform.collections() else { return String::new() };
    let each = collections.all().iter().map(|collection| {
        let reads = match collection.reads {
            Reads::Whole => "whole",
            Reads::Changes { .. } => "changes",
            Reads::ChangesAndWhole { .. } => "changes, whole",
        };
        format!("{} ({reads}; {})", collection.name, interval(collection.every))
    });
    each.collect::<Vec<_>>().join("<br>")
}

fn interval(every: Duration) -> String {
    match every.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds if seconds < 3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

fn writes(platform: &dyn Platform) -> String {
    let kinds =
        [(MirrorKind::Inventory, "levels"), (MirrorKind::Price, "prices"), (MirrorKind::Product, "texts")];
    let each = kinds.into_iter().filter_map(|(kind, name)| {
        let limits = platform.write_limits(kind)?;
        Some(if limits.batch_max > 1 {
            format!("{name} (up to {})", limits.batch_max)
        } else {
            name.to_owned()
        })
    });
    each.collect::<Vec<_>>().join(", ")
}

fn document() -> String {
    let mut text = "<!-- Made by crates/platforms/tests/matrix.rs. -->\n\
        # Platforms\n\n\
        What Tillflow does with each platform. All of it is written after public documents and tested against a \
        simulation that follows them; nothing has been run against a platform itself. A number in brackets is that of \
        the facts which no public document settles: they are listed below.\n\n\
        - **Webhooks**: number of topics, with their content, or thin: they name an object that is fetched.\n\
        - **Fetches**: single objects are read, to complete a notice or to read a value back.\n\
        - **Lists**: collections that are read on a schedule; what changed, or everything; the default interval.\n\
        - **Writes**: kinds of values that Tillflow writes, with the number of writes in one request if it is more than one.\n\
        - **Rate**: calls of one connection by default, per second.\n\n\
        | platform | webhooks | fetches | lists | writes | access tokens | rate |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for platform in platforms::all() {
        let name = platform.name();
        let facts = not_verified(*platform);
        let open = |subject: &str, cell: String| {
            let count = facts.iter().filter(|(of, _)| *of == subject).count();
            match (cell.is_empty(), count) {
                (true, _) => "–".to_owned(),
                (false, 0) => cell,
                (false, _) => format!("{cell} [{count}]"),
            }
        };
        let fetches = if platform.reader().is_some() { "yes".to_owned() } else { String::new() };
        let tokens = if platform.tokens().is_some() { "issued for a time" } else { "–" };
        writeln!(
            text,
            "| [{name}](../../crates/platforms/src/{name}/README.md) | {} | {} | {} | {} | {tokens} | {} |",
            open("Webhooks", webhooks(*platform)),
            open("Fetches", fetches),
            open("Lists", lists(*platform)),
            open("Writes", writes(*platform)),
            platform.spec().rate.per_second,
        )
        .unwrap();
    }
    text.push_str("\n## Not verified\n");
    for platform in platforms::all() {
        write!(text, "\n### {}\n\n", platform.name()).unwrap();
        let facts = not_verified(*platform);
        for subject in SUBJECTS {
            for (_, fact) in facts.iter().filter(|(of, _)| *of == subject) {
                writeln!(text, "- **{subject}**: {fact}").unwrap();
            }
        }
    }
    text
}

/// Fails if the document isn't the file's content; writes it if `TILLFLOW_WRITE_DOCS` is set.
fn write_or_compare(file: &str, document: &str) {
    let path = root().join(file);
    if env::var_os("TILLFLOW_WRITE_DOCS").is_some() {
        fs::write(&path, document).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document,
        "{file} is outdated: TILLFLOW_WRITE_DOCS=1 cargo nextest run -p platforms --test matrix"
    );
}

#[test]
fn the_table_of_platforms_is_that_of_the_code_and_the_readmes() {
    write_or_compare("docs/platforms/README.md", &document());
}
