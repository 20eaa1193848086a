//! The users of the broker, and the permissions of each: pure, derived from the layout of the streams.
//!
//! Permissions of NATS are lists of subjects. A subject that is in none of a user's lists is refused; so is a call of
//! the `JetStream` API, since its calls are subjects too.

use crate::{
    BusConfig, BusError, Feed,
    layout::{ALERTS, APPLIED, DEAD, FOREIGN, Layout, MEMBERS},
    message::is_token,
    request::{ACCEPT_SUBJECT, PLATFORMS_SUBJECT},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt};

/// The first token of every inbox.
const INBOX: &str = "_INBOX";
/// The beginning of the name of a partner's user.
const PARTNER: &str = "partner-";
/// The prefix of partners' inboxes; the connection's token follows.
pub(crate) const PARTNERS_INBOX: &str = "_INBOX.partner";

/// A user of the broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "user")]
pub enum User {
    /// The service that appends to RAW.
    Ingest,
    /// The connection on which ingest receives partners' messages; it can't append.
    Intake,
    /// The stage.
    Normalize,
    /// The stage.
    Dedupe,
    /// The stage.
    Enrich,
    /// The service that runs normalize, dedupe and enrich in one pass.
    Transform,
    /// The stage that declares the streams, and purges processed messages.
    Apply,
    /// The stage.
    Propagate,
    /// The stage.
    Fetch,
    /// The management API: hands people's decisions to ingest.
    Gateway,
    /// The command line: reads everything, sends deliveries to ingest, removes dead letters.
    Operator,
    /// A person who repairs the broker by hand, `tillflow dev`'s own set-up, and tests: may do everything in
    /// the account.
    Administrator,
    /// A platform that publishes to the broker itself: one connection of one store.
    Partner {
        /// The store's token.
        store: String,
        /// The connection's token.
        connection: String,
    },
}

/// The subjects that a user may publish on and subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects to publish on.
    pub publish: Vec<String>,
    /// Subjects to subscribe to.
    pub subscribe: Vec<String>,
}

impl User {
    /// All users but partners.
    pub const OURS: [Self; 12] = [
        Self::Ingest,
        Self::Intake,
        Self::Normalize,
        Self::Dedupe,
        Self::Enrich,
        Self::Transform,
        Self::Apply,
        Self::Propagate,
        Self::Fetch,
        Self::Gateway,
        Self::Operator,
        Self::Administrator,
    ];

    /// A partner's user; an error if a text is no valid token of a subject.
    pub fn partner(store: &str, connection: &str) -> Result<Self, BusError> {
        for (text, what) in [(store, "a store"), (connection, "a connection")] {
            if !is_token(text) {
                return Err(BusError::Token { what });
            }
        }
        Ok(Self::Partner { store: store.to_owned(), connection: connection.to_owned() })
    }

    /// The user of a service, by the service's name.
    pub fn of_service(name: &str) -> Option<Self> {
        Self::OURS.into_iter().find(|user| user.name() == name)
    }

    /// The user's name, for its files and for `tillflow nats-auth`.
    pub fn name(&self) -> String {
        match self {
            Self::Ingest => "ingest".to_owned(),
            Self::Intake => "intake".to_owned(),
            Self::Normalize => "normalize".to_owned(),
            Self::Dedupe => "dedupe".to_owned(),
            Self::Enrich => "enrich".to_owned(),
            Self::Transform => "transform".to_owned(),
            Self::Apply => "apply".to_owned(),
            Self::Propagate => "propagate".to_owned(),
            Self::Fetch => "fetch".to_owned(),
            Self::Gateway => "gateway".to_owned(),
            Self::Operator => "operator".to_owned(),
            Self::Administrator => "administrator".to_owned(),
            Self::Partner { connection, .. } => format!("{PARTNER}{connection}"),
        }
    }

    /// The prefix of the user's inboxes, without a dot behind; no other user may subscribe below it.
    pub fn inbox_prefix(&self) -> String {
        match self {
            Self::Partner { connection, .. } => format!("{PARTNERS_INBOX}.{connection}"),
            _ => format!("{INBOX}.{}", self.name()),
        }
    }

    /// Returns true if the user creates streams and changes their capacity. One service does; the others wait for
    /// the streams.
    pub const fn declares_streams(&self) -> bool {
        matches!(self, Self::Apply | Self::Administrator)
    }

