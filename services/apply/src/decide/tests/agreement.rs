//! Two platforms sell while we write to both: in spite of delays, losses, repeats and refusals, both end with the stock
//! that is left.
//!
//! The platforms are simple models; every decision is the real one, and claims and replies go to the state machine that
//! `store` calls (`claims.rs`). One platform compares and sets, the other applies differences; both repeat their first
//! response to a key that they have seen.

mod platform;
mod propagate;

use super::{record::Record, *};
use model::{AskedBy, Attention, REFUSED_AGAIN_AFTER, Waiting};
use platform::{Access, Platform};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// Initial level of both platforms.
const FIRST: i32 = 100;
/// Time between two steps: long enough that refused comparisons don't stop the writes.
const STEP: Duration = Duration::from_secs(20);
/// Upper limit of rounds without a fault until nothing is due.
const ROUNDS_MAX: usize = 30;

#[derive(Debug, Clone)]
enum Step {
    /// A platform sells, or takes back.
    Sell { platform: usize, count: i32 },
    /// Reports arrive in one batch, the older ones mostly first.
    Arrive { reports: Vec<(usize, usize)> },
    /// A delivery that arrived before arrives again.
    ArriveAgain { which: usize },
    /// Propagate reads a platform's level; the reading arrives later, like a report.
    Read { platform: usize, lost: bool },
    /// Propagate consumes the changes.
    TakeUp,
    /// Propagate begins a write, or repeats the call of one whose reply is overdue.
    Call { platform: usize },
    /// A call reaches its platform; its reply may be lost.
    Execute { platform: usize, which: usize, response_lost: bool },
    /// A call is lost.
    LoseCall { platform: usize, which: usize },
    /// A reply arrives.
    Respond { platform: usize, which: usize },
    /// The platform accepts calls, refuses them for now, or refuses them for good.
    Let { platform: usize, access: Access },
}

/// The level that must be left, and for either platform, the number of states of one version.
#[derive(Debug, Clone)]
struct Left {
    count: i32,
    spans: [i64; 2],
}

struct Model;

impl ReferenceStateMachine for Model {
    type State = Left;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Left> {
        let span = || prop_oneof![Just(1_i64), Just(3_i64)];
        [span(), span()].prop_map(|spans| Left { count: FIRST, spans }).boxed()
    }

    fn transitions(_: &Left) -> BoxedStrategy<Step> {
        let platform = || 0_usize..2;
        let which = || prop_oneof![2 => Just(0_usize), 1 => 0_usize..8];
        let one = || (platform(), which());
        let access = prop_oneof![
            4 => Just(Access::Open),
            1 => Just(Access::Busy),
            1 => Just(Access::Denied),
            1 => Just(Access::Refusing),
        ];
        prop_oneof![
            5 => (platform(), -2..3).prop_map(|(platform, count)| Step::Sell { platform, count }),
            8 => prop::collection::vec(one(), 1..3).prop_map(|reports| Step::Arrive { reports }),
            1 => (0_usize..100).prop_map(|which| Step::ArriveAgain { which }),
            3 => (platform(), any::<bool>()).prop_map(|(platform, lost)| Step::Read { platform, lost }),
            5 => Just(Step::TakeUp),
            8 => platform().prop_map(|platform| Step::Call { platform }),
            6 => (one(), prop::bool::weighted(0.3)).prop_map(|((platform, which), response_lost)| Step::Execute {
                platform,
                which,
                response_lost
            }),
            1 => one().prop_map(|(platform, which)| Step::LoseCall { platform, which }),
            6 => one().prop_map(|(platform, which)| Step::Respond { platform, which }),
            1 => (platform(), access).prop_map(|(platform, access)| Step::Let { platform, access }),
        ]
        .boxed()
    }

    fn apply(mut left: Left, step: &Step) -> Left {
        if let Step::Sell { count, .. } = step {
            left.count -= count;
        }
        left
    }
}

/// Removes and returns one of the waiting elements; 0 is the oldest.
fn pick<T>(waiting: &mut Vec<T>, which: usize) -> Option<T> {
    (!waiting.is_empty()).then(|| waiting.remove(which % waiting.len()))
}

