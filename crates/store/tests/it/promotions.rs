//! Promotions are stored and loaded unchanged.

use crate::{
    applying::load,
    fixture::{at, commit_silently, connection_id, external, shop, store_id},
};
use model::{
    PromotionId, TenantId, Timestamp, VersionNumber,
    promotion::{
        Activity, Bound, Condition, Percent, Period, Promotion, Recurrence, Reward, Schedule, Scope,
        Stacking, Target, Targets, TimeOfDay, WeekDays, Window,
    },
    record::{Changes, FirstKeys, PromotionRow, RowKeys},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use store::{LookedAt, Store};

/// A promotion with a value in every field.
pub(crate) fn promotion() -> PromotionRow {
    let time = |text| TimeOfDay::parse(text).unwrap();
    let window = Window::between(time("16:20"), time("18:00"));
    let tuesdays = Recurrence::weekly(WeekDays::from_names(["TU"]).unwrap(), window).unwrap();
    let until = Some(Bound::parse_local("2026-12-24T18:00:00").unwrap());
    PromotionRow {
        id: PromotionId::new("pro1").unwrap(),
        tenant: TenantId::new("t1").unwrap(),
        store: store_id(),
        connection: connection_id("a"),
        version: Some(VersionNumber(3)),
        promotion: Promotion {
            external: external("pro-a"),
            name: Some("20 % on Tuesdays".to_owned()),
            is_on: true,
            schedule: Schedule::new(vec![Period::new(Some(Bound::At(at(1))), until, Some(tuesdays))])
                .unwrap(),
            reward: Reward::PercentOff { percent: Percent::parse("20").unwrap(), at_most: None },
            targets: Targets {
                scope: Scope::EveryKindOf(vec![Target::Category(external("12"))]),
                except: vec![Target::Product(external("prod-a"))],
            },
            conditions: vec![Condition::Location],
            stacking: Stacking::Together,
        },
        deleted_at: None,
        activity: Some(Activity { is_active: true, since: at(4) }),
        watched_from: at(4),
    }
}

#[tokio::test]
async fn a_promotion_is_as_it_was_written_last() {
    let database = shop().await;
    let gone = PromotionRow {
        version: Some(VersionNumber(9)),
        promotion: Promotion::bare(external("pro-a")),
        deleted_at: Some(at(9)),
        activity: None,
        watched_from: at(9),
        ..promotion()
    };
    for row in [promotion(), gone, promotion()] {
        let changes =
            Changes { promotions: BTreeMap::from([(row.id.clone(), row.clone())]), ..Changes::default() };
        commit_silently(&database.store, &changes).await;
        let asked = RowKeys { promotions: BTreeSet::from([row.id.clone()]), ..RowKeys::default() };
        assert_eq!(load(&database, &FirstKeys::default(), &asked).await.promotions, changes.promotions);
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        let beside =
            sqlx::query("SELECT name, is_on FROM promotions").fetch_one(&mut connection).await.unwrap();
        let expected = (row.promotion.name.clone(), row.promotion.is_on);
        assert_eq!((beside.get::<Option<String>, _>("name"), beside.get::<bool, _>("is_on")), expected);
    }
}

async fn keep(store: &Store, row: &PromotionRow) {
    let changes =
        Changes { promotions: BTreeMap::from([(row.id.clone(), row.clone())]), ..Changes::default() };
    commit_silently(store, &changes).await;
}

/// The promotions to look at, each with the time since when.
async fn due(store: &Store, now: i64) -> Vec<(String, Timestamp)> {
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let page = store.promotions_to_look_at(at(now), last.as_ref()).await.unwrap();
        let Some(end) = page.last() else { return found };
        found.extend(page.iter().map(|due| (due.id.to_string(), due.look_at)));
        last = Some(end.clone());
    }
}

async fn rezone(url: &str, zone: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query("UPDATE stores SET timezone = $1").bind(zone).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_promotion_is_looked_at_when_it_was_written_and_then_at_its_next_change() {
    let database = shop().await;
    let store = &database.store;
    let row = promotion();
    keep(store, &row).await;
    let page = store.promotions_to_look_at(at(4), None).await.unwrap();
    let [found] = page.as_slice() else { panic!("{page:?}") };
    assert_eq!((&found.promotion, found.activity, found.watched_from), (&row.promotion, row.activity, at(4)));
    assert_eq!((&found.origin.store, &found.origin.connection), (&row.store, &row.connection));
    assert_eq!(due(store, 3).await, [], "nothing is due before");

    let looked = |before: i64, next: Option<i64>| LookedAt {
        id: row.id.clone(),
        before: at(before),
        next: next.map(at),
        zone: found.zone.clone(),
    };
    store.looked_at(&[looked(4, Some(8))]).await.unwrap();
    assert_eq!(due(store, 7).await, []);
    assert_eq!(due(store, 8).await, [(row.id.to_string(), at(8))]);

    // What was computed before a change of the promotion is worth nothing after it.
    keep(store, &PromotionRow { watched_from: at(6), ..row.clone() }).await;
    store.looked_at(&[looked(8, Some(20))]).await.unwrap();
    assert_eq!(due(store, 6).await, [(row.id.to_string(), at(6))]);
    store.looked_at(&[looked(6, None)]).await.unwrap();
    assert_eq!(due(store, 1_000).await, [], "nothing more will happen");
}

#[tokio::test]
async fn promotions_are_looked_at_when_the_zone_of_their_store_was_changed_and_once() {
    let database = shop().await;
    let store = &database.store;
    let row = promotion();
    keep(store, &row).await;
    let zone = store.promotions_to_look_at(at(4), None).await.unwrap().remove(0).zone;
    store.looked_at(&[LookedAt { id: row.id.clone(), before: at(4), next: None, zone }]).await.unwrap();
    assert_eq!(store.look_at_rezoned_promotions(at(10)).await.unwrap(), 0);
    rezone(&database.url, "America/Denver").await;
    assert_eq!(store.look_at_rezoned_promotions(at(10)).await.unwrap(), 1);
    assert_eq!(due(store, 10).await, [(row.id.to_string(), at(10))]);
    assert_eq!(store.look_at_rezoned_promotions(at(11)).await.unwrap(), 0);
}

#[tokio::test]
async fn more_promotions_than_a_page_has_are_all_looked_at() {
    let database = shop().await;
    let row = promotion();
    let rows = (0..450).map(|number| {
        let id = PromotionId::new(&format!("pro{number}")).unwrap();
        (id.clone(), PromotionRow { id, ..row.clone() })
    });
    let changes = Changes { promotions: rows.collect(), ..Changes::default() };
    commit_silently(&database.store, &changes).await;
    let found: BTreeSet<_> = due(&database.store, 4).await.into_iter().collect();
    assert_eq!(found.len(), 450);
}
