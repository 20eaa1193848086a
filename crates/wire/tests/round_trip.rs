//! Values are read as they were written, and errors name the cause.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use model::{
    AccountNotice, Action, AskedBy, BaselineRule, ConnectionId, Currency, Customer, Delivery, DeliveryId,
    DeliveryKind, DroppedInput, Duty, EntityKind, Event, EventId, ExternalId, FieldKey, Instruction,
    InventoryReport, LevelKey, Link, LinkedRef, LocationId, LocationRef, MatchedLink, MirrorKey, Money,
    Order, OrderLine, OrderStatus, Origin, Outcome, Patch, Payload, Payment, PaymentKind, PaymentLabel,
    PlatformName, Position, Product, ProductId, ProductStatus, Quantity, RawDigest, Refund, RefundLine,
    Settlement, Side, Source, SourceVersion, StockedAt, StoreId, TaxLine, TenantId, Timestamp, TraceParent,
    Variant, VariantId, Waiting,
    matching::Score,
    promotion::{Activity, Promotion},
    record::{Applied, CatalogRow, Clocked, Effect, MovementReason, ProductRow, VariantRow},
};
use model::{
    AttributeName, Image, ImageUrl, LabResult, Potency, PriceTier, ProductDetails, Substance, TierBasis,
    TierUnit, VariantDetails,
    record::{KeptProductDetails, KeptVariantDetails},
};
use proptest::prelude::*;
use stage::{Reject, RejectClass};
use wire::{BATCH_RECORDS_MAX, DELIVERY_BYTES_MAX, DeadLetter, DecodeError, EventBatch, Original};

fn external(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::new("USD").unwrap() }
}

fn origin() -> Origin {
    Origin {
        tenant: TenantId::new("t").unwrap(),
        store: StoreId::new("s").unwrap(),
        connection: ConnectionId::new("c").unwrap(),
        platform: PlatformName::new("shopify").unwrap(),
    }
}

fn field_key() -> FieldKey {
    FieldKey { connection: origin().connection, external: external("gid://Thing/1") }
}

fn asked_by(mirror: MirrorKey) -> AskedBy {
    AskedBy { mirror, waiting: Waiting(u32::MAX) }
}

/// Returns no asking mirror, and mirrors of every kind.
fn askers() -> Vec<Option<AskedBy>> {
    let level = LevelKey {
        connection: origin().connection,
        item: external("i"),
        location: LocationId::new("main").unwrap(),
    };
    let mirrors = [MirrorKey::Level(level), MirrorKey::Price(field_key()), MirrorKey::Text(field_key())];
    let mut askers = vec![None, Some(AskedBy { waiting: Waiting(0), ..asked_by(mirrors[0].clone()) })];
    askers.extend(mirrors.map(|mirror| Some(asked_by(mirror))));
    askers
}

#[test]
fn who_asked_for_a_reading_goes_with_it() {
    for asked_by in askers() {
        let delivery = Delivery { asked_by: asked_by.clone(), ..delivery(b"x".to_vec()) };
        let read = wire::decode_delivery(wire::encode_delivery(&delivery)).unwrap();
        assert_eq!(read, delivery);
        let event = Event { asked_by, ..event(payloads().remove(0)) };
        assert_eq!(wire::decode_event(wire::encode_event(&event)).unwrap(), event);
    }
}

fn delivery(body: Vec<u8>) -> Delivery {
    let id = DeliveryId::from_bytes([3; 16]);
    Delivery {
        id,
        origin: origin(),
        kind: DeliveryKind::Platform("products/update".into()),
        received_at: Timestamp::from_micros(1_700_000_000_000_000),
        source: Source::ReadBack,
        cause: Some(DeliveryId::from_bytes([4; 16])),
        asked_by: Some(asked_by(MirrorKey::Text(field_key()))),
        attempt: 2,
        currency: Currency::new("USD").ok(),
        account: Some("shop".into()),
        headers: vec![("x-a".into(), "b".into())],
        trace: TraceParent::from_delivery(id),
        body: body.into(),
    }
}

