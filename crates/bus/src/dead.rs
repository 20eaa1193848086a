//! DEAD: the stream of rejected inputs, kept until a person has handled them.

use crate::{
    AppendError, Bus, BusError, Start,
    follow::{Follow, PULL_BATCHES},
    foreign::Holding,
    layout::DEAD,
    message::{Stored, is_header, is_token},
    publish,
};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use model::{StoreId, Timestamp};

/// Number of dead letters that are read at once.
const READ_MESSAGES: usize = 64;

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMessage {
    /// The stage that rejected it: a token.
    pub stage: String,
    /// The class of the rejection, by its cause: a token.
    pub class: String,
    /// The store.
    pub store: StoreId,
    /// The permanent id of the rejection; the broker stores an id once within five minutes.
    pub message_id: String,
    /// The original and the reason, as protobuf.
    pub payload: Bytes,
    /// Its sequence in the stream; 0 before it is stored.
    pub sequence: u64,
    /// Time at which it was stored.
    pub published_at: Timestamp,
}

impl DeadMessage {
    /// Creates a dead letter that is not published yet.
    pub fn new(stage: &str, class: &str, store: StoreId, message_id: String, payload: Bytes) -> Self {
        let (stage, class) = (stage.to_owned(), class.to_owned());
        Self {
            stage,
            class,
            store,
            message_id,
            payload,
            sequence: 0,
            published_at: Timestamp::from_micros(0),
        }
    }

    pub(crate) fn read(stored: &Stored) -> Result<Self, BusError> {
        let parts: Vec<&str> = stored.subject.split('.').collect();
        let ["pos", "dead", stage, class, store] = parts[..] else { return Err(stored.malformed("subject")) };
        let message_id = stored.header("Nats-Msg-Id").ok_or_else(|| stored.malformed("Nats-Msg-Id"))?;
        Ok(Self {
            stage: stage.to_owned(),
            class: class.to_owned(),
            store: StoreId::new(store).map_err(|_| stored.malformed("store"))?,
            message_id: message_id.to_owned(),
            sequence: stored.sequence,
            published_at: stored.published_at(),
            payload: stored.payload.clone(),
        })
    }
}

impl Bus {
    /// Publishes a dead letter and waits until it is stored; repeats the attempt for ten seconds while the outcome
    /// is unknown.
    pub async fn publish_dead(&self, message: &DeadMessage) -> Result<(), AppendError> {
        for (text, what) in [(&message.stage, "a stage"), (&message.class, "a class")] {
            if !is_token(text) {
                return Err(AppendError::Token { what });
            }
        }
        if !is_header(&message.message_id) {
            return Err(AppendError::Token { what: "a message id" });
        }
        let subject = format!("pos.dead.{}.{}.{}", message.stage, message.class, message.store);
        let publish =
            PublishMessage::build().payload(message.payload.clone()).message_id(&message.message_id);
        publish::publish_until_known(self, &subject, &publish, message.payload.len()).await.map(|_| ())
    }

    /// Reads the dead letters that are there now: of one stage or of all.
    pub async fn read_dead(&self, stage: Option<&str>) -> Result<DeadReader, BusError> {
        self.read_dead_behind(stage, 0).await
    }

    /// Reads as [`Bus::read_dead`] does, behind a sequence.
    pub async fn read_dead_behind(&self, stage: Option<&str>, sequence: u64) -> Result<DeadReader, BusError> {
        if stage.is_some_and(|stage| !is_token(stage)) {
            return Err(BusError::Token { what: "a stage" });
        }
        let subject = stage.map_or_else(|| "pos.dead.>".to_owned(), |stage| format!("pos.dead.{stage}.>"));
        let last = self.last(DEAD, &subject).await?.map_or(0, |last| last.sequence);
        let start = if sequence == 0 || last <= sequence { Start::First } else { Start::After(sequence) };
        let follow = Follow::open(self.clone(), DEAD.to_owned(), subject, start, PULL_BATCHES).await?;
        Ok(DeadReader { bus: self.clone(), follow, next: sequence + 1, last })
    }

