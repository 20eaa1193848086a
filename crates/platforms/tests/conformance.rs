//! Requirements on every platform, checked on every example of each.

#![expect(clippy::unwrap_used, reason = "a suite stops at what it can't read")]

mod deliveries;
mod unsigned;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use deliveries::{
    CONTEXT, Example, Received, SECRET, URL, examples, folder, names_in, received, rendered, stem, verifies,
};
use model::{Currency, ExternalId, Money, ProductText, Quantity, Timestamp};
use platforms::{
    Access, AccountRefusal, CallContext, CallError, Fetch, HttpReply, HttpRequest, MAX_DEPTH, Mapped,
    Platform, Rows, Signed, Step, TopicKind, Unverified, Validator, VerifyContext, Write, Writer,
};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

#[test]
fn every_folder_is_registered_and_has_the_files_of_a_platform() {
    let registered: Vec<_> = platforms::all().iter().map(|platform| platform.name()).collect();
    let source = [env!("CARGO_MANIFEST_DIR"), "src"].iter().collect::<PathBuf>();
    let is_platform = |name: &String| source.join(name).join("mod.rs").is_file();
    let folders: Vec<_> = names_in(&source).into_iter().filter(is_platform).collect();
    assert_eq!(registered, folders, "in alphabetical order");
    for name in registered {
        assert!(std::ptr::eq(platforms::find(name).unwrap().name(), name));
        for file in ["mod.rs", "map.rs", "README.md"] {
            let size = folder(name)
                .join(file)
                .metadata()
                .unwrap_or_else(|error| panic!("{name}/{file}: {error}"))
                .len();
            assert!(size > 200, "{name}/{file} says nothing");
        }
        assert!(folder(name).join("examples/SOURCES.md").is_file(), "{name}: examples/SOURCES.md");
        let platform = platforms::find(name).unwrap();
        let capabilities = [
            ("webhooks.rs", platform.webhooks().is_some()),
            ("reader.rs", platform.reader().is_some()),
            ("collections.rs", platform.collections().is_some()),
            ("writer.rs", platform.writer().is_some()),
            ("tokens.rs", platform.tokens().is_some()),
        ];
        for (file, is_there) in capabilities {
            assert_eq!(folder(name).join(file).is_file(), is_there, "{name}/{file}");
        }
    }
    assert!(platforms::find("nobody").is_none());
}

#[test]
fn every_schema_belongs_to_a_topic_and_every_topic_has_one() {
    for platform in platforms::all() {
        let schemas =
            [env!("CARGO_MANIFEST_DIR"), "../../schemas", platform.name()].iter().collect::<PathBuf>();
        let files: BTreeSet<_> = names_in(&schemas).into_iter().collect();
        let topics = platform.spec().topics.iter();
        let expected: BTreeSet<_> = topics.map(|topic| format!("{}.schema.json", stem(topic.name))).collect();
        assert_eq!(files, expected, "{}", platform.name());
        for topic in platform.spec().topics {
            let file = schemas.join(format!("{}.schema.json", stem(topic.name)));
            let label = format!("{} {}", platform.name(), topic.name);
            assert!(!topic.name.starts_with("tillflow."), "{label}: a topic of our own services");
            assert_eq!(
                std::fs::read_to_string(file).unwrap(),
                topic.schema,
                "{label}: the file of another topic"
            );
            let schema: Value = serde_json::from_str(topic.schema).unwrap();
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{label}");
            assert!(
                !topic.schema.replace(r##""$ref": "#"##, "").contains("$ref"),
                "{label}: refers to another file"
            );
        }
        assert!(Validator::of(*platform).is_ok(), "{}", platform.name());
    }
}

#[test]
fn every_topic_has_an_example() {
    for platform in platforms::all() {
        let shown: BTreeSet<_> = examples_of(*platform).iter().map(|example| example.topic.name).collect();
        let topics: BTreeSet<_> = platform.spec().topics.iter().map(|topic| topic.name).collect();
        assert_eq!(shown, topics, "{}", platform.name());
        let read = platform.spec().topics.iter().filter(|topic| !topic.is_sent());
        let read: BTreeSet<_> = read.map(|topic| topic.name).collect();
        let fetched = deliveries::fetched_topics(platform.name()).iter().copied().collect();
        assert_eq!(read, fetched, "{}", platform.name());
    }
}

#[test]
fn every_example_is_verified_split_and_mapped_as_recorded() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for example in examples() {
        let label = example.label();
        if example.is_sent() {
            let headers = received(&example).headers;
            assert!(verifies(example.platform, &headers, &example.body, &[SECRET]), "{label}");
            let signed = Signed { headers: &headers, body: &example.body };
            let envelopes = example.platform.webhooks().unwrap().split(&signed);
            let topics: Vec<_> = envelopes.iter().map(|envelope| envelope.topic.as_str()).collect();
            assert_eq!(topics, [example.topic.name], "{label}");
        }
        let body = read(&example, &example.body).unwrap_or_else(|reject| panic!("{label}: {reject}"));
        let recorded = match example.topic.kind {
            TopicKind::Full | TopicKind::Read => rendered(&all_mapped(&example, &body)),
            TopicKind::Thin => notified(&example, &body),
            TopicKind::Both => {
                format!("{}{}", rendered(&all_mapped(&example, &body)), notified(&example, &body))
            }
        };
        let name = format!("{}__{}", example.platform.name(), example.name);
        settings.bind(|| insta::assert_snapshot!(name, recorded));
    }
}