fn event(payload: Payload) -> Event {
    let delivery = DeliveryId::from_bytes([5; 16]);
    Event {
        id: EventId::from_bytes([1; 16]),
        correlation: delivery,
        delivery,
        origin: origin(),
        action: match &payload {
            Payload::Activity { activity, .. } if activity.is_active => Action::Started,
            Payload::Activity { .. } => Action::Ended,
            _ => Action::Updated,
        },
        occurred_at: Some(Timestamp::from_micros(5)),
        received_at: Timestamp::from_micros(6),
        version: Some(SourceVersion::exact(-1)),
        payload,
        links: [
            LinkedRef::Item(external("i")),
            LinkedRef::Location(LocationRef::Default),
            LinkedRef::Location(LocationRef::Named(external("l"))),
        ]
        .map(|of| Link { of, internal: "our_1".to_owned() })
        .to_vec(),
        raw_digest: RawDigest::of(b"x"),
        is_read_back: true,
        asked_by: None,
        attempt: 3,
        trace: TraceParent::from_delivery(delivery),
        position: Position { raw_sequence: 7, delivery: 8, event: 9 },
    }
}

/// The begin or the end of a promotion.
fn activity(is_active: bool) -> Payload {
    let activity = Activity { is_active, since: Timestamp::from_micros(9) };
    Payload::Activity { promotion: Promotion::bare(external("m")), activity }
}

fn payloads() -> Vec<Payload> {
    let variant = Variant {
        external: external("v"),
        item: Some(external("i")),
        title: None,
        sku: Patch::Clear,
        barcode: Patch::Keep,
        price: Patch::Set(usd(-5)),
        compare_at_price: Patch::Clear,
        details: variant_details(),
    };
    let product = Product {
        external: external("788032119674292922"),
        title: Some(String::new()),
        description: Patch::Set("ü".to_owned()),
        vendor: Patch::Keep,
        category: Patch::Clear,
        status: Some(ProductStatus::Draft),
        tags: Some(Vec::new()),
        variants: vec![variant],
        variants_complete: false,
        details: product_details(),
    };
    let bare = Product {
        title: None,
        description: Patch::Keep,
        category: Patch::Keep,
        status: None,
        tags: None,
        variants: Vec::new(),
        variants_complete: true,
        details: ProductDetails::default(),
        ..product.clone()
    };
    let line = OrderLine {
        external: external("l"),
        variant: None,
        sku: None,
        title: Some("Tea".to_owned()),
        quantity: Quantity::parse("2.5").unwrap(),
        unit_price: Some(usd(0)),
        total: None,
    };
    let order = Order {
        external: external("o"),
        is_test: true,
        number: None,
        status: OrderStatus::Completed,
        total: Some(usd(100)),
        tax: None,
        discount: Some(usd(0)),
        placed_at: Some(Timestamp::from_micros(0)),
        closed_at: None,
        customer: None,
        location: Some(external("l")),
        employee: None,
        refund_of: None,
        lines: vec![line],
        settlement: settlement(),
    };
    let unsettled = Order { settlement: Settlement::default(), ..order.clone() };
    let customer = Customer {
        external: external("c"),
        first_name: Patch::Set("A".to_owned()),
        last_name: Patch::Clear,
        email: Patch::Keep,
        phone: Patch::Keep,
        tags: None,
        merged_into: None,
    };
    let report = |available| InventoryReport { item: external("i"), location: None, available };
    let mut payloads = notices_and_instructions();
    payloads.extend([
        Payload::Product(product),
        Payload::Product(bare),
        Payload::Inventory(report(Some(Quantity::ZERO))),
        Payload::Inventory(report(None)),
        Payload::Order(order),
        Payload::Order(unsettled),
        Payload::Customer(customer),
        Payload::Promotion(Promotion::bare(external("m"))),
        activity(true),
        activity(false),
        Payload::Deleted { entity: EntityKind::Promotion, external: external("m") },
        Payload::Deleted { entity: EntityKind::Product, external: external("p") },
        Payload::Stocked(StockedAt { item: external("i"), locations: vec![external("l"), external("m")] }),
        Payload::Stocked(StockedAt { item: external("i"), locations: Vec::new() }),
    ]);
    payloads
}

