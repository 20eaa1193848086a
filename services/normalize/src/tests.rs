use super::*;
use model::{
    BaselineRule, ConnectionId, Currency, DeliveryId, ExternalId, Instruction, Origin, Patch, PlatformName,
    Product, SourceVersion, StoreId, TenantId, Timestamp, TraceParent,
};
use wire::PublishedEvent;

const AT: Position = Position { raw_sequence: 7, delivery: 2, event: 0 };

fn decided(platform: &str, topic: &str, body: impl Into<Vec<u8>>) -> Verdict<Event> {
    decided_from(Source::Webhook, platform, DeliveryKind::of_topic(topic), body)
}

fn decided_from(
    source: Source,
    platform: &str,
    kind: DeliveryKind,
    body: impl Into<Vec<u8>>,
) -> Verdict<Event> {
    let id = DeliveryId::from_bytes([1; 16]);
    let delivery = Delivery {
        id,
        origin: Origin {
            tenant: TenantId::new("t").unwrap(),
            store: StoreId::new("s").unwrap(),
            connection: ConnectionId::new("c").unwrap(),
            platform: PlatformName::new(platform).unwrap(),
        },
        kind,
        received_at: Timestamp::parse("2026-07-02T00:00:00Z").unwrap(),
        source,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: Currency::new("USD").ok(),
        account: None,
        headers: Vec::new(),
        trace: TraceParent::from_delivery(id),
        body: body.into().into(),
    };
    Normalize::new().unwrap().decide(AT, delivery, &mut ())
}

fn rows(platform: &str, topic: &str, body: impl Into<Vec<u8>>) -> Rows {
    rows_of(decided(platform, topic, body))
}

/// The rows of a delivery that one of our services sent.
fn rows_from_within(kind: DeliveryKind, body: impl Into<Vec<u8>>) -> Rows {
    rows_of(decided_from(Source::Fetch, "shopify", kind, body))
}

fn rows_of(verdict: Verdict<Event>) -> Rows {
    match verdict {
        Verdict::Rows(rows) => rows,
        other => panic!("rows expected: {other:?}"),
    }
}

fn published(product: Product, occurred_at: Option<Timestamp>) -> Rows {
    let event = PublishedEvent {
        action: Action::Updated,
        occurred_at,
        version: Some(SourceVersion::exact(i64::MAX)),
        payload: Payload::Product(product),
    };
    let kind = DeliveryKind::Canonical;
    rows_of(decided_from(Source::Publish, "shopify", kind, wire::encode_published(&event)))
}

fn product(title: &str) -> Product {
    Product {
        external: ExternalId::new("p").unwrap(),
        title: Some(title.to_owned()),
        description: Patch::Keep,
        vendor: Patch::Keep,
        category: Patch::Keep,
        status: None,
        tags: None,
        variants: Vec::new(),
        variants_complete: false,
        details: model::ProductDetails::default(),
    }
}

#[test]
fn a_row_that_cannot_be_mapped_stands_at_its_own_position_between_its_neighbours() {
    let count = |quantity: &str| {
        format!(
            r#"{{"catalog_object_id":"V","catalog_object_type":"ITEM_VARIATION","location_id":"L{quantity}",
            "state":"IN_STOCK","quantity":"{quantity}","calculated_at":"2026-07-01T00:00:00Z"}}"#
        )
    };
    let counts = [count("1"), count("many"), count("3")].join(",");
    let body = format!(
        r#"{{"type":"inventory.count.updated","event_id":"e","data":{{"object":{{"inventory_counts":[{counts}]}}}}}}"#
    );
    let rows = rows("square", "inventory.count.updated", body);
    let [Ok(first), Err(reject), Ok(last)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((first.position, last.position), (AT, Position { event: 2, ..AT }));
    assert_eq!(reject.pointer.as_deref(), Some("/data/object/inventory_counts/1/quantity"));
}

