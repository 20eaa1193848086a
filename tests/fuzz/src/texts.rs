//! Short texts with a format: positions, ids, amounts, times, traces, inboxes.

use crate::notation::{line, text};
use bus::{InboxPrefix, ReplyRule};
use model::{
    ConnectionId, Currency, EventId, ExternalId, Money, Position, Quantity, StoreId, Timestamp, TraceParent,
    is_hidden, sku_key, visible, visible_json,
};
use std::{fmt::Display, str::FromStr};

/// Checks that a text in any of the formats is the same after it is written and parsed again. Input: three lines, of
/// which the last may contain several.
pub fn texts(data: &[u8]) {
    let (first, rest) = line(data);
    let (second, rest) = line(rest);
    let (first, second, third) = (text(first), text(second), text(rest));
    for text in [&first, &second, &third] {
        same::<Position>(text);
        same::<StoreId>(text);
        same::<EventId>(text);
        times_and_amounts(text);
        shown(text);
        if let Ok(id) = ExternalId::new(text) {
            assert!(id.as_str() == text && text.len() <= 255 && !text.contains(char::is_control));
        }
        if let Some(key) = sku_key(text) {
            assert_eq!(sku_key(&key).as_deref(), Some(&*key), "a number's form is its own");
        }
        if let Some(trace) = TraceParent::parse(text) {
            assert_eq!(trace.as_str(), text);
        }
    }
    inboxes(&first, &second, &third);
}

fn same<T: FromStr + Display + PartialEq>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    assert!(read.to_string().parse().is_ok_and(|again: T| again == read), "{text:?} is read back otherwise");
}

fn times_and_amounts(text: &str) {
    if let Ok(at) = Timestamp::parse(text) {
        assert!(at.is_storable() && Timestamp::parse(&at.to_string()) == Ok(at), "{text:?}");
    }
    if let Ok(quantity) = Quantity::parse(text) {
        assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
        for decimals in 0..=6 {
            assert!(quantity.floored(decimals) <= quantity, "{text:?} is promised more");
        }
        assert_eq!(quantity.minus(quantity), Some(Quantity::ZERO));
        assert_eq!(quantity.plus(-quantity), Some(Quantity::ZERO));
    }
    let (code, amount) = text.split_at(text.floor_char_boundary(3));
    if let Ok(currency) = Currency::new(code) {
        assert_eq!(Currency::new(&currency.to_string()), Ok(currency));
        if let Ok(money) = Money::parse(amount, currency) {
            assert_eq!(money.currency, currency);
        }
    }
}

fn shown(text: &str) {
    for shown in [visible(text), visible_json(text)] {
        assert!(!shown.contains(is_hidden), "{text:?} acts on what shows it");
    }
}

/// Checks that a reply goes below a prefix of inboxes, and so never to a subject of ours or of the broker.
fn inboxes(prefix: &str, reply: &str, connection: &str) {
    let Ok(inbox) = InboxPrefix::new(prefix) else { return };
    let connection = ConnectionId::new(connection).ok();
    let rule = ReplyRule::new(vec![inbox]);
    for connection in [None, connection.as_ref().map(ConnectionId::as_str)] {
        if !rule.allows(reply, connection) {
            continue;
        }
        let first = reply.split('.').next().unwrap_or_default();
        assert!(first != "pos" && !first.starts_with('$'), "a response goes to {reply:?}");
        assert!(reply.bytes().all(|byte| byte.is_ascii_graphic()), "{reply:?}");
        assert!(!reply.split('.').any(|token| ["", "*", ">"].contains(&token)), "{reply:?}");
    }
}
