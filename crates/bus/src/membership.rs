//! Membership of a stage: the replicas that are live, and the partitions of this one.
//!
//! Each replica of a stage keeps one message with a time to live, in memory: no disk is synced for it. Two owners of a
//! partition for a moment waste work but do no damage: the second append is refused. A message that is no heartbeat
//! does not count, and neither does a replica that does not run its partitions (`heartbeat.rs`).

use crate::{
    AppendError, Bus, BusError, Foreign,
    error::{Source, not_yet},
    heartbeat::{Heartbeat, Others, Seen, TIME_TO_LIVE},
    layout::MEMBERS,
    message::{Stored, is_token, printable},
    publish,
};
use async_nats::{
    StatusCode, Subscriber,
    jetstream::{
        ErrorCode,
        context::GetStreamErrorKind,
        message::{PublishMessage, StreamMessage},
    },
};
use bytes::Bytes;
use futures::StreamExt;
use model::Partition;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at},
};

/// Upper limit of heartbeats that are read; replicas beyond it are not seen.
const HEARTBEATS_MAX: usize = 512;
/// Time limit for reading them; meanwhile this replica sends no heartbeat.
const HEARTBEATS_LIMIT: Duration = Duration::from_secs(2);
/// The status behind the last message of a batch.
const END_OF_BATCH: u16 = 204;
/// Upper limit of the name of an ignored replica, in characters; the rest is cut off.
const NAME_MAX: usize = 64;
/// Interval at which a replica sends a heartbeat and reads those of the others.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(1);
/// Time limit for joining.
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// The pause between two attempts.
const JOIN_PAUSE: Duration = Duration::from_millis(250);
/// Time limit for the announcement that a replica leaves.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// A replica's membership in its stage. If it is dropped without [`Membership::leave`], the replica counts as live for
/// three more seconds.
pub struct Membership {
    owned: watch::Receiver<Arc<BTreeSet<Partition>>>,
    ignored: watch::Receiver<BTreeSet<String>>,
    leave: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Membership {
    /// Watches the partitions of this replica.
    pub fn owned(&self) -> watch::Receiver<Arc<BTreeSet<Partition>>> {
        self.owned.clone()
    }

    /// Watches the names of ignored replicas: those whose message is no heartbeat, whose heartbeat is too old, or that
    /// do not run their partitions.
    pub fn ignored(&self) -> watch::Receiver<BTreeSet<String>> {
        self.ignored.clone()
    }

    /// Leaves the stage, so that the other replicas take over at once.
    pub async fn leave(mut self) {
        if let Some(leave) = self.leave.take() {
            let _ = leave.send(());
        }
        // If the announcement fails, the heartbeat's time to live ends the membership.
        let _ = timeout(LEAVE_LIMIT, &mut self.task).await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bus {
    /// Joins the replicas of `stage` as `replica`, a name that no other process has, and shares the partitions with
    /// them. Tries for 30 seconds.
    pub async fn join(&self, stage: &str, replica: &str) -> Result<Membership, BusError> {
        for (text, what) in [(stage, "a stage"), (replica, "a replica's name")] {
            if !is_token(text) {
                return Err(BusError::Token { what });
            }
        }
        let notice = format!("pos.membership.{stage}");
        let subscribed = self.client().subscribe(notice.clone()).await;
        let notices = subscribed.map_err(BusError::call("the subscription", &notice))?;
        let (ignored, ignoring) = watch::channel(BTreeSet::new());
        let mut member = Member {
            bus: self.clone(),
            stage: stage.to_owned(),
            replica: replica.to_owned(),
            notice,
            sequence: None,
            settling: false,
            owns: BTreeSet::new(),
            others: Others::default(),
            ignored,
        };
        let first = member.begin().await?;
        let (owned, watched) = watch::channel(first);
        member.notify().await;
        let (leave, left) = oneshot::channel();
        let task = tokio::spawn(member.run(owned, notices, left));
        Ok(Membership { owned: watched, ignored: ignoring, leave: Some(leave), task })
    }
}

struct Member {
    bus: Bus,
    stage: String,
    replica: String,
    /// The subject on which members notify each other of changes.
    notice: String,
    /// The sequence of our last heartbeat.
    sequence: Option<u64>,
    /// True if our heartbeat or the server's memory was lost: other replicas may not have sent a heartbeat since.
    settling: bool,
    /// The partitions that our next heartbeat lists.
    owns: BTreeSet<Partition>,
    others: Others,
    ignored: watch::Sender<BTreeSet<String>>,
}

impl Member {
    /// Sends the first heartbeat and reads those of the others. Repeats this, since a cluster that has just started,
    /// or has lost a server, must first elect a leader of the members' stream.
    async fn begin(&mut self) -> Result<Arc<BTreeSet<Partition>>, BusError> {
        let deadline = Instant::now() + JOIN_LIMIT;
        loop {
            let shown = self.renew().await.map_err(BusError::call("joining", &self.stage));
            let looked = match shown {
                Ok(()) => self.look().await,
                Err(error) => Err(error),
            };
            self.settling = false;
            match looked {
                Err(error) if Instant::now() < deadline => {
                    not_yet("joined", &error);
                    sleep(JOIN_PAUSE).await;
                }
                looked => return looked,
            }
        }
    }

    async fn run(
        mut self,
        owned: watch::Sender<Arc<BTreeSet<Partition>>>,
        mut notices: Subscriber,
        mut left: oneshot::Receiver<()>,
    ) {
        let mut ticks = interval(RENEWAL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = &mut left => break,
                _ = ticks.tick() => {
                    self.settling = false;
                    if let Err(error) = self.renew().await {
                        tracing::debug!(stage = self.stage, %error, "no heartbeat could be given");
                        continue;
                    }
                }
                Some(_) = notices.next() => {}
            }
            if self.settling {
                continue;
            }
            match self.look().await {
                Ok(mine) => {
                    let changed =
                        owned.send_if_modified(|owned| std::mem::replace(owned, Arc::clone(&mine)) != mine);
                    if changed {
                        tracing::info!(
                            stage = self.stage,
                            partitions = mine.len(),
                            "owns other partitions than before"
                        );
                    }
                }
                Err(error) => tracing::debug!(stage = self.stage, %error, "the members could not be read"),
            }
        }
        if let Err(error) = self.leave().await {
            tracing::warn!(stage = self.stage, %error, "left without saying so");
        }
    }

    /// Sends a heartbeat. A restarted server has lost all heartbeats, and the stream itself; then the stream is
    /// created again.
    async fn renew(&mut self) -> Result<(), AppendError> {
        match self.show().await {
            Err(AppendError::Fenced) => {
                tracing::debug!(
                    stage = self.stage,
                    replica = self.replica,
                    "our heartbeat was gone or another's"
                );
                (self.sequence, self.settling) = (None, true);
                self.show().await
            }
            Err(AppendError::Unavailable { .. }) => {
                (self.sequence, self.settling) = (None, true);
                if self.is_forgotten().await.map_err(|source| AppendError::Unavailable { source })? {
                    let created = self.bus.create(self.bus.layout().members()).await;
                    created.map_err(|source| AppendError::Unavailable { source: source.into() })?;
                }
                self.show().await
            }
            other => other,
        }
    }

    /// Returns true if the stream is gone; otherwise its servers are only electing a leader.
    async fn is_forgotten(&self) -> Result<bool, Source> {
        match self.bus.jetstream().get_stream(MEMBERS).await {
            Ok(_) => Ok(false),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Ok(true)
                }
                _ => Err(error.into()),
            },
        }
    }

