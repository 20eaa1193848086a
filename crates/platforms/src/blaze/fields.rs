//! The fields that are kept of an object. The API shows employees with their PINs and customers with their documents
//! inside of other objects: nothing that isn't mapped, or wanted for a later mapping, is stored.

use serde_json::{Map, Value};

/// The fields of one kind of object, and those of the objects and lists in it.
pub(super) struct Fields {
    plain: &'static [&'static str],
    nested: &'static [(&'static str, &'static [&'static str])],
}

/// The fields of a product.
pub(super) const PRODUCT: Fields = Fields {
    plain: &[
        "id",
        "companyId",
        "shopId",
        "companyLinkId",
        "created",
        "modified",
        "deleted",
        "active",
        "sku",
        "externalId",
        "name",
        "description",
        "categoryId",
        "brandId",
        "vendorId",
        "unitPrice",
        "weightPerUnit",
        "customWeight",
        "customGramType",
        "cannabisType",
        "flowerType",
        "thc",
        "cbd",
        "thca",
        "cbda",
        "cbn",
        "cbg",
        "potencyAmount",
        "productSaleType",
        "tags",
        "sellableQuantities",
        "totalSellableQuantity",
    ],
    nested: &[
        ("category", &["name", "unitType", "cannabis"]),
        ("brand", &["name"]),
        ("quantities", &["inventoryId", "shopId", "quantity", "modified", "deleted"]),
        ("priceBreaks", &["price", "salePrice", "assignedPrice", "quantity", "priceBreakType", "active"]),
        ("priceRanges", &["price", "salePrice", "assignedPrice", "priority", "weightToleranceId"]),
        ("assets", &["publicURL", "largeURL", "priority", "active"]),
    ],
};

/// The fields of a product that is read for its levels.
pub(super) const PRODUCT_STOCK: Fields = Fields {
    plain: &["id", "shopId", "modified", "deleted", "active"],
    nested: &[("quantities", &["inventoryId", "shopId", "quantity", "modified", "deleted"])],
};

/// The fields of a promotion.
pub(super) const PROMOTION: Fields = Fields {
    plain: &["id", "shopId", "modified", "deleted", "active", "name", "startDate", "endDate"],
    nested: &[("target", &["productIds", "categoryIds", "brandIds", "vendorIds"])],
};

/// The fields of a transaction.
pub(super) const TRANSACTION: Fields = Fields {
    plain: &[
        "id",
        "companyId",
        "shopId",
        "created",
        "modified",
        "deleted",
        "transNo",
        "parentTransactionId",
        "transType",
        "status",
        "queueType",
        "memberId",
        "sellerId",
        "terminalId",
        "checkinTime",
        "startTime",
        "endTime",
        "processedTime",
        "completedTime",
        "timeZone",
    ],
    nested: &[(
        "cart",
        &[
            "total",
            "subTotal",
            "totalCalcTax",
            "totalPreCalcTax",
            "totalDiscount",
            "refundAmount",
            "paymentOption",
            "items",
        ],
    )],
};

/// The fields of a line of a transaction.
pub(super) const LINE: Fields = Fields {
    plain: &[
        "id",
        "orderItemId",
        "productId",
        "productSku",
        "productName",
        "quantity",
        "unitPrice",
        "totalPrice",
        "finalPrice",
        "discount",
        "calcTax",
        "status",
    ],
    nested: &[],
};

/// The fields of a member.
pub(super) const MEMBER: Fields = Fields {
    plain: &[
        "id",
        "companyId",
        "shopId",
        "created",
        "modified",
        "deleted",
        "firstName",
        "lastName",
        "email",
        "primaryPhone",
        "status",
    ],
    nested: &[("memberGroup", &["name"])],
};

/// The fields of an employee: no PIN, no password, no licence.
pub(super) const EMPLOYEE: Fields = Fields {
    plain: &[
        "id",
        "companyId",
        "modified",
        "deleted",
        "disabled",
        "firstName",
        "lastName",
        "email",
        "phoneNumber",
        "shops",
    ],
    nested: &[("role", &["name"])],
};

impl Fields {
    /// The object with these fields alone; anything else than an object stays as it is.
    pub(super) fn of(&self, object: &Value) -> Value {
        let Some(fields) = object.as_object() else { return object.clone() };
        let plain = kept(fields, self.plain);
        let nested = self.nested.iter().filter_map(|(name, names)| {
            let value = match fields.get(*name)? {
                Value::Object(fields) => Value::Object(kept(fields, names)),
                Value::Array(elements) => elements.iter().map(|element| only(element, names)).collect(),
                other => other.clone(),
            };
            Some(((*name).to_owned(), value))
        });
        Value::Object(plain.into_iter().chain(nested).collect())
    }
}

/// A transaction with its lines.
pub(super) fn transaction(object: &Value) -> Value {
    let mut kept = TRANSACTION.of(object);
    if let Some(Value::Array(lines)) = kept.pointer_mut("/cart/items") {
        for line in lines {
            *line = LINE.of(line);
        }
    }
    kept
}

fn only(element: &Value, names: &[&str]) -> Value {
    element.as_object().map_or_else(|| element.clone(), |fields| Value::Object(kept(fields, names)))
}

fn kept(fields: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn employees_and_documents_inside_of_a_sale_are_not_kept() {
        let sale = json!({"id": "t", "transNo": "1", "seller": {"pin": "1234"}, "member": {"dob": 1, "email": "a@example.com"},
            "deliveryAddress": {"city": "x"}, "memo": "text", "cart": {"total": 1.5, "taxTable": {},
                "items": [{"orderItemId": "l", "product": {"vendor": {}}, "quantity": 2}]}});
        let expected = json!({"id": "t", "transNo": "1", "cart": {"total": 1.5,
            "items": [{"orderItemId": "l", "quantity": 2}]}});
        assert_eq!(transaction(&sale), expected);
        let member = json!({"id": "m", "firstName": "Ada", "dob": 1, "identifications": [{"licenseNumber": "x"}],
            "recommendations": [{}], "memberGroup": {"name": "Staff", "discount": 5}, "address": {"city": "x"}});
        let expected = json!({"id": "m", "firstName": "Ada", "memberGroup": {"name": "Staff"}});
        assert_eq!(MEMBER.of(&member), expected);
        let employee = json!({"id": "e", "firstName": "Ada", "pin": "1234", "password": "x", "driversLicense": "x",
            "vehiclePin": "x", "birthDate": 1, "role": {"name": "Manager", "permissions": ["None"]}, "shops": ["s"]});
        let expected = json!({"id": "e", "firstName": "Ada", "role": {"name": "Manager"}, "shops": ["s"]});
        assert_eq!(EMPLOYEE.of(&employee), expected);
    }

    #[test]
    fn nulls_and_other_shapes_stay_what_they_are() {
        let product = json!({"id": "p", "brand": null, "assets": null, "quantities": [null, {"quantity": 1, "dirty": true}],
            "taxTables": [], "category": "x"});
        let expected = json!({"id": "p", "brand": null, "assets": null, "quantities": [null, {"quantity": 1}],
            "category": "x"});
        assert_eq!(PRODUCT.of(&product), expected);
        assert_eq!(PRODUCT.of(&json!("x")), json!("x"));
        assert_eq!(
            transaction(&json!({"id": "t", "cart": {"items": "x"}})),
            json!({"id": "t", "cart": {"items": "x"}})
        );
    }
}
