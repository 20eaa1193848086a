//! Contents of streams: batches, records, and messages with their headers.

use crate::Seed;
use fuzz_targets::pipeline::{Pipeline, delivery};
use model::{
    Action, BaselineRule, Delivery, DroppedInput, Event, ExternalId, Instruction, LocationId, Outcome,
    PartitionCount, Payload, Position, Side, Timestamp, VariantId, record::Applied,
};
use stage::{Reject, RejectClass};
use testkit::examples;
use wire::{DeadLetter, Original, PublishedEvent};

pub(crate) fn seeds() -> Vec<Seed> {
    let examples = examples();
    let pipeline = Pipeline::new(&examples);
    let deliveries: Vec<Delivery> =
        examples.iter().filter_map(|example| delivery(example, &example.body)).collect();
    let events: Vec<Event> =
        deliveries.iter().flat_map(|delivery| pipeline.events(delivery.clone())).collect();
    let applied: Vec<Applied> = events.iter().flat_map(|event| pipeline.changes(event.clone())).collect();
    let dead_letters: Vec<DeadLetter> = dead_letters(&deliveries, &events);
    let mut seeds = published(&events);
    seeds.extend(batches(&deliveries, &events, &applied, &dead_letters));
    seeds.extend(messages(&deliveries, &events, &applied, &dead_letters));
    seeds
}

fn dead_letters(deliveries: &[Delivery], events: &[Event]) -> Vec<DeadLetter> {
    let of_deliveries = deliveries.iter().map(|delivery| Original::Delivery(Box::new(delivery.clone())));
    let of_events = events.iter().map(|event| Original::Event(Box::new(event.clone())));
    let dead_letter = |original| DeadLetter {
        stage: "normalize".to_owned(),
        reject: Reject::at(RejectClass::Schema, "/variants/0", "a reason"),
        rejected_at: Timestamp::from_micros(7),
        position: Position { raw_sequence: 1, delivery: 2, event: 3 },
        original,
        body_in_raw: None,
    };
    of_deliveries.step_by(9).chain(of_events.step_by(9)).map(dead_letter).collect()
}

fn published(events: &[Event]) -> Vec<Seed> {
    let as_published = |event: &Event| {
        let Event { action, occurred_at, version, payload, .. } = event.clone();
        let written = wire::encode_published(&PublishedEvent { action, occurred_at, version, payload });
        [event.origin.platform.as_str().as_bytes(), b"\n", &written].concat()
    };
    let external = ExternalId::new("808950810").expect("an id");
    let alone = instructions()
        .map(|instruction| [b"square\n", &wire::encode_instruction(&external, &instruction)[..]].concat());
    // An instruction in the place of an event.
    let within = instructions().map(|instruction| {
        let payload = Payload::Instruction { external: external.clone(), instruction };
        let event = PublishedEvent { action: Action::Updated, occurred_at: None, version: None, payload };
        [b"square\n", &wire::encode_published(&event)[..]].concat()
    });
    let instructed = alone.into_iter().chain(within);
    events.iter().map(as_published).chain(instructed).map(|seed| ("published", seed)).collect()
}

fn instructions() -> [Instruction; 5] {
    let external = || ExternalId::new("655441491").expect("an id");
    let (variant, location) =
        (VariantId::new("var_1").expect("an id"), LocationId::new("main").expect("an id"));
    [
        Instruction::Link { variant: external(), to: variant },
        Instruction::Unlink { variant: external() },
        Instruction::LinkLocation { location: external(), to: location.clone() },
        Instruction::Adopt { item: external(), location, side: Side::Platform },
        Instruction::Baseline(BaselineRule::Store),
    ]
}

fn dropped_input(event: &Event) -> DroppedInput {
    DroppedInput {
        position: event.position,
        origin: event.origin.clone(),
        delivery: event.delivery,
        event: Some(event.id),
        stage: "dedupe".into(),
        outcome: Outcome::Duplicate,
        reason: "".into(),
        received_at: event.received_at,
    }
}

