use super::*;
use model::{DeliveryId, DeliveryKind, PlatformName, Source, StoreId, TraceParent};
use proptest::prelude::*;

const ROOM_BYTES: u64 = 1_600_000;
const WINDOW: Duration = Duration::from_hours(14);

fn at(hour: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + hour * 3_600_000_000)
}

fn delivery(tenant: &str, connection: &str, bytes: usize) -> Delivery {
    let id = DeliveryId::from_bytes([1; 16]);
    Delivery {
        id,
        origin: Origin {
            tenant: TenantId::new(tenant).unwrap(),
            store: StoreId::new("s").unwrap(),
            connection: ConnectionId::new(connection).unwrap(),
            platform: PlatformName::new("p").unwrap(),
        },
        kind: DeliveryKind::Platform("t".into()),
        received_at: at(0),
        source: Source::Webhook,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace: TraceParent::from_delivery(id),
        body: vec![0; bytes].into(),
    }
}

/// Quotas of a sixteenth and a quarter, and a RAW of one room.
struct Raw {
    quotas: Quotas,
    bytes: u64,
    oldest: Option<i64>,
}

impl Raw {
    fn new() -> Self {
        let shares = RawShares { of_connections: 0.0625, of_tenants: 0.25, window: WINDOW };
        let raw = Self { quotas: Quotas::new(Some(shares)), bytes: 0, oldest: None };
        raw.look(0);
        raw
    }

    fn look(&self, hour: i64) {
        let room = FeedRoom { bytes: self.bytes, max_bytes: ROOM_BYTES, oldest: self.oldest.map(at) };
        self.quotas.note_rooms(vec![room], at(hour));
    }

    fn keep(&mut self, tenant: &str, connection: &str, bytes: u64, hour: i64) {
        let delivery = delivery(tenant, connection, 10);
        self.quotas.kept(0, std::iter::once(&delivery), bytes, at(hour));
        self.bytes += bytes;
        self.oldest = self.oldest.or(Some(hour));
    }

    /// The janitor discards everything from before that hour, so that `bytes` bytes are left.
    fn give_up(&mut self, oldest: i64, bytes: u64) {
        (self.oldest, self.bytes) = (Some(oldest), bytes);
        self.look(oldest);
    }

    fn check(&self, tenant: &str, connection: &str, in_proportion: f64, hour: i64) -> Result<(), Holder> {
        let (tenant, connection) = (TenantId::new(tenant).unwrap(), ConnectionId::new(connection).unwrap());
        self.quotas.check(0, (&tenant, &connection), in_proportion, at(hour))
    }
}

#[test]
fn whoever_holds_more_than_its_share_is_refused_while_the_room_is_over_half_full_and_others_are_in_it() {
    let mut raw = Raw::new();
    raw.keep("a", "a-1", 799_000, 0);
    assert_eq!(raw.check("a", "a-1", 1.0, 0), Ok(()), "the room isn't half full");
    raw.keep("a", "a-1", 2_000, 0);
    assert_eq!(raw.check("a", "a-1", 1.0, 0), Ok(()), "it is alone");
    raw.keep("b", "b-1", 1_000, 0);
    assert_eq!(raw.check("a", "a-1", 1.0, 0), Err(Holder::Connection));
    assert_eq!(raw.check("a", "a-1", 20.0, 0), Err(Holder::Tenant), "it may send more than others");
    assert_eq!(raw.check("a", "a-2", 1.0, 0), Err(Holder::Tenant), "its tenant holds too much");
    assert_eq!((raw.check("b", "b-1", 1.0, 0), raw.check("c", "c-1", 1.0, 0)), (Ok(()), Ok(())));
    raw.keep("b", "b-1", 99_000, 0);
    assert_eq!(raw.check("b", "b-1", 1.0, 0), Err(Holder::Connection), "a sixteenth");
    assert_eq!(raw.check("b", "b-2", 1.0, 0), Ok(()));
}

#[test]
fn a_tenant_that_is_alone_stays_so_whatever_its_batches_are_and_however_often_raw_is_emptied() {
    let mut raw = Raw::new();
    for round in 0..3 {
        for bytes in [333_331, 333_332, 333_337] {
            let batch = ["a-1", "a-2", "a-3"].map(|connection| delivery("a", connection, 10));
            raw.quotas.kept(0, batch.iter(), bytes, at(0));
        }
        raw.bytes = 1_000_000;
        raw.oldest = Some(0);
        raw.look(0);
        assert_eq!(raw.check("a", "a-1", 1.0, 0), Ok(()), "round {round}");
        raw.keep("b", "b-1", 10, 0);
        assert_eq!(raw.check("a", "a-1", 1.0, 0), Err(Holder::Connection), "round {round}");
        (raw.bytes, raw.oldest) = (0, None);
        raw.look(0);
    }
}

