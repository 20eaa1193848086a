//! Two platforms on which people change a text and a price while we write both: whatever is late, early, lost or
//! repeated, the last reported change stands in the end, in the record and on both.
//!
//! As in `agreement`, the platforms are simple models, the decisions are the real ones, and claims and replies go to
//! the state machine that `store` calls. No platform compares: a write overwrites the present value. So a change that
//! was overwritten before it was reported is lost; any other one counts as of the time of change in its report.

mod platform;
mod propagate;

use super::{record::Record, *};
use model::Waiting;
use platform::{Platform, Snapshot};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// Upper limit of rounds without a fault until nothing is due.
const ROUNDS_MAX: usize = 30;

/// A field that is changed and mirrored on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Text,
    Price,
}

const FIELDS: [Field; 2] = [Field::Text, Field::Price];

/// A value that stands for a number.
trait Numbered: FieldValue {
    fn of(number: i64) -> Self;
    fn number(&self) -> i64;
}

impl Numbered for ProductText {
    fn of(number: i64) -> Self {
        titled(&title(number))
    }
    fn number(&self) -> i64 {
        self.title.as_ref().unwrap().strip_prefix("text ").unwrap().parse().unwrap()
    }
}

impl Numbered for Money {
    fn of(number: i64) -> Self {
        dollars(number)
    }
    fn number(&self) -> i64 {
        self.minor
    }
}

/// Evaluates an expression on a mirror of either kind.
macro_rules! on_mirror {
    ($world:expr, $platform:expr, $field:expr, |$mirror:ident| $body:expr) => {{
        let from = $world.platforms[$platform].name;
        let mirrors = &mut $world.record.tables.mirrors;
        match $field {
            Field::Text => {
                let $mirror = mirrors.texts.get_mut(&text_key(from)).unwrap();
                $body
            }
            Field::Price => {
                let $mirror = mirrors.prices.get_mut(&price_key(from)).unwrap();
                $body
            }
        }
    }};
}
use on_mirror;

fn title(number: i64) -> String {
    format!("text {number}")
}

#[derive(Debug, Clone)]
enum Step {
    /// Someone changes a field on a platform, which reports it.
    Edit { platform: usize, field: Field },
    /// Nothing happens for a while.
    Wait,
    /// A report arrives; 0 is the oldest.
    Arrive { platform: usize, which: usize },
    /// Propagate consumes the changes.
    TakeUp,
    /// Propagate begins a write, or repeats the call of one whose reply is overdue.
    Call { platform: usize, field: Field },
    /// The call reaches its platform; its reply may be lost.
    Execute { platform: usize, field: Field, response_lost: bool },
    /// The call is lost.
    Lose { platform: usize, field: Field },
    /// The reply arrives.
    Respond { platform: usize, field: Field },
    /// Propagate reads the fields for which a reading is due; the reading arrives later, like a report.
    Read { platform: usize, field: Field },
}

/// For either platform, the number of clock ticks of one version.
fn spans() -> impl Strategy<Value = [i64; 2]> {
    let span = || prop_oneof![Just(1_i64), Just(10_i64)];
    [span(), span()]
}

/// The reference model.
struct Model;

impl ReferenceStateMachine for Model {
    type State = [i64; 2];
    type Transition = Step;

    fn init_state() -> BoxedStrategy<[i64; 2]> {
        spans().boxed()
    }

    fn transitions(_: &[i64; 2]) -> BoxedStrategy<Step> {
        let platform = || 0_usize..2;
        let field = || prop_oneof![Just(Field::Text), Just(Field::Price)];
        let one = || (platform(), field());
        let which = prop_oneof![2 => Just(0_usize), 1 => 0_usize..8];
        prop_oneof![
            5 => one().prop_map(|(platform, field)| Step::Edit { platform, field }),
            1 => Just(Step::Wait),
            8 => (platform(), which).prop_map(|(platform, which)| Step::Arrive { platform, which }),
            5 => Just(Step::TakeUp),
            8 => one().prop_map(|(platform, field)| Step::Call { platform, field }),
            8 => (one(), prop::bool::weighted(0.2)).prop_map(|((platform, field), response_lost)| Step::Execute {
                platform,
                field,
                response_lost
            }),
            1 => one().prop_map(|(platform, field)| Step::Lose { platform, field }),
            8 => one().prop_map(|(platform, field)| Step::Respond { platform, field }),
            3 => one().prop_map(|(platform, field)| Step::Read { platform, field }),
        ]
        .boxed()
    }

    fn apply(spans: [i64; 2], _: &Step) -> [i64; 2] {
        spans
    }
}

/// A change that counts: the value, and its time according to its platform.
#[derive(Debug, Clone, Copy)]
struct Word {
    number: i64,
    at: i64,
}

struct World {
    record: Record,
    platforms: [Platform; 2],
    clock: i64,
    /// Changes, by platform, field and time, and whether they were reported.
    edits: BTreeMap<(usize, Field, i64), bool>,
    /// The last change of each field.
    last: BTreeMap<Field, Word>,
}

impl World {
    fn new(spans: [i64; 2]) -> Self {
        let platforms = [Platform::new("a", spans[0]), Platform::new("b", spans[1])];
        let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
        for platform in &platforms {
            record.commit(vec![platform.report(Snapshot::default(), 0)]);
        }
        let last = FIELDS.map(|field| (field, Word { number: 0, at: 0 })).into();
        Self { record, platforms, clock: 100, edits: BTreeMap::new(), last }
    }

