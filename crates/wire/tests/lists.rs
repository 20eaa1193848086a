//! Limits of the memory of a message's lists, before it is decoded.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use model::{Action, Currency, ExternalId, Money, Order, OrderLine, OrderStatus, Payload, Quantity};
use wire::{DecodeError, PublishedEvent};

/// More elements than any list may have, of two bytes each.
const ELEMENTS: usize = 4 * 1024 * 1024;

/// The largest number of lines of an order (`model`, bounds).
const LINES: usize = 20_000;

/// Encodes a field with that content.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for mut value in [number << 3 | 2, content.len() as u64] {
        while value >= 0x80 {
            written.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        written.push(u8::try_from(value).unwrap());
    }
    written.extend_from_slice(content);
    written
}

/// Encodes a list of empty elements, within the fields of `path` from the outermost to the innermost.
fn bomb(path: &[u64]) -> Bytes {
    let (list, around) = path.split_last().unwrap();
    let elements = field(*list, b"").repeat(ELEMENTS);
    around.iter().rev().fold(elements, |content, number| field(*number, &content)).into()
}

fn is_refused<T>(read: &Result<T, DecodeError>) -> bool {
    matches!(read, Err(DecodeError::Lists))
}

#[test]
fn lists_of_empty_elements_are_refused_wherever_they_are() {
    let event: [&[u64]; 11] = [
        &[9, 8],
        &[9, 7, 1],
        &[11, 13],
        &[12, 6, 1],
        &[14],
        &[20, 2],
        &[25, 4],
        &[25, 7],
        &[25, 8],
        &[41, 5, 1],
        &[41, 7, 2],
    ];
    for path in event {
        let within = |outer: u64| bomb(&[&[outer], path].concat());
        assert!(is_refused(&wire::decode_event(bomb(path))), "{path:?}");
        assert!(is_refused(&wire::decode_published(bomb(path))), "{path:?}");
        assert!(is_refused(&wire::decode_events(within(1))), "{path:?}");
        assert!(is_refused(&wire::decode_records(within(1))), "{path:?}");
        assert!(is_refused(&wire::decode_applied(within(3))), "{path:?}");
        assert!(is_refused(&wire::decode_dead(within(8))), "{path:?}");
    }
    assert!(is_refused(&wire::decode_deliveries(bomb(&[1]))));
    assert!(is_refused(&wire::decode_deliveries(bomb(&[1, 8]))));
    assert!(is_refused(&wire::decode_delivery(bomb(&[8]))));
    assert!(is_refused(&wire::decode_dead(bomb(&[7, 8]))));
    for list in [1, 2] {
        assert!(is_refused(&wire::decode_events(bomb(&[list]))));
        assert!(is_refused(&wire::decode_records(bomb(&[list]))));
        let compressed = zstd::bulk::compress(&bomb(&[list]), 1).unwrap();
        assert!(compressed.len() < 16 * 1024);
        assert!(is_refused(&wire::decode_events(compressed.into())));
    }
    for list in [4, 5] {
        assert!(is_refused(&wire::decode_applied(bomb(&[list]))));
    }
    assert!(is_refused(&wire::decode_applied(bomb(&[5, 1, 7, 1]))));
    // A list in several pieces is one list, and the content of a group counts.
    let pieces = [field(9, &bomb(&[8])[..ELEMENTS]), field(9, &bomb(&[8])[ELEMENTS..])].concat();
    assert!(is_refused(&wire::decode_event(pieces.into())));
    let group = [&[0x0b][..], &bomb(&[14]), &[0x0c]].concat();
    assert!(is_refused(&wire::decode_event(group.into())));
}

#[test]
fn the_longest_lists_of_an_event_are_read() {
    let usd = |minor| Some(Money { minor, currency: Currency::new("USD").unwrap() });
    let line = |number: usize| OrderLine {
        external: ExternalId::new(&number.to_string()).unwrap(),
        variant: None,
        sku: None,
        title: None,
        quantity: Quantity::pieces(1),
        unit_price: usd(1),
        total: usd(1),
    };
    let order = Order {
        external: ExternalId::new("o").unwrap(),
        number: None,
        status: OrderStatus::Open,
        total: None,
        tax: None,
        discount: None,
        placed_at: None,
        closed_at: None,
        customer: None,
        location: None,
        employee: None,
        refund_of: None,
        lines: (0..LINES).map(line).collect(),
        is_test: false,
        settlement: model::Settlement::default(),
    };
    let (action, payload) = (Action::Updated, Payload::Order(order));
    let event = PublishedEvent { action, occurred_at: None, version: None, payload };
    assert_eq!(wire::decode_published(wire::encode_published(&event)).unwrap(), event);
}
