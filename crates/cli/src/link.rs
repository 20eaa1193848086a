//! Links by hand, and locations that a store ignores.

use crate::{
    cli::{IgnoreLocation, Link, LinkLocation, Output, Unlink},
    connection,
    environment::{open_bus, open_store},
    failure::Failed,
    instruct, output,
};
use model::{ExternalId, Instruction, LinkKind, LocationId, Origin, Outcome, VariantId};
use serde_json::json;
use std::collections::BTreeSet;
use store::LinkKey;

/// The author of rejections that `tillflow unlink` stores.
const UNLINKED_BY: &str = "tillflow unlink";

pub(crate) async fn link(arguments: Link, output: Output) -> Result<(), Failed> {
    let variant = external(&arguments.variant)?;
    let to = VariantId::new(&arguments.to).map_err(|error| Failed::Usage(error.to_string()))?;
    let store = open_store(&arguments.target).await?;
    let state = connection::find(&store, &arguments.connection).await?;
    if !store.has_variant(&state.origin.store, &to).await? {
        return Err(Failed::Other(format!("store {} has no variant {to}", state.origin.store)));
    }
    let bus = open_bus(&arguments.target).await?;
    let instruction = Instruction::Link { variant: variant.clone(), to: to.clone() };
    let sent = instruct::send(bus, &store, &state.origin, (&variant, &instruction), arguments.wait).await?;
    instruct::print(&sent, &format!("{variant} of {} is {to}", state.origin.connection), output);
    Ok(())
}

pub(crate) async fn unlink(arguments: Unlink, output: Output) -> Result<(), Failed> {
    let variant = external(&arguments.variant)?;
    let store = open_store(&arguments.target).await?;
    let state = connection::find(&store, &arguments.connection).await?;
    let connection = state.origin.connection.clone();
    let key = LinkKey { connection, kind: LinkKind::Variant, external: variant.clone() };
    let linked = store.links(&BTreeSet::from([key])).await?;
    let Some(linked_to) = linked.into_values().next() else {
        return Err(Failed::Other(format!(
            "connection {} has no link of variant {variant}",
            state.origin.connection
        )));
    };
    let bus = open_bus(&arguments.target).await?;
    // Before the instruction: what was unlinked is never matched again without a person.
    if let Some(other) = VariantId::new(&linked_to).ok().filter(|to| *to != own(&state.origin, &variant)) {
        store.reject_pair(&state.origin, &variant, &other, UNLINKED_BY).await?;
    }
    let instruction = Instruction::Unlink { variant: variant.clone() };
    let sent = instruct::send(bus, &store, &state.origin, (&variant, &instruction), arguments.wait).await?;
    instruct::print(&sent, &format!("{variant} of {} is linked to nothing", state.origin.connection), output);
    Ok(())
}

pub(crate) async fn link_location(arguments: LinkLocation, output: Output) -> Result<(), Failed> {
    let location = external(&arguments.location)?;
    let to = LocationId::new(&arguments.to).map_err(|error| Failed::Usage(error.to_string()))?;
    let store = open_store(&arguments.target).await?;
    let state = connection::find(&store, &arguments.connection).await?;
    let connection = &state.origin.connection;
    if !store.locations_of(&state.origin.store).await?.iter().any(|of| of.id == to) {
        return Err(Failed::Other(format!("store {} has no location {to}", state.origin.store)));
    }
    let linked = store.location_links(connection).await?;
    match linked.iter().find(|(external, internal)| *external == location || *internal == to) {
        Some((external, internal)) if *external != location || *internal != to => {
            return Err(Failed::Other(format!(
                "location {external} of {connection} is linked to {internal}"
            )));
        }
        _ => {}
    }
    if arguments.dry_run {
        let items = store.count_items(connection).await?;
        match output {
            Output::Json => output::json(&json!({
                "connection": connection, "location": location, "to": to, "items_to_read": items,
            })),
            Output::Text => output::line(&format!(
                "location {location} of {connection} would be {to}, and {items} items would be read there; nothing was done"
            )),
        }
        return Ok(());
    }
    let bus = open_bus(&arguments.target).await?;
    let instruction = Instruction::LinkLocation { location: location.clone(), to: to.clone() };
    let sent = instruct::send(bus, &store, &state.origin, (&location, &instruction), arguments.wait).await?;
    let is_linked = store.location_links(connection).await?.contains(&(location.clone(), to.clone()));
    if let Some(outcome) = sent.outcome.as_ref().filter(|it| it.outcome == Outcome::Unchanged && !is_linked) {
        return Err(Failed::Other(format!("it had no effect: {}", outcome.reason)));
    }
    instruct::print(&sent, &format!("location {location} of {connection} is {to}"), output);
    Ok(())
}

pub(crate) async fn ignore_location(arguments: IgnoreLocation, output: Output) -> Result<(), Failed> {
    let location = external(&arguments.location)?;
    let store = open_store(&arguments.target).await?;
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

/// The variant that a platform's variant is if it is linked to nothing else.
fn own(origin: &Origin, variant: &ExternalId) -> VariantId {
    VariantId::derive(&origin.connection, variant)
}

fn external(text: &str) -> Result<ExternalId, Failed> {
    ExternalId::new(text).map_err(|error| Failed::Usage(error.to_string()))
}
