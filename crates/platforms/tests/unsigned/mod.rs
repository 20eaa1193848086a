//! An unsigned header decides nothing.

use crate::{
    deliveries::{CONTEXT, Example, closed_topics},
    full, read, sent, with_first_field,
};
use model::{Delivery, DeliveryKind, Source};
use platforms::{Rows, TopicKind, Validator, check_account};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

#[test]
fn a_closed_topic_refuses_what_it_does_not_know_unless_it_says_nothing() {
    let closed: Vec<Example> = full().filter(|example| !example.is_open()).collect();
    for platform in platforms::all() {
        for topic in closed_topics(platform.name()) {
            let has_example = closed.iter().any(|example| example.topic.name == *topic);
            assert!(has_example, "{} {topic} has no example", platform.name());
        }
    }
    for example in closed {
        let label = example.label();
        for reported in [json!("x"), json!(""), json!(1), json!(false), json!({}), json!([1])] {
            let body = with_first_field(&example.body, reported.to_string());
            let reject = read(&example, &body).unwrap_err();
            assert_eq!(reject.class, RejectClass::Schema, "{label}: {reported}");
        }
    }
}

/// The platforms that name a topic in a header, with what separates the kind of object from the act in it.
const NAMED_BY_A_HEADER: [(&str, char); 2] = [("shopify", '/'), ("woocommerce", '.')];

/// The kind of object that a topic concerns.
fn kind(topic: &str, separator: char) -> &str {
    topic.split(separator).next().unwrap_or_default()
}

/// The action of a topic that is no plain report of the object.
fn act(topic: &str, separator: char) -> Option<&str> {
    let acts = ["delete", "deleted", "redact", "data_request", "disconnect", "uninstalled"];
    topic.split(separator).nth(1).filter(|act| acts.contains(act))
}

/// Returns true for the act of a deletion.
fn is_deletion(act: &str) -> bool {
    act == "delete" || act == "deleted"
}

/// Maps the body of an example under another topic.
fn verified_as(example: &Example, topic: &str) -> Result<Rows, Reject> {
    let body = Validator::of(example.platform).unwrap().read(topic, &example.body)?;
    let delivery = Delivery { kind: DeliveryKind::Platform(topic.into()), ..example.delivery() };
    example.platform.map(&delivery, &body, &CONTEXT())
}

