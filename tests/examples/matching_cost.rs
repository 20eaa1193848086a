//! Measures how long `fetch` takes to match two catalogues: real processes, a real database.
//!
//! `cargo build --release -p apply -p ingest -p fetch -p normalize -p dedupe -p enrich`, then
//! `cargo run --release -p system-tests --example matching_cost -- 20000 off`: the number of variants at each of two shops, and
//! the score from which a match is linked without a person.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a measurement is printed, and may panic")]

use model::{ConnectionId, ExternalId, ProductId, VariantId, matching::Score};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};
use testkit::{AccountOptions, Merchant, Program, World, WorldOptions};

/// Rows of one statement that adds variants.
const ROWS_AT_ONCE: usize = 200;
/// Upper limit of each stream, in bytes: a measurement needs little.
const STREAM_BYTES: u64 = 1 << 29;
/// Interval between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Words of names: 40 brands, 60 kinds and 50 sorts, as a shop of some thousand items has them.
const BRANDS: usize = 40;
const KINDS: usize = 60;
const SORTS: usize = 50;
/// Sizes of one product.
const SIZES: [&str; 4] = ["50 g", "100 g", "250 g", "1 kg"];

/// A variant of a catalogue.
struct Item {
    product: String,
    vendor: String,
    size: &'static str,
    barcode: Option<String>,
}

/// The item with that number. The second shop writes names otherwise, and knows each second bar code alone.
fn item(number: usize, is_second: bool) -> Item {
    let product = number / SIZES.len();
    let (brand, kind) = (product % BRANDS, product / BRANDS % KINDS);
    let sort = product / (BRANDS * KINDS);
    let vendor = format!("Brand{brand:02}");
    let title = format!("kind{kind:02} sort{:02} item{product:05}", sort % SORTS);
    let product_title = if is_second { format!("{vendor} {title}") } else { title };
    let barcode = (!is_second || number.is_multiple_of(2)).then(|| gtin(number));
    Item { product: product_title, vendor, size: SIZES[number % SIZES.len()], barcode }
}

/// A GTIN of 13 digits of a range that is known everywhere.
fn gtin(number: usize) -> String {
    let digits = format!("400{number:09}");
    let weighted = digits
        .bytes()
        .zip([1, 3].into_iter().cycle())
        .map(|(digit, weight)| u32::from(digit - b'0') * weight);
    let check = (10 - weighted.sum::<u32>() % 10) % 10;
    format!("{digits}{check}")
}

/// Adds a catalogue as apply leaves it: products, variants, links of variants.
async fn add(world: &World, merchant: &Merchant, connection: &ConnectionId, count: usize, is_second: bool) {
    let (tenant, store) = (&merchant.tenant, &merchant.store);
    let numbers: Vec<usize> = (0..count).collect();
    for chunk in numbers.chunks(ROWS_AT_ONCE) {
        let (mut products, mut variants, mut links) = (String::new(), String::new(), String::new());
        for number in chunk {
            let Item { product: title, vendor, size, barcode } = item(*number, is_second);
            let of_product = ExternalId::new(&format!("p{}", number / SIZES.len())).expect("an id");
            let external = ExternalId::new(&format!("v{number}")).expect("an id");
            let product = ProductId::derive(connection, &of_product);
            let variant = VariantId::derive(connection, &external);
            let code = barcode.map_or_else(|| "NULL".to_owned(), |code| format!("'{code}'"));
            write!(products, "('{product}','{tenant}','{store}','{title}',now(),'{vendor}',now()),")
                .expect("a text");
            write!(variants, "('{variant}','{tenant}','{store}','{product}','{size}',now(),{code},now()),")
                .expect("a text");
            write!(links, "('{tenant}','{connection}','variant','{external}','{variant}'),").expect("a text");
        }
        let cut = |rows: &String| rows.trim_end_matches(',').to_owned();
        let statements = format!(
            "INSERT INTO products (id, tenant, store, title, title_at, vendor, vendor_at) VALUES {} ON CONFLICT DO NOTHING;
             INSERT INTO variants (id, tenant, store, product, title, title_at, barcode, barcode_at) VALUES {};
             INSERT INTO links (tenant, connection, kind, external, internal) VALUES {}",
            cut(&products),
            cut(&variants),
            cut(&links)
        );
        world.sql(&statements).await;
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let limit: Option<u16> = arguments.next().and_then(|text| text.parse().ok());
    let mut world = World::start_with(
        WorldOptions {
            feed_max_bytes: Some(STREAM_BYTES),
            applied_max_bytes: Some(STREAM_BYTES),
            dead_max_bytes: Some(STREAM_BYTES),
            ..WorldOptions::default()
        },
        &[Program::Ingest, Program::Normalize, Program::Dedupe, Program::Enrich, Program::Apply],
    )
    .await;
    let merchant = world.merchant("shop").await;
    let first = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let second = world.account(&merchant, "square", AccountOptions::silent()).await;
    let score = limit.map(|per_mille| Score::new(per_mille).expect("a score"));
    world.store.set_match_limit(&merchant.store, score).await.expect("the limit is set");
    add(&world, &merchant, &first.connection, count, false).await;
    add(&world, &merchant, &second.connection, count, true).await;
    world.sql("ANALYZE").await;
    println!(
        "{count} variants at each of two shops; {} wait",
        world.sql("SELECT count(*) FROM match_due").await
    );

    let began = Instant::now();
    world.launch(&[Program::Fetch]).await;
    let under_way = "SELECT count(*) FROM match_candidates WHERE state = 'automatic' AND linked_at IS NULL";
    let (mut compared, mut said) = (None, began);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let waiting = world.sql("SELECT count(*) FROM match_due").await;
        let links = world.sql(under_way).await;
        if said.elapsed() > Duration::from_secs(10) {
            said = Instant::now();
            println!(
                "{:6.1} s: {waiting} wait to be compared, {links} links are under way",
                began.elapsed().as_secs_f64()
            );
        }
        if waiting == "0" && compared.is_none() {
            compared = Some(began.elapsed());
        }
        if waiting == "0" && links == "0" {
            break;
        }
    }
    let states =
        world.sql("SELECT state, count(*) FROM match_candidates GROUP BY state ORDER BY state").await;
    let keys = world.sql("SELECT count(*) FROM match_keys").await;
    println!(
        "first without a waiting variant after {:.1} s, all done after {:.1} s; {keys} keys; {}",
        compared.unwrap_or_default().as_secs_f64(),
        began.elapsed().as_secs_f64(),
        states.replace('\n', ", ")
    );
}
