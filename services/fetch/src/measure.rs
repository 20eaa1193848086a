//! Metrics of lists.

use model::{CollectionState, Connection, ConnectionId, ListRead, ReadOutcome, Timestamp};
use prometheus::{
    GaugeVec, IntCounterVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use runner::{Metrics, now};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Time after which a connection that this process reads no longer isn't measured any more: several times the longest
/// pause between two looks at it.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(20);

/// Counters of lists, and the ages of collections.
#[derive(Clone)]
pub(crate) struct Measure {
    objects: IntCounterVec,
    reads: IntCounterVec,
    ages: Ages,
}

impl Measure {
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let objects = IntCounterVec::new(
            Opts::new("tillflow_collection_objects_total", "Objects of lists by what followed"),
            &["platform", "collection", "result"],
        )?;
        let reads = IntCounterVec::new(
            Opts::new("tillflow_collection_reads_total", "Reads of lists by how they ended"),
            &["platform", "collection", "outcome"],
        )?;
        let ages = Ages::new()?;
        metrics.registry().register(Box::new(objects.clone()))?;
        metrics.registry().register(Box::new(reads.clone()))?;
        metrics.registry().register(Box::new(ages.clone()))?;
        Ok(Self { objects, reads, ages })
    }

    /// Counts the objects of a page.
    pub(crate) fn page(&self, platform: &str, collection: &str, seen: u64, reported: u64) {
        self.count(platform, collection, "seen", seen);
        self.count(platform, collection, "reported", reported);
    }

    /// Counts objects that a complete list lacks.
    pub(crate) fn missing(&self, platform: &str, collection: &str, missing: u64) {
        self.count(platform, collection, "missing", missing);
    }

    /// Counts an object that no delivery can hold.
    pub(crate) fn refused(&self, platform: &str, collection: &str) {
        self.count(platform, collection, "refused", 1);
    }

    fn count(&self, platform: &str, collection: &str, result: &str, count: u64) {
        self.objects.with_label_values(&[platform, collection, result]).inc_by(count);
    }

    /// Counts the end of a read.
    pub(crate) fn ended(&self, platform: &str, collection: &str, read: &ListRead, outcome: ReadOutcome) {
        self.reads.with_label_values(&[platform, collection, outcome.as_str()]).inc();
        self.count(platform, collection, "gone", read.gone);
    }

    /// Notes the time at which a collection was last read completely.
    pub(crate) fn completed(&self, connection: &Connection, collection: &str, state: &CollectionState) {
        let of = (connection.platform.to_string(), collection.to_owned(), connection.id.clone());
        let complete_at = state.complete_at.unwrap_or(connection_age(state));
        self.ages.lock().insert(of, Completed { complete_at, looked_at: now() });
    }
}

/// The time from which a collection that was never read completely is counted.
fn connection_age(state: &CollectionState) -> Timestamp {
    state.read.as_ref().map_or(state.due_at, |read| read.began_at)
}

struct Completed {
    complete_at: Timestamp,
    looked_at: Timestamp,
}

type CompletedReads = BTreeMap<(String, String, ConnectionId), Completed>;

/// The age of the oldest collection of each name, computed when it is asked for.
#[derive(Clone)]
struct Ages {
    gauge: GaugeVec,
    completed: Arc<Mutex<CompletedReads>>,
}

impl Ages {
    fn new() -> Result<Self, prometheus::Error> {
        let help = "Time since the end of the last complete read of a list, of the connection where it is longest ago";
        let gauge =
            GaugeVec::new(Opts::new("tillflow_collection_age_seconds", help), &["platform", "collection"])?;
        Ok(Self { gauge, completed: Arc::default() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, CompletedReads> {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Ages {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = now();
        let mut completed = self.lock();
        completed.retain(|_, completed| completed.looked_at.after(FORGOTTEN_AFTER) > now);
        let mut ages: BTreeMap<(&str, &str), Duration> = BTreeMap::new();
        for ((platform, collection, _), completed) in completed.iter() {
            let age = ages.entry((platform, collection)).or_default();
            *age = (*age).max(Duration::from_micros(now.micros_since(completed.complete_at)));
        }
        self.gauge.reset();
        for ((platform, collection), age) in ages {
            self.gauge.with_label_values(&[platform, collection]).set(age.as_secs_f64());
        }
        self.gauge.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_oldest_collection_and_of_connections_that_are_still_read() {
        let metrics = Metrics::new().unwrap();
        let measure = Measure::new(&metrics).unwrap();
        let ago = |minutes: i64| Timestamp::from_micros(now().as_micros() - minutes * 60_000_000);
        let insert = |connection: &str, complete_at, looked_at| {
            let of = ("p".to_owned(), "orders".to_owned(), ConnectionId::new(connection).unwrap());
            measure.ages.lock().insert(of, Completed { complete_at, looked_at });
        };
        insert("young", ago(1), ago(0));
        insert("old", ago(10), ago(0));
        insert("elsewhere", ago(1000), ago(60));
        let page = String::from_utf8(metrics.render()).unwrap();
        let line = page.lines().find(|line| line.starts_with("tillflow_collection_age_seconds{")).unwrap();
        let age: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!((600.0..3600.0).contains(&age), "{line}");
    }
}
