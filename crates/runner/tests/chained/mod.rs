//! Stages in one pass, compared with the same stages apart.

use super::*;
use model::{Delivery, DeliveryKind, DroppedInput, Source};
use runner::{Chained, Single, run_pass};
use std::collections::BTreeSet;

/// Emits an event for each byte of the body; an `x` is a row that is rejected. A body without bytes is skipped, a body that
/// begins with `!` is rejected as a whole.
struct Rows;

impl Stage for Rows {
    const NAME: &'static str = "rows";
    type In = Delivery;
    type Out = Event;
    type PartitionState = ();

    fn decide(&self, at: Position, delivery: Delivery, (): &mut ()) -> Verdict<Event> {
        let row = |(index, byte): (usize, &u8)| match byte {
            b'x' => Err(Reject::at(RejectClass::Data, format!("/{index}"), "an x")),
            byte => {
                let position = Position { event: u32::try_from(index).unwrap(), ..at };
                Ok(Event { position, ..event(u64::from(*byte)) })
            }
        };
        match delivery.body.first() {
            None => Verdict::Skip(Skip::Thin),
            Some(b'!') => Verdict::Reject(Reject::new(RejectClass::Schema, "unreadable")),
            Some(_) => Verdict::Rows(delivery.body.iter().enumerate().map(row).collect()),
        }
    }
}

/// Passes each id on once; a `z` is rejected, at every repetition.
struct Once;

impl Stage for Once {
    const NAME: &'static str = "once";
    type In = Event;
    type Out = Event;
    type PartitionState = BTreeSet<EventId>;

    fn decide(&self, _: Position, event: Event, seen: &mut BTreeSet<EventId>) -> Verdict<Event> {
        if event.id.as_bytes()[0] == b'z' {
            return Verdict::Reject(Reject::new(RejectClass::Config, "a z"));
        }
        if seen.insert(event.id) { Verdict::Emit(vec![event]) } else { Verdict::Skip(Skip::Duplicate) }
    }
}

/// Passes everything on.
struct Everything;

impl Stage for Everything {
    const NAME: &'static str = "everything";
    type In = Event;
    type Out = Event;
    type PartitionState = ();

    fn decide(&self, _: Position, event: Event, (): &mut ()) -> Verdict<Event> {
        Verdict::Emit(vec![event])
    }
}

/// Remembers nothing that was seen before a partition was opened.
struct Fresh;

impl StageIo<Everything> for Fresh {
    async fn open(&self, _: &Bus, _: Partition, _: Position) -> Result<(), Fault> {
        Ok(())
    }
    async fn load(&self, _: &[Positioned<Event>], (): &mut ()) -> Result<(), Fault> {
        Ok(())
    }
}

impl StageIo<Rows> for Fresh {
    async fn open(&self, _: &Bus, _: Partition, _: Position) -> Result<(), Fault> {
        Ok(())
    }
    async fn load(&self, _: &[Positioned<Delivery>], (): &mut ()) -> Result<(), Fault> {
        Ok(())
    }
}

impl StageIo<Once> for Fresh {
    async fn open(&self, _: &Bus, _: Partition, _: Position) -> Result<BTreeSet<EventId>, Fault> {
        Ok(BTreeSet::new())
    }
    async fn load(&self, _: &[Positioned<Event>], _: &mut BTreeSet<EventId>) -> Result<(), Fault> {
        Ok(())
    }
}

const BODIES: [&[&str]; 7] = [
    &["ab", "", "axb"],
    &["!", "cz"],
    &["xx"],
    &["", ""],
    &["zzdz", "e", "!!"],
    &["abcdefgh"],
    &["fxgzhx", "i"],
];

/// Number of the positions in them: rows, and deliveries without any.
const POSITIONS: usize = 34;

fn delivery(body: &str) -> Delivery {
    let Event { origin, received_at, delivery: id, trace, .. } = event(1);
    Delivery {
        id,
        origin,
        kind: DeliveryKind::Platform("t".into()),
        received_at,
        source: Source::Webhook,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace,
        body: body.to_owned().into(),
    }
}

/// The outcome of every position, in the order of the feed, and the dead letters.
#[derive(Debug, PartialEq)]
struct Outcomes {
    events: Vec<(Position, EventId)>,
    dropped: BTreeSet<(Position, String, String, Option<EventId>)>,
    dead: BTreeSet<(Position, String, String)>,
}

impl World {
    async fn put_raw(&self, bodies: &[&[&str]]) {
        for (index, batch) in bodies.iter().enumerate() {
            let deliveries: Vec<Delivery> = batch.iter().map(|body| delivery(body)).collect();
            let (payload, id) = (wire::encode_deliveries(&deliveries), format!("{index}-{}", batch.concat()));
            let count = u32::try_from(batch.len()).unwrap();
            self.bus.append_raw(HERE, payload, &id, count).await.unwrap();
        }
    }

