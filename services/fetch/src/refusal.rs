//! Records that a platform refuses an account.

use platforms::AccountRefusal;
use store::{Connection, Health, Store, StoreError};

/// Records that the platform refused a call because of the credentials or the account.
pub(crate) async fn note(
    store: &Store,
    called_as: &Connection,
    refusal: AccountRefusal,
    reason: &str,
) -> Result<(), StoreError> {
    let health = match refusal {
        AccountRefusal::Unauthorized => Health::NeedsReauth,
        AccountRefusal::Misconfigured => Health::Misconfigured,
    };
    store.note_account_refused(called_as, health, reason, runner::now()).await.map(drop)
}