#[test]
fn what_raw_has_given_up_is_held_by_nobody() {
    let mut raw = Raw::new();
    raw.keep("a", "a-1", 850_000, 0);
    raw.keep("b", "b-1", 50_000, 3);
    assert_eq!(raw.check("a", "a-1", 1.0, 3), Err(Holder::Connection));
    raw.give_up(3, 50_000);
    raw.keep("c", "c-1", 900_000, 4);
    assert_eq!(raw.check("a", "a-1", 1.0, 4), Ok(()), "what it held is gone");
    assert_eq!(raw.check("c", "c-1", 1.0, 4), Err(Holder::Connection));
    assert_eq!(raw.check("c", "c-1", 1.0, 18), Ok(()), "older than the window");
    raw.give_up(30, 0);
    assert!(raw.quotas.counts().of_connections.is_empty() && raw.quotas.counts().of_tenants.is_empty());
}

#[test]
fn within_a_part_of_the_window_whoever_was_counted_holds_its_part_of_what_is_there() {
    let mut raw = Raw::new();
    // Thirty tenants within their share, and a room that was filled and emptied five times in one hour.
    for _ in 0..5 {
        for tenant in 0..30 {
            raw.keep(&format!("t{tenant}"), &format!("c{tenant}"), 30_000, 0);
        }
        raw.give_up(0, 0);
    }
    raw.bytes = 900_000;
    raw.look(0);
    assert_eq!(raw.check("t1", "c1", 1.0, 0), Ok(()), "150,000 were counted, and 30,000 are there");
    raw.keep("t1", "c1", 5_000_000, 0);
    assert_eq!(raw.check("t1", "c1", 1.0, 0), Err(Holder::Connection));
    assert_eq!(raw.check("t2", "c2", 1.0, 0), Ok(()));
}

#[test]
fn whoever_holds_seven_tenths_of_its_share_is_named_before_it_is_refused() {
    let mut raw = Raw::new();
    raw.keep("b", "b-1", 1_000, 0);
    raw.keep("a", "a-1", 500_000, 0);
    assert_eq!(raw.quotas.reported(at(0)), None, "the room isn't full enough");
    raw.keep("a", "a-2", 80_000, 0);
    assert_eq!(raw.check("a", "a-1", 1.0, 0), Ok(()));
    let reported = raw.quotas.reported(at(0)).unwrap();
    let named = "connection a-1 of tenant a (500 %), tenant a (145 %), connection a-2 of tenant a (80 %)";
    assert!(reported.ends_with(named), "{reported}");
    for number in 3..20 {
        raw.keep("a", &format!("a-{number}"), 90_000, 0);
    }
    assert!(raw.quotas.reported(at(0)).unwrap().ends_with(", and 15 further"));
}

#[test]
fn what_a_batch_takes_is_put_down_to_its_deliveries_by_their_size() {
    let raw = Raw::new();
    let batch = [delivery("a", "a-1", 10_000), delivery("b", "b-1", 0), delivery("a", "a-2", 10_000)];
    raw.quotas.kept(0, batch.iter(), 2_000, at(0));
    let counts = raw.quotas.counts();
    let of = |connection: &str| {
        counts.of_connections[&ConnectionId::new(connection).unwrap()].0.slots.bytes.iter().sum::<u64>()
    };
    assert_eq!((of("a-1"), of("b-1"), of("a-2")), (987, 24, 987));
}

#[test]
fn without_shares_or_knowledge_of_rooms_nobody_is_refused() {
    let quotas = Quotas::new(None);
    quotas.kept(0, std::iter::once(&delivery("a", "a-1", 10)), 1 << 40, at(0));
    assert!(quotas.counts().of_connections.is_empty());
    let (tenant, connection) = (TenantId::new("a").unwrap(), ConnectionId::new("a-1").unwrap());
    assert_eq!(quotas.check(0, (&tenant, &connection), 1.0, at(0)), Ok(()));
    let raw = Raw::new();
    assert_eq!(raw.quotas.check(7, (&tenant, &connection), 1.0, at(0)), Ok(()));
}

proptest! {
    /// A count in slots equals that of a list with times.
    #[test]
    fn slots_hold_what_came_in_the_window(steps in prop::collection::vec((0_i64..20, 0_u64..100), 0..60), oldest in 0_i64..400) {
        let (mut slots, mut list, mut now) = (Slots::default(), Vec::new(), 0);
        for (later, bytes) in steps {
            now += later;
            slots.add(now, bytes);
            list.push((now, bytes));
        }
        let first = oldest.max(now - SLOTS_BACK);
        let expected: u64 = list.iter().filter(|(slot, _)| *slot >= first).map(|(_, bytes)| bytes).sum();
        prop_assert_eq!(slots.since(oldest, now), expected);
    }
}