    /// The record's value.
    fn stored(&self, field: Field) -> i64 {
        let tables = &self.record.tables;
        match field {
            Field::Text => {
                titled(&tables.products.values().next().unwrap().title.as_ref().unwrap().value).number()
            }
            Field::Price => tables.variants.values().next().unwrap().price.as_ref().unwrap().value.minor,
        }
    }

    fn tick(&mut self) -> i64 {
        self.clock += 1;
        self.clock
    }

    fn edit(&mut self, platform: usize, field: Field) {
        let number = self.tick();
        self.edits.insert((platform, field, number), false);
        self.platforms[platform].set(field, number, number);
    }

    fn arrive(&mut self, platform: usize, which: usize) {
        let Some(snapshot) = pick(&mut self.platforms[platform].reports, which) else { return };
        for field in FIELDS {
            self.hear(platform, field, snapshot);
        }
        let number = self.tick();
        let event = self.platforms[platform].report(snapshot, number);
        self.record.commit(vec![event]);
    }

    /// Counts a change on its first report, if that report is not older than the last known one; the change stands if
    /// no later one was reported. A change of the same second as another known one counts once the platform was read,
    /// and counts anew if an older reading was used as the current one.
    fn hear(&mut self, platform: usize, field: Field, snapshot: Snapshot) {
        let (number, at) = (snapshot.number(field), self.platforms[platform].version(snapshot.at));
        let (held, known, awaited, is_too_early) = on_mirror!(self, platform, field, |mirror| {
            let held = mirror.platform_value().unwrap().value.number();
            let known = mirror.observed.as_ref().unwrap().version.unwrap().0;
            let is_too_early = mirror
                .phase
                .write()
                .is_some_and(|write| write.value.number() == held && write.from.number() == number);
            let is_reading = matches!(mirror.phase, Phase::Reading { .. });
            (held, known, is_reading && snapshot.read_for == Some((field, mirror.waiting)), is_too_early)
        });
        let is_coarse = self.platforms[platform].version(1) == 0;
        let awaited = is_coarse && awaited;
        let is_unsure = is_coarse && at == known && held != number;
        let Some(was_reported) = self.edits.get_mut(&(platform, field, number)) else { return };
        let counts = if awaited {
            held != number && !is_too_early
        } else {
            at >= known && !is_unsure && !*was_reported
        };
        if !counts {
            return;
        }
        *was_reported = true;
        let last = self.last.get_mut(&field).unwrap();
        if at >= last.at {
            *last = Word { number, at };
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Edit { platform, field } => self.edit(platform, field),
            Step::Wait => self.clock += 10,
            Step::Arrive { platform, which } => self.arrive(platform, which),
            Step::TakeUp => self.apply(),
            Step::Call { platform, field } => self.call(platform, field),
            Step::Execute { platform, field, response_lost } => self.execute(platform, field, response_lost),
            Step::Lose { platform, field } => drop(self.platforms[platform].calls.remove(&field)),
            Step::Respond { platform, field } => self.respond(platform, field),
            Step::Read { platform, field } => self.read(platform, field),
        }
    }

    /// Completes everything that is under way.
    fn rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.apply();
            for (platform, field) in places() {
                self.call(platform, field);
                self.execute(platform, field, false);
                self.respond(platform, field);
                self.read(platform, field);
                while !self.platforms[platform].reports.is_empty() {
                    self.arrive(platform, 0);
                }
            }
            if places().all(|(platform, field)| self.is_at_rest(platform, field)) {
                return;
            }
        }
        panic!("it doesn't come to rest: {:?}", self.record.tables.mirrors);
    }
}

fn places() -> impl Iterator<Item = (usize, Field)> {
    (0..2).flat_map(|platform| FIELDS.map(|field| (platform, field)))
}

/// Removes and returns one of the waiting elements; 0 is the oldest.
fn pick<T>(waiting: &mut Vec<T>, which: usize) -> Option<T> {
    (!waiting.is_empty()).then(|| waiting.remove(which % waiting.len()))
}

impl StateMachineTest for Model {
    type SystemUnderTest = World;
    type Reference = Self;

    fn init_test(spans: &[i64; 2]) -> World {
        World::new(*spans)
    }

    fn apply(mut world: World, _: &[i64; 2], step: Step) -> World {
        world.step(&step);
        world
    }

    fn teardown(mut world: World, _: [i64; 2]) {
        world.rest();
        for field in FIELDS {
            let stored = world.stored(field);
            assert_eq!(stored, world.last[&field].number, "the last word about the {field:?}");
            let held = [0, 1].map(|platform| {
                on_mirror!(world, platform, field, |mirror| mirror.platform_value().unwrap().value.number())
            });
            assert_eq!(held, [stored; 2], "what we think they hold");
            let holds = world.platforms.each_ref().map(|platform| platform.holds.number(field));
            assert_eq!(holds, [stored; 2], "what they hold");
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig::with_cases(2 * ProptestConfig::default().cases))]
    #[test]
    fn the_last_word_stands_on_both(sequential 40..60 => Model);
}
