//! Promotions as a shop's staff sets them up: a share off one product or off everything.

use crate::ledger::{Change, Instant};
use crate::shop::Impossible;
use crate::state::State;
use chrono::{DateTime, NaiveTime, Utc};
use std::collections::BTreeMap;

/// Maximum number of promotions that a shop keeps.
const PROMOTIONS_MAX: usize = 1_000;

/// A promotion to be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPromotion {
    /// The name.
    pub title: String,
    /// The share off the price, in whole percent.
    pub percent: u8,
    /// The product that it is for; `None` for everything.
    pub product: Option<String>,
    /// The time from which it is valid; `None` for always.
    pub from: Option<DateTime<Utc>>,
    /// The time from which it is no longer valid; `None` for never.
    pub until: Option<DateTime<Utc>>,
    /// The hours of each day, in the shop's local time; `None` for the whole day.
    pub daily: Option<(NaiveTime, NaiveTime)>,
}

/// A promotion of a shop.
#[derive(Debug, Clone)]
pub(crate) struct Promotion {
    pub(crate) id: String,
    /// Ids of the parts of which some platforms compose a promotion.
    pub(crate) parts: [String; 3],
    pub(crate) set_up: NewPromotion,
    pub(crate) is_on: bool,
    pub(crate) updated_at: Instant,
    pub(crate) version: i64,
}

/// The promotions of a shop, by id.
#[derive(Debug, Default)]
pub(crate) struct Promotions(BTreeMap<String, Promotion>);

impl Promotions {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Promotion> {
        self.0.values()
    }
}

impl State {
    pub(crate) fn add_promotion(
        &mut self,
        set_up: NewPromotion,
        now: Instant,
    ) -> Result<(String, Vec<Change>), Impossible> {
        if self.promotions.0.len() >= PROMOTIONS_MAX {
            return Err(Impossible::Unsupported);
        }
        let id = self.object_id();
        let parts = [self.object_id(), self.object_id(), self.object_id()];
        let version = self.ledger.next_version();
        let added = Promotion { id: id.clone(), parts, set_up, is_on: true, updated_at: now, version };
        self.promotions.0.insert(id.clone(), added);
        Ok((id, Vec::new()))
    }

    pub(crate) fn edit_promotion(
        &mut self,
        id: &str,
        now: Instant,
        edit: impl FnOnce(&mut NewPromotion, &mut bool),
    ) -> Result<((), Vec<Change>), Impossible> {
        let version = self.ledger.next_version();
        let held = self.promotions.0.get_mut(id).ok_or(Impossible::UnknownItem)?;
        edit(&mut held.set_up, &mut held.is_on);
        (held.updated_at, held.version) = (now, version);
        Ok(((), Vec::new()))
    }

    pub(crate) fn delete_promotion(&mut self, id: &str) -> Result<((), Vec<Change>), Impossible> {
        self.promotions.0.remove(id).ok_or(Impossible::UnknownItem)?;
        Ok(((), Vec::new()))
    }
}
