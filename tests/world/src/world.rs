//! The world: one queue of events in virtual time; the same plan always gives the same run.

mod acts;
mod calls;
mod reads;

use crate::{
    check,
    listed::Lists,
    oracle::{NOBODY_SELLS_IT, Oracle, Shelf},
    outbound::{self, Connection},
    pipeline::{Delivered, Intake, Pipeline, Reported},
    plan::{self, Act, Fault, PageFault, Plan, Step, WebhookFault},
    shop::{Content, Kind, NewGood, Read, Shop, Webhook},
    story::Story,
};
use calls::Called;
use model::{
    ConnectionId, Currency, ExternalId, Origin, PlatformName, Source, StoreId, TenantId, Timestamp,
    record::ConnectionFacts,
};
use rust_decimal::Decimal;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    time::Duration,
};

/// Delay of a webhook without a fault.
const WEBHOOK_AFTER: Duration = Duration::from_millis(300);
/// Pause before a parked notice is tried again.
const PARKED_FOR: Duration = Duration::from_mins(10);
/// Time from the last act to the quiet.
const QUIET_AFTER: Duration = Duration::from_mins(20);
/// Length of the quiet: longer than the daily retry of refused values.
const QUIET_LASTS: Duration = Duration::from_hours(60);
/// Last part of the quiet, in which no calls may be made.
const REST_LASTS: Duration = Duration::from_hours(20);
/// Maximum number of events in a world; beyond it, a loop doesn't end.
const EVENTS_MAX: u64 = 6_000;
/// E-mail address that must be erased.
pub(crate) const CANARY: &str = "canary@example.com";

/// A future happening.
#[derive(Debug, Clone)]
enum Scheduled {
    Act(usize),
    Arrives { shop: usize, webhook: Box<Webhook> },
    Fetched { delivered: Box<Delivered> },
    Ends { connection: ConnectionId, called: Vec<Called>, epoch: u32 },
    Resume,
    Quiet,
}

/// Result of a plan.
#[derive(Debug)]
pub struct Run {
    /// The violations; empty if there are none.
    pub violations: Vec<String>,
    /// Number of events.
    pub events: u64,
    /// The story of the run, in plain words.
    pub story: Vec<String>,
    /// Number of shelves that were exact at the end, and of all shelves.
    pub exact: (usize, usize),
    /// Number of last edits that were exact at the end, and of all last edits.
    pub edits: (usize, usize),
}

/// A running world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Timestamp,
    pub(crate) shops: Vec<Shop>,
    pub(crate) pipeline: Pipeline,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) oracle: Oracle,
    pub(crate) story: Story,
    pub(crate) rules_at_begin: BTreeMap<ConnectionId, ConnectionFacts>,
    pub(crate) erased: BTreeSet<ExternalId>,
    pub(crate) last_call: Timestamp,
    pub(crate) connected_at: BTreeMap<ConnectionId, Timestamp>,
    /// The lists of the shops that are read.
    pub(crate) lists: BTreeMap<ConnectionId, Lists>,
    queue: BinaryHeap<Reverse<(Timestamp, u64)>>,
    scheduled: BTreeMap<u64, Scheduled>,
    inbox: Vec<Delivered>,
    accepted: VecDeque<Delivered>,
    still_until: Timestamp,
    cut: usize,
    webhook_faults: Vec<VecDeque<WebhookFault>>,
    faults: Vec<VecDeque<Fault>>,
    page_faults: Vec<VecDeque<PageFault>>,
    number: u64,
    keys: u64,
    /// Keys of the writes that had their effect.
    made: BTreeSet<String>,
    epoch: u32,
    is_quiet: bool,
    /// Number of events that only parked a notice again.
    reparked: u64,
    /// Number of steps of reads of lists.
    read_steps: u64,
}

