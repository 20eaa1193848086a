use super::*;
use proptest::prelude::*;
use std::sync::{Mutex, atomic::AtomicUsize};
use tokio::runtime::Builder;

const PARTITIONS: u16 = 4;

/// A change of membership: after so many milliseconds, these partitions are ours.
type Change = (u64, BTreeSet<u16>);

/// The running loops, and the number of those that started while another one of their partition ran.
#[derive(Default)]
struct Running {
    now: Mutex<HashMap<Partition, usize>>,
    together: AtomicUsize,
}

impl Running {
    async fn run(self: Arc<Self>, partition: Partition, stop: CancellationToken, finishing: Duration) {
        let others = {
            let mut now = self.now.lock().unwrap();
            let count = now.entry(partition).or_default();
            *count += 1;
            *count - 1
        };
        self.together.fetch_add(others, Ordering::Relaxed);
        stop.cancelled().await;
        sleep(finishing).await;
        *self.now.lock().unwrap().entry(partition).or_default() -= 1;
    }

    fn partitions(&self) -> BTreeSet<Partition> {
        let now = self.now.lock().unwrap();
        now.iter().filter(|(_, count)| **count > 0).map(|(partition, _)| *partition).collect()
    }
}

fn ours(partitions: &BTreeSet<u16>) -> Arc<BTreeSet<Partition>> {
    Arc::new(partitions.iter().copied().map(Partition).collect())
}

/// Returns the partitions that run after all changes, and the number of loops that ran beside another one
/// of their partition.
async fn play(changes: Vec<Change>, finishing: Vec<u64>) -> (BTreeSet<Partition>, usize) {
    let running = Arc::new(Running::default());
    let (assign, assignment) = watch::channel(Arc::default());
    let stop = CancellationToken::new();
    let begun = AtomicUsize::new(0);
    let begin = |partition, stop| {
        let nth = begun.fetch_add(1, Ordering::Relaxed);
        let finishing = Duration::from_millis(finishing[nth % finishing.len()]);
        Arc::clone(&running).run(partition, stop, finishing)
    };
    let member = async {
        for (after, partitions) in changes {
            sleep(Duration::from_millis(after)).await;
            assign.send_replace(ours(&partitions));
        }
        sleep(Duration::from_mins(1)).await;
        let at_rest = running.partitions();
        stop.cancel();
        at_rest
    };
    let ((), at_rest) = tokio::join!(follow(assignment, &stop, |_| (), begin), member);
    assert!(running.partitions().is_empty(), "every loop has ended");
    (at_rest, running.together.load(Ordering::Relaxed))
}

proptest! {
    #[test]
    fn no_partition_runs_twice_at_once_and_in_the_end_ours_run(
        changes in prop::collection::vec((0_u64..40, prop::collection::btree_set(0..PARTITIONS, 0..=4)), 1..30),
        finishing in prop::collection::vec(0_u64..100, 1..8),
    ) {
        let last = changes.last().map(|(_, partitions)| ours(partitions)).unwrap();
        let clock = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (at_rest, together) = clock.block_on(play(changes, finishing));
        prop_assert_eq!(together, 0, "loops of one partition beside each other");
        prop_assert_eq!(&at_rest, &*last);
    }
}

fn waiting(metrics: &Metrics, readiness: &Readiness) -> Waiting {
    let alerts = Alerts::new("apply", metrics, None);
    Waiting::new("apply", Some(Partition(0)), alerts, readiness.clone())
}

fn partition_run(stop: &CancellationToken) -> PartitionRun {
    PartitionRun { partition: Partition(0), stop: stop.clone(), progress: Arc::default() }
}

