//! Kill points: steps at which a test can make the process crash.

/// The variable that arms a kill point: `TILLFLOW_KILL_AT=apply.committed:3` ends the process at once when it passes
/// the point `committed` of `apply` for the third time, without unwinding or flushing anything, as a kill would.
#[cfg(debug_assertions)]
const VARIABLE: &str = "TILLFLOW_KILL_AT";

/// Marks a point between two steps at which a crash must be harmless. Does nothing in release builds.
#[cfg(debug_assertions)]
pub fn kill_point(stage: &str, point: &str) {
    use std::sync::LazyLock;
    static ARMED: LazyLock<Option<Armed>> =
        LazyLock::new(|| std::env::var(VARIABLE).ok().and_then(|text| Armed::read(&text)));
    if ARMED.as_ref().is_some_and(|armed| armed.passes(stage, point)) {
        tracing::error!(stage, point, "killed at a point that a test has set");
        std::process::abort();
    }
}

/// Marks a point between two steps at which a crash must be harmless. Does nothing in release builds.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn kill_point(_stage: &str, _point: &str) {}

#[cfg(debug_assertions)]
struct Armed {
    stage: String,
    point: String,
    /// Number of the pass that crashes, from 1.
    pass: u64,
    passed: std::sync::atomic::AtomicU64,
}

#[cfg(debug_assertions)]
impl Armed {
    fn read(text: &str) -> Option<Self> {
        let (name, pass) = text.split_once(':').unwrap_or((text, "1"));
        let (stage, point) = name.split_once('.')?;
        let passed = std::sync::atomic::AtomicU64::new(0);
        Some(Self { stage: stage.to_owned(), point: point.to_owned(), pass: pass.parse().ok()?, passed })
    }

    /// Counts a pass of this point; returns true if it is the one to crash at.
    fn passes(&self, stage: &str, point: &str) -> bool {
        self.stage == stage
            && self.point == point
            && self.passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == self.pass
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn the_point_that_is_named_kills_at_the_pass_that_is_named_and_no_other() {
        let armed = Armed::read("apply.committed:3").unwrap();
        assert!(!armed.passes("apply", "begun"));
        assert!(!armed.passes("enrich", "committed"));
        let deadly: Vec<bool> = (0..4).map(|_| armed.passes("apply", "committed")).collect();
        assert_eq!(deadly, [false, false, true, false]);
        assert!(Armed::read("fetch.noted").unwrap().passes("fetch", "noted"), "once is enough");
    }

    #[test]
    fn what_names_no_point_kills_nothing() {
        assert!(
            ["", "apply", "apply.begun:", "apply.begun:many"]
                .into_iter()
                .all(|text| Armed::read(text).is_none())
        );
    }
}
