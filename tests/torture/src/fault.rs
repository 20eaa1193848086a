//! Faults: their order, how each is made, and the time until work goes on.

mod server;
mod unauthenticated;

pub(crate) use unauthenticated::Partner;

use crate::{
    args::Group,
    crowd::Crowd,
    fleet::{Fleet, Slot},
    probe::{Passes, Prober},
    report::median,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde::Serialize;
use simulator::Chaos;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::{Program, World};
use tokio::{task::JoinHandle, time::sleep};

/// Time limit for work to go on after a fault.
const RECOVERY_LIMIT: Duration = Duration::from_mins(3);
/// Length of a pause of a replica, in seconds: longer than its membership lasts without a heartbeat (three seconds).
const PAUSE: std::ops::Range<f64> = 4.5..7.0;
/// Time for which platforms misbehave, in seconds.
const CHAOS: std::ops::Range<f64> = 4.0..9.0;
/// Outages of the broker, in seconds: short enough that the intake lets its senders wait, or long enough that it
/// responds 503.
const SHORT_OUTAGE: std::ops::Range<f64> = 0.0..3.0;
const LONG_OUTAGE: std::ops::Range<f64> = 11.0..13.0;
/// Outage of the database, in seconds.
const DATABASE_OUTAGE: std::ops::Range<f64> = 0.0..4.0;
/// Pause between two faults, in seconds.
const FAULT_PAUSE: std::ops::Range<f64> = 0.1..1.5;
/// Pause before an overlapping fault, in seconds.
const OVERLAP_PAUSE: std::ops::Range<f64> = 0.0..0.4;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// A replica is killed.
    Kill(Program),
    /// A replica is paused, and resumed when others have its partitions.
    Pause(Program),
    /// The broker is killed and soon restarted.
    Broker,
    /// The broker is killed and stays down for longer than the intake waits.
    BrokerAway,
    /// The database is killed and restarted.
    Database,
    /// The database ends sessions, those in the middle of a transaction first.
    Sessions,
    /// Platforms respond slowly.
    Slow,
    /// Platforms fail half of the time.
    Failing,
    /// Platforms do what was requested, then end the connection or respond with an error.
    Resets,
    /// Platforms respond 429.
    Throttling,
    /// Unauthenticated clients send to the intakes.
    UnauthenticatedClients,
    /// A partner tries to publish to streams, and to make the intake publish there.
    Partner,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(program) => write!(f, "kill {}", program.name()),
            Self::Pause(program) => write!(f, "pause {}", program.name()),
            Self::Broker => f.write_str("kill broker"),
            Self::BrokerAway => f.write_str("kill broker, long"),
            Self::Database => f.write_str("kill database"),
            Self::Sessions => f.write_str("end sessions"),
            Self::Slow => f.write_str("platforms slow"),
            Self::Failing => f.write_str("platforms failing"),
            Self::Resets => f.write_str("platforms reset"),
            Self::Throttling => f.write_str("platforms 429"),
            Self::UnauthenticatedClients => f.write_str("unauthenticated clients"),
            Self::Partner => f.write_str("hostile partner"),
        }
    }
}

impl Fault {
    /// The faults of a group that these services may have, each with its weight in the random order.
    pub(crate) fn of(group: Group, programs: &[Program]) -> Vec<(Self, u32)> {
        let each = |fault: fn(Program) -> Self, weight| {
            programs.iter().map(|program| (fault(*program), weight)).collect()
        };
        match group {
            Group::StageKills => each(Self::Kill, 10),
            // A pause of fetch or of ingest shows nothing that a pause of another stage doesn't.
            Group::Pauses => each(Self::Pause, 2),
            Group::Broker => vec![(Self::Broker, 5), (Self::BrokerAway, 1)],
            Group::Database => vec![(Self::Database, 5), (Self::Sessions, 5)],
            Group::Platforms => {
                [Self::Slow, Self::Failing, Self::Resets, Self::Throttling].map(|fault| (fault, 4)).to_vec()
            }
            Group::UnauthenticatedClients => vec![(Self::UnauthenticatedClients, 4), (Self::Partner, 4)],
            Group::All | Group::None => Vec::new(),
        }
    }

    /// Returns true if it kills a process.
    pub(crate) const fn is_kill(self) -> bool {
        matches!(self, Self::Kill(_) | Self::Broker | Self::BrokerAway | Self::Database)
    }

    /// Returns true if it has an effect that must be seen. A pause has one if the service appends with a fence or commits
    /// with one.
    pub(crate) const fn must_be_seen(self) -> bool {
        use Program::{Apply, Dedupe, Enrich, Normalize, Transform};
        match self {
            Self::Pause(program) => matches!(program, Normalize | Dedupe | Enrich | Transform | Apply),
            _ => true,
        }
    }

    /// The faults that must happen at least once, however short the run: one for each effect that has to be seen.
    fn must(groups: &BTreeSet<Group>, programs: &[Program]) -> Vec<Self> {
        let all = groups.iter().flat_map(|group| Self::of(*group, programs));
        all.map(|(fault, _)| fault).filter(|fault| fault.must_be_seen()).collect()
    }
}

