//! Values of parameters in the binary format, which is the same for both clients of Postgres.

use bytes::BytesMut;
use sqlx::{
    Encode, Postgres, Type, TypeInfo as _,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo},
};
use std::fmt;
use tokio_postgres::types::{self, ToSql};

/// The value of a parameter.
pub(crate) struct Encoded {
    type_info: PgTypeInfo,
    /// `None` is null.
    bytes: Option<Vec<u8>>,
}

impl Encoded {
    /// Encodes a value. Only for types of [`super::ValueOf`]: their format depends on nothing that a server says.
    pub(super) fn of<'t, V: Encode<'t, Postgres> + Type<Postgres>>(value: &V) -> Result<Self, BoxDynError> {
        let mut buffer = PgArgumentBuffer::default();
        let is_null = value.encode_by_ref(&mut buffer)?;
        let bytes = (!is_null.is_null()).then(|| std::mem::take(&mut *buffer));
        Ok(Self { type_info: value.produces().unwrap_or_else(V::type_info), bytes })
    }
}

impl Type<Postgres> for Encoded {
    // Only for a value that doesn't say its own type, as `produces` does.
    fn type_info() -> PgTypeInfo {
        <[u8] as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Encoded {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(bytes) = &self.bytes else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.type_info.clone())
    }

    fn size_hint(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }
}

impl ToSql for Encoded {
    fn to_sql(&self, _: &types::Type, buffer: &mut BytesMut) -> Result<types::IsNull, BoxDynError> {
        let Some(bytes) = &self.bytes else { return Ok(types::IsNull::Yes) };
        buffer.extend_from_slice(bytes);
        Ok(types::IsNull::No)
    }

    // The compiler has compared the value with the declared parameter, and a test that one with the schema.
    fn accepts(_: &types::Type) -> bool {
        true
    }

    types::to_sql_checked!();
}

impl fmt::Debug for Encoded {
    // A value may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("type", &self.type_info.name()).finish_non_exhaustive()
    }
}
