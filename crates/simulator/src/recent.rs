//! The latest entries of a log, each with its index in the whole log.

use std::collections::VecDeque;

/// The last `max` entries, and the number of entries dropped before them.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    max: usize,
    dropped: u64,
    entries: VecDeque<T>,
}

impl<T: Clone> Recent<T> {
    pub(crate) const fn new(max: usize) -> Self {
        Self { max, dropped: 0, entries: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, happened: T) {
        self.entries.push_back(happened);
        if self.entries.len() > self.max {
            self.entries.pop_front();
            self.dropped += 1;
        }
    }

    /// Returns the entries after the first `seen` of all, as far as they are kept, and the count of all.
    pub(crate) fn since(&self, seen: u64) -> (Vec<T>, u64) {
        let skipped = usize::try_from(seen.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        (self.entries.iter().skip(skipped).cloned().collect(), self.dropped + self.entries.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_again_gets_what_is_new() {
        let mut recent = Recent::new(3);
        assert_eq!(recent.since(0), (vec![], 0));
        recent.push(1);
        recent.push(2);
        assert_eq!(recent.since(1), (vec![2], 2));
        recent.push(3);
        recent.push(4);
        assert_eq!(recent.since(2), (vec![3, 4], 4));
        assert_eq!(recent.since(0), (vec![2, 3, 4], 4), "the first is gone");
        assert_eq!(recent.since(4), (vec![], 4));
    }
}
