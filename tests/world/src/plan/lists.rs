//! The lists of shops that are read, and what happens to them.

use super::{Act, Draw, Step, WEEK_SECONDS, WebhookFault, after};
use crate::shop::Kind;
use rand::{RngExt, rngs::StdRng};
use rust_decimal::Decimal;
use std::time::Duration;

/// Fault of a page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageFault {
    /// 429.
    Throttled,
    /// 503.
    Unavailable,
    /// The intake accepts only a part of the page.
    NotAccepted,
    /// The process dies after the page was accepted, and before that is stored.
    NotKept,
    /// The platform shows only half of its objects during one read, as if these were all. Never in two complete reads in a
    /// row.
    Half,
    /// This many goods that nobody sells are removed before the page is read, and another one is added.
    Shifted(usize),
}

/// The lists of the platforms that are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListsPlan {
    /// Number of objects on a page.
    pub(crate) page_objects: usize,
    /// Pause between two pages.
    pub(crate) page_wait: Duration,
    /// Interval between two reads.
    pub(crate) every: Duration,
    /// True if lists are in the order of the last change; else in that of ids.
    pub(crate) is_by_change: bool,
}

/// Number of goods of a shop that nobody sells: none in most shops, more than a page in some. A list that leaves out what is
/// sold out is never empty.
pub(super) fn others(rng: &mut StdRng, kind: Kind) -> usize {
    let page = match kind {
        Kind::Clover | Kind::Blaze => 100,
        Kind::WooCommerce => 50,
        _ => 10,
    };
    match rng.random_range(0..8) {
        0 => page + rng.random_range(0..30) - 4,
        1 => rng.random_range(2..6),
        _ if kind.leaves_out_zeros() => 2,
        _ => 0,
    }
}

impl ListsPlan {
    pub(super) fn draw(rng: &mut StdRng) -> Self {
        Self {
            page_objects: rng.random_range(1..=2),
            page_wait: Duration::from_secs([0, 20, 600][rng.random_range(0..3)]),
            every: Duration::from_mins([30, 60, 120][rng.random_range(0..3)]),
            is_by_change: rng.random_ratio(1, 2),
        }
    }
}

impl Draw {
    /// Draws what happens to the lists of these shops: faults of pages, changes that go back, changes while pages are
    /// read.
    pub(super) fn of_lists(&mut self, listed: &[usize]) -> Vec<Step> {
        if listed.is_empty() {
            return Vec::new();
        }
        let shifted = PageFault::Shifted(self.rng.random_range(1..8));
        let faults = [
            PageFault::Throttled,
            PageFault::Unavailable,
            PageFault::NotAccepted,
            PageFault::NotKept,
            PageFault::Half,
            shifted,
        ];
        let mut steps = Vec::new();
        for _ in 0..self.rng.random_range(0..25) {
            let shop = listed[self.rng.random_range(0..listed.len())];
            let (good, place) = (self.rng.random_range(0..self.goods), self.rng.random_range(0..self.places));
            let at = after(self.rng.random_range(600..WEEK_SECONDS));
            let by = Decimal::from(self.rng.random_range(1..4));
            match self.rng.random_range(0..8) {
                0..=3 => {
                    let fault = faults[self.rng.random_range(0..faults.len())];
                    // Some come in rows.
                    let count = [1, 1, 2, 12][self.rng.random_range(0..4)];
                    let count = if matches!(fault, PageFault::NotKept | PageFault::Half) {
                        count.min(2)
                    } else {
                        count
                    };
                    steps.extend((0..count).map(|_| Step { at, act: Act::Page { shop, fault } }));
                }
                4 | 5 => {
                    let later = at.after(Duration::from_secs(self.rng.random_range(1..10_000)));
                    steps.push(Step { at, act: Act::Move { shop, good, place, by } });
                    steps.push(Step { at: later, act: Act::Move { shop, good, place, by: -by } });
                }
                6 => steps.push(Step {
                    at,
                    act: Act::Price { shop, good, cents: self.rng.random_range(100..2_000) },
                }),
                _ if self.rng.random_ratio(1, 3) => steps.push(Step { at, act: Act::Delete { shop, good } }),
                _ => steps.push(Step { at, act: Act::Move { shop, good, place, by: -by } }),
            }
        }
        steps
    }

    /// Draws changes that no webhook reports.
    pub(super) fn of_lost_webhooks(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..self.rng.random_range(0..12) {
            let shop = self.rng.random_range(0..self.shops.len());
            let (good, place) = (self.rng.random_range(0..self.goods), self.rng.random_range(0..self.places));
            let at = after(self.rng.random_range(600..WEEK_SECONDS));
            let act = match self.rng.random_range(0..16) {
                0..=7 => Act::Move { shop, good, place, by: -Decimal::from(self.rng.random_range(1..4)) },
                8..=10 => Act::Price { shop, good, cents: self.rng.random_range(100..2_000) },
                11..=13 => Act::Title { shop, good, text: self.title(good) },
                14 => Act::Track { shop, good, is_tracked: self.rng.random_ratio(1, 2) },
                _ => Act::Delete { shop, good },
            };
            let is_unseen = matches!(act, Act::Track { .. }) && self.shops[shop].is_listed();
            if !is_unseen {
                steps.push(Step { at, act: Act::Hook { shop, fault: WebhookFault::Lost } });
                steps.push(Step { at, act });
            }
        }
        steps
    }
}
