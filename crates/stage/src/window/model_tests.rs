//! Tests of the window against a plain list, with passing time, skewed clocks, lost appends and takeovers.

use super::Window;
use model::{EventId, Timestamp};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use std::{collections::BTreeSet, time::Duration};

const SPAN_SECONDS: i64 = 10;
const REMEMBERED_MAX: usize = 6;
/// Less than the span: for an intake whose clock differs by a whole window, the window promises nothing.
const SKEW_SECONDS: i64 = 3;

type Passed = (i64, u8);

#[derive(Debug, Clone)]
enum Step {
    /// An intake whose clock differs by `skew_seconds` accepts an event.
    See { id: u8, skew_seconds: i64 },
    /// Time passes.
    Wait { seconds: i64 },
    /// Another owner continues from the content of the output.
    TakeOver,
    /// A batch is decided, but its append fails: the owner restarts from the content of the output.
    LoseAppend { ids: Vec<u8> },
    /// The janitor removes the oldest entries of the output, because of limited space.
    Purge { count: usize },
}

#[derive(Debug, Clone, Default)]
struct Plain {
    now: i64,
    /// The identities that the owner remembers, oldest first.
    list: Vec<Passed>,
    /// The content of the stream.
    output: Vec<Passed>,
    /// True if the last event is the first of its identity.
    first: bool,
}

impl Plain {
    fn see(&mut self, id: u8, at: i64) {
        self.forget(at);
        self.first = self.list.iter().all(|(_, known)| *known != id);
        if self.first {
            self.remember(id, at);
            self.output.push((at, id));
        }
    }

    fn remember(&mut self, id: u8, at: i64) {
        self.forget(at);
        self.list.retain(|(_, known)| *known != id);
        self.list.push((at, id));
        self.list.drain(..self.list.len().saturating_sub(REMEMBERED_MAX));
    }

    fn forget(&mut self, now: i64) {
        let expired = self.list.iter().take_while(|(at, _)| now - at > SPAN_SECONDS).count();
        self.list.drain(..expired);
    }

    fn take_over(&mut self) {
        self.list.clear();
        for (at, id) in self.output.clone() {
            self.remember(id, at);
        }
    }
}

struct Model;

impl ReferenceStateMachine for Model {
    type State = Plain;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Plain> {
        Just(Plain { now: 100, ..Plain::default() }).boxed()
    }

    fn transitions(_: &Plain) -> BoxedStrategy<Step> {
        let id = || 0_u8..12;
        prop_oneof![
            8 => (id(), -SKEW_SECONDS..=0).prop_map(|(id, skew_seconds)| Step::See { id, skew_seconds }),
            3 => (1..SPAN_SECONDS).prop_map(|seconds| Step::Wait { seconds }),
            1 => Just(Step::TakeOver),
            1 => prop::collection::vec(id(), 1..4).prop_map(|ids| Step::LoseAppend { ids }),
            1 => (1_usize..4).prop_map(|count| Step::Purge { count }),
        ]
        .boxed()
    }

    fn apply(mut plain: Plain, step: &Step) -> Plain {
        match step {
            Step::See { id, skew_seconds } => plain.see(*id, plain.now + skew_seconds),
            Step::Wait { seconds } => plain.now += seconds,
            Step::TakeOver | Step::LoseAppend { .. } => plain.take_over(),
            Step::Purge { count } => drop(plain.output.drain(..(*count).min(plain.output.len()))),
        }
        plain
    }
}

struct Owner {
    window: Window<EventId>,
    output: Vec<Passed>,
    /// All identities that ever passed, including purged ones.
    passed: BTreeSet<u8>,
}

fn empty() -> Window<EventId> {
    Window::new(Duration::from_secs(SPAN_SECONDS.unsigned_abs()), REMEMBERED_MAX)
}

fn id(number: u8) -> EventId {
    EventId::from_bytes([number; 16])
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

impl Owner {
    fn take_over(&mut self) {
        self.window = empty();
        for (at, number) in &self.output {
            self.window.remember(id(*number), (), second(*at));
        }
    }
}

impl StateMachineTest for Model {
    type SystemUnderTest = Owner;
    type Reference = Self;

    fn init_test(_: &Plain) -> Owner {
        Owner { window: empty(), output: Vec::new(), passed: BTreeSet::new() }
    }

    fn apply(mut owner: Owner, plain: &Plain, step: Step) -> Owner {
        match step {
            Step::See { id: number, skew_seconds } => {
                let at = plain.now + skew_seconds;
                let first = owner.window.first_seen(id(number), second(at));
                assert!(first || owner.passed.contains(&number), "dropped, never passed");
                assert_eq!(first, plain.first, "whether {number} is the first, of {:?}", plain.list);
                if first {
                    owner.output.push((at, number));
                    owner.passed.insert(number);
                }
            }
            Step::Wait { .. } => {}
            Step::TakeOver => owner.take_over(),
            Step::LoseAppend { ids } => {
                for number in ids {
                    owner.window.first_seen(id(number), second(plain.now));
                }
                owner.take_over();
            }
            Step::Purge { count } => drop(owner.output.drain(..count.min(owner.output.len()))),
        }
        owner
    }

    fn check_invariants(owner: &Owner, plain: &Plain) {
        assert_eq!(owner.window.len(), plain.list.len());
        assert_eq!(owner.output, plain.output, "what passed");
    }
}

prop_state_machine! {
    #[test]
    fn it_agrees_with_a_plain_list_of_what_passed(
        sequential 40..60 => Model
    );
}