#[test]
fn no_body_is_mapped_under_a_topic_of_another_kind_or_act() {
    let mut tried = 0;
    for example in sent() {
        let of = NAMED_BY_A_HEADER.into_iter().find(|(platform, _)| *platform == example.platform.name());
        let Some((_, separator)) = of else { continue };
        let own = example.topic.name;
        let (kind, act) = (|topic| kind(topic, separator), |topic| act(topic, separator));
        for topic in example.platform.spec().topics {
            let is_ours = !topic.is_sent();
            let is_alike = (kind(own), act(own)) == (kind(topic.name), act(topic.name));
            if is_ours || is_alike || topic.kind == TopicKind::Thin {
                continue;
            }
            tried += 1;
            // A bare id proves nothing else: with another kind it names another object or none, and as an update it
            // changes nothing.
            let is_bare = act(own).is_some_and(is_deletion) && act(topic.name).is_none_or(is_deletion);
            let verified = verified_as(&example, topic.name);
            assert!(verified.is_err() || is_bare, "{} was verified as {}", example.label(), topic.name);
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn what_is_final_is_one_event_whatever_its_headers_say() {
    for name in ["products/delete", "orders/delete", "customers/delete", "app/uninstalled"] {
        let example = sent().find(|example| example.topic.name == name).unwrap();
        let identities = ["b54557e4", "another"].map(|webhook| {
            let mut delivery = example.delivery();
            for header in &mut delivery.headers {
                if matches!(&*header.0, "x-shopify-webhook-id" | "x-shopify-event-id") {
                    header.1 = webhook.into();
                } else if &*header.0 == "x-shopify-triggered-at" {
                    header.1 = format!("2026-07-01T12:00:{:02}Z", webhook.len()).into();
                }
            }
            let body: Value = serde_json::from_slice(&example.body).unwrap();
            let rows = example.platform.map(&delivery, &body, &CONTEXT()).unwrap();
            rows.into_iter().map(|row| row.unwrap().identity).collect::<Vec<_>>()
        });
        assert_eq!(identities[0], identities[1], "{name}");
    }
}

#[test]
fn only_our_own_reading_of_a_product_that_is_gone_has_a_time() {
    let example = sent().find(|example| example.topic.name == "products/delete").unwrap();
    let body = json!({"id": 1, "updated_at": "2026-07-01T12:00:00Z"});
    for (source, verified) in [(Source::Webhook, false), (Source::Publish, false), (Source::Fetch, true)] {
        let delivery = Delivery { source, ..example.delivery() };
        assert_eq!(example.platform.map(&delivery, &body, &CONTEXT()).is_ok(), verified, "{source:?}");
    }
}

/// Checks an example's delivery at a connection of that account, with additional headers and fields.
fn map_with(
    example: &Example,
    account: &str,
    headers: &[(&str, &str)],
    fields: &Value,
) -> Result<(), Reject> {
    let mut body: Value = serde_json::from_slice(&example.body).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let mut delivery = example.delivery();
    delivery.headers.retain(|(name, _)| !name.ends_with("shop-domain") && !name.ends_with("webhook-source"));
    delivery.headers.extend(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    delivery.account = Some(account).filter(|account| !account.is_empty()).map(Into::into);
    check_account(example.platform, &delivery, &body)
}

/// A connection's account, headers and fields of a delivery, and true if it is accepted.
type Claim = (&'static str, &'static [(&'static str, &'static str)], Value, bool);

#[test]
fn a_delivery_that_names_another_account_is_refused() {
    let shopify: &[Claim] = &[
        ("suite", &[("x-shopify-shop-domain", "suite.myshopify.com")], json!({}), true),
        ("suite.myshopify.com", &[("x-shopify-shop-domain", "SUITE.myshopify.com")], json!({}), true),
        ("suite", &[("shopify-shop-domain", "suite.myshopify.com")], json!({}), true),
        ("suite", &[], json!({}), true),
        ("", &[("x-shopify-shop-domain", "other.myshopify.com")], json!({}), true),
        ("suite", &[("x-shopify-shop-domain", "other.myshopify.com")], json!({}), false),
        ("suite", &[("shopify-shop-domain", "other.myshopify.com")], json!({}), false),
        ("suite", &[("x-shopify-shop-domain", "suite.myshopify.com.example.com")], json!({}), false),
        ("suite", &[("x-shopify-shop-domain", "suite.example.com")], json!({}), false),
        // The signed field decides, whatever the header contains.
        (
            "suite",
            &[("x-shopify-shop-domain", "suite.myshopify.com")],
            json!({"shop_domain": "other.myshopify.com"}),
            false,
        ),
        (
            "suite",
            &[("x-shopify-shop-domain", "suite.myshopify.com")],
            json!({"myshopify_domain": "other.myshopify.com"}),
            false,
        ),
        (
            "suite",
            &[("x-shopify-shop-domain", "suite.myshopify.com")],
            json!({"shop_domain": "suite.myshopify.com"}),
            true,
        ),
        (
            "suite",
            &[("x-shopify-shop-domain", "suite.myshopify.com")],
            json!({"myshopify_domain": null}),
            true,
        ),
    ];
    let square: &[Claim] = &[
        ("MEXAMPLE", &[], json!({"merchant_id": "MEXAMPLE"}), true),
        ("MEXAMPLE", &[], json!({"merchant_id": "mexample"}), false),
        ("MEXAMPLE", &[], json!({"merchant_id": "MOTHER"}), false),
        ("MEXAMPLE", &[], json!({"merchant_id": null}), true),
        ("", &[], json!({"merchant_id": "MOTHER"}), true),
    ];
    let clover: &[Claim] = &[
        ("MERCHANT", &[], json!({"merchants": {"MERCHANT": []}}), true),
        ("MERCHANT", &[], json!({"merchants": {"merchant": []}}), false),
        ("MERCHANT", &[], json!({"merchants": {"OTHER": []}}), false),
        ("MERCHANT", &[], json!({"merchants": {"MERCHANT": [], "OTHER": []}}), false),
        ("MERCHANT", &[], json!({"merchants": null}), true),
        ("", &[], json!({"merchants": {"OTHER": []}}), true),
    ];
    let woocommerce: &[Claim] = &[
        ("shop.example", &[("x-wc-webhook-source", "https://shop.example/")], json!({}), true),
        ("https://shop.example", &[("x-wc-webhook-source", "http://SHOP.example/")], json!({}), true),
        ("shop.example/tea", &[("x-wc-webhook-source", "https://shop.example/tea/")], json!({}), true),
        ("shop.example", &[], json!({}), true),
        ("", &[("x-wc-webhook-source", "https://other.example/")], json!({}), true),
        ("shop.example", &[("x-wc-webhook-source", "https://other.example/")], json!({}), false),
        ("shop.example", &[("x-wc-webhook-source", "https://shop.example/tea/")], json!({}), false),
    ];
    for (name, claims) in [
        ("customers_update.with_tags", shopify),
        ("customer_updated.sample", square),
        ("customer_created.sample", woocommerce),
        ("C.created", clover),
    ] {
        let is_it = |example: &Example| {
            example.name == name
                && (name != "customer_created.sample" || example.platform.name() == "woocommerce")
        };
        let example = sent().find(is_it).unwrap();
        for (account, headers, fields, expected) in claims {
            let result = map_with(&example, account, headers, fields);
            assert_eq!(result.is_ok(), *expected, "{name}: {account} {headers:?} {fields}: {result:?}");
        }
    }
}
