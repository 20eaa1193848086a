//! A platform on which people and we set a text and a price, and that reports both.

use super::*;
use model::AskedBy;

/// The state of a platform at one time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Snapshot {
    pub(super) text: i64,
    pub(super) price: i64,
    /// Time at which either was last set.
    pub(super) at: i64,
    /// The mirror that it was read for, with the number of the waiting; `None` for a report.
    pub(super) read_for: Option<(Field, Waiting)>,
}

impl Snapshot {
    pub(super) fn number(&self, field: Field) -> i64 {
        match field {
            Field::Text => self.text,
            Field::Price => self.price,
        }
    }
}

pub(super) struct Platform {
    pub(super) name: &'static str,
    /// Number of clock ticks of one version.
    span: i64,
    pub(super) holds: Snapshot,
    /// Reported and not yet arrived, oldest first.
    pub(super) reports: Vec<Snapshot>,
    /// Values to set. An overdue call is discarded before it is repeated.
    pub(super) calls: BTreeMap<Field, i64>,
    /// Versions that writes have made.
    pub(super) responses: BTreeMap<Field, i64>,
}

impl Platform {
    pub(super) fn new(name: &'static str, span: i64) -> Self {
        let (calls, responses) = (BTreeMap::new(), BTreeMap::new());
        Self { name, span, holds: Snapshot::default(), reports: Vec::new(), calls, responses }
    }

    /// Sets a field, and reports it.
    pub(super) fn set(&mut self, field: Field, number: i64, at: i64) {
        match field {
            Field::Text => self.holds.text = number,
            Field::Price => self.holds.price = number,
        }
        self.holds.at = at;
        self.reports.push(self.holds);
    }

    pub(super) const fn version(&self, at: i64) -> i64 {
        at / self.span * self.span
    }

    /// A report or reading as an event; the number makes it an event of its own.
    pub(super) fn report(&self, reported: Snapshot, number: i64) -> Event {
        let product = Payload::Product(shirt(&title(reported.text), reported.price));
        let mut event = event(self.name, number.unsigned_abs(), Some(self.version(reported.at)), product);
        if self.span == 1 {
            event = exact(event);
        }
        event.is_read_back = reported.read_for.is_some();
        event.asked_by = reported.read_for.map(|(field, waiting)| AskedBy {
            mirror: match field {
                Field::Text => MirrorKey::Text(text_key(self.name)),
                Field::Price => MirrorKey::Price(price_key(self.name)),
            },
            waiting,
        });
        event
    }
}