struct World {
    record: Record,
    platforms: [Platform; 2],
    /// Events that arrived, to arrive again.
    arrived: Vec<Event>,
    /// Number of the record's effects that propagate has consumed.
    consumed: usize,
    /// Counter that numbers reads and writes, to distinguish them.
    numbers: u64,
    /// Time during which nothing happened.
    waited: Duration,
}

impl World {
    fn new(spans: [i64; 2]) -> Self {
        let mut record = Record::of(linked());
        let platforms =
            [Platform::new("a", true, spans[0], FIRST), Platform::new("b", false, spans[1], FIRST)];
        let reported = platforms.each_ref().map(|platform| platform.report(10));
        record.commit(reported.to_vec());
        Self {
            record,
            platforms,
            arrived: reported.to_vec(),
            consumed: 0,
            numbers: 1_000,
            waited: Duration::ZERO,
        }
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn mirror(&mut self, platform: usize) -> &mut LevelMirror {
        self.record.tables.mirrors.levels.get_mut(&key(self.platforms[platform].name)).unwrap()
    }

    fn arrive(&mut self, reports: &[(usize, usize)]) {
        let mut events = Vec::new();
        for (platform, which) in reports {
            events.extend(pick(&mut self.platforms[*platform].reports, *which));
        }
        self.arrived.extend(events.iter().cloned());
        self.record.commit(events);
    }

    /// Reads a platform only if a reading is due.
    fn read(&mut self, platform: usize, is_lost: bool) {
        let number = self.next_number();
        if let Some(asked) = self.asks(platform).filter(|_| !is_lost) {
            self.platforms[platform].read(number, asked.waiting);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Sell { platform, count } => self.platforms[*platform].change(-count),
            Step::Arrive { reports } => self.arrive(reports),
            Step::ArriveAgain { which } => {
                let again = self.arrived[which % self.arrived.len()].clone();
                assert_eq!(self.record.commit(vec![again]), [None], "it was recorded before");
            }
            Step::Read { platform, lost } => self.read(*platform, *lost),
            Step::TakeUp => self.apply(),
            Step::Call { platform } => self.call(*platform),
            Step::Execute { platform, which, response_lost } => {
                self.platforms[*platform].execute(*which, *response_lost);
            }
            Step::LoseCall { platform, which } => drop(pick(&mut self.platforms[*platform].calls, *which)),
            Step::Respond { platform, which } => self.respond(*platform, *which),
            Step::Let { platform, access } => self.platforms[*platform].access = *access,
        }
    }

    /// Completes everything that is under way.
    fn rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.apply();
            for platform in 0..2 {
                self.call(platform);
                while !self.platforms[platform].calls.is_empty() {
                    self.platforms[platform].execute(0, false);
                }
                while !self.platforms[platform].responses.is_empty() {
                    self.respond(platform, 0);
                }
                self.read(platform, false);
                while !self.platforms[platform].reports.is_empty() {
                    self.arrive(&[(platform, 0)]);
                }
            }
            if (0..2).all(|platform| self.is_at_rest(platform)) {
                return;
            }
        }
        panic!("it doesn't come to rest: {:?}", self.record.tables.mirrors);
    }
}

impl StateMachineTest for Model {
    type SystemUnderTest = World;
    type Reference = Self;

    fn init_test(left: &Left) -> World {
        World::new(left.spans)
    }

    fn apply(mut world: World, _: &Left, step: Step) -> World {
        world.step(&step);
        world
    }

    fn check_invariants(world: &World, _: &Left) {
        world.record.assert_balanced();
    }

    fn teardown(mut world: World, Left { count: left, .. }: Left) {
        world.platforms.iter_mut().for_each(|platform| platform.access = Access::Open);
        world.rest();
        if (0..2).any(|platform| world.is_refused(platform)) {
            // A refused value is tried again the next day.
            world.waited = REFUSED_AGAIN_AFTER;
            world.rest();
        }
        assert_eq!(world.record.level(&location()), Some(Quantity::pieces(left)), "the store's level");
        let known = [0, 1].map(|platform| world.mirror(platform).baseline.known().copied());
        assert_eq!(known, [Some(Quantity::pieces(left)); 2], "what we think they hold");
        let holds = world.platforms.each_ref().map(|platform| platform.holds);
        assert_eq!(holds, [left; 2], "what they hold");
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig::with_cases(2 * ProptestConfig::default().cases))]
    #[test]
    fn both_end_with_what_is_left(sequential 40..60 => Model);
}
