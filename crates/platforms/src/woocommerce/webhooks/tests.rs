use super::super::PLATFORM;
use crate::{
    Handshake, HandshakeMedia, HandshakeReply, Handshakes as _, Platform as _, Signed, VerifyContext,
    Webhooks as _,
};
use model::Timestamp;

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The key of the delivery in a request.
fn key(delivery_id: Option<&str>, topic: &str, body: &[u8]) -> Option<String> {
    let mut all = headers(&[("x-wc-webhook-topic", topic)]);
    all.extend(delivery_id.map(|id| ("x-wc-webhook-delivery-id".to_owned(), id.to_owned())));
    let envelopes = PLATFORM.split(&Signed { headers: &all, body });
    let [envelope] = envelopes.as_slice() else { panic!("one delivery expected") };
    assert_eq!(envelope.topic, topic);
    envelope.key.clone()
}

#[test]
fn two_deliveries_of_one_second_are_distinguished_by_their_bodies() {
    let sent = |body: &[u8]| key(Some("d41d8c"), "product.updated", body);
    assert_ne!(sent(br#"{"id":1}"#), sent(br#"{"id":2}"#));
    assert_eq!(sent(br#"{"id":1}"#), sent(br#"{"id":1}"#));
    assert_ne!(sent(br#"{"id":1}"#), key(Some("d41d8d"), "product.updated", br#"{"id":1}"#));
    assert_eq!(key(None, "product.updated", br#"{"id":1}"#), None);
}

#[test]
fn a_request_without_a_topic_holds_no_delivery() {
    for pairs in [&[][..], &[("x-wc-webhook-topic", "")], &[("x-wc-webhook-resource", "product")]] {
        assert!(PLATFORM.split(&Signed { headers: &headers(pairs), body: b"{}" }).is_empty(), "{pairs:?}");
    }
}

fn reply(is_get: bool, body: &[u8]) -> Option<HandshakeReply> {
    let request = Handshake { is_get, query: "", headers: &[], body };
    PLATFORM.reply(&request, &VerifyContext::new(&[], "", Timestamp::default())).unwrap()
}

#[test]
fn a_ping_gets_an_empty_reply_and_nothing_else_does() {
    let empty = HandshakeReply { media_type: HandshakeMedia::Text, body: String::new() };
    for ping in [&b"webhook_id=1"[..], b"webhook_id=18446744073709551615"] {
        assert_eq!(reply(false, ping), Some(empty.clone()));
        assert!(ping.len() <= PLATFORM.body_bytes_max());
        assert_eq!(reply(true, ping), None);
    }
    for other in [
        &b""[..],
        b"webhook_id=",
        b"webhook_id=1&topic=product.deleted",
        b"webhook_id=-1",
        b"webhook_id=x",
        b"WEBHOOK_ID=1",
        b"id=1",
        b"{\"webhook_id\":1}",
        b" webhook_id=1",
        b"webhook_id=1\n",
    ] {
        assert_eq!(reply(false, other), None, "{}", String::from_utf8_lossy(other));
    }
}

#[test]
fn a_site_is_the_same_however_its_address_is_written() {
    for (named, account, expected) in [
        ("https://shop.example/", "shop.example", true),
        ("http://Shop.example/", "https://shop.example", true),
        ("https://shop.example/tea/", "shop.example/tea", true),
        ("https://shop.example/tea/", "shop.example", false),
        ("https://www.shop.example/", "shop.example", false),
        ("https://shop.example.other.example/", "shop.example", false),
    ] {
        assert_eq!(PLATFORM.is_account(named, account), expected, "{named} {account}");
    }
}
