//! Tests of the loop against a real broker.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chained;
mod janitor;

use bus::{Bus, BusConfig, Feed, Message, Start};
use bytes::Bytes;
use model::{
    Action, ConnectionId, DeliveryId, EntityKind, Event, EventId, ExternalId, Origin, Partition,
    PartitionCount, Payload, PlatformName, Position, RawDigest, StoreId, TenantId, Timestamp, TraceParent,
};
use runner::{Input as _, Metrics, Ours, Output as _, Positioned, Readiness, Service, StageIo, run_stage};
use sandbox::{Nats, NatsOptions, Scratch};
use stage::{Fault, Reject, RejectClass, Skip, Stage, Verdict};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const HERE: Partition = Partition(0);
const PATIENCE: Duration = Duration::from_secs(20);

/// A stage that passes everything on except certain numbers.
struct Picky;

const REJECTED: u64 = 4;
const SKIPPED: u64 = 5;
const PANICS: u64 = 13;
/// The numbers that the look-up permanently refuses.
const REFUSED: [u64; 2] = [102, 107];

impl Stage for Picky {
    const NAME: &'static str = "picky";
    type In = Event;
    type Out = Event;
    type PartitionState = ();

    fn decide(&self, at: Position, event: Event, (): &mut ()) -> Verdict<Event> {
        match at.raw_sequence {
            REJECTED => Verdict::Reject(Reject::at(RejectClass::Data, "/x", "four")),
            SKIPPED => Verdict::Skip(Skip::Duplicate),
            PANICS => panic!("thirteen"),
            _ => Verdict::Emit(vec![event]),
        }
    }
}

/// A look-up that fails for the given number of times.
struct Flaky(Arc<AtomicUsize>);

impl StageIo<Picky> for Flaky {
    async fn open(&self, _: &Bus, _: Partition, _: Position) -> Result<(), Fault> {
        Ok(())
    }
    async fn load(&self, inputs: &[Positioned<Event>], (): &mut ()) -> Result<(), Fault> {
        if inputs.iter().any(|input| REFUSED.contains(&input.position.raw_sequence)) {
            return Err(Fault::input("the look-up", "no such text"));
        }
        let left = self.0.load(Ordering::SeqCst);
        if left == 0 {
            return Ok(());
        }
        self.0.store(left - 1, Ordering::SeqCst);
        Err(Fault::transient("the look-up", "down"))
    }
}

struct World {
    bus: Bus,
    _nats: Nats,
    _scratch: Scratch,
}

impl World {
    async fn start() -> Self {
        let scratch = Scratch::new().unwrap();
        let nats = Nats::start(NatsOptions::new(scratch.path().join("nats"))).await.unwrap();
        let config = BusConfig {
            servers: vec![nats.url()],
            monitoring_url: Some(nats.monitoring_url()),
            partitions: PartitionCount::new(1).unwrap(),
            ..BusConfig::default()
        };
        let bus = Bus::connect(&config).await.unwrap();
        bus.declare().await.unwrap();
        Self { bus, _nats: nats, _scratch: scratch }
    }

    fn service(&self) -> (CancellationToken, Service) {
        let stop = CancellationToken::new();
        let service = Service {
            bus: self.bus.clone(),
            metrics: Metrics::new().unwrap(),
            readiness: Readiness::default(),
            stop: stop.clone(),
            replica: runner::replica_name(),
        };
        (stop, service)
    }

    fn run(&self, faults: usize) -> (CancellationToken, Metrics, JoinHandle<()>) {
        self.run_on(self.bus.clone(), faults)
    }

    fn run_on(&self, bus: Bus, faults: usize) -> (CancellationToken, Metrics, JoinHandle<()>) {
        let (stop, service) = self.service();
        let service = Service { bus, ..service };
        let metrics = service.metrics.clone();
        let io = Flaky(Arc::new(AtomicUsize::new(faults)));
        let task = tokio::spawn(async move {
            run_stage(&service, Picky, io, Feed::Normalized, Feed::Unique).await.unwrap();
        });
        (stop, metrics, task)
    }

    async fn put(&self, numbers: std::ops::RangeInclusive<u64>) {
        let tail = self.bus.tail(Feed::Normalized, HERE).await.unwrap();
        let mut appender = self.bus.appender(Feed::Normalized, HERE, tail.as_ref());
        let events: Vec<Event> = numbers.map(event).collect();
        let covers = events.last().unwrap().position;
        let records = u32::try_from(events.len()).unwrap();
        appender.append(Event::encode(&events, &[]), covers, 0, records).await.unwrap();
    }

