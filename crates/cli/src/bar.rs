//! The progress bar on the terminal: at most one, and every line is written above it.

use indicatif::ProgressBar;
use std::sync::{Mutex, MutexGuard, PoisonError};

static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the bar, instead of another one.
pub(crate) fn show(bar: &ProgressBar) {
    *shown() = Some(bar.clone());
}

/// Forgets the bar.
pub(crate) fn forget() {
    shown().take();
}

/// Writes lines above the bar, if there is one.
pub(crate) fn write_above(write: impl FnOnce()) {
    match &*shown() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}
