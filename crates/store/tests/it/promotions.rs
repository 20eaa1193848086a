//! Promotions are stored and loaded unchanged.

use crate::{
    applying::load,
    fixture::{at, commit_silently, connection_id, external, shop, store_id},
};
use model::{
    PromotionId, TenantId, VersionNumber,
    promotion::{
        Bound, Condition, Percent, Period, Promotion, Recurrence, Reward, Schedule, Scope, Stacking, Target,
        Targets, TimeOfDay, WeekDays, Window,
    },
    record::{Changes, FirstKeys, PromotionRow, RowKeys},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};

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
    }
}

#[tokio::test]
async fn a_promotion_is_as_it_was_written_last() {
    let database = shop().await;
    let gone = PromotionRow {
        version: Some(VersionNumber(9)),
        promotion: Promotion::bare(external("pro-a")),
        deleted_at: Some(at(9)),
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