    /// Returns the numbers that were passed on, once everything up to `covered` was.
    async fn passed_on(&self, covered: u64) -> Vec<u64> {
        let mut reader = self.bus.read(Feed::Unique, HERE, Start::First).await.unwrap();
        let mut numbers = Vec::new();
        loop {
            for message in tokio::time::timeout(PATIENCE, reader.waiting(8)).await.unwrap().unwrap() {
                let batch = Event::decode(message.payload, message.sequence).unwrap();
                numbers.extend(batch.records.iter().map(|event| event.position.raw_sequence));
                if message.covers.unwrap().raw_sequence >= covered {
                    return numbers;
                }
            }
        }
    }
}

fn event(number: u64) -> Event {
    let delivery = DeliveryId::from_bytes([1; 16]);
    Event {
        id: EventId::from_bytes([u8::try_from(number).unwrap(); 16]),
        correlation: delivery,
        delivery,
        origin: Origin {
            tenant: TenantId::new("t").unwrap(),
            store: StoreId::new("s").unwrap(),
            connection: ConnectionId::new("c").unwrap(),
            platform: PlatformName::new("p").unwrap(),
        },
        action: Action::Deleted,
        occurred_at: None,
        received_at: Timestamp::from_micros(1),
        version: None,
        payload: Payload::Deleted { entity: EntityKind::Product, external: ExternalId::new("x").unwrap() },
        links: Vec::new(),
        raw_digest: RawDigest::of(b""),
        is_read_back: false,
        asked_by: None,
        attempt: 0,
        trace: TraceParent::from_delivery(delivery),
        position: Position { raw_sequence: number, delivery: 0, event: 0 },
    }
}

