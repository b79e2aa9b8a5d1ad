"""The clients of a broker on its HTTP port: pages, one client, closing one."""
import json
import urllib.parse

import harness
import mqtt_raw as m
from services import Broker, http


class Clients(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope).start()

    def get(self, path):
        status, body = http(self.broker.admin_port, path)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def come(self, client_id, **fields):
        client = self.broker.connect(client_id, **fields)
        self.addCleanup(client.close)
        return client

    def pages(self, query):
        found, at = [], 0
        while True:
            page = self.get("/api/clients?%s&from=%d" % (query, at))
            found += [c["client_id"] for c in page["clients"]]
            if page["next"] is None:
                return found
            self.assertGreater(page["next"], at)
            at = page["next"]

    def test_all_are_on_some_page(self):
        names = ["client-%d" % i for i in range(57)]
        for name in names:
            self.come(name)
        self.assertEqual(sorted(self.pages("limit=5")), sorted(names))
        self.assertEqual(self.get("/api/clients")["connected"], 57)

    def test_what_is_told_of_one(self):
        client = self.come("a/b c#", clean=False, keepalive=33)
        client.subscribe(("x/+", 1), ("y/#", 0))
        told = self.get("/api/clients/" + urllib.parse.quote("a/b c#", safe=""))
        self.assertEqual((told["client_id"], told["username"], told["version"], told["keep_alive"], told["durable"]),
                         ("a/b c#", None, "3.1.1", 33, True))
        self.assertEqual((told["subscriptions"], sorted(told["filters"])), (2, ["x/+", "y/#"]))
        self.assertTrue(told["address"].startswith("127.0.0.1:"))
        self.assertRegex(told["connected_since"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_by_user_name(self):
        self.come("a")
        self.come("b", username="alice", password="x")
        self.assertEqual(self.pages("username=alice&limit=10"), ["b"])
        self.assertEqual(self.pages("username=bob&limit=10"), [])

    def test_unknown_ones_and_bad_queries(self):
        self.assertEqual(http(self.broker.admin_port, "/api/clients/nobody")[0], 404)
        for query in ("limit=0", "limit=1001", "limit=x", "from=-1", "from=99999999999", "limit="):
            self.assertEqual(http(self.broker.admin_port, "/api/clients?" + query)[0], 400, query)

    def test_closing_one(self):
        client = self.come("c", will=m.Will("will", b"gone", 1))
        watcher = self.come("w")
        watcher.subscribe(("will", 1))
        status, body = http(self.broker.admin_port, "/api/clients/c", method="DELETE")
        self.assertEqual((status, json.loads(body)), (200, {"closed": "c"}))
        client.expect_closed()
        self.assertEqual(watcher.expect(m.PUBLISH).payload, b"gone")
        self.assertEqual(http(self.broker.admin_port, "/api/clients/c", method="DELETE")[0], 404)
        self.broker.wait_log("client_closed_by_operator client_id=c")

    def test_a_durable_session_outlives_it(self):
        client = self.come("d", clean=False)
        client.subscribe(("t", 1))
        http(self.broker.admin_port, "/api/clients/d", method="DELETE")
        client.expect_closed()
        self.come("p").publish("t", "kept", 1)
        again = self.come("d", clean=False)
        self.assertEqual(again.expect(m.PUBLISH).payload, b"kept")

    def test_a_page_of_elsewhere_may_not(self):
        self.come("c")
        status, _ = http(self.broker.admin_port, "/api/clients/c", method="DELETE",
                         headers={"Origin": "https://evil.example"})
        self.assertEqual(status, 403)
        self.assertEqual(self.get("/api/clients")["connected"], 1)


if __name__ == "__main__":
    harness.main()
