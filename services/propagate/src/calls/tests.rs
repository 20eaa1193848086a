use super::{requests::write, *};
use model::{ConnectionId, Currency, ExternalId, FieldKey, LevelKey, LocationId, Money, Quantity};
use platforms::Write;
use stage::RejectClass;
use store::DueChange;

fn due(attempt: u32) -> DueWrite {
    DueWrite {
        key: MirrorKey::Level(LevelKey {
            connection: ConnectionId::new("c").unwrap(),
            item: ExternalId::new("item").unwrap(),
            location: LocationId::new("main").unwrap(),
        }),
        internal: Some("var_1".to_owned()),
        location: Some(ExternalId::new("L").unwrap()),
        product: None,
        change: DueChange::Level { from: Quantity::pieces(9), to: Quantity::pieces(8) },
        sent_key: "key".to_owned(),
        attempt,
        begun_at: Timestamp::from_micros(0),
        trace: None,
    }
}

fn price() -> DueWrite {
    let price =
        FieldKey { connection: ConnectionId::new("c").unwrap(), external: ExternalId::new("item").unwrap() };
    let change = DueChange::Price(Money::parse("1.00", Currency::new("USD").unwrap()).unwrap());
    DueWrite { key: MirrorKey::Price(price), change, ..due(1) }
}

fn retry_pause(due: &DueWrite, reply: CallError) -> Duration {
    let (_, result) = result(due, Err(reply), Timestamp::from_micros(0), 1.0);
    let CallResult::Retry { at, .. } = result else { panic!("not tried again: {result:?}") };
    Duration::from_micros(u64::try_from(at.as_micros()).unwrap())
}

#[test]
fn a_level_is_written_against_what_the_platform_held() {
    let write = write(&due(1)).unwrap();
    let Write::Level { to, from, .. } = write else { panic!("not a level") };
    assert_eq!((to, from), (Quantity::pieces(8), Quantity::pieces(9)));
}

#[test]
fn a_price_of_an_unlinked_product_is_refused_not_guessed() {
    assert_eq!(write(&price()).unwrap_err().class, RejectClass::Bug);
}

#[test]
fn pauses_double_up_to_a_limit_and_obey_the_platform() {
    let unwell = || CallError::transient("503");
    assert_eq!(retry_pause(&due(1), unwell()), RETRY_FIRST);
    assert_eq!(retry_pause(&due(3), unwell()), RETRY_FIRST * 4);
    assert_eq!(retry_pause(&due(40), unwell()), RETRY_LONGEST);
    let wait = Duration::from_secs(30);
    assert_eq!(retry_pause(&due(1), CallError::RateLimited { after: Some(wait) }), wait);
}

#[test]
fn a_refused_comparison_of_a_level_is_read_back() {
    let (_, stale) = result(&due(1), Err(CallError::Conflict), Timestamp::from_micros(0), 1.0);
    assert_eq!(stale, CallResult::Conflict);
}

#[test]
fn a_refused_comparison_of_a_price_is_made_anew_after_a_pause() {
    assert_eq!(retry_pause(&price(), CallError::Conflict), RETRY_FIRST);
}

#[test]
fn an_account_that_is_turned_away_says_nothing_of_the_value() {
    let refused = CallError::from(Reject::new(RejectClass::Auth, "no"));
    let (_, of_account) = result(&due(1), Err(refused), Timestamp::from_micros(0), 1.0);
    assert!(matches!(of_account, CallResult::AccountRefused { .. }), "{of_account:?}");
    let refused = CallError::from(Reject::new(RejectClass::Platform, "no"));
    let (_, of_value) = result(&due(1), Err(refused), Timestamp::from_micros(0), 1.0);
    assert!(matches!(of_value, CallResult::Refused { .. }), "{of_value:?}");
}

#[test]
fn writes_of_one_kind_are_made_together_up_to_the_limit_of_the_kind() {
    let level = |key: &str| DueWrite { sent_key: key.to_owned(), ..due(1) };
    let of_price = |key: &str| DueWrite { sent_key: key.to_owned(), ..price() };
    let due = vec![level("3"), of_price("2"), level("1"), level("4"), of_price("5")];
    let grouped = batches(due, |kind| if kind == MirrorKind::Inventory { 2 } else { 1 });
    let keys = grouped.iter().map(|batch| batch.iter().map(|due| due.sent_key.as_str()).collect::<Vec<_>>());
    let expected: [&[&str]; 4] = [&["1", "3"], &["2"], &["4"], &["5"]];
    assert_eq!(keys.collect::<Vec<_>>(), expected);
}

#[test]
fn a_batch_that_is_due_again_is_the_same_whatever_else_is_due() {
    let begun = |key: &str, second: u64| {
        let begun_at = Timestamp::from_micros(0).after(Duration::from_secs(second));
        DueWrite { sent_key: key.to_owned(), begun_at, ..due(2) }
    };
    let due = vec![begun("new", 9), begun("b", 1), begun("newer", 9), begun("a", 1)];
    let grouped = batches(due, |_| 50);
    let keys = grouped.iter().map(|batch| batch.iter().map(|due| due.sent_key.as_str()).collect::<Vec<_>>());
    assert_eq!(keys.collect::<Vec<_>>(), [["new", "newer"], ["a", "b"]]);
}
