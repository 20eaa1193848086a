//! Reads of platforms' lists: begun, followed to their ends, shown.

mod status;

pub(crate) use status::status;

use crate::{
    cli::{Backfill, Listed, Output, Sync, SyncVerb},
    connection,
    environment::open_store,
    failure::Failed,
    output,
};
use model::{
    CollectionState, EndedRead, ReadOutcome, ReadRange, ReadRequest, ReadTimes, Requested, Timestamp,
};
use platforms::{Collection, Reads};
use serde_json::{Value, json};
use std::time::Duration;
use store::{CollectionRow, ConnectionState, Store};
use tokio::time::Instant;

/// Interval between two looks at a read.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Interval between two lines about progress.
const REPORT_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(arguments: Sync, output: Output) -> Result<(), Failed> {
    match arguments.what {
        SyncVerb::Run { of, whole, accept_missing, wait, target } => {
            let requested = if whole { Requested::Whole } else { Requested::Due };
            let request = ReadRequest { requested, accepts_missing: accept_missing };
            let lists = Followed::find(open_store(&target).await?, &of, &request, |_| false).await?;
            lists.begin(&request).await?;
            lists.follow(Some(Duration::from_secs(wait.seconds)), output).await
        }
        // Without times clap requires --default.
        SyncVerb::Times { of, at, default: _, target } => {
            let request = ReadRequest { requested: Requested::Whole, accepts_missing: false };
            let lists = Followed::find(open_store(&target).await?, &of, &request, |_| false).await?;
            let names: Vec<String> = lists.lists.iter().map(|list| list.name.to_owned()).collect();
            lists.store.set_whole_times(&lists.state.origin.connection, &names, at.as_ref()).await?;
            for name in &names {
                let times = at.as_ref().map(ReadTimes::as_str);
                match output {
                    Output::Json => output::json(&json!({ "collection": name, "whole_times": times })),
                    Output::Text => {
                        output::line(&format!("{name}: {}", times.unwrap_or("the default times")));
                    }
                }
            }
            Ok(())
        }
        SyncVerb::Status { connection, target } => {
            status(&open_store(&target).await?, &connection, output).await
        }
    }
}

/// Reads what changed in a range of time. The reads are rows of the record: they go on if this process ends, and the same
/// command follows them again.
pub(crate) async fn backfill(arguments: Backfill, output: Output) -> Result<(), Failed> {
    let Backfill { of, since, until: end, no_wait, target } = arguments;
    let until = end.unwrap_or_else(runner::now);
    if until <= since {
        return Err(Failed::Usage("the range ends before it begins".to_owned()));
    }
    let request = ReadRequest { requested: Requested::Between { since, until }, accepts_missing: false };
    let is_same = |range| match range {
        ReadRange::Changed { since: from, until: Some(to) } => {
            from == since && end.is_none_or(|end| end == to)
        }
        ReadRange::Changed { until: None, .. } | ReadRange::Whole => false,
    };
    let lists = Followed::find(open_store(&target).await?, &of, &request, is_same).await?;
    lists.begin(&request).await?;
    lists.follow(no_wait.then_some(Duration::ZERO), output).await
}

/// The lists that a person wants read.
struct Followed {
    store: Store,
    state: ConnectionState,
    lists: Vec<List>,
}

/// A list that a person wants read.
struct List {
    name: &'static str,
    /// Number of its reads before the wanted one.
    before: u64,
    /// True if the wanted read is under way already.
    is_under_way: bool,
}

