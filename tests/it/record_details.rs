//! Details of products and the settlement of orders, as a person sees them.

use crate::{PATIENCE, command_line::tillflow};
use serde_json::{Value, json};
use testkit::{Account, AccountOptions, Merchant, Program, Sender, World};

/// Sends a report, and waits for its outcome.
async fn report(world: &World, merchant: &Merchant, account: &Account, topic: &str, body: &Value) {
    let delivery = account.sign(topic, topic, body.to_string().into_bytes());
    let (id, _) = Sender::default().send_until_kept(&delivery, PATIENCE).await;
    world.event_outcome(PATIENCE, merchant, &id).await;
}

fn flower() -> Value {
    json!({"event_type": "PRODUCT", "data": {
        "product_id": "6c0b7a8e-0000-4000-8000-000000000001", "product_status": "ACTIVE",
        "last_updated_at": "2026-01-02T12:47:37.316-07:00", "sellable_quantity": 12, "category_type": "FLOWER",
        "product_configurable_fields": {"name": "Blue Dream", "classification": "HYBRID"},
        "pricing": {"price_type": "TIER", "price_sell": null, "tier_method": "WEIGHT", "tier_pricing_detail": [
            {"start_value": 3.5, "price_per_value": 9.0}, {"start_value": 1, "price_per_value": 10.0}]},
        "lab_results": [{"result_type": "THC", "amount": {"minimum_value": 18.2, "maximum_value": 21.4},
            "amount_type": "PERCENTAGE"}],
        "e_commerce": {"primary_image": "https://images.example/blue.jpg", "all_images": []},
    }})
}

fn sale() -> Value {
    json!({
        "id": 7, "name": "#7", "currency": "USD", "total_price": "12.00", "total_tip_received": "2.00",
        "financial_status": "partially_refunded", "fulfillment_status": "fulfilled", "payment_gateway_names": ["cash"],
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:01Z",
        "line_items": [{"id": 70, "quantity": 2, "price": "5.00", "variant_id": null, "title": "Cup"}],
        "refunds": [{"id": 9, "created_at": "2026-01-01T00:00:01Z",
            "refund_line_items": [{"id": 1, "line_item_id": 70, "quantity": 1, "subtotal": 5.0}],
            "transactions": [{"kind": "refund", "status": "success", "amount": "5.00"}]}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_images_tiers_and_potencies_of_a_product_and_tip_payment_and_refund_of_an_order() {
    let world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let till = world.account(&merchant, "treez", AccountOptions::silent()).await;
    let web = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    report(&world, &merchant, &till, "PRODUCT", &flower()).await;
    report(&world, &merchant, &web, "orders/create", &sale()).await;

    let shown = tillflow(&world, &["show", "store", merchant.store.as_str()]).await.well().remove(0);
    let details = &shown["details"][0];
    let (product, variant) = (&details["of_product"], &details["of_variant"]);
    assert_eq!(product["images"]["value"], json!([{"url": "https://images.example/blue.jpg", "alt": null}]));
    assert_eq!(product["attributes"]["value"], json!({"strain_type": ["HYBRID"]}));
    let thc = json!([{"substance": "THC", "potency": "18.2-21.4 %"}]);
    assert_eq!(variant["lab_results"]["value"], thc);
    let tiers = variant["price_tiers"]["value"].as_array().expect("there are two");
    let tiers: Vec<_> =
        tiers.iter().map(|tier| (tier["from"].as_str(), tier["price"]["minor"].as_i64())).collect();
    assert_eq!(tiers, [(Some("1"), Some(1_000)), (Some("3.5"), Some(900))]);

    let settlement = &shown["orders"][0]["settlement"];
    assert_eq!(settlement["tip"], json!({"minor": 200, "currency": "USD"}));
    assert_eq!(settlement["payments"][0]["kind"], "cash");
    let refund = &settlement["refunds"][0];
    assert_eq!((&refund["amount"]["minor"], &refund["lines"][0]["line"]), (&json!(500), &json!("70")));
    world.assert_sound(&merchant).await;
}
