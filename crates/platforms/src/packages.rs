//! Stock that is listed package by package.

use crate::field::Object;
use model::{InvalidQuantity, Quantity};
use stage::{Reject, RejectClass};

/// The names of the fields of a package.
#[derive(Clone, Copy)]
pub(crate) struct PackageFields {
    /// That of the quantity, which every package must have.
    pub(crate) quantity: &'static str,
    /// That of the unit, which packages of one item must agree about.
    pub(crate) unit: &'static str,
}

/// The quantity of an item whose stock is in these packages; zero if there are none. A package that can't be read
/// rejects the sum: without it the sum would be another number.
pub(crate) fn sum<'a>(
    packages: impl IntoIterator<Item = &'a Object<'a>>,
    fields: PackageFields,
) -> Result<Quantity, Reject> {
    let (mut sum, mut unit) = (Quantity::ZERO, None);
    for package in packages {
        let quantity = package.quantity(fields.quantity)?.ok_or_else(|| package.missing(fields.quantity))?;
        let stated = package.stated(fields.unit)?.map(str::to_lowercase);
        if unit.is_some() && stated.is_some() && unit != stated {
            let reason = "the packages of an item are counted in different units";
            return Err(package.reject(RejectClass::Data, fields.unit, reason));
        }
        unit = unit.or(stated);
        let next = sum.plus(quantity).and_then(|sum| Quantity::new(sum.decimal()).ok());
        sum = next
            .ok_or_else(|| package.reject(RejectClass::Data, fields.quantity, InvalidQuantity.to_string()))?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(rows: &Value) -> Result<String, Reject> {
        let body = json!({ "rows": rows });
        let root = Object::root(&body).unwrap();
        let rows = root.objects("rows")?.unwrap_or_default();
        sum(&rows, PackageFields { quantity: "q", unit: "u" }).map(|sum| sum.to_string())
    }

    #[test]
    fn packages_are_summed_without_float_arithmetic() {
        assert_eq!(of(&json!([])), Ok("0".to_owned()));
        let tenths = json!([{"q": 0.1, "u": "g"}, {"q": 0.2, "u": "G"}, {"q": "3.5", "u": null}, {"q": 1e1}]);
        assert_eq!(of(&tenths), Ok("13.8".to_owned()));
        assert_eq!(of(&json!([{"q": 5, "u": "ea"}, {"q": -2, "u": "ea"}])), Ok("3".to_owned()));
    }

    #[test]
    fn units_that_differ_make_no_sum() {
        let reject = of(&json!([{"q": 1, "u": "g"}, {"q": 1}, {"q": 1, "u": "ea"}])).unwrap_err();
        assert_eq!((reject.class, reject.pointer.as_deref()), (RejectClass::Data, Some("/rows/2/u")));
    }

    #[test]
    fn a_package_without_a_quantity_makes_no_sum() {
        let reject = of(&json!([{"q": 1}, {"q": null}])).unwrap_err();
        assert_eq!((reject.class, reject.pointer.as_deref()), (RejectClass::Schema, Some("/rows/1/q")));
        assert!(of(&json!([{"q": 999_999_999}, {"q": 2}])).is_err(), "beyond what a level may be");
    }
}