/// The order of faults: first the required ones, shuffled; then random ones.
pub(crate) struct Order {
    rng: StdRng,
    first: Vec<Fault>,
    then: Vec<Fault>,
}

impl Order {
    /// Returns the order that follows from this seed.
    pub(crate) fn new(seed: u64, groups: &BTreeSet<Group>, programs: &[Program]) -> Self {
        // The stream has a generator of its own.
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed_fa17);
        let mut first = Fault::must(groups, programs);
        first.shuffle(&mut rng);
        let weighted = groups.iter().flat_map(|group| Fault::of(*group, programs));
        let then = weighted.flat_map(|(fault, weight)| vec![fault; weight as usize]).collect();
        Self { rng, first, then }
    }

    /// Returns true if required faults are still to come.
    pub(crate) fn owes(&self) -> bool {
        !self.first.is_empty()
    }

    /// Requires these faults once more.
    pub(crate) fn again(&mut self, faults: Vec<Fault>) {
        self.first.extend(faults);
    }

    fn next(&mut self) -> Option<Fault> {
        let by_chance = |rng: &mut StdRng, then: &[Fault]| match then.len() {
            0 => None,
            count => Some(then[rng.random_range(0..count)]),
        };
        self.first.pop().or_else(|| by_chance(&mut self.rng, &self.then))
    }

    fn seconds(&mut self, range: std::ops::Range<f64>) -> Duration {
        Duration::from_secs_f64(self.rng.random_range(range))
    }
}

/// Number of faults of one kind, and their recovery times.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Tally {
    /// Number of faults.
    pub(crate) count: u32,
    /// Milliseconds from the fault (of a server: from its return) until every partition had passed a probe, where no
    /// other fault overlapped.
    pub(crate) recovery_ms: Vec<u64>,
}

impl Tally {
    /// The median recovery time.
    pub(crate) fn median_ms(&self) -> Option<u64> {
        median(&self.recovery_ms)
    }

    /// The longest recovery time.
    pub(crate) fn max_ms(&self) -> Option<u64> {
        self.recovery_ms.iter().max().copied()
    }
}

/// The faults that were made, and their effects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    /// Tallies by kind of fault.
    pub(crate) tallies: BTreeMap<Fault, Tally>,
    /// Faults after which work didn't go on within the limit.
    pub(crate) stuck: Vec<String>,
    /// Number of database sessions that were ended in the middle of a transaction.
    pub(crate) sessions_ended: u64,
    /// Number of interruptions of apply while the database was down.
    pub(crate) unknown_commits: u64,
}

impl Done {
    /// Number of processes that were killed.
    pub(crate) fn kills(&self) -> u32 {
        self.tallies.iter().filter(|(fault, _)| fault.is_kill()).map(|(_, tally)| tally.count).sum()
    }
}

/// A fault that was made.
struct Made {
    since: Since,
    passes: Passes,
}

/// Start of the recovery time.
enum Since {
    /// This time: the fault is over, or work can go on without the process that it hit.
    Then(Instant),
    /// The time that the task returns: the fault still lasts.
    Reported(JoinHandle<Instant>),
}

impl Since {
    async fn when(self) -> Instant {
        match self {
            Self::Then(then) => then,
            Self::Reported(reported) => reported.await.expect("a fault ends"),
        }
    }
}

/// Makes faults.
pub(crate) struct FaultRunner {
    pub(crate) world: World,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) prober: Arc<Prober>,
    pub(crate) order: Order,
    /// Probability that a fault overlaps the one before.
    pub(crate) overlapping: f64,
    /// Number of platform faults so far: the end of an earlier one must not end a later one.
    pub(crate) misbehaved: Arc<AtomicU64>,
    /// The hostile partner.
    pub(crate) partner: Partner,
    /// Number of 2xx responses to unauthenticated clients.
    pub(crate) let_in: Arc<AtomicU64>,
    pub(crate) done: Done,
}

impl FaultRunner {
    /// Makes the next fault, and perhaps overlapping ones, and waits until work goes on. Returns false if there is none
    /// to make.
    pub(crate) async fn next(&mut self) -> bool {
        let Some(fault) = self.order.next() else { return false };
        let Some(Made { since, passes }) = self.make(fault).await else { return true };
        let mut others = Vec::new();
        while self.order.rng.random_bool(self.overlapping)
            && let Some(other) = self.order.next()
        {
            let pause = self.order.seconds(OVERLAP_PAUSE);
            sleep(pause).await;
            progress(&format!("{other}, while {fault} still hurts"));
            others.extend(self.make(other).await);
        }
        let (since, alone) = (since.when().await, others.is_empty());
        for other in others {
            other.since.when().await;
        }
        match self.prober.ask(passes, since, RECOVERY_LIMIT).await {
            Ok(took) if alone => {
                let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                progress(&format!("{fault}: work goes on after {took} ms"));
                self.done.tallies.entry(fault).or_default().recovery_ms.push(took);
            }
            Ok(_) => {}
            Err(silent) => {
                progress(&format!("{fault}: no response of {silent}"));
                self.done.stuck.push(format!("after {fault}: no response of {silent}"));
            }
        }
        let pause = self.order.seconds(FAULT_PAUSE);
        sleep(pause).await;
        true
    }

