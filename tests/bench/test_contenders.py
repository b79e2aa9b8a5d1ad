"""Each contender of the bench starts, is measured, and leaves nothing behind; one that can't be measured fails the run.

Run by ctest, one contender a test; FLOTILLA_BUILD names the build. Exit code 77: its program isn't installed.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from bench import Bench
from cases import Case
from contenders import Contenders
from peers import find_all
from servers import descendants

BUILD = os.environ["FLOTILLA_BUILD"]
# The load generator ends with its connections open and leaves the rest to the system: no leaks to report.
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"
SKIPPED = 77

# name -> (the program that it needs beside ours, how it is started)
CONTENDERS = {
    "flotilla": (None, lambda c: c.flotilla()),
    "mosquitto": ("mosquitto", lambda c: c.mosquitto()),
    "flotilla-websocket": (None, lambda c: c.flotilla(protocol="websocket")),
    "mosquitto-websocket": ("mosquitto", lambda c: c.mosquitto(protocol="websocket")),
    "flotilla-shared": (None, lambda c: c.flotilla(strategy="hash_topic")),
    "mosquitto-shared": ("mosquitto", lambda c: c.mosquitto()),
    "flotilla-shared-x2": ("redis", lambda c: c.fleet(2, "random")),
    "flashmq": ("flashmq", lambda c: c.flashmq()),
    "flotilla-x1": ("redis", lambda c: c.fleet(1)),
    "flotilla-x2": ("redis", lambda c: c.fleet(2)),
    "flotilla-lb": (None, lambda c: c.flotilla_lb()),
    "flotilla-lb-tls": (None, lambda c: c.flotilla_lb(tls=True)),
    "haproxy": ("haproxy", lambda c: c.haproxy()),
    "haproxy-splice": ("haproxy", lambda c: c.haproxy(splice=True)),
    "haproxy-tls": ("haproxy", lambda c: c.haproxy(tls=True)),
    "nginx": ("nginx", lambda c: c.nginx()),
    "nginx-tls": ("nginx", lambda c: c.nginx(tls=True)),
}


class EachContender(unittest.TestCase):
    def measured(self, name):
        program, make = CONTENDERS[name]
        peers = find_all()
        if program and program not in peers:
            self.skipTest(f"{program} is not installed")
        with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder:
            contenders = Contenders(BUILD, folder, peers=peers)
            load = "telemetry --clients 4 --window 1 --subscribers 3 --share g" if "shared" in name else "pairs --clients 4 --window 1"
            load += "".join(f" --{how}" for how in ("tls", "websocket") if how in name)
            result = Bench(argparse.Namespace(build=BUILD, seconds=0.2)).run(
                Case("test", load, [], "across"), name, lambda: make(contenders))
        self.assertNotIn("error", result)
        self.assertGreater(result["cpu_us_each"], 0)
        self.assertTrue(result["exact"], result)
        self.assertEqual(descendants(os.getpid()), [])


def add_test(name):
    setattr(EachContender, "test_" + name, lambda self: self.measured(name))


for contender in CONTENDERS:
    add_test(contender)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class InTrouble(unittest.TestCase):
    """A "mosquitto" that can't be measured, beside a broker that can."""

    def peer(self, text):
        folder = tempfile.TemporaryDirectory(prefix="flotilla-bench-")
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "mosquitto"
        path.write_text("#!/bin/sh\nif [ \"$1\" = -h ]; then echo mosquitto 9.9; exit 0; fi\n" + text)
        path.chmod(0o755)
        return str(path)

    def bench(self, peer, *arguments):
        command = [sys.executable, "-B", os.path.join(HERE, "bench.py"), "--build", BUILD, "--quick", "--only",
                   "^broker: pairs q0$", *arguments]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "PEER_MOSQUITTO": peer})

    def test_one_that_does_not_start_fails_the_run_by_name(self):
        bench = self.bench(self.peer("exit 3\n"))
        errors = bench.communicate(timeout=60)[1]
        self.assertEqual(bench.returncode, 1, errors)
        self.assertRegex(errors.split("could not be measured:")[1], "mosquitto: it ended with 3")

    def test_one_that_passes_nothing_on_fails_the_run(self):
        bench = self.bench(self.peer("exec python3 -c \"import socket, sys, time\n"
                                     "port = int(open(sys.argv[1]).read().split()[1])\n"
                                     "server = socket.create_server(('127.0.0.1', port))\n"
                                     "while True: server.accept()[0].close()\" $2\n"))
        errors = bench.communicate(timeout=60)[1]
        self.assertEqual(bench.returncode, 1, errors)
        self.assertIn("mosquitto: ", errors.split("could not be measured:")[1])

    def test_nothing_outlives_a_bench_that_is_killed(self):
        bench = self.bench(self.peer("exec sleep 60\n"))
        self.addCleanup(bench.communicate)
        self.addCleanup(bench.kill)
        deadline = time.monotonic() + 30
        started = []
        while not any("sleep" in Path(f"/proc/{p}/cmdline").read_text() for p in started):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
            started = descendants(bench.pid)
        bench.send_signal(signal.SIGKILL)
        while not all(gone(p) for p in started):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)


if __name__ == "__main__":
    chosen = ".".join(sys.argv[1:2] + ["test_" + name for name in sys.argv[2:3]])
    program = unittest.main(argv=[sys.argv[0], chosen], verbosity=2, exit=False)
    skipped, ran = len(program.result.skipped), program.result.testsRun
    sys.exit(0 if not skipped and program.result.wasSuccessful() else SKIPPED if skipped == ran else 1)