#[tokio::test(start_paused = true)]
async fn a_loop_has_time_to_finish_and_one_that_does_not_stop_is_dropped() {
    let (stop, metrics) = (CancellationToken::new(), Metrics::new().unwrap());
    stop.cancel();
    let finished = Arc::new(AtomicBool::new(false));
    let slow = |_| {
        let finished = Arc::clone(&finished);
        async move {
            sleep(STOP_LIMIT / 2).await;
            finished.store(true, Ordering::Relaxed);
            Ok(())
        }
    };
    keep_running(&metrics, waiting(&metrics, &Readiness::default()), partition_run(&stop), &slow).await;
    assert!(finished.load(Ordering::Relaxed));
    let stuck = |_| std::future::pending::<Result<(), Fault>>();
    keep_running(&metrics, waiting(&metrics, &Readiness::default()), partition_run(&stop), &stuck).await;
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_panics_begins_again_and_is_counted() {
    let (stop, metrics) = (CancellationToken::new(), Metrics::new().unwrap());
    let runs = AtomicUsize::new(0);
    let run = |_| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(run > 1, "broken on purpose");
            Ok(())
        }
    };
    keep_running(&metrics, waiting(&metrics, &Readiness::default()), partition_run(&stop), &run).await;
    assert_eq!(runs.load(Ordering::Relaxed), 3);
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(text.contains("tillflow_interruptions_total{cause=\"panic\",stage=\"apply\"} 2"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_a_person_has_to_put_right_is_waited_for_with_growing_pauses_and_makes_the_process_unready() {
    const ATTEMPTS: usize = 20;
    let (stop, metrics, readiness) =
        (CancellationToken::new(), Metrics::new().unwrap(), Readiness::default());
    readiness.set(true);
    let (runs, began) = (AtomicUsize::new(0), tokio::time::Instant::now());
    let begun = Mutex::new(Vec::new());
    let run = |_| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        begun.lock().unwrap().push((began.elapsed(), readiness.get()));
        let stop = stop.clone();
        async move {
            if run < ATTEMPTS {
                return Err(Fault::setup("the database", "run the migrations"));
            }
            stop.cancelled().await;
            Ok(())
        }
    };
    let put_right = async {
        while runs.load(Ordering::Relaxed) <= ATTEMPTS {
            sleep(Duration::from_secs(1)).await;
        }
        sleep(SETTLED_AFTER).await;
        let ready = readiness.get();
        stop.cancel();
        ready
    };
    let running = keep_running(&metrics, waiting(&metrics, &readiness), partition_run(&stop), &run);
    let ((), ready_again) = tokio::join!(running, put_right);
    assert!(ready_again, "it is ready again once it works");
    let begun = begun.into_inner().unwrap();
    assert!(begun[0].1 && begun[1..].iter().all(|(_, ready)| !ready), "it is unready meanwhile");
    let pauses: Vec<Duration> = begun.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)).collect();
    assert!(pauses.iter().all(|pause| *pause <= Backoff::LONGEST_OF_SETUP), "{pauses:?}");
    assert!(pauses[ATTEMPTS - 1] >= Backoff::LONGEST_OF_SETUP / 2, "they grow: {pauses:?}");
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(text.contains("tillflow_permanent_errors_total{kind=\"setup\",stage=\"apply\"} 20"), "{text}");
}

/// Simulates `ATTEMPTS` runs that are each interrupted after `seconds`, then one that works. Returns the time until the
/// replica was first seen unready, if it was, and true if it is ready once the run works.
async fn outage_of_runs(seconds: u64, makes_progress: bool) -> (Option<Duration>, bool) {
    const ATTEMPTS: usize = 30;
    let (stop, metrics, readiness) =
        (CancellationToken::new(), Metrics::new().unwrap(), Readiness::default());
    readiness.set(true);
    let (runs, began) = (AtomicUsize::new(0), Instant::now());
    let unready_after = Mutex::new(None);
    let run = |partition_run: PartitionRun| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        let stop = stop.clone();
        if !readiness.get() {
            unready_after.lock().unwrap().get_or_insert(began.elapsed());
        }
        async move {
            if run < ATTEMPTS {
                sleep(Duration::from_secs(seconds)).await;
                if makes_progress {
                    partition_run.made_progress();
                }
                return Err(Fault::transient("the broker", std::io::Error::other("no room")));
            }
            stop.cancelled().await;
            Ok(())
        }
    };
    let over = async {
        while runs.load(Ordering::Relaxed) <= ATTEMPTS {
            sleep(Duration::from_secs(1)).await;
        }
        sleep(CALM_AFTER).await;
        let ready = readiness.get();
        stop.cancel();
        ready
    };
    let running = keep_running(&metrics, waiting(&metrics, &readiness), partition_run(&stop), &run);
    let ((), ready_again) = tokio::join!(running, over);
    (unready_after.into_inner().unwrap(), ready_again)
}

#[tokio::test(start_paused = true)]
async fn a_stalled_partition_makes_its_replica_unready_until_it_goes_on() {
    for seconds in [0, 10] {
        let (unready_after, ready_again) = outage_of_runs(seconds, false).await;
        let unready_after = unready_after.expect("it is unready");
        assert!(unready_after >= STALLED_AFTER, "{unready_after:?}");
        assert!(unready_after < STALLED_AFTER * 2, "{unready_after:?}");
        assert!(ready_again, "it is ready again once it works");
    }
    assert_eq!(outage_of_runs(10, true).await, (None, true), "whoever gets on is ready");
}