fn image() -> Image {
    Image { url: ImageUrl::new("https://a.example/b.png").unwrap(), alt: Some("b".to_owned()) }
}

fn product_details() -> ProductDetails {
    let attributes = AttributeName::ALL.map(|name| (name, vec![name.as_str().to_owned()]));
    ProductDetails { images: Some(vec![image()]), attributes: Some(attributes.into()) }
}

fn variant_details() -> VariantDetails {
    let result = |text| LabResult {
        substance: Substance::new("THC").unwrap(),
        potency: Potency::parse(text, None).unwrap().unwrap(),
    };
    let tier = |unit, basis| PriceTier { from: Quantity::parse("3.5").unwrap(), unit, price: usd(5), basis };
    VariantDetails {
        images: Some(Vec::new()),
        lab_results: Some(["14.75-28.31 %", "n.d.", "<0.1 mg/g"].map(result).to_vec()),
        price_tiers: Some(vec![
            tier(TierUnit::Piece, TierBasis::Unit),
            tier(TierUnit::Gram, TierBasis::Whole),
            tier(TierUnit::Weight, TierBasis::Unknown),
        ]),
    }
}

fn kept_product_details() -> KeptProductDetails {
    let mut kept = KeptProductDetails::default();
    kept.take(&product_details(), Timestamp::from_micros(11));
    kept
}

fn kept_variant_details() -> KeptVariantDetails {
    let mut kept = KeptVariantDetails::default();
    kept.take(&variant_details(), Timestamp::from_micros(12));
    kept
}

fn settlement() -> Settlement {
    let payment = Payment {
        external: Some(external("p")),
        kind: PaymentKind::DebitCard,
        method: PaymentLabel::new("Debit").ok(),
        card_brand: PaymentLabel::new("VISA").ok(),
        amount: Some(usd(100)),
        tip: Some(usd(0)),
        paid_at: Some(Timestamp::from_micros(7)),
    };
    let lines = vec![
        RefundLine { line: external("l"), quantity: Quantity::parse("1.5").ok(), amount: Some(usd(50)) },
        RefundLine { line: external("m"), quantity: None, amount: None },
    ];
    Settlement {
        tip: Some(usd(12)),
        taxes: Some(vec![
            TaxLine { name: Some("State".to_owned()), amount: usd(3) },
            TaxLine { name: None, amount: usd(-3) },
        ]),
        payments: Some(vec![payment, Payment::of(PaymentKind::Other)]),
        refunds: Some(vec![
            Refund {
                external: Some(external("r")),
                amount: Some(usd(50)),
                refunded_at: Some(Timestamp::from_micros(8)),
                lines,
            },
            Refund { external: None, amount: None, refunded_at: None, lines: Vec::new() },
        ]),
    }
}

fn notices_and_instructions() -> Vec<Payload> {
    let location = LocationId::new("main").unwrap();
    let mut instructions = vec![
        Instruction::Link { variant: external("v"), to: VariantId::new("var_1").unwrap() },
        Instruction::Unlink { variant: external("v") },
        Instruction::LinkMatched(MatchedLink {
            variant: external("v"),
            from: VariantId::new("var_1").unwrap(),
            to: VariantId::new("var_2").unwrap(),
            score: Score::new(950).unwrap(),
            is_automatic: true,
            is_only_variant: false,
        }),
        Instruction::LinkLocation { location: external("l"), to: location.clone() },
    ];
    for side in [Side::Store, Side::Platform] {
        instructions.push(Instruction::Adopt { item: external("i"), location: location.clone(), side });
    }
    instructions.extend(BaselineRule::ALL.map(Instruction::Baseline));
    let instructions = instructions
        .into_iter()
        .map(|instruction| Payload::Instruction { external: external("x"), instruction });
    let notices = Duty::ALL.map(|duty| Payload::Account(AccountNotice { external: external("a"), duty }));
    notices.into_iter().chain(instructions).collect()
}

