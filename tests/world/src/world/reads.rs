//! Scheduled reads of lists, one page at a time, as `fetch` makes them.

use super::World;
use crate::{
    check,
    listed::Collection,
    plan::PageFault,
    shop::{PRODUCTS, Page},
};
use model::{
    CollectionPick, CollectionState, Conflict, ConflictKind, EndedRead, ListRead, MissingVerdict, PageCounts,
    PageFailure, PageRead, ReadOutcome, ReadPhase, ReadRequest, Requested, SortedPage, Source, Timestamp,
    missing_verdict,
};
use platforms::{CallError, Written};
use std::time::Duration;

/// Maximum number of steps of reads in a world; beyond it, a read doesn't end.
const STEPS_MAX: u64 = 60_000;
/// Pause that a platform asks for with 429.
const THROTTLED_FOR: Duration = Duration::from_mins(2);

impl World {
    /// Time of the next step of any list.
    pub(super) fn next_read(&self) -> Option<Timestamp> {
        let due = self.lists.iter().filter_map(|(id, lists)| {
            let opens = self.connections.get(id)?.gate().opens_at()?;
            match lists.pick(self.now.max(opens)) {
                CollectionPick::Read(_) => Some(opens),
                CollectionPick::Wait(at) => Some(at.max(opens)),
                CollectionPick::Nothing => None,
            }
        });
        due.min()
    }

    /// Takes all steps that are due.
    pub(super) fn reads(&mut self) {
        for shop in 0..self.shops.len() {
            while self.read_step(shop) {
                self.read_steps += 1;
                if self.read_steps > STEPS_MAX {
                    return self.oracle.violations.push("lists are read without end".to_owned());
                }
            }
        }
    }

    /// Has everything of a shop read now, as a person would.
    pub(super) fn request_reads(&mut self, shop: usize) {
        let Some(lists) = self.lists.get_mut(&self.shops[shop].connection) else { return };
        for collection in &mut lists.collections {
            collection.request = Some(ReadRequest { requested: Requested::Whole, accepts_missing: false });
        }
    }

    fn collection(&mut self, (shop, index): (usize, usize)) -> Option<&mut Collection> {
        self.lists.get_mut(&self.shops[shop].connection)?.collections.get_mut(index)
    }

    /// Takes one step; false if none is due.
    fn read_step(&mut self, shop: usize) -> bool {
        let id = self.shops[shop].connection.clone();
        let is_open = self.connections.get(&id).is_some_and(|connection| connection.gate().is_open(self.now));
        let picked = self.lists.get(&id).filter(|_| is_open).map(|lists| lists.pick(self.now));
        let Some(CollectionPick::Read(index)) = picked else { return false };
        let (of, now) = ((shop, index), self.now);
        let Some(collection) = self.collection(of) else { return false };
        let mut state = collection.state.clone();
        let request = collection.request.take();
        let superseded = match &request {
            Some(request) => state.begin_requested(request, &collection.plan, now),
            None => state.begin(&collection.plan, now),
        };
        if state != collection.state || request.is_some() {
            collection.keep(state, superseded.as_ref());
            return true;
        }
        let Some(read) = state.read.clone() else { return false };
        match read.phase {
            ReadPhase::Listing => self.read_page(of, state, &read),
            ReadPhase::Comparing => self.compare(of, state, &read),
            ReadPhase::Retiring => self.retire(of, state, &read),
        }
        true
    }

    fn read_page(&mut self, of: (usize, usize), state: CollectionState, read: &ListRead) {
        let (shop, now) = (of.0, self.now);
        let fault = self.page_faults[shop].pop_front();
        if let Some(fault) = fault {
            self.story.log(now, &format!("… the next page of {}: {fault:?}", self.name(shop)));
        }
        let error = match fault {
            Some(PageFault::Throttled) => CallError::RateLimited { after: Some(THROTTLED_FOR) },
            Some(PageFault::Unavailable) => CallError::transient("503"),
            _ => match self.page(of, read, fault) {
                Ok(page) => return self.take_page(of, state, read, (page, fault)),
                Err(error) => error,
            },
        };
        if matches!(error, CallError::AccountRefused(..)) {
            // All lists are refused alike.
            return self.note_read(shop, &Err(error));
        }
        self.fail(of, state, &error.page_failure());
    }

    /// Reads the page that is due.
    fn page(
        &mut self,
        of: (usize, usize),
        read: &ListRead,
        fault: Option<PageFault>,
    ) -> Result<Page, CallError> {
        let (now, plan) = (self.now, self.plan.lists);
        if let (Some(PageFault::Shifted(count)), Some(json)) = (fault, &mut self.shops[of.0].json) {
            json.shift(count, now);
        }
        let missing = || CallError::transient("there is no such list");
        let collection = self.collection(of).ok_or_else(missing)?;
        if fault == Some(PageFault::Half) && read.cursor.is_none() {
            collection.halve(read.number);
        }
        let (name, is_half) = (collection.name, collection.is_half(read.number));
        self.shops[of.0].page((name, read.range, read.cursor.as_deref()), &plan, is_half, now)
    }

    /// Notes for the account that a call was accepted or refused.
    fn note_read(&mut self, shop: usize, outcome: &Result<Written, CallError>) {
        if let Some(connection) = self.connections.get_mut(&self.shops[shop].connection) {
            connection.note(outcome, &mut self.pipeline.record, self.now);
        }
    }

