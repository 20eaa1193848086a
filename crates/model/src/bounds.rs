//! Limits of an event's content, checked once for every received event, whatever its source.
//!
//! The types of ids, currencies and quantities have limits of their own. A payload that passes [`Payload::check`] can
//! be encoded, decoded and stored.

mod details;
mod settlement;

use crate::{
    Customer, Employee, InventoryReport, Money, Order, OrderLine, Patch, Payload, Product, Quantity,
    StockedAt, Timestamp, Variant, Workplaces,
    promotion::{Bound, Promotion, Reward, TARGETS_MAX},
};
use std::ops::RangeInclusive;

/// Upper limit of characters in a SKU, a bar code or an order's number.
pub const CODE_CHARS_MAX: usize = 255;
/// Upper limit of characters in the title of a product, a variant or a line.
pub const TITLE_CHARS_MAX: usize = 1_000;
/// Upper limit of characters in a vendor, a category, a tag, a name, a mail address or a telephone number.
pub const NAME_CHARS_MAX: usize = 255;
/// Upper limit of bytes in a description, which may contain inline pictures.
pub const DESCRIPTION_BYTES_MAX: usize = 1024 * 1024;
/// Upper limit of tags of a product or a customer.
pub const TAGS_MAX: usize = 250;
/// Upper limit of roles of an employee.
pub const ROLES_MAX: usize = 100;
/// Upper limit of locations that an employee is reported to work at.
pub const WORKPLACES_MAX: usize = 2_000;
/// Upper limit of variants of a product.
pub const VARIANTS_MAX: usize = 2_048;
/// Upper limit of lines of an order.
pub const LINES_MAX: usize = 20_000;
/// Upper limit of images of a product or of a variant.
pub const IMAGES_MAX: usize = 250;
/// Upper limit of values of one attribute.
pub const ATTRIBUTE_VALUES_MAX: usize = 100;
/// Upper limit of lab results of a variant.
pub const LAB_RESULTS_MAX: usize = 200;
/// Upper limit of prices by quantity of a variant.
pub const PRICE_TIERS_MAX: usize = 100;
/// Upper limit of taxes, of payments and of refunds of an order.
pub const SETTLEMENT_ENTRIES_MAX: usize = 1_000;
/// Upper limit of locations in the complete list of an item's locations.
pub const LOCATIONS_MAX: usize = 1_000;
/// Upper limit of conditions of a promotion.
pub const CONDITIONS_MAX: usize = 50;
/// Upper limit of an amount, positive or negative, in minor units.
pub const MONEY_MINOR_MAX: u64 = 1_000_000_000_000_000;
/// Range of times that can be stored, in microseconds since 1970: up to the end of the year 9999.
const STORABLE: RangeInclusive<i64> = 0..=253_402_300_799_999_999;

/// Error for a value beyond its limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} in the event's {field}")]
pub struct OutOfBounds {
    /// Path of the field in the payload: `/variants/3/sku`.
    pub field: String,
    /// The limit in words; never quotes the value.
    pub reason: String,
}

type Checked = Result<(), OutOfBounds>;

impl Timestamp {
    /// Returns whether the time is between 1970 and the end of 9999. Other times can't be stored.
    pub fn is_storable(self) -> bool {
        STORABLE.contains(&self.as_micros())
    }
}

impl Payload {
    /// Checks every text, list, amount and time of the payload against its limit.
    ///
    /// # Errors
    ///
    /// Returns the first field that is beyond its limit.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        match self {
            Self::Product(product) => product_fits(product),
            Self::Inventory(InventoryReport { available, .. }) => {
                available.map_or(Ok(()), |available| reported("/available", available))
            }
            Self::Order(order) => order_fits(order),
            Self::Customer(customer) => customer_fits(customer),
            Self::Promotion(promotion) => promotion_fits(promotion),
            Self::Employee(employee) => employee_fits(employee),
            Self::Activity { promotion, activity } => {
                ensure(activity.since.is_storable(), "/since", || {
                    "a time before 1970 or after 9999".to_owned()
                })?;
                promotion_fits(promotion)
            }
            Self::Stocked(StockedAt { locations, .. }) => count("/locations", locations.len(), LOCATIONS_MAX),
            // They contain only ids.
            Self::Account(_) | Self::Instruction { .. } | Self::Deleted { .. } => Ok(()),
        }
    }
}

