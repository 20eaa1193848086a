//! A platform that sells, accepts writes, and reports its levels.

use super::*;
use std::collections::BTreeMap;

/// The way in which a platform responds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Open,
    /// Refuses for now.
    Busy,
    /// Refuses these credentials, whatever the request.
    Denied,
    /// Refuses this change.
    Refusing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    Taken,
    /// The level isn't the one that the write expects.
    Compared,
    Busy,
    Denied,
    Refused,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) key: u64,
    pub(super) from: i32,
    pub(super) to: i32,
}

pub(super) struct Platform {
    pub(super) name: &'static str,
    compares: bool,
    pub(super) access: Access,
    pub(super) holds: i32,
    /// Number of states of one version.
    span: i64,
    version: i64,
    /// Reported and not yet arrived, oldest first.
    pub(super) reports: Vec<Event>,
    pub(super) calls: Vec<Call>,
    pub(super) responses: Vec<(u64, Response)>,
    /// Responses by idempotency key: a write with a known key is not repeated.
    done: BTreeMap<u64, Response>,
}

impl Platform {
    pub(super) fn new(name: &'static str, compares: bool, span: i64, holds: i32) -> Self {
        Self {
            name,
            compares,
            access: Access::Open,
            holds,
            span,
            version: span,
            reports: Vec::new(),
            calls: Vec::new(),
            responses: Vec::new(),
            done: BTreeMap::new(),
        }
    }

    /// Changes its level, and reports it.
    pub(super) fn change(&mut self, by: i32) {
        self.holds += by;
        self.version += 1;
        let reported = self.report(10 + self.version.unsigned_abs());
        self.reports.push(reported);
    }

    /// Returns its level as a reading.
    pub(super) fn read(&mut self, number: u64, waiting: Waiting) {
        let asked_by = Some(AskedBy { mirror: MirrorKey::Level(key(self.name)), waiting });
        let read = Event { is_read_back: true, asked_by, ..self.report(number) };
        self.reports.push(read);
    }

    /// A report of its level; the number makes it a delivery of its own.
    pub(super) fn report(&self, number: u64) -> Event {
        let version = self.version / self.span * self.span;
        let event = event(self.name, number, Some(version), level(self.holds));
        if self.span == 1 { exact(event) } else { event }
    }

    pub(super) fn execute(&mut self, which: usize, response_lost: bool) {
        let Some(call) = pick(&mut self.calls, which) else { return };
        let response = match self.access {
            Access::Busy => Response::Busy,
            Access::Denied => Response::Denied,
            Access::Open | Access::Refusing => self.once(call),
        };
        if !response_lost {
            self.responses.push((call.key, response));
        }
    }

    fn once(&mut self, call: Call) -> Response {
        if let Some(response) = self.done.get(&call.key) {
            return *response;
        }
        let response = self.try_to(call);
        self.done.insert(call.key, response);
        response
    }

    fn try_to(&mut self, call: Call) -> Response {
        if self.access == Access::Refusing {
            return Response::Refused;
        }
        if self.compares && self.holds != call.from {
            return Response::Compared;
        }
        self.change(call.to - call.from);
        Response::Taken
    }
}
