//! Why nothing is written to Treez, and what its replies mean.

use crate::{Call, HttpReply, Reply, Step};
use stage::{Reject, RejectClass};

/// Refuses every call. The v2 API has no stock to write; v3 adjusts batches by whole numbers, with no key that would
/// make a retry safe, so that a lost answer could count twice; product writes are closed where the catalog is Treez' own.
pub(super) fn step(call: &Call) -> Result<Step, Reject> {
    let what = match call {
        Call::SetLevel { .. } => "stock",
        Call::SetPrice { .. } => "price",
        Call::SetText { .. } => "text",
    };
    Err(Reject::new(RejectClass::Platform, format!("treez takes no {what} writes that are safe to repeat")))
}

/// What a reply means by its status; 429 isn't documented but would mean what it means everywhere.
pub(super) fn meaning(reply: &HttpReply<'_>) -> Reply {
    let status = reply.status;
    let refused = |class| Reply::Refused(Reject::new(class, format!("treez refused us: status {status}")));
    match status {
        200..=299 => Reply::Done { version: None },
        429 => Reply::Throttled { after: reply.retry_after },
        300..=399 => refused(RejectClass::Config),
        401 | 403 => refused(RejectClass::Auth),
        400..=407 | 409..=499 => refused(RejectClass::Platform),
        _ => Reply::Retry { reason: format!("status {status}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ExternalId, ProductText, Quantity};

    #[test]
    fn every_write_is_refused_for_good() {
        let id = ExternalId::new("p").unwrap();
        let level = Call::SetLevel { item: id.clone(), location: None, to: Quantity::ZERO, from: None };
        let text = Call::SetText { product: id, to: ProductText::default() };
        for call in [level, text] {
            assert_eq!(step(&call).unwrap_err().class, RejectClass::Platform);
        }
    }

    #[test]
    fn a_status_says_whether_to_come_again() {
        let meaning = |status| meaning(&HttpReply { status, retry_after: None, body: b"" });
        assert_eq!(meaning(200), Reply::Done { version: None });
        assert_eq!(meaning(429), Reply::Throttled { after: None });
        for status in [408, 500, 503] {
            assert!(matches!(meaning(status), Reply::Retry { .. }), "{status}");
        }
        for (status, class) in [
            (302, RejectClass::Config),
            (401, RejectClass::Auth),
            (403, RejectClass::Auth),
            (404, RejectClass::Platform),
        ] {
            let Reply::Refused(reject) = meaning(status) else { panic!("{status} must refuse") };
            assert_eq!(reject.class, class);
        }
    }
}
