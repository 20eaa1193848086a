//! Limit of file descriptors: every connection needs one.

use crate::Failure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Number of descriptors for everything but clients' connections: the database, the broker, probes, files, and
/// connections that are being closed while others are accepted.
const OTHERS: u64 = 256;

/// Ensures that the process may open enough descriptors for `connections` and everything else: raises the soft limit
/// (`RLIMIT_NOFILE`), at most to the hard one.
pub fn need_descriptors(connections: usize) -> Result<(), Failure> {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let limits = getrlimit(Resource::Nofile);
    let Some(raised) = raised(limits, needed)? else { return Ok(()) };
    setrlimit(Resource::Nofile, raised).map_err(|source| Failure::Io {
        what: "the limit of file descriptors can't be raised".to_owned(),
        source: source.into(),
    })?;
    tracing::info!(from = limits.current, to = raised.current, "limit of file descriptors raised");
    Ok(())
}

/// Returns the limits to set, if the present ones don't suffice; `None` in a limit stands for no limit.
fn raised(limits: Rlimit, needed: u64) -> Result<Option<Rlimit>, Failure> {
    let suffices = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if suffices(limits.current) {
        return Ok(None);
    }
    if !suffices(limits.maximum) {
        return Err(Failure::Descriptors { needed, granted: limits.maximum.unwrap_or_default() });
    }
    Ok(Some(Rlimit { current: Some(needed), maximum: limits.maximum }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_as_far_as_the_hard_one_allows() {
        let limits = |current, maximum| Rlimit { current, maximum };
        let new =
            |current, maximum| raised(limits(current, maximum), 5000).unwrap().map(|raised| raised.current);
        assert_eq!(new(Some(5000), Some(5000)), None);
        assert_eq!(new(None, None), None);
        assert_eq!(new(Some(1024), Some(5000)), Some(Some(5000)));
        assert_eq!(new(Some(1024), None), Some(Some(5000)));
        let refused = raised(limits(Some(1024), Some(4096)), 5000).unwrap_err();
        assert!(matches!(refused, Failure::Descriptors { needed: 5000, granted: 4096 }), "{refused}");
    }
}