    /// The dead letter with this sequence, if it is still stored; [`BusError::Foreign`] if the message is foreign.
    pub async fn dead_at(&self, sequence: u64) -> Result<Option<DeadMessage>, BusError> {
        let Some(stored) = self.at(DEAD, sequence).await? else { return Ok(None) };
        match self.foreign_reason(Holding::Dead, &stored).await? {
            Some(foreign) => Err(BusError::Foreign(Box::new(foreign))),
            None => DeadMessage::read(&stored).map(Some),
        }
    }

    /// Removes a dead letter that was handled; returns false if it was gone already.
    pub async fn remove_dead(&self, sequence: u64) -> Result<bool, BusError> {
        const DOING: &str = "removing the dead letter";
        let name = sequence.to_string();
        let stream = self.admin().get_stream_no_info(DEAD).await.map_err(BusError::call(DOING, &name))?;
        match stream.delete_message(sequence).await {
            Ok(was_there) => Ok(was_there),
            Err(_) if self.at(DEAD, sequence).await?.is_none() => Ok(false),
            Err(error) => Err(BusError::call(DOING, &name)(error)),
        }
    }

    /// Returns the number of dead letters in DEAD and its last sequence.
    pub async fn dead_state(&self) -> Result<DeadState, BusError> {
        let state = self.stream_info(DEAD).await?.map(|info| info.state);
        Ok(state.map_or_else(DeadState::default, |state| DeadState {
            dead_letters: state.messages,
            last_sequence: state.last_sequence,
        }))
    }

    /// The capacity of DEAD, in bytes.
    pub fn dead_max_bytes(&self) -> u64 {
        self.layout().dead_max_bytes()
    }

    /// Fill level of DEAD, from 0 to 1.
    pub async fn dead_usage(&self) -> Result<f64, BusError> {
        self.usage_of(DEAD).await
    }
}

/// The content of DEAD, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeadState {
    /// The number of messages.
    pub dead_letters: u64,
    /// The sequence of the last message that was ever stored.
    pub last_sequence: u64,
}

/// Reads the dead letters that were there when it was opened.
pub struct DeadReader {
    bus: Bus,
    follow: Follow,
    /// The lowest sequence that was not read yet.
    next: u64,
    last: u64,
}

impl DeadReader {
    /// The next dead letter; `None` at the end. [`BusError::Foreign`] reports a foreign message; the next call
    /// continues behind it.
    pub async fn next(&mut self) -> Result<Option<DeadMessage>, BusError> {
        if self.next > self.last {
            return Ok(None);
        }
        self.follow.fill(READ_MESSAGES).await?;
        let read = |stored: &Stored| Ok((stored.sequence, DeadMessage::read(stored)));
        let Some((sequence, read)) = self.follow.take(1, read)?.pop() else { return Ok(None) };
        self.next = sequence + 1;
        if sequence > self.last {
            return Ok(None);
        }
        let message = read?;
        match self.bus.validator().map_or(Ok(()), |validator| validator.dead(&message)) {
            Ok(()) => Ok(Some(message)),
            Err(reason) => Err(BusError::Foreign(Box::new(Bus::foreign_dead(&message, &reason)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::stored;

    #[test]
    fn a_dead_letter_has_the_subject_of_one_and_an_id() {
        let read = |subject: &str, headers: &[_]| DeadMessage::read(&stored(subject, headers, b""));
        let id = [("Nats-Msg-Id", "id")];
        assert_eq!(read("pos.dead.normalize.data.shop", &id).unwrap().class, "data");
        for (subject, headers) in [
            ("pos.dead.normalize.data.shop", &[][..]),
            ("pos.dead.normalize.data", &id[..]),
            ("pos.dead.normalize.data.shop.x", &id),
            ("pos.dead.normalize.data.s!op", &id),
            ("pos.applied.normalize.data.shop", &id),
        ] {
            assert!(matches!(read(subject, headers), Err(BusError::Foreign(_))), "{subject} {headers:?}");
        }
    }
}
