//! Lists that are read by offsets. Objects that are added or removed while such a list is read shift the pages that
//! follow; a page therefore begins within the former one, and has to show one of its last objects.

use crate::CallError;
use serde::{Deserialize, Serialize};

/// Number of objects of the former page that a page begins with: as many may be removed between two pages.
const OVERLAP: usize = 5;
/// Upper limit of steps back in one list; one that needs more changes faster than it is read.
const STEPS_BACK_MAX: u32 = 10;

/// The place of a page in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OffsetPlace {
    /// Number of objects before the page.
    pub(crate) offset: u64,
    /// Keys of the last objects of the former page, of which the page has to show one; none for the first page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    last: Vec<String>,
    #[serde(default)]
    steps_back: u32,
}

/// The size of a page, and of its list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OffsetPage {
    /// Requested number of objects.
    pub(crate) size: u64,
    /// Number of objects in the whole list, if the reply states it. Without it, a page that isn't full is the last.
    pub(crate) total: Option<u64>,
}

/// The objects of a page that no former page had, and the place of the next one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OffsetRead<'a, T> {
    /// The objects.
    pub(crate) rows: &'a [T],
    /// `None` after the last page.
    pub(crate) next: Option<OffsetPlace>,
}

impl OffsetPlace {
    /// Returns the objects of `page` behind the last ones of the former page. A page that shows none of them began too
    /// late, since objects before it were removed: the list is read again from a page before. If even its first page shows
    /// none, it is read from the beginning, and has keys twice.
    pub(crate) fn read<'a, T>(
        &self,
        rows: &'a [T],
        page: OffsetPage,
        key: impl Fn(&T) -> Option<&str>,
    ) -> Result<OffsetRead<'a, T>, CallError> {
        let is_read = |row: &T| key(row).is_some_and(|key| self.last.iter().any(|last| last == key));
        let first = match rows.iter().position(is_read) {
            Some(first) => first + rows[first..].iter().take_while(|row| is_read(row)).count(),
            None if self.last.is_empty() || self.offset == 0 => 0,
            None => return self.step_back(page.size),
        };
        let behind = self.offset.saturating_add(page.size);
        let is_end = match page.total {
            Some(total) => behind >= total,
            None => u64::try_from(rows.len()).unwrap_or(u64::MAX) < page.size,
        };
        let next = self.next(behind, rows, key);
        Ok(OffsetRead { rows: &rows[first..], next: (!is_end).then_some(next) })
    }

    /// Returns the place behind the first `count` objects of a page that isn't read to its end.
    pub(crate) fn behind<T>(&self, rows: &[T], count: usize, key: impl Fn(&T) -> Option<&str>) -> Self {
        let behind = self.offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.next(behind, &rows[..count.min(rows.len())], key)
    }

    fn next<T>(&self, behind: u64, rows: &[T], key: impl Fn(&T) -> Option<&str>) -> Self {
        let last: Vec<String> = rows.iter().rev().filter_map(key).take(OVERLAP).map(str::to_owned).collect();
        let overlap = u64::try_from(OVERLAP).unwrap_or_default();
        // A page without any key can't show where the next one has to begin.
        Self { offset: behind.saturating_sub(overlap), last, steps_back: self.steps_back }
    }

    fn step_back<'a, T>(&self, size: u64) -> Result<OffsetRead<'a, T>, CallError> {
        if self.steps_back >= STEPS_BACK_MAX {
            return Err(CallError::transient("the list changes faster than it is read"));
        }
        let offset = self.offset.saturating_sub(size);
        let next = Self { offset, steps_back: self.steps_back + 1, last: self.last.clone() };
        Ok(OffsetRead { rows: &[], next: Some(next) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: u64 = 8;

    fn shown(list: &[String], place: &OffsetPlace) -> Vec<String> {
        let offset = usize::try_from(place.offset).unwrap();
        list.iter().skip(offset).take(usize::try_from(SIZE).unwrap()).cloned().collect()
    }

    /// Reads a list, which `change` changes before each page. Returns `None` if it is given up.
    fn read(
        mut list: Vec<String>,
        states_total: bool,
        mut change: impl FnMut(&mut Vec<String>, usize),
    ) -> Option<Vec<String>> {
        let (mut place, mut read) = (OffsetPlace::default(), Vec::new());
        for number in 0..1_000 {
            change(&mut list, number);
            let rows = shown(&list, &place);
            let total = states_total.then_some(list.len() as u64);
            let page = place.read(&rows, OffsetPage { size: SIZE, total }, |row| Some(row.as_str())).ok()?;
            read.extend(page.rows.to_vec());
            match page.next {
                Some(next) => place = next,
                None => return Some(read),
            }
        }
        panic!("the list has no end");
    }

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:04}")).collect()
    }

    #[test]
    fn every_object_of_a_list_that_stays_the_same_is_read_once() {
        for count in [0, 1, 7, 8, 9, 11, 16, 100] {
            for states_total in [true, false] {
                let list = numbered(count);
                assert_eq!(read(list.clone(), states_total, |_, _| ()), Some(list), "{count} {states_total}");
            }
        }
    }

    #[test]
    fn an_object_before_a_page_that_is_removed_hides_no_other() {
        let read = read(numbered(40), true, |list, page| {
            if page == 2 {
                list.remove(0);
            }
        });
        assert_eq!(read, Some(numbered(40)));
    }

    #[test]
    fn a_list_that_shifts_further_than_its_pages_overlap_is_read_again_from_a_page_before() {
        let read = read(numbered(40), true, |list, page| {
            if page == 3 {
                list.drain(..6);
            }
        });
        assert_eq!(read, Some(numbered(40)));
    }

    #[test]
    fn a_list_whose_last_objects_are_gone_is_read_from_its_beginning_and_has_keys_twice() {
        let read = read(numbered(40), true, |list, page| {
            if page == 2 {
                list.drain(4..14);
            }
        })
        .unwrap();
        let repeated = read.len() - read.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert!(repeated > 0, "nothing shows that it shifted: {read:?}");
        assert!(numbered(40)[14..].iter().all(|row| read.contains(row)), "{read:?}");
    }

    #[test]
    fn a_list_that_never_shows_the_former_page_is_given_up() {
        let mut generation = 0;
        let renamed = |list: &mut Vec<String>, _| {
            generation += 1;
            for row in list {
                *row = format!("{generation} {row}");
            }
        };
        assert_eq!(read(numbered(400), true, renamed), None);
    }

    #[test]
    fn a_page_that_is_left_early_goes_on_behind_the_objects_that_were_read() {
        let list = numbered(20);
        let place = OffsetPlace { offset: 8, ..OffsetPlace::default() };
        let place = place.behind(&shown(&list, &place), 3, |row| Some(row.as_str()));
        let rows = shown(&list, &place);
        let page = OffsetPage { size: SIZE, total: None };
        let page = place.read(&rows, page, |row| Some(row.as_str())).unwrap();
        assert_eq!(page.rows.first().map(String::as_str), Some("0011"));
    }

    #[test]
    fn a_list_is_at_its_end_when_its_total_is_reached() {
        let list = numbered(8);
        let place = OffsetPlace::default();
        let rows = shown(&list, &place);
        let page = OffsetPage { size: SIZE, total: Some(8) };
        assert_eq!(place.read(&rows, page, |row| Some(row.as_str())).unwrap().next, None, "one call less");
    }

    #[test]
    fn a_list_of_objects_without_keys_is_read_to_its_end() {
        let list = numbered(20);
        let (mut place, mut read) = (OffsetPlace::default(), 0);
        for _ in 0..10 {
            let rows = shown(&list, &place);
            let page = place.read(&rows, OffsetPage { size: SIZE, total: Some(20) }, |_| None).unwrap();
            read += page.rows.len();
            match page.next {
                Some(next) => place = next,
                None => break,
            }
        }
        assert!(read >= list.len(), "nothing shows that its pages shifted: {read}");
    }

    proptest! {
        #[test]
        fn what_is_in_the_list_all_the_time_is_read_or_the_list_is_given_up(
            count in 0_usize..60,
            changes in proptest::collection::vec((0_usize..60, any::<bool>(), 0_usize..4), 0..20),
            states_total in any::<bool>(),
        ) {
            let list = numbered(count);
            let mut stays = list.clone();
            let (mut changes, mut added) = (changes.into_iter(), 0);
            let found = read(list, states_total, |list, _| {
                let Some((at, adds, times)) = changes.next() else { return };
                for _ in 0..times {
                    if adds {
                        added += 1;
                        list.insert(at.min(list.len()), format!("new {added}"));
                    } else if !list.is_empty() {
                        let removed = list.remove(at % list.len());
                        stays.retain(|row| *row != removed);
                    }
                }
            });
            if let Some(found) = found {
                for row in stays {
                    prop_assert!(found.contains(&row), "{row} was passed over");
                }
            }
        }
    }
}
