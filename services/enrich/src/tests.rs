use super::*;
use model::{
    Action, DeliveryId, EventId, InventoryReport, Origin, PlatformName, Quantity, RawDigest, StockedAt,
    StoreId, TenantId, Timestamp, TraceParent,
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
        is_read_back: false,
        asked_by: None,
        attempt: 0,
        trace: TraceParent::from_delivery(delivery),
        position: Position::default(),
    }
}

fn state(default_location: Option<&str>) -> PartitionState {
    let default_location = default_location.map(|text| LocationId::new(text).unwrap());
    let known = Known { origin: origin(), default_location };
    let mut state = PartitionState::default();
    state.connections.insert(origin().connection, Arc::new(known));
    let key = LinkKey {
        connection: origin().connection,
        kind: LinkKind::Location,
        external: ExternalId::new("L").unwrap(),
    };
    state.links.insert(key, "main".into());
    state
}

fn decide(event: Event, mut state: PartitionState) -> Verdict<Event> {
    Enrich.decide(Position::default(), event, &mut state)
}

fn linked(event: Event, state: PartitionState) -> Vec<Link> {
    let Verdict::Emit(events) = decide(event, state) else { panic!("not passed on") };
    events[0].links.clone()
}

/// The link of a location to ours.
fn main_is(location: LocationRef) -> Link {
    Link { of: LinkedRef::Location(location), internal: "main".to_owned() }
}

/// The location that the state links.
fn linked_location() -> LocationRef {
    LocationRef::Named(ExternalId::new("L").unwrap())
}

#[test]
fn a_level_is_at_the_location_that_is_linked_or_at_the_connections_default() {
    assert_eq!(linked(level(Some("L")), state(None)), [main_is(linked_location())]);
    assert_eq!(linked(level(None), state(Some("main"))), [main_is(LocationRef::Default)]);
}

#[test]
fn a_level_at_a_location_that_nobody_linked_goes_on_without_one() {
    assert_eq!(linked(level(Some("elsewhere")), state(Some("main"))), []);
    assert_eq!(linked(level(None), state(None)), []);
}

#[test]
fn the_locations_of_a_complete_list_are_linked_as_far_as_they_are_known() {
    let locations = ["elsewhere", "L"].map(|text| ExternalId::new(text).unwrap()).to_vec();
    let stocked = StockedAt { item: ExternalId::new("item").unwrap(), locations };
    let event = Event { payload: Payload::Stocked(stocked), ..level(None) };
    assert_eq!(linked(event, state(None)), [main_is(linked_location())]);
}

#[test]
fn a_connection_that_is_unknown_or_anothers_passes_nothing_on() {
    assert!(matches!(decide(level(Some("L")), PartitionState::default()), Verdict::Reject(_)));
    let mut anothers = level(Some("L"));
    anothers.origin.store = StoreId::new("other").unwrap();
    assert!(matches!(decide(anothers, state(None)), Verdict::Reject(_)));
}