    fn fail(&mut self, of: (usize, usize), mut state: CollectionState, failure: &PageFailure) {
        let now = self.now;
        let Some(collection) = self.collection(of) else { return };
        let ended = state.fail(failure, "a page wasn't read", (&collection.plan, collection.spread), now);
        let due_at = state.due_at;
        collection.keep(state, ended.as_ref());
        if let (PageFailure::RateLimited { .. }, Some(lists)) =
            (failure, self.lists.get_mut(&self.shops[of.0].connection))
        {
            lists.limited_until = due_at;
        }
    }

    fn take_page(
        &mut self,
        of: (usize, usize),
        mut state: CollectionState,
        read: &ListRead,
        (Page { objects, total, next }, fault): (Page, Option<PageFault>),
    ) {
        let ((shop, _), now, plan) = (of, self.now, self.plan.lists);
        self.note_read(shop, &Ok(Written::default()));
        let seen = objects.iter().filter(|listed| !listed.key.is_empty()).count() as u64;
        let goods: Vec<usize> = objects.iter().flat_map(|listed| listed.goods.clone()).collect();
        let connection = self.shops[shop].connection.clone();
        let levels = &self.pipeline.record.mirrors.levels;
        let observed_at = |item: &str| {
            let of_item =
                levels.iter().filter(|(key, _)| key.connection == connection && key.item.as_str() == item);
            of_item.filter_map(|(_, mirror)| Some(mirror.observed.as_ref()?.at)).max()
        };
        let Some(collection) = self.lists.get(&connection).and_then(|lists| lists.collections.get(of.1))
        else {
            return;
        };
        let name = collection.name;
        let (page, known) = collection.known(objects, observed_at);
        let of_page = PageRead { number: read.number, reports_all: read.reports_all, page_at: now };
        let sorted = SortedPage::of(page, known, of_page);
        let reported = sorted.reported.len();
        let accepted = if fault == Some(PageFault::NotAccepted) { reported / 2 } else { reported };
        for (digest, listed) in sorted.reported.into_iter().take(accepted) {
            let id = read.object_id(&connection, listed.topic, digest);
            self.accept(shop, id.to_string(), listed.reported.with_id(&id), Source::Fetch);
        }
        self.run_pipeline();
        match fault {
            Some(PageFault::NotAccepted) => return self.fail(of, state, &PageFailure::OwnOutage),
            Some(PageFault::NotKept) => return self.kill(),
            _ => {}
        }
        if name == PRODUCTS && self.inbox.is_empty() {
            self.oracle.listed(shop, &goods);
        }
        let next = next.map(|(cursor, wait)| (cursor, wait.max(plan.page_wait)));
        let (reported, has_repeats) = (reported as u64, sorted.has_repeats);
        let counts = PageCounts { seen, reported, has_repeats, total, next };
        let Some(collection) = self.collection(of) else { return };
        let ended = state.take_page(&counts, &collection.plan, collection.spread, now);
        collection.see(read.number, sorted.seen, now);
        collection.keep(state, ended.as_ref());
        self.note_ended(of, ended);
    }

    fn compare(&mut self, of: (usize, usize), mut state: CollectionState, read: &ListRead) {
        let (now, id) = (self.now, self.shops[of.0].connection.clone());
        let Some(collection) = self.collection(of) else { return };
        let counts = collection.missing_counts(read.number);
        let verdict = missing_verdict(counts, read.accepts_missing);
        let ended = state.compare(counts, verdict, &collection.plan, collection.spread, now);
        let conflict = (id, ConflictKind::ManyMissing, Conflict::about_collection(collection.name));
        let is_counted = matches!(verdict, MissingVerdict::Counted { .. });
        if is_counted {
            collection.count_missing(read.number, read.accepts_missing);
        }
        collection.keep(state, ended.as_ref());
        if is_counted {
            self.pipeline.record.open.remove(&conflict);
        } else {
            self.pipeline.record.open.insert(conflict);
        }
        self.note_ended(of, ended);
    }

    fn retire(&mut self, of: (usize, usize), mut state: CollectionState, read: &ListRead) {
        let ((shop, _), now) = (of, self.now);
        let Some(collection) = self.collection(of) else { return };
        let (name, gone) = (collection.name, collection.gone(read.number));
        if gone.is_empty() {
            let ended = state.finish(&collection.plan, collection.spread, now);
            collection.keep(state, ended.as_ref());
            return self.note_ended(of, ended);
        }
        let connection = self.shops[shop].connection.clone();
        for key in &gone {
            let Some((topic, reported)) = self.shops[shop].missing(name, key, read.began_at) else {
                continue;
            };
            let id = read.gone_id(&connection, topic, key);
            self.story.log(now, &format!("{key} of {connection} is gone"));
            self.accept(shop, id.to_string(), reported.with_id(&id), Source::Fetch);
        }
        self.run_pipeline();
        if let Some(collection) = self.collection(of) {
            collection.forget(&gone);
        }
    }

    fn note_ended(&mut self, (shop, index): (usize, usize), ended: Option<EndedRead>) {
        let Some(EndedRead { read, outcome, .. }) = ended else { return };
        let Some(collection) = self.collection((shop, index)) else { return };
        let (name, is_half) = (collection.name, collection.is_half(read.number));
        let line = format!(
            "{name} of {} were read: {outcome:?}, {} of {} reported, {} missing, {} gone ({:?})",
            self.name(shop),
            read.reported,
            read.seen,
            read.missing,
            read.gone,
            read.range
        );
        if outcome != ReadOutcome::Complete || read.reported + read.missing > 0 {
            self.story.log(self.now, &line);
        }
        if name == PRODUCTS && outcome == ReadOutcome::Complete && self.inbox.is_empty() && !is_half {
            self.oracle.listed_all(&self.shops, shop, read.began_at);
        }
        if !is_half && self.inbox.is_empty() {
            check::complete_read(self, shop, name, &read, outcome);
        }
    }
}
