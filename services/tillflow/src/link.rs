//! Links by hand, and locations that a store takes no part in.

use crate::{
    cli::{IgnoreLocation, Link, Output, Unlink},
    connection,
    environment::{open_bus, open_store},
    failure::Failed,
    instruct, output,
};
use model::{ExternalId, Instruction, LinkKind, VariantId};
use serde_json::json;
use std::collections::BTreeSet;

pub(crate) async fn link(arguments: Link, output: Output) -> Result<(), Failed> {
    let variant = external(&arguments.variant)?;
    let to = VariantId::new(&arguments.to).map_err(|error| Failed::Usage(error.to_string()))?;
    let store = open_store(&arguments.place).await?;
    let state = connection::find(&store, &arguments.connection).await?;
    if !store.has_variant(&state.origin.store, &to).await? {
        return Err(Failed::Other(format!("store {} has no variant {to}", state.origin.store)));
    }
    let bus = open_bus(&arguments.place).await?;
    let instruction = Instruction::Link { variant: variant.clone(), to: to.clone() };
    let sent = instruct::send(&bus, &store, &state.origin, (&variant, &instruction), arguments.wait).await?;
    sent.tell(&format!("{variant} of {} is {to}", state.origin.connection), output);
    Ok(())
}

pub(crate) async fn unlink(arguments: Unlink, output: Output) -> Result<(), Failed> {
    let variant = external(&arguments.variant)?;
    let store = open_store(&arguments.place).await?;
    let state = connection::find(&store, &arguments.connection).await?;
    let key = (state.origin.connection.clone(), LinkKind::Variant, variant.clone());
    if store.links(&BTreeSet::from([key])).await?.is_empty() {
        return Err(Failed::Other(format!(
            "connection {} has no link of variant {variant}",
            state.origin.connection
        )));
    }
    let bus = open_bus(&arguments.place).await?;
    let instruction = Instruction::Unlink { variant: variant.clone() };
    let sent = instruct::send(&bus, &store, &state.origin, (&variant, &instruction), arguments.wait).await?;
    sent.tell(&format!("{variant} of {} is linked to nothing", state.origin.connection), output);
    Ok(())
}

pub(crate) async fn ignore_location(arguments: IgnoreLocation, output: Output) -> Result<(), Failed> {
    let location = external(&arguments.location)?;
    let store = open_store(&arguments.place).await?;
    let state = connection::find(&store, &arguments.connection).await?;
    let ignored = !arguments.undo;
    store.ignore_location(&state.origin.connection, &location, ignored).await?;
    match output {
        Output::Json => output::json(&json!({
            "connection": state.origin.connection,
            "location": location,
            "ignored": ignored,
        })),
        Output::Text => {
            let ignored = if ignored { "ignored" } else { "no longer ignored" };
            output::line(&format!("location {location} of {} is {ignored}", state.origin.connection));
        }
    }
    Ok(())
}

fn external(text: &str) -> Result<ExternalId, Failed> {
    ExternalId::new(text).map_err(|error| Failed::Usage(error.to_string()))
}