impl Followed {
    /// Finds the lists of a connection that the request suits; adds those that were never read. Requested reads of which
    /// the range `is_same` are followed.
    async fn find(
        store: Store,
        of: &Listed,
        request: &ReadRequest,
        is_same: impl Fn(ReadRange) -> bool,
    ) -> Result<Self, Failed> {
        let state = connection::find(&store, &of.connection).await?;
        let names = wanted(&state, of, request)?;
        let due = || CollectionState { due_at: runner::now(), ..CollectionState::default() };
        let added: Vec<_> = names.iter().map(|name| (*name, due())).collect();
        store.add_collections(&state.origin, &added).await?;
        let rows = store.collections(&state.origin.connection).await?;
        let list = |name: &'static str| {
            let state = rows.iter().find(|row| row.collection == name).map(|row| &row.state);
            let read = state.and_then(|state| state.read.as_ref());
            let is_under_way = read.is_some_and(|read| read.is_requested && is_same(read.range));
            let begun = state.map_or(0, |state| state.reads);
            List { name, before: if is_under_way { begun.saturating_sub(1) } else { begun }, is_under_way }
        };
        let lists = names.into_iter().map(list).collect();
        Ok(Self { store, state, lists })
    }

    async fn begin(&self, request: &ReadRequest) -> Result<(), Failed> {
        let new = self.lists.iter().filter(|list| !list.is_under_way);
        let new: Vec<String> = new.map(|list| list.name.to_owned()).collect();
        self.store.request_read(&self.state.origin.connection, &new, request).await?;
        if !self.state.enabled {
            output::progress("the connection is paused: it is read when it is resumed");
        }
        Ok(())
    }

    /// Waits until all reads have ended, for at most `limit`, and prints their results.
    async fn follow(&self, limit: Option<Duration>, output: Output) -> Result<(), Failed> {
        let began = Instant::now();
        let mut reported = began;
        loop {
            let rows = self.store.collections(&self.state.origin.connection).await?;
            let ended: Vec<_> = self.lists.iter().map(|list| (list.name, ended(&rows, list))).collect();
            let is_over = ended.iter().all(|(_, ended)| ended.is_some());
            if is_over || limit.is_some_and(|limit| began.elapsed() >= limit) {
                return self.conclude(&ended, limit, output);
            }
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                rows.iter().filter_map(progress_line).for_each(|line| output::progress(&line));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn conclude(
        &self,
        ended: &[(&'static str, Option<EndedRead>)],
        limit: Option<Duration>,
        output: Output,
    ) -> Result<(), Failed> {
        for (name, ended) in ended {
            match output {
                Output::Json => output::json(&result(&self.state, name, ended.as_ref())),
                Output::Text => output::line(&result_line(name, ended.as_ref())),
            }
        }
        // Whoever doesn't wait wants no result.
        if limit == Some(Duration::ZERO) {
            return Ok(());
        }
        let failed = ended.iter().find(|(_, ended)| !ended.as_ref().is_some_and(is_done));
        match failed {
            None => Ok(()),
            Some((name, None)) => Err(Failed::Other(format!("the read of {name} hasn't ended; it goes on"))),
            Some((name, Some(ended))) => {
                Err(Failed::Other(format!("the read of {name} was {}", words(ended.outcome))))
            }
        }
    }
}

/// Returns whether a collection with these reads has the requested range.
const fn suits(request: &ReadRequest, reads: Reads) -> bool {
    match (request.requested, reads) {
        (Requested::Due, _)
        | (Requested::Whole, Reads::Whole | Reads::ChangesAndWhole { .. })
        | (Requested::Between { .. }, Reads::Changes { .. } | Reads::ChangesAndWhole { .. }) => true,
        (Requested::Whole, Reads::Changes { .. }) | (Requested::Between { .. }, Reads::Whole) => false,
    }
}

/// The names of the wanted collections that have the requested range.
fn wanted(state: &ConnectionState, of: &Listed, request: &ReadRequest) -> Result<Vec<&'static str>, Failed> {
    let platform = platforms::find(state.origin.platform.as_str());
    let Some(collections) = platform.and_then(|platform| platform.collections()) else {
        return Err(Failed::Other(format!("{} has no lists", state.origin.platform)));
    };
    let all = collections.all();
    for name in &of.collection {
        if all.iter().all(|collection| collection.name != name) {
            let names: Vec<_> = all.iter().map(|collection| collection.name).collect();
            return Err(Failed::Other(format!("there is no collection {name}, only {}", names.join(", "))));
        }
    }
    let is_wanted = |it: &&Collection| of.collection.is_empty() || of.collection.iter().any(|n| n == it.name);
    let (suitable, others): (Vec<&Collection>, Vec<&Collection>) =
        all.iter().filter(is_wanted).partition(|it| suits(request, it.reads));
    for other in &others {
        output::progress(&format!("{} has no such range and isn't read", other.name));
    }
    if suitable.is_empty() {
        return Err(Failed::Other("no list has such a range".to_owned()));
    }
    Ok(suitable.into_iter().map(|collection| collection.name).collect())
}

/// The wanted read, or a later one, if it has ended.
fn ended(rows: &[CollectionRow], list: &List) -> Option<EndedRead> {
    let state = &rows.iter().find(|row| row.collection == list.name)?.state;
    state.last.clone().filter(|last| last.read.number > list.before)
}

fn is_done(ended: &EndedRead) -> bool {
    matches!(ended.outcome, ReadOutcome::Complete | ReadOutcome::Shifted)
}

const fn words(outcome: ReadOutcome) -> &'static str {
    match outcome {
        ReadOutcome::Complete => "complete",
        ReadOutcome::Shifted => "incomplete, because its pages shifted",
        ReadOutcome::GivenUp => "given up",
        ReadOutcome::Superseded => "superseded by another one",
    }
}

/// The progress of a read, with the time that is left if the platform states the length of the list.
fn progress_line(row: &CollectionRow) -> Option<String> {
    let read = row.state.read.as_ref()?;
    let of = read.total.map(|total| format!(" of {total}")).unwrap_or_default();
    let left = read.total.filter(|_| read.seen > 0).map(|total| {
        let elapsed = runner::now().micros_since(read.began_at) / 1_000_000;
        let left = elapsed.saturating_mul(total.saturating_sub(read.seen)) / read.seen;
        format!(", {left} s to go")
    });
    let left = left.unwrap_or_default();
    Some(format!("{}: {} pages, {}{of} objects{left}", row.collection, read.pages, read.seen))
}

fn result_line(name: &str, ended: Option<&EndedRead>) -> String {
    let Some(EndedRead { read, outcome, .. }) = ended else { return format!("{name}: requested") };
    format!(
        "{name}: {}; {} pages, {} objects, {} reported, {} missing, {} gone",
        words(*outcome),
        read.pages,
        read.seen,
        read.reported,
        read.missing,
        read.gone
    )
}

fn result(state: &ConnectionState, name: &str, ended: Option<&EndedRead>) -> Value {
    json!({
        "connection": state.origin.connection,
        "collection": name,
        "outcome": ended.map(|ended| ended.outcome.as_str()),
        "ended_at": ended.map(|ended| ended.ended_at.to_string()),
        "pages": ended.map(|ended| ended.read.pages),
        "seen": ended.map(|ended| ended.read.seen),
        "reported": ended.map(|ended| ended.read.reported),
        "missing": ended.map(|ended| ended.read.missing),
        "gone": ended.map(|ended| ended.read.gone),
    })
}

/// The age of a time, in words.
pub(crate) fn age(since: Timestamp) -> String {
    let seconds = runner::now().micros_since(since) / 1_000_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::parse("2026-11-28T00:00:00Z").unwrap().after(Duration::from_secs(seconds))
    }

    #[test]
    fn only_lists_of_changes_have_a_range_of_time_and_only_whole_ones_are_read_whole() {
        let overlap = Duration::ZERO;
        let request = |requested| ReadRequest { requested, accepts_missing: false };
        let between = Requested::Between { since: at(0), until: at(1) };
        for (requested, whole, both, changes) in [
            (Requested::Due, true, true, true),
            (Requested::Whole, true, true, false),
            (between, false, true, true),
        ] {
            let all = [Reads::Whole, Reads::ChangesAndWhole { overlap }, Reads::Changes { overlap }];
            let found = all.map(|reads| suits(&request(requested), reads));
            assert_eq!(found, [whole, both, changes], "{requested:?}");
        }
    }
}
