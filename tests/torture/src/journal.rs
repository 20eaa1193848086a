//! Logs and counters of the replicas, over all their lives.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};
use testkit::Scrape;

/// Upper limit of a log's bytes before it is read and emptied.
const LOG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Upper limit of findings that are kept.
const FINDINGS_MAX: usize = 50;
/// Upper limit of a finding's lines.
const FINDING_LINES: usize = 12;
/// The log message for a batch that is sent again because its outcome is unknown.
const PUBLISHED_AGAIN: &str = "published again";
/// The gauge of records that a replica has read and not passed on.
const IN_HAND: &str = "tillflow_stage_lag_events";
/// Log messages that must never occur.
const BROKEN: [&str; 3] = ["panicked at", "a partition's loop broke", "a task of the intake broke"];

/// One life of one replica: service, index, number of the life.
pub(crate) type Life = (&'static str, u8, u32);

#[derive(Debug, Default)]
struct Pages {
    /// Counters of each life; only the lines that are needed later.
    counted: BTreeMap<Life, String>,
    published_again: u64,
    broken: Vec<String>,
    ended: BTreeMap<&'static str, u64>,
    last_words: BTreeMap<String, u64>,
}

/// Logs and counters of the replicas; shared.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Pages>);

/// The journal's contents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Read {
    /// Sum of all counters, over all lives.
    pub(crate) scrape: Scrape,
    /// Lags of the running replicas: records that they have read and not passed on.
    pub(crate) in_hand: Vec<String>,
    /// Number of batches that were sent again because their outcome was unknown.
    pub(crate) published_again: u64,
    /// Panics and broken tasks in the logs.
    pub(crate) broken: Vec<String>,
    /// Number of times that a service ended by itself, by service.
    pub(crate) ended: BTreeMap<&'static str, u64>,
    /// Their last log lines, with the number of times of each.
    pub(crate) last_words: BTreeMap<String, u64>,
}

impl Journal {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the counters of a life so far.
    pub(crate) fn counted(&self, life: Life, page: &str) {
        let is_relevant = |line: &&str| {
            line.starts_with("tillflow_") && line.contains("_total{") || line.starts_with(IN_HAND)
        };
        let kept: Vec<&str> = page.lines().filter(is_relevant).collect();
        self.pages().counted.insert(life, kept.join("\n"));
    }

    /// Reads a log that has grown large, and empties it; the replica appends to it again.
    pub(crate) fn trim(&self, log: &Path) {
        if fs::metadata(log).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
            self.read(log);
            drop(File::options().write(true).open(log).and_then(|file| file.set_len(0)));
        }
    }

    /// Reads the log of a life that is over, and deletes it.
    pub(crate) fn over(&self, life: Life, log: &Path, by_itself: bool) {
        let last = self.read(log);
        drop(fs::remove_file(log));
        let mut pages = self.pages();
        if let Some(page) = pages.counted.get_mut(&life) {
            // Its records in hand are no longer in progress.
            let counters = page.lines().filter(|line| line.contains("_total{"));
            *page = counters.collect::<Vec<_>>().join("\n");
        }
        if by_itself {
            *pages.ended.entry(life.0).or_default() += 1;
            if pages.last_words.len() < FINDINGS_MAX {
                *pages.last_words.entry(last).or_default() += 1;
            }
        }
    }

    /// Records the findings of a log; returns its last error, or else its last line.
    fn read(&self, log: &Path) -> String {
        let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let mut pages = self.pages();
        pages.published_again += lines.iter().filter(|line| line.contains(PUBLISHED_AGAIN)).count() as u64;
        for (index, line) in lines.iter().enumerate() {
            if BROKEN.iter().any(|broken| line.contains(broken)) && pages.broken.len() < FINDINGS_MAX {
                let end = lines.len().min(index + FINDING_LINES);
                pages.broken.push(lines[index..end].join("\n"));
            }
        }
        let last = lines.iter().rev().find(|line| line.contains("\"ERROR\"")).or(lines.last());
        without_time(last.copied().unwrap_or("no word"))
    }

    /// Number of records that a life had read and not passed on at the last reading of its counters.
    pub(crate) fn in_hand(&self, life: Life) -> u64 {
        let page = self.pages().counted.get(&life).cloned().unwrap_or_default();
        Scrape::read(&[page]).count(IN_HAND, &[])
    }

    /// Returns the contents, after reading the logs of the running replicas.
    pub(crate) fn close<'a>(&self, running: impl Iterator<Item = &'a Path>) -> Read {
        for log in running {
            self.read(log);
        }
        let pages = self.pages();
        let all: Vec<String> = pages.counted.values().cloned().collect();
        Read {
            scrape: Scrape::read(&all),
            in_hand: pages.counted.iter().flat_map(|(life, page)| in_hand(*life, page)).collect(),
            published_again: pages.published_again,
            broken: pages.broken.clone(),
            ended: pages.ended.clone(),
            last_words: pages.last_words.clone(),
        }
    }

    /// The last log lines of services that ended by themselves, with the number of times of each.
    pub(crate) fn last_words(&self) -> BTreeMap<String, u64> {
        self.pages().last_words.clone()
    }

    /// Sum of all counters so far, over all lives.
    pub(crate) fn scrape(&self) -> Scrape {
        let all: Vec<String> = self.pages().counted.values().cloned().collect();
        Scrape::read(&all)
    }
}

