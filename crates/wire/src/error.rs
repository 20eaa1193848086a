//! Why bytes aren't what they should be.

/// Why a message can't be read. Never temporary: the same bytes give the same error.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf, or cut off.
    #[error("not a protobuf message of the expected type")]
    Protobuf(#[from] prost::DecodeError),
    /// A compressed batch that isn't one, or that is larger than it may be.
    #[error("the compressed batch can't be read or exceeds its limit")]
    Compression(#[source] std::io::Error),
    /// Its lists would take more memory than they may.
    #[error("its lists are longer than a message's may be")]
    Lists,
    /// A field that must be there isn't.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has a value it can't have.
    #[error("{field} is invalid: {reason}")]
    Invalid {
        /// Its path in the message.
        field: &'static str,
        /// What was wrong, without the value.
        reason: String,
    },
}

/// Names the field in the error of its value.
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