fn batches(
    deliveries: &[Delivery],
    events: &[Event],
    applied: &[Applied],
    dead_letters: &[DeadLetter],
) -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |kinds: &[u8], written: &[u8]| {
        seeds.extend(kinds.iter().map(|kind| ("batches", [&[*kind][..], written].concat())));
    };
    for few in deliveries.chunks(5) {
        add(&[0, 0x10, 0x60], &wire::encode_deliveries(few));
    }
    for few in events.chunks(5) {
        let dropped: Vec<DroppedInput> = few.iter().take(2).map(dropped_input).collect();
        add(&[1, 2, 0x11, 0x62], &wire::encode_events(few, &dropped));
    }
    // Lists of empty elements, at their greatest length.
    add(&[0xb0, 0xb1, 0xb2], b"\x0a\x00");
    add(&[0xb1, 0xb2], b"\x12\x00");
    // Above the size from which a batch is compressed.
    add(&[0], &wire::encode_deliveries(deliveries));
    add(&[1], &wire::encode_events(events, &[]));
    for applied in applied {
        add(&[3], &wire::encode_applied(applied).expect("it can be read again"));
    }
    for dead_letter in dead_letters {
        add(&[4], &wire::encode_dead(dead_letter));
    }
    for delivery in deliveries {
        add(&[5], &wire::encode_delivery(delivery));
    }
    for event in events {
        add(&[6, 7], &wire::encode_event(event));
    }
    seeds
}

fn messages(
    deliveries: &[Delivery],
    events: &[Event],
    applied: &[Applied],
    dead_letters: &[DeadLetter],
) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let mut add =
        |head: String, payload: &[u8]| seeds.push(("messages", [head.as_bytes(), payload].concat()));
    let partitions = PartitionCount::new(16).expect("a power of two");
    let partition = partitions.of(&deliveries[0].origin.store);
    for few in deliveries.chunks(7) {
        let head = format!(
            "pos.raw.{partition} 9 1764115200000000000\nNats-Msg-Id: batch\ntf-records: {}\n\n",
            few.len()
        );
        add(head, &wire::encode_deliveries(few));
    }
    for (few, feed) in events.chunks(7).zip(["normalized", "unique", "enriched"].into_iter().cycle()) {
        let head = format!(
            "pos.{feed}.{partition} 9 1764115200000000000\nNats-Expected-Last-Subject-Sequence: 8\ntf-from-pos: 0.0.0\n\
             tf-raw-pos: 7.0.4294967295\ntf-input-seq: 7\ntf-records: {}\ntf-records-total: 100\n\n",
            few.len()
        );
        add(
            head,
            &wire::encode_events(few, few.iter().take(1).map(dropped_input).collect::<Vec<_>>().as_slice()),
        );
    }
    for applied in applied.iter().step_by(5) {
        let event = &applied.event;
        let head = format!(
            "pos.applied.{partition}.{}.{}.{} 9 0\nNats-Msg-Id: {}-0\ntf-position: {}\nce-id: {}\nce-type: t\n\
             ce-source: s\nce-time: 2026-11-26T00:00:00Z\ntraceparent: {}\n\n",
            event.origin.store,
            event.payload.entity().as_str(),
            event.action.as_str(),
            event.id,
            applied.number,
            event.id,
            event.trace.as_str(),
        );
        add(head, &wire::encode_applied(applied).expect("it can be read again"));
    }
    for dead_letter in dead_letters {
        let store = &dead_letter.original.origin().store;
        let head = format!(
            "pos.dead.{}.{}.{store} 9 0\nNats-Msg-Id: x\n\n",
            dead_letter.stage,
            dead_letter.reject.class.as_str()
        );
        add(head, &wire::encode_dead(dead_letter));
    }
    add("pos.alerts.apply.3.refused 9 0\n\n".to_owned(), b"the database refuses\x1b[31m a batch");
    add("pos.alerts.apply.all.foreign 9 0\n\n".to_owned(), b"");
    add(
        "pos.members.apply.pod-1 9 0\nNats-TTL: 3\n\n".to_owned(),
        br#"{"stage":"apply","replica":"pod-1","partitions":[0,1,15],"leaves":true}"#,
    );
    add(
        "pos.foreign.RAW-0.9.0123456789abcdef 1 0\n\n".to_owned(),
        br#"{"stage":"apply","message":{"stream":"RAW-0","subject":"pos.raw.3","sequence":9,"stored_at_micros":7,"bytes":3,"digest":"00","reason":"no"}}"#,
    );
    seeds
}
