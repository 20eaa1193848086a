use super::super::PLATFORM;
use super::*;
use model::Timestamp;

fn split(body: &Value) -> Vec<Envelope> {
    PLATFORM.split(&Signed { headers: &[], body: body.to_string().as_bytes() })
}

fn update(object: &str, kind: &str, ts: i64) -> Value {
    json!({"objectId": object, "type": kind, "ts": ts})
}

/// Topic, key and body of each delivery.
fn parts(envelopes: &[Envelope]) -> Vec<(&str, &str, Value)> {
    let part = |envelope: &'_ Envelope| serde_json::from_slice(envelope.body.as_ref().unwrap()).unwrap();
    envelopes.iter().map(|each| (&*each.topic, each.key.as_deref().unwrap_or(""), part(each))).collect()
}

#[test]
fn only_the_code_of_the_app_is_verified() {
    let active = ["present".to_owned(), "former".to_owned()];
    let context = VerifyContext::new(&active, "", Timestamp::default());
    let check = |value: Option<&str>| {
        let headers: Vec<_> =
            value.iter().map(|value| ("x-clover-auth".to_owned(), (*value).to_owned())).collect();
        PLATFORM.verify(&Signed { headers: &headers, body: b"{}" }, &context)
    };
    assert_eq!(check(Some("present")), Ok(()));
    assert_eq!(check(Some("former")), Ok(()));
    assert_eq!(check(Some("presen")), Err(Unverified::Mismatch));
    assert_eq!(check(Some("Bearer present")), Err(Unverified::Mismatch));
    assert_eq!(check(None), Err(Unverified::Missing));
}

#[test]
fn a_request_has_the_updates_of_several_merchants() {
    let (one, two, three) =
        (update("O:1", "CREATE", 5), update("I:2", "UPDATE", 3), update("O:1", "UPDATE", 9));
    let body = json!({"appId": "A", "merchants": {"M": [one, two], "N": [three]}});
    let envelopes = split(&body);
    let alone = |merchant: &str, update: &Value| json!({"appId": "A", "merchants": {merchant: [update]}});
    let expected = [
        ("O", "M O:1 CREATE 5", alone("M", &one)),
        ("I", "M I:2 UPDATE 3", alone("M", &two)),
        ("O", "N O:1 UPDATE 9", alone("N", &three)),
    ];
    assert_eq!(parts(&envelopes), expected);
    assert_eq!(split(&alone("M", &two)), [envelopes[1].clone()], "alone and together it is one delivery");
}

#[test]
fn an_update_that_names_no_object_is_kept_for_the_dead_letters_and_the_others_are_delivered() {
    let good = update("C:1", "DELETE", 5);
    for bad in [json!(7), json!({}), json!({"objectId": "no key"}), json!({"objectId": ":1"}), json!(null)] {
        let envelopes = split(&json!({"merchants": {"M": [bad, good]}}));
        let topics: Vec<_> = envelopes.iter().map(|envelope| &*envelope.topic).collect();
        assert_eq!(topics, ["I", "C"], "{bad}");
        assert_eq!(envelopes[0].key, None, "{bad}");
    }
    assert_eq!(split(&json!({"merchants": {"M": "all"}})).len(), 1);
    for body in [json!({}), json!([]), json!({"merchants": []}), json!({"merchants": null}), json!("I:1")] {
        assert_eq!(split(&body), [], "{body}");
    }
}

#[test]
fn an_update_of_another_type_or_time_is_another_delivery() {
    let key =
        |kind: &str, ts: i64| split(&json!({"merchants": {"M": [update("I:1", kind, ts)]}})).remove(0).key;
    assert_eq!(key("UPDATE", 5), key("UPDATE", 5));
    assert_ne!(key("UPDATE", 5), key("UPDATE", 6));
    assert_ne!(key("UPDATE", 5), key("DELETE", 5));
}

fn handshake(is_get: bool, body: &str) -> (bool, Option<String>) {
    let context = VerifyContext::new(&[], "", Timestamp::default());
    let request = Handshake { is_get, query: "", headers: &[], body: body.as_bytes() };
    let reply = PLATFORM.reply(&request, &context).unwrap();
    assert!(reply.iter().all(|reply| !reply.body.contains("ce76")), "the reply repeats nothing");
    (reply.is_some(), PLATFORM.code_for_people(&request))
}

#[test]
fn the_check_of_the_url_is_answered_and_its_code_is_for_people() {
    let code = "ce7643c1-83ea-4218-abe6-da876c9c7a0a";
    let body = format!(r#"{{"verificationCode":"{code}"}}"#);
    assert_eq!(handshake(false, &body), (true, Some(code.to_owned())));
    assert_eq!(handshake(true, &body), (false, None));
    let long = format!(r#"{{"verificationCode":"{}"}}"#, "a".repeat(65));
    for body in [
        "",
        "{}",
        r#"{"verificationCode":null}"#,
        r#"{"verificationCode":""}"#,
        r#"{"verificationCode":"<b>ce76</b>"}"#,
        r#"{"verificationCode":"ce76","merchants":{"M":[]}}"#,
        r#"["verificationCode"]"#,
        &long,
    ] {
        assert_eq!(handshake(false, body), (false, None), "{body}");
    }
}

#[test]
fn the_check_of_the_url_delivers_nothing_even_with_the_code_of_the_app() {
    let envelopes = split(&json!({"verificationCode": "ce76"}));
    assert_eq!(envelopes.len(), 1);
    let topics = crate::Platform::spec(&PLATFORM).topics;
    assert!(topics.iter().all(|topic| topic.name != envelopes[0].topic));
}
