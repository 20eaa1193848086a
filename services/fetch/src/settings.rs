//! Settings that decide whether a platform accepts calls, and pauses between tries of a refused account.

use platforms::AccountRefusal;
use std::time::Duration;
use store::Connection;

/// The pause before a refused account is first tried again; it doubles with each refusal.
const PROBE_FIRST: Duration = Duration::from_mins(1);
/// Longest pause between two tries of a refused account.
const PROBE_LONGEST: Duration = Duration::from_hours(1);

/// The settings of a connection that decide whether its platform accepts a call. A change of one of them is a reason to
/// try again.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    enabled: bool,
    base_url: String,
    account: String,
    api_version: String,
    token: String,
}

impl Settings {
    pub(crate) fn of(connection: &Connection) -> Self {
        Self {
            enabled: connection.enabled,
            base_url: connection.base_url.clone(),
            account: connection.account.clone(),
            api_version: connection.api_version.clone(),
            token: connection.token.clone(),
        }
    }
}

/// The state of a refused account.
pub(crate) struct Refused {
    with: Settings,
    attempts: u32,
}

impl Refused {
    /// The state after one more refusal. With other settings the count begins anew.
    pub(crate) fn after(before: Option<Self>, with: Settings) -> Self {
        let attempts = before.filter(|before| before.with == with).map_or(0, |before| before.attempts + 1);
        Self { with, attempts }
    }

    /// The pause before the next try.
    pub(crate) fn pause(&self) -> Duration {
        PROBE_FIRST.saturating_mul(1 << self.attempts.min(10)).min(PROBE_LONGEST)
    }

    /// Returns whether changed settings are a reason to try before that.
    pub(crate) fn is_outdated_by(&self, now: &Settings) -> bool {
        self.with != *now
    }
}

/// The name of a refusal in logs.
pub(crate) const fn word(refusal: AccountRefusal) -> &'static str {
    match refusal {
        AccountRefusal::Unauthorized => "needs_reauth",
        AccountRefusal::Misconfigured => "misconfigured",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(token: &str) -> Settings {
        Settings {
            enabled: true,
            base_url: "https://api.example.com".to_owned(),
            account: String::new(),
            api_version: String::new(),
            token: token.to_owned(),
        }
    }

    #[test]
    fn a_refused_account_is_tried_again_with_growing_pauses_at_most_hourly() {
        let mut refused = Refused::after(None, settings("old"));
        assert_eq!(refused.pause(), PROBE_FIRST);
        for _ in 0..50 {
            let before = refused.pause();
            refused = Refused::after(Some(refused), settings("old"));
            assert!(refused.pause() == (before * 2).min(PROBE_LONGEST), "{before:?}");
        }
        assert_eq!(refused.pause(), PROBE_LONGEST);
        refused = Refused::after(Some(refused), settings("new"));
        assert_eq!(refused.pause(), PROBE_FIRST);
    }

    #[test]
    fn only_other_settings_are_a_reason_to_try_sooner() {
        let refused = Refused::after(None, settings("old"));
        assert!(!refused.is_outdated_by(&settings("old")));
        assert!(refused.is_outdated_by(&settings("new")));
        assert!(refused.is_outdated_by(&Settings { enabled: false, ..settings("old") }));
    }
}