    /// The permissions of the user on a broker with the layout of `config`.
    pub fn permissions(&self, config: &BusConfig) -> Result<Permissions, BusError> {
        let layout = Layout::new(config).map_err(BusError::Config)?;
        let mut grants = Grants::new(&layout, &self.inbox_prefix());
        match self {
            Self::Ingest => grants.ingest(),
            Self::Intake => {
                grants.subscribe.insert(PLATFORMS_SUBJECT.to_owned());
                grants.publish.insert(format!("{PARTNERS_INBOX}.*.>"));
                // For the echo that confirms its subscription.
                grants.publish.insert(format!("{}.>", self.inbox_prefix()));
            }
            Self::Normalize => {
                grants.stage(self, Feed::Raw, Feed::Normalized);
                grants.reads_tails(Feed::Enriched);
            }
            Self::Dedupe => {
                grants.stage(self, Feed::Normalized, Feed::Unique);
                grants.reads_feed(Feed::Enriched);
            }
            Self::Enrich => grants.stage(self, Feed::Unique, Feed::Enriched),
            Self::Transform => grants.transform(),
            Self::Apply => grants.apply(),
            Self::Propagate => {
                grants.runs(self);
                grants.reads(APPLIED, "pos.applied.>");
                grants.sets_aside(self, &[APPLIED.to_owned()]);
                grants.publish.insert(ACCEPT_SUBJECT.to_owned());
            }
            Self::Fetch => {
                grants.runs(self);
                grants.reads_feed(Feed::Raw);
                grants.sets_aside(self, &grants.layout.streams_of(Feed::Raw).collect::<Vec<_>>());
                grants.publish.insert(ACCEPT_SUBJECT.to_owned());
            }
            Self::Gateway => {
                grants.reports(self);
                grants.publish.insert(ACCEPT_SUBJECT.to_owned());
            }
            Self::Operator => grants.operator(),
            Self::Administrator => {
                grants.publish = BTreeSet::from([">".to_owned()]);
                grants.subscribe = BTreeSet::from([">".to_owned()]);
            }
            Self::Partner { store, connection } => {
                grants.publish.insert(format!("pos.in.{store}.{connection}.>"));
            }
        }
        Ok(Permissions {
            publish: grants.publish.into_iter().collect(),
            subscribe: grants.subscribe.into_iter().collect(),
        })
    }

    /// The streams that must exist before the user's service starts.
    pub(crate) fn streams(&self, layout: &Layout) -> BTreeSet<String> {
        let feeds =
            |feeds: &[Feed]| feeds.iter().flat_map(|feed| layout.streams_of(*feed)).collect::<Vec<_>>();
        let (of_feeds, others): (Vec<String>, &[&str]) = match self {
            Self::Ingest => (feeds(&Feed::ALL), &[ALERTS]),
            Self::Intake | Self::Partner { .. } => (Vec::new(), &[]),
            Self::Normalize => {
                (feeds(&[Feed::Raw, Feed::Normalized, Feed::Enriched]), &[DEAD, ALERTS, FOREIGN, MEMBERS])
            }
            Self::Dedupe => (feeds(&Feed::ALL), &[DEAD, ALERTS, FOREIGN, MEMBERS]),
            Self::Enrich | Self::Transform => {
                (feeds(&[Feed::Raw, Feed::Unique, Feed::Enriched]), &[DEAD, ALERTS, FOREIGN, MEMBERS])
            }
            Self::Fetch => (feeds(&[Feed::Raw]), &[DEAD, ALERTS, FOREIGN, MEMBERS]),
            Self::Gateway => (Vec::new(), &[ALERTS]),
            Self::Propagate => (Vec::new(), &[APPLIED, DEAD, ALERTS, FOREIGN, MEMBERS]),
            Self::Apply | Self::Operator | Self::Administrator => {
                (feeds(&Feed::ALL), &[APPLIED, DEAD, ALERTS, FOREIGN, MEMBERS])
            }
        };
        of_feeds.into_iter().chain(others.iter().map(|&name| name.to_owned())).collect()
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

struct Grants<'a> {
    layout: &'a Layout,
    publish: BTreeSet<String>,
    subscribe: BTreeSet<String>,
}

impl<'a> Grants<'a> {
    fn new(layout: &'a Layout, inbox_prefix: &str) -> Self {
        Self { layout, publish: BTreeSet::new(), subscribe: BTreeSet::from([format!("{inbox_prefix}.>")]) }
    }

