//! The note in the record that an account refuses us.

use model::ConnectionId;
use platforms::AccountRefusal;
use store::{Store, StoreError};

/// Notes that the platform refused a call for the sake of the credentials or the account.
#[expect(clippy::unused_async, reason = "the record has no place for it yet")]
pub(crate) async fn note(
    _store: &Store,
    _connection: &ConnectionId,
    _refusal: AccountRefusal,
    _reason: &str,
) -> Result<(), StoreError> {
    Ok(())
}