/// Runs a plan.
pub fn run(plan: &Plan, with_story: bool) -> Run {
    let mut world = World::new(plan.clone(), with_story);
    let events = world.live();
    check::at_rest(&mut world);
    let is_followed = |shelf: &&Shelf| shelf.inexact != Some(NOBODY_SELLS_IT);
    let followed: Vec<&Shelf> = world.oracle.shelves.values().filter(is_followed).collect();
    let exact = followed.iter().filter(|shelf| shelf.inexact.is_none()).count();
    let shelves = followed.len();
    let edits = world.oracle.edits.keys().filter(|(of, _)| !world.oracle.inexact_edits.contains(of)).count();
    Run {
        edits: (edits, world.oracle.edits.len()),
        violations: std::mem::take(&mut world.oracle.violations),
        events,
        story: world.story.lines,
        exact: (exact, shelves),
    }
}

fn token<T>(made: Result<T, model::InvalidId>) -> T {
    made.unwrap_or_else(|_| unreachable!("names of the world are tokens"))
}

fn connection_id(index: usize, kind: Kind) -> ConnectionId {
    token(ConnectionId::new(&format!("{}-{index}", kind.as_str())))
}

impl World {
    fn new(plan: Plan, with_story: bool) -> Self {
        let mut shops = Vec::new();
        for (index, of) in plan.shops.iter().enumerate() {
            let code = if of.is_foreign { "EUR" } else { "USD" };
            let currency = Currency::new(code).unwrap_or_else(|_| unreachable!("it is a currency"));
            let id = connection_id(index, of.kind);
            let mut shop = Shop::new(of.kind, id, currency, plan.speaks_json, plan::OPENED);
            let new = |(good, (sku, stock)): (usize, &(String, BTreeMap<usize, Decimal>))| NewGood {
                index: good,
                sku: sku.clone(),
                title: plan::NAMES[good].to_owned(),
                stock: stock.clone(),
            };
            let made: Vec<NewGood> = of.goods.iter().enumerate().map(new).collect();
            if plan.is_one_product {
                shop.make(&made, plan::OPENED);
            } else {
                made.chunks(1).for_each(|one| shop.make(one, plan::OPENED));
            }
            // There is no subscription yet.
            drop(shop.announce(0));
            shop.add_others(of.others, plan::OPENED);
            shops.push(shop);
        }
        let count = shops.len();
        Self {
            now: plan::BEGIN,
            pipeline: Pipeline::new(),
            connections: BTreeMap::new(),
            oracle: Oracle::default(),
            story: Story::new(with_story),
            rules_at_begin: BTreeMap::new(),
            erased: BTreeSet::new(),
            last_call: plan::BEGIN,
            connected_at: BTreeMap::new(),
            lists: BTreeMap::new(),
            queue: BinaryHeap::new(),
            scheduled: BTreeMap::new(),
            inbox: Vec::new(),
            accepted: VecDeque::new(),
            still_until: plan::BEGIN,
            cut: usize::MAX,
            webhook_faults: vec![VecDeque::new(); count],
            faults: vec![VecDeque::new(); count],
            page_faults: vec![VecDeque::new(); count],
            number: 0,
            keys: 0,
            made: BTreeSet::new(),
            epoch: 0,
            is_quiet: false,
            reparked: 0,
            read_steps: 0,
            shops,
            plan,
        }
    }

    fn schedule(&mut self, at: Timestamp, event: Scheduled) {
        self.number += 1;
        self.queue.push(Reverse((at, self.number)));
        self.scheduled.insert(self.number, event);
    }

