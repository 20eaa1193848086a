//! Effects that a run has seen. A run in which nothing went wrong proves nothing.

use crate::{
    args::{Group, Options},
    evidence::{Evidence, Meaning},
    fault::{Done, Fault},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use testkit::{Program, Scrape};

/// Number of responses of simulated platforms by status; 0 where they ended the connection.
pub(crate) type Statuses = BTreeMap<u16, u64>;

/// One kind of effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Seen {
    /// Its name.
    pub(crate) what: &'static str,
    /// Number of times that it was seen.
    pub(crate) count: u64,
    /// True if a run with these faults must see it.
    pub(crate) required: bool,
}

/// Facts about a run that aren't in the evidence.
pub(crate) struct Witnessed<'a> {
    pub(crate) options: &'a Options,
    pub(crate) done: &'a Done,
    pub(crate) platforms: &'a Statuses,
    pub(crate) read_again: u64,
}

/// Effects of the faults so far, of the kinds that depend on what a fault happens to hit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caused {
    /// Number of commits and appends refused because another replica owns the partition.
    pub(crate) fenced: u64,
    /// Number of requests with the response 503 from the intake.
    pub(crate) sent_away: u64,
    /// Number of interruptions of apply while the database was down.
    pub(crate) unknown_commits: u64,
    /// Number of database sessions that were ended in the middle of a transaction.
    pub(crate) sessions_ended: u64,
    /// Responses of simulated platforms; none if there are no such platforms.
    pub(crate) platforms: Option<Statuses>,
}

impl Caused {
    /// The faults of these groups that have had no effect yet: they hit nothing that was under way.
    pub(crate) fn nothing_by(&self, groups: &BTreeSet<Group>) -> Vec<Fault> {
        let platforms = |range: std::ops::RangeInclusive<u16>| match &self.platforms {
            Some(statuses) => statuses.range(range).map(|(_, count)| count).sum(),
            None => 1,
        };
        [
            (Group::Pauses, Fault::Pause(Program::Apply), self.fenced),
            (Group::Broker, Fault::BrokerAway, self.sent_away),
            (Group::Database, Fault::Sessions, self.unknown_commits.min(self.sessions_ended)),
            (Group::Platforms, Fault::Throttling, platforms(429..=429)),
            (Group::Platforms, Fault::Failing, platforms(500..=599)),
            (Group::Platforms, Fault::Resets, platforms(0..=0)),
        ]
        .into_iter()
        .filter(|(group, _, count)| groups.contains(group) && *count == 0)
        .map(|(_, fault, _)| fault)
        .collect()
    }
}

/// Number of fencings that the replicas have counted.
pub(crate) fn fenced(scrape: &Scrape) -> u64 {
    scrape.count("tillflow_interruptions_total", &[("cause", "fenced")])
}

/// Counts all effects.
pub(crate) fn all(evidence: &Evidence, witnessed: &Witnessed<'_>) -> Vec<Seen> {
    let groups = witnessed.options.groups();
    let has = |group: Group| groups.contains(&group);
    let simulated = witnessed.options.simulated > 0;
    let scrape = &evidence.journal.scrape;
    let ended = |outcome: &str| {
        let event_outcomes =
            evidence.event_outcomes.iter().filter(|event_outcome| event_outcome.outcome == outcome);
        event_outcomes.count() as u64
    };
    let counted = |labels: &[(&str, &str)]| scrape.count("tillflow_events_total", labels);
    let filtered = evidence.raw.values().filter(|kept| kept.meaning == Meaning::Filtered).count() as u64;
    let duplicates = evidence.ledger.responses.repeated
        + counted(&[("stage", "dedupe"), ("outcome", "duplicate")])
        + counted(&[("stage", "apply"), ("outcome", "duplicate")]);
    let twice: u64 = evidence.raw.values().map(|kept| u64::from(kept.times - 1)).sum();
    let intake = |status: u16| evidence.ledger.responses.statuses.get(&status).copied().unwrap_or(0);
    let platforms = |status: u16| witnessed.platforms.get(&status).copied().unwrap_or(0);
    let failing = witnessed.platforms.range(500..).map(|(_, count)| count).sum();
    let platforms_fail = has(Group::Platforms) && simulated;
    [
        ("applied", ended("applied"), true),
        ("duplicate", duplicates, true),
        ("stale", ended("stale"), true),
        ("unchanged", ended("unchanged"), true),
        ("echo", ended("echo"), simulated),
        ("filtered", filtered + evidence.ledger.unknown_topics + ended("filtered"), true),
        ("dead", evidence.dead_letters.len() as u64, true),
        ("conflicts", evidence.conflicts, true),
        ("refused at the intake", evidence.ledger.refused.values().sum(), true),
        ("fenced", fenced(scrape), has(Group::Pauses)),
        ("redelivered: more than once in RAW", twice, has(Group::StageKills)),
        ("redelivered: read by a replica that was killed", witnessed.read_again, false),
        ("unknown commits", witnessed.done.unknown_commits, has(Group::Database)),
        ("sessions ended in a transaction", witnessed.done.sessions_ended, has(Group::Database)),
        ("unknown publishes", evidence.journal.published_again, has(Group::Broker)),
        ("503 from the intake", intake(503), has(Group::Broker)),
        ("no response from the intake", intake(0), false),
        ("429 from platforms", platforms(429), platforms_fail),
        ("5xx from platforms", failing, platforms_fail),
        ("connections ended by platforms", platforms(0), platforms_fail),
    ]
    .into_iter()
    .map(|(what, count, required)| Seen { what, count, required })
    .collect()
}