#[tokio::test]
async fn a_span_that_two_messages_hold_goes_on_once() {
    let world = World::start().await;
    world.put(21..=26).await;
    // The state that a crashed broker may leave: the writer knew only of the first three.
    let tail = world.bus.tail(Feed::Normalized, HERE).await.unwrap().unwrap();
    let known = Message { covers: Some(event(23).position), ..tail };
    let mut appender = world.bus.appender(Feed::Normalized, HERE, Some(&known));
    let events: Vec<Event> = (24..=28).map(event).collect();
    appender.append(Event::encode(&events, &[]), event(28).position, 0, 5).await.unwrap();
    let (stop, _, task) = world.run(0);
    assert_eq!(world.passed_on(28).await, (21..=28).collect::<Vec<_>>());
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_poison_event_is_dead_lettered_alone_and_a_panic_is_our_own_mistake() {
    let world = World::start().await;
    world.put(1..=15).await;
    let (stop, metrics, task) = world.run(0);
    let expected: Vec<u64> =
        (1..=15).filter(|number| ![REJECTED, SKIPPED, PANICS].contains(number)).collect();
    assert_eq!(world.passed_on(15).await, expected);

    let mut dead = world.bus.read_dead(None).await.unwrap();
    let mut dead_letters = Vec::new();
    while let Some(message) = dead.next().await.unwrap() {
        let dead_letter = wire::decode_dead(message.payload).unwrap();
        dead_letters.push((
            dead_letter.position.raw_sequence,
            dead_letter.reject.class,
            dead_letter.original,
        ));
    }
    let original = |number| wire::Original::Event(Box::new(event(number)));
    assert_eq!(
        dead_letters,
        [(REJECTED, RejectClass::Data, original(REJECTED)), (PANICS, RejectClass::Bug, original(PANICS))]
    );
    stop.cancel();
    task.await.unwrap();
    let text = String::from_utf8(metrics.render()).unwrap();
    for line in [
        "tillflow_inputs_total{stage=\"picky\"} 15",
        "tillflow_events_total{outcome=\"emitted\",stage=\"picky\"} 12",
        "tillflow_events_total{outcome=\"duplicate\",stage=\"picky\"} 1",
        "tillflow_events_total{outcome=\"dead\",stage=\"picky\"} 2",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn a_stage_that_starts_again_goes_on_behind_its_own_tail() {
    let world = World::start().await;
    world.put(1..=3).await;
    let (stop, _, task) = world.run(0);
    assert_eq!(world.passed_on(3).await, [1, 2, 3]);
    stop.cancel();
    task.await.unwrap();
    world.put(6..=8).await;
    let (stop, ..) = world.run(0);
    assert_eq!(world.passed_on(8).await, [1, 2, 3, 6, 7, 8]);
    stop.cancel();
}

#[tokio::test]
async fn inputs_that_yield_nothing_still_move_the_clock() {
    let world = World::start().await;
    world.put(SKIPPED..=SKIPPED).await;
    let (stop, ..) = world.run(0);
    assert!(world.passed_on(SKIPPED).await.is_empty());
    stop.cancel();
}

#[tokio::test]
async fn an_outage_pauses_the_partition_and_dead_letters_nothing() {
    let world = World::start().await;
    world.put(1..=3).await;
    let (stop, metrics, _) = world.run(3);
    assert_eq!(world.passed_on(3).await, [1, 2, 3]);
    assert!(world.bus.read_dead(None).await.unwrap().next().await.unwrap().is_none());
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(text.contains("tillflow_interruptions_total{cause=\"fault\",stage=\"picky\"} 3"), "{text}");
    stop.cancel();
}

#[tokio::test]
async fn an_input_whose_look_up_is_refused_for_good_is_dead_lettered_alone() {
    let world = World::start().await;
    world.put(100..=110).await;
    let (stop, metrics, _) = world.run(0);
    let expected: Vec<u64> = (100..=110).filter(|number| !REFUSED.contains(number)).collect();
    assert_eq!(world.passed_on(110).await, expected);
    let mut dead = world.bus.read_dead(None).await.unwrap();
    let mut dead_letters = Vec::new();
    while let Some(message) = dead.next().await.unwrap() {
        let dead_letter = wire::decode_dead(message.payload).unwrap();
        dead_letters.push((dead_letter.position.raw_sequence, dead_letter.reject.class));
    }
    assert_eq!(dead_letters, REFUSED.map(|number| (number, RejectClass::Bug)));
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(text.contains("tillflow_permanent_errors_total{kind=\"input\",stage=\"picky\"} 2"), "{text}");
    stop.cancel();
}

#[tokio::test]
async fn a_batch_that_is_not_ours_is_no_progress_and_is_set_aside_with_an_alert_and_what_is_behind_it_goes_on()
 {
    let world = World::start().await;
    world.put(1..=3).await;
    let tail = world.bus.tail(Feed::Normalized, HERE).await.unwrap();
    let mut appender = world.bus.appender(Feed::Normalized, HERE, tail.as_ref());
    appender.append(b"no batch of ours".to_vec().into(), event(6).position, 0, 1).await.unwrap();
    world.put(7..=8).await;
    let (stop, ..) = world.run(0);
    assert_eq!(world.passed_on(8).await, [1, 2, 3, 7, 8]);
    let alerts = tokio::time::timeout(PATIENCE, async {
        loop {
            let alerts = world.bus.alerts().await.unwrap();
            if !alerts.is_empty() {
                return alerts;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let alerts = alerts.await.unwrap();
    assert_eq!((alerts.len(), &*alerts[0].stage, &*alerts[0].kind), (1, "picky", "foreign"));
    assert!(alerts[0].text.contains("can't be decoded"), "{alerts:?}");
    assert!(world.bus.read_dead(None).await.unwrap().next().await.unwrap().is_none());
    stop.cancel();
}

#[tokio::test]
async fn a_batch_that_was_taken_for_foreign_too_early_is_passed_on_before_what_is_behind_it() {
    let world = World::start().await;
    let take = async |id: &str| world.bus.append_raw(HERE, Bytes::new(), id, 1).await.unwrap();
    take("first").await;
    world.put(1..=1).await;
    world.put(2..=2).await;
    let (stop, metrics, _) = world.run_on(world.bus.clone().validated_by(Ours), 0);
    tokio::time::timeout(PATIENCE, async {
        while world.bus.alerts().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    take("second").await;
    take("third").await;
    world.put(3..=3).await;
    assert_eq!(world.passed_on(3).await, [1, 2, 3]);
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(text.contains("tillflow_interruptions_total{cause=\"fault\",stage=\"picky\"} 1"), "{text}");
    stop.cancel();
}

#[tokio::test]
async fn two_replicas_of_a_stage_pass_each_event_on_once() {
    let world = World::start().await;
    let (first, ..) = world.run(0);
    world.put(1..=3).await;
    assert_eq!(world.passed_on(3).await, [1, 2, 3]);
    let (second, ..) = world.run(0);
    for number in 20..60 {
        world.put(number..=number).await;
        if number == 40 {
            first.cancel();
        }
    }
    let expected: Vec<u64> = (1..=3).chain(20..60).collect();
    assert_eq!(world.passed_on(59).await, expected);
    second.cancel();
}