#[test]
fn every_payload_is_read_as_it_was_written_unknown_zero_and_empty_apart() {
    let events: Vec<Event> = payloads().into_iter().map(event).collect();
    let dropped_input = |event| DroppedInput {
        position: Position { raw_sequence: 1, delivery: 2, event: 3 },
        origin: origin(),
        delivery: DeliveryId::from_bytes([5; 16]),
        event,
        stage: "normalize".into(),
        outcome: Outcome::Dead,
        reason: "schema: not a number at /id".into(),
        received_at: Timestamp::from_micros(6),
    };
    let dropped_inputs = vec![dropped_input(None), dropped_input(Some(EventId::from_bytes([1; 16])))];
    let batch = wire::decode_events(wire::encode_events(&events, &dropped_inputs)).unwrap();
    assert_eq!(batch, EventBatch { events: events.clone(), dropped_inputs: dropped_inputs.clone() });

    let encoded = wire::encode_events(&events, &dropped_inputs);
    let records = wire::decode_records(encoded.clone()).unwrap();
    assert_eq!(records.dropped_inputs, dropped_inputs);
    for (record, event) in records.events.iter().zip(&events) {
        let head = (record.id, record.delivery, &record.origin, record.received_at, record.position);
        assert_eq!(head, (event.id, event.delivery, &event.origin, event.received_at, event.position));
        assert_eq!((record.attempt, &record.event().unwrap()), (event.attempt, event));
    }
    assert_eq!(
        wire::encode_records(&records.events, &records.dropped_inputs),
        encoded,
        "passed on as it came"
    );
}

#[test]
fn a_large_batch_is_compressed_and_read_again() {
    let deliveries = vec![delivery(vec![b'x'; 1000]); BATCH_RECORDS_MAX];
    let batch = wire::encode_deliveries(&deliveries);
    assert!(batch.len() < 100_000, "{} bytes", batch.len());
    assert_eq!(wire::decode_deliveries(batch).unwrap(), deliveries);
}

#[test]
fn the_largest_delivery_fits_with_its_head_even_if_it_cannot_be_compressed() {
    const HEAD_BYTES_MAX: usize = 64 * 1024;
    // xorshift64 (Marsaglia, 2003).
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    let mut largest = delivery((0..DELIVERY_BYTES_MAX).map(|_| byte()).collect());
    let header = "x".repeat(16 * 1024);
    largest.headers = vec![("x-a".into(), header.into())];
    let batch = wire::encode_deliveries([&largest]);
    assert!(batch.len() > DELIVERY_BYTES_MAX && batch.len() < DELIVERY_BYTES_MAX + HEAD_BYTES_MAX);
    assert_eq!(wire::decode_deliveries(batch).unwrap(), [largest.clone()]);

    let dead_letter = DeadLetter {
        stage: "normalize".to_owned(),
        reject: Reject::new(RejectClass::Schema, "no"),
        rejected_at: Timestamp::from_micros(7),
        position: Position { raw_sequence: 1, delivery: 0, event: 0 },
        original: Original::Delivery(Box::new(largest)),
        body_in_raw: None,
    };
    let dead = wire::encode_dead(&dead_letter);
    assert!(dead.len() < DELIVERY_BYTES_MAX + HEAD_BYTES_MAX, "{} bytes", dead.len());
    assert_eq!(wire::decode_dead(dead).unwrap(), dead_letter);
}

#[test]
fn a_batch_that_swells_beyond_its_limit_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; wire::DECODED_BYTES_MAX + 1], 1).unwrap();
    assert!(matches!(wire::decode_events(bomb.into()), Err(DecodeError::Compression(_))));
}

#[test]
fn a_missing_field_is_named() {
    // An empty `Event` as field 1 of a batch.
    let empty = Bytes::from_static(&[0x0a, 0x00]);
    let error = wire::decode_events(empty).unwrap_err();
    assert!(error.to_string().starts_with("id is invalid"), "{error}");
    let error = wire::decode_records(Bytes::from_static(&[0x0a, 0x00])).unwrap_err();
    assert!(error.to_string().starts_with("id is invalid"), "{error}");
    let error = wire::decode_published(Bytes::new()).unwrap_err();
    assert!(matches!(error, DecodeError::Missing("action")), "{error}");
}