/// Required effects that weren't seen, and chosen faults that weren't made.
pub(crate) fn missing(seen: &[Seen], witnessed: &Witnessed<'_>) -> Vec<String> {
    let unseen = seen.iter().filter(|seen| seen.required && seen.count == 0);
    let mut missing: Vec<String> = unseen.map(|seen| format!("this run saw no {}", seen.what)).collect();
    for group in witnessed.options.groups() {
        let never = |fault: &Fault| witnessed.done.tallies.get(fault).is_none_or(|tally| tally.count == 0);
        let all = Fault::of(group, witnessed.options.programs()).into_iter().map(|(fault, _)| fault);
        let unmade = all.filter(|fault| fault.must_be_seen()).filter(never);
        missing.extend(unmade.map(|fault| format!("this run made no fault of the kind: {fault}")));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn what_must_be_seen_depends_on_the_faults_that_were_chosen() {
        let missing = |faults: &str| {
            let options = Options::parse_from(["torture", "--faults", faults, "--simulated", "0"]);
            let done = Done::default();
            let platforms = Statuses::new();
            let witnessed =
                Witnessed { options: &options, done: &done, platforms: &platforms, read_again: 0 };
            missing(&all(&Evidence::default(), &witnessed), &witnessed)
        };
        let none = missing("none");
        assert!(none.contains(&"this run saw no stale".to_owned()), "{none:?}");
        assert!(!none.iter().any(|missing| missing.contains("fenced") || missing.contains("kind")));
        let pauses = missing("pauses");
        assert!(pauses.contains(&"this run saw no fenced".to_owned()), "{pauses:?}");
        assert!(pauses.contains(&"this run made no fault of the kind: pause apply".to_owned()), "{pauses:?}");
        assert!(missing("broker").contains(&"this run saw no 503 from the intake".to_owned()));
        assert!(!missing("platforms").contains(&"this run saw no 429 from platforms".to_owned()));
    }

    #[test]
    fn a_chosen_fault_that_caused_nothing_is_named_until_it_has() {
        let groups = BTreeSet::from([Group::Platforms, Group::Database]);
        let mut caused = Caused { unknown_commits: 1, sessions_ended: 1, ..Caused::default() };
        assert_eq!(caused.nothing_by(&groups), [], "there are no platforms");
        caused.platforms = Some(Statuses::from([(200, 9), (429, 1), (503, 1)]));
        assert_eq!(caused.nothing_by(&groups), [Fault::Resets]);
        caused.platforms = Some(Statuses::from([(0, 1), (429, 1), (503, 1)]));
        assert_eq!(caused.nothing_by(&groups), []);
        for (unknown_commits, sessions_ended) in [(0, 1), (1, 0)] {
            (caused.unknown_commits, caused.sessions_ended) = (unknown_commits, sessions_ended);
            assert_eq!(caused.nothing_by(&groups), [Fault::Sessions]);
        }
    }
}
