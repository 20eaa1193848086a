//! Rows of both clients of Postgres, read alike.

use crate::{StoreError, error};
use serde::de::DeserializeOwned;
use sqlx::{
    Decode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgRow, PgTypeInfo, PgValueRef},
};
use tokio_postgres::types::{self, FromSql};

/// A value that both clients read.
pub(crate) trait Value<'r>: Decode<'r, Postgres> + Type<Postgres> + FromSql<'r> {}

impl<'r, T: Decode<'r, Postgres> + Type<Postgres> + FromSql<'r>> Value<'r> for T {}

/// A row of either client.
pub(crate) trait Row {
    /// Reads a column.
    fn value<'r, T: Value<'r>>(&'r self, column: &str) -> Result<T, StoreError>;

    /// Reads a column of JSON that may be null.
    fn json_or_null<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        Ok(self.value::<Option<Json<T>>>(column)?.map(|json| json.0))
    }

    /// Reads a column of JSON.
    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        Ok(self.value::<Json<T>>(column)?.0)
    }
}

impl Row for PgRow {
    fn value<'r, T: Value<'r>>(&'r self, column: &str) -> Result<T, StoreError> {
        Ok(sqlx::Row::try_get(self, column)?)
    }
}

impl Row for tokio_postgres::Row {
    fn value<'r, T: Value<'r>>(&'r self, column: &str) -> Result<T, StoreError> {
        let index = self.columns().iter().position(|found| found.name() == column);
        let index = index.ok_or_else(|| error::missing_column(column))?;
        // The library's error would quote the value, if it is JSON.
        self.try_get(index).map_err(|_| error::unreadable_column(column))
    }
}

/// A value of JSON.
pub(crate) struct Json<T>(T);

impl<T> Type<Postgres> for Json<T> {
    fn type_info() -> PgTypeInfo {
        <sqlx::types::Json<T> as Type<Postgres>>::type_info()
    }

    fn compatible(other: &PgTypeInfo) -> bool {
        <sqlx::types::Json<T> as Type<Postgres>>::compatible(other)
    }
}

impl<T: DeserializeOwned> Decode<'_, Postgres> for Json<T> {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let sqlx::types::Json(json) = Decode::<Postgres>::decode(value)?;
        Ok(Self(json))
    }
}

/// Version of the binary format of `jsonb`, which precedes the text.
const JSONB_VERSION: u8 = 1;

impl<T: DeserializeOwned> FromSql<'_> for Json<T> {
    fn from_sql(of: &types::Type, bytes: &[u8]) -> Result<Self, BoxDynError> {
        let text = match bytes {
            [JSONB_VERSION, text @ ..] if *of == types::Type::JSONB => text,
            _ if *of == types::Type::JSON => bytes,
            _ => return Err("unknown version of jsonb".into()),
        };
        Ok(Self(serde_json::from_slice(text)?))
    }

    fn accepts(of: &types::Type) -> bool {
        matches!(*of, types::Type::JSONB | types::Type::JSON)
    }
}
