"""The load generator tells the truth: exact counts with real brokers in each mode, QoS and protocol version, and known
answers with a server that loses, repeats, swaps and delays on purpose.

Run by ctest; FLOTILLA_BENCH, FLOTILLA_BROKER and FLOTILLA_LB name the programs.
"""

import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from fake_broker import FakeBroker
from servers import Certificates, Server, free_port

BENCH, BROKER, LB = (os.environ[name] for name in ("FLOTILLA_BENCH", "FLOTILLA_BROKER", "FLOTILLA_LB"))
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")

MODES = [
    "pairs --clients 5",
    "pairs --clients 5 --rate 200",
    "pairs --clients 5 --threads 2",
    "pairs --clients 2 --extra-filters 400 --wildcard",
    "fan-in --clients 10",
    "fan-in --clients 11 --threads 3",
    "fan-out --clients 10",
    "fan-out --clients 11 --threads 3",
    "telemetry --clients 50 --rate 20 --subscribers 2",
    "telemetry --clients 51 --rate 20 --subscribers 3 --threads 2",
    "retained --count 200 --clients 3",
    "retained --count 200 --clients 2 --group 0",
    "durable --clients 10 --count 40 --extra-filters 2",
]
V5_MODES = [  # with what 5.0 brings
    "pairs --clients 5 --properties",
    "pairs --clients 5 --aliases --threads 2",
    "fan-out --clients 10 --properties --aliases",
    "telemetry --clients 50 --rate 20 --subscribers 2 --properties --aliases",
]
SHARED = [
    "telemetry --clients 10 --window 16 --share g --subscribers 1",
    "telemetry --clients 10 --window 16 --share g --subscribers 10",
    "telemetry --clients 10 --rate 50 --share g --subscribers 7",
]
WITHOUT_MESSAGES = ["storm --count 60 --clients 7", "storm --count 60 --clients 7 --threads 2", "idle --clients 50",
                    "durable --clients 10 --count 0 --extra-filters 3"]


def bench(port, arguments, pid=None):
    command = [BENCH, *arguments.split(), "--target", f"127.0.0.1:{port}"] + (["--pid", str(pid)] if pid else [])
    # It ends with its connections open and leaves the rest to the system: no leaks to report.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


class WithServer(unittest.TestCase):
    def start(self, argv, port):
        server = Server("server")
        self.addCleanup(server.stop)
        server.spawn(argv, port)
        return port, server.measured[0][1]

    def assert_exact(self, server, arguments):
        port, pid = server
        done = bench(port, arguments + " --seconds 0.15 --warmup 0.05", pid)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        r = json.loads(done.stdout)
        self.assertTrue(r["exact"], f"{arguments}: {r}")
        self.assertEqual((r["received"], r["duplicates"], r["reordered"], r["failed"]), (r["expected"], 0, 0, 0))
        if "--count 0" not in arguments:
            self.assertGreater(r["done"], 0, arguments)
            self.assertGreater(r["own_cpu_us_each"], 0, arguments)
        return r

    def all_modes(self, server, version):
        for load in WITHOUT_MESSAGES:
            self.assert_exact(server, f"{load} --protocol {version}")
        for load in MODES:
            for qos in (0, 1, 2):
                if not (load.startswith("durable") and qos == 0):
                    self.assert_exact(server, f"{load} --qos {qos} --protocol {version}")


