"""compose/quickstart.sh as a new user runs it, with the programs of the build under test.

FLOTILLA_BUILD_DIR names that build folder; quickstart keeps its files in there too.
"""
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("FLOTILLA_BUILD_DIR", os.path.join(ROOT, "build", "asan"))
SCRIPT = os.path.join(ROOT, "compose", "quickstart.sh")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def quickstart(*options, timeout=240):
    return subprocess.run([SCRIPT, "--build-dir", BUILD, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout)


def is_alive(pid):
    """Not a zombie, either: whoever runs as process 1 here may not collect orphans."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def running():
    """Ids of the processes that quickstart has on record and that are alive."""
    path = os.path.join(BUILD, "quickstart", "running")
    if not os.path.exists(path):
        return []
    with open(path) as f:
        ids = [int(line.split()[1]) for line in f]
    return [i for i in ids if is_alive(i)]


def printed(output, label):
    return re.search(r"^ +%s +(.*)$" % label, output, re.M).group(1)


def run(command, timeout=30):
    return subprocess.run(command, check=True, timeout=timeout, stdout=subprocess.PIPE, text=True).stdout


class Quickstart(unittest.TestCase):
    def setUp(self):
        quickstart("--stop")

    def tearDown(self):
        quickstart("--stop")
        self.assertEqual(running(), [])

    def assert_round_trip(self, output):
        """The printed lines work as they are; the publisher's with -r, so that it may come first."""
        run(shlex.split(printed(output, "publish")) + ["-r"])
        subscriber = shlex.split(printed(output, "subscribe")) + ["-C", "1", "-W", "10"]
        self.assertEqual(run(subscriber), "demo/hello hello, fleet\n")

    def test_detached_it_runs_until_stopped(self):
        done = quickstart("--detach", "--port", str(free_port()))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(running()), 5)
        self.assertIn("mqtts://localhost:", printed(done.stdout, "address"))
        self.assert_round_trip(done.stdout)
        with urllib.request.urlopen(printed(done.stdout, "live status"), timeout=5) as page:
            self.assertIn(b"<html", page.read().lower())

        again = quickstart("--detach", "--port", str(free_port()))
        self.assertEqual(again.returncode, 1)
        self.assertIn("already running", again.stderr)
        self.assertEqual(len(running()), 5)

        processes = running()
        stopped = quickstart("--stop")
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        self.assertEqual([i for i in processes if is_alive(i)], [])

    def test_interrupt_stops_everything(self):
        # Even when it was started with SIGINT ignored, as a shell's background jobs are.
        port = free_port()
        started = subprocess.Popen([SCRIPT, "--build-dir", BUILD, "--no-tls", "--brokers", "2", "--port", str(port)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        try:
            output = ""
            for line in started.stdout:
                output += line
                if line.startswith("Ctrl-C"):
                    break
            self.assertIn("mqtt://localhost:%d" % port, output)
            self.assert_round_trip(output)
            processes = running()
            self.assertEqual(len(processes), 5)  # quickstart itself among them
            started.send_signal(signal.SIGINT)
            self.assertEqual(started.wait(timeout=30), 0)
            self.assertEqual([i for i in processes if is_alive(i)], [])
        finally:
            if started.poll() is None:
                started.send_signal(signal.SIGTERM)
                started.wait(timeout=60)
            started.stdout.close()

    def test_the_fleet_goes_on_when_a_broker_is_killed(self):
        done = quickstart("--detach", "--no-tls", "--port", str(free_port()))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(BUILD, "quickstart", "running")) as f:
            victim = next(int(line.split()[1]) for line in f if line.startswith("broker2 "))
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while is_alive(victim) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assert_round_trip(done.stdout)

    def test_one_broker_keeps_its_state_without_redis(self):
        done = quickstart("--detach", "--no-tls", "--brokers", "1", "--port", str(free_port()))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1 broker behind", done.stdout)
        self.assertEqual(len(running()), 2)
        run(shlex.split(printed(done.stdout, "publish")) + ["-r"])
        quickstart("--stop")
        done = quickstart("--detach", "--no-tls", "--brokers", "1", "--port", str(free_port()))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        subscriber = shlex.split(printed(done.stdout, "subscribe")) + ["-C", "1", "-W", "10"]
        self.assertEqual(run(subscriber), "demo/hello hello, fleet\n")

    def test_a_busy_port_is_named(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            done = quickstart("--port", str(port))
        self.assertEqual(done.returncode, 1)
        self.assertIn("port %d is in use" % port, done.stderr)
        self.assertIn("--port", done.stderr)

    def test_bad_arguments_say_what_was_expected(self):
        for options, wish in ((["--brokers", "0"], "from 1 to 64"), (["--brokers", "many"], "from 1 to 64"),
                              (["--port", "70000"], "from 1 to 65535"), (["--port"], "needs a value"),
                              (["--bind", "elsewhere"], "IPv4 address"), (["--frobnicate"], "unknown option")):
            done = quickstart(*options)
            self.assertEqual(done.returncode, 2, options)
            self.assertIn(wish, done.stderr)
        self.assertEqual(quickstart("--help").returncode, 0)

    def test_stop_without_a_start_is_no_error(self):
        done = quickstart("--stop")
        self.assertEqual(done.returncode, 0)
        self.assertIn("nothing is running", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