    /// Permits a call of the `JetStream` API.
    fn calls(&mut self, call: &str) {
        self.publish.insert(format!("$JS.API.{call}"));
    }

    /// Permits reading the state of a stream: its configuration, its fill level, its first and last sequence.
    fn looks_at(&mut self, stream: &str) {
        self.calls(&format!("STREAM.INFO.{stream}"));
    }

    /// Permits reading single messages, and ordered readers of `subjects`.
    fn reads(&mut self, stream: &str, subjects: &str) {
        self.looks_at(stream);
        self.calls(&format!("DIRECT.GET.{stream}"));
        self.calls(&format!("DIRECT.GET.{stream}.{subjects}"));
        self.calls(&format!("CONSUMER.CREATE.{stream}.*.{subjects}"));
        self.calls(&format!("CONSUMER.MSG.NEXT.{stream}.*"));
        // The client requests it after a reconnect.
        self.calls(&format!("CONSUMER.INFO.{stream}.*"));
    }

    /// Permits reading the last batch of each partition.
    fn reads_tails(&mut self, feed: Feed) {
        for stream in self.layout.streams_of(feed) {
            self.looks_at(&stream);
            self.calls(&format!("DIRECT.GET.{stream}"));
            self.calls(&format!("DIRECT.GET.{stream}.{}", feed.subjects()));
        }
    }

    fn reads_feed(&mut self, feed: Feed) {
        for stream in self.layout.streams_of(feed) {
            self.reads(&stream, &feed.subjects());
        }
    }

    fn looks_at_feed(&mut self, feed: Feed) {
        for stream in self.layout.streams_of(feed) {
            self.looks_at(&stream);
        }
    }

    /// Permits alerts of the whole process or of a partition.
    fn reports(&mut self, user: &User) {
        self.looks_at(ALERTS);
        self.publish.insert(format!("pos.alerts.{user}.>"));
    }

    /// Permits membership of a stage, with a share of the partitions. The members' stream is lost when its server
    /// restarts; the replica that notices it creates the stream again.
    fn runs(&mut self, user: &User) {
        self.reports(user);
        self.looks_at(MEMBERS);
        self.calls(&format!("STREAM.CREATE.{MEMBERS}"));
        self.calls(&format!("DIRECT.GET.{MEMBERS}"));
        self.publish.insert(format!("pos.members.{user}.*"));
        self.publish.insert(format!("pos.membership.{user}"));
        self.subscribe.insert(format!("pos.membership.{user}"));
    }

    /// Permits dead letters, and records of foreign messages of these streams and among the members.
    fn sets_aside(&mut self, user: &User, streams: &[String]) {
        self.looks_at(DEAD);
        self.looks_at(FOREIGN);
        self.publish.insert(format!("pos.dead.{user}.>"));
        for stream in streams.iter().map(String::as_str).chain([MEMBERS]) {
            self.publish.insert(format!("pos.foreign.{stream}.*.*"));
        }
    }

    fn stage(&mut self, user: &User, from: Feed, to: Feed) {
        self.runs(user);
        self.looks_at_feed(Feed::Raw);
        self.reads_feed(from);
        self.reads_feed(to);
        let streams: Vec<String> = self.layout.streams_of(from).chain(self.layout.streams_of(to)).collect();
        self.sets_aside(user, &streams);
        self.publish.insert(to.subjects());
    }

    /// Permits what the last stage may, on another input, and the dead letters of the stages before it. Its replicas and
    /// those of enrich share the partitions of ENRICHED.
    fn transform(&mut self) {
        self.stage(&User::Enrich, Feed::Raw, Feed::Enriched);
        self.reads_feed(Feed::Unique);
        for stage in [User::Normalize, User::Dedupe] {
            self.publish.insert(format!("pos.dead.{stage}.>"));
        }
    }

    fn ingest(&mut self) {
        self.reports(&User::Ingest);
        for feed in Feed::ALL {
            self.looks_at_feed(feed);
        }
        self.publish.insert(Feed::Raw.subjects());
        self.subscribe.insert(ACCEPT_SUBJECT.to_owned());
        let answered =
            [User::Ingest, User::Fetch, User::Propagate, User::Gateway, User::Operator, User::Administrator];
        for user in answered {
            self.publish.insert(format!("{}.>", user.inbox_prefix()));
        }
    }

