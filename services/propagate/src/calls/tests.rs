use super::*;
use model::{ConnectionId, Currency, ExternalId, FieldKey, LevelKey, LocationId, MirrorKey, Money, Quantity};

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

fn retry_pause(due: &DueWrite, reply: CallOutcome) -> Duration {
    let (_, result) = result(due, reply, Timestamp::from_micros(0), 1.0);
    let CallResult::Retry { at, .. } = result else { panic!("not tried again: {result:?}") };
    Duration::from_micros(u64::try_from(at.as_micros()).unwrap())
}

#[test]
fn a_level_is_written_against_what_the_platform_held() {
    let call = call(&due(1)).unwrap();
    let Call::SetLevel { to, from, .. } = call else { panic!("not a level") };
    assert_eq!((to, from), (Quantity::pieces(8), Quantity::pieces(9)));
}

#[test]
fn a_price_of_an_unlinked_product_is_refused_not_guessed() {
    assert_eq!(call(&price()).unwrap_err().class, RejectClass::Bug);
}

#[test]
fn pauses_double_up_to_a_limit_and_obey_the_platform() {
    let unwell = || CallOutcome::Retry { reason: "503".to_owned() };
    assert_eq!(retry_pause(&due(1), unwell()), RETRY_FIRST);
    assert_eq!(retry_pause(&due(3), unwell()), RETRY_FIRST * 4);
    assert_eq!(retry_pause(&due(40), unwell()), RETRY_LONGEST);
    let wait = Duration::from_secs(30);
    assert_eq!(retry_pause(&due(1), CallOutcome::Throttled { after: Some(wait) }), wait);
}

#[test]
fn a_refused_comparison_of_a_level_is_read_back() {
    let (_, stale) = result(&due(1), CallOutcome::Conflict, Timestamp::from_micros(0), 1.0);
    assert_eq!(stale, CallResult::Conflict);
}

#[test]
fn a_refused_comparison_of_a_price_is_made_anew_after_a_pause() {
    assert_eq!(retry_pause(&price(), CallOutcome::Conflict), RETRY_FIRST);
}

#[test]
fn an_account_that_is_turned_away_says_nothing_of_the_value() {
    let refused = CallOutcome::from(Reject::new(RejectClass::Auth, "no"));
    let (_, of_account) = result(&due(1), refused, Timestamp::from_micros(0), 1.0);
    assert!(matches!(of_account, CallResult::AccountRefused { .. }), "{of_account:?}");
    let refused = CallOutcome::from(Reject::new(RejectClass::Platform, "no"));
    let (_, of_value) = result(&due(1), refused, Timestamp::from_micros(0), 1.0);
    assert!(matches!(of_value, CallResult::Refused { .. }), "{of_value:?}");
}
