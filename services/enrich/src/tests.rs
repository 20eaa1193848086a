use super::*;
use model::{
    Action, DeliveryId, EventId, InventoryReport, Origin, PlatformName, Quantity, RawDigest, StoreId,
    TenantId, Timestamp, TraceParent,
};

fn origin() -> Origin {
    Origin {
        tenant: TenantId::new("t").unwrap(),
        store: StoreId::new("s").unwrap(),
        connection: ConnectionId::new("c").unwrap(),
        platform: PlatformName::new("shopify").unwrap(),
    }
}

fn level(location: Option<&str>) -> Event {
    let delivery = DeliveryId::from_bytes([1; 16]);
    Event {
        id: EventId::from_bytes([1; 16]),
        correlation: delivery,
        delivery,
        origin: origin(),
        action: Action::Updated,
        occurred_at: None,
        received_at: Timestamp::from_micros(1),
        version: None,
        payload: Payload::Inventory(InventoryReport {
            item: ExternalId::new("item").unwrap(),
            location: location.map(|text| ExternalId::new(text).unwrap()),
            available: Some(Quantity::pieces(1)),
        }),
        links: Vec::new(),
        raw_digest: RawDigest::of(b""),
        hops: 0,
        attempt: 0,
        trace: TraceParent::from_delivery(delivery),
        position: Position::default(),
    }
}

fn lane(enabled: bool, default_location: Option<&str>) -> Lane {
    let default_location = default_location.map(|text| LocationId::new(text).unwrap());
    let known = Known { origin: origin(), enabled, default_location };
    let mut lane = Lane::default();
    lane.connections.insert(origin().connection, Arc::new(known));
    for (kind, external, internal) in [(LinkKind::Location, "L", "main"), (LinkKind::Item, "item", "var_1")] {
        let key = (origin().connection, kind, ExternalId::new(external).unwrap());
        lane.links.insert(key, internal.into());
    }
    lane
}

fn decide(event: Event, mut lane: Lane) -> Verdict<Event> {
    Enrich.decide(Position::default(), event, &mut lane)
}

#[test]
fn what_is_known_is_linked() {
    let Verdict::Emit(events) = decide(level(Some("L")), lane(true, None)) else { panic!("not passed on") };
    let links: Vec<_> = events[0].links.iter().map(|link| (link.kind, link.internal.as_str())).collect();
    assert_eq!(links, [(LinkKind::Location, "main"), (LinkKind::Item, "var_1")]);
}

#[test]
fn a_level_without_a_location_is_at_the_connections_default_or_refused() {
    let Verdict::Emit(events) = decide(level(None), lane(true, Some("main"))) else {
        panic!("not passed on")
    };
    assert_eq!(events[0].links[0].internal, "main");
    let Verdict::Reject(reject) = decide(level(None), lane(true, None)) else { panic!("not refused") };
    assert_eq!(reject.class, RejectClass::Config);
}

#[test]
fn an_unlinked_location_is_refused_by_name() {
    let Verdict::Reject(reject) = decide(level(Some("elsewhere")), lane(true, None)) else {
        panic!("not refused")
    };
    assert_eq!(reject.class, RejectClass::Config);
    assert!(reject.reason.contains("elsewhere"), "{reject}");
}

#[test]
fn a_connection_that_is_off_unknown_or_anothers_passes_nothing_on() {
    assert_eq!(decide(level(Some("L")), lane(false, None)), Verdict::Skip(Skip::Disabled));
    assert!(matches!(decide(level(Some("L")), Lane::default()), Verdict::Reject(_)));
    let mut anothers = level(Some("L"));
    anothers.origin.store = StoreId::new("other").unwrap();
    assert!(matches!(decide(anothers, lane(true, None)), Verdict::Reject(_)));
}