fn product_fits(product: &Product) -> Checked {
    let Product {
        external: _,
        title,
        description,
        vendor,
        category,
        status: _,
        tags,
        variants,
        variants_complete: _,
        details,
    } = product;
    optional("/title", title.as_deref(), TITLE_CHARS_MAX)?;
    if let Patch::Set(description) = description {
        no_nul("/description", description)?;
        let reason = || format!("more than {DESCRIPTION_BYTES_MAX} bytes");
        ensure(description.len() <= DESCRIPTION_BYTES_MAX, "/description", reason)?;
    }
    optional("/vendor", set(vendor), NAME_CHARS_MAX)?;
    optional("/category", set(category), NAME_CHARS_MAX)?;
    tags_fit(tags.as_deref())?;
    details::of_product(details)?;
    count("/variants", variants.len(), VARIANTS_MAX)?;
    each("/variants", variants, variant_fits)
}

fn variant_fits(variant: &Variant) -> Checked {
    let Variant { external: _, item: _, title, sku, barcode, price, compare_at_price, details } = variant;
    optional("/title", title.as_deref(), TITLE_CHARS_MAX)?;
    optional("/sku", set(sku), CODE_CHARS_MAX)?;
    optional("/barcode", set(barcode), CODE_CHARS_MAX)?;
    amount("/price", price.set())?;
    amount("/compare_at_price", compare_at_price.set())?;
    details::of_variant(details)
}

fn order_fits(order: &Order) -> Checked {
    optional("/number", order.number.as_deref(), CODE_CHARS_MAX)?;
    let amounts = [("/total", &order.total), ("/tax", &order.tax), ("/discount", &order.discount)];
    amounts.into_iter().try_for_each(|(field, money)| amount(field, money.as_ref()))?;
    for (field, time) in [("/placed_at", order.placed_at), ("/closed_at", order.closed_at)] {
        let storable = time.is_none_or(Timestamp::is_storable);
        ensure(storable, field, || "a time before 1970 or after 9999".to_owned())?;
    }
    count("/lines", order.lines.len(), LINES_MAX)?;
    each("/lines", &order.lines, line_fits)?;
    settlement::fits(&order.settlement)
}

fn line_fits(line: &OrderLine) -> Checked {
    let OrderLine { external: _, variant: _, sku, title, quantity, unit_price, total } = line;
    optional("/sku", sku.as_deref(), CODE_CHARS_MAX)?;
    optional("/title", title.as_deref(), TITLE_CHARS_MAX)?;
    reported("/quantity", *quantity)?;
    amount("/unit_price", unit_price.as_ref())?;
    amount("/total", total.as_ref())
}

fn customer_fits(customer: &Customer) -> Checked {
    let Customer { external: _, first_name, last_name, email, phone, tags, merged_into: _ } = customer;
    let names =
        [("/first_name", first_name), ("/last_name", last_name), ("/email", email), ("/phone", phone)];
    names.into_iter().try_for_each(|(field, name)| optional(field, set(name), NAME_CHARS_MAX))?;
    tags_fit(tags.as_deref())
}

