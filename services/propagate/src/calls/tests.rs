use super::*;
use model::{ConnectionId, ExternalId, LocationId, MirrorKey, Quantity, SendState};

fn due(attempt: i32) -> DueWrite {
    DueWrite {
        key: MirrorKey {
            connection: ConnectionId::new("c").unwrap(),
            kind: MirrorKind::Inventory,
            external: ExternalId::new("item").unwrap(),
            place: Some(LocationId::new("main").unwrap()),
        },
        internal: Some("var_1".to_owned()),
        location: Some(ExternalId::new("L").unwrap()),
        product: None,
        value: MirrorValue::Quantity(Quantity::pieces(8)),
        from: Some(MirrorValue::Quantity(Quantity::pieces(9))),
        sent_key: "key".to_owned(),
        state: SendState::Pending,
        attempt,
        begun_at: Timestamp::from_micros(0),
        trace: None,
    }
}

fn retry_pause(attempt: i32, reply: CallOutcome) -> Duration {
    let (_, result) = result(&due(attempt), reply, Timestamp::from_micros(0), 1.0);
    let WriteResult::RetryAt { at, .. } = result else { panic!("not tried again: {result:?}") };
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
    let mut price = due(1);
    price.key.kind = MirrorKind::Price;
    assert_eq!(call(&price).unwrap_err().class, RejectClass::Bug);
}

#[test]
fn pauses_double_up_to_a_limit_and_obey_the_platform() {
    let unwell = || CallOutcome::Retry { reason: "503".to_owned() };
    assert_eq!(retry_pause(1, unwell()), RETRY_FIRST);
    assert_eq!(retry_pause(3, unwell()), RETRY_FIRST * 4);
    assert_eq!(retry_pause(40, unwell()), RETRY_LONGEST);
    let wait = Duration::from_secs(30);
    assert_eq!(retry_pause(1, CallOutcome::Throttled { after: Some(wait) }), wait);
}

#[test]
fn a_refused_comparison_of_a_level_is_read_back() {
    let (_, stale) = result(&due(1), CallOutcome::Conflict, Timestamp::from_micros(0), 1.0);
    assert_eq!(stale, WriteResult::ReadBack);
}

#[test]
fn who_is_turned_away_after_an_attempt_whose_outcome_may_be_unknown_asks_again() {
    let refused = |attempt, class| {
        let reply = CallOutcome::from(Reject::new(class, "no"));
        matches!(result(&due(attempt), reply, Timestamp::from_micros(0), 1.0).1, WriteResult::Refused { .. })
    };
    assert!(refused(1, RejectClass::Auth), "nothing was let in before");
    assert!(!refused(2, RejectClass::Auth) && !refused(2, RejectClass::Config));
    assert!(refused(2, RejectClass::Platform), "the change itself is refused");
}
