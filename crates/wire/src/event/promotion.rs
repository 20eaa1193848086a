//! Promotions on the wire.

use super::external;
use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use model::{
    ExternalId, Money, Payload, Timestamp,
    promotion::{
        Activity, Bound, Condition, Percent, Period, Promotion, Recurrence, Reward, Schedule, Scope,
        Stacking, Target, Targets, TimeOfDay, Unit, WeekDays, Window,
    },
};
use pb::promotion_bound::Bound as BoundMessage;
use pb::promotion_recurrence::Ends;
use pb::promotion_reward::Reward as RewardMessage;

/// The days of the week, from Monday.
const DAYS: [pb::WeekDay; 7] = [
    pb::WeekDay::Monday,
    pb::WeekDay::Tuesday,
    pb::WeekDay::Wednesday,
    pb::WeekDay::Thursday,
    pb::WeekDay::Friday,
    pb::WeekDay::Saturday,
    pb::WeekDay::Sunday,
];

/// The activity in a payload; `None` if it is none.
pub(super) fn activity_message(payload: &Payload) -> Option<pb::PromotionActivity> {
    let Payload::Activity { activity, .. } = payload else { return None };
    Some(pb::PromotionActivity { is_active: activity.is_active, since_micros: activity.since.as_micros() })
}

pub(super) fn activity(message: pb::PromotionActivity) -> Activity {
    Activity { is_active: message.is_active, since: Timestamp::from_micros(message.since_micros) }
}

impl From<&Promotion> for pb::Promotion {
    fn from(promotion: &Promotion) -> Self {
        let scope = match promotion.targets.scope {
            Scope::Everything => pb::PromotionScope::Everything,
            Scope::AnyOf(_) => pb::PromotionScope::AnyOf,
            Scope::EveryKindOf(_) => pb::PromotionScope::EveryKindOf,
        };
        let stacking = match promotion.stacking {
            Stacking::Alone => pb::PromotionStacking::Alone,
            Stacking::Together => pb::PromotionStacking::Together,
            Stacking::Last => pb::PromotionStacking::Last,
        };
        let targets = |targets: &[Target]| targets.iter().map(pb::PromotionTarget::from).collect();
        let conditions = promotion.conditions.iter();
        Self {
            external: promotion.external.to_string(),
            name: promotion.name.clone(),
            is_on: promotion.is_on,
            periods: promotion.schedule.periods().iter().map(pb::PromotionPeriod::from).collect(),
            reward: Some(promotion.reward.into()),
            scope: scope.into(),
            targets: targets(promotion.targets.scope.targets()),
            except: targets(&promotion.targets.except),
            conditions: conditions.map(|condition| condition_message(*condition).into()).collect(),
            stacking: stacking.into(),
        }
    }
}

impl TryFrom<pb::Promotion> for Promotion {
    type Error = DecodeError;
    fn try_from(promotion: pb::Promotion) -> Result<Self, DecodeError> {
        let conditions = promotion.conditions.iter().map(|number| condition(*number)).collect();
        let stacking = match promotion.stacking() {
            pb::PromotionStacking::Unspecified | pb::PromotionStacking::Alone => Stacking::Alone,
            pb::PromotionStacking::Together => Stacking::Together,
            pb::PromotionStacking::Last => Stacking::Last,
        };
        let scope = promotion.scope();
        let targets = |targets: Vec<pb::PromotionTarget>| -> Result<Vec<Target>, DecodeError> {
            targets.into_iter().map(Target::try_from).collect()
        };
        let named = targets(promotion.targets)?;
        let scope = match scope {
            pb::PromotionScope::Unspecified => return Err(DecodeError::Missing("promotion.scope")),
            pb::PromotionScope::Everything => Scope::Everything,
            pb::PromotionScope::AnyOf => Scope::AnyOf(named),
            pb::PromotionScope::EveryKindOf => Scope::EveryKindOf(named),
        };
        let periods = promotion.periods.into_iter().map(Period::try_from).collect::<Result<_, _>>()?;
        Ok(Self {
            external: external(&promotion.external, "promotion.external")?,
            name: promotion.name,
            is_on: promotion.is_on,
            schedule: Schedule::new(periods).at("promotion.periods")?,
            reward: promotion.reward.unwrap_or_default().try_into()?,
            targets: Targets { scope, except: targets(promotion.except)? },
            conditions,
            stacking,
        })
    }
}

impl From<&Period> for pb::PromotionPeriod {
    fn from(period: &Period) -> Self {
        Self {
            from: period.from().map(pb::PromotionBound::from),
            until: period.until().map(pb::PromotionBound::from),
            recurrence: period.recurrence().map(pb::PromotionRecurrence::from),
        }
    }
}

impl TryFrom<pb::PromotionPeriod> for Period {
    type Error = DecodeError;
    fn try_from(period: pb::PromotionPeriod) -> Result<Self, DecodeError> {
        let from = period.from.map(Bound::try_from).transpose()?;
        let until = period.until.map(Bound::try_from).transpose()?;
        let recurrence = period.recurrence.map(Recurrence::try_from).transpose()?;
        Ok(Self::new(from, until, recurrence))
    }
}