#[test]
fn a_payload_beyond_a_limit_is_rejected_whichever_way_it_came() {
    let mapped = |sku: &str| {
        let body = format!(r#"{{"id":1,"variants":[{{"id":2,"sku":"{sku}"}}]}}"#);
        rows("shopify", "products/update", body).remove(0)
    };
    assert!(mapped(&"s".repeat(255)).is_ok());
    let reject = mapped(&"s".repeat(5_000)).unwrap_err();
    assert_eq!(reject.class, RejectClass::Data);
    assert!(reject.reason.contains("/variants/0/sku"), "{reject}");

    assert!(published(product("Tea"), None).remove(0).is_ok());
    let reject = published(product("Te\0a"), None).remove(0).unwrap_err();
    assert_eq!((reject.class, reject.reason.contains("/title")), (RejectClass::Data, true));

    let event = published(product("Tea"), None).remove(0).unwrap();
    let again = |event: &Event| rows_from_within(DeliveryKind::Reentry, wire::encode_event(event)).remove(0);
    assert!(again(&event).is_ok());
    let Payload::Product(product) = event.payload.clone() else { panic!("a product expected") };
    let payload = Payload::Product(Product { title: Some("Te\0a".to_owned()), ..product });
    assert!(again(&Event { payload, ..event }).is_err());
}

#[test]
fn a_topic_of_our_own_is_accepted_from_services_of_ours_alone() {
    let event = published(product("Tea"), None).remove(0).unwrap();
    let external = ExternalId::new("p").unwrap();
    let instruction = wire::encode_instruction(&external, &Instruction::Baseline(BaselineRule::Store));
    for (kind, body) in
        [(DeliveryKind::Reentry, wire::encode_event(&event)), (DeliveryKind::Instruction, instruction)]
    {
        for source in [Source::Webhook, Source::Publish] {
            let verdict = decided_from(source, "shopify", kind.clone(), body.clone());
            let is_refused = matches!(&verdict, Verdict::Reject(reject) if reject.class == RejectClass::Auth);
            assert!(is_refused, "{kind} from {source:?}: {verdict:?}");
        }
        assert!(rows_from_within(kind.clone(), body).remove(0).is_ok(), "{kind}");
    }
}

#[test]
fn a_time_far_ahead_is_left_to_the_record_and_one_that_cannot_be_stored_is_none() {
    let occurred_at = |micros| {
        published(product("Tea"), Some(Timestamp::from_micros(micros))).remove(0).unwrap().occurred_at
    };
    let far = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
    assert_eq!(occurred_at(far.as_micros()), Some(far));
    assert_eq!((occurred_at(i64::MAX), occurred_at(-1)), (None, None));
}

#[test]
fn a_topic_of_both_kinds_is_mapped_and_a_thin_one_is_not() {
    let ticket = r#"{"event_type":"TICKET","data":{"ticket_id":"t","order_status":"COMPLETED",
        "last_updated_at":"2026-07-01T00:00:00Z"}}"#;
    assert!(matches!(rows("treez", "TICKET", ticket).as_slice(), [Ok(_)]));
    let inventory = r#"{"event_type":"INVENTORY","data":{"productId":"p"}}"#;
    assert_eq!(decided("treez", "INVENTORY", inventory), Verdict::Skip(Skip::Thin));
    let nameless = r#"{"event_type":"INVENTORY","data":{"productId":null}}"#;
    assert!(matches!(decided("treez", "INVENTORY", nameless), Verdict::Reject(_)));
}

#[test]
fn an_instruction_within_a_published_event_is_refused_like_one_alone() {
    let (external, instruction) =
        (ExternalId::new("x").unwrap(), Instruction::Baseline(BaselineRule::Platform));
    let alone = wire::encode_instruction(&external, &instruction);
    let payload = Payload::Instruction { external, instruction };
    let event = PublishedEvent { action: Action::Updated, occurred_at: None, version: None, payload };
    for (kind, body) in
        [(DeliveryKind::Instruction, alone), (DeliveryKind::Canonical, wire::encode_published(&event))]
    {
        match decided_from(Source::Publish, "square", kind.clone(), body) {
            Verdict::Reject(reject) => assert_eq!(reject.class, RejectClass::Auth, "{kind}"),
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[test]
fn the_begin_of_a_promotion_is_accepted_from_our_services_alone() {
    use model::promotion::{Activity, Promotion};
    let promotion = Promotion::bare(ExternalId::new("p").unwrap());
    let activity = Activity { is_active: true, since: Timestamp::from_micros(7) };
    let payload = Payload::Activity { promotion, activity };
    let event = PublishedEvent { action: Action::Started, occurred_at: None, version: None, payload };
    let decided =
        |source| decided_from(source, "square", DeliveryKind::Canonical, wire::encode_published(&event));
    assert!(matches!(decided(Source::Publish), Verdict::Reject(reject) if reject.class == RejectClass::Auth));
    let Verdict::Rows(rows) = decided(Source::Fetch) else { panic!("rows expected") };
    let [Ok(started)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((started.action, &started.payload), (Action::Started, &event.payload));
}