fn employee_fits(employee: &Employee) -> Checked {
    let Employee { external: _, name, email, phone, roles, is_active: _, workplaces } = employee;
    let texts = [("/name", name), ("/email", email), ("/phone", phone)];
    texts.into_iter().try_for_each(|(field, text)| optional(field, set(text), NAME_CHARS_MAX))?;
    let roles = roles.as_deref().unwrap_or_default();
    count("/roles", roles.len(), ROLES_MAX)?;
    each("/roles", roles, |role| text("", role, NAME_CHARS_MAX))?;
    match workplaces {
        Some(Workplaces::Named(locations)) => count("/workplaces", locations.len(), WORKPLACES_MAX),
        Some(Workplaces::All) | None => Ok(()),
    }
}

fn promotion_fits(promotion: &Promotion) -> Checked {
    let Promotion { external: _, name, is_on: _, schedule, reward, targets, conditions, stacking: _ } =
        promotion;
    optional("/name", name.as_deref(), TITLE_CHARS_MAX)?;
    for bound in schedule.periods().iter().flat_map(|period| [period.from(), period.until()]).flatten() {
        let storable = match bound {
            Bound::At(at) => at.is_storable(),
            // Local times are of four digits of a year wherever they are parsed.
            Bound::Local(_) => true,
        };
        ensure(storable, "/schedule", || "a time before 1970 or after 9999".to_owned())?;
    }
    let of_reward = match reward {
        Reward::PercentOff { at_most, .. } => at_most.as_ref(),
        Reward::AmountOff(money) | Reward::PriceTo(money) | Reward::Bundle { total: money, .. } => {
            Some(money)
        }
        Reward::Other => None,
    };
    amount("/reward", of_reward)?;
    count("/targets", targets.scope.targets().len(), TARGETS_MAX)?;
    count("/except", targets.except.len(), TARGETS_MAX)?;
    count("/conditions", conditions.len(), CONDITIONS_MAX)
}

fn tags_fit(tags: Option<&[String]>) -> Checked {
    let tags = tags.unwrap_or_default();
    count("/tags", tags.len(), TAGS_MAX)?;
    each("/tags", tags, |tag| text("", tag, NAME_CHARS_MAX))
}

fn each<T>(field: &str, elements: &[T], fits: impl Fn(&T) -> Checked) -> Checked {
    elements.iter().enumerate().try_for_each(|(index, element)| {
        fits(element)
            .map_err(|inner| OutOfBounds { field: format!("{field}/{index}{}", inner.field), ..inner })
    })
}

fn set(patch: &Patch<String>) -> Option<&str> {
    patch.set().map(String::as_str)
}

fn optional(field: &str, value: Option<&str>, chars_max: usize) -> Checked {
    value.map_or(Ok(()), |value| text(field, value, chars_max))
}

fn text(field: &str, value: &str, chars_max: usize) -> Checked {
    no_nul(field, value)?;
    // A text has at most as many characters as bytes: most texts need no counting.
    let fits = value.len() <= chars_max || value.chars().count() <= chars_max;
    ensure(fits, field, || format!("more than {chars_max} characters"))
}

/// Rejects U+0000, which Postgres stores neither in text nor in jsonb.
fn no_nul(field: &str, value: &str) -> Checked {
    ensure(!value.contains('\0'), field, || "the character U+0000".to_owned())
}

fn count(field: &str, found: usize, max: usize) -> Checked {
    ensure(found <= max, field, || format!("more than {max} entries"))
}

fn amount(field: &str, money: Option<&Money>) -> Checked {
    let fits = money.is_none_or(|money| money.minor.unsigned_abs() <= MONEY_MINOR_MAX);
    ensure(fits, field, || format!("an amount beyond ±{MONEY_MINOR_MAX} minor units"))
}

fn reported(field: &str, quantity: Quantity) -> Checked {
    let fits = Quantity::new(quantity.decimal()).is_ok();
    ensure(fits, field, || "a quantity beyond what a platform may report".to_owned())
}

fn ensure(fits: bool, field: &str, reason: impl FnOnce() -> String) -> Checked {
    if fits { Ok(()) } else { Err(OutOfBounds { field: field.to_owned(), reason: reason() }) }
}

#[cfg(test)]
mod tests;
