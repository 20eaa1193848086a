//! Looks up the connections of partners in the record.

use crate::{
    cli::NatsAuth,
    environment::{Running, dev_store_config},
    failure::Failed,
    output,
};
use model::ConnectionId;
use std::path::Path;
use store::{Store, StoreConfig};

/// Refuses partners whose connection isn't in the record, or belongs to another store. Without a database it reports
/// that nothing was checked.
pub(super) async fn are_connections(arguments: &NatsAuth, configured: StoreConfig) -> Result<(), Failed> {
    if arguments.partner.is_empty() {
        return Ok(());
    }
    let Some(config) = record(&arguments.folder, configured)? else {
        output::progress("no database is configured: whether the connections exist isn't checked");
        return Ok(());
    };
    let unknown = |error: &dyn std::fmt::Display| {
        Failed::Other(format!("{error}; with --unchecked the record isn't asked"))
    };
    let store = Store::open(&config).await.map_err(|error| unknown(&error))?;
    for pair in arguments.partner.chunks(2) {
        let [of, connection] = pair else { continue };
        let id = ConnectionId::new(connection).map_err(|error| Failed::Usage(error.to_string()))?;
        let found = store.connection_state(&id).await.map_err(|error| unknown(&error))?;
        if found.is_none_or(|found| found.origin.store.as_str() != of) {
            return Err(unknown(&format!("the record has no connection {connection} of store {of}")));
        }
    }
    Ok(())
}

/// The database whose connections have users in the folder: that of a running `tillflow dev`, or the configured one.
fn record(folder: &Path, configured: StoreConfig) -> Result<Option<StoreConfig>, Failed> {
    let dir = folder.parent().unwrap_or(folder);
    if let Some(running) = Running::find(dir)?
        && running.nats_users.file_name() == folder.file_name()
    {
        return dev_store_config(dir, &running.postgres_url).map(Some);
    }
    Ok((!configured.keys.is_empty()).then_some(configured))
}