/// Lags of a running life, one text for each partition that has any.
fn in_hand((service, index, _): Life, page: &str) -> Vec<String> {
    let lags = page.lines().filter(|line| line.starts_with(IN_HAND) && !line.ends_with(" 0"));
    lags.map(|line| format!("{service}-{index} says {line}")).collect()
}

/// Removes the timestamp, so that the same message at another time counts as the same.
fn without_time(line: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(line);
    let Ok(serde_json::Value::Object(mut fields)) = parsed else { return line.to_owned() };
    fields.remove("timestamp");
    serde_json::Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (sandbox::Scratch, std::path::PathBuf) {
        let scratch = sandbox::Scratch::new().unwrap();
        let path = scratch.path().join("log");
        fs::write(&path, text).unwrap();
        (scratch, path)
    }

    #[test]
    fn what_a_killed_replica_counted_stays_counted_and_adds_up() {
        let journal = Journal::default();
        let counted = |value: u32| {
            format!(
                "tillflow_interruptions_total{{stage=\"apply\",cause=\"fenced\"}} {value}\n\
                 tillflow_stage_lag_events{{stage=\"apply\",partition=\"1\"}} 5\nother{{}} 1\n"
            )
        };
        let (_scratch, log) = file("");
        journal.counted(("apply", 0, 1), &counted(2));
        journal.counted(("apply", 0, 1), &counted(3));
        assert_eq!(journal.in_hand(("apply", 0, 1)), 5);
        journal.over(("apply", 0, 1), &log, false);
        journal.counted(("apply", 0, 2), &counted(4));
        let read = journal.close([].into_iter());
        let fenced = read.scrape.count("tillflow_interruptions_total", &[("cause", "fenced")]);
        assert_eq!(fenced, 7);
        assert_eq!(read.in_hand.len(), 1, "only of those that live: {:?}", read.in_hand);
        assert!(read.in_hand[0].starts_with("apply-0 says ") && read.in_hand[0].ends_with(" 5"));
    }

    #[test]
    fn a_panic_in_a_log_is_found_and_a_death_keeps_its_last_words() {
        let journal = Journal::default();
        let (_scratch, log) = file(
            "{\"level\":\"DEBUG\",\"message\":\"published again\"}\nthread 'x' panicked at a.rs:1\nbecause\n\
             {\"timestamp\":\"now\",\"level\":\"ERROR\",\"message\":\"stopped\"}\n",
        );
        journal.over(("apply", 0, 1), &log, true);
        let read = journal.close([].into_iter());
        assert_eq!((read.published_again, read.broken.len(), read.ended["apply"]), (1, 1, 1));
        assert!(read.broken[0].contains("because"));
        assert!(read.last_words.keys().all(|words| words.contains("stopped") && !words.contains("now")));
    }
}
