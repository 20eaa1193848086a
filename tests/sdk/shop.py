"""A simulated shop, and a receiver of its webhooks."""

import http.server
import json
import os
import queue
import subprocess
import threading

# Time limit for everything that a test waits for, in seconds.
TIMEOUT_SECONDS = 20


class Shop:
    """A simulated shop that runs until the test ends. Acts of its people are methods."""

    def __init__(self, test, platform, account, locations):
        self.locations = locations
        command = [os.environ["TILLFLOW_SERVE"], platform, account, *locations]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        test.addCleanup(self._end)
        opened = self._line()
        self.url = opened["url"]
        self.credential = opened["credential"]
        self.webhook_secret = opened["webhook_secret"]

    def _end(self):
        self._process.stdin.close()
        watchdog = self._watchdog()
        status = self._process.wait()
        watchdog.cancel()
        self._process.stdout.close()
        if status != 0:
            raise RuntimeError(f"the simulator ended with status {status}")

    def _line(self):
        watchdog = self._watchdog()
        line = self._process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise RuntimeError("the simulator ended, or printed nothing in time")
        return json.loads(line)

    def _watchdog(self):
        watchdog = threading.Timer(TIMEOUT_SECONDS, self._process.kill)
        watchdog.start()
        return watchdog

    def _act(self, act, **values):
        self._process.stdin.write(json.dumps({"act": act, **values}) + "\n")
        self._process.stdin.flush()
        result = self._line()
        if "refused" in result:
            raise RuntimeError(f"{act}: {result['refused']}")
        return result["done"]

    def add_product(self, title, skus, price_minor=950, pieces=10):
        """The ids of the variants of a new product: product, variant, item and SKU of each."""
        variants = [{"sku": sku, "price_minor": price_minor, "pieces": pieces} for sku in skus]
        return self._act("add_product", title=title, variants=variants)

    def add_promotion(self, title, percent, **limits):
        """The id of a new promotion; `product`, `from`, `daily_from` and `daily_until` limit it."""
        return self._act("add_promotion", title=title, percent=percent, **limits)

    def add_customer(self, given_name, family_name, email):
        """The id of a new customer."""
        return self._act("add_customer", given_name=given_name, family_name=family_name, email=email)

    def sell(self, item, quantity):
        """The id of a new order at the first location."""
        return self._act("sell", item=item, location=self.locations[0], quantity=quantity)

    def edit_price(self, variant, price_minor):
        """Sets a price in the smallest unit."""
        self._act("edit_price", variant=variant, price_minor=price_minor)

    def level(self, item):
        """The quantity at the first location, as a decimal."""
        return self._act("level", item=item, location=self.locations[0])

    def price(self, variant):
        """The price in the smallest unit."""
        return self._act("price", variant=variant)

    def receiver(self, test):
        """A receiver to which the shop's webhooks are sent from now on."""
        receiver = Receiver(test)
        self._act("set_webhook", url=receiver.url)
        return receiver


class Webhook:
    """A received request: its headers and the bytes of its body."""

    def __init__(self, headers, body):
        self.headers = headers
        self.body = body

    def json(self):
        """The body as a value."""
        return json.loads(self.body)

    def with_a_changed_byte(self):
        """The same webhook, but for one bit in the middle of its body."""
        middle = len(self.body) // 2
        changed = self.body[:middle] + bytes([self.body[middle] ^ 1]) + self.body[middle + 1 :]
        return Webhook(self.headers, changed)


class Receiver:
    """A server that keeps the requests that it receives, until the test ends."""

    def __init__(self, test):
        self._received = queue.Queue()
        # Received before one that was wanted.
        self._kept = []
        received = self._received

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = TIMEOUT_SECONDS

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                received.put(Webhook(self.headers, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                """Nothing: what a test fails with is printed by the test."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        test.addCleanup(self._server.server_close)
        test.addCleanup(self._server.shutdown)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook?shop=1"

    def next(self, is_wanted):
        """The next webhook that is wanted; others stay."""
        kept, self._kept = self._kept, []
        while True:
            webhook = kept.pop(0) if kept else self._received.get(timeout=TIMEOUT_SECONDS)
            if is_wanted(webhook):
                self._kept += kept
                return webhook
            self._kept.append(webhook)
