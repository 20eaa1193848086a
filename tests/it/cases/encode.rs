//! `tillflow.v1.Event` encoded by hand, as a platform's own program may do: also values that our own types refuse.

use serde_json::{Map, Value};

/// Names of fields with their numbers and kinds.
type Message = &'static [(&'static str, u64, Kind)];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    /// An enum with these names, the first being 1.
    Name(&'static [&'static str]),
    Message(Message),
}

const PATCH: Message = &[("value", 1, Kind::Text)];
const LIST: Message = &[("values", 1, Kind::Text)];
const MONEY: Message = &[("minor", 1, Kind::Number), ("currency", 2, Kind::Text)];
const MONEY_PATCH: Message = &[("value", 1, Kind::Message(MONEY))];
const VARIANT: Message = &[
    ("external", 1, Kind::Text),
    ("item", 2, Kind::Text),
    ("title", 3, Kind::Text),
    ("sku", 4, Kind::Message(PATCH)),
    ("barcode", 5, Kind::Message(PATCH)),
    ("price", 6, Kind::Message(MONEY_PATCH)),
];
const PRODUCT: Message = &[
    ("external", 1, Kind::Text),
    ("title", 2, Kind::Text),
    ("description", 3, Kind::Message(PATCH)),
    ("vendor", 4, Kind::Message(PATCH)),
    ("category", 5, Kind::Message(PATCH)),
    ("tags", 7, Kind::Message(LIST)),
    ("variants", 8, Kind::Message(VARIANT)),
];
const INVENTORY: Message =
    &[("item", 1, Kind::Text), ("location", 2, Kind::Text), ("available", 3, Kind::Text)];
const ORDER: Message = &[
    ("external", 1, Kind::Text),
    ("number", 2, Kind::Text),
    ("status", 3, Kind::Name(&["open", "completed", "cancelled"])),
    ("total", 4, Kind::Message(MONEY)),
    ("placed_at_micros", 7, Kind::Number),
    ("closed_at_micros", 8, Kind::Number),
];
const CUSTOMER: Message = &[
    ("external", 1, Kind::Text),
    ("first_name", 2, Kind::Message(PATCH)),
    ("last_name", 3, Kind::Message(PATCH)),
    ("email", 4, Kind::Message(PATCH)),
    ("phone", 5, Kind::Message(PATCH)),
];
const DELETED: Message =
    &[("entity", 1, Kind::Name(&["product", "inventory", "order", "customer"])), ("external", 2, Kind::Text)];
const EVENT: Message = &[
    ("action", 5, Kind::Name(&["created", "updated", "deleted"])),
    ("occurred_at_micros", 6, Kind::Number),
    ("version", 8, Kind::Number),
    ("product", 9, Kind::Message(PRODUCT)),
    ("inventory", 10, Kind::Message(INVENTORY)),
    ("order", 11, Kind::Message(ORDER)),
    ("customer", 12, Kind::Message(CUSTOMER)),
    ("deleted", 13, Kind::Message(DELETED)),
    ("version_precision", 24, Kind::Name(&["exact", "coarse"])),
];

/// The event with these fields, in protobuf.
pub(super) fn event(fields: &Value) -> Vec<u8> {
    message(EVENT, fields.as_object().expect("an event has fields"))
}

fn message(kind: Message, fields: &Map<String, Value>) -> Vec<u8> {
    let unknown = fields.keys().find(|name| !kind.iter().any(|(known, ..)| known == name));
    assert_eq!(unknown, None, "there is no such field");
    let mut bytes = Vec::new();
    for (name, number, kind) in kind {
        match fields.get(*name).unwrap_or(&Value::Array(Vec::new())) {
            Value::Array(elements) => elements.iter().for_each(|one| append(&mut bytes, *number, *kind, one)),
            one => append(&mut bytes, *number, *kind, one),
        }
    }
    bytes
}

fn append(bytes: &mut Vec<u8>, number: u64, kind: Kind, value: &Value) {
    let content = match kind {
        Kind::Number => {
            let number_of = value.as_i64().expect("a number");
            varint(bytes, number << 3);
            return varint(bytes, number_of.cast_unsigned());
        }
        Kind::Name(names) => {
            let index = names.iter().position(|name| value == name).expect("a name of the enum");
            varint(bytes, number << 3);
            return varint(bytes, index as u64 + 1);
        }
        Kind::Text => text_of(value).into_bytes(),
        Kind::Message(kind) => message(kind, value.as_object().expect("a message has fields")),
    };
    varint(bytes, number << 3 | 2);
    varint(bytes, content.len() as u64);
    bytes.extend(content);
}

/// A token may have turned a text into a number.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

#[test]
fn what_is_written_by_hand_is_read_as_it_was_meant() {
    let fields = serde_json::json!({"action": "updated", "occurred_at_micros": -1, "version": 1_u64 << 40,
        "version_precision": "exact", "product": {"external": "p", "title": "Tea", "vendor": {"value": "V"}, "tags": {"values": ["a", "b"]},
            "variants": [{"external": "v", "sku": {"value": "S"},
                "price": {"value": {"minor": 950, "currency": "USD"}}}]}});
    let read = wire::decode_published(event(&fields).into()).expect("an event");
    assert_eq!(wire::encode_published(&read), event(&fields));
    let model::Payload::Product(product) = read.payload else { panic!("not a product") };
    assert_eq!(product.variants[0].sku, model::Patch::Set("S".to_owned()));
    let level = serde_json::json!({"action": "created", "inventory": {"item": "i", "location": "l", "available": "-3"}});
    assert!(wire::decode_published(event(&level).into()).is_ok());
    for payload in [
        serde_json::json!({"order": {"external": "o", "status": "completed", "closed_at_micros": 7}}),
        serde_json::json!({"customer": {"external": "c", "email": {"value": "e"}}}),
        serde_json::json!({"deleted": {"entity": "customer", "external": "c"}}),
    ] {
        let mut fields = payload;
        fields["action"] = "updated".into();
        assert!(wire::decode_published(event(&fields).into()).is_ok(), "{fields}");
    }
}
