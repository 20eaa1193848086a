"""The management API against its own OpenAPI document, as every role.

Requests are generated from the document by schemathesis, valid ones and ones that violate it. No response may be a
server's error or contradict the document, and no violation may be accepted.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

ROLES = ["platform_owner", "store_owner", "manager", "employee", "integrator", "read_only"]
# Values that follow the document may still be refused: a time zone that doesn't exist, an account that is connected. An edit
# without `If-Match` gets 428 (RFC 6585), which the check of missing headers doesn't know; the gateway's own tests hold it.
NOT_CHECKED = "positive_data_acceptance,missing_required_header"
# Requests generated for each operation.
EXAMPLES = os.environ.get("TILLFLOW_API_EXAMPLES", "10")
START_TIMEOUT_SECONDS = 120
RUN_TIMEOUT_SECONDS = 600


class Roles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        # Where this runs as root, the database has a user of its own, which passes through.
        os.chmod(cls.folder.name, 0o711)
        directory = pathlib.Path(cls.folder.name) / "dev"
        anywhere = "127.0.0.1:0"
        cls.dev = subprocess.Popen(
            [os.environ["TILLFLOW_PROGRAM"], "dev", "--dir", directory, "--listen", anywhere]
            + ["--api-listen", anywhere, "--admin-listen", anywhere],
            stdout=subprocess.DEVNULL,
        )
        cls.addClassCleanup(cls.stop)
        until = time.monotonic() + START_TIMEOUT_SECONDS
        while not (directory / "dev.json").exists():
            if cls.dev.poll() is not None or time.monotonic() > until:
                raise RuntimeError("tillflow dev didn't start")
            time.sleep(0.1)
        running = json.loads((directory / "dev.json").read_text())
        cls.url, cls.operator = running["api_url"], running["api_key"]

    @classmethod
    def stop(cls):
        cls.dev.send_signal(signal.SIGINT)
        cls.dev.wait(timeout=60)

    def key(self, role):
        """Issues a key of a role for the tenant of the dev environment."""
        if role == "platform_owner":
            return self.operator
        request = urllib.request.Request(
            self.url + "/v1/keys",
            json.dumps({"name": role, "role": role}).encode(),
            {
                "authorization": f"Bearer {self.operator}",
                "tillflow-tenant": "demo",
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)["text"]

    def test_no_request_of_any_role_contradicts_the_document(self):
        for role in ROLES:
            with self.subTest(role=role):
                ran = subprocess.run(
                    [sys.executable, "-m", "schemathesis.cli", "run", self.url + "/openapi.json"]
                    + ["--header", f"Authorization: Bearer {self.key(role)}"]
                    + ["--header", "Tillflow-Tenant: demo"]
                    + ["--exclude-checks", NOT_CHECKED, "--max-examples", EXAMPLES]
                    + ["--generation-deterministic", "--workers", "1", "--no-color"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=RUN_TIMEOUT_SECONDS,
                    cwd=self.folder.name,
                    text=True,
                )
                self.assertEqual(ran.returncode, 0, ran.stdout)


if __name__ == "__main__":
    unittest.main()
