//! Columns of personal data: a field that was never reported is missing in them, one that is empty on purpose is null.

use crate::{StoreError, columns::unreadable, row::Row};
use model::Patch;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The personal fields of a customer.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PersonalOfCustomer {
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    pub(crate) first_name: Patch<String>,
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    pub(crate) last_name: Patch<String>,
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    pub(crate) email: Patch<String>,
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    pub(crate) phone: Patch<String>,
}

/// The personal fields of an employee. Roles are free texts.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PersonalOfEmployee {
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    pub(crate) name: Patch<String>,
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    pub(crate) email: Patch<String>,
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    pub(crate) phone: Patch<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roles: Option<Vec<String>>,
}

/// Reads the column of personal data. Its error doesn't quote it.
pub(crate) fn read<T: DeserializeOwned>(row: &impl Row) -> Result<T, StoreError> {
    row.json("personal").map_err(|_| unreadable("personal"))
}

fn never_reported(field: &Patch<String>) -> bool {
    matches!(field, Patch::Keep)
}

mod reported {
    use model::Patch;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(field: &Patch<String>, serializer: S) -> Result<S::Ok, S::Error> {
        field.set().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Patch<String>, D::Error> {
        Option::deserialize(deserializer).map(Patch::present)
    }
}
