//! Levels against a reference model: each platform's last report, first contacts, and sums of differences.

use super::{record::Record, *};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

const PLATFORMS: [&str; 2] = ["a", "b"];
/// The platforms' locations, and the store's.
const LOCATIONS: [(&str, &str); 2] = [("L", "main"), ("M", "back")];

fn at(location: usize) -> LocationId {
    LocationId::new(LOCATIONS[location].1).unwrap()
}

/// A level of the item at a location; `None` where the platform doesn't track it.
fn report(platform: usize, location: usize, number: u64, version: i64, available: Option<i32>) -> Event {
    let (external_location, internal) = LOCATIONS[location];
    let payload = Payload::Inventory(InventoryReport {
        item: external("item"),
        location: Some(external(external_location)),
        available: available.map(Quantity::pieces),
    });
    let mut reported = event(PLATFORMS[platform], number, Some(version), payload);
    internal.clone_into(&mut reported.links[0].internal);
    exact(reported)
}

fn product(platform: usize, number: u64) -> Event {
    event(PLATFORMS[platform], number, Some(1), Payload::Product(shirt("Shirt", 1000)))
}

#[derive(Debug, Clone)]
enum Change {
    /// A platform reports a level, perhaps after a newer report of it.
    Level { platform: usize, location: usize, available: Option<i32>, overtaken: bool },
    /// A platform reports the product, and so the link of the item.
    Product { platform: usize },
    /// A platform no longer stocks the item anywhere.
    Untracked { platform: usize },
    /// The last event arrives again.
    Again,
}

/// A platform's state at one location.
#[derive(Debug, Clone, Copy, Default)]
struct Shelf {
    held: Option<i32>,
    /// The last reported number, unless null was reported after it.
    last: Option<i32>,
    /// True if its zeros are proven.
    proven: bool,
    version: Option<i64>,
}

#[derive(Debug, Clone, Default)]
struct Plain {
    changes: u64,
    linked: [bool; 2],
    shelves: [[Shelf; 2]; 2],
    levels: [Option<i32>; 2],
    /// The expected outcomes of the last events; `None` for an event that was recorded before.
    ends: Vec<Option<Outcome>>,
}

impl Plain {
    fn level(&mut self, platform: usize, location: usize, available: Option<i32>, version: i64) -> Outcome {
        let linked = self.linked[platform];
        let shelf = &mut self.shelves[platform][location];
        if shelf.version.is_some_and(|seen| version < seen) {
            return Outcome::Stale;
        }
        shelf.version = Some(version);
        let Some(available) = available else {
            shelf.last = None;
            return if shelf.held.take().is_some() { Outcome::Applied } else { Outcome::Filtered };
        };
        let is_news = shelf.last.replace(available) != Some(available);
        let held = shelf.held.replace(available);
        let is_first = held.is_none_or(|held| !shelf.proven && held == 0 && available != 0);
        shelf.proven |= available != 0;
        match held {
            _ if !linked && is_news => return Outcome::Applied,
            _ if !linked => return Outcome::Unchanged,
            _ if is_first => self.contact(platform, location),
            Some(held) if held == available => return Outcome::Unchanged,
            held => {
                let level = &mut self.levels[location];
                *level = level.zip(held).map(|(level, held)| level + available - held).or(Some(available));
            }
        }
        Outcome::Applied
    }

    /// Applies a first number: it is a count if no other number is known, else the store's level stands.
    fn contact(&mut self, platform: usize, location: usize) {
        let other = self.shelves[1 - platform][location];
        let is_witnessed = self.linked[1 - platform] && other.proven && other.held.is_some();
        let shelf = &mut self.shelves[platform][location];
        let Some(number) = shelf.held else { return };
        let level = &mut self.levels[location];
        let is_zero = number == 0 && !shelf.proven;
        if *level == Some(number) {
            shelf.proven |= is_witnessed;
        } else if level.is_none() || !is_witnessed && !is_zero {
            *level = Some(number);
        }
    }

    fn product(&mut self, platform: usize) -> Outcome {
        if std::mem::replace(&mut self.linked[platform], true) {
            return Outcome::Unchanged;
        }
        (0..LOCATIONS.len()).for_each(|location| self.contact(platform, location));
        Outcome::Applied
    }

    fn untracked(&mut self, platform: usize) -> Outcome {
        let shelves = &mut self.shelves[platform];
        let was_held = shelves.iter().any(|shelf| shelf.held.is_some());
        for shelf in shelves.iter_mut().filter(|shelf| shelf.held.is_some()) {
            (shelf.held, shelf.last) = (None, None);
        }
        if was_held { Outcome::Applied } else { Outcome::Unchanged }
    }