    fn live(&mut self) -> u64 {
        for shop in 0..self.shops.len() {
            if self.plan.shops[shop].is_connected {
                self.connect(shop);
            }
        }
        for (index, at) in self.plan.steps.iter().map(|step| step.at).enumerate().collect::<Vec<_>>() {
            self.schedule(at, Scheduled::Act(index));
        }
        let last = self.plan.steps.last().map_or(plan::BEGIN, |step| step.at);
        let quiet = last.after(QUIET_AFTER);
        self.schedule(quiet, Scheduled::Quiet);
        let end = quiet.after(QUIET_LASTS);
        let mut events = 0;
        loop {
            let event = self.queue.peek().map(|Reverse((at, _))| *at);
            let due = outbound::next_due(&self.connections, &self.pipeline.record);
            let read = self.next_read();
            let Some(next) = event.into_iter().chain(due).chain(read).min().filter(|next| *next <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            events += 1;
            if events > EVENTS_MAX + self.reparked + self.read_steps {
                self.oracle.violations.push("it never comes to rest".to_owned());
                break;
            }
            if event.is_some_and(|at| at <= self.now)
                && let Some(Reverse((_, number))) = self.queue.pop()
                && let Some(event) = self.scheduled.remove(&number)
            {
                self.process(event);
            }
            self.calls();
            self.reads();
        }
        // What is linked by hand to a variant of another product waits for the next report of its product (semantics, gaps).
        let is_by_hand = self.plan.steps.iter().any(|step| matches!(step.act, Act::Link { .. }));
        if !is_by_hand && self.last_call > Timestamp::from_micros(end.as_micros() - micros(REST_LASTS)) {
            self.oracle.violations.push("platforms are still called when all is at rest".to_owned());
        }
        events
    }

    fn process(&mut self, event: Scheduled) {
        match event {
            Scheduled::Act(index) => {
                let Step { act, .. } = self.plan.steps[index].clone();
                self.act(act);
            }
            Scheduled::Arrives { shop, webhook } => self.arrives(shop, &webhook),
            Scheduled::Fetched { delivered } => {
                self.inbox.push(Delivered { received_at: self.now, ..*delivered });
                self.run_pipeline();
            }
            Scheduled::Ends { connection, called, epoch } => {
                if epoch == self.epoch {
                    self.ends(&connection, called);
                }
            }
            Scheduled::Resume => self.run_pipeline(),
            Scheduled::Quiet => self.quiet(),
        }
    }

    /// Connects a shop and fetches everything there.
    fn connect(&mut self, shop: usize) {
        let (id, kind) = (self.shops[shop].connection.clone(), self.shops[shop].kind);
        if self.connections.contains_key(&id) {
            return;
        }
        let platform = token(PlatformName::new(kind.as_str()));
        let facts = ConnectionFacts {
            currency: Currency::new("USD").ok(),
            baseline: self.plan.shops[shop].rule,
            platform: Some(platform.clone()),
            decimals: Some(crate::check::decimals(&self.shops[shop])),
            ignored_locations: BTreeSet::new(),
            open: BTreeSet::new(),
        };
        self.connected_at.insert(id.clone(), self.now);
        self.rules_at_begin.insert(id.clone(), facts.clone());
        self.pipeline.record.connections.insert(id.clone(), facts);
        let origin = Origin {
            tenant: token(TenantId::new("tenant")),
            store: token(StoreId::new("store")),
            connection: id.clone(),
            platform,
        };
        let currency = Currency::new("USD").ok();
        let lean = Intake { secrets: Vec::new(), url: String::new(), currency };
        let intake = self.shops[shop].json.as_ref().map_or(lean, |json| json.intake(currency));
        self.pipeline.connect(origin, intake, kind.places());
        self.connections.insert(id.clone(), Connection::new(id, kind.as_str()));
        self.story.log(self.now, &format!("{} is connected", self.name(shop)));
        for good in 0..self.shops[shop].goods.len() {
            self.oracle.holds(&self.shops[shop], good);
        }
        if kind.is_always_read() || self.plan.is_all_read {
            let lists = Lists::first(&self.shops[shop], &self.plan.lists, self.now);
            self.lists.insert(self.shops[shop].connection.clone(), lists);
        }
        self.full(shop);
    }

    pub(crate) fn name(&self, shop: usize) -> String {
        self.shops[shop].connection.to_string()
    }

    fn is_connected(&self, shop: usize) -> bool {
        self.connections.contains_key(&self.shops[shop].connection)
    }

    /// Reports everything of a shop: fetched, or saved unchanged there.
    fn full(&mut self, shop: usize) {
        if self.lists.contains_key(&self.shops[shop].connection) {
            // Its lists are read by their schedule.
            return;
        }
        if self.shops[shop].json.is_some() {
            for webhook in self.shops[shop].report_everything(self.now) {
                self.arrives(shop, &webhook);
            }
            return;
        }
        self.number += 1;
        let dedupe_key = format!("full-{}", self.number);
        let deletions = Reported::Words(self.shops[shop].deletions());
        self.accept(shop, format!("{dedupe_key}-deletions"), deletions, Source::Fetch);
        for good in 0..self.shops[shop].goods.len() {
            let reported = Reported::Words(self.shops[shop].report(good, &dedupe_key));
            self.accept(shop, format!("{dedupe_key}-{good}"), reported, Source::Fetch);
        }
        self.run_pipeline();
    }

    fn accept(&mut self, shop: usize, dedupe_key: String, reported: Reported, source: Source) {
        self.inbox.push(Delivered {
            connection: self.shops[shop].connection.clone(),
            dedupe_key,
            reported,
            received_at: self.now,
            source,
            asked_by: None,
            leads_by: Duration::ZERO,
            is_refused: false,
        });
    }

    fn send(&mut self, shop: usize, webhooks: Vec<Webhook>, may_be_lost: bool) {
        for mut webhook in webhooks {
            if !self.is_connected(shop) || self.shops[shop].kind.is_listed() {
                continue;
            }
            // Webhooks of orders have no faults.
            let fault = if webhook.good.is_some() { self.webhook_faults[shop].pop_front() } else { None };
            let mut at = self.now.after(WEBHOOK_AFTER);
            let is_lost = fault == Some(WebhookFault::Lost) && may_be_lost;
            self.oracle.sent(shop, &webhook, is_lost);
            if let Some(fault) = fault {
                self.story.log(self.now, &format!("… the next webhook of {}: {fault:?}", self.name(shop)));
            }
            match fault {
                Some(WebhookFault::Lost) if may_be_lost => {
                    if let Some(good) = webhook.good.filter(|_| webhook.by_people) {
                        self.is_lost(shop, good);
                    }
                    continue;
                }
                Some(WebhookFault::Late(seconds)) if may_be_lost => {
                    if let (Kind::Treez, Some(good)) = (self.shops[shop].kind, webhook.good) {
                        let why = "a level without a version came late";
                        self.oracle.mark_levels_inexact(&self.shops[shop], good, why, &self.pipeline.record);
                    }
                    at = at.after(Duration::from_secs(u64::from(seconds)));
                }
                Some(WebhookFault::Doubled(seconds)) => {
                    let again = at.after(Duration::from_secs(u64::from(seconds)));
                    self.schedule(again, Scheduled::Arrives { shop, webhook: Box::new(webhook.clone()) });
                }
                Some(WebhookFault::Leads(by)) => {
                    webhook.leads_by = by;
                    self.mark_all_edits_inexact(shop);
                }
                Some(WebhookFault::Refused) if may_be_lost => {
                    webhook.is_refused = true;
                    self.mark_all_edits_inexact(shop);
                    if let (Kind::Treez, Some(good)) = (self.shops[shop].kind, webhook.good) {
                        let why = "a level without a version was refused";
                        self.oracle.mark_levels_inexact(&self.shops[shop], good, why, &self.pipeline.record);
                    }
                }
                _ => {}
            }
            self.schedule(at, Scheduled::Arrives { shop, webhook: Box::new(webhook) });
        }
    }

    /// Notes that no webhook reports the change of a good: its lists do, or nothing.
    fn is_lost(&mut self, shop: usize, good: usize) {
        let connection = self.shops[shop].connection.clone();
        if self.lists.contains_key(&connection) {
            return self.oracle.edited_unlisted(shop, good, self.now);
        }
        let good = self.shops[shop].goods[good].clone();
        self.oracle.mark_edits_inexact(&connection, &good, &self.pipeline.record);
    }

    fn arrives(&mut self, shop: usize, webhook: &Webhook) {
        let connection = self.connections.get(&self.shops[shop].connection);
        let is_active =
            self.shops[shop].takes_token && connection.is_some_and(|found| found.gate().lets_fetch());
        let is_thin = matches!(webhook.content, Content::Thin | Content::Raw(_, true) | Content::Parked(_));
        if is_thin && !is_active {
            // A notice that can't be fetched now is parked until the pause ends.
            self.reparked += 1;
            let content = match webhook.content.clone() {
                Content::Raw(raw, _) => {
                    let dedupe_key = format!("{}-w{}", self.name(shop), webhook.number);
                    self.accept(shop, dedupe_key, Reported::Webhook(raw.clone()), Source::Webhook);
                    self.marks_last(webhook);
                    self.run_pipeline();
                    Content::Parked(raw)
                }
                other => other,
            };
            let webhook = Box::new(Webhook { content, ..webhook.clone() });
            self.schedule(self.now.after(PARKED_FOR), Scheduled::Arrives { shop, webhook });
            return;
        }
        self.oracle.arrived(shop, webhook.number);
        let dedupe_key = format!("{}-w{}", self.name(shop), webhook.number);
        let (reported, source) = match (&webhook.content, webhook.good) {
            (Content::Full(mapped), _) => (vec![Reported::Words(mapped.clone())], Source::Webhook),
            (Content::Thin, Some(good)) => {
                (vec![Reported::Words(self.shops[shop].fetched(good, &dedupe_key))], Source::Fetch)
            }
            (Content::Thin, None) => return,
            (Content::Raw(raw, false), _) => (vec![Reported::Webhook(raw.clone())], Source::Webhook),
            (Content::Raw(raw, true) | Content::Parked(raw), _) => {
                if matches!(webhook.content, Content::Raw(..)) {
                    self.accept(shop, dedupe_key.clone(), Reported::Webhook(raw.clone()), Source::Webhook);
                    self.marks_last(webhook);
                }
                match self.shops[shop].notified(raw, self.now) {
                    Read::Reported(reported) => (reported, Source::Fetch),
                    // An order or object that was deleted meanwhile.
                    Read::Gone | Read::Nothing | Read::Refused => (Vec::new(), Source::Fetch),
                }
            }
        };
        for reported in reported {
            self.accept(shop, dedupe_key.clone(), reported, source);
            self.marks_last(webhook);
        }
        self.run_pipeline();
    }

    /// Gives the last delivery the faults of the webhook that it is of.
    fn marks_last(&mut self, webhook: &Webhook) {
        if let Some(delivered) = self.inbox.last_mut() {
            delivered.leads_by = webhook.leads_by;
            delivered.is_refused = webhook.is_refused && !self.is_quiet;
        }
    }

    /// Passes the waiting deliveries to the pipeline, unless it is stopped.
    fn run_pipeline(&mut self) {
        if self.now < self.still_until || self.inbox.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.inbox);
        for batch in waiting.chunks(self.cut.clamp(1, 256)) {
            let done = self.pipeline.take(batch, self.now);
            self.is_done(done);
            self.accepted.extend(batch.iter().cloned());
        }
        while self.accepted.len() > 40 {
            self.accepted.pop_front();
        }
        self.cut = usize::MAX;
    }