    async fn make(&mut self, fault: Fault) -> Option<Made> {
        let everyday = self.crowd.everyday;
        let over = |(since, passes)| Made { since: Since::Then(since), passes };
        let made = match fault {
            Fault::Kill(program) => {
                let slot = self.some(program);
                let since = Instant::now();
                self.fleet.kill(&slot).await.then(|| over((since, Passes::of(program, slot.intake))))
            }
            Fault::Pause(program) => self.pause(program).await,
            Fault::Broker => Some(over(self.broker(SHORT_OUTAGE).await)),
            Fault::BrokerAway => Some(over(self.broker(LONG_OUTAGE).await)),
            Fault::Database => Some(over(self.database(DATABASE_OUTAGE).await)),
            Fault::Sessions => Some(over(self.sessions().await)),
            Fault::Slow => Some(self.chaos(Chaos { response_ms_max: 3_000, ..everyday })),
            Fault::Failing => Some(self.chaos(Chaos { server_error: 0.5, ..everyday })),
            Fault::Resets => {
                Some(self.chaos(Chaos { reset_after_success: 0.3, error_after_success: 0.2, ..everyday }))
            }
            Fault::Throttling => Some(self.chaos(Chaos { throttle_429: 0.8, ..everyday })),
            Fault::UnauthenticatedClients => Some(self.unauthenticated_clients()),
            Fault::Partner => Some(self.partner()),
        };
        if made.is_some() {
            self.done.tallies.entry(fault).or_default().count += 1;
        }
        made
    }

    fn some(&mut self, program: Program) -> Arc<Slot> {
        let slots: Vec<_> = self.fleet.slots().iter().filter(|slot| slot.program == program).collect();
        Arc::clone(slots[self.order.rng.random_range(0..slots.len())])
    }

    async fn pause(&mut self, program: Program) -> Option<Made> {
        let (slot, length) = (self.some(program), self.order.seconds(PAUSE));
        let (since, passes) = (Instant::now(), Passes::of(program, slot.intake));
        if !self.fleet.pause(&slot).await {
            return None;
        }
        let fleet = Arc::clone(&self.fleet);
        let reported = tokio::spawn(async move {
            sleep(length).await;
            fleet.resume(&slot).await;
            since
        });
        Some(Made { since: Since::Reported(reported), passes })
    }

    fn chaos(&mut self, chaos: Chaos) -> Made {
        let length = self.order.seconds(CHAOS);
        let turn = self.misbehaved.fetch_add(1, Ordering::Relaxed) + 1;
        self.crowd.set_chaos(chaos);
        let (crowd, misbehaved) = (Arc::clone(&self.crowd), Arc::clone(&self.misbehaved));
        let reported = tokio::spawn(async move {
            sleep(length).await;
            if misbehaved.load(Ordering::Relaxed) == turn {
                crowd.set_chaos(crowd.everyday);
            }
            Instant::now()
        });
        Made { since: Since::Reported(reported), passes: Passes::Record }
    }
}

/// Writes progress to standard error.
#[expect(clippy::print_stderr, reason = "a run reports its progress")]
pub(crate) fn progress(what: &str) {
    eprintln!("{} {what}", model::Timestamp::from_micros(micros()));
}

fn micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(0) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(seed: u64, groups: &[Group], count: usize) -> Vec<Fault> {
        let mut order = Order::new(seed, &groups.iter().copied().collect(), &Program::ALL);
        std::iter::from_fn(|| order.next()).take(count).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_and_each_that_must_be_comes_first() {
        let groups = [Group::StageKills, Group::Broker];
        let faults = order(1, &groups, 100);
        assert_eq!(faults, order(1, &groups, 100));
        assert_ne!(faults, order(2, &groups, 100));
        let first: BTreeSet<_> = faults[..9].iter().collect();
        assert_eq!(first.len(), 9, "seven services and two of the broker: {first:?}");
        assert!(
            faults.iter().all(|fault| matches!(fault, Fault::Kill(_) | Fault::Broker | Fault::BrokerAway))
        );
        assert!(order(1, &[], 1).is_empty());
    }

    #[test]
    fn what_must_be_once_more_comes_before_what_comes_by_chance() {
        let mut order = Order::new(1, &[Group::Broker].into(), &Program::ALL);
        while order.owes() {
            order.next();
        }
        order.again(vec![Fault::Resets]);
        assert!(order.owes());
        assert_eq!(order.next(), Some(Fault::Resets));
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let tally = Tally { count: 3, recovery_ms: vec![900, 100, 300] };
        assert_eq!((tally.median_ms(), tally.max_ms()), (Some(300), Some(900)));
        assert_eq!(Tally::default().median_ms(), None);
    }
}
