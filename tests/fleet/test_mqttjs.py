"""MQTT.js in compose/web's page in headless Chromium, against a WebSocket listener. Under Node: test_clients.py.

It comes from npm into the build folder (compose/web/fetch.sh). Without Node, npm, a way to the registry, or Chromium,
the tests that need it are skipped.
"""
import os
import shutil
import urllib.parse

import client_node
import harness
from harness import Process, eventually, free_port
from services import http, metric
from websocket_broker import WebSocketBroker

WEB = os.path.join(harness.ROOT, "compose", "web")


class InChromium(harness.FleetTest):
    def setUp(self):
        if shutil.which("chromium") is None:
            self.skipTest("needs chromium")
        self.folder = client_node.mqttjs()
        super().setUp()
        self.port = free_port()
        Process(self.scope, "web", [os.path.join(WEB, "serve.sh"), "--port", str(self.port), "--folder",
                                    self.folder]).start()
        self.addCleanup(self.scope.processes[-1].kill)
        eventually(lambda: http(self.port, "/index.html")[0] == 200, 20, "the page is served")
        self.broker = WebSocketBroker(self.scope, origins=["http://127.0.0.1:%d" % self.port]).start()

    def browse(self, host):
        query = {"url": "ws://127.0.0.1:%d/mqtt" % self.broker.websocket[1], "topic": "page/talk", "say": "from the page"}
        browser = Process(self.scope, "chromium-" + host, [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--user-data-dir=" + self.scope.path("profile-" + host), "--enable-logging=stderr",
            "http://%s:%d/?%s" % (host, self.port, urllib.parse.urlencode(query))]).start()
        self.addCleanup(browser.kill)
        return browser

    def test_a_page_talks_and_hears(self):
        watcher = self.broker.connect("watcher")
        self.addCleanup(watcher.close)
        watcher.subscribe(("page/talk", 1))
        browser = self.browse("127.0.0.1")
        watcher.expect_message("page/talk", b"from the page", 1, timeout=60)
        watcher.publish("page/talk", b"to the page", 0)
        browser.wait_log("received page/talk to the page", 20)

    def test_a_page_from_elsewhere_is_refused(self):
        self.browse("localhost")
        eventually(lambda: metric(self.broker.metrics(), "flotilla_broker_connections_refused_total",
                                  reason="upgrade_origin"), 60, "the page was refused")
        self.assertEqual(metric(self.broker.metrics(), "flotilla_broker_clients"), 0)


if __name__ == "__main__":
    harness.main()
