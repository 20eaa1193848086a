//! Records that a platform refuses an account.

use platforms::AccountRefusal;
use store::{Connection, Store, StoreError};

/// Records that the platform refused a call because of the credentials or the account.
pub(crate) async fn note(
    store: &Store,
    called_as: &Connection,
    refusal: AccountRefusal,
    reason: &str,
) -> Result<(), StoreError> {
    store.note_account_refused(called_as, refusal.into(), reason, runner::now()).await.map(drop)
}
