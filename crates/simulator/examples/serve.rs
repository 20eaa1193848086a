//! Opens a simulated shop on a free port and serves it until standard input ends.
//!
//! `serve PLATFORM ACCOUNT LOCATION…` prints the shop as one line of JSON: URL, credential, secret. Each line of
//! standard input is an act of the shop's people, as an object with the name `act` and its values; its result is
//! printed as one line of JSON, `{"done": …}` or `{"refused": "…"}`. Programs that aren't written in Rust test clients
//! of the platforms with it, as `tests/sdk` does.

use chrono::{DateTime, NaiveTime, Utc};
use serde_json::{Value, json};
use simulator::{ItemIds, NewPromotion, NewVariant, Shop, ShopHandle, Simulator, SimulatorOptions};
use std::error::Error;
use std::io::{self, BufRead, Write};

/// The credential of every shop that is opened here.
const TOKEN: &str = "the-token";
/// The key of the webhooks of every shop that is opened here.
const WEBHOOK_SECRET: &str = "the-secret";

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [platform, account, locations @ ..] = &arguments[..] else {
        return Err("usage: serve PLATFORM ACCOUNT LOCATION…".into());
    };
    let platform = simulator::find(platform).ok_or("the platform isn't simulated")?;
    let shop = Shop {
        platform: platform.name(),
        account: account.clone(),
        token: TOKEN.to_owned(),
        webhook_secret: WEBHOOK_SECRET.to_owned(),
        webhook_url: None,
        currency: "USD".to_owned(),
        locations: locations.to_vec(),
    };
    let credential = platform.client_token(&shop);
    let runtime = tokio::runtime::Runtime::new()?;
    let simulator = runtime.block_on(Simulator::start(SimulatorOptions::default(), shop))?;
    print(&json!({"url": simulator.base_url(), "credential": credential, "webhook_secret": WEBHOOK_SECRET}))?;
    serve_acts(&simulator.shop())
}

/// Performs the acts that standard input names, until it ends.
fn serve_acts(shop: &ShopHandle) -> Result<(), Failed> {
    for line in io::stdin().lock().lines() {
        let result = serde_json::from_str(&line?).map_err(Failed::from).and_then(|act| perform(shop, &act));
        print(&match result {
            Ok(done) => json!({"done": done}),
            Err(refused) => json!({"refused": refused.to_string()}),
        })?;
    }
    Ok(())
}

fn print(line: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn perform(shop: &ShopHandle, act: &Value) -> Result<Value, Failed> {
    match text(act, "act")? {
        "add_product" => add_product(shop, act),
        "add_customer" => {
            let id =
                shop.add_customer(text(act, "given_name")?, text(act, "family_name")?, text(act, "email")?)?;
            Ok(json!(id))
        }
        "add_promotion" => add_promotion(shop, act),
        "sell" => {
            let order = shop.sell(text(act, "item")?, text(act, "location")?, number(act, "quantity")?)?;
            Ok(json!(order))
        }
        "restock" => {
            shop.restock(text(act, "item")?, text(act, "location")?, number(act, "quantity")?)?;
            Ok(Value::Null)
        }
        "edit_price" => {
            shop.edit_price(text(act, "variant")?, number(act, "price_minor")?)?;
            Ok(Value::Null)
        }
        "set_webhook" => {
            shop.set_webhook(text(act, "url")?);
            Ok(Value::Null)
        }
        "level" => Ok(json!(shop.level(text(act, "item")?, text(act, "location")?))),
        "price" => Ok(json!(shop.price(text(act, "variant")?))),
        _ => Err("no such act".into()),
    }
}

/// Puts a product on sale, with the same number of each variant at each location.
fn add_product(shop: &ShopHandle, act: &Value) -> Result<Value, Failed> {
    let locations = shop.locations();
    let given = act["variants"].as_array().ok_or("variants is missing")?;
    let variants = given.iter().map(|variant| {
        let (price_minor, pieces) = (number(variant, "price_minor")?, number(variant, "pieces")?);
        Ok(NewVariant::stocked(text(variant, "sku")?, price_minor, pieces, &locations))
    });
    let variants = variants.collect::<Result<Vec<_>, Failed>>()?;
    let added = shop.add_product(text(act, "title")?, &variants)?;
    let shown = |ids: &ItemIds| json!({"product": ids.product, "variant": ids.variant, "item": ids.item, "sku": ids.sku});
    Ok(added.iter().map(shown).collect())
}

/// Sets up a promotion without an end: of one product if it is named, from a time and for hours of the day if they are.
fn add_promotion(shop: &ShopHandle, act: &Value) -> Result<Value, Failed> {
    let hour = |name: &str| act[name].as_str().map(str::parse::<NaiveTime>).transpose();
    let id = shop.add_promotion(NewPromotion {
        title: text(act, "title")?.to_owned(),
        percent: u8::try_from(number(act, "percent")?)?,
        product: act["product"].as_str().map(str::to_owned),
        from: act["from"].as_str().map(str::parse::<DateTime<Utc>>).transpose()?,
        until: None,
        daily: hour("daily_from")?.zip(hour("daily_until")?),
    })?;
    Ok(json!(id))
}

fn text<'a>(act: &'a Value, name: &str) -> Result<&'a str, Failed> {
    act[name].as_str().ok_or_else(|| format!("{name} is missing").into())
}

fn number(act: &Value, name: &str) -> Result<i64, Failed> {
    act[name].as_i64().ok_or_else(|| format!("{name} is missing").into())
}
