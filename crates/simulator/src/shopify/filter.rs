//! The filters of lists: ranges of ids and of times of change, all of which have to hold.

use crate::ledger::Instant;
use crate::notation;
use chrono::Timelike;
use std::cmp::Ordering;

/// The limits of a list.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    changed: Vec<(Comparison, Instant)>,
    ids: Vec<(Comparison, u64)>,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

impl Comparison {
    /// Splits a comparison off the beginning of `text`.
    fn split(text: &str) -> (Self, &str) {
        let all = [
            (">=", Self::GreaterOrEqual),
            ("<=", Self::LessOrEqual),
            (">", Self::Greater),
            ("<", Self::Less),
        ];
        let found = all.into_iter().find_map(|(mark, this)| Some((this, text.strip_prefix(mark)?)));
        found.unwrap_or((Self::Equal, text))
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Equal => ordering.is_eq(),
        }
    }
}

impl Filter {
    /// Parses terms like `updated_at:>='2026-01-01T00:00:00Z' AND id:>=5`; `None` for any other.
    pub(crate) fn parse(query: &str) -> Option<Self> {
        let mut filter = Self::default();
        for term in query.split(" AND ").map(str::trim).filter(|term| !term.is_empty()) {
            let (name, value) = term.split_once(':')?;
            let (comparison, value) = Comparison::split(value);
            let value = value.trim_matches(|each| each == '\'' || each == '"');
            match name {
                "updated_at" => filter.changed.push((comparison, notation::instant(value)?)),
                "id" => filter.ids.push((comparison, value.parse().ok()?)),
                _ => return None,
            }
        }
        Some(filter)
    }

    /// Returns whether the time of a change, which the platform shows in whole seconds, is selected.
    pub(crate) fn has_changed(&self, at: Instant) -> bool {
        let at = at.with_nanosecond(0).unwrap_or(at);
        self.changed.iter().all(|(comparison, limit)| comparison.holds(at.cmp(limit)))
    }

    /// Returns whether an id is selected.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        let id: u64 = id.parse().unwrap_or_default();
        self.ids.iter().all(|(comparison, limit)| comparison.holds(id.cmp(limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_has_to_hold_and_an_unknown_one_is_refused() {
        let at = |text: &str| notation::instant(text).unwrap();
        let filter = Filter::parse("updated_at:>='2026-01-01T00:00:00Z' AND id:>=5 AND id:<8").unwrap();
        assert!(
            filter.has_changed(at("2026-01-01T00:00:00.9Z"))
                && !filter.has_changed(at("2025-12-31T23:59:59Z"))
        );
        let ids: Vec<u64> = (0..10).filter(|id| filter.has_id(&id.to_string())).collect();
        assert_eq!(ids, [5, 6, 7]);
        assert!(Filter::parse("").unwrap().has_id("1"));
        for unknown in ["title:tea", "updated_at:>soon", "id:x", "tea"] {
            assert!(Filter::parse(unknown).is_none(), "{unknown}");
        }
    }
}
