//! Waits for conditions that become true by themselves.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// The pause between two calls.
const PAUSE: Duration = Duration::from_millis(25);

/// Calls `look` until it returns a value; panics with its last error when `limit` is over.
pub async fn eventually<T, Missing: Display>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, Missing>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look().await {
            Ok(value) => return value,
            Err(missing) => {
                assert!(Instant::now() < deadline, "{what}: not within {limit:?}; at last: {missing}");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_until_there_is_something() {
        let mut looks = 0;
        let seen = eventually(Duration::from_secs(5), "the third look", async || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err("not yet") }
        });
        assert_eq!(seen.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "the moon: not within 1ms; at last: still dark")]
    async fn it_says_what_was_missing() {
        eventually(Duration::from_millis(1), "the moon", async || Err::<(), _>("still dark")).await;
    }
}
