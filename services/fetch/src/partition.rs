//! Processes one partition: reads RAW, passes notifications to their connections, and stores the position up to which
//! all are done.

use crate::{
    STAGE,
    accepted::Accepted,
    notices::{Notice, Notices},
    parked::Parked,
    shared::Shared,
};
use bus::{Feed, Message};
use model::{ConnectionId, Delivery, Partition, Position};
use platforms::TopicKind;
use runner::{PartitionRun, batch_of, readable};
use stage::Fault;
use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use store::{Consumer, Cursor, CursorMove};
use tokio::{sync::mpsc, time::MissedTickBehavior};

/// Upper limit of waiting messages that are read at once.
const MESSAGES_MAX: usize = 8;
/// Upper limit of a partition's notifications under way; at the limit no more messages are read.
const UNDER_WAY_MAX: usize = 1024;
/// Interval at which the position is stored.
const NOTE_EVERY: Duration = Duration::from_secs(1);

impl Shared {
    /// Works on the partition until it is stopped or interrupted.
    pub(crate) async fn run_partition(self: &Arc<Self>, run: &PartitionRun) -> Result<(), Fault> {
        let partition = run.partition;
        let _owned = self.own(partition);
        let cursor = self.store.take_epoch(Consumer::Fetch, partition).await?;
        let counted = self.store.take_epoch(Consumer::Accepted, partition).await?;
        let start =
            self.service.bus.seek(Feed::Raw, partition, cursor.position.min(counted.position)).await?;
        let mut reader = self.service.bus.read(Feed::Raw, partition, start).await?;
        let (done, mut finished) = mpsc::channel(UNDER_WAY_MAX);
        let mut worker = PartitionWorker {
            shared: Arc::clone(self),
            partition,
            read: cursor.position.min(counted.position),
            cursor,
            accepted: Accepted::after(counted),
            under_way: BTreeMap::new(),
            connections: HashMap::new(),
            done,
        };
        worker.take_over_parked().await?;
        let mut notes = tokio::time::interval(NOTE_EVERY);
        notes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut schedule = pin!(self.schedule(partition));
        // Boxed: it is as large as all the rest.
        let mut matching = Box::pin(self.match_variants(partition));
        loop {
            tokio::select! {
                messages = reader.waiting(MESSAGES_MAX), if worker.under_way.len() < UNDER_WAY_MAX => {
                    for message in readable(&self.alerts, partition, messages).await? {
                        worker.take_message(&message).await;
                    }
                    run.made_progress();
                }
                Some(position) = finished.recv() => {
                    worker.under_way.remove(&position);
                }
                _ = notes.tick() => worker.note().await?,
                never = &mut schedule => match never {},
                never = &mut matching => match never {},
                () = run.stop.cancelled() => return worker.note().await,
            }
        }
    }

    fn names_objects(&self, delivery: &Delivery) -> bool {
        let schemas = self.schemas.get(delivery.origin.platform.as_str());
        let topic = delivery.kind.platform_topic().and_then(|topic| schemas?.topic(topic));
        topic.is_some_and(|topic| names_objects(topic.kind))
    }
}

/// Returns whether a delivery of that kind names objects that have to be fetched.
pub(crate) const fn names_objects(kind: TopicKind) -> bool {
    match kind {
        TopicKind::Thin | TopicKind::Both => true,
        TopicKind::Full | TopicKind::Read => false,
    }
}

struct PartitionWorker {
    shared: Arc<Shared>,
    partition: Partition,
    cursor: Cursor,
    accepted: Accepted,
    /// Position up to which RAW was read.
    read: Position,
    /// Notifications that aren't done, each with the position up to which RAW was read before it.
    under_way: BTreeMap<Position, Position>,
    connections: HashMap<ConnectionId, mpsc::UnboundedSender<Notice>>,
    done: mpsc::Sender<Position>,
}

impl PartitionWorker {
    /// Consumes a batch of deliveries; a foreign message is skipped. Validates all of it, as normalize does: if this
    /// one counted deliveries that the other refuses, the counts would never balance.
    async fn take_message(&mut self, message: &Message) {
        match batch_of::<Delivery>(&self.shared.service.bus, Feed::Raw, self.partition, message) {
            Ok(batch) => batch.records.into_iter().for_each(|it| self.take(it.position, it.value)),
            Err(foreign) => self.shared.alerts.foreign(Some(self.partition), &foreign).await,
        }
    }

    fn take(&mut self, position: Position, delivery: Delivery) {
        if position <= self.read {
            return;
        }
        let before = std::mem::replace(&mut self.read, position);
        self.accepted.count(position, &delivery.origin);
        if position <= self.cursor.position || !self.shared.names_objects(&delivery) {
            return;
        }
        self.under_way.insert(position, before);
        let id = delivery.origin.connection.clone();
        let notice = Notice { position, delivery };
        // At most `UNDER_WAY_MAX` and a batch are under way, which bounds these queues.
        if let Err(unsent) = self.queue(id, None).send(notice) {
            self.under_way.remove(&unsent.0.position);
        }
    }

    /// The queue of a connection. If its worker doesn't run yet, it is started with `parked`.
    fn queue(&mut self, id: ConnectionId, parked: Option<Parked>) -> &mpsc::UnboundedSender<Notice> {
        self.connections.entry(id).or_insert_with_key(|id| {
            let (queue, waiting) = mpsc::unbounded_channel();
            let notices = Notices {
                shared: Arc::clone(&self.shared),
                connection: id.clone(),
                done: self.done.clone(),
                changes: self.shared.changes.subscribe(),
                parked,
            };
            tokio::spawn(notices.work(waiting));
            queue
        })
    }

    /// Continues with notifications that a former owner parked.
    async fn take_over_parked(&mut self) -> Result<(), Fault> {
        let partitions = self.shared.service.bus.partitions();
        for (store, connection) in self.shared.store.parked_connections().await? {
            if partitions.of(&store) == self.partition {
                self.queue(connection, Some(Parked::due_in(Duration::ZERO)));
            }
        }
        Ok(())
    }

    /// Stores the position up to which everything is done, and the counts of deliveries accepted up to the
    /// position read.
    async fn note(&mut self) -> Result<(), Fault> {
        self.accepted.note(&self.shared.store, self.partition, self.read).await?;
        let position = self.under_way.first_key_value().map_or(self.read, |(_, before)| *before);
        if position <= self.cursor.position {
            return Ok(());
        }
        let step =
            CursorMove { partition: self.partition, from: self.cursor, position, number: self.cursor.number };
        self.shared.store.move_cursor(Consumer::Fetch, step).await?;
        runner::kill_point(STAGE, "noted");
        self.cursor = step.to();
        Ok(())
    }
}
