//! Limits the room in DEAD, which all tenants share: whoever exceeds a share of it loses dead letters, the
//! oldest first.

mod usage;

use crate::STAGE;
use bus::{Bus, BusError};
use model::Partition;
use prometheus::{IntCounter, IntCounterVec, Opts};
use runner::{Alerts, Metrics, delivery_in_raw, publish_dead_letter};
use stage::Fault;
use store::Store;
use usage::{DeadLetter, Discarded, InRaw, Usage};

/// The dead letters of DEAD that were read so far.
pub(crate) struct DeadLetters {
    bus: Bus,
    store: Store,
    alerts: Alerts,
    discarded: IntCounterVec,
    erased: IntCounter,
    usage: Usage,
    /// Sequence up to which DEAD was read.
    seen: u64,
}

impl DeadLetters {
    /// Begins with none read.
    pub(crate) fn new(
        bus: &Bus,
        store: &Store,
        alerts: &Alerts,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        let discarded = IntCounterVec::new(
            Opts::new(
                "tillflow_dead_letters_discarded_total",
                "Dead letters that were discarded because their connection, their tenant or all together took too much room",
            ),
            &["room"],
        )?;
        metrics.registry().register(Box::new(discarded.clone()))?;
        let erased = IntCounter::new(
            "tillflow_dead_letters_erased_total",
            "Dead letters that were erased with the data of their account",
        )?;
        metrics.registry().register(Box::new(erased.clone()))?;
        let (bus, store, alerts) = (bus.clone(), store.clone(), alerts.clone());
        Ok(Self { bus, store, alerts, discarded, erased, usage: Usage::default(), seen: 0 })
    }

    /// Reads the dead letters published since, sets foreign messages aside, erases those of erased accounts, and
    /// makes room.
    pub(crate) async fn sweep(&mut self) -> Result<(), Fault> {
        self.look().await?;
        self.erase().await?;
        for discarded in self.usage.make_room(self.bus.dead_max_bytes()) {
            self.discard(&discarded).await?;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), BusError> {
        let there = self.bus.dead_state().await?;
        // Dead letters were acted on and removed, or the broker was set up anew.
        if there.last_sequence < self.seen || there.dead_letters < self.usage.dead_letters() {
            (self.usage, self.seen) = (Usage::default(), 0);
        }
        if there.last_sequence <= self.seen {
            return Ok(());
        }
        let mut dead_letters = self.bus.read_dead_behind(None, self.seen).await?;
        loop {
            match dead_letters.next().await {
                Ok(None) => break,
                Ok(Some(message)) => {
                    self.seen = message.sequence;
                    self.count(message.sequence, message.payload);
                }
                Err(BusError::Foreign(foreign)) => {
                    self.seen = foreign.sequence;
                    self.alerts.foreign(None, &foreign).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.seen = self.seen.max(there.last_sequence);
        Ok(())
    }

    fn count(&mut self, sequence: u64, payload: bytes::Bytes) {
        let bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        // Undecodable messages are foreign; the reader has reported them.
        let Ok(dead_letter) = wire::decode_dead(payload) else { return };
        let raw_sequence = dead_letter.position.raw_sequence;
        let in_raw = dead_letter.body_in_raw.map(|body| InRaw { sequence: raw_sequence, bytes: body.bytes });
        let received_at = dead_letter.original.received_at();
        self.usage.add(dead_letter.original.origin(), DeadLetter { sequence, bytes, received_at, in_raw });
    }

    /// Erases the dead letters of accounts whose data had to be erased, if their deliveries were received before that.
    async fn erase(&mut self) -> Result<(), Fault> {
        if self.usage.dead_letters() == 0 {
            return Ok(());
        }
        for (connection, before) in self.store.erasures().await? {
            let sequences = self.usage.take_before(&connection, before);
            if sequences.is_empty() {
                continue;
            }
            for sequence in &sequences {
                match self.bus.remove_dead(*sequence).await {
                    Ok(true) => self.erased.inc(),
                    // Another replica did it.
                    Ok(false) => {}
                    Err(error) => {
                        // Read all of them again.
                        (self.usage, self.seen) = (Usage::default(), 0);
                        return Err(error.into());
                    }
                }
            }
            let dead_letters = sequences.len();
            tracing::info!(stage = STAGE, connection.id = %connection, dead_letters, "dead letters erased with their account");
        }
        Ok(())
    }

    async fn discard(&self, discarded: &Discarded) -> Result<(), BusError> {
        let Discarded { origin, room, sequences } = discarded;
        for sequence in sequences {
            // Another replica may have done it.
            if self.bus.remove_dead(*sequence).await? {
                self.discarded.with_label_values(&[room.as_str()]).inc();
            }
        }
        tracing::warn!(
            stage = STAGE,
            tenant.id = %origin.tenant,
            store.id = %origin.store,
            connection.id = %origin.connection,
            dead_letters = sequences.len(),
            room = room.as_str(),
            "the oldest dead letters were discarded: too many for the room"
        );
        Ok(())
    }

    /// Copies the bodies that dead letters of the partition left in RAW into DEAD, before RAW is purged below that
    /// sequence: the newest of each connection, as far as its room allows.
    pub(crate) async fn take_bodies_over(&self, partition: Partition, below: u64) -> Result<(), Fault> {
        let partitions = self.bus.partitions();
        let is_there = |origin: &model::Origin| partitions.of(&origin.store) == partition;
        for sequence in self.usage.left_to_raw_below(below, self.bus.dead_max_bytes(), is_there) {
            let message = match self.bus.dead_at(sequence).await {
                Err(BusError::Foreign(_)) => None,
                message => message?,
            };
            let Some(message) = message else { continue };
            let Ok(dead_letter) = wire::decode_dead(message.payload) else { continue };
            let found = delivery_in_raw(&self.bus, &message.store, dead_letter.position).await?;
            let Some(whole) = found.and_then(|found| dead_letter.with_body_of(&found)) else { continue };
            // Another id: within five minutes the broker would drop it as a duplicate of the dead letter without
            // its body.
            publish_dead_letter(&self.bus, format!("{}/whole", message.message_id), &whole).await?;
            self.bus.remove_dead(sequence).await?;
        }
        Ok(())
    }
}
