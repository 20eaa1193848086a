import base64
import contextlib
import hashlib
import hmac
import json
import socket
import unittest
import urllib.error
import urllib.parse

import pyactiveresource.connection
import shopify

from shop import Shop, TIMEOUT_SECONDS

VERSION = "2026-07"

PRODUCTS = """
query Products($first: Int!, $after: String, $query: String) {
  products(first: $first, after: $after, query: $query) {
    pageInfo { hasNextPage endCursor }
    nodes { id title variants(first: 5) { nodes { id sku price inventoryItem { id } } } }
  }
}
"""
LEVEL = """
query Level($item: ID!, $location: ID!) {
  inventoryItem(id: $item) {
    inventoryLevel(locationId: $location) { quantities(names: ["available"]) { name quantity } }
  }
}
"""
SET = """
mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { changes { name delta quantityAfterChange } }
    userErrors { code field message }
  }
}
"""
ORDERS = """
query Orders($query: String) {
  orders(first: 10, query: $query) {
    nodes { id currencyCode totalPriceSet { shopMoney { amount } } lineItems(first: 5) { nodes { quantity sku } } }
  }
}
"""
CUSTOMERS = "{ customers(first: 10) { nodes { id firstName defaultEmailAddress { emailAddress } } } }"
LOCATIONS = "{ locations(first: 10) { nodes { id isActive } } }"


def gid(kind, number):
    return f"gid://shopify/{kind}/{number}"


