import base64
import hashlib
import hmac
import unittest
import urllib.parse

import requests
from woocommerce import API

from shop import Shop, TIMEOUT_SECONDS


class WooCommerceShop(unittest.TestCase):
    def setUp(self):
        self.shop = Shop(self, "woocommerce", "shop.example", ["shop"])
        self.key, self.secret = self.shop.credential.split(":")
        self.api = self.api_with(self.key, self.secret)

    def api_with(self, key, secret):
        # Without TLS the SDK signs each call by OAuth 1.0a, and sends no secret.
        return API(self.shop.url, key, secret, version="wc/v3", timeout=TIMEOUT_SECONDS)

    def ok(self, response):
        self.assertEqual(response.status_code, 200, response.text)
        return response.json()

    def refused(self, response, status, code):
        self.assertEqual(response.status_code, status, response.text)
        body = response.json()
        self.assertEqual((body["code"], body["data"]["status"]), (code, status))

    def test_products_are_listed_by_following_the_links_to_further_pages(self):
        skus = [f"S-{number}" for number in range(5)]
        for sku in skus:
            self.shop.add_product(f"Tea & {sku}", [sku])
        listed, parameters = [], {"per_page": 2, "context": "edit"}
        while True:
            response = self.api.get("products", params=parameters)
            page = self.ok(response)
            self.assertEqual(page[0]["description"], f"Tea & {page[0]['sku']}, as sold in the shop.")
            listed += [product["sku"] for product in page]
            if "next" not in response.links:
                break
            query = urllib.parse.urlparse(response.links["next"]["url"]).query
            parameters = {name: value for name, value in urllib.parse.parse_qsl(query) if "oauth" not in name}
        self.assertEqual(sorted(listed), skus)
        self.assertEqual(response.headers["x-wp-total"], "5")
        self.assertEqual(response.headers["x-wp-totalpages"], "3")

    def test_the_variations_of_a_product_are_read_and_written_under_it(self):
        ids = self.shop.add_product("Tea", ["S-1", "S-2"])
        path = f"products/{ids[0]['product']}/variations"
        self.assertEqual({each["sku"] for each in self.ok(self.api.get(path))}, {"S-1", "S-2"})
        written = self.ok(self.api.put(f"{path}/{ids[1]['variant']}", {"regular_price": "8.00"}))
        self.assertEqual(written["price"], "8.00")
        self.assertEqual(self.shop.price(ids[1]["variant"]), 800)

    def test_stock_is_written_as_a_difference_alone_and_in_batches(self):
        first, second = (self.shop.add_product(title, [title])[0] for title in ("Tea", "Mate"))
        read = self.ok(self.api.get(f"products/{first['product']}"))
        self.assertEqual((read["manage_stock"], read["stock_quantity"]), (True, 10))
        written = self.ok(self.api.put(f"products/{first['product']}", {"inventory_delta": -3}))
        self.assertEqual(written["stock_quantity"], 7)
        updates = [
            {"id": int(first["product"]), "inventory_delta": 1},
            {"id": 7, "inventory_delta": 1},
            {"id": int(second["product"]), "stock_quantity": 4},
        ]
        written = self.ok(self.api.post("products/batch", {"update": updates}))["update"]
        self.assertEqual(written[1]["error"]["code"], "woocommerce_rest_product_invalid_id")
        self.assertEqual([written[0]["stock_quantity"], written[2]["stock_quantity"]], [8, 4])
        self.assertEqual([self.shop.level(ids["item"]) for ids in (first, second)], ["8", "4"])

    def test_orders_and_customers_are_listed(self):
        (ids,) = self.shop.add_product("Tea", ["S-1"], price_minor=950)
        sold = [self.shop.sell(ids["item"], quantity) for quantity in (1, 2)]
        parameters = {"modified_after": "2020-01-01T00:00:00", "orderby": "id", "order": "asc"}
        orders = self.ok(self.api.get("orders", params=parameters))
        self.assertEqual(sorted(str(order["id"]) for order in orders), sorted(sold))
        self.assertEqual({order["total"] for order in orders}, {"9.50", "19.00"})
        customer = self.shop.add_customer("Ann", "Lee", "ann@shop.example")
        (listed,) = self.ok(self.api.get("customers", params={"role": "customer"}))
        self.assertEqual((str(listed["id"]), listed["first_name"]), (customer, "Ann"))

    def test_text_in_a_query_is_signed_as_it_is_read(self):
        self.shop.add_product("Tea", ["S-1"])
        for text in ("a b", "50% off & more", "größe", "a+b~c"):
            self.ok(self.api.get("products", params={"search_note": text, "per_page": 1}))

    def test_refusals_have_a_status_and_a_code(self):
        path = "products/7"
        self.refused(self.api.get(path), 404, "woocommerce_rest_product_invalid_id")
        self.refused(self.api.put(path, {"name": "Tea"}), 400, "woocommerce_rest_product_invalid_id")
        self.refused(self.api.get("products", params={"per_page": 101}), 400, "rest_invalid_param")
        self.refused(self.api.get("nothing"), 404, "rest_no_route")

    def test_an_unknown_key_a_wrong_secret_and_a_repeated_signature_are_refused(self):
        code = "woocommerce_rest_authentication_error"
        self.refused(self.api_with("ck_other", self.secret).get("products"), 401, code)
        self.refused(self.api_with(self.key, "another").get("products"), 401, code)
        signed = self.api.get("products")
        self.ok(signed)
        self.refused(requests.get(signed.request.url, timeout=TIMEOUT_SECONDS), 401, code)

    def test_webhooks_are_pinged_and_signed(self):
        (ids,) = self.shop.add_product("Tea", ["S-1"])
        receiver = self.shop.receiver(self)
        ping = receiver.next(lambda each: True)
        self.assertEqual(ping.body[:11], b"webhook_id=")
        self.shop.sell(ids["item"], 2)
        order = receiver.next(lambda each: each.headers["x-wc-webhook-topic"] == "order.created")
        product = receiver.next(lambda each: each.headers["x-wc-webhook-topic"] == "product.updated")
        for webhook in (order, product):
            self.assertTrue(self.is_verified(webhook))
            self.assertFalse(self.is_verified(webhook.with_a_changed_byte()))
        self.assertEqual(order.json()["line_items"][0]["product_id"], int(ids["product"]))
        # Object by object what a webhook reports is what the API shows.
        self.assertEqual(product.json(), self.ok(self.api.get(f"products/{ids['product']}")))

    def is_verified(self, webhook):
        # The SDK has no verifier of webhooks; this is what the platform's own code computes.
        digest = hmac.new(self.shop.webhook_secret.encode(), webhook.body, hashlib.sha256).digest()
        computed = base64.b64encode(digest)
        return hmac.compare_digest(computed, webhook.headers["x-wc-webhook-signature"].encode())
