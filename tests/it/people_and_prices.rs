//! Promotions, prices and employees of a till, as a person sees them.

use crate::{PATIENCE, command_line::tillflow};
use chrono::{TimeDelta, Utc};
use serde_json::Value;
use simulator::{EMPLOYEE_PIN, NewPromotion, NewVariant};
use testkit::{Program, World, WorldOptions, eventually};

/// Every list is read each five seconds.
const SELDOM: [&str; 1] = ["every_seconds = 5"];

fn share(title: &str, percent: u8, product: &str) -> NewPromotion {
    NewPromotion {
        title: title.to_owned(),
        percent,
        product: Some(product.to_owned()),
        from: Some(Utc::now() - TimeDelta::days(30)),
        until: None,
        daily: None,
    }
}

/// The names and effects of the promotions of a price.
fn effects(price: &Value) -> Vec<(&str, &str)> {
    let promotions = price["promotions"].as_array().expect("a list");
    promotions
        .iter()
        .map(|promotion| {
            (promotion["name"].as_str().expect("a name"), promotion["effect"].as_str().expect("an effect"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_the_promotions_the_price_after_them_and_the_employees_of_a_till() {
    let options = WorldOptions { scheduled_reads: SELDOM.to_vec(), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let till = world.simulated(&merchant, "leaflogix").await;
    let (shop, store) = (till.shop(), merchant.store.as_str());
    let variants = [NewVariant::stocked("TEA-1", 2_000, 5, &shop.locations())];
    let tea = shop.add_product("Green tea", &variants).expect("it goes on sale").remove(0);
    let other = shop.add_product("Cup", &[NewVariant::stocked("CUP-1", 500, 5, &shop.locations())]);
    let other = other.expect("it goes on sale").remove(0);
    shop.add_promotion(share("Tea week", 10, &tea.product)).expect("a till has promotions");
    shop.add_promotion(share("Cup week", 50, &other.product)).expect("a till has promotions");
    let over =
        NewPromotion { until: Some(Utc::now() - TimeDelta::days(1)), ..share("Tea month", 20, &tea.product) };
    shop.add_promotion(over).expect("a till has promotions");
    let leaver = shop.hire("Bo", "Example", "bo@example.com", "Budtender").expect("a till has employees");
    shop.hire("Ada", "Lovelace", "ada@example.com", "Manager").expect("a till has employees");
    shop.let_go(&leaver).expect("an employee may leave");
    let counts = "SELECT (SELECT count(*) FROM variants WHERE price_minor IS NOT NULL) || ' '
        || (SELECT count(*) FROM promotions) || ' ' || (SELECT count(*) FROM employees) AS counts";
    eventually(PATIENCE, "everything is listed", async || {
        let found = world.sql(counts).await;
        if found == "2 3 2" { Ok(()) } else { Err(found) }
    })
    .await;

    let shown = tillflow(&world, &["show", "promotions", store]).await.well().remove(0);
    let listed = shown["promotions"].as_array().expect("a list").iter();
    let mut states: Vec<_> =
        listed.map(|line| (line["promotion"]["name"].as_str(), line["state"].as_str())).collect();
    states.sort_unstable();
    let (active, over) = (Some("active"), Some("not active"));
    assert_eq!(states, [(Some("Cup week"), active), (Some("Tea month"), over), (Some("Tea week"), active)]);

    let price = ["show", "price", store, "--sku", "TEA-1"];
    let shown = tillflow(&world, &price).await.well().remove(0);
    let [now] = shown["prices"].as_array().expect("a list").as_slice() else { panic!("{shown}") };
    assert_eq!((&now["list_price"]["minor"], &now["price_after"]["minor"]), (&2_000.into(), &1_800.into()));
    assert_eq!(effects(now), [("Tea week", "counts")]);
    let before = (Utc::now() - TimeDelta::days(2)).to_rfc3339();
    let shown = tillflow(&world, &[&price[..], &["--at", &before]].concat()).await.well().remove(0);
    let then = &shown["prices"][0];
    assert_eq!(then["price_after"]["minor"], 1_600, "{then}");
    assert_eq!(effects(then), [("Tea month", "counts"), ("Tea week", "left_out")]);
    let long_ago = tillflow(&world, &[&price[..], &["--at", "2001-01-01T00:00:00Z"]].concat()).await.well();
    assert_eq!(long_ago[0]["prices"][0]["price_after"]["minor"], 2_000);
    let unknown = tillflow(&world, &["show", "price", store, "--sku", "NOTHING"]).await;
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.error.contains("has no item with the SKU NOTHING"), "{unknown:?}");
    for verb in ["promotions", "employees"] {
        let nowhere = tillflow(&world, &["show", verb, "nowhere"]).await;
        assert_eq!(nowhere.code, 1, "{nowhere:?}");
    }

    let shown = tillflow(&world, &["show", "employees", store]).await.well().remove(0);
    let listed = shown["employees"].as_array().expect("a list").iter();
    let mut employees: Vec<_> =
        listed.map(|line| (line["name"].as_str(), line["is_active"].as_bool())).collect();
    employees.sort_unstable();
    assert_eq!(employees, [(Some("Ada Lovelace"), Some(true)), (Some("Bo Example"), Some(false))]);
    assert!(!shown.to_string().contains(EMPLOYEE_PIN));
    // The events of the store name nobody.
    for row in world.events(&merchant).await {
        assert!(!String::from_utf8_lossy(&row.payload).contains("Lovelace"));
    }
}