#[test]
fn every_recorded_mapping_is_of_an_example() {
    let recorded = [env!("CARGO_MANIFEST_DIR"), "tests/snapshots"].iter().collect::<PathBuf>();
    let recorded: BTreeSet<_> = names_in(&recorded).into_iter().collect();
    let named = |example: Example| format!("{}__{}.snap", example.platform.name(), example.name);
    assert_eq!(recorded, examples().into_iter().map(named).collect());
}

#[test]
fn any_active_secret_proves_a_delivery_and_no_other_does() {
    for example in sent() {
        let (label, headers) = (example.label(), received(&example).headers);
        let verified = |active: &[&str]| verifies(example.platform, &headers, &example.body, active);
        assert!(verified(&["before", SECRET]) && verified(&[SECRET, "before"]), "{label}");
        assert!(!verified(&[]) && !verified(&[""]) && !verified(&["before"]), "{label}");
        assert!(!verified(&[&SECRET[1..]]) && !verified(&[&SECRET.to_uppercase()]), "{label}");
    }
}

#[test]
fn a_delivery_without_proof_says_so() {
    for example in sent() {
        let Received { mut headers, proof, .. } = received(&example);
        headers.retain(|(name, _)| name != proof);
        let active = [SECRET.to_owned()];
        let context = VerifyContext::new(&active, URL, Timestamp::default());
        let signed = Signed { headers: &headers, body: &example.body };
        let verified = example.platform.webhooks().unwrap().verify(&signed, &context);
        assert_eq!(verified, Err(Unverified::Missing), "{}", example.label());
    }
}

#[test]
fn a_flipped_bit_in_the_proof_or_in_a_proven_body_is_not_verified() {
    for example in sent() {
        let (label, Received { headers, proof, proof_from, body_is_proven }) =
            (example.label(), received(&example));
        let position = headers.iter().position(|(name, _)| name == proof).unwrap();
        let value = headers[position].1.clone().into_bytes();
        for (index, bit) in (proof_from..value.len()).flat_map(|index| (0..7).map(move |bit| (index, bit))) {
            let mut flipped = value.clone();
            flipped[index] ^= 1 << bit;
            let mut headers = headers.clone();
            headers[position].1 = String::from_utf8(flipped).unwrap();
            assert!(
                !verifies(example.platform, &headers, &example.body, &[SECRET]),
                "{label}: bit {bit} of {index}"
            );
        }
        for index in if body_is_proven { 0..example.body.len() } else { 0..0 } {
            let mut body = example.body.clone();
            body[index] ^= 1 << (index % 8);
            assert!(!verifies(example.platform, &headers, &body, &[SECRET]), "{label}: byte {index}");
        }
    }
}

