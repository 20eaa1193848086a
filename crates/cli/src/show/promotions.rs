//! Shows the promotions of a store at a moment.

use crate::{
    cli::{Output, Target},
    environment::open_store,
    failure::Failed,
    output, stores,
    table::{Table, left},
};
use model::{
    Timestamp, Zone,
    promotion::{Change, Promotion, Reward, is_active, next_change},
};
use serde_json::{Value, json};
use store::PromotionLine;

pub(super) async fn run(
    id: &str,
    at: Option<Timestamp>,
    target: &Target,
    output: Output,
) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let store_id = stores::find(&store, id).await?;
    let lines = store.promotions_of(&store_id).await?;
    let at = at.unwrap_or_else(runner::now);
    if output == Output::Json {
        let promotions: Vec<Value> = lines.iter().map(|line| value(line, at)).collect();
        output::json(&json!({"store": id, "at": at.to_string(), "promotions": promotions}));
    } else if lines.is_empty() {
        output::line(&format!("store {id} has no promotions"));
    } else {
        output::table(table(&lines, at));
    }
    Ok(())
}

fn table(lines: &[PromotionLine], at: Timestamp) -> Table {
    let headings = ["platform", "external", "name", "reward", "state", "next", "conditions"];
    let mut table = Table::new(headings.map(left));
    for line in lines {
        let promotion = &line.promotion;
        let next = match next_change(promotion, at, zone(line)) {
            Some(Change::Starts(at)) => format!("begins {at}"),
            Some(Change::Ends(at)) => format!("ends {at}"),
            None => "-".to_owned(),
        };
        let conditions = conditions(promotion);
        table.row([
            line.platform.to_string(),
            promotion.external.to_string(),
            promotion.name.clone().unwrap_or_else(|| "-".to_owned()),
            reward(promotion),
            state(line, at).to_owned(),
            next,
            if conditions.is_empty() { "-".to_owned() } else { conditions },
        ]);
    }
    table
}

/// The zone of the store, as those who watch its promotions read it.
pub(super) fn zone(line: &PromotionLine) -> Zone {
    Zone::parse(&line.zone).unwrap_or(Zone::UTC)
}

/// The names of the conditions beyond time and item; empty without any.
pub(super) fn conditions(promotion: &Promotion) -> String {
    let names = promotion.conditions.iter().map(|condition| format!("{condition:?}").to_lowercase());
    names.collect::<Vec<_>>().join(", ")
}

fn state(line: &PromotionLine, at: Timestamp) -> &'static str {
    match (line.promotion.is_on, is_active(&line.promotion, at, zone(line))) {
        (false, _) => "off",
        (true, true) => "active",
        (true, false) => "not active",
    }
}

pub(super) fn reward(promotion: &Promotion) -> String {
    match promotion.reward {
        Reward::PercentOff { percent, at_most: None } => format!("{percent} off"),
        Reward::PercentOff { percent, at_most: Some(most) } => format!("{percent} off, at most {most}"),
        Reward::AmountOff(amount) => format!("{amount} off"),
        Reward::PriceTo(price) => format!("for {price}"),
        Reward::Bundle { quantity, total } => format!("{quantity} for {total}"),
        Reward::Other => "other".to_owned(),
    }
}

fn value(line: &PromotionLine, at: Timestamp) -> Value {
    let next = next_change(&line.promotion, at, zone(line)).map(|change| {
        let kind = if matches!(change, Change::Starts(_)) { "starts" } else { "ends" };
        json!({"change": kind, "at": change.at().to_string()})
    });
    let announced = line
        .activity
        .map(|announced| json!({"is_active": announced.is_active, "since": announced.since.to_string()}));
    json!({
        "platform": line.platform,
        "connection": line.connection,
        "promotion": line.promotion,
        "zone": zone(line).name(),
        "state": state(line, at),
        "next": next,
        "announced": announced,
    })
}
