//! Shows the present state of the record.

mod employees;
mod price;
mod promotions;
mod record;

use crate::{
    cli::{Output, Show, Shown},
    environment::open_store,
    failure::Failed,
    output, stores,
    table::{Table, left, right},
};
use model::{Attention, MirrorValue};
use serde_json::{Value, json};
use store::{LevelLine, MirrorLine};

pub(crate) async fn run(arguments: Show, output: Output) -> Result<(), Failed> {
    let (id, target) = match arguments.what {
        Shown::Store { store, target } => (store, target),
        Shown::Promotions { store, at, target } => return promotions::run(&store, at, &target, output).await,
        Shown::Price { store, sku, at, combining, target } => {
            let asked = price::Asked { sku: &sku, at, combining: combining.into() };
            return price::run(&store, asked, &target, output).await;
        }
        Shown::Employees { store, target } => return employees::run(&store, &target, output).await,
    };
    let store = open_store(&target).await?;
    let store_id = stores::find(&store, &id).await?;
    let view = store.show_store(&store_id).await?;
    let open_conflicts = store.open_conflicts_of(&store_id).await?;
    if output == Output::Json {
        output::json(&json!({
            "store": id,
            "open_conflicts": open_conflicts,
            "levels": view.levels.iter().map(level_value).collect::<Vec<_>>(),
            "mirrors": view.mirrors.iter().map(mirror_value).collect::<Vec<_>>(),
            "details": view.details.iter().map(record::details_value).collect::<Vec<_>>(),
            "orders": view.orders,
        }));
        return Ok(());
    }
    if open_conflicts > 0 {
        output::line(&format!("{open_conflicts} open conflicts: tillflow conflicts ls --store {id}"));
        output::line("");
    }
    if view.levels.is_empty() && view.mirrors.is_empty() && view.orders.is_empty() {
        output::line(&format!("store {id} has no levels yet"));
        return Ok(());
    }
    output::table(level_table(&view.levels));
    output::line("");
    output::table(mirror_table(&view.mirrors));
    if !view.details.is_empty() {
        output::line("");
        output::table(record::details_table(&view.details));
    }
    if !view.orders.is_empty() {
        output::line("");
        output::table(record::order_table(&view.orders));
    }
    Ok(())
}

fn level_table(levels: &[LevelLine]) -> Table {
    let mut table = Table::new([right("level"), left("SKU"), left("name"), left("location")]);
    for line in levels {
        let name = line.product_title.as_deref().or(line.variant_title.as_deref()).unwrap_or("?");
        let sku = line.sku.as_deref().unwrap_or("-");
        let location = line.location_name.clone();
        table.row([line.quantity.to_string(), sku.to_owned(), name.to_owned(), location]);
    }
    table
}

fn mirror_table(mirrors: &[MirrorLine]) -> Table {
    let mut table = Table::new([
        left("platform"),
        left("mirror"),
        left("external"),
        right("holds"),
        right("desired"),
        left("state"),
    ]);
    for line in mirrors {
        table.row(mirror_row(line));
    }
    table
}

fn mirror_row(line: &MirrorLine) -> [String; 6] {
    let (key, summary) = (line.mirror.key(), line.mirror.summary());
    let shown = |value: &Option<MirrorValue>| value.as_ref().map_or("?".to_owned(), short);
    let state = match (line.mirror.attention(), summary.error) {
        _ if line.mirror.is_stopped() => "writes are stopped: see `tillflow conflicts ls`".to_owned(),
        (None, _) => "agrees".to_owned(),
        (Some(Attention::Decision), _) => "waits for a decision: see `tillflow conflicts ls`".to_owned(),
        (Some(_), Some(error)) => format!("after {} attempts: {error}", summary.attempts),
        (Some(Attention::Read), None) => "is being read".to_owned(),
        (Some(Attention::Write), None) => "on its way".to_owned(),
    };
    [
        line.platform.to_string(),
        key.kind().as_str().to_owned(),
        key.external().to_string(),
        shown(&summary.holds),
        shown(&summary.desired),
        state,
    ]
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
    let (key, summary) = (line.mirror.key(), line.mirror.summary());
    json!({
        "connection": key.connection(),
        "platform": line.platform,
        "kind": key.kind(),
        "external": key.external(),
        "location": key.location(),
        "internal": line.mirror.internal(),
        "reported": summary.reported,
        "reported_at": summary.reported_at.map(|at| at.to_string()),
        "holds": summary.holds,
        "desired": summary.desired,
        "state": summary.phase,
        "is_stopped": line.mirror.is_stopped(),
        "attempts": summary.attempts,
        "last_error": summary.error,
    })
}