    async fn show(&mut self) -> Result<(), AppendError> {
        let (stage, replica) = (self.stage.clone(), self.replica.clone());
        let heartbeat = Heartbeat { stage, replica, partitions: self.owns.clone(), leaves: false }.encode();
        let bytes = heartbeat.len();
        let message = PublishMessage::build().payload(heartbeat).ttl(TIME_TO_LIVE);
        let message = match self.sequence {
            Some(sequence) => message.expected_last_subject_sequence(sequence),
            None => message,
        };
        let pending = publish::publish(&self.bus, self.subject(), message, bytes).await?;
        self.sequence = Some(pending.acknowledged().await?.sequence);
        Ok(())
    }

    /// Reads the heartbeats and returns the partitions of this replica.
    async fn look(&mut self) -> Result<Arc<BTreeSet<Partition>>, BusError> {
        let (mut seen, mut foreign) = (Vec::new(), Vec::new());
        for stored in self.heartbeats().await? {
            match Seen::read(&self.stage, &stored) {
                Ok(heartbeat) => seen.push(heartbeat),
                Err(reason) => foreign.push(Foreign::of(&stored, reason)),
            }
        }
        let now = std::time::Instant::now();
        let (mine, mut ignored) = self.others.share(self.bus.partitions(), &self.replica, &seen, now);
        ignored = ignored.into_iter().map(|name| printable(&name, NAME_MAX)).collect();
        for foreign in foreign {
            let name = foreign.subject.rsplit('.').next().unwrap_or_default();
            let name = printable(name, NAME_MAX);
            // A message that is written again each second is recorded once.
            let known = self.ignored.borrow().contains(&name);
            if !known && let Err(error) = self.bus.record_foreign(&self.stage, &foreign).await {
                tracing::warn!(stage = self.stage, %error, "a foreign message among the members isn't recorded");
            }
            ignored.insert(name);
        }
        self.ignored.send_if_modified(|before| std::mem::replace(before, ignored.clone()) != ignored);
        self.owns.clone_from(&mine);
        Ok(Arc::new(mine))
    }

