//! Shows the price of an item after the promotions that are active.

use super::promotions;
use crate::{
    cli::{Output, Target},
    environment::open_store,
    failure::Failed,
    output, stores,
    table::{Table, left},
};
use model::{
    ConnectionId, Money, Timestamp, Zone,
    promotion::{Combining, PriceReason, PricedVariant, Promotion, is_active, price_after},
    trimmed_code,
};
use serde_json::{Value, json};
use store::{PriceLine, PriceLink, PromotionLine};

/// The item, the moment and the rule that a person asks for.
pub(super) struct Asked<'a> {
    pub(super) sku: &'a str,
    pub(super) at: Option<Timestamp>,
    pub(super) combining: Combining,
}

pub(super) async fn run(id: &str, asked: Asked<'_>, target: &Target, output: Output) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let store_id = stores::find(&store, id).await?;
    let sku = trimmed_code(asked.sku);
    let lines = store.prices_of(&store_id, sku).await?;
    if lines.is_empty() {
        return Err(Failed::Other(format!("store {id} has no item with the SKU {sku}")));
    }
    let of_store = store.promotions_of(&store_id).await?;
    let at = asked.at.unwrap_or_else(runner::now);
    let prices: Vec<Shown<'_>> =
        lines.iter().map(|line| Shown::of(line, &of_store, asked.combining, at)).collect();
    if output == Output::Json {
        let prices: Vec<Value> = prices.iter().map(Shown::value).collect();
        output::json(&json!({"store": id, "sku": sku, "at": at.to_string(), "prices": prices}));
    } else {
        output::table(table(&prices));
    }
    Ok(())
}

/// The effect of a promotion on a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It is part of the price.
    Counts,
    /// It has a condition beyond time and item.
    Conditional,
    /// It depends on something that the record doesn't have.
    Unclear,
    /// The rule of combination prefers others, or it takes nothing off the price.
    LeftOut,
}

impl Effect {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Conditional => "conditional",
            Self::Unclear => "unclear",
            Self::LeftOut => "left_out",
        }
    }
}

/// The price of a variant at a connection.
struct Shown<'a> {
    line: &'a PriceLine,
    /// The price after promotions; `None` without a price, or where no connection has the variant.
    after: Option<Money>,
    /// Active promotions that are for the variant, or may be: first those that count, in the order in which they do.
    promotions: Vec<(&'a Promotion, Effect)>,
}

impl<'a> Shown<'a> {
    fn of(line: &'a PriceLine, of_store: &'a [PromotionLine], combining: Combining, at: Timestamp) -> Self {
        let (Some(price), Some(linked)) = (line.price, &line.linked) else {
            return Self { line, after: None, promotions: Vec::new() };
        };
        let variant = priced(linked, price);
        let zone = Zone::parse(&line.zone).unwrap_or(Zone::UTC);
        let active = active_at(of_store, &linked.connection, at, zone);
        let covering = |is_known| move |(_, covers): &&(&Promotion, Option<bool>)| *covers == is_known;
        let covered: Vec<(&Promotion, Option<bool>)> =
            active.map(|promotion| (promotion, promotion.targets.cover_by_ids(&variant))).collect();
        let known: Vec<Promotion> =
            covered.iter().filter(covering(Some(true))).map(|(promotion, _)| (*promotion).clone()).collect();
        let after = price_after(&known, combining, &variant, at, zone);
        let counted = match after.reason {
            PriceReason::Promotions(ids) => ids,
            PriceReason::Unreduced | PriceReason::Platform => Vec::new(),
        };
        let effect = |promotion: &Promotion, covers: Option<bool>| match covers {
            Some(false) => None,
            None => Some(Effect::Unclear),
            Some(true) if counted.contains(&promotion.external) => Some(Effect::Counts),
            Some(true) if !promotion.conditions.is_empty() => Some(Effect::Conditional),
            Some(true) => Some(Effect::LeftOut),
        };
        let touching =
            covered.iter().filter_map(|(promotion, covers)| Some((*promotion, effect(promotion, *covers)?)));
        let mut promotions: Vec<_> = touching.collect();
        let position = |promotion: &Promotion| counted.iter().position(|id| *id == promotion.external);
        promotions.sort_by_key(|(promotion, _)| position(promotion).unwrap_or(usize::MAX));
        Self { line, after: Some(after.price), promotions }
    }

    fn value(&self) -> Value {
        let promotions = self.promotions.iter().map(|(promotion, effect)| {
            json!({
                "promotion": promotion.external,
                "name": promotion.name,
                "reward": promotions::reward(promotion),
                "effect": effect.as_str(),
                "conditions": promotion.conditions,
            })
        });
        let linked = self.line.linked.as_ref();
        json!({
            "variant": self.line.variant,
            "title": self.line.title,
            "platform": linked.map(|linked| &linked.platform),
            "connection": linked.map(|linked| &linked.connection),
            "list_price": self.line.price,
            "price_after": self.after,
            "zone": self.line.zone,
            "promotions": promotions.collect::<Vec<_>>(),
        })
    }
}

/// The promotions of a connection that are active.
fn active_at<'a>(
    of_store: &'a [PromotionLine],
    connection: &ConnectionId,
    at: Timestamp,
    zone: Zone,
) -> impl Iterator<Item = &'a Promotion> {
    let of_connection = of_store.iter().filter(move |line| line.connection == *connection);
    of_connection.map(|line| &line.promotion).filter(move |promotion| is_active(promotion, at, zone))
}

/// The variant as far as the record has it: its ids and its price.
fn priced(linked: &PriceLink, price: Money) -> PricedVariant {
    PricedVariant {
        // A variant whose product isn't linked is in no product that a promotion could name.
        product: linked.product.clone().unwrap_or_else(|| linked.variant.clone()),
        variant: linked.variant.clone(),
        categories: Vec::new(),
        brand: None,
        vendor: None,
        collections: Vec::new(),
        price,
        discounted: None,
        lowest: None,
        takes_promotions: true,
    }
}

fn table(prices: &[Shown<'_>]) -> Table {
    let headings =
        ["platform", "connection", "item", "list price", "promotion", "reward", "effect", "price after"];
    let mut table = Table::new(headings.map(left));
    let amount = |price: Option<Money>| price.map_or_else(|| "-".to_owned(), |price| price.to_string());
    for shown in prices {
        let linked = shown.line.linked.as_ref();
        let dash = || "-".to_owned();
        let mut row = [
            linked.map_or_else(dash, |linked| linked.platform.to_string()),
            linked.map_or_else(dash, |linked| linked.connection.to_string()),
            shown.line.title.clone().unwrap_or_else(dash),
            amount(shown.line.price),
            dash(),
            dash(),
            dash(),
            amount(shown.after),
        ];
        if shown.promotions.is_empty() {
            table.row(row);
            continue;
        }
        for (promotion, effect) in &shown.promotions {
            let conditions = promotions::conditions(promotion);
            let effect = match effect {
                Effect::Conditional => format!("none: needs {conditions}"),
                Effect::Unclear => "unclear".to_owned(),
                Effect::LeftOut => "none: others are preferred".to_owned(),
                Effect::Counts => "counts".to_owned(),
            };
            row[4] = promotion.name.clone().unwrap_or_else(|| promotion.external.to_string());
            row[5] = promotions::reward(promotion);
            row[6] = effect;
            table.row(row.clone());
        }
    }
    table
}
