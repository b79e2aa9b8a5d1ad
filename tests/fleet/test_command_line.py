"""The broker by its command line alone."""
import socket
import subprocess

import harness
import mqtt_raw as m
from harness import Process, binary, eventually, free_port
from services import Broker, Redis


class WithoutStarting(harness.FleetTest):
    """What is wrong is said before anything starts, with exit code and place."""

    def run_broker(self, *arguments):
        argv = [binary("FLOTILLA_BROKER", "broker", "flotilla-broker"), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30)

    def test_check_accepts_a_good_file(self):
        broker = Broker(self.scope)
        done = self.run_broker("--check", "--config", self.scope.path("broker.yaml"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(broker.running())

    def test_errors_name_file_line_and_key(self):
        for key, broken in (("level", "level: loud"), ("anonymous", "anonymous: perhaps"), ("auth", "awth:"),
                            ("bind", "bind: nowhere")):
            with self.subTest(broken):
                Broker(self.scope)
                with open(self.scope.path("broker.yaml")) as f:
                    lines = f.read().splitlines()
                at = next(i for i, line in enumerate(lines) if line.strip().lstrip("- ").startswith(key + ":"))
                lines[at] = lines[at][:lines[at].index(key)] + broken
                self.scope.write("broker.yaml", "\n".join(lines) + "\n")
                for options in (["--check"], []):
                    done = self.run_broker("--config", self.scope.path("broker.yaml"), *options)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertRegex(done.stderr + done.stdout, r"broker\.yaml:%d(:\d+)?.*%s" % (
                        at + 1, broken.split(":")[0]))

    def test_wrong_options(self):
        for arguments in (["--nonsense"], ["--listen"], ["--listen", "nowhere"], ["--config", "/nonexistent.yaml"],
                          ["--listen", "127.0.0.1:1", "--redis", "http://x"]):
            done = self.run_broker(*arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertTrue(done.stderr, arguments)

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = self.run_broker("--listen", "127.0.0.1:%d" % taken.getsockname()[1])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("in use", done.stderr.lower())


class CommandLine(harness.FleetTest):
    def test_command_line_with_redis(self):
        redis, port = Redis(self.scope).start(), free_port()
        p = Process(self.scope, "cli", [binary("FLOTILLA_BROKER", "broker", "flotilla-broker"), "--listen",
                                        "127.0.0.1:%d" % port, "--redis", redis.url]).start()
        client = eventually(lambda: m.Client.connected(("127.0.0.1", port), "c", timeout=3), 15, "it takes clients")
        client.subscribe(("a", 2))
        client.close()
        p.term()


if __name__ == "__main__":
    harness.main()
