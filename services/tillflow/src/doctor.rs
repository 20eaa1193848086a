//! Whether the broker and the database are as they have to be.

use crate::{
    cli::{Output, Place},
    environment::{configuration, open_store},
    failure::Failed,
    output,
};
use bus::Bus;
use serde_json::json;
use store::Store;

/// Checks both, and says what is in force.
pub(crate) async fn run(place: Place, output: Output) -> Result<(), Failed> {
    let bus = Bus::connect(&configuration(&place)?.0).await?;
    let profile = bus.check().await?;
    open_store(&place).await?.ping().await?;
    match output {
        Output::Text => {
            output::line(&format!(
                "broker    nats-server {}: {:?}",
                profile.server_version, profile.durability
            ));
            output::line("database  answers, tables are of this version");
        }
        Output::Json => output::json(&json!({
            "broker": {
                "version": profile.server_version,
                "max_payload_bytes": profile.max_payload_bytes,
                "durability": format!("{:?}", profile.durability),
            },
            "database": {"answers": true},
        })),
    }
    Ok(())
}

/// Brings the tables up to date.
pub(crate) async fn migrate(place: Place, output: Output) -> Result<(), Failed> {
    let config = configuration(&place)?.1;
    let store = Store::connect(&config, config.vault()?).await?;
    store.migrate().await?;
    store.maintain().await?;
    match output {
        Output::Text => output::line("the tables are up to date"),
        Output::Json => output::json(&json!({"migrated": true})),
    }
    Ok(())
}