#[test]
fn what_a_platform_publishes_is_read_as_it_was_written() {
    for payload in payloads() {
        let event = event(payload);
        let published = wire::PublishedEvent {
            action: event.action,
            occurred_at: event.occurred_at,
            version: event.version,
            payload: event.payload,
        };
        assert_eq!(wire::decode_published(wire::encode_published(&published)).unwrap(), published);
    }
}

#[test]
fn what_the_intake_noted_in_headers_is_read_into_fields() {
    let now = delivery(b"x".to_vec());
    let mut before = Delivery { currency: None, account: None, ..now.clone() };
    let noted = [("tillflow-currency", "USD"), ("tillflow-account", "shop")];
    before.headers.extend(noted.map(|(name, value)| (name.into(), value.into())));
    assert_eq!(wire::decode_delivery(wire::encode_delivery(&before)).unwrap(), now);

    before.headers[1].1 = "no currency".into();
    let read = wire::decode_delivery(wire::encode_delivery(&before)).unwrap();
    assert_eq!(read, Delivery { currency: None, ..now });
}

#[test]
fn a_version_whose_precision_is_not_stated_may_be_that_of_several_states() {
    let published = wire::PublishedEvent {
        action: Action::Updated,
        occurred_at: None,
        version: Some(SourceVersion::exact(5)),
        payload: payloads().remove(0),
    };
    let encoded = wire::encode_published(&published);
    // The field of the precision is the last one.
    let before = encoded.strip_suffix(&[0xc0, 0x01, 0x01]).expect("the precision is encoded");
    let read = wire::decode_published(Bytes::copy_from_slice(before)).unwrap();
    assert_eq!(read.version, Some(SourceVersion::coarse(5)));
}

fn effects() -> Vec<Effect> {
    let (variant, location) = (VariantId::new("var_1").unwrap(), LocationId::new("l").unwrap());
    let level = |reason| Effect::Level {
        variant: variant.clone(),
        location: location.clone(),
        delta: Quantity::pieces(-1),
        level: Quantity::ZERO,
        reason,
    };
    vec![
        level(MovementReason::FirstCount),
        level(MovementReason::Reported),
        Effect::Price { variant: variant.clone(), price: usd(7) },
        Effect::Text { product: ProductId::new("prd_1").unwrap() },
        Effect::Linked { variant },
    ]
}

/// Returns rows whose fields are set, empty on purpose, and never reported.
fn rows() -> Vec<CatalogRow> {
    fn clocked<T>(value: T) -> Clocked<T> {
        Clocked { value, at: Timestamp::from_micros(8) }
    }
    let Origin { tenant, store, .. } = origin();
    let product = ProductRow {
        id: ProductId::new("prd_1").unwrap(),
        tenant: tenant.clone(),
        store: store.clone(),
        title: Some(clocked("Tea".to_owned())),
        description: Some(clocked(String::new())),
        vendor: None,
        category: None,
        status: Some(clocked(ProductStatus::Draft)),
        tags: Some(clocked(Vec::new())),
        details: kept_product_details(),
        deleted_at: Some(Timestamp::from_micros(9)),
    };
    let variant = VariantRow {
        id: VariantId::new("var_1").unwrap(),
        tenant,
        store,
        product: product.id.clone(),
        title: None,
        sku: Some(clocked("T-1".to_owned())),
        barcode: None,
        price: Some(clocked(usd(0))),
        compare_at_price: Some(clocked(None)),
        details: kept_variant_details(),
    };
    let details = KeptProductDetails::default();
    let bare = ProductRow { status: None, tags: None, deleted_at: None, details, ..product.clone() };
    let dear = VariantRow { price: None, compare_at_price: Some(clocked(Some(usd(1)))), ..variant.clone() };
    vec![
        CatalogRow::Product(product),
        CatalogRow::Product(bare),
        CatalogRow::Variant(variant),
        CatalogRow::Variant(dear),
    ]
}

