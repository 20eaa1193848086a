//! Customers: people with an account in the shop. Guests have none.

use super::Reported;
use crate::{Mapped, field::Object};
use model::{Customer, Patch, Payload, RawDigest};
use stage::Reject;

/// The customer's current state. The telephone number is that of the billing address.
pub(super) fn customer(reported: &Reported<'_>, root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.id("id")?;
    let billing = root.object("billing")?;
    let phone = billing.as_ref().map_or(Ok(Patch::Keep), |billing| billing.patch("phone"))?;
    let mut identity = vec!["customer".to_owned(), external.to_string()];
    identity.extend(reported.occasion());
    identity.push(RawDigest::of(&reported.delivery.body).to_string());
    let payload = Payload::Customer(Customer {
        external,
        first_name: root.patch("first_name")?,
        last_name: root.patch("last_name")?,
        email: root.patch("email")?,
        phone,
        tags: None,
        merged_into: None,
    });
    Ok(reported.state(identity, reported.version(), payload))
}
