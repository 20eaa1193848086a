//! Reads the streams to their ends.

use super::{DeadLetter, Kept, Meaning};
use ::bus::{Bus, BusError, Feed, Start};
use model::{Delivery, DeliveryId, Position};
use normalize::Normalize;
use stage::{Stage as _, Verdict};
use std::{collections::HashMap, time::Duration};
use tokio::time::timeout;
use wire::Original;

/// Upper limit of messages that are read at once.
const READ_MESSAGES: usize = 64;
/// Time limit for the next messages.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// Returns every delivery in RAW, or an error for a message that can't be read.
pub(crate) async fn raw(bus: &Bus) -> Result<HashMap<DeliveryId, Kept>, String> {
    let normalize = Normalize::new().map_err(|error| error.to_string())?;
    let mut kept: HashMap<DeliveryId, Kept> = HashMap::new();
    for partition in bus.partitions().all() {
        let failed = |error: BusError| format!("RAW of partition {partition}: {error}");
        let Some(tail) = bus.tail(Feed::Raw, partition).await.map_err(failed)? else { continue };
        let mut reader = bus.read(Feed::Raw, partition, Start::First).await.map_err(failed)?;
        let mut at = 0;
        while at < tail.sequence {
            let messages = timeout(READ_LIMIT, reader.waiting(READ_MESSAGES)).await;
            let messages = messages.map_err(|_| format!("RAW of partition {partition} ends at {at}"))?;
            for message in messages.map_err(failed)? {
                at = message.sequence;
                let deliveries =
                    wire::decode_deliveries(message.payload).map_err(|error| error.to_string())?;
                for (index, delivery) in (0_u32..).zip(deliveries) {
                    let position = Position { raw_sequence: at, delivery: index, event: 0 };
                    match kept.get_mut(&delivery.id) {
                        Some(known) => known.times += 1,
                        None => drop(kept.insert(delivery.id, read(&normalize, position, delivery))),
                    }
                }
            }
        }
    }
    Ok(kept)
}

fn read(normalize: &Normalize, position: Position, delivery: Delivery) -> Kept {
    let origin = &delivery.origin;
    Kept {
        position,
        times: 1,
        store: origin.store.to_string(),
        connection: origin.connection.to_string(),
        topic: delivery.kind.to_string(),
        fetched: delivery.source.is_ours(),
        meaning: match normalize.decide(position, delivery, &mut ()) {
            Verdict::Emit(events) => Meaning::Events(events.into_iter().map(|event| event.id).collect()),
            Verdict::Skip(_) => Meaning::Filtered,
            Verdict::Rows(rows) if rows.iter().any(Result::is_ok) => {
                Meaning::Events(rows.into_iter().flatten().map(|event| event.id).collect())
            }
            Verdict::Reject(_) | Verdict::Rows(_) => Meaning::Rejected,
        },
    }
}

/// Returns every dead letter.
pub(crate) async fn dead_letters(bus: &Bus) -> Result<Vec<DeadLetter>, String> {
    let mut dead_letters = Vec::new();
    let mut reader = bus.read_dead(None).await.map_err(|error| error.to_string())?;
    while let Some(message) = timeout(READ_LIMIT, reader.next())
        .await
        .map_err(|_| "DEAD doesn't end")?
        .map_err(|error| error.to_string())?
    {
        let dead_letter = wire::decode_dead(message.payload).map_err(|error| error.to_string())?;
        let (delivery, event, digest) = match &dead_letter.original {
            Original::Delivery(delivery) => (delivery.id, None, Some(model::RawDigest::of(&delivery.body))),
            Original::Event(event) => (event.delivery, Some(event.id), None),
        };
        dead_letters.push(DeadLetter {
            stage: dead_letter.stage,
            class: dead_letter.reject.class.as_str().to_owned(),
            reason: dead_letter.reject.reason,
            delivery,
            event,
            digest,
        });
    }
    Ok(dead_letters)
}

/// Feeds and partitions that don't cover RAW to its end.
pub(crate) async fn uncovered(bus: &Bus) -> Result<Vec<String>, String> {
    let mut uncovered = Vec::new();
    let text = |error: BusError| error.to_string();
    for partition in bus.partitions().all() {
        let Some(tail) = bus.tail(Feed::Raw, partition).await.map_err(text)? else { continue };
        let enriched = bus.covered(Feed::Enriched, partition).await.map_err(text)?;
        for feed in [Feed::Normalized, Feed::Unique, Feed::Enriched] {
            let covers = bus.covered(feed, partition).await.map_err(text)?;
            // Of stages that are chained, the last one alone has a feed.
            if covers.max(enriched).raw_sequence < tail.sequence {
                uncovered
                    .push(format!("{feed:?} of partition {partition} covers {covers} of {}", tail.sequence));
            }
        }
    }
    Ok(uncovered)
}

/// Partitions whose last committed change, given by number, isn't in APPLIED.
pub(crate) async fn gaps_in_applied(bus: &Bus, last: &HashMap<u16, i64>) -> Result<Vec<String>, String> {
    let mut gaps = Vec::new();
    for partition in bus.partitions().all() {
        let Some(number) = last.get(&partition.0).copied().filter(|number| *number > 0) else { continue };
        let found = async {
            let mut reader = bus.read_applied(partition, number - 1).await?;
            reader.waiting(1).await
        };
        match timeout(READ_LIMIT, found).await {
            Ok(Ok(messages)) if messages.first().is_some_and(|message| message.number == number) => {}
            Ok(Err(error)) => gaps.push(format!("partition {partition}, change {number}: {error}")),
            _ => gaps.push(format!("partition {partition}: change {number} isn't in APPLIED")),
        }
    }
    Ok(gaps)
}
