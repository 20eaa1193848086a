use crate::{Bus, BusError, Feed, Message, Start, foreign::Holding};
use model::{Partition, Position, Timestamp};

/// Upper limit of batches that are examined one by one.
const LOOKED_AT_MAX: usize = 1000;

enum Search {
    Empty,
    NoneAfter(u64),
    From(u64),
}

impl Bus {
    /// Returns the start for reading a partition that is processed up to `covered`: the first batch that reaches
    /// further. Finds it by the positions in the batches, never by remembered sequences: a broker that crashed may have
    /// lost the end of a stream and given its sequences to other batches.
    pub async fn seek(&self, feed: Feed, partition: Partition, covered: Position) -> Result<Start, BusError> {
        if covered == Position::default() {
            return Ok(Start::First);
        }
        if feed == Feed::Raw {
            return Ok(Start::At(covered.raw_sequence));
        }
        let reaches_further = |message: &Message| message.covers.is_some_and(|covers| covers > covered);
        Ok(match self.search(feed, partition, reaches_further).await? {
            Search::Empty => Start::First,
            Search::NoneAfter(last) => Start::After(last),
            Search::From(sequence) => Start::At(sequence),
        })
    }

    /// The partition's first batch that is still stored.
    pub async fn first(&self, feed: Feed, partition: Partition) -> Result<Option<Message>, BusError> {
        self.next_batch(feed, partition, 1).await
    }

    /// Returns true if one of the partition's batches begins at or before a position and reaches behind it; examines
    /// the first `LOOKED_AT_MAX` of them.
    pub async fn continues_at(
        &self,
        feed: Feed,
        partition: Partition,
        position: Position,
    ) -> Result<bool, BusError> {
        let mut from = 1;
        for _ in 0..LOOKED_AT_MAX {
            let Some(message) = self.next_batch(feed, partition, from).await? else { break };
            if message.from <= Some(position) && message.covers > Some(position) {
                return Ok(true);
            }
            from = message.sequence + 1;
        }
        Ok(false)
    }

    /// The partition's first batch at or behind a sequence; foreign messages are skipped.
    async fn next_batch(
        &self,
        feed: Feed,
        partition: Partition,
        from: u64,
    ) -> Result<Option<Message>, BusError> {
        let (stream, subject) = (self.layout().stream_of(feed, partition), feed.subject(partition));
        let found = self.next_ours(&stream, &subject, Holding::Batches(feed, partition), from).await?;
        found.map(|found| Message::read_of(feed, &found)).transpose()
    }

    /// Returns [`BusError::Behind`] if RAW ends before a position that was already decided: the broker was created
    /// anew, or lost the end of the stream. Its next messages would get sequences that count as decided.
    pub async fn verify_reached(&self, partition: Partition, decided: Position) -> Result<(), BusError> {
        let info = self.stream_info(&self.layout().stream_of(Feed::Raw, partition)).await?;
        if info.is_some_and(|info| info.state.last_sequence >= decided.raw_sequence) {
            return Ok(());
        }
        Err(BusError::Behind { subject: Feed::Raw.subject(partition), sequence: decided.raw_sequence })
    }

    /// The partition's first batch that reaches behind `covered`: the oldest one that waits for a reader at that
    /// position. In RAW, whose batches carry no position, the first batch that begins behind it.
    pub async fn first_waiting(
        &self,
        feed: Feed,
        partition: Partition,
        covered: Position,
    ) -> Result<Option<Message>, BusError> {
        let from = match self.seek(feed, partition, covered).await? {
            Start::First => 1,
            Start::At(sequence) if feed == Feed::Raw => sequence + 1,
            Start::At(sequence) => sequence,
            Start::After(_) => return Ok(None),
        };
        self.next_batch(feed, partition, from).await
    }

    /// The sequence of the partition's first batch that was stored at `since` or later; `None` if there is none.
    pub async fn first_since(
        &self,
        feed: Feed,
        partition: Partition,
        since: Timestamp,
    ) -> Result<Option<u64>, BusError> {
        Ok(match self.search(feed, partition, |message| message.published_at >= since).await? {
            Search::Empty | Search::NoneAfter(_) => None,
            Search::From(sequence) => Some(sequence),
        })
    }

    /// Returns the start for reading a partition's last `records` records, and at most one batch more.
    pub async fn seek_last_records(
        &self,
        feed: Feed,
        partition: Partition,
        records: u64,
    ) -> Result<Start, BusError> {
        let total = self.tail(feed, partition).await?.and_then(|tail| tail.records_total).unwrap_or_default();
        let among_them =
            |message: &Message| message.records_total.unwrap_or_default().saturating_add(records) > total;
        Ok(match self.search(feed, partition, among_them).await? {
            Search::Empty | Search::NoneAfter(_) => Start::First,
            Search::From(sequence) => Start::At(sequence),
        })
    }

    /// Finds the first batch for which `holds` is true, by binary search: if `holds` is true for a batch, it must be
    /// true for all batches behind it.
    async fn search(
        &self,
        feed: Feed,
        partition: Partition,
        holds: impl Fn(&Message) -> bool,
    ) -> Result<Search, BusError> {
        let Some(last) = self.tail(feed, partition).await? else { return Ok(Search::Empty) };
        if !holds(&last) {
            return Ok(Search::NoneAfter(last.sequence));
        }
        let (mut low, mut high) = (1, last.sequence);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next_batch(feed, partition, middle).await? {
                Some(message) if !holds(&message) => low = message.sequence + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(Search::From(low))
    }
}
