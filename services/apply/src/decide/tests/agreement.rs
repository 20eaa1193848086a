//! Two platforms sell while we write to both: whatever is delayed, they end with the truth.
//!
//! The model knows what the record does around the decisions: a write is marked before the call, an answer settles it,
//! and what was unclear is read again. One platform compares and sets, the other takes differences.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Taken,
    Stale,
}

struct Platform {
    name: &'static str,
    compares: bool,
    holds: i32,
    version: i64,
    reports: VecDeque<(i64, i32)>,
    reads: VecDeque<(i64, i32)>,
    call: Option<(i32, i32)>,
    answer: Option<Answer>,
    read_due: bool,
}

impl Platform {
    fn new(name: &'static str, compares: bool, holds: i32) -> Self {
        let (reports, reads) = (VecDeque::new(), VecDeque::new());
        Self { name, compares, holds, version: 1, reports, reads, call: None, answer: None, read_due: false }
    }

    fn change(&mut self, by: i32) {
        self.holds += by;
        self.version += 1;
        self.reports.push_back((self.version, self.holds));
    }

    fn execute(&mut self) {
        let Some((from, to)) = self.call.take() else { return };
        let taken = !self.compares || self.holds == from;
        if taken {
            self.change(to - from);
        }
        self.answer = Some(if taken { Answer::Taken } else { Answer::Stale });
    }
}

struct World {
    facts: Facts,
    platforms: [Platform; 2],
    events: u64,
}

const FIRST: i32 = 100;

impl World {
    fn new() -> Self {
        let platforms = [Platform::new("a", true, FIRST), Platform::new("b", false, FIRST)];
        let told = vec![event("a", 10, Some(1), level(FIRST)), event("b", 11, Some(1), level(FIRST))];
        Self { facts: facts_after(linked(), told), platforms, events: 100 }
    }

    fn level(&self) -> i32 {
        self.facts.levels.values().next().unwrap().to_string().parse().unwrap()
    }

    fn tell(&mut self, name: &str, (version, holds): (i64, i32)) {
        self.events += 1;
        let told = event(name, self.events, Some(version), level(holds));
        self.facts = facts_after(std::mem::take(&mut self.facts), vec![told]);
    }

    /// Marks a write before its call, if one is due and nothing is in the way.
    fn send(&mut self, index: usize) {
        let (name, level) = (self.platforms[index].name, self.level());
        let mut row = mirror(&self.facts, name);
        let waits = row.sent.as_ref().is_some_and(|sent| {
            matches!(
                sent.state,
                SendState::Pending | SendState::Unsure | SendState::Echoed | SendState::Reading
            )
        });
        let Some(MirrorValue::Quantity(held)) = row.held.clone() else { return };
        let held: i32 = held.to_string().parse().unwrap();
        if waits || held == level {
            return;
        }
        row.sent = Some(Sent { value: pieces(level), from: row.held.clone(), state: SendState::Pending });
        self.facts.mirrors.insert(row.key.clone(), row);
        self.platforms[index].call = Some((held, level));
    }

    fn settle(&mut self, index: usize) {
        let Some(answer) = self.platforms[index].answer.take() else { return };
        let mut row = mirror(&self.facts, self.platforms[index].name);
        let sent = row.sent.as_mut().unwrap();
        let read = match (answer, sent.state) {
            (Answer::Taken, SendState::Pending) => {
                row.held = Some(sent.value.clone());
                sent.state = SendState::Acknowledged;
                false
            }
            (Answer::Taken, SendState::Unsure) => {
                row.held = Some(sent.value.clone());
                sent.state = SendState::Reading;
                true
            }
            (Answer::Taken, _) => {
                sent.state = SendState::Settled;
                false
            }
            (Answer::Stale, SendState::Pending | SendState::Unsure) => {
                sent.state = SendState::Reading;
                true
            }
            // A sale that happened to come to the same level was taken for the echo: what it moved wasn't ours.
            (Answer::Stale, _) => {
                let number = |value: &MirrorValue| match value {
                    MirrorValue::Quantity(quantity) => *quantity,
                    MirrorValue::Price(_) | MirrorValue::Text(_) => panic!("not a level"),
                };
                let ours = number(&sent.value) - number(sent.from.as_ref().unwrap());
                row.held = Some(MirrorValue::Quantity(number(row.held.as_ref().unwrap()) - ours));
                sent.state = SendState::Reading;
                true
            }
        };
        self.platforms[index].read_due |= read;
        self.facts.mirrors.insert(row.key.clone(), row);
    }

    fn read(&mut self, index: usize) {
        let platform = &mut self.platforms[index];
        if std::mem::take(&mut platform.read_due) {
            platform.reads.push_back((platform.version, platform.holds));
        }
    }

    fn step(&mut self, step: u8, index: usize) {
        let name = self.platforms[index].name;
        match step {
            0 => self.platforms[index].change(-1),
            1 => {
                if let Some(report) = self.platforms[index].reports.pop_front() {
                    self.tell(name, report);
                }
            }
            2 => self.send(index),
            3 => self.platforms[index].execute(),
            4 => self.settle(index),
            5 => self.read(index),
            _ => {
                if let Some(read) = self.platforms[index].reads.pop_front() {
                    self.tell(name, read);
                }
            }
        }
    }

    /// Lets everything that is under way come to its end.
    fn calm(&mut self) {
        for _ in 0..200 {
            for step in [3, 4, 5, 1, 6, 1, 2] {
                (0..2).for_each(|index| self.step(step, index));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn both_end_with_what_is_left(steps in prop::collection::vec((0_u8..7, 0_usize..2), 0..60)) {
        let sold = i32::try_from(steps.iter().filter(|(step, _)| *step == 0).count()).unwrap();
        let mut world = World::new();
        for (step, index) in steps {
            world.step(step, index);
        }
        world.calm();
        let left = FIRST - sold;
        prop_assert_eq!(world.level(), left, "the store's level");
        prop_assert_eq!([world.platforms[0].holds, world.platforms[1].holds], [left; 2], "the platforms");
    }
}
