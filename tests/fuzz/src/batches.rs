//! Contents of streams, as protobuf: batches and records.

use bytes::Bytes;
use model::{Delivery, Event};

/// Upper limit of an input's bytes after repetition; the fuzzer's own inputs are short.
const PLAIN_BYTES_MAX: usize = 1024 * 1024;
const ZSTD_LEVEL: i32 = 1;
/// Upper limit of the growth of the process's peak memory for one input, in KiB.
const MEMORY_KIB_MAX: u64 = 256 * 1024;

/// Checks that data that can be decoded is the same after it is encoded and decoded again, and that memory use is
/// bounded. Input: a byte that selects the decoder (lower half) and the repetition and compression of the rest (upper
/// half), then the bytes.
pub fn batches(data: &[u8]) {
    let [what, rest @ ..] = data else { return };
    let payload = packed(what >> 4, rest);
    let before = memory_peak_kib();
    play(*what, payload);
    let grown = memory_peak_kib().saturating_sub(before);
    assert!(grown <= MEMORY_KIB_MAX, "{} bytes took {grown} KiB of memory", data.len());
}

/// The process's peak memory in KiB; zero where the system doesn't report it.
fn memory_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or_default()
}

fn play(what: u8, payload: Bytes) {
    match what & 0xf {
        0 => deliveries(payload),
        1 => events(payload),
        2 => records(payload),
        3 => same(payload, wire::decode_applied, |applied| {
            wire::encode_applied(applied).expect("what was read can be read again")
        }),
        4 => same(payload, wire::decode_dead, wire::encode_dead),
        5 => same(payload, wire::decode_delivery, wire::encode_delivery),
        6 => same(payload, wire::decode_event, wire::encode_event),
        7 => same(payload, wire::decode_published, wire::encode_published),
        _ => {
            // One reader may accept as a batch what another accepts as a record.
            deliveries(payload.clone());
            events(payload);
        }
    }
}

/// The bytes as they are, or repeated and compressed.
fn packed(how: u8, data: &[u8]) -> Bytes {
    let Some(power) = how.checked_sub(1) else { return Bytes::copy_from_slice(data) };
    let copies = 4_usize.saturating_pow(power.into()).min(PLAIN_BYTES_MAX / data.len().max(1)).max(1);
    let plain = data.repeat(copies);
    zstd::bulk::compress(&plain, ZSTD_LEVEL).expect("memory takes it").into()
}

fn deliveries(payload: Bytes) {
    let Ok(read) = wire::decode_deliveries(payload) else { return };
    let again = wire::decode_deliveries(wire::encode_deliveries(&read));
    assert!(again.is_ok_and(|again| again == read), "deliveries are read back otherwise");
    read.iter().for_each(plays_alone);
}

/// Checks that a record is the same alone as in a batch.
fn plays_alone(delivery: &Delivery) {
    let alone = wire::decode_delivery(wire::encode_delivery(delivery));
    assert!(alone.is_ok_and(|alone| alone == *delivery), "a delivery is read back otherwise");
}

fn events(payload: Bytes) {
    let whole = wire::decode_events(payload.clone());
    let heads = wire::decode_records(payload);
    let Ok(read) = whole else { return };
    let again = wire::decode_events(wire::encode_events(&read.events, &read.dropped_inputs));
    assert!(again.is_ok_and(|again| again == read), "a batch is read back otherwise");
    let heads = heads.expect("a batch that can be read to its end can be read by its heads");
    assert_eq!(heads.dropped_inputs, read.dropped_inputs);
    let of_heads: Vec<Event> =
        heads.events.iter().map(|record| record.event().expect("it was read before")).collect();
    assert_eq!(of_heads, read.events, "its heads say another batch");
}

fn records(payload: Bytes) {
    let Ok(read) = wire::decode_records(payload) else { return };
    let again = wire::decode_records(wire::encode_records(&read.events, &read.dropped_inputs));
    assert!(again.is_ok_and(|again| again == read), "records are read back otherwise");
    for record in &read.events {
        let Ok(event) = record.event() else { continue };
        let says =
            (event.id, event.delivery, &event.origin, event.received_at, event.position, event.attempt);
        let head =
            (record.id, record.delivery, &record.origin, record.received_at, record.position, record.attempt);
        assert_eq!(says, head, "its head says another event");
    }
}

fn same<T: PartialEq, E>(payload: Bytes, decode: fn(Bytes) -> Result<T, E>, encode: fn(&T) -> Bytes) {
    let Ok(read) = decode(payload) else { return };
    let again = decode(encode(&read));
    assert!(again.is_ok_and(|again| again == read), "it is read back otherwise");
}