#[test]
fn changes_and_dead_letters_are_read_as_they_were_written() {
    let applied = Applied {
        number: 4,
        sequence: 3,
        event: event(payloads().remove(2)),
        effects: effects(),
        rows: rows(),
    };
    assert_eq!(wire::decode_applied(wire::encode_applied(&applied).unwrap()).unwrap(), applied);
    let dead_letter = DeadLetter {
        stage: "normalize".to_owned(),
        reject: Reject::at(RejectClass::Schema, "/id", "not a number"),
        rejected_at: Timestamp::from_micros(9),
        position: Position { raw_sequence: 1, delivery: 2, event: 0 },
        original: Original::Delivery(Box::new(delivery(b"\x00\xff{".to_vec()))),
        body_in_raw: None,
    };
    assert_eq!(wire::decode_dead(wire::encode_dead(&dead_letter)).unwrap(), dead_letter);
}

#[test]
fn a_dead_letter_whose_body_lies_in_raw_gets_that_body_back_and_no_other() {
    let whole = DeadLetter {
        stage: "normalize".to_owned(),
        reject: Reject::new(RejectClass::Schema, "no"),
        rejected_at: Timestamp::from_micros(9),
        position: Position { raw_sequence: 1, delivery: 2, event: 0 },
        original: Original::Delivery(Box::new(delivery(b"a long body".to_vec()))),
        body_in_raw: None,
    };
    let stored = wire::encode_dead(&whole.clone().without_body());
    let dead_letter = wire::decode_dead(stored).unwrap();
    assert_eq!((dead_letter.body_bytes(), dead_letter.body_in_raw.map(|body| body.bytes)), (0, Some(11)));
    let refused = |found: model::Delivery| dead_letter.clone().with_body_of(&found).is_none();
    assert!(refused(delivery(b"another body".to_vec())));
    assert!(refused(model::Delivery {
        id: model::DeliveryId::from_bytes([9; 16]),
        ..delivery(b"a long body".to_vec())
    }));
    assert_eq!(dead_letter.clone().with_body_of(&delivery(b"a long body".to_vec())), Some(whole.clone()));
    assert_eq!(whole.with_body_of(&delivery(b"a long body".to_vec())), None, "it lacks none");
}

#[test]
fn dead_letters_of_one_cause_have_one_fingerprint_and_others_another() {
    let dead_letter = |reason: &str, pointer: &str| DeadLetter {
        stage: "normalize".to_owned(),
        reject: Reject::at(RejectClass::Schema, pointer, reason),
        rejected_at: Timestamp::from_micros(9),
        position: Position { raw_sequence: 1, delivery: 2, event: 0 },
        original: Original::Delivery(Box::new(delivery(b"{}".to_vec()))),
        body_in_raw: None,
    };
    let first = dead_letter("12 isn't a text", "/variants/0/sku").fingerprint();
    assert_eq!(first.len(), 12);
    assert_eq!(first, dead_letter("7 isn't a text", "/variants/31/sku").fingerprint());
    for other in [
        dead_letter("12 isn't a number", "/variants/0/sku"),
        dead_letter("12 isn't a text", "/variants/0/id"),
    ] {
        assert_ne!(first, other.fingerprint());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = wire::decode_events(bytes.clone());
        let _ = wire::decode_deliveries(bytes.clone());
        let _ = wire::decode_applied(bytes.clone());
        let _ = wire::decode_dead(bytes);
    }
}

#[test]
fn a_begin_of_a_promotion_is_an_update_of_it_to_a_reader_that_knows_of_none() {
    let started = event(activity(true));
    let written = wire::encode_event(&started);
    // The field of the activity: number 40, a message.
    let (tag, activity) = ([0xc2_u8, 0x02], [0x08_u8, 1, 0x10, 9]);
    let field: Vec<u8> = tag.iter().copied().chain([4]).chain(activity).collect();
    let at = written.windows(field.len()).position(|bytes| bytes == field).expect("the field is there");
    let without: Vec<u8> = [&written[..at], &written[at + field.len()..]].concat();
    let read = wire::decode_event(without.into()).unwrap();
    let promotion = Payload::Promotion(Promotion::bare(external("m")));
    assert_eq!(read, Event { action: Action::Updated, payload: promotion, ..started });
}