    fn change(&mut self, change: &Change) -> Option<Outcome> {
        if !matches!(change, Change::Again) {
            self.changes += 1;
        }
        match change {
            Change::Level { platform, location, available, overtaken } => {
                Some(self.level(*platform, *location, *available, version(self.changes, *overtaken)))
            }
            Change::Product { platform } => Some(self.product(*platform)),
            Change::Untracked { platform } => Some(self.untracked(*platform)),
            Change::Again => None,
        }
    }
}

fn version(changes: u64, overtaken: bool) -> i64 {
    i64::try_from(changes).unwrap() - if overtaken { 4 } else { 0 }
}

struct Model;

impl ReferenceStateMachine for Model {
    type State = Plain;
    type Transition = Vec<Change>;

    fn init_state() -> BoxedStrategy<Plain> {
        Just(Plain::default()).boxed()
    }

    /// A batch.
    fn transitions(plain: &Plain) -> BoxedStrategy<Vec<Change>> {
        let level = (0_usize..2, 0_usize..2, prop::option::weighted(0.9, -2..12), prop::bool::weighted(0.2));
        let again = u32::from(plain.changes > 0);
        let change = prop_oneof![
            12 => level.prop_map(|(platform, location, available, overtaken)| {
                Change::Level { platform, location, available, overtaken }
            }),
            2 => (0_usize..2).prop_map(|platform| Change::Product { platform }),
            1 => (0_usize..2).prop_map(|platform| Change::Untracked { platform }),
            again => Just(Change::Again),
        ];
        prop::collection::vec(change, 1..4).boxed()
    }

    fn apply(mut plain: Plain, batch: &Vec<Change>) -> Plain {
        plain.ends = batch.iter().map(|change| plain.change(change)).collect();
        plain
    }

    fn preconditions(plain: &Plain, batch: &Vec<Change>) -> bool {
        plain.changes > 0 || !matches!(batch.first(), Some(Change::Again))
    }
}

struct Real {
    record: Record,
    changes: u64,
    last: Option<Event>,
}

impl Real {
    fn change(&mut self, change: &Change) -> Event {
        self.changes += u64::from(!matches!(change, Change::Again));
        let number = self.changes;
        let event = match *change {
            Change::Level { platform, location, available, overtaken } => {
                report(platform, location, number, version(number, overtaken), available)
            }
            Change::Product { platform } => product(platform, number),
            Change::Untracked { platform } => {
                let entity = model::EntityKind::Inventory;
                event(
                    PLATFORMS[platform],
                    number,
                    None,
                    Payload::Deleted { entity, external: external("item") },
                )
            }
            Change::Again => self.last.clone().unwrap(),
        };
        self.last = Some(event.clone());
        event
    }
}

impl StateMachineTest for Model {
    type SystemUnderTest = Real;
    type Reference = Self;

    fn init_test(_: &Plain) -> Real {
        Real { record: Record::of(with_rule(Facts::default(), BaselineRule::Store)), changes: 0, last: None }
    }

    fn apply(mut real: Real, plain: &Plain, batch: Vec<Change>) -> Real {
        let events = batch.iter().map(|change| real.change(change)).collect();
        assert_eq!(real.record.commit(events), plain.ends, "how it ends");
        real
    }

    fn check_invariants(real: &Real, plain: &Plain) {
        real.record.assert_balanced();
        for (location, level) in plain.levels.iter().enumerate() {
            assert_eq!(
                real.record.level(&at(location)),
                level.map(Quantity::pieces),
                "the level at {location}"
            );
        }
    }
}

prop_state_machine! {
    #[test]
    fn levels_are_sums_of_what_each_platform_reported_differently(sequential 40..60 => Model);
}

/// Both platforms are known and have reported once.
fn begun() -> Record {
    let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
    record.commit((0..2).map(|platform| product(platform, platform as u64)).collect());
    record.commit((0..2).map(|platform| report(platform, 0, 10 + platform as u64, 1, Some(10))).collect());
    record
}

proptest! {
    #[test]
    fn movements_of_different_platforms_commute(reported in prop::collection::vec((0_usize..2, 0..30), 1..50)) {
        let reports = reported.iter().zip(100..).map(|((platform, available), number)| {
            (*platform, report(*platform, 0, number, i64::try_from(number).unwrap(), Some(*available)))
        });
        let mut as_it_came: Vec<(usize, Event)> = reports.collect();
        let (mut mixed, mut sorted) = (begun(), begun());
        for (_, event) in &as_it_came {
            mixed.commit(vec![event.clone()]);
        }
        as_it_came.sort_by_key(|(platform, _)| std::cmp::Reverse(*platform));
        sorted.commit(as_it_came.into_iter().map(|(_, event)| event).collect());
        prop_assert_eq!(mixed.level(&at(0)), sorted.level(&at(0)));
        prop_assert_eq!(mixed.tables.mirrors, sorted.tables.mirrors);
    }
}
