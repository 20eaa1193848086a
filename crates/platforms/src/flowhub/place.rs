//! The place at which the next page of a list begins.

use std::fmt;

/// Upper limit of the locations of a client.
pub(super) const LOCATIONS_MAX: usize = 100;

/// A page of one list, and what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The number of the page; they count from one.
    pub(super) page: u32,
    /// The number of objects on the pages before.
    pub(super) seen: u64,
}

impl Progress {
    /// The first page.
    pub(super) const FIRST: Self = Self { page: 1, seen: 0 };

    /// Reads a cursor.
    pub(super) fn parse(cursor: &str) -> Option<Self> {
        let (page, seen) = cursor.split_once('/')?;
        Some(Self { page: page.parse().ok()?, seen: seen.parse().ok()? })
    }

    /// The next page after one with `count` objects of a list of `total`, or of an unknown number; `None` if that was
    /// the last. The server may put fewer objects on a page than it was asked for, so a short page isn't the last.
    pub(super) fn after(self, count: usize, total: Option<u64>) -> Option<Self> {
        let seen = self.seen.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        let has_more = count > 0 && total.is_none_or(|total| seen < total);
        has_more.then(|| Some(Self { page: self.page.checked_add(1)?, seen })).flatten()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.page, self.seen)
    }
}

/// A page of the orders of a location, and the locations whose orders come after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The page.
    pub(super) progress: Progress,
    /// The locations that are left, escaped; that of the page comes first. Never empty.
    locations: Vec<String>,
}

impl Place {
    /// The first page of the first of these locations; `None` if there are none.
    pub(super) fn first(locations: Vec<String>) -> Option<Self> {
        (!locations.is_empty()).then_some(Self { progress: Progress::FIRST, locations })
    }

    /// Reads a cursor.
    pub(super) fn parse(cursor: &str) -> Option<Self> {
        let (progress, locations) = cursor.rsplit_once('/')?;
        let locations: Vec<String> = locations.split(',').map(ToOwned::to_owned).collect();
        let is_valid = locations.len() <= LOCATIONS_MAX && locations.iter().all(|id| !id.is_empty());
        Some(Self { progress: Progress::parse(progress)?, locations }).filter(|_| is_valid)
    }

    /// The location of the page.
    pub(super) fn location(&self) -> &str {
        self.locations.first().map_or("", String::as_str)
    }

    /// The next page of the location, or else the first of the next one; see [`Progress::after`].
    pub(super) fn after(mut self, count: usize, total: Option<u64>) -> Option<Self> {
        if let Some(progress) = self.progress.after(count, total) {
            return Some(Self { progress, ..self });
        }
        self.locations.remove(0);
        Self::first(self.locations)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.progress, self.locations.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_when_all_of_it_was_seen_or_nothing_comes_any_more() {
        let second = Progress::FIRST.after(100, Some(250)).unwrap();
        assert_eq!(second, Progress { page: 2, seen: 100 });
        assert_eq!(second.after(150, Some(250)), None);
        assert_eq!(second.after(0, Some(250)), None, "the list became shorter");
        assert_eq!(Progress::FIRST.after(3, None), Some(Progress { page: 2, seen: 3 }));
        assert_eq!(Progress::FIRST.after(0, None), None);
    }

    #[test]
    fn the_pages_of_a_location_come_before_the_next_location() {
        let place = Place::first(vec!["a".to_owned(), "b".to_owned()]).unwrap();
        let second = place.after(2, Some(3)).unwrap();
        assert_eq!((second.to_string().as_str(), second.location()), ("2/2/a,b", "a"));
        let other = second.after(1, Some(3)).unwrap();
        assert_eq!(other.to_string(), "1/0/b");
        assert_eq!(other.after(0, Some(0)), None);
        assert_eq!(Place::first(Vec::new()), None);
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_no_other_text_is_one() {
        let place = Place {
            progress: Progress { page: 3, seen: 9 },
            locations: vec!["a%2F".to_owned(), "b".to_owned()],
        };
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        let long = format!("1/0/{}", vec!["a"; LOCATIONS_MAX + 1].join(","));
        for cursor in ["", "1", "1/0", "1/0/", "x/0/a", "1/x/a", "-1/0/a", "1/0/a,", "/a", &long] {
            assert_eq!(Place::parse(cursor), None, "{cursor}");
        }
    }
}
