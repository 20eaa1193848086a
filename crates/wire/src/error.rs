//! Errors of decoding.

/// Reason for which a message can't be decoded. Never temporary: the same bytes give the same error.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf, or truncated.
    #[error("not a protobuf message of the expected type")]
    Protobuf(#[from] prost::DecodeError),
    /// Not a valid compressed batch, or larger than the limit.
    #[error("the compressed batch can't be read or exceeds its limit")]
    Compression(#[source] std::io::Error),
    /// The lists exceed their memory limit.
    #[error("its lists are longer than a message's may be")]
    Lists,
    /// A required field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has an invalid value.
    #[error("{field} is invalid: {reason}")]
    Invalid {
        /// Path of the field in the message.
        field: &'static str,
        /// The error, without the value.
        reason: String,
    },
}

/// Adds the field's path to the error of its value.
pub(crate) trait At<T> {
    fn at(self, field: &'static str) -> Result<T, DecodeError>;
}

impl<T, E: std::fmt::Display> At<T> for Result<T, E> {
    fn at(self, field: &'static str) -> Result<T, DecodeError> {
        self.map_err(|error| DecodeError::Invalid { field, reason: error.to_string() })
    }
}

pub(crate) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing(field))
}