    /// The last message of each subject of our stage, in one request (nats-server, ADR-31: `multi_last`).
    async fn heartbeats(&self) -> Result<Vec<Stored>, BusError> {
        let failed = |source: Source| BusError::call("the members", &self.stage)(source);
        let client = self.bus.client();
        let inbox = client.new_inbox();
        let mut replies = client.subscribe(inbox.clone()).await.map_err(|error| failed(error.into()))?;
        let subjects = format!("pos.members.{}.*", self.stage);
        let asked = serde_json::json!({ "multi_last": [subjects], "batch": HEARTBEATS_MAX }).to_string();
        let to = format!("$JS.API.DIRECT.GET.{MEMBERS}");
        let sent = client.publish_with_reply(to, inbox, asked.into()).await;
        sent.map_err(|error| failed(error.into()))?;
        let until = Instant::now() + HEARTBEATS_LIMIT;
        let mut heartbeats = Vec::new();
        loop {
            let next = timeout_at(until, replies.next()).await.map_err(|error| failed(error.into()))?;
            let reply = next.ok_or_else(|| failed("the connection ended".into()))?;
            match reply.status {
                None => {
                    let message = StreamMessage::try_from(reply).map_err(|error| failed(error.into()))?;
                    heartbeats.push(Stored::got(MEMBERS, message));
                }
                // The end, after some messages or none.
                Some(status) if status.as_u16() == END_OF_BATCH || status == StatusCode::NOT_FOUND => {
                    return Ok(heartbeats);
                }
                Some(status) => {
                    let what = reply.description.unwrap_or_default();
                    return Err(failed(format!("{status} {what}").into()));
                }
            }
        }
    }

    async fn notify(&self) {
        // A replica that misses the notice sees the change at its next tick.
        let _ = self.bus.client().publish(self.notice.clone(), Bytes::new()).await;
    }

    /// Announces that no further heartbeat follows. Nothing is purged: a user that may purge one heartbeat may purge all.
    async fn leave(&self) -> Result<(), AppendError> {
        let (stage, replica) = (self.stage.clone(), self.replica.clone());
        let heartbeat = Heartbeat { stage, replica, partitions: BTreeSet::new(), leaves: true }.encode();
        let bytes = heartbeat.len();
        let message = PublishMessage::build().payload(heartbeat).ttl(TIME_TO_LIVE);
        publish::publish(&self.bus, self.subject(), message, bytes).await?.acknowledged().await?;
        self.notify().await;
        let flushed = self.bus.client().flush().await;
        flushed.map_err(|error| AppendError::Unavailable { source: error.into() })
    }

    fn subject(&self) -> String {
        format!("pos.members.{}.{}", self.stage, self.replica)
    }
}
