//! Progress and remaining time of long work, on standard error: a bar on a terminal, lines elsewhere.

use crate::{bar, output};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal as _, stderr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Interval between lines.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// Interval between redraws of a bar whose work doesn't advance.
const REDRAW_EVERY: Duration = Duration::from_millis(500);
const BAR: &str = "{msg} [{bar:30}] {percent:>3} %, {eta} to go";

/// The progress of one piece of work; cheap to clone.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Counts>);

struct Counts {
    what: &'static str,
    began: Instant,
    total: AtomicU64,
    done: AtomicU64,
    /// Milliseconds after `began`.
    reported_at: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress of work on `what`.
    pub(crate) fn new(what: &'static str) -> Self {
        let term = std::env::var("TERM").unwrap_or_default();
        let bar = has_bar(stderr().is_terminal(), &term).then(|| drawn(what));
        if let Some(bar) = &bar {
            bar.enable_steady_tick(REDRAW_EVERY);
            bar::show(bar);
        }
        Self::with(what, bar)
    }

    fn with(what: &'static str, bar: Option<ProgressBar>) -> Self {
        let zero = || AtomicU64::new(0);
        let counts =
            Counts { what, began: Instant::now(), total: zero(), done: zero(), reported_at: zero(), bar };
        Self(Arc::new(counts))
    }

    /// Adds expected work.
    pub(crate) fn expect(&self, more: u64) {
        self.0.total.fetch_add(more, Ordering::Relaxed);
        if let Some(bar) = &self.0.bar {
            bar.inc_length(more);
        }
    }

    /// Adds completed work, and reports the progress if a report is due.
    pub(crate) fn add(&self, more: u64) {
        let counts = &self.0;
        let done = counts.done.fetch_add(more, Ordering::Relaxed) + more;
        match &counts.bar {
            Some(bar) => bar.inc(more),
            None if counts.is_due() => output::progress(&counts.line(done)),
            None => {}
        }
    }

    /// Reports the end of the work.
    pub(crate) fn finish(&self) {
        self.0.remove_bar();
        let (counts, elapsed) = (&self.0, self.0.began.elapsed());
        output::progress(&format!("{} done in {:.1} s", counts.what, elapsed.as_secs_f64()));
    }
}

impl Counts {
    /// Returns true, to one caller, if the last line is old enough.
    fn is_due(&self) -> bool {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let reported_at = self.reported_at.load(Ordering::Relaxed);
        u128::from(now.saturating_sub(reported_at)) >= REPORT_EVERY.as_millis()
            && self
                .reported_at
                .compare_exchange(reported_at, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn line(&self, done: u64) -> String {
        let total = self.total.load(Ordering::Relaxed);
        let left = remaining(self.began.elapsed(), done, total);
        let percent = done.min(total) * 100 / total.max(1);
        format!("{percent} % of {}, {} s to go", self.what, left.as_secs())
    }

    fn remove_bar(&self) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| !bar.is_finished()) {
            bar::forget();
            bar.finish_and_clear();
        }
    }
}

impl Drop for Counts {
    /// Removes the bar of work that failed, so that its error stands alone.
    fn drop(&mut self) {
        self.remove_bar();
    }
}

/// Returns true if a bar can be drawn: on a terminal that can move its cursor.
fn has_bar(is_terminal: bool, term: &str) -> bool {
    is_terminal && term != "dumb"
}

fn drawn(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    bar.with_style(style.progress_chars("=> ")).with_message(what)
}

/// Estimated remaining time, at the average speed so far.
fn remaining(elapsed: Duration, done: u64, total: u64) -> Duration {
    let left = u32::try_from(total.saturating_sub(done)).unwrap_or(u32::MAX);
    elapsed.checked_div(u32::try_from(done.max(1)).unwrap_or(u32::MAX)).unwrap_or_default() * left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_was_done() {
        assert_eq!(remaining(Duration::from_secs(10), 5, 10), Duration::from_secs(10));
        assert_eq!(remaining(Duration::from_secs(10), 10, 10), Duration::ZERO);
        assert_eq!(remaining(Duration::from_secs(1), 0, 3), Duration::from_secs(3));
    }

    #[test]
    fn a_bar_is_drawn_on_a_terminal_that_can_move_its_cursor() {
        assert!(has_bar(true, "xterm-256color"));
        assert!(!has_bar(true, "dumb"));
        assert!(!has_bar(false, "xterm-256color"));
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }

    #[test]
    fn a_bar_and_a_line_show_the_same_work() {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let progress = Progress::with("the work", Some(bar.clone()));
        progress.expect(150);
        progress.expect(50);
        progress.add(40);
        progress.add(10);
        assert_eq!((bar.position(), bar.length()), (50, Some(200)));
        assert!(progress.0.line(50).starts_with("25 % of the work, "), "{}", progress.0.line(50));
        drop(progress);
        assert!(bar.is_finished());
    }
}
