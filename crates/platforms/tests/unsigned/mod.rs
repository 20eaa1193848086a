//! What a header that nobody signed may decide: nothing.

use crate::{
    deliveries::{CONTEXT, Example, closed_topics, fetched_topics},
    full, read, sent, with_first_field,
};
use model::Delivery;
use platforms::{Rows, TopicKind, Validator};
use serde_json::json;
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
        for told in [json!("x"), json!(""), json!(1), json!(false), json!({}), json!([1])] {
            let body = with_first_field(&example.body, told.to_string());
            let reject = read(&example, &body).unwrap_err();
            assert_eq!(reject.class, RejectClass::Schema, "{label}: {told}");
        }
    }
}

/// What a topic speaks of.
fn kind(topic: &str) -> &str {
    topic.split('/').next().unwrap_or_default()
}

/// What is done to it, where that isn't to state it.
fn act(topic: &str) -> Option<&str> {
    let acts = ["delete", "redact", "data_request", "disconnect", "uninstalled"];
    topic.split('/').nth(1).filter(|act| acts.contains(act))
}

/// The body of an example under the name of another topic.
fn believed_as(example: &Example, topic: &str) -> Result<Rows, Reject> {
    let body = Validator::of(example.platform).unwrap().read(topic, &example.body)?;
    let delivery = Delivery { topic: topic.into(), ..example.delivery() };
    example.platform.map(&delivery, &body, &CONTEXT())
}

#[test]
fn no_body_is_believed_under_a_topic_of_another_kind_or_act() {
    let mut tried = 0;
    for example in sent().filter(|example| example.platform.name() == "shopify") {
        let own = example.topic.name;
        for topic in example.platform.topics() {
            let is_ours = fetched_topics("shopify").contains(&topic.name);
            let is_alike = (kind(own), act(own)) == (kind(topic.name), act(topic.name));
            if is_ours || is_alike || topic.kind == TopicKind::Thin {
                continue;
            }
            tried += 1;
            // An id alone says nothing but that it is one: of another kind it names another thing or none, and as an update
            // it changes nothing.
            let is_bare = act(own) == Some("delete") && act(topic.name).is_none_or(|act| act == "delete");
            let believed = believed_as(&example, topic.name);
            assert!(believed.is_err() || is_bare, "{} was believed as {}", example.label(), topic.name);
        }
    }
    assert!(tried > 200, "{tried}");
}
