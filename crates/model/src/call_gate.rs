//! Gate for calls of a platform: a connection's pause, the account's health, and the probes of a refused account.

use crate::{ConflictKind, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The platform's acceptance of a connection's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// No refusal is known.
    #[default]
    Ok,
    /// The platform no longer accepts the credentials.
    NeedsReauth,
    /// The platform refuses the account or the settings.
    Misconfigured,
    /// The platform reported that the authorisation was revoked.
    Revoked,
}

impl Health {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Ok, Self::NeedsReauth, Self::Misconfigured, Self::Revoked];

    /// Returns the name used in rows and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NeedsReauth => "needs_reauth",
            Self::Misconfigured => "misconfigured",
            Self::Revoked => "revoked",
        }
    }

    /// Returns the kind of the conflict that stays open as long as a connection is in this state.
    pub const fn conflict(self) -> Option<ConflictKind> {
        match self {
            Self::Ok => None,
            Self::NeedsReauth => Some(ConflictKind::NeedsReauth),
            Self::Misconfigured => Some(ConflictKind::Misconfigured),
            Self::Revoked => Some(ConflictKind::AccessRevoked),
        }
    }
}

/// Pause before the first probe of a refused account; it doubles with each refused probe.
const FIRST_PROBE_PAUSE: Duration = Duration::from_mins(1);
/// Upper limit of the pause between two probes.
const LONGEST_PROBE_PAUSE: Duration = Duration::from_hours(1);

/// Returns the pause after the probe `attempts`, with 0 for the first refusal.
fn probe_pause(attempts: u32) -> Duration {
    let factor = 2_u32.checked_pow(attempts).unwrap_or(u32::MAX);
    FIRST_PROBE_PAUSE.saturating_mul(factor).min(LONGEST_PROBE_PAUSE)
}

/// The state of a connection's account, as found by its calls. By default, no refusal is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountState {
    /// The platform's acceptance of its calls.
    pub health: Health,
    /// Earliest time of the next probe, a call that shows whether the platform accepts calls again.
    pub probe_at: Option<Timestamp>,
    /// Number of refused probes since the state began.
    pub probe_attempts: u32,
}

impl AccountState {
    /// Returns the state after a refusal at `now`. A revoked account stays revoked: the platform's notice about the
    /// whole account outranks its reply to one call. A refusal before the next probe is due belongs to a call that was
    /// already under way; it doesn't lengthen the pause.
    #[must_use]
    pub fn refused(self, health: Health, now: Timestamp) -> Self {
        let health = if self.health == Health::Revoked { Health::Revoked } else { health };
        if self.health == Health::Ok {
            return Self { health, probe_at: Some(now.after(probe_pause(0))), probe_attempts: 0 };
        }
        if self.probe_at.is_some_and(|probe_at| now < probe_at) {
            return Self { health, ..self };
        }
        let probe_attempts = self.probe_attempts.saturating_add(1);
        Self { health, probe_at: Some(now.after(probe_pause(probe_attempts))), probe_attempts }
    }
}

/// The facts that decide whether a platform is called for a connection. The gate applies to calls alone: reports count
/// and desired values are computed in any state of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallGate {
    /// True if the connection isn't paused.
    pub enabled: bool,
    /// The platform's acceptance of the connection's calls.
    pub health: Health,
    /// Earliest time of the next probe, a call that shows whether the platform accepts calls again.
    pub probe_at: Option<Timestamp>,
}

impl CallGate {
    /// Returns the time from which writes and readings may be called. `None` if the connection has to be changed first:
    /// it is paused, or its authorisation was revoked. A refused account is called when its next probe is due.
    pub fn opens_at(self) -> Option<Timestamp> {
        match self.health {
            _ if !self.enabled => None,
            Health::Ok => Some(Timestamp::default()),
            Health::NeedsReauth | Health::Misconfigured => Some(self.probe_at.unwrap_or_default()),
            Health::Revoked => None,
        }
    }

    /// Returns whether writes and readings may be called at `now`.
    pub fn is_open(self, now: Timestamp) -> bool {
        self.opens_at().is_some_and(|at| at <= now)
    }

    /// Returns whether objects named by notifications may be fetched at all. The fetcher itself pauses after refusals.
    pub fn lets_fetch(self) -> bool {
        self.opens_at().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: AccountState = AccountState { health: Health::Ok, probe_at: None, probe_attempts: 0 };

    fn minutes(minutes: i64) -> Timestamp {
        Timestamp::from_micros(minutes * 60_000_000)
    }

    #[test]
    fn probes_come_after_pauses_that_double_up_to_an_hour() {
        let pauses: Vec<u64> = (0..9).map(|attempts| probe_pause(attempts).as_secs() / 60).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(probe_pause(u32::MAX), LONGEST_PROBE_PAUSE);
    }

    #[test]
    fn a_refusal_makes_the_pause_longer_only_once_the_probe_was_due() {
        let first = OK.refused(Health::NeedsReauth, minutes(10));
        assert_eq!(
            first,
            AccountState { health: Health::NeedsReauth, probe_at: Some(minutes(11)), probe_attempts: 0 }
        );
        // A call that was under way at the first refusal.
        assert_eq!(first.refused(Health::NeedsReauth, minutes(10)), first);
        let probed = first.refused(Health::NeedsReauth, minutes(11));
        assert_eq!((probed.probe_at, probed.probe_attempts), (Some(minutes(13)), 1));
    }

    #[test]
    fn a_lost_authorisation_is_not_taken_for_credentials_that_have_to_be_entered_again() {
        let revoked = AccountState { health: Health::Revoked, ..OK };
        assert_eq!(revoked.refused(Health::NeedsReauth, minutes(10)).health, Health::Revoked);
    }

    #[test]
    fn a_paused_connection_is_never_called_and_a_refused_account_only_when_a_probe_is_due() {
        for health in Health::ALL {
            for probe_at in [None, Some(minutes(5))] {
                let paused = CallGate { enabled: false, health, probe_at };
                assert!(!paused.is_open(minutes(9)) && !paused.lets_fetch(), "{paused:?}");
                let gate = CallGate { enabled: true, ..paused };
                let (before, after) = match (health, probe_at) {
                    (Health::Revoked, _) => (false, false),
                    (Health::NeedsReauth | Health::Misconfigured, Some(_)) => (false, true),
                    (Health::Ok | Health::NeedsReauth | Health::Misconfigured, _) => (true, true),
                };
                let open = (gate.is_open(minutes(4)), gate.is_open(minutes(5)));
                assert_eq!((open, gate.lets_fetch()), ((before, after), after), "{gate:?}");
            }
        }
    }
}