class ShopifyShop(unittest.TestCase):
    def setUp(self):
        # The SDK's clients have no time limit of their own.
        socket.setdefaulttimeout(TIMEOUT_SECONDS)
        self.addCleanup(socket.setdefaulttimeout, None)
        self.shop = Shop(self, "shopify", "demo.myshopify.com", ["53716844710", "53716844711"])
        address = urllib.parse.urlparse(self.shop.url)
        # The SDK puts a shop's name before a domain; the two parts of an address need no name server.
        name, domain = address.hostname.split(".", 1)
        shopify.Session.setup(protocol="http", myshopify_domain=domain, port=address.port)
        self.session_name = name
        self.activate(self.shop.credential)
        self.addCleanup(shopify.ShopifyResource.clear_session)

    def activate(self, token):
        session = shopify.Session(self.session_name, VERSION, token)
        shopify.ShopifyResource.activate_session(session)

    def execute(self, document, **variables):
        reply = json.loads(shopify.GraphQL().execute(document, variables))
        self.assertNotIn("errors", reply)
        return reply["data"]

    def set_level(self, ids, quantity, change_from, key):
        row = {
            "inventoryItemId": gid("InventoryItem", ids["item"]),
            "locationId": gid("Location", self.shop.locations[0]),
            "quantity": quantity,
            "changeFromQuantity": change_from,
        }
        given = {"name": "available", "reason": "correction", "quantities": [row]}
        return self.execute(SET, input=given, key=key)["inventorySetQuantities"]

    def test_products_are_listed_through_all_their_pages_and_by_the_time_of_their_change(self):
        skus = [f"S-{number}" for number in range(5)]
        for sku in skus:
            self.shop.add_product(f"Tea {sku}", [sku])
        listed, after = [], None
        while True:
            page = self.execute(PRODUCTS, first=2, after=after)["products"]
            listed += [product["variants"]["nodes"][0]["sku"] for product in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        self.assertEqual(listed, skus)
        none = self.execute(PRODUCTS, first=2, query="updated_at:<'2020-01-01T00:00:00Z'")["products"]
        self.assertEqual(none["nodes"], [])

    def test_a_level_is_written_only_over_the_one_that_was_read_and_once_for_each_key(self):
        (ids,) = self.shop.add_product("Tea", ["S-1"])
        item, location = gid("InventoryItem", ids["item"]), gid("Location", self.shop.locations[0])
        level = self.execute(LEVEL, item=item, location=location)["inventoryItem"]["inventoryLevel"]
        self.assertEqual(level["quantities"], [{"name": "available", "quantity": 10}])
        first = self.set_level(ids, 7, 10, "k1")
        change = {"name": "available", "delta": -3, "quantityAfterChange": 7}
        self.assertEqual(first["inventoryAdjustmentGroup"]["changes"], [change])
        self.shop.sell(ids["item"], 2)
        self.assertEqual(self.set_level(ids, 7, 10, "k1"), first)
        self.assertEqual(self.shop.level(ids["item"]), "5")
        (error,) = self.set_level(ids, 9, 7, "k2")["userErrors"]
        self.assertEqual(error["code"], "CHANGE_FROM_QUANTITY_STALE")
        self.assertEqual(self.shop.level(ids["item"]), "5")

    def test_orders_customers_and_locations_are_listed(self):
        (ids,) = self.shop.add_product("Tea", ["S-1"], price_minor=950)
        order = self.shop.sell(ids["item"], 2)
        (listed,) = self.execute(ORDERS, query="updated_at:>'2020-01-01T00:00:00Z'")["orders"]["nodes"]
        self.assertEqual(listed["id"], gid("Order", order))
        self.assertEqual(listed["totalPriceSet"]["shopMoney"]["amount"], "19.00")
        self.assertEqual(listed["lineItems"]["nodes"], [{"quantity": 2, "sku": "S-1"}])
        customer = self.shop.add_customer("Ann", "Lee", "ann@shop.example")
        (listed,) = self.execute(CUSTOMERS)["customers"]["nodes"]
        self.assertEqual((listed["id"], listed["firstName"]), (gid("Customer", customer), "Ann"))
        listed = self.execute(LOCATIONS)["locations"]["nodes"]
        self.assertEqual([each["id"] for each in listed], [gid("Location", id) for id in self.shop.locations])

    def test_a_field_that_the_schema_lacks_is_an_error_in_a_reply_of_200(self):
        self.shop.add_product("Tea", ["S-1"])
        reply = json.loads(shopify.GraphQL().execute("{ products(first: 1) { nodes { colour } } }"))
        (error,) = reply["errors"]
        self.assertEqual(error["extensions"]["code"], "undefinedField")

    def test_a_wrong_token_is_an_error_of_both_clients(self):
        self.activate("another")
        # The SDK prints the bodies of errors.
        with contextlib.redirect_stdout(None), self.assertRaises(urllib.error.HTTPError) as raised:
            shopify.GraphQL().execute(LOCATIONS)
        self.assertEqual(raised.exception.code, 401)
        with self.assertRaises(pyactiveresource.connection.UnauthorizedAccess):
            shopify.Location.find()

    def test_webhooks_are_the_resources_of_the_sdk_and_signed(self):
        (ids,) = self.shop.add_product("Tea", ["S-1"], price_minor=950)
        receiver = self.shop.receiver(self)
        self.shop.edit_price(ids["variant"], 700)
        self.shop.sell(ids["item"], 2)
        self.shop.add_customer("Ann", "Lee", "ann@shop.example")
        kinds = {
            "products/update": shopify.Product,
            "inventory_levels/update": shopify.InventoryLevel,
            "orders/create": shopify.Order,
            "customers/create": shopify.Customer,
        }
        received = {}
        for topic, kind in kinds.items():
            webhook = receiver.next(lambda each: each.headers["x-shopify-topic"] == topic)
            self.assertTrue(self.is_verified(webhook), topic)
            self.assertFalse(self.is_verified(webhook.with_a_changed_byte()), topic)
            received[topic] = kind(webhook.json())
        (variant,) = received["products/update"].variants
        self.assertIsInstance(variant, shopify.Variant)
        self.assertEqual((variant.sku, variant.price), ("S-1", "7.00"))
        level = received["inventory_levels/update"]
        self.assertEqual((str(level.inventory_item_id), level.available), (ids["item"], 8))
        (line,) = received["orders/create"].line_items
        self.assertIsInstance(line, shopify.LineItem)
        self.assertEqual((str(line.variant_id), line.quantity), (ids["variant"], 2))
        self.assertEqual(received["customers/create"].first_name, "Ann")

    def is_verified(self, webhook):
        # The SDK has no verifier of webhooks; this is the platform's documented example.
        digest = hmac.new(self.shop.webhook_secret.encode(), webhook.body, hashlib.sha256).digest()
        computed = base64.b64encode(digest)
        return hmac.compare_digest(computed, webhook.headers["x-shopify-hmac-sha256"].encode())
