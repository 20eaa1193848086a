//! The exchange of a write: its requests and their replies, in order.

use crate::{CallContext, CallError, HttpReply, HttpRequest, Step, Write, Writer, Written};
use model::RawDigest;
use stage::{Reject, RejectClass};

/// A write under way: at most one read, then the write. The caller sends the requests.
pub enum Exchange<'a> {
    /// The next request; its reply goes to [`Awaiting::received`]. If there is none, the error of the call is that of the
    /// write.
    Send(HttpRequest, Awaiting<'a>),
    /// The result.
    Ended(Result<Written, CallError>),
}

/// An exchange whose request was sent.
pub struct Awaiting<'a> {
    writer: &'a dyn Writer,
    write: &'a Write,
    context: CallContext<'a>,
    is_read: bool,
}

impl<'a> Exchange<'a> {
    /// Begins a write.
    pub fn begin(writer: &'a dyn Writer, write: &'a Write, context: CallContext<'a>) -> Self {
        let awaiting = |is_read| Awaiting { writer, write, context, is_read };
        match writer.step(write, &context, None) {
            Ok(Step::Read(request)) => Self::Send(request, awaiting(true)),
            Ok(Step::Write(request)) => Self::Send(request, awaiting(false)),
            Ok(Step::Done(written)) => Self::Ended(Ok(written)),
            Err(error) => Self::Ended(Err(error)),
        }
    }
}

impl<'a> Awaiting<'a> {
    /// Continues with the reply to the request.
    pub fn received(self, reply: &HttpReply<'_>) -> Exchange<'a> {
        let outcome = self.writer.outcome(self.write, reply);
        if !self.is_read || outcome.is_err() {
            return Exchange::Ended(outcome);
        }
        match self.writer.step(self.write, &self.context, Some(reply)) {
            Ok(Step::Write(request)) => Exchange::Send(request, Self { is_read: false, ..self }),
            Ok(Step::Read(_)) => {
                let twice = Reject::new(RejectClass::Bug, "the write wants to read twice");
                Exchange::Ended(Err(CallError::Rejected(twice)))
            }
            Ok(Step::Done(written)) => Exchange::Ended(Ok(written)),
            Err(error) => Exchange::Ended(Err(error)),
        }
    }
}

/// The idempotency key of a batch of writes with these keys, the same for the same writes: a repetition after a lost reply
/// counts once.
pub fn batch_key<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    let keys: Vec<&str> = keys.into_iter().collect();
    RawDigest::of(keys.join(" ").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Method, WriteLimits};
    use model::{ExternalId, MirrorKind, ProductText, Timestamp};

    /// A writer whose steps are given, before and after the read; it accepts replies with the status 200.
    struct Scripted {
        first: Result<Step, CallError>,
        after_read: Result<Step, CallError>,
    }

    impl Writer for Scripted {
        fn limits(&self, _kind: MirrorKind) -> Option<WriteLimits> {
            None
        }

        fn step(
            &self,
            _write: &Write,
            _context: &CallContext<'_>,
            read: Option<&HttpReply<'_>>,
        ) -> Result<Step, CallError> {
            if read.is_some() { self.after_read.clone() } else { self.first.clone() }
        }

        fn outcome(&self, _write: &Write, reply: &HttpReply<'_>) -> Result<Written, CallError> {
            if reply.status == 200 { Ok(Written::default()) } else { Err(CallError::Gone) }
        }
    }

    fn request(url: &str) -> HttpRequest {
        HttpRequest::new(Method::Post, url.to_owned())
    }

    /// Plays an exchange; each request gets the next status. Returns the URLs that were sent, and the result.
    fn play(
        first: Result<Step, CallError>,
        after_read: Result<Step, CallError>,
        statuses: &[u16],
    ) -> (Vec<String>, Result<Written, CallError>) {
        let writer = Scripted { first, after_read };
        let write = Write::Text { product: ExternalId::new("1").unwrap(), to: ProductText::default() };
        let access = Access {
            base_url: String::new(),
            token: String::new(),
            access_token: None,
            api_version: String::new(),
            account: String::new(),
        };
        let context = CallContext { access: &access, idempotency_key: "key", now: Timestamp::from_micros(0) };
        let (mut sent, mut statuses) = (Vec::new(), statuses.iter());
        let mut exchange = Exchange::begin(&writer, &write, context);
        loop {
            match exchange {
                Exchange::Ended(result) => return (sent, result),
                Exchange::Send(request, awaiting) => {
                    sent.push(request.url);
                    exchange = awaiting.received(&HttpReply::new(*statuses.next().unwrap(), b""));
                }
            }
        }
    }

    fn read() -> Step {
        Step::Read(request("read"))
    }

    fn write() -> Step {
        Step::Write(request("write"))
    }

    #[test]
    fn a_write_ends_with_the_reply_to_its_request() {
        assert_eq!(play(Ok(write()), Ok(read()), &[200]), (vec!["write".to_owned()], Ok(Written::default())));
        assert_eq!(play(Ok(write()), Ok(read()), &[404]), (vec!["write".to_owned()], Err(CallError::Gone)));
        let both = vec!["read".to_owned(), "write".to_owned()];
        assert_eq!(play(Ok(read()), Ok(write()), &[200, 200]), (both.clone(), Ok(Written::default())));
        assert_eq!(play(Ok(read()), Ok(write()), &[200, 404]), (both, Err(CallError::Gone)));
    }

    #[test]
    fn nothing_is_written_after_a_refused_read_or_where_the_value_is_there() {
        let read_alone = vec!["read".to_owned()];
        assert_eq!(play(Ok(read()), Ok(write()), &[404]), (read_alone.clone(), Err(CallError::Gone)));
        let done = Ok(Step::Done(Written::default()));
        assert_eq!(play(Ok(read()), done.clone(), &[200]), (read_alone.clone(), Ok(Written::default())));
        assert_eq!(play(done, Ok(write()), &[]), (Vec::new(), Ok(Written::default())));
        assert_eq!(
            play(Ok(read()), Err(CallError::Conflict), &[200]),
            (read_alone, Err(CallError::Conflict))
        );
        assert_eq!(play(Err(CallError::Conflict), Ok(write()), &[]), (Vec::new(), Err(CallError::Conflict)));
    }

    #[test]
    fn a_write_reads_once() {
        let (sent, result) = play(Ok(read()), Ok(read()), &[200, 200]);
        assert_eq!(sent, ["read"]);
        assert!(matches!(result, Err(CallError::Rejected(reject)) if reject.class == RejectClass::Bug));
    }

    #[test]
    fn the_key_of_a_batch_is_that_of_its_writes_in_their_order() {
        assert_eq!(batch_key(["a", "b"]), batch_key(["a", "b"]));
        assert_ne!(batch_key(["a", "b"]), batch_key(["b", "a"]));
        assert_ne!(batch_key(["a", "b"]), batch_key(["a", "b", "c"]));
    }
}
