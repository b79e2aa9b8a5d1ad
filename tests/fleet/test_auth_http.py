"""A service that is asked by HTTP who a client is: right, wrong, slow, dead, and what it narrows."""
import http.server
import json
import signal
import subprocess
import threading
import time

import harness
import mqtt_raw as m
from harness import eventually, free_port
from services import Broker, metric, program


class Service:
    """Answers by the user's name; `hold` keeps answers back."""

    def __init__(self):
        self.asked, self.hold, self.authorization = [], threading.Event(), None
        self.hold.set()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.asked.append(question)
                service.authorization = self.headers["Authorization"]
                service.hold.wait(20)
                status, answer = service.answer(question)
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the broker didn't wait

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/mqtt" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def answer(self, question):
        name, right = question["username"], question["password"] == "secret"
        if name == "broken":
            return 500, b"oops"
        if name == "garbage":
            return 200, b"{"
        if name == "endless":
            return 200, b" " * 100000
        if name == "other":
            return 200, {"result": "ignore"}
        if name == "short":
            return 200, {"result": "allow", "expire_at": time.time() + 2}
        if name is None and question["clientid"].startswith("badge-"):
            return 204, b""
        if name == "narrow":
            return 200, {"result": "allow", "acl": {"pub": ["up/#"], "sub": ["down/#"]}}
        return 200, {"result": "allow" if right else "deny"}

    def close(self):
        """Again is harmless."""
        self.hold.set()
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
        self.server.server_close()


def start(holder, **http_config):
    holder.service = Service()
    holder.scope.cleanups.append(holder.service.close)
    passwords = holder.scope.path("passwd")
    open(passwords, "w").close()
    subprocess.run([program("mosquitto_passwd"), "-b", passwords, "local", "secret"], check=True, timeout=30)
    holder.scope.write("token", "Bearer hush\n")
    holder.broker = Broker(holder.scope, config={"auth": {
        "anonymous": False, "password_file": passwords,
        "http": dict({"url": holder.service.url, "authorization": "@token", "timeout": "1s"}, **http_config)}})
    holder.broker.config["listeners"][0]["trusted_proxies"] = ["192.0.2.0/24"]  # clients are who they are
    holder.broker.reconfigure()
    holder.broker.start()


