//! A promotion. Its reward, its days and its times of day aren't documented: it is known to exist, and changes no price.

use super::{deleted, instant, is_deleted};
use crate::{Mapped, field::Object, promotion};
use model::{
    EntityKind, ExternalId, SourceVersion,
    promotion::{Bound, Condition, Period, Promotion, Reward, Schedule, Scope, Stacking, Target, Targets},
};
use stage::{Reject, RejectClass};

/// The kind of target that an id is of.
type Kind = fn(ExternalId) -> Target;

/// The lists of what a promotion is for: any of them is enough.
const LISTS: [(&str, Kind); 4] = [
    ("productIds", Target::Product),
    ("categoryIds", Target::Category),
    ("brandIds", Target::Brand),
    ("vendorIds", Target::Vendor),
];

/// The promotion, or its deletion.
pub(super) fn promotion(root: &Object<'_>) -> Result<Mapped, Reject> {
    let (external, at) = (root.text_id("id")?, instant(root, "modified")?);
    if let Some(at) = at.filter(|_| matches!(is_deleted(root), Ok(true))) {
        return Ok(deleted(EntityKind::Promotion, external, at));
    }
    let promotion = Promotion {
        external,
        name: root.stated("name")?.map(ToOwned::to_owned),
        is_on: root.flag("active")? != Some(false) && !is_deleted(root)?,
        schedule: schedule(root)?,
        reward: Reward::Other,
        targets: targets(root)?,
        conditions: vec![Condition::Other],
        stacking: Stacking::Alone,
    };
    Ok(promotion::reported(promotion, at.map(SourceVersion::exact)))
}

/// The absence of a promotion in complete lists.
pub(super) fn absent(root: &Object<'_>) -> Result<Mapped, Reject> {
    let at = root.time("observed_at")?.ok_or_else(|| root.missing("observed_at"))?;
    Ok(promotion::gone(root.text_id("id")?, at, Some(SourceVersion::exact(at))))
}

/// The time between both dates; none if one of them is missing.
fn schedule(root: &Object<'_>) -> Result<Schedule, Reject> {
    let (from, until) = (instant(root, "startDate")?, instant(root, "endDate")?);
    let periods =
        from.zip(until).map(|(from, until)| Period::new(Some(Bound::At(from)), Some(Bound::At(until)), None));
    Schedule::new(periods.into_iter().collect())
        .map_err(|error| root.reject(RejectClass::Data, "startDate", error.to_string()))
}

fn targets(root: &Object<'_>) -> Result<Targets, Reject> {
    let target = root.object("target")?;
    let mut targets = Vec::new();
    for (key, kind) in LISTS {
        let names = target.as_ref().map(|target| target.names(key)).transpose()?.flatten();
        for name in names.into_iter().flatten() {
            targets.push(kind(root.external("target", &name)?));
        }
    }
    Ok(Targets { scope: Scope::AnyOf(targets), except: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Payload, Timestamp, Zone, promotion::is_active};
    use serde_json::{Value, json};

    fn mapped(body: &Value) -> Promotion {
        let mapped = promotion(&Object::root(body).unwrap()).unwrap();
        let Payload::Promotion(promotion) = mapped.payload else { panic!("a promotion expected") };
        promotion
    }

    #[test]
    fn a_promotion_is_active_between_both_of_its_dates_and_never_without_one() {
        let dated =
            |from: Value, until: Value| mapped(&json!({"id": "p", "startDate": from, "endDate": until}));
        let active =
            |promotion: &Promotion, at: &str| is_active(promotion, Timestamp::parse(at).unwrap(), Zone::UTC);
        let promotion = dated(json!(1_718_902_400_123_u64), json!(1_719_507_200_123_u64));
        for (at, expected) in [
            ("2024-06-20T16:53:20.122Z", false),
            ("2024-06-20T16:53:20.123Z", true),
            ("2024-06-27T16:53:20.122Z", true),
            ("2024-06-27T16:53:20.123Z", false),
        ] {
            assert_eq!(active(&promotion, at), expected, "{at}");
        }
        for none in [json!(null), json!(0)] {
            let promotion = dated(json!(1_718_902_400_123_u64), none.clone());
            assert!(!active(&promotion, "2024-06-21T00:00:00Z"), "{none}");
        }
    }

    #[test]
    fn any_list_is_a_list_of_targets_and_no_price_follows() {
        let target = json!({"productIds": ["p1", "N/A"], "categoryIds": null, "brandIds": ["b1"], "vendorIds": ["v1"]});
        let promotion = mapped(&json!({"id": "p", "name": "Week of the brand", "target": target}));
        let id = |text: &str| ExternalId::new(text).unwrap();
        let expected = vec![Target::Product(id("p1")), Target::Brand(id("b1")), Target::Vendor(id("v1"))];
        assert_eq!(promotion.targets.scope, Scope::AnyOf(expected));
        assert_eq!((promotion.reward, promotion.conditions), (Reward::Other, vec![Condition::Other]));
        assert_eq!(mapped(&json!({"id": "p"})).targets.scope, Scope::AnyOf(Vec::new()));
    }

    #[test]
    fn a_promotion_that_is_inactive_or_deleted_is_never_active() {
        assert!(!mapped(&json!({"id": "p", "active": false})).is_on);
        assert!(!mapped(&json!({"id": "p", "deleted": true})).is_on, "without a time of the deletion");
        let gone = json!({"id": "p", "deleted": true, "modified": 1_718_902_400_123_u64});
        let gone = promotion(&Object::root(&gone).unwrap()).unwrap();
        assert!(matches!(gone.payload, Payload::Deleted { .. }));
    }
}