impl From<Bound> for pb::PromotionBound {
    fn from(bound: Bound) -> Self {
        let message = match (bound, bound.local_text()) {
            (_, Some(text)) => BoundMessage::Local(text),
            (Bound::At(at), None) => BoundMessage::AtMicros(at.as_micros()),
            (Bound::Local(_), None) => return Self { bound: None },
        };
        Self { bound: Some(message) }
    }
}

impl TryFrom<pb::PromotionBound> for Bound {
    type Error = DecodeError;
    fn try_from(bound: pb::PromotionBound) -> Result<Self, DecodeError> {
        match required(bound.bound, "promotion.bound")? {
            BoundMessage::AtMicros(micros) => Ok(Self::At(Timestamp::from_micros(micros))),
            BoundMessage::Local(text) => Self::parse_local(&text).at("promotion.bound.local"),
        }
    }
}

impl From<&Recurrence> for pb::PromotionRecurrence {
    fn from(recurrence: &Recurrence) -> Self {
        let (unit, interval) = recurrence.interval();
        let unit = match unit {
            Unit::Day => pb::PromotionUnit::Day,
            Unit::Week => pb::PromotionUnit::Week,
            Unit::Month => pb::PromotionUnit::Month,
            Unit::MonthByWeekDay => pb::PromotionUnit::MonthByWeekDay,
            Unit::Year => pb::PromotionUnit::Year,
        };
        let days = DAYS.into_iter().zip(recurrence.days().flags());
        let window = recurrence.window();
        let ends = window.ends().map(|ends| Ends::EndsAt(ends.to_string()));
        Self {
            unit: unit.into(),
            interval: interval.into(),
            days: days.filter_map(|(day, is_set)| is_set.then_some(day.into())).collect(),
            first: recurrence.first().map(|first| first.to_string()),
            starts: window.starts().to_string(),
            ends: ends.or_else(|| window.duration_seconds().map(Ends::LastsSeconds)),
        }
    }
}

impl TryFrom<pb::PromotionRecurrence> for Recurrence {
    type Error = DecodeError;
    fn try_from(recurrence: pb::PromotionRecurrence) -> Result<Self, DecodeError> {
        let unit = match recurrence.unit() {
            pb::PromotionUnit::Unspecified => return Err(DecodeError::Missing("recurrence.unit")),
            pb::PromotionUnit::Day => Unit::Day,
            pb::PromotionUnit::Week => Unit::Week,
            pb::PromotionUnit::Month => Unit::Month,
            pb::PromotionUnit::MonthByWeekDay => Unit::MonthByWeekDay,
            pb::PromotionUnit::Year => Unit::Year,
        };
        let stated: Vec<pb::WeekDay> = recurrence.days().collect();
        let days = WeekDays::new(DAYS.map(|day| stated.contains(&day)));
        let interval = u16::try_from(recurrence.interval).at("recurrence.interval")?;
        let first = recurrence.first.map(|first| first.parse()).transpose().at("recurrence.first")?;
        let time = |text: &str| TimeOfDay::parse(text).at("recurrence.time");
        let window = match required(recurrence.ends, "recurrence.ends")? {
            Ends::EndsAt(ends) => Window::between(time(&recurrence.starts)?, time(&ends)?),
            Ends::LastsSeconds(seconds) => {
                Window::lasting(time(&recurrence.starts)?, seconds).at("recurrence.ends")?
            }
        };
        Self::every(unit, interval, days, first, window).at("recurrence")
    }
}

impl From<Reward> for pb::PromotionReward {
    fn from(reward: Reward) -> Self {
        let message = match reward {
            Reward::PercentOff { percent, at_most } => RewardMessage::PercentOff(pb::PercentOff {
                percent: percent.decimal().to_string(),
                at_most: at_most.map(Into::into),
            }),
            Reward::AmountOff(money) => RewardMessage::AmountOff(money.into()),
            Reward::PriceTo(money) => RewardMessage::PriceTo(money.into()),
            Reward::Bundle { quantity, total } => {
                RewardMessage::Bundle(pb::Bundle { quantity, total: Some(total.into()) })
            }
            Reward::Other => return Self { reward: None },
        };
        Self { reward: Some(message) }
    }
}

impl TryFrom<pb::PromotionReward> for Reward {
    type Error = DecodeError;
    fn try_from(reward: pb::PromotionReward) -> Result<Self, DecodeError> {
        Ok(match reward.reward {
            Some(RewardMessage::PercentOff(off)) => Self::PercentOff {
                percent: Percent::parse(&off.percent).at("reward.percent")?,
                at_most: off.at_most.map(Money::try_from).transpose()?,
            },
            Some(RewardMessage::AmountOff(money)) => Self::AmountOff(money.try_into()?),
            Some(RewardMessage::PriceTo(money)) => Self::PriceTo(money.try_into()?),
            Some(RewardMessage::Bundle(bundle)) => Self::Bundle {
                quantity: bundle.quantity,
                total: required(bundle.total, "reward.total")?.try_into()?,
            },
            None => Self::Other,
        })
    }
}

