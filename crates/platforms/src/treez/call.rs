//! Refuses all writes to Treez, and classifies its replies.

use crate::{Call, CallOutcome, HttpReply};
use stage::{Reject, RejectClass};

/// Refuses every call. The v2 API can't write stock; v3 adjusts batches by whole numbers, without a key that would make
/// a retry safe, so that a retry after a lost response could count twice; product writes are closed where the catalog
/// is Treez' own.
pub(super) fn refused(call: &Call) -> CallOutcome {
    let what = match call {
        Call::SetLevel { .. } => "stock",
        Call::SetPrice { .. } => "price",
        Call::SetText { .. } => "text",
    };
    let reason = format!("treez takes no {what} writes that are safe to repeat");
    CallOutcome::Rejected(Reject::new(RejectClass::Platform, reason))
}

/// Classifies a reply by its status; 429 isn't documented and is read as elsewhere. Lists name their objects in the
/// query, so that a path that doesn't exist is that of an account that doesn't exist.
pub(super) fn meaning(reply: &HttpReply<'_>) -> CallOutcome {
    let status = reply.status;
    let reject = |class| Reject::new(class, format!("treez refused us: status {status}"));
    match status {
        200..=299 => CallOutcome::DONE,
        429 => CallOutcome::Throttled { after: reply.retry_after },
        300..=399 | 402 | 404 | 423 => reject(RejectClass::Config).into(),
        401 | 403 => reject(RejectClass::Auth).into(),
        400..=407 | 409..=499 => reject(RejectClass::Platform).into(),
        _ => CallOutcome::Retry { reason: format!("status {status}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountRefusal;
    use model::{ExternalId, ProductText, Quantity};

    #[test]
    fn every_write_is_refused_for_good() {
        let id = ExternalId::new("p").unwrap();
        let (to, from) = (Quantity::ZERO, Quantity::pieces(1));
        let level = Call::SetLevel { item: id.clone(), location: None, to, from };
        let text = Call::SetText { product: id, to: ProductText::default() };
        for call in [level, text] {
            assert!(matches!(refused(&call), CallOutcome::Rejected(_)));
        }
    }

    #[test]
    fn a_status_says_whether_to_come_again() {
        let meaning = |status| meaning(&HttpReply { status, retry_after: None, body: b"" });
        assert_eq!(meaning(200), CallOutcome::DONE);
        assert_eq!(meaning(429), CallOutcome::Throttled { after: None });
        for status in [408, 500, 503] {
            assert!(matches!(meaning(status), CallOutcome::Retry { .. }), "{status}");
        }
        for (status, refusal) in [
            (302, AccountRefusal::Misconfigured),
            (402, AccountRefusal::Misconfigured),
            (404, AccountRefusal::Misconfigured),
            (401, AccountRefusal::Unauthorized),
            (403, AccountRefusal::Unauthorized),
        ] {
            assert!(
                matches!(meaning(status), CallOutcome::AccountRefused(said, _) if said == refusal),
                "{status}"
            );
        }
        assert!(matches!(meaning(400), CallOutcome::Rejected(_)));
    }
}
