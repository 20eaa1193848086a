//! Lists in pages: a limit, and a cursor from the page before.

use crate::problem::Problem;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use store::{LatestPart, Part};
use utoipa::{IntoParams, ToSchema};

/// Number of items on a page unless the request names another.
const ITEMS_DEFAULT: u32 = 50;
/// Upper limit of the items on a page.
const ITEMS_MAX: u32 = 500;
/// Upper limit of a cursor, in bytes.
const CURSOR_BYTES_MAX: usize = 512;

/// The requested page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Upper limit of the items on the page: 1 to 500, 50 unless given.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; the first page unless given.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// The requested page of a list whose latest items are first.
#[derive(Debug)]
pub(crate) struct LatestQuery {
    pub(crate) limit: Option<u32>,
    pub(crate) cursor: Option<String>,
}

/// A page of such a list that was asked for, with the number that it begins before.
#[derive(Debug)]
pub(crate) struct AskedLatest {
    before: Option<i64>,
    limit: usize,
}

impl LatestQuery {
    /// Reads the limit and the cursor.
    pub(crate) fn read(self) -> Result<AskedLatest, Problem> {
        let Asked { after, limit } = PageQuery { limit: self.limit, cursor: self.cursor }.read()?;
        let before = Some(after).filter(|after| !after.is_empty()).map(|after| after.parse().ok());
        match before {
            None => Ok(AskedLatest { before: None, limit }),
            Some(Some(before)) => Ok(AskedLatest { before: Some(before), limit }),
            Some(None) => Err(not_a_cursor()),
        }
    }
}

impl AskedLatest {
    /// The part of the list to read: one row more than the page has, which shows that there is another page.
    pub(crate) fn part(&self) -> LatestPart {
        LatestPart { before: self.before, limit: rows_of(self.limit) }
    }

    /// Returns the page of these rows; `number` is what a page after a row begins before.
    pub(crate) fn page<Row, Item>(
        &self,
        rows: Vec<Row>,
        number: impl Fn(&Row) -> i64,
        item: impl Fn(Row) -> Item,
    ) -> Page<Item> {
        let asked = Asked { after: String::new(), limit: self.limit };
        asked.page(rows, |row| number(row).to_string(), item)
    }
}

fn not_a_cursor() -> Problem {
    Problem::invalid("cursor", "isn't one that a page named as `next_cursor`")
}

/// The rows to read for a page: one more than it has.
fn rows_of(limit: usize) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<Item> {
    /// The items, in the order of their ids; the latest first where they have numbers.
    pub(crate) items: Vec<Item>,
    /// The cursor of the next page; null on the last one.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// A page that was asked for, with the place that it begins at.
#[derive(Debug)]
pub(crate) struct Asked {
    after: String,
    limit: usize,
}

impl PageQuery {
    /// Reads the limit and the cursor.
    pub(crate) fn read(&self) -> Result<Asked, Problem> {
        let limit = self.limit.unwrap_or(ITEMS_DEFAULT);
        if !(1..=ITEMS_MAX).contains(&limit) {
            return Err(Problem::invalid("limit", format!("must be 1 to {ITEMS_MAX}, is {limit}")));
        }
        let after = match &self.cursor {
            None => String::new(),
            Some(cursor) => decoded(cursor).ok_or_else(not_a_cursor)?,
        };
        Ok(Asked { after, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
    }
}

fn decoded(cursor: &str) -> Option<String> {
    if cursor.len() > CURSOR_BYTES_MAX {
        return None;
    }
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    (!text.is_empty() && !text.contains('\0')).then_some(text)
}

impl Asked {
    /// The part of the list to read: one row more than the page has, which shows that there is another page.
    pub(crate) fn part(&self) -> Part<'_> {
        Part { after: &self.after, limit: rows_of(self.limit) }
    }

    /// The place that the page begins at: the key of the last item of the page before, empty for the first page.
    pub(crate) fn after(&self) -> &str {
        &self.after
    }

    /// Returns the page of these rows; `key` is what a page after a row begins after.
    pub(crate) fn page<Row, Item>(
        &self,
        mut rows: Vec<Row>,
        key: impl Fn(&Row) -> String,
        item: impl Fn(Row) -> Item,
    ) -> Page<Item> {
        let is_last = rows.len() <= self.limit;
        rows.truncate(self.limit);
        let last = rows.last().filter(|_| !is_last).map(key);
        let next_cursor = last.map(|key| BASE64_URL_SAFE_NO_PAD.encode(key));
        Page { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(limit: Option<u32>, cursor: Option<&str>) -> PageQuery {
        PageQuery { limit, cursor: cursor.map(str::to_owned) }
    }

    #[test]
    fn pages_have_every_item_once_and_the_last_has_no_cursor() {
        let all: Vec<String> = (0..7).map(|number| format!("id{number}")).collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        for _ in 0..10 {
            let asked = query(Some(3), cursor.as_deref()).read().unwrap();
            let part = asked.part();
            let limit = usize::try_from(part.limit).unwrap();
            let rows = all.iter().filter(|id| id.as_str() > part.after).take(limit).cloned().collect();
            let page = asked.page(rows, String::clone, |id| id);
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_list_that_fits_on_its_page_has_no_next_one() {
        let asked = query(Some(2), None).read().unwrap();
        assert!(asked.page(vec!["a", "b"], |id| (*id).to_owned(), |id| id).next_cursor.is_none());
    }

    #[test]
    fn a_limit_or_cursor_that_no_page_has_is_refused() {
        let long = "A".repeat(CURSOR_BYTES_MAX + 1);
        let refused = [
            query(Some(0), None),
            query(Some(501), None),
            query(None, Some("?")),
            query(None, Some("")),
            query(None, Some(&long)),
        ];
        for query in refused {
            assert!(query.read().is_err(), "{query:?}");
        }
    }
}
