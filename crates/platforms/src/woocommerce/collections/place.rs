//! The place of a page: in the list of objects, or among the variations of a product that the last page of it had.

use crate::{
    CallError, ListPage, Listed, NextPage, Range, Wanted, offset_list::OffsetPlace, woocommerce::kind::Kind,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::time::Duration;

/// The objects of a list, by their status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// All but those in the trash.
    #[default]
    Any,
    /// Those in the trash.
    Trash,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Trash => "trash",
        }
    }
}

/// A product whose variations have to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Variable {
    pub(super) id: u64,
    /// Its own SKU, which a list shows for variations without one.
    pub(super) sku: Value,
    /// Time of its last change.
    pub(super) date_modified_gmt: Value,
}

impl Variable {
    /// The product, if it has variations.
    pub(super) fn of(row: &Value) -> Option<Self> {
        let is_variable = Kind::of(row.get("type"), row.get("variations")) == Kind::WithVariations;
        let text = |name: &str| row.get(name).filter(|value| value.is_string()).cloned().unwrap_or_default();
        let id = row.get("id").and_then(Value::as_u64).filter(|_| is_variable)?;
        Some(Self { id, sku: text("sku"), date_modified_gmt: text("date_modified_gmt") })
    }
}

/// The place of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The page of the list: the one that is read, or the one behind the products whose variations are read.
    #[serde(flatten)]
    pub(super) list: OffsetPlace,
    #[serde(default)]
    pub(super) status: Status,
    /// Products whose variations aren't read yet.
    #[serde(default)]
    pub(super) variable: Vec<Variable>,
    /// The page of the first one's variations.
    #[serde(default)]
    pub(super) page: u64,
    /// True if nothing follows the variations.
    #[serde(default)]
    pub(super) is_end: bool,
    /// Number of objects of the list that were read.
    #[serde(default)]
    pub(super) read: u64,
    /// Number of objects that were handed over with a key.
    #[serde(default)]
    pub(super) listed: u64,
    /// Number of objects of the list, as the last page of it stated.
    #[serde(default)]
    pub(super) total: Option<u64>,
}

impl Place {
    /// The place that `wanted` names, or the beginning of its list.
    pub(super) fn of(wanted: &Wanted<'_>) -> Result<Self, Reject> {
        let Some(cursor) = wanted.cursor else { return Ok(Self::default()) };
        let wrong = |_| Reject::new(RejectClass::Platform, "a cursor that isn't ours");
        serde_json::from_str(cursor).map_err(wrong)
    }

    /// Moves behind a page of the list: to the next one, or to the trash after the last.
    pub(super) fn go_on(&mut self, next: Option<OffsetPlace>, has_trash: bool) {
        match next {
            Some(next) => self.list = next,
            None if has_trash && self.status == Status::Any => {
                (self.list, self.status) = (OffsetPlace::default(), Status::Trash);
            }
            None => self.is_end = true,
        }
    }

    /// The place behind a page of variations: the next page of them, or the next product's.
    pub(super) fn behind_variations(&self, next: Option<u64>) -> Self {
        match next {
            Some(page) => Self { page, ..self.clone() },
            None => Self { page: 1, variable: self.variable[1..].to_vec(), ..self.clone() },
        }
    }

    /// The page with `objects`, of which `listed` have a key. The last page of a whole list states the number of objects
    /// that it should have had: those that were handed over, and those that the list has and no page showed.
    pub(super) fn page(
        mut self,
        objects: Vec<Listed>,
        listed: usize,
        range: Range,
    ) -> Result<ListPage, CallError> {
        self.listed += listed as u64;
        if self.is_end && self.variable.is_empty() {
            let total = self.total.filter(|_| range == Range::Whole);
            let total = total.map(|total| (self.listed + total).saturating_sub(self.read));
            return Ok(ListPage { objects, next: None, total });
        }
        let cursor = serde_json::to_string(&self);
        let cursor = cursor.map_err(|_| CallError::transient("a cursor can't be written"))?;
        Ok(ListPage { objects, next: Some(NextPage { cursor, wait: Duration::ZERO }), total: None })
    }
}