class RealBrokers(WithServer):
    def flotilla(self, protocol="mqtt"):
        port, server = free_port(), Server("b")
        self.addCleanup(server.stop)
        config = server.file("b.yaml", f"listeners:\n  - {{ bind: 127.0.0.1:{port}, protocol: {protocol} }}\n"
                             "auth: { anonymous: true }\n")
        server.spawn([BROKER, "--config", config], port)
        return port, server.measured[0][1]

    def mosquitto(self):
        if MOSQUITTO is None:
            self.skipTest("mosquitto isn't here")
        port = free_port()
        server = Server("m")
        self.addCleanup(server.stop)
        config = server.file("m.conf", f"listener {port} 127.0.0.1\nallow_anonymous true\n"
                             "max_queued_messages 100000\nlog_type error\n")
        server.spawn([MOSQUITTO, "-c", config], port)
        return port, server.measured[0][1]

    def test_properties_and_aliases_are_exact(self):
        for server in (self.flotilla(), self.mosquitto()):
            for load in V5_MODES:
                for qos in (0, 1, 2):
                    self.assert_exact(server, f"{load} --qos {qos} --protocol 5")

    def test_a_group_is_exact(self):
        server = self.flotilla()
        for load in SHARED:
            for qos in (0, 1, 2):
                for version in (4, 5):
                    self.assert_exact(server, f"{load} --qos {qos} --protocol {version}")

    def test_all_is_exact_over_websocket(self):
        server = self.flotilla("websocket")
        for load in WITHOUT_MESSAGES[:3] + MODES[:9] + SHARED[1:2]:
            self.assert_exact(server, f"{load} --qos 1 --websocket")
        self.assert_exact(server, "pairs --clients 3 --payload 100000 --window 2 --websocket")
        self.assert_exact(server, "pairs --clients 3 --payload 200 --websocket --protocol 5 --properties --aliases")

    def test_a_server_that_isnt_websocket_is_told_in_one_line(self):
        port, _ = self.flotilla()
        done = bench(port, "pairs --clients 1 --seconds 0.1 --websocket")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_what_5_0_brings_is_refused_with_other_versions(self):
        for flag in ("--properties", "--aliases"):
            done = bench(free_port(), f"pairs --clients 1 {flag}")
            self.assertRegex(done.stderr, r"^flotilla-bench: --properties, --aliases: only MQTT 5\.0 has them")

    def test_each_mode_and_qos_is_exact_with_3_1_1(self):
        self.all_modes(self.flotilla(), 4)

    def test_pairs_are_exact_with_3_1(self):
        self.assert_exact(self.flotilla(), "pairs --clients 5 --protocol 3 --qos 1")

    def test_each_mode_and_qos_is_exact_with_5_0(self):
        self.all_modes(self.mosquitto(), 5)

    def test_a_window_above_the_servers_receive_maximum_is_lowered(self):
        self.assert_exact(self.mosquitto(), "pairs --clients 2 --protocol 5 --qos 2 --window 500")

    def test_a_server_without_5_0_is_told_in_one_line(self):
        port, _ = self.flotilla()
        done = bench(port, "pairs --clients 2 --protocol 5 --seconds 0.1")
        if done.returncode == 0:
            self.skipTest("this broker speaks 5.0")
        self.assertRegex(done.stderr, r"^flotilla-bench: the server refuses MQTT 5\.0 \(CONNACK code \d+\)\n$")

    def test_each_connection_resumes_its_tls_session_when_asked_to(self):
        back, port, server = self.flotilla()[0], free_port(), Server("lb")
        self.addCleanup(server.stop)
        c = Certificates(server.folder)
        config = server.file("lb.yaml", f"listeners:\n  - name: in\n    bind: 127.0.0.1:{port}\n    backend: b\n"
                             f"    tls: {{ certificate: {c.pem}, key: {c.key} }}\nbackends:\n  b:\n"
                             f"    servers:\n      - {{ name: s, address: 127.0.0.1:{back} }}\n"
                             f"admin: {{ bind: 127.0.0.1:{free_port()} }}\n")
        server.spawn([LB, "--config", config], port)
        storm = "storm --count 100 --clients 10 --tls"
        fresh, resumed = (json.loads(bench(port, storm + more).stdout) for more in ("", " --resume"))
        self.assertEqual((fresh["resumed"], fresh["done"]), (0, 100))
        self.assertEqual((resumed["resumed"], resumed["done"]), (100, 100))

    def test_nobody_listening_is_told_in_one_line(self):
        done = bench(free_port(), "pairs --clients 2")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


class KnownAnswers(unittest.TestCase):
    """One publisher, 200 messages/s, to one subscriber."""

    def run_with(self, plan):
        broker = FakeBroker(plan)
        self.addCleanup(broker.stop)
        done = bench(broker.port, "pairs --clients 1 --rate 200 --seconds 1 --warmup 0")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_repeats_are_counted(self):
        r = self.run_with(lambda n: [0, 0.001] if n in (10, 20, 30) else [0])
        self.assertEqual((r["duplicates"], r["received"], r["exact"]), (3, r["expected"], False))

    def test_late_messages_are_counted(self):
        r = self.run_with(lambda n: [0.012] if n in (10, 20, 30, 40) else [0])  # two others overtake it
        self.assertEqual((r["reordered"], r["duplicates"], r["received"], r["exact"]), (4, 0, r["expected"], False))

    def test_lost_messages_are_counted(self):
        r = self.run_with(lambda n: [] if n in (10, 20, 30, 40, 50) else [0])
        self.assertEqual((r["expected"] - r["received"], r["duplicates"], r["exact"]), (5, 0, False))

    def test_latency_is_what_the_server_took(self):
        r = self.run_with(lambda n: [0.2] if n % 20 == 19 else [0.03])  # one in twenty
        self.assertTrue(29000 < r["p50_us"] < 60000, r["p50_us"])
        self.assertTrue(199000 < r["p99_us"] < 300000, r["p99_us"])
        self.assertEqual(r["received"], r["expected"])

    def test_a_stall_isnt_hidden_by_what_wasnt_sent_during_it(self):
        """All that is due while the server stands still for 0.3 s counts with its whole wait."""
        r = self.run_with(lambda n: [max(0, 0.3 - (n - 50) * 0.005) if n >= 50 else 0])
        # 60 of 200 messages waited from 0.3 s down to 0.005 s: 5 % of all waited longer than 0.25 s
        self.assertGreater(r["p99_us"], 270000)


if __name__ == "__main__":
    unittest.main()
