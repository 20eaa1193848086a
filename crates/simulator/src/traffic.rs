//! Random trade in some shops, for demonstrations and load.

use crate::handle::ShopHandle;
use crate::shop::{Impossible, ItemIds, NewVariant};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rust_decimal::Decimal;
use std::str::FromStr;
use std::time::Duration;

/// Titles and prices of the products; the SKUs are TF-001 and so on, the same in every shop.
const CATALOG: [(&str, i64); 12] = [
    ("Espresso Beans 250 g", 899),
    ("Filter Beans 1 kg", 2_499),
    ("Oat Drink", 279),
    ("Ceramic Cup", 1_450),
    ("Travel Mug", 2_995),
    ("Hand Grinder", 8_900),
    ("Paper Filters, 100", 549),
    ("Pour-over Kettle", 6_450),
    ("Dark Chocolate", 399),
    ("Earl Grey, 50 bags", 625),
    ("Tea Towel", 1_200),
    ("Gift Card Sleeve", 150),
];
/// Initial pieces of each product at each location.
const PIECES: i64 = 40;
/// Pieces in a delivery of goods.
const DELIVERY: i64 = 20;

/// Counts of the acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sales of one to three pieces.
    pub sales: u64,
    /// Deliveries of goods.
    pub restocks: u64,
    /// New prices and titles.
    pub edits: u64,
    /// Acts that the shop refused.
    pub refused: u64,
}

/// Sells, restocks and edits at random.
#[derive(Debug)]
pub struct Traffic;

impl Traffic {
    /// Puts the 12 products on sale that every shop of the demonstration has, 40 pieces at each location.
    pub fn stock(shop: &ShopHandle) -> Result<Vec<ItemIds>, Impossible> {
        let locations = shop.locations();
        let mut items = Vec::new();
        for (index, (title, price_minor)) in CATALOG.iter().enumerate() {
            let sku = format!("TF-{:03}", index + 1);
            items.extend(
                shop.add_product(title, &[NewVariant::stocked(&sku, *price_minor, PIECES, &locations)])?,
            );
        }
        Ok(items)
    }

    /// Acts `per_minute` times a minute on the variants that `shops` have on sale now, until `cancel` is cancelled.
    pub async fn run(
        shops: Vec<ShopHandle>,
        per_minute: u32,
        seed: u64,
        cancel: impl Future<Output = ()>,
    ) -> Tally {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut tally = Tally::default();
        let stands: Vec<(ShopHandle, Vec<ItemIds>)> = shops
            .into_iter()
            .map(|shop| (shop.clone(), shop.items()))
            .filter(|(_, items)| !items.is_empty())
            .collect();
        let pause = Duration::from_mins(1) / per_minute.max(1);
        let mut ticks = tokio::time::interval(pause);
        let mut cancel = std::pin::pin!(cancel);
        loop {
            tokio::select! {
                biased;
                () = &mut cancel => return tally,
                _ = ticks.tick() => {}
            }
            if per_minute > 0 && !stands.is_empty() {
                let (shop, items) = &stands[rng.random_range(0..stands.len())];
                let item = &items[rng.random_range(0..items.len())];
                act(shop, item, &mut rng, &mut tally);
            }
        }
    }
}

fn act(shop: &ShopHandle, item: &ItemIds, rng: &mut StdRng, tally: &mut Tally) {
    let (done, count) = match rng.random_range(0..100) {
        0..75 => trade(shop, item, rng, tally),
        75..85 => (restock(shop, item, rng), &mut tally.restocks),
        85..93 => {
            let price_minor = rng.random_range(1..100) * 100 - 1;
            (shop.edit_price(&item.variant, price_minor), &mut tally.edits)
        }
        _ => (retitle(shop, item), &mut tally.edits),
    };
    match done {
        Ok(()) => *count += 1,
        Err(_) => tally.refused += 1,
    }
}

/// Sells an item, or restocks it where its level is too low for the sale.
fn trade<'a>(
    shop: &ShopHandle,
    item: &ItemIds,
    rng: &mut StdRng,
    tally: &'a mut Tally,
) -> (Result<(), Impossible>, &'a mut u64) {
    let location = somewhere(shop, rng);
    let pieces = Decimal::from(rng.random_range(1..=3));
    let held = shop.level(&item.item, &location).and_then(|text| Decimal::from_str(&text).ok());
    if held.is_some_and(|held| held >= pieces) {
        (shop.sell(&item.item, &location, pieces).map(drop), &mut tally.sales)
    } else {
        (shop.restock(&item.item, &location, DELIVERY), &mut tally.restocks)
    }
}

fn restock(shop: &ShopHandle, item: &ItemIds, rng: &mut StdRng) -> Result<(), Impossible> {
    shop.restock(&item.item, &somewhere(shop, rng), DELIVERY)
}

/// Appends " (new)" to the product's title, or removes it.
fn retitle(shop: &ShopHandle, item: &ItemIds) -> Result<(), Impossible> {
    let title = shop.title(&item.product).ok_or(Impossible::UnknownItem)?;
    let other = title.strip_suffix(" (new)").map_or_else(|| format!("{title} (new)"), str::to_owned);
    shop.edit_title(&item.product, &other)
}

fn somewhere(shop: &ShopHandle, rng: &mut StdRng) -> String {
    let mut locations = shop.locations();
    let index = rng.random_range(0..locations.len());
    locations.swap_remove(index)
}