    fn is_done(&mut self, done: crate::pipeline::Done) {
        for bug in done.bugs {
            self.oracle.violations.push(format!("a mistake of our own: {bug}"));
        }
        self.oracle.ledger(&done.movements, &self.shops, &self.pipeline.record);
        for (movement, _) in &done.movements {
            let line = format!(
                "the store has {} of {} at {} ({}, by {})",
                movement.level,
                movement.variant,
                movement.location,
                movement.reason.as_str(),
                movement.connection
            );
            self.story.log(self.now, &line);
        }
    }

    /// Ends all faults: nothing is lost or refused from now on, and everything is reported once more.
    fn quiet(&mut self) {
        self.is_quiet = true;
        self.story.log(self.now, "all is well from now on");
        self.webhook_faults.iter_mut().for_each(VecDeque::clear);
        self.faults.iter_mut().for_each(VecDeque::clear);
        self.page_faults.iter_mut().for_each(VecDeque::clear);
        self.still_until = self.now;
        self.run_pipeline();
        let again = self.pipeline.take_again(self.now);
        self.is_done(again);
        for shop in 0..self.shops.len() {
            self.shops[shop].takes_token = true;
            let id = self.shops[shop].connection.clone();
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.enabled = true;
                connection.held_back.clear();
            }
            if self.is_connected(shop) {
                self.full(shop);
            }
        }
    }
}

fn micros(by: Duration) -> i64 {
    i64::try_from(by.as_micros()).unwrap_or(i64::MAX)
}
