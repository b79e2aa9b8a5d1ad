"""Redis wants a password, which comes from a file of its own."""
import subprocess

import harness
from services import Broker, Redis


class PasswordFile(harness.FleetTest):
    def test_broker_logs_in_with_it(self):
        redis = Redis(self.scope).start()
        redis.command("CONFIG", "SET", "requirepass", "#se cret")
        password = self.scope.write("redis-password", "#se cret\n")
        broker = Broker(self.scope, redis=redis, config={"redis": {"url": redis.url, "password_file": password}}).start()
        with broker.connect("id") as client:
            client.publish("t", "x", 1)
        self.assertNotIn("se cret", broker.log())

    def test_check_reads_the_file(self):
        broker = Broker(self.scope, config={"redis": {"url": "redis://127.0.0.1", "password_file": "/nowhere/password"}})
        done = subprocess.run([*broker.argv, "--check"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/password: No such file", done.stderr)


if __name__ == "__main__":
    harness.main()
