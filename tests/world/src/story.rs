//! The story of a run, in plain words.

use model::Timestamp;

/// The lines of a story; kept only if requested.
#[derive(Debug)]
pub(crate) struct Story {
    is_kept: bool,
    /// The lines.
    pub(crate) lines: Vec<String>,
}

impl Story {
    pub(crate) const fn new(is_kept: bool) -> Self {
        Self { is_kept, lines: Vec::new() }
    }

    pub(crate) fn log(&mut self, at: Timestamp, line: &str) {
        if self.is_kept {
            self.lines.push(format!("{at} {line}"));
        }
    }
}