#[test]
fn a_proven_body_that_was_written_anew_is_not_verified() {
    let mut tried = 0;
    for example in sent().filter(|example| received(example).body_is_proven) {
        let headers = received(&example).headers;
        let value: Value = serde_json::from_slice(&example.body).unwrap();
        for body in [serde_json::to_vec(&value).unwrap(), serde_json::to_vec_pretty(&value).unwrap()] {
            if body != example.body {
                assert!(!verifies(example.platform, &headers, &body, &[SECRET]), "{}", example.label());
                tried += 1;
            }
        }
    }
    assert!(tried > 0);
}

#[test]
fn no_truncation_of_an_example_is_read() {
    for example in examples() {
        let validator = Validator::of(example.platform).unwrap();
        for length in 0..example.body.len() {
            let body = &example.body[..length];
            assert!(validator.read(example.topic.name, body).is_err(), "{}: {length} bytes", example.label());
            // `split` runs before the schema: it may find a topic or none, but must not panic.
            let Some(webhooks) = example.platform.webhooks() else { continue };
            let headers = if example.is_sent() { received(&example).headers } else { Vec::new() };
            let _ = webhooks.split(&Signed { headers: &headers, body });
        }
    }
}

#[test]
fn unknown_fields_change_nothing() {
    for example in full().filter(Example::is_open) {
        let label = example.label();
        let body = read(&example, &example.body).unwrap();
        let mut extended = body.clone();
        extend(&mut extended);
        assert_ne!(extended, body, "{label}");
        let extended = read(&example, &serde_json::to_vec(&extended).unwrap());
        let extended = extended.unwrap_or_else(|reject| panic!("{label}: {reject}"));
        assert_eq!(map(&example, &extended), map(&example, &body), "{label}");
    }
}

#[test]
fn mapping_twice_gives_the_same_and_says_what_an_event_must() {
    for example in full() {
        let (label, body) = (example.label(), read(&example, &example.body).unwrap());
        let mapped = all_mapped(&example, &body);
        assert_eq!(all_mapped(&example, &read(&example, &example.body).unwrap()), mapped, "{label}");
        assert!(!mapped.is_empty(), "{label}");
        let identities: BTreeSet<_> = mapped.iter().map(|event| &event.identity).collect();
        assert_eq!(identities.len(), mapped.len(), "{label}: two events of one identity");
        assert!(mapped.iter().all(|event| !event.identity.is_empty()), "{label}");
    }
}

#[test]
fn any_value_in_place_of_another_is_mapped_or_rejected() {
    let replacements = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(0.5),
        json!(""),
        json!(" "),
        json!("-1"),
        json!("1e999"),
        json!("99999999999999999999999999999999999999"),
        json!("9999-12-31T23:59:59.999999999+00:00"),
        json!("\u{202e}\u{1f9e8}\t\r\n"),
        json!("x".repeat(300)),
        json!([]),
        json!([null]),
        json!({}),
        json!([{}]),
    ];
    for example in full() {
        let body = read(&example, &example.body).unwrap();
        for pointer in pointers(&body) {
            for replacement in &replacements {
                let mut changed = body.clone();
                *changed.pointer_mut(&pointer).unwrap() = replacement.clone();
                attempt(&example, &changed, &format!("{} {pointer} = {replacement}", example.label()));
            }
            let mut without = body.clone();
            if remove(&mut without, &pointer) {
                attempt(&example, &without, &format!("{} without {pointer}", example.label()));
            }
        }
    }
}

#[test]
fn depth_bombs_are_refused_before_they_are_read() {
    for example in examples() {
        let label = example.label();
        for opening in ["[", "{\"a\":", "[[{\"a\":"] {
            let bomb = opening.repeat(200_000);
            assert!(read(&example, bomb.as_bytes()).is_err(), "{label}");
        }
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        let inside = with_first_field(&example.body, &deep);
        let reject = read(&example, &inside).unwrap_err();
        assert!(reject.reason.contains("deeper"), "{label}: {reject}");
        if !example.is_open() {
            continue;
        }
        let allowed = format!("{}{}", "[".repeat(MAX_DEPTH - 1), "]".repeat(MAX_DEPTH - 1));
        assert!(read(&example, &with_first_field(&example.body, &allowed)).is_ok(), "{label}");
    }
}

