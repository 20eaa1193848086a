//! Committed changes on the wire: the public contract.

mod catalog;

use crate::{
    DecodeError,
    error::{At as _, required},
    lists::Listed as _,
    pb,
};
use bytes::Bytes;
use model::{
    Event, LocationId, ProductId, Quantity, VariantId,
    record::{Applied, Effect, MovementReason},
};
use prost::Message as _;

/// Encodes a committed change, and returns an error if it couldn't be decoded again: computed values may exceed the
/// bounds of the decoder. The event isn't checked, since it was decoded before.
pub fn encode_applied(applied: &Applied) -> Result<Bytes, DecodeError> {
    let effects: Vec<pb::Effect> = applied.effects.iter().map(pb::Effect::from).collect();
    let rows: Vec<pb::CatalogRow> = applied.rows.iter().map(pb::CatalogRow::from).collect();
    let origin = &applied.event.origin;
    effects.iter().cloned().try_for_each(|effect| Effect::try_from(effect).map(drop))?;
    rows.iter().cloned().try_for_each(|row| catalog::row(row, origin).map(drop))?;
    let (number, sequence) = (applied.number, applied.sequence);
    let event = Some((&applied.event).into());
    Ok(pb::Applied { number, sequence, event, effects, rows }.encode_to_vec().into())
}

/// Decodes a committed change.
pub fn decode_applied(payload: Bytes) -> Result<Applied, DecodeError> {
    let applied = pb::Applied::read(payload)?;
    let event = Event::try_from(required(applied.event, "event")?)?;
    let row = |row| catalog::row(row, &event.origin);
    Ok(Applied {
        number: applied.number,
        sequence: applied.sequence,
        effects: applied.effects.into_iter().map(Effect::try_from).collect::<Result<_, _>>()?,
        rows: applied.rows.into_iter().map(row).collect::<Result<_, _>>()?,
        event,
    })
}

impl From<&Effect> for pb::Effect {
    fn from(effect: &Effect) -> Self {
        use pb::effect::Effect as Kind;
        let kind = match effect {
            Effect::Level { variant, location, delta, level, reason } => Kind::Level(pb::LevelEffect {
                variant: variant.to_string(),
                location: location.to_string(),
                delta: delta.to_string(),
                level: level.to_string(),
                reason: pb::MovementReason::from(*reason).into(),
            }),
            Effect::Price { variant, price } => {
                Kind::Price(pb::PriceEffect { variant: variant.to_string(), price: Some((*price).into()) })
            }
            Effect::Text { product } => Kind::Text(pb::TextEffect { product: product.to_string() }),
            Effect::Linked { variant } => Kind::Linked(pb::LinkedEffect { variant: variant.to_string() }),
        };
        Self { effect: Some(kind) }
    }
}

impl From<MovementReason> for pb::MovementReason {
    fn from(reason: MovementReason) -> Self {
        match reason {
            MovementReason::FirstCount => Self::FirstCount,
            MovementReason::Reported => Self::Reported,
            MovementReason::Counted => Self::Counted,
            MovementReason::Relinked => Self::Relinked,
        }
    }
}

impl From<pb::MovementReason> for MovementReason {
    fn from(reason: pb::MovementReason) -> Self {
        match reason {
            pb::MovementReason::FirstCount => Self::FirstCount,
            pb::MovementReason::Counted => Self::Counted,
            pb::MovementReason::Relinked => Self::Relinked,
            pb::MovementReason::Reported | pb::MovementReason::Unspecified => Self::Reported,
        }
    }
}

impl TryFrom<pb::Effect> for Effect {
    type Error = DecodeError;
    fn try_from(effect: pb::Effect) -> Result<Self, DecodeError> {
        use pb::effect::Effect as Kind;
        Ok(match required(effect.effect, "effect")? {
            Kind::Level(level) => Self::Level {
                reason: level.reason().into(),
                variant: VariantId::new(&level.variant).at("effect.variant")?,
                location: LocationId::new(&level.location).at("effect.location")?,
                delta: Quantity::parse_recorded(&level.delta).at("effect.delta")?,
                level: Quantity::parse_recorded(&level.level).at("effect.level")?,
            },
            Kind::Price(price) => Self::Price {
                variant: VariantId::new(&price.variant).at("effect.variant")?,
                price: required(price.price, "effect.price")?.try_into()?,
            },
            Kind::Text(text) => Self::Text { product: ProductId::new(&text.product).at("effect.product")? },
            Kind::Linked(linked) => {
                Self::Linked { variant: VariantId::new(&linked.variant).at("effect.variant")? }
            }
        })
    }
}