impl From<&Target> for pb::PromotionTarget {
    fn from(target: &Target) -> Self {
        let (kind, external): (_, &ExternalId) = match target {
            Target::Product(id) => (pb::TargetKind::Product, id),
            Target::Variant(id) => (pb::TargetKind::Variant, id),
            Target::Category(id) => (pb::TargetKind::Category, id),
            Target::Brand(id) => (pb::TargetKind::Brand, id),
            Target::Vendor(id) => (pb::TargetKind::Vendor, id),
            Target::Collection(id) => (pb::TargetKind::Collection, id),
        };
        Self { kind: kind.into(), external: external.to_string() }
    }
}

impl TryFrom<pb::PromotionTarget> for Target {
    type Error = DecodeError;
    fn try_from(target: pb::PromotionTarget) -> Result<Self, DecodeError> {
        let id = external(&target.external, "target.external")?;
        Ok(match target.kind() {
            pb::TargetKind::Unspecified => return Err(DecodeError::Missing("target.kind")),
            pb::TargetKind::Product => Self::Product(id),
            pb::TargetKind::Variant => Self::Variant(id),
            pb::TargetKind::Category => Self::Category(id),
            pb::TargetKind::Brand => Self::Brand(id),
            pb::TargetKind::Vendor => Self::Vendor(id),
            pb::TargetKind::Collection => Self::Collection(id),
        })
    }
}

fn condition_message(condition: Condition) -> pb::PromotionCondition {
    match condition {
        Condition::Code => pb::PromotionCondition::Code,
        Condition::Customer => pb::PromotionCondition::Customer,
        Condition::Basket => pb::PromotionCondition::Basket,
        Condition::Location => pb::PromotionCondition::Location,
        Condition::Fulfilment => pb::PromotionCondition::Fulfilment,
        Condition::ByHand => pb::PromotionCondition::ByHand,
        Condition::Uses => pb::PromotionCondition::Uses,
        Condition::Other => pb::PromotionCondition::Other,
    }
}

/// A condition by its number. One that isn't known is a condition still: without it, the promotion would be taken for
/// everybody's.
fn condition(number: i32) -> Condition {
    match pb::PromotionCondition::try_from(number) {
        Ok(pb::PromotionCondition::Code) => Condition::Code,
        Ok(pb::PromotionCondition::Customer) => Condition::Customer,
        Ok(pb::PromotionCondition::Basket) => Condition::Basket,
        Ok(pb::PromotionCondition::Location) => Condition::Location,
        Ok(pb::PromotionCondition::Fulfilment) => Condition::Fulfilment,
        Ok(pb::PromotionCondition::ByHand) => Condition::ByHand,
        Ok(pb::PromotionCondition::Uses) => Condition::Uses,
        Ok(pb::PromotionCondition::Unspecified | pb::PromotionCondition::Other) | Err(_) => Condition::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> pb::Promotion {
        pb::Promotion::from(&Promotion::bare(ExternalId::new("p").unwrap()))
    }

    #[test]
    fn a_condition_of_a_newer_writer_is_one_still() {
        let newer = pb::Promotion { conditions: vec![1, 99], ..message() };
        let read = Promotion::try_from(newer).unwrap();
        assert_eq!(read.conditions, [Condition::Code, Condition::Other]);
    }

    #[test]
    fn what_an_older_writer_leaves_out_is_read_as_what_reduces_nothing() {
        let older = pb::Promotion { reward: None, stacking: 0, ..message() };
        let read = Promotion::try_from(older).unwrap();
        assert_eq!((read.reward, read.stacking), (Reward::Other, Stacking::Alone));
    }

    #[test]
    fn a_recurrence_that_cannot_be_is_refused() {
        let daily = pb::PromotionRecurrence {
            unit: pb::PromotionUnit::Day.into(),
            interval: 1,
            days: vec![pb::WeekDay::Monday.into()],
            first: None,
            starts: "09:00:00".to_owned(),
            ends: Some(Ends::LastsSeconds(60)),
        };
        assert!(Recurrence::try_from(daily.clone()).is_ok());
        for recurrence in [
            pb::PromotionRecurrence { unit: 0, ..daily.clone() },
            pb::PromotionRecurrence { interval: 0, ..daily.clone() },
            pb::PromotionRecurrence { interval: 2, ..daily.clone() },
            pb::PromotionRecurrence { interval: 70_000, ..daily.clone() },
            pb::PromotionRecurrence { days: Vec::new(), ..daily.clone() },
            pb::PromotionRecurrence { first: Some("2026-02-30".to_owned()), ..daily.clone() },
            pb::PromotionRecurrence { starts: "25:00".to_owned(), ..daily.clone() },
            pb::PromotionRecurrence { ends: None, ..daily.clone() },
            pb::PromotionRecurrence { ends: Some(Ends::LastsSeconds(0)), ..daily },
        ] {
            assert!(Recurrence::try_from(recurrence.clone()).is_err(), "{recurrence:?}");
        }
    }
}
