//! Parks notifications in the record while their connection is paused or its account is refused, and continues with
//! them.

use crate::{
    STAGE,
    attempt::Attempt,
    notices::{Notices, Released, names_no_object},
    parked::{Parked, Woken},
    settings::{Settings, word},
};
use model::{Delivery, Position};
use platforms::AccountRefusal;
use runner::{Backoff, now};
use stage::{Reject, RejectClass};
use std::time::Duration;
use store::{Connection, ParkedNotice, StoreError};

/// Upper limit of parked notifications per connection; beyond it the oldest are dead-lettered.
const PARKED_MAX: u32 = 10_000;
/// Pause before parked notifications are tried again after an outage.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);

impl Notices {
    /// Parks one notification, however long the database takes, and makes room for it.
    pub(crate) async fn park(&mut self, position: Position, delivery: &Delivery) -> Result<(), Released> {
        let encoded = wire::encode_delivery(delivery).to_vec();
        let notice = ParkedNotice { position, delivery: encoded, since: now() };
        let mut backoff = Backoff::default();
        loop {
            let parked = self
                .shared
                .store
                .park_notice(&delivery.origin, delivery.kind.topic(), &notice, names_no_object(delivery))
                .await;
            match parked {
                Ok(()) => break,
                Err(error) => self.outage(&error, &mut backoff).await?,
            }
        }
        runner::kill_point(STAGE, "parked");
        self.make_room().await
    }

    /// Dead-letters the oldest notifications beyond the limit.
    async fn make_room(&self) -> Result<(), Released> {
        let mut backoff = Backoff::default();
        loop {
            let beyond = match self.shared.store.parked_beyond(&self.connection, PARKED_MAX).await {
                Ok(beyond) if beyond.is_empty() => return Ok(()),
                Ok(beyond) => beyond,
                Err(error) => {
                    self.outage(&error, &mut backoff).await?;
                    continue;
                }
            };
            let reason = format!("more than {PARKED_MAX} notifications wait for the connection");
            let reject = Reject::new(RejectClass::Config, reason);
            for notice in beyond.iter().rev() {
                self.discard(notice, &reject).await?;
            }
        }
    }

    /// Tries to fetch the oldest parked notification. One at a time: new notifications are parked behind the others
    /// meanwhile, so that a long queue blocks nothing else.
    pub(crate) async fn unpark(&mut self, woken: Woken) -> Result<(), Released> {
        let parked = self.parked.take();
        let oldest = match self.shared.store.oldest_parked(&self.connection).await {
            Ok(Some(oldest)) => oldest,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::warn!(stage = STAGE, connection.id = %self.connection, %error, "parked notifications can't be read");
                self.parked = Some(Parked::due_in(OUTAGE_PAUSE));
                return Ok(());
            }
        };
        let Ok(delivery) = wire::decode_delivery(oldest.delivery.clone().into()) else {
            // The notification can't be decoded, which no retry changes; RAW has it as well.
            tracing::error!(stage = STAGE, connection.id = %self.connection, position = %oldest.position, "a parked notification can't be read");
            self.parked = Some(Parked::due_in(Duration::ZERO));
            return self.forget(oldest.position).await;
        };
        let refused = match parked {
            // Recording a refusal is a change, too: only changed settings are a reason to try sooner.
            Some(Parked { refused: Some(refused), again }) if woken == Woken::Changed => {
                match self.shared.connection_of(&delivery).await {
                    Ok(connection) if !refused.is_outdated_by(&Settings::of(&connection)) => {
                        self.parked = Some(Parked { refused: Some(refused), again });
                        return Ok(());
                    }
                    Ok(_) | Err(_) => Some(refused),
                }
            }
            parked => parked.and_then(|parked| parked.refused),
        };
        self.parked = Some(match self.shared.attempt(&delivery).await {
            Attempt::Fetched(count) => {
                tracing::info!(stage = STAGE, connection.id = %self.connection, count, "fetched what was parked");
                self.forget(oldest.position).await?;
                Parked::due_in(Duration::ZERO)
            }
            Attempt::Refused(reject) => {
                self.discard(&oldest, &reject).await?;
                Parked::due_in(Duration::ZERO)
            }
            Attempt::Paused => Parked::paused(),
            Attempt::AccountRefused(refusal, reject, called_as) => {
                self.note_refused(refusal, &reject, &called_as).await;
                Parked::refused(refused, Settings::of(&called_as))
            }
            Attempt::Later { reason, after } => {
                tracing::debug!(stage = STAGE, connection.id = %self.connection, reason, "not fetched");
                Parked::due_in(OUTAGE_PAUSE.max(after.unwrap_or_default()))
            }
        });
        Ok(())
    }

    /// Records and logs that the platform refuses the account.
    pub(crate) async fn note_refused(
        &self,
        refusal: AccountRefusal,
        reject: &Reject,
        called_as: &Connection,
    ) {
        let (connection, reason) = (&self.connection, reject.to_string());
        let noted = crate::refusal::note(&self.shared.store, called_as, refusal, &reason).await;
        if let Err(error) = noted {
            tracing::warn!(stage = STAGE, connection.id = %connection, %error, "a refusal can't be noted");
        }
        tracing::warn!(stage = STAGE, connection.id = %connection, health = word(refusal), reason, "the account refuses calls");
    }

    /// Dead-letters a parked notification.
    async fn discard(&self, notice: &ParkedNotice, reject: &Reject) -> Result<(), Released> {
        if let Ok(delivery) = wire::decode_delivery(notice.delivery.clone().into()) {
            self.dead_letter(notice.position, &delivery, reject).await?;
        }
        self.forget(notice.position).await
    }

    async fn forget(&self, position: Position) -> Result<(), Released> {
        let mut backoff = Backoff::default();
        while let Err(error) = self.shared.store.unpark_notice(&self.connection, position).await {
            self.outage(&error, &mut backoff).await?;
        }
        Ok(())
    }

    async fn outage(&self, error: &StoreError, backoff: &mut Backoff) -> Result<(), Released> {
        tracing::warn!(stage = STAGE, connection.id = %self.connection, %error, "parking waits for the database");
        self.pause(backoff.next_delay()).await
    }
}
