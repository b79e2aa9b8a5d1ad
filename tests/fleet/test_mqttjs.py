"""MQTT.js, which web pages use, against a WebSocket listener: under Node, and in compose/web's page in headless Chromium.

It comes from npm into the build folder (compose/web/fetch.sh). Without Node, npm, a way to the registry, or Chromium,
the tests that need it are skipped.
"""
import json
import os
import shutil
import subprocess
import urllib.parse

import harness
from harness import Process, binary, eventually, free_port
from services import LoadBalancer, http, metric
from websocket_broker import WebSocketBroker

CLIENT = os.path.join(harness.HERE, "mqttjs_client.cjs")
WEB = os.path.join(harness.ROOT, "compose", "web")


class MqttJsCase:
    def setUp(self):
        build = os.path.dirname(os.path.dirname(binary("FLOTILLA_BROKER", "broker", "flotilla-broker")))
        self.folder = os.path.join(build, "web")
        done = subprocess.run([os.path.join(WEB, "fetch.sh"), self.folder], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        if done.returncode != 0:
            self.skipTest("MQTT.js can't be had: %s" % done.stdout.strip())
        super().setUp()


class UnderNode(MqttJsCase, harness.FleetTest):
    def run_client(self, url, *arguments):
        done = subprocess.run(["node", CLIENT, self.folder, url, *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(sorted(json.loads(done.stdout)["got"]), [["js/0", 0, True], ["js/1", 1, True], ["js/2", 2, True]])

    def expect_disconnect(self, broker):
        """It said DISCONNECT, and nothing that it sent was refused."""
        def ended(reason):
            return metric(broker.metrics(), "flotilla_broker_connections_closed_total", reason=reason)
        eventually(lambda: ended("disconnect") == 1, 10, "it has disconnected")
        self.assertEqual(ended("malformed"), 0)

    def test_ws(self):
        broker = WebSocketBroker(self.scope).start()
        self.run_client("ws://127.0.0.1:%d/mqtt" % broker.websocket[1])
        self.expect_disconnect(broker)

    def test_wss(self):
        broker = WebSocketBroker(self.scope, proxy_protocol="require", trusted_proxies=["127.0.0.0/8"]).start()
        check = {"type": "tcp", "port": broker.port, "interval": "500ms", "timeout": "1s", "rise": 1, "fall": 2}
        lb = LoadBalancer(self.scope, [("b", broker.websocket)], backend={"health_check": check},
                          tls_settings={"alpn": "http/1.1"}).start()
        self.run_client("wss://localhost:%d/mqtt" % lb.tls_port, lb.certificates.ca)
        self.expect_disconnect(broker)


class InChromium(MqttJsCase, harness.FleetTest):
    def setUp(self):
        if shutil.which("chromium") is None:
            self.skipTest("needs chromium")
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
