//! Memory limit of a message's lists, checked before the message is decoded: an element takes two bytes on the wire and
//! hundreds once decoded, so the size of a message hardly limits its memory.

use crate::{DecodeError, pb};
use bytes::Bytes;
use prost::Message;

/// Upper limit of the memory of all list elements of a message once decoded, in bytes, without their texts; far above
/// the largest message that this crate's encoders write.
pub const LISTS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Minimum size of an element on the wire, in bytes: its field's number and its length.
const ELEMENT_BYTES_MIN: usize = 2;

/// The fields of a message that contain lists. Other fields are skipped.
pub(crate) struct Fields(&'static [(u64, Field)]);

impl Fields {
    /// Returns the size in memory of the largest element of any list, in bytes; 1 without lists.
    const fn largest(&self) -> usize {
        let (mut largest, mut rest) = (1, self.0);
        while let [(_, field), others @ ..] = rest {
            let (element, inner) = match field {
                Field::One(inner) => (1, inner.largest()),
                Field::Many(element, inner) => (*element, inner.largest()),
            };
            let larger = if element > inner { element } else { inner };
            largest = if larger > largest { larger } else { largest };
            rest = others;
        }
        largest
    }

    /// Returns the message size, in bytes, up to which no content can exceed the lists' limit.
    const fn harmless_bytes(&self) -> usize {
        LISTS_BYTES_MAX / self.largest() * ELEMENT_BYTES_MIN
    }
}

/// A field, by its number.
pub(crate) enum Field {
    /// A message.
    One(&'static Fields),
    /// A list: the size of an element in memory, in bytes, and the lists in it.
    Many(usize, &'static Fields),
}

use Field::{Many, One};

const NONE: Fields = Fields(&[]);
const TEXTS: Fields = Fields(&[(1, Many(size_of::<String>(), &NONE))]);
const IMAGES: Fields = Fields(&[(1, Many(size_of::<pb::Image>(), &NONE))]);
const ATTRIBUTE: Fields = Fields(&[(2, Many(size_of::<String>(), &NONE))]);
const ATTRIBUTES: Fields = Fields(&[(1, Many(size_of::<pb::Attribute>(), &ATTRIBUTE))]);
const LAB_RESULTS: Fields = Fields(&[(1, Many(size_of::<pb::LabResult>(), &NONE))]);
const PRICE_TIERS: Fields = Fields(&[(1, Many(size_of::<pb::PriceTier>(), &NONE))]);
const VARIANT: Fields = Fields(&[(8, One(&IMAGES)), (9, One(&LAB_RESULTS)), (10, One(&PRICE_TIERS))]);
const PRODUCT: Fields = Fields(&[
    (7, One(&TEXTS)),
    (8, Many(size_of::<pb::Variant>(), &VARIANT)),
    (10, One(&IMAGES)),
    (11, One(&ATTRIBUTES)),
]);
const REFUND: Fields = Fields(&[(4, Many(size_of::<pb::RefundLine>(), &NONE))]);
const SETTLEMENT: Fields = Fields(&[
    (2, One(&Fields(&[(1, Many(size_of::<pb::TaxLine>(), &NONE))]))),
    (3, One(&Fields(&[(1, Many(size_of::<pb::Payment>(), &NONE))]))),
    (4, One(&Fields(&[(1, Many(size_of::<pb::Refund>(), &REFUND))]))),
]);
const ORDER: Fields = Fields(&[(13, Many(size_of::<pb::OrderLine>(), &NONE)), (15, One(&SETTLEMENT))]);
const CUSTOMER: Fields = Fields(&[(6, One(&TEXTS))]);
const WORKPLACES: Fields = Fields(&[(2, Many(size_of::<String>(), &NONE))]);
const EMPLOYEE: Fields = Fields(&[(5, One(&TEXTS)), (7, One(&WORKPLACES))]);
// Lists of numbers take four bytes of memory for each byte of the message at most: they aren't counted.
const PROMOTION: Fields = Fields(&[
    (4, Many(size_of::<pb::PromotionPeriod>(), &NONE)),
    (7, Many(size_of::<pb::PromotionTarget>(), &NONE)),
    (8, Many(size_of::<pb::PromotionTarget>(), &NONE)),
]);
const STOCKED: Fields = Fields(&[(2, Many(size_of::<String>(), &NONE))]);
const PRODUCT_ROW: Fields = Fields(&[
    (7, One(&TEXTS)),
    (9, One(&Fields(&[(1, One(&IMAGES))]))),
    (10, One(&Fields(&[(1, One(&ATTRIBUTES))]))),
]);
const VARIANT_ROW: Fields = Fields(&[
    (8, One(&Fields(&[(1, One(&IMAGES))]))),
    (9, One(&Fields(&[(1, One(&LAB_RESULTS))]))),
    (10, One(&Fields(&[(1, One(&PRICE_TIERS))]))),
]);
const ROW: Fields = Fields(&[(1, One(&PRODUCT_ROW)), (2, One(&VARIANT_ROW))]);
const DELIVERY: Fields = Fields(&[(8, Many(size_of::<pb::Header>(), &NONE))]);
const EVENT: Fields = Fields(&[
    (9, One(&PRODUCT)),
    (11, One(&ORDER)),
    (12, One(&CUSTOMER)),
    (14, Many(size_of::<pb::Link>(), &NONE)),
    (20, One(&STOCKED)),
    (25, One(&PROMOTION)),
    (41, One(&EMPLOYEE)),
]);
const DELIVERIES: Fields = Fields(&[(1, Many(size_of::<pb::Delivery>(), &DELIVERY))]);
const EVENTS: Fields =
    Fields(&[(1, Many(size_of::<pb::Event>(), &EVENT)), (2, Many(size_of::<pb::DroppedInput>(), &NONE))]);
const APPLIED: Fields = Fields(&[
    (3, One(&EVENT)),
    (4, Many(size_of::<pb::Effect>(), &NONE)),
    (5, Many(size_of::<pb::CatalogRow>(), &ROW)),
]);
const DEAD_LETTER: Fields = Fields(&[(7, One(&DELIVERY)), (8, One(&EVENT))]);

/// A message whose lists are counted before it is decoded.
pub(crate) trait Listed: Message + Default {
    /// The fields of the message that contain lists.
    const FIELDS: &'static Fields;

    /// See [`Fields::harmless_bytes`].
    const HARMLESS_BYTES: usize = Self::FIELDS.harmless_bytes();

    /// Decodes the message; refuses one whose lists take more than [`LISTS_BYTES_MAX`].
    fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        within_limit(&bytes, Self::FIELDS, Self::HARMLESS_BYTES)?;
        Ok(Self::decode(bytes)?)
    }
}

macro_rules! listed {
    ($($message:ty: $fields:expr;)*) => {$(impl Listed for $message { const FIELDS: &'static Fields = &$fields; })*};
}
listed! {
    pb::Delivery: DELIVERY;
    pb::DeliveryBatch: DELIVERIES;
    pb::Event: EVENT;
    pb::EventBatch: EVENTS;
    pb::Applied: APPLIED;
    pb::DeadLetter: DEAD_LETTER;
}

/// Refuses a batch of events whose lists are too long, for a caller that decodes only a part of it.
pub(crate) fn events_within_limit(bytes: &[u8]) -> Result<(), DecodeError> {
    within_limit(bytes, &EVENTS, pb::EventBatch::HARMLESS_BYTES)
}

fn within_limit(bytes: &[u8], fields: &Fields, harmless_bytes: usize) -> Result<(), DecodeError> {
    if bytes.len() <= harmless_bytes {
        return Ok(());
    }
    let mut left = LISTS_BYTES_MAX;
    count(bytes, fields, &mut left).ok_or(DecodeError::Lists)
}

/// Subtracts the memory of a message's lists from `left`; `None` if that isn't enough. Stops at malformed data, which
/// the decoder reports.
fn count(mut rest: &[u8], Fields(fields): &Fields, left: &mut usize) -> Option<()> {
    while let Some((number, content)) = next_field(&mut rest) {
        match fields.iter().find(|(named, _)| *named == number) {
            Some((_, One(inner))) => count(content, inner, left)?,
            Some((_, Many(bytes, inner))) => {
                *left = left.checked_sub(*bytes)?;
                count(content, inner, left)?;
            }
            None => {}
        }
    }
    Some(())
}

/// Reads a field (protobuf.dev/programming-guides/encoding): its number, and its bytes if it has a length. The
/// delimiters of a group are read as fields without bytes, so that the content of a group counts, though the
/// decoder skips it.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let key = varint(rest)?;
    let content_bytes = match key & 7 {
        0 => {
            varint(rest)?;
            0
        }
        1 => return Some((key >> 3, rest.split_off(..8).map(|_| &[][..])?)),
        2 => usize::try_from(varint(rest)?).ok()?,
        3 | 4 => 0,
        5 => return Some((key >> 3, rest.split_off(..4).map(|_| &[][..])?)),
        _ => return None,
    };
    Some((key >> 3, rest.split_off(..content_bytes)?))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
