//! The times at which the values of deliveries arrived somewhere, and the match of two such places by value.

use super::{
    latencies::Latencies,
    numbering::{LevelReport, Numbering},
};
use crate::failure::Failed;
use model::Timestamp;
use std::time::Duration;

/// The first arrival of each delivery's value. Its memory depends on the number of deliveries alone.
#[derive(Debug)]
pub(crate) struct Arrivals {
    numbering: Numbering,
    first: Vec<Option<Timestamp>>,
    /// Number of last levels of items that have not arrived.
    last_missing: u64,
}

impl Arrivals {
    pub(crate) fn new(numbering: Numbering) -> Self {
        let count = usize::try_from(numbering.events).unwrap_or(usize::MAX);
        let last_missing = numbering.events - numbering.first_of_last();
        Self { numbering, first: vec![None; count], last_missing }
    }

    /// Records the arrival of a level; returns true if it is the first of a delivery's value.
    pub(crate) fn record(&mut self, report: &LevelReport, at: Timestamp) -> bool {
        let Some(index) = self.numbering.index(report) else { return false };
        let first = usize::try_from(index).ok().and_then(|index| self.first.get_mut(index));
        let Some(first @ None) = first else { return false };
        *first = Some(at);
        self.last_missing -= u64::from(index >= self.numbering.first_of_last());
        true
    }

    /// Returns true if the last level of every item has arrived.
    pub(crate) const fn is_complete(&self) -> bool {
        self.last_missing == 0
    }

    /// Matches each delivery with the arrival of its value there, `self` being the receipts. A value that did not arrive
    /// there counts as coalesced if a newer one of the same item did; otherwise it is an error.
    pub(crate) fn until(&self, there: &Self) -> Result<Matched, Failed> {
        let mut matched = Matched { latencies: Latencies::new()?, coalesced: 0 };
        let levels = usize::try_from(self.numbering.levels()).unwrap_or(usize::MAX);
        let mut has_newer = vec![false; levels.min(self.first.len())];
        let both = self.first.iter().zip(&there.first).enumerate();
        for (index, (received, arrived)) in both.rev() {
            let has_newer = &mut has_newer[index % levels];
            match (received, arrived) {
                (Some(received), Some(arrived)) => {
                    let took = Duration::from_micros(arrived.micros_since(*received));
                    matched.latencies.record(took)?;
                    *has_newer = true;
                }
                (Some(_), None) if *has_newer => matched.coalesced += 1,
                (None, _) => return Err(Failed::Other(format!("delivery {index} was not received"))),
                (_, None) => return Err(Failed::Other(format!("the value of delivery {index} was lost"))),
            }
        }
        Ok(matched)
    }
}

/// Deliveries with the arrivals of their values.
pub(crate) struct Matched {
    /// The times from the receipt of a delivery to the arrival of its own value.
    pub(crate) latencies: Latencies,
    /// Number of values that a newer one replaced before they were sent.
    pub(crate) coalesced: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two items of one store, three reports of each.
    const NUMBERING: Numbering = Numbering { events: 6, stores: 1, items: 2 };

    /// Arrivals of these deliveries, in this order, each that many milliseconds after 1970 began.
    fn arrivals(of: &[(u64, i64)]) -> Arrivals {
        let mut arrivals = Arrivals::new(NUMBERING);
        for (index, milliseconds) in of {
            let at = Timestamp::from_micros(milliseconds * 1000);
            assert!(arrivals.record(&NUMBERING.report(*index), at), "{index}");
        }
        arrivals
    }

    fn received() -> Arrivals {
        arrivals(&[(0, 0), (1, 10), (2, 20), (3, 30), (4, 40), (5, 50)])
    }

    #[test]
    fn each_delivery_is_matched_with_the_call_of_its_value_in_whatever_order_they_came() {
        let called = arrivals(&[(5, 56), (1, 12), (0, 1), (3, 34), (2, 23), (4, 45)]);
        let matched = received().until(&called).unwrap();
        assert_eq!((matched.latencies.count(), matched.coalesced), (6, 0));
        let quantiles = matched.latencies.quantiles_ms();
        assert!((quantiles.p50 - 3.0).abs() < 0.01 && (quantiles.max - 6.0).abs() < 0.01, "{quantiles:?}");
    }

    #[test]
    fn a_value_that_a_newer_one_of_its_item_replaced_is_coalesced() {
        let called = arrivals(&[(4, 45), (1, 12), (5, 56)]);
        assert!(called.is_complete());
        let matched = received().until(&called).unwrap();
        assert_eq!((matched.latencies.count(), matched.coalesced), (3, 3));
    }

    #[test]
    fn a_value_that_nothing_replaced_is_lost() {
        let called = arrivals(&[(0, 1), (2, 23), (4, 45), (1, 12), (3, 34)]);
        assert!(!called.is_complete());
        assert!(
            received().until(&called).is_err_and(|error| error.to_string().contains("delivery 5 was lost"))
        );
        assert!(called.until(&received()).is_err(), "a call without a receipt");
    }

    #[test]
    fn a_repetition_and_an_unknown_level_are_no_first_arrivals() {
        let mut arrivals = arrivals(&[(0, 1)]);
        let later = Timestamp::from_micros(9000);
        assert!(!arrivals.record(&NUMBERING.report(0), later));
        let unknown = LevelReport { available: 7, ..NUMBERING.report(0) };
        assert!(!arrivals.record(&unknown, later));
        assert_eq!(arrivals.first[0], Some(Timestamp::from_micros(1000)));
    }
}