class Asked(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        start(holder)

    def code_of(self, name, password="secret", **fields):
        with self.broker.open() as client:
            client.send(m.connect(self.unique("c"), username=name, password=password, **fields))
            return client.expect(m.CONNACK).return_code

    def test_the_service_decides(self):
        self.assertEqual(self.code_of("alice"), 0)
        self.assertIn(self.code_of("alice", "wrong"), (4, 5))
        question = self.service.asked[-1]
        self.assertEqual((question["username"], question["password"], question["peerhost"]),
                         ("alice", "wrong", "127.0.0.1"))
        self.assertEqual(self.service.authorization, "Bearer hush")
        self.assertNotIn("hush", self.broker.log())

    def test_another_authorization_comes_into_force(self):
        self.scope.write("token", "Bearer fresh\n")
        mark = len(self.broker.log())
        self.broker.signal(signal.SIGHUP)
        self.broker.wait_log("auth_reloaded", start=mark)
        self.code_of("bearer", "x")
        self.assertEqual(self.service.authorization, "Bearer fresh")
        self.scope.write("token", "Bearer hush\n")
        mark = len(self.broker.log())
        self.broker.signal(signal.SIGHUP)
        self.broker.wait_log("auth_reloaded", start=mark)
        self.assertNotIn("fresh", self.broker.log())

    def test_the_file_comes_first(self):
        before = len(self.service.asked)
        self.assertEqual(self.code_of("local"), 0)
        self.assertIn(self.code_of("local", "wrong"), (4, 5))
        self.assertEqual(len(self.service.asked), before)

    def test_who_it_lets_in_is_remembered(self):
        client = self.unique("same")
        for _ in range(5):
            with self.broker.open() as c:
                c.send(m.connect(client, username="bob", password="secret"))
                self.assertEqual(c.expect(m.CONNACK).return_code, 0)
        self.assertEqual(len([q for q in self.service.asked if q["username"] == "bob"]), 1)
        self.assertIn(self.code_of("bob", "wrong"), (4, 5))

    def test_ignored_means_unknown(self):
        self.assertIn(self.code_of("other"), (4, 5))

    def test_failures_are_not_taken_for_an_answer(self):
        for name in ("broken", "garbage", "endless"):
            self.assertEqual(self.code_of(name), 3, name)
        self.broker.wait_log("auth_service_failed")
        self.assertGreaterEqual(metric(self.broker.metrics(), "flotilla_broker_auth_service_total", how="failed"), 3)

    def test_topics_are_narrowed(self):
        client = self.broker.connect(self.unique("n"), username="narrow", password="x")
        self.addCleanup(client.close)
        watcher = self.broker.connect(self.unique("w"), username="local", password="secret")
        self.addCleanup(watcher.close)
        watcher.subscribe(("#", 1))
        client.publish("elsewhere/x", "no", 1)
        client.publish("up/x", "yes", 1)
        self.assertEqual(watcher.expect(m.PUBLISH).payload, b"yes")

    def test_an_end_ends_the_connection(self):
        client = self.broker.connect(self.unique("s"), username="short", password="x")
        self.addCleanup(client.close)
        client.expect_closed()

    def test_refusals_count_as_wrong_passwords(self):
        def counted():
            return metric(self.broker.metrics(), "flotilla_broker_logins_total", how="refused") or 0
        before = counted()
        self.assertIn(self.code_of("mallory", "guess"), (4, 5))
        self.assertEqual(counted(), before + 1)

    def test_a_client_may_be_known_without_a_name(self):
        client = self.broker.connect("badge-7")
        self.addCleanup(client.close)
        client.ping()

    def test_anonymous_clients_are_asked_about_as_well(self):
        with self.broker.open() as client:
            client.send(m.connect(self.unique("c")))
            self.assertIn(client.expect(m.CONNACK).return_code, (4, 5))
        self.assertIsNone(self.service.asked[-1]["username"])


class Slow(harness.FleetTest):
    @staticmethod
    def build(holder):
        start(holder, max_requests=5)

    def test_a_slow_service_holds_up_nobody_else(self):
        steady = self.broker.connect("steady", username="local", password="secret")
        self.addCleanup(steady.close)
        self.service.hold.clear()
        waiting = []
        for i in range(5):
            client = self.broker.open()
            self.addCleanup(client.close)
            client.send(m.connect("slow-%d" % i, username="u%d" % i, password="secret"))
            waiting.append(client)
        eventually(lambda: len(self.service.asked) == 5, 5, "all are asked about")
        for _ in range(20):
            start_at = time.monotonic()
            steady.ping()
            self.assertLess(time.monotonic() - start_at, 0.5)
        with self.broker.open() as one_more:
            one_more.send(m.connect("more", username="more", password="secret"))
            self.assertEqual(one_more.expect(m.CONNACK).return_code, 3)
        for client in waiting:
            self.assertEqual(client.expect(m.CONNACK, timeout=5).return_code, 3)

    def test_who_leaves_while_it_is_asked_leaves_nothing(self):
        self.service.hold.clear()
        for i in range(5):
            client = self.broker.open()
            client.send(m.connect("gone-%d" % i, username="u%d" % i, password="secret"))
            eventually(lambda: len(self.service.asked) == i + 1, 5, "it is asked about")
            client.close()
        self.service.hold.set()
        eventually(lambda: self.broker.connect("after", username="a", password="secret").close() or True, 5,
                   "there is room again")


class Dead(harness.FleetTest):
    @staticmethod
    def build(holder):
        start(holder)
        holder.service.close()

    def test_refused_unless_configured(self):
        with self.broker.open() as client:
            client.send(m.connect("c", username="alice", password="secret"))
            self.assertEqual(client.expect(m.CONNACK).return_code, 3)
        self.broker.connect("l", username="local", password="secret").close()

    def test_configured_to_be_ignored(self):
        auth = self.broker.config["auth"]
        self.broker.term()
        self.broker.reconfigure(auth=dict(auth, anonymous=True, http=dict(auth["http"], on_failure="ignore")))
        self.broker.start()
        self.broker.connect("anonymous").close()


class Checked(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope, config={"auth": {"http": {"url": "http://192.0.2.1/mqtt"}}})

    def test_passwords_go_nowhere_in_plain(self):
        done = subprocess.run(self.broker.argv + ["--check"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"auth.http.url: expected an address like https")


if __name__ == "__main__":
    harness.main()