    fn apply(&mut self) {
        self.runs(&User::Apply);
        for feed in Feed::ALL {
            self.reads_feed(feed);
        }
        self.reads(APPLIED, "pos.applied.>");
        self.reads(DEAD, "pos.dead.>");
        let mut read: Vec<String> =
            Feed::ALL.into_iter().flat_map(|feed| self.layout.streams_of(feed)).collect();
        read.push(APPLIED.to_owned());
        for stream in &read {
            self.calls(&format!("STREAM.PURGE.{stream}"));
        }
        read.push(DEAD.to_owned());
        self.sets_aside(&User::Apply, &read);
        // It limits the dead letters of all stages: it removes old ones, and publishes some again with their bodies.
        self.publish.insert("pos.dead.>".to_owned());
        self.calls(&format!("STREAM.MSG.DELETE.{DEAD}"));
        self.publish.insert("pos.applied.>".to_owned());
        for stream in self.layout.streams() {
            self.calls(&format!("STREAM.CREATE.{}", stream.name));
            self.calls(&format!("STREAM.UPDATE.{}", stream.name));
        }
    }

    fn operator(&mut self) {
        for feed in Feed::ALL {
            self.reads_feed(feed);
        }
        for (stream, subjects) in [
            (APPLIED, "pos.applied.>"),
            (DEAD, "pos.dead.>"),
            (ALERTS, "pos.alerts.>"),
            (FOREIGN, "pos.foreign.>"),
        ] {
            self.reads(stream, subjects);
        }
        self.looks_at(MEMBERS);
        self.calls(&format!("STREAM.MSG.DELETE.{DEAD}"));
        self.publish.insert(ACCEPT_SUBJECT.to_owned());
    }
}

/// The server's `authorization` block: these users, each identified by the public halves of its keys, and no others. It
/// contains no secret. A user with two keys may connect with either.
pub(crate) fn authorization<'a>(
    config: &BusConfig,
    users: impl IntoIterator<Item = (&'a User, &'a str)>,
) -> Result<Value, BusError> {
    let mut entries = Vec::new();
    for (user, key) in users {
        let Permissions { publish, subscribe } = user.permissions(config)?;
        entries.push(json!({ "nkey": key, "permissions": { "publish": publish, "subscribe": subscribe } }));
    }
    Ok(json!({ "users": entries }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<User> {
        let partner = |store, connection| User::partner(store, connection).unwrap();
        User::OURS.into_iter().chain([partner("shop", "till"), partner("shop", "web")]).collect()
    }

    /// Returns true if `subject` matches the NATS pattern `pattern`.
    fn admits(pattern: &str, subject: &str) -> bool {
        let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
        loop {
            match (pattern.next(), subject.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some(token), Some(other)) if token == "*" || token == other => {}
                _ => return false,
            }
        }
    }

    fn may(user: &User, subject: &str) -> bool {
        let permissions = user.permissions(&BusConfig::default()).unwrap();
        permissions.publish.iter().any(|pattern| admits(pattern, subject))
    }

    fn hears(user: &User, subject: &str) -> bool {
        let permissions = user.permissions(&BusConfig::default()).unwrap();
        permissions.subscribe.iter().any(|pattern| admits(pattern, subject))
    }

    fn who(holds: impl Fn(&User) -> bool) -> Vec<String> {
        all().iter().filter(|user| **user != User::Administrator && holds(user)).map(User::name).collect()
    }

    #[test]
    fn each_subject_of_ours_has_the_publishers_that_the_architecture_names_and_no_others() {
        let stages = ["normalize", "dedupe", "enrich", "transform", "apply", "propagate", "fetch"];
        for (subject, publishers) in [
            ("pos.raw.3", &["ingest"][..]),
            ("pos.normalized.3", &["normalize"]),
            ("pos.unique.3", &["dedupe"]),
            ("pos.enriched.3", &["enrich", "transform"]),
            ("pos.applied.3.shop.inventory.updated", &["apply"]),
            ("pos.dead.normalize.data.shop", &["normalize", "transform", "apply"]),
            ("pos.dead.transform.data.shop", &["apply"]),
            ("pos.alerts.dedupe.3.setup", &["dedupe"]),
            ("pos.members.enrich.pod-1", &["enrich", "transform"]),
            ("pos.members.transform.pod-1", &[]),
            ("pos.membership.enrich", &["enrich", "transform"]),
            ("pos.foreign.RAW-0.17.abc", &["normalize", "transform", "apply", "fetch"]),
            ("pos.accept", &["propagate", "fetch", "gateway", "operator"]),
            ("pos.in.shop.till.sales", &["partner-till"]),
            ("pos.in.shop.web.sales", &["partner-web"]),
            ("pos.in.other.till.sales", &[]),
            ("_INBOX.partner.till.x", &["intake"]),
            ("_INBOX.fetch.x", &["ingest"]),
            ("_INBOX.apply.x", &[]),
            ("$JS.API.STREAM.PURGE.RAW-0", &["apply"]),
            ("$JS.API.STREAM.PURGE.DEAD", &[]),
            ("$JS.API.STREAM.PURGE.MEMBERS", &[]),
            ("$JS.API.STREAM.PURGE.ALERTS", &[]),
            ("$JS.API.STREAM.CREATE.RAW-0", &["apply"]),
            ("$JS.API.STREAM.CREATE.MEMBERS", &stages),
            ("$JS.API.STREAM.CREATE.OTHER", &[]),
            ("$JS.API.STREAM.UPDATE.RAW-0", &["apply"]),
            ("$JS.API.STREAM.DELETE.RAW-0", &[]),
            ("$JS.API.STREAM.MSG.DELETE.DEAD", &["apply", "operator"]),
            ("$JS.API.STREAM.MSG.DELETE.RAW-0", &[]),
            ("$JS.API.STREAM.SNAPSHOT.RAW-0", &[]),
            ("$JS.API.STREAM.LIST", &[]),
            ("$JS.API.CONSUMER.CREATE.RAW-0", &[]),
            (
                "$JS.API.CONSUMER.CREATE.RAW-0.x.pos.raw.3",
                &["normalize", "transform", "apply", "fetch", "operator"],
            ),
            ("$JS.API.CONSUMER.INFO.RAW-0.x", &["normalize", "transform", "apply", "fetch", "operator"]),
            ("$JS.API.CONSUMER.INFO.NORMALIZED-0.x", &["normalize", "dedupe", "apply", "operator"]),
            ("$JS.API.CONSUMER.DURABLE.CREATE.RAW-0.x", &[]),
            ("$JS.API.CONSUMER.DELETE.RAW-0.x", &[]),
            ("$JS.API.CONSUMER.LIST.RAW-0", &[]),
            ("$SYS.REQ.SERVER.PING", &[]),
        ] {
            assert_eq!(who(|user| may(user, subject)), publishers, "{subject}");
        }
    }

    #[test]
    fn nobody_hears_more_than_its_own_inbox_and_what_it_serves() {
        for (subject, hearers) in [
            ("pos.in.shop.till.sales", &["intake"][..]),
            ("pos.accept", &["ingest"]),
            ("pos.raw.3", &[]),
            ("pos.applied.3.shop.inventory.updated", &[]),
            ("pos.membership.apply", &["apply"]),
            ("_INBOX.partner.till.x", &["partner-till"]),
            ("_INBOX.partner.web.x", &["partner-web"]),
            ("_INBOX.apply.x", &["apply"]),
            ("_INBOX.x", &[]),
            ("$JS.EVENT.ADVISORY.API", &[]),
            ("$SYS.ACCOUNT.$G.CONNECT", &[]),
        ] {
            assert_eq!(who(|user| hears(user, subject)), hearers, "{subject}");
        }
        for user in all() {
            let prefix = user.inbox_prefix();
            let hearers = who(|other| hears(other, &format!("{prefix}.x")));
            assert!(user == User::Administrator || hearers == [user.name()], "{user}: {hearers:?}");
        }
    }

    #[test]
    fn a_partner_whose_ids_could_be_more_than_a_token_is_refused() {
        for bad in ["", "a.b", "*", ">", "a b", "ü", "a\r\nb"] {
            assert!(User::partner(bad, "till").is_err() && User::partner("shop", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_two_users_have_one_name() {
        // A partner's name begins with a prefix that none of ours has, whatever the name of its connection.
        let names: BTreeSet<String> = all().iter().map(User::name).collect();
        assert_eq!(names.len(), all().len());
        assert!(User::OURS.iter().all(|user| !user.name().starts_with(PARTNER)));
    }
}
