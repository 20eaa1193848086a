// Signed deliveries: the same webhooks as those of `crates/cli/src/bench/feed.rs`.

import { createHmac } from "node:crypto";

export const SECRET = "bench-secret-bench-secret";
const LOCATION = 655441491;
const FIRST_ITEM = 9_000_000_000_000_000;
const DAY_MS = 86_400_000;

/** The signature of a body as Shopify makes it. */
export const signature = (secret, body) => createHmac("sha256", secret).update(body).digest();

/** Connections with their secrets and stores: one for each store. */
export function connections(load) {
  const numbers = Array.from({ length: load.stores }, (_, index) => index);
  return new Map(numbers.map((index) => [`shop-${index}`, { secret: SECRET, store: `store-${index}` }]));
}

/** Reports of levels: each has a quantity that no other of its item has, in the order of its clock. */
export function levels(load) {
  return Array.from({ length: load.events }, (_, index) => level(load, index));
}

function level(load, index) {
  const store = index % load.stores;
  const round = Math.floor(index / load.stores);
  const item = FIRST_ITEM + store * 1000 + (round % load.items);
  const available = 1001 + Math.floor(round / load.items);
  const at = new Date(20_000 * DAY_MS + round * 1000).toISOString().replace(".000Z", "Z");
  const body = Buffer.from(
    `{"inventory_item_id":${item},"location_id":${LOCATION},"available":${available},"updated_at":"${at}",` +
      `"admin_graphql_api_id":"gid://shopify/InventoryLevel/${LOCATION}?inventory_item_id=${item}"}`,
  );
  return {
    connection: `shop-${store}`,
    headers: {
      "content-type": "application/json",
      "x-shopify-hmac-sha256": signature(SECRET, body).toString("base64"),
      "x-shopify-topic": "inventory_levels/update",
      "x-shopify-webhook-id": `level-${index}`,
      "x-shopify-shop-domain": "bench.myshopify.com",
    },
    body,
  };
}
