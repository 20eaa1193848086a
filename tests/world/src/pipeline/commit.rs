//! The transaction of apply in memory: load, fold, commit; and the shipped halving of refused batches.

use super::Done;
use crate::record::{PARTITION, Record};
use apply::{
    decide::{Fold, first_keys, row_keys},
    halving::{Batch, Committed, Content, Cursor, Form, Halving, discarded},
};
use model::{
    Event, Outcome, Position, Timestamp,
    record::{Facts, FirstKeys, RowKeys, WriteLogEntry},
};
use stage::{Fault, Reject, RejectClass};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of loading rounds per batch, as in `apply`.
const ROUNDS_MAX: usize = 7;

/// Commits a batch; if it is refused, only the parts that are refused alone are discarded.
pub(super) fn commit(
    record: &mut Record,
    events: Vec<Event>,
    write_log: Vec<WriteLogEntry>,
    reaches: Position,
    now: Timestamp,
) -> Done {
    let mut done = Done::default();
    let content = Content { events, write_log, ..Content::default() };
    let from = Cursor { position: record.position, number: record.number, epoch: 0 };
    let batch = Batch { partition: PARTITION, content, from, reaches };
    match transaction(record, &batch, now, &mut done) {
        Ok(_) => return done,
        Err(fault) if fault.is_of_input() => {}
        Err(fault) => {
            done.bugs.push(format!("a batch can't be committed: {fault}"));
            return done;
        }
    }
    let mut halving = Halving::of(vec![batch]);
    while let Some(part) = halving.next_part() {
        let tried: Result<Vec<Committed>, Fault> =
            part.iter().map(|batch| transaction(record, batch, now, &mut done)).collect();
        match tried {
            Ok(committed) => {
                for committed in committed {
                    halving.committed(PARTITION, committed);
                }
            }
            Err(fault) => {
                for batch in halving.refused(part, &fault) {
                    let discarded = discard(record, batch, &fault, now, &mut done);
                    match discarded {
                        Ok(committed) => halving.committed(PARTITION, committed),
                        Err(fault) => halving.fail([PARTITION], &fault),
                    }
                }
            }
        }
    }
    for fault in halving.finish().into_values().filter_map(Result::err) {
        done.bugs.push(format!("halving didn't end: {fault}"));
    }
    done
}

fn discard(
    record: &mut Record,
    mut batch: Batch,
    fault: &Fault,
    now: Timestamp,
    done: &mut Done,
) -> Result<Committed, Fault> {
    let events = &batch.content.events;
    for event in events.iter().filter(|event| !record.refuses(event)) {
        done.bugs.push(format!("event {} was discarded, and nothing refuses it", event.id));
    }
    let keys = FirstKeys {
        events: events.iter().map(|event| (event.origin.connection.clone(), event.id)).collect(),
        stores: events.iter().map(|event| event.origin.store.clone()).collect(),
        ..FirstKeys::default()
    };
    let mut facts = Facts::default();
    record.first(&keys, &mut facts);
    let reject = Reject::new(RejectClass::Bug, fault.to_string());
    let changes = discarded(&batch, &facts, &reject, Form::EventOutcome);
    record.commit(changes, batch.from.number, batch.reaches);
    let cursor = Cursor { position: batch.reaches, ..batch.from };
    batch.content.events.clear();
    batch.from = cursor;
    // The write log up to a discarded event still applies.
    transaction(record, &batch, now, done)
}

/// Commits a batch as a whole or not at all.
fn transaction(
    record: &mut Record,
    batch: &Batch,
    now: Timestamp,
    done: &mut Done,
) -> Result<Committed, Fault> {
    if record.number != batch.from.number {
        return Err(Fault::Fenced);
    }
    let Content { events, write_log, .. } = batch.content.clone();
    let write_log = BTreeMap::from([(PARTITION, write_log.into())]);
    let mut facts = Facts { write_log, ..Facts::default() };
    record.first(&first_keys(&events, []), &mut facts);
    let mut asked = RowKeys::default();
    for _ in 0..ROUNDS_MAX {
        let mut keys = row_keys(&events, &facts, &asked);
        keys.mirrors.extend(facts.write_log.values().flatten().map(|entry| entry.mirror.key()));
        let more = keys.without(&asked);
        if more.is_empty() {
            break;
        }
        record.rows(&more, &mut facts);
        asked = keys;
    }
    let refused: BTreeSet<Position> =
        events.iter().filter(|event| record.refuses(event)).map(|event| event.position).collect();
    let mut fold = Fold::new(facts, BTreeMap::from([(PARTITION, record.number)]));
    for event in events {
        fold.event(PARTITION, event);
    }
    let folded = fold.finish();
    // A duplicate has no row of its own that could be refused.
    if folded.changes.event_outcomes.iter().any(|event_outcome| refused.contains(&event_outcome.position)) {
        return Err(Fault::input("the database", "it refuses a row"));
    }
    for rejected in folded.rejected.iter().filter(|rejected| rejected.reject.class == RejectClass::Bug) {
        done.bugs.push(rejected.reject.to_string());
    }
    let of = |sequence: i64| {
        let applied = folded.changes.applied.iter().find(|(_, applied)| applied.sequence == sequence);
        applied.map(|(_, applied)| applied.event.clone())
    };
    let movements = folded.changes.movements.iter();
    done.movements.extend(movements.map(|movement| (movement.clone(), of(movement.sequence))));
    let effects: Vec<_> =
        folded.changes.applied.iter().flat_map(|(_, applied)| applied.effects.clone()).collect();
    let number = folded.numbers.get(&PARTITION).copied().unwrap_or(record.number);
    debug_assert!(
        folded.changes.event_outcomes.iter().all(|event_outcome| event_outcome.outcome != Outcome::Duplicate)
    );
    record.commit(folded.changes, number, batch.reaches);
    record.set_desired(&effects, now);
    Ok(Committed::nothing(Cursor { position: batch.reaches, number, epoch: 0 }))
}
