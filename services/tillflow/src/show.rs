//! What the record holds.

use crate::{
    cli::{Output, Show, Shown},
    environment::open_store,
    failure::Failed,
    output,
};
use model::{MirrorValue, StoreId};
use serde_json::{Value, json};
use store::{LevelLine, MirrorLine};

pub(crate) async fn run(arguments: Show, output: Output) -> Result<(), Failed> {
    let Shown::Store { store: id, place } = arguments.what;
    let store_id = StoreId::new(&id).map_err(|error| Failed::Usage(error.to_string()))?;
    let store = open_store(&place).await?;
    let view = store.show_store(&store_id).await?;
    let open_conflicts = store.open_conflicts_of(&store_id).await?;
    if output == Output::Json {
        output::json(&json!({
            "store": id,
            "open_conflicts": open_conflicts,
            "levels": view.levels.iter().map(level_value).collect::<Vec<_>>(),
            "mirrors": view.mirrors.iter().map(mirror_value).collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    if open_conflicts > 0 {
        output::line(&format!("{open_conflicts} open conflicts: tillflow conflicts ls --store {id}\n"));
    }
    if view.levels.is_empty() && view.mirrors.is_empty() {
        output::line(&format!("store {id} has no levels yet"));
        return Ok(());
    }
    output::line("LEVELS");
    for line in &view.levels {
        let name = line.product_title.as_deref().or(line.variant_title.as_deref()).unwrap_or("?");
        let sku = line.sku.as_deref().unwrap_or("-");
        output::line(&format!(
            "  {:>8}  {sku:<12} {name:<32} at {}",
            line.quantity.to_string(),
            line.location_name
        ));
    }
    output::line("\nMIRRORS    platform holds / should hold");
    for line in &view.mirrors {
        output::line(&mirror_text(line));
    }
    Ok(())
}

fn mirror_text(line: &MirrorLine) -> String {
    let shown = |value: &Option<MirrorValue>| value.as_ref().map_or("?".to_owned(), short);
    let agrees = line.desired.is_none() || line.desired == line.held;
    let state = match (&line.last_error, agrees) {
        (Some(error), false) => format!("after {} attempts: {error}", line.attempts),
        (_, false) => "on its way".to_owned(),
        (_, true) => "agrees".to_owned(),
    };
    format!(
        "  {:<8} {:<9} {:<24} {:>12} / {:<12} {state}",
        line.platform,
        line.key.kind.as_str(),
        line.key.external,
        shown(&line.held),
        shown(&line.desired),
    )
}

fn short(value: &MirrorValue) -> String {
    match value {
        MirrorValue::Quantity(quantity) => quantity.to_string(),
        MirrorValue::Price(price) => price.to_string(),
        MirrorValue::Text(text) => text.title.clone().unwrap_or_default(),
    }
}

fn level_value(line: &LevelLine) -> Value {
    json!({
        "variant": line.variant,
        "product": line.product_title,
        "sku": line.sku,
        "location": line.location,
        "quantity": line.quantity,
    })
}

fn mirror_value(line: &MirrorLine) -> Value {
    json!({
        "connection": line.key.connection,
        "platform": line.platform,
        "kind": line.key.kind,
        "external": line.key.external,
        "place": line.key.place,
        "internal": line.internal,
        "observed": line.observed,
        "held": line.held,
        "desired": line.desired,
        "state": line.state,
        "attempts": line.attempts,
        "last_error": line.last_error,
    })
}
