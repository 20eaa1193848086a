//! Time: microseconds since 1970 in UTC. Nothing here reads a clock; the current time is a parameter.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Error for a text that isn't a valid time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is RFC 3339 with an offset, between the years 1970 and 9999")]
pub struct InvalidTimestamp;

/// An instant, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Builds an instant from microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 with any offset and 0 to 9 digits of fraction; digits finer than a microsecond are cut off.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let instant = DateTime::parse_from_rfc3339(text.trim()).map_err(|_| InvalidTimestamp)?;
        let micros = instant.timestamp_micros();
        if (0..253_402_300_800_000_000).contains(&micros) { Ok(Self(micros)) } else { Err(InvalidTimestamp) }
    }

    /// Returns the same instant as a `chrono` value.
    pub fn as_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Returns the instant `wait` later, or the largest representable one if that is beyond it.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns the microseconds passed since `earlier`; zero if `earlier` is later.
    pub fn micros_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0 - earlier.0).unwrap_or(0)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant.timestamp_micros())
    }
}
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_chrono().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_fractions_of_any_length_name_the_same_instant() {
        let instant = Timestamp::parse("2020-09-03T08:44:10-04:00").unwrap();
        assert_eq!(instant, Timestamp::parse("2020-09-03T12:44:10.000000000Z").unwrap());
        assert_eq!(
            Timestamp::parse("2019-10-29T18:38:45.455006797Z").unwrap().as_micros() % 1_000_000,
            455_006
        );
        for text in ["", "2020-09-03T08:44:10", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "yesterday"]
        {
            assert_eq!(Timestamp::parse(text), Err(InvalidTimestamp), "{text}");
        }
    }
}