/// Texts that can't be stored, as JSON writes them.
const UNKEEPABLE: [&[u8]; 4] = [br#""a\u0000b""#, br#""cut \ud83d""#, br#""\udc9a""#, b"\"caf\xe9\""];

#[test]
fn what_cannot_be_kept_does_no_harm_where_nobody_reads_it() {
    for example in full().filter(Example::is_open) {
        let label = example.label();
        let expected = all_mapped(&example, &read(&example, &example.body).unwrap());
        for text in UNKEEPABLE {
            let body = with_first_field(&example.body, text);
            let value = read(&example, &body).unwrap_or_else(|reject| panic!("{label}: {reject}"));
            assert_eq!(all_mapped(&example, &value), expected, "{label}");
        }
    }
}

#[test]
fn what_cannot_be_kept_rejects_the_row_that_it_is_mapped_in_and_no_text_keeps_it() {
    let mut rejected = 0;
    for example in full() {
        let body = read(&example, &example.body).unwrap();
        for pointer in pointers(&body) {
            for text in ["a\0b", "a\u{ffff}b"] {
                let mut changed = body.clone();
                *changed.pointer_mut(&pointer).unwrap() = text.into();
                for row in map(&example, &changed).unwrap_or_else(|reject| vec![Err(reject)]) {
                    let label = format!("{} {pointer}", example.label());
                    match row {
                        Ok(mapped) => {
                            let kept = rendered(&[mapped]);
                            assert!(!kept.contains("\\0b") && !kept.contains("\\u{ffff}"), "{label}: {kept}");
                        }
                        Err(reject) => {
                            assert!(reject.pointer.is_some_and(|at| pointer.starts_with(&at)), "{label}");
                            rejected += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(rejected > 100, "{rejected}");
}

#[test]
fn a_byte_order_mark_before_the_body_is_ignored() {
    for example in examples() {
        let marked = [b"\xef\xbb\xbf", &*example.body].concat();
        let label = example.label();
        assert_eq!(read(&example, &marked).ok(), read(&example, &example.body).ok(), "{label}");
        if example.is_sent() {
            let headers = received(&example).headers;
            let webhooks = example.platform.webhooks().unwrap();
            let split = |body| webhooks.split(&Signed { headers: &headers, body });
            assert_eq!(split(&marked), split(&example.body), "{label}");
        }
    }
}

#[test]
fn replies_mean_the_same_whatever_their_body() {
    let bodies: [&[u8]; 8] =
        [b"", b"{}", b"null", b"[]", b"\xff\xfe", b"<html>", b"{\"errors\":7,\"data\":[]}", b"\"x\""];
    for (platform, writer) in writers() {
        for (write, body) in writes().iter().flat_map(|write| bodies.iter().map(move |body| (write, *body))) {
            let retry_after = Some(Duration::from_secs(7));
            let said = |status| writer.outcome(write, &HttpReply { status, retry_after, headers: &[], body });
            let label = format!("{} {write:?} {}", platform.name(), String::from_utf8_lossy(body));
            for status in [401, 403] {
                let said = said(status);
                assert!(is_refused(&said, AccountRefusal::Unauthorized), "{label} {status}: {said:?}");
            }
            for status in [301, 402, 423] {
                let said = said(status);
                assert!(is_refused(&said, AccountRefusal::Misconfigured), "{label} {status}: {said:?}");
            }
            assert_eq!(said(429), Err(CallError::RateLimited { after: retry_after }), "{label}");
            for status in [500, 502, 503, 504] {
                assert!(
                    matches!(said(status), Err(CallError::Transient { .. })),
                    "{label} {status}: {:?}",
                    said(status)
                );
            }
            for status in [400, 404, 422] {
                assert!(said(status).is_err(), "{label} {status}");
            }
            assert!(
                !matches!(
                    said(200),
                    Err(CallError::Conflict | CallError::Gone | CallError::RateLimited { .. })
                ),
                "{label}: {:?}",
                said(200)
            );
        }
    }
}

#[test]
fn a_failed_fetch_means_what_a_failed_call_means() {
    let item = ExternalId::new("808950810").unwrap();
    let location = ExternalId::new("655441491").unwrap();
    let wanted = Fetch::Level { item: &item, location: Some(&location) };
    let access = access();
    for platform in platforms::all() {
        let Some(reader) = platform.reader() else { continue };
        let request = reader.request(&wanted, &context(&access));
        assert!(matches!(request, Ok(Some(_))), "{}: {request:?}", platform.name());
        let said = |status| {
            let reply = HttpReply::new(status, b"<html>");
            reader.page(&wanted, &context(&access), &reply)
        };
        let label = platform.name();
        for (status, refusal) in [(401, AccountRefusal::Unauthorized), (404, AccountRefusal::Misconfigured)] {
            let said = said(status);
            assert!(is_refused(&said, refusal), "{label} {said:?}");
        }
        assert_eq!(said(429), Err(CallError::RateLimited { after: None }), "{label}");
        assert!(matches!(said(500), Err(CallError::Transient { .. })), "{label}");
        assert!(said(200).is_err(), "{label}: {:?}", said(200));
    }
}

#[test]
fn a_call_is_the_same_request_each_time_and_keeps_the_token_in_a_header() {
    let access = access();
    for platform in platforms::all() {
        let rate = platform.spec().rate;
        assert!(rate.per_second > 0.0 && rate.burst > 0, "{}", platform.name());
    }
    for (platform, writer) in writers() {
        for write in writes() {
            let label = format!("{} {write:?}", platform.name());
            let step = writer.step(&write, &context(&access), None);
            assert_eq!(writer.step(&write, &context(&access), None), step, "{label}");
            let Ok(Step::Read(request) | Step::Write(request)) = step else { continue };
            let HttpRequest { url, headers, body, .. } = &request;
            assert!(url.starts_with("https://api.example.com/"), "{label}: {url}");
            let encoded = STANDARD.encode(&access.token);
            let carries = |value: &str| value.contains(&access.token) || value.contains(&encoded);
            assert!(headers.iter().any(|(_, value)| carries(value)), "{label}");
            let text = String::from_utf8_lossy(body);
            let secret = "token-of-the-suite";
            for form in [secret, &encoded] {
                assert!(!url.contains(form) && !text.contains(form), "{label}");
            }
            let shown = format!("{request:?}");
            assert!(!shown.contains(secret) && !shown.contains(&encoded), "{label}");
        }
    }
}

#[test]
fn a_platform_takes_the_calls_that_it_says_it_takes() {
    let access = access();
    for (platform, writer) in writers() {
        for write in writes() {
            let step = writer.step(&write, &context(&access), None);
            let is_accepted = matches!(step, Ok(Step::Read(_) | Step::Write(_)));
            let label = format!("{} {write:?}: {step:?}", platform.name());
            assert_eq!(is_accepted, writer.limits(write.kind()).is_some(), "{label}");
        }
    }
}

/// Returns true if the account, not the value, is refused for that reason.
fn is_refused<T>(result: &Result<T, CallError>, refusal: AccountRefusal) -> bool {
    matches!(result, Err(CallError::AccountRefused(found, _)) if *found == refusal)
}

fn writers() -> impl Iterator<Item = (&'static dyn Platform, &'static dyn Writer)> {
    platforms::all().iter().filter_map(|platform| Some((*platform, platform.writer()?)))
}

fn examples_of(platform: &dyn Platform) -> Vec<Example> {
    examples().into_iter().filter(|example| example.platform.name() == platform.name()).collect()
}

fn sent() -> impl Iterator<Item = Example> {
    examples().into_iter().filter(Example::is_sent)
}

fn full() -> impl Iterator<Item = Example> {
    examples().into_iter().filter(|example| example.topic.kind != TopicKind::Thin)
}

fn read(example: &Example, body: &[u8]) -> Result<Value, Reject> {
    Validator::of(example.platform).unwrap().read(example.topic.name, body)
}

fn map(example: &Example, body: &Value) -> Result<Rows, Reject> {
    example.platform.map(&example.delivery(), body, &CONTEXT())
}

/// The events of an example; panics if a row is rejected.
fn all_mapped(example: &Example, body: &Value) -> Vec<Mapped> {
    let rows = map(example, body).and_then(|rows| rows.into_iter().collect());
    rows.unwrap_or_else(|reject| panic!("{}: {reject}", example.label()))
}

/// Maps `body` even if it violates the schema: the map must not panic on such a body.
fn attempt(example: &Example, body: &Value, label: &str) {
    for row in map(example, body).unwrap_or_else(|reject| vec![Err(reject)]) {
        match row {
            Ok(mapped) => assert!(!mapped.identity.is_empty(), "{label}"),
            Err(reject) => assert_ne!(reject.class, RejectClass::Bug, "{label}: {reject}"),
        }
    }
}

/// The request that a thin notification leads to; only its headers are secret.
fn notified(example: &Example, body: &Value) -> String {
    let access = access();
    let wanted = Fetch::Notified { topic: example.topic.name, body, since: None };
    match example.platform.reader().unwrap().request(&wanted, &context(&access)) {
        Ok(Some(HttpRequest { method, url, body, .. })) => {
            format!("{method:?} {url}\n{}\n", String::from_utf8_lossy(&body))
        }
        Ok(None) => "nothing is fetched\n".to_owned(),
        Err(reject) => panic!("{}: {reject}", example.label()),
    }
}

/// Adds a field to every object.
fn extend(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(extend);
            fields.insert("zz_new_in_2031".to_owned(), json!({ "id": "x", "deep": [1, null, "y"] }));
        }
        Value::Array(elements) => elements.iter_mut().for_each(extend),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Pointers to every value but the root.
fn pointers(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            fields.iter().map(|(key, value)| (escaped(key), value)).collect()
        }
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let below = |(key, value): (String, &Value)| {
        let deeper = pointers(value).into_iter().map(|rest| format!("/{key}{rest}")).collect::<Vec<_>>();
        std::iter::once(format!("/{key}")).chain(deeper)
    };
    children.into_iter().flat_map(below).collect()
}

/// Removes the field at `pointer` from its object.
fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return false };
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.is_some_and(|fields| fields.remove(&key.replace("~1", "/").replace("~0", "~")).is_some())
}

/// The body, which is an object, with one more field before the others.
fn with_first_field(body: &[u8], json: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.trim_ascii().strip_prefix(b"{").unwrap();
    [br#"{"zz_first":"#, json.as_ref(), b",", body].concat()
}

fn writes() -> Vec<Write> {
    let id = |text| ExternalId::new(text).unwrap();
    let text = ProductText { title: Some("A title".to_owned()), description: Some(String::new()) };
    vec![
        Write::Level {
            item: id("808950810"),
            location: Some(id("655441491")),
            to: Quantity::pieces(7),
            from: Quantity::pieces(9),
        },
        Write::Price {
            product: id("632910392"),
            variant: id("808950811"),
            to: Money::parse("19.90", Currency::new("USD").unwrap()).unwrap(),
        },
        Write::Text { product: id("632910392"), to: text },
    ]
}

fn access() -> Access {
    Access {
        base_url: "https://api.example.com".to_owned(),
        token: "client-of-the-suite:token-of-the-suite".to_owned(),
        access_token: Some("issued".to_owned()),
        api_version: String::new(),
        account: "suite".to_owned(),
    }
}

fn context(access: &Access) -> CallContext<'_> {
    let now = Timestamp::parse("2026-07-02T00:00:00Z").unwrap();
    CallContext { access, idempotency_key: "0d1f7c1e-8a34-5a7e-9f14-0d4a1f3c2b10", now }
}