    /// Waits until ENRICHED has the outcomes of `count` positions, and returns them.
    async fn outcomes(&self, count: usize) -> Outcomes {
        let (mut events, mut dropped) = (Vec::new(), BTreeSet::new());
        let mut reader = self.bus.read(Feed::Enriched, HERE, Start::First).await.unwrap();
        let mut reached = Position::default();
        while events.len() + dropped.len() < count {
            for message in tokio::time::timeout(PATIENCE, reader.waiting(8)).await.unwrap().unwrap() {
                assert_eq!(message.from, Some(reached), "batches follow each other");
                let batch = Event::decode(message.payload, message.sequence).unwrap();
                let (from, covers) = (reached, message.covers.unwrap());
                reached = covers;
                let ended = batch.dropped_inputs.iter().map(|dropped| dropped.position);
                for position in batch.records.iter().map(|event| event.position).chain(ended) {
                    assert!(position > from && position <= covers, "{position} from {from} to {covers}");
                }
                events.extend(batch.records.into_iter().map(|event| (event.position, event.value.id)));
                dropped.extend(batch.dropped_inputs.into_iter().map(described));
            }
        }
        let (mut dead, mut reader) = (BTreeSet::new(), self.bus.read_dead(None).await.unwrap());
        while let Some(message) = reader.next().await.unwrap() {
            let dead_letter = wire::decode_dead(message.payload).unwrap();
            let original = match &dead_letter.original {
                wire::Original::Delivery(delivery) => format!("{:?}", delivery.body),
                wire::Original::Event(event) => format!("{} {}", event.id, event.position),
            };
            assert!(dead.insert((
                dead_letter.position,
                format!("{} {}", dead_letter.stage, dead_letter.reject),
                original
            )));
        }
        Outcomes { events, dropped, dead }
    }

    fn run_apart(&self) -> [CancellationToken; 2] {
        let (stop_rows, rows) = self.service();
        let (stop_once, once) = self.service();
        tokio::spawn(
            async move { run_stage(&rows, Rows, Fresh, Feed::Raw, Feed::Normalized).await.unwrap() },
        );
        tokio::spawn(async move {
            run_stage(&once, Once, Fresh, Feed::Normalized, Feed::Enriched).await.unwrap();
        });
        [stop_rows, stop_once]
    }

    fn run_in_one_pass(&self) -> (CancellationToken, Metrics, JoinHandle<()>) {
        let (stop, service) = self.service();
        let metrics = service.metrics.clone();
        let pass = Chained::new(Rows, Fresh, Single::new(Once, Fresh));
        let task = tokio::spawn(async move {
            run_pass(&service, pass, Feed::Raw, Feed::Enriched).await.unwrap();
        });
        (stop, metrics, task)
    }
}

fn described(dropped: DroppedInput) -> (Position, String, String, Option<EventId>) {
    let DroppedInput { position, stage, outcome, reason, event, .. } = dropped;
    (position, stage.to_string(), format!("{} {reason}", outcome.as_str()), event)
}

#[tokio::test]
async fn stages_in_one_pass_have_the_outcomes_and_dead_letters_that_they_have_apart() {
    let (together, apart) = tokio::join!(World::start(), World::start());
    for world in [&together, &apart] {
        world.put_raw(&BODIES).await;
    }
    let (stop, metrics, task) = together.run_in_one_pass();
    let stops = apart.run_apart();
    let (outcomes, expected) = tokio::join!(together.outcomes(POSITIONS), apart.outcomes(POSITIONS));
    assert_eq!(outcomes, expected);
    assert_eq!((outcomes.events.len(), outcomes.dead.len()), (9, 12));
    stop.cancel();
    task.await.unwrap();
    stops.iter().for_each(CancellationToken::cancel);

    let text = String::from_utf8(metrics.render()).unwrap();
    for line in [
        "tillflow_inputs_total{stage=\"rows\"} 14",
        "tillflow_events_total{outcome=\"dead\",stage=\"rows\"} 3",
        "tillflow_events_total{outcome=\"filtered\",stage=\"rows\"} 3",
        "tillflow_inputs_total{stage=\"once\"} 24",
        "tillflow_events_total{outcome=\"dead\",stage=\"once\"} 5",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn a_batch_of_a_pass_of_three_stages_holds_just_what_it_covers() {
    let world = World::start().await;
    let (bodies, rows) = (["a", "bxc", "", "de"], 7);
    for number in 0..4 {
        let deliveries: Vec<Delivery> = bodies.iter().cycle().take(250).map(|body| delivery(body)).collect();
        let payload = wire::encode_deliveries(&deliveries);
        world.bus.append_raw(HERE, payload, &format!("{number}"), 250).await.unwrap();
    }
    let (stop, service) = world.service();
    let behind = Chained::new(Everything, Fresh, Single::new(Everything, Fresh));
    let pass = Chained::new(Rows, Fresh, behind);
    tokio::spawn(async move { run_pass(&service, pass, Feed::Raw, Feed::Enriched).await.unwrap() });
    let positions = 4 * (250 / 4 * rows + 4);
    let Outcomes { events, dropped, .. } = world.outcomes(positions).await;
    assert_eq!((events.len(), dropped.len()), (4 * (62 * 5 + 3), 4 * (62 * 2 + 1)));
    stop.cancel();
}

#[tokio::test]
async fn a_pass_that_starts_again_within_a_delivery_goes_on_behind_its_last_event() {
    let world = World::start().await;
    world.put_raw(&[&["ab", "cxdefg"], &["hi"]]).await;
    let done: Vec<Event> = [(0, 0, b'a'), (0, 1, b'b'), (1, 0, b'c'), (1, 2, b'd')]
        .into_iter()
        .map(|(delivery, event_index, byte)| Event {
            position: Position { raw_sequence: 1, delivery, event: event_index },
            ..event(u64::from(byte))
        })
        .collect();
    let covered = done.last().unwrap().position;
    let mut appender = world.bus.appender(Feed::Enriched, HERE, None);
    appender.append(Event::encode(&done, &[]), covered, 1, 4).await.unwrap();
    let (stop, ..) = world.run_in_one_pass();
    let Outcomes { events, dropped, dead } = world.outcomes(9).await;
    let ids: String = events.iter().map(|(_, event)| char::from(event.as_bytes()[0])).collect();
    assert_eq!(ids, "abcdefghi");
    assert!(dropped.is_empty() && dead.is_empty(), "the x was reported before: {dropped:?} {dead:?}");
    stop.cancel();
}
