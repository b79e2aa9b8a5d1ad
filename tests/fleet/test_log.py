"""Nobody reads the log: both programs go on, and whoever reads it later learns how much is missing."""
import os
import subprocess
import threading

import harness
from harness import die_with_parent, eventually
from services import Broker, LoadBalancer, http, metric


class Piped:
    """Mixed into a Process: its output goes into a pipe that is full from the start."""

    def start(self, wait=True):
        self.expect_code, self.stopped = 0, False
        self.reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b"." * 4095 + b"\n")
        except BlockingIOError:
            pass
        os.set_blocking(writer, True)
        self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer,
                                      cwd=self.cwd, env=self.env, preexec_fn=die_with_parent)
        os.close(writer)
        return self

    def read_on(self):
        """From now on the log is read, into the file where others have theirs."""
        def copy():
            with open(self.log_path, "ab", buffering=0) as log:
                while chunk := os.read(self.reader, 1 << 16):
                    log.write(chunk)
            os.close(self.reader)
        threading.Thread(target=copy, daemon=True).start()


class PipedBroker(Piped, Broker):
    pass


class PipedLoadBalancer(Piped, LoadBalancer):
    pass


class Closed:
    """Mixed into a Process: it is started with its first three descriptors closed."""

    def start(self, wait=True):
        self.expect_code, self.stopped = 0, False
        self.popen = subprocess.Popen(["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *self.argv],
                                      cwd=self.cwd, env=self.env, preexec_fn=die_with_parent)
        return self

    def standard(self):
        return [os.readlink("/proc/%d/fd/%d" % (self.popen.pid, n)) for n in range(3)]


class ClosedBroker(Closed, Broker):
    pass


class ClosedLoadBalancer(Closed, LoadBalancer):
    pass


class NoOutput(harness.FleetTest):
    """The log never goes into a socket that has got the number of a closed standard error."""

    def test_closed_descriptors_become_the_null_device(self):
        broker = ClosedBroker(self.scope, config={"log": {"level": "debug"}}).start()
        broker.wait_ready()
        self.assertEqual(broker.standard(), ["/dev/null"] * 3)
        lb = ClosedLoadBalancer(self.scope, [("b0", broker.address)]).start()
        lb.wait_up({"b0"})
        self.assertEqual(lb.standard(), ["/dev/null"] * 3)
        with lb.connect("c", tls=False) as client:
            client.ping()
        lb.term(timeout=20)
        broker.term(timeout=10)


class FullPipe(harness.FleetTest):
    def test_the_broker_serves_and_tells_how_many_lines_are_missing(self):
        broker = PipedBroker(self.scope, config={"log": {"level": "debug", "format": "text"}}).start()
        broker.wait_ready()
        control = broker.connect("control")
        self.addCleanup(control.close)

        def dropped():  # a line for each state of each client, with its name: a megabyte soon
            for n in range(50):
                broker.connect("%03d" % n + "x" * 1000).disconnect()
            control.ping(timeout=2)
            return metric(broker.metrics(), "flotilla_log_lines_dropped_total") > 0
        eventually(dropped, 60, "lines are dropped")
        broker.read_on()
        told = broker.wait_log(r"WARN log_lines_dropped count=(\d+)$")
        self.assertGreater(int(told.group(1)), 0)
        self.assertEqual(int(told.group(1)), metric(broker.metrics(), "flotilla_log_lines_dropped_total"))
        broker.wait_log(r"(?m)INFO started")
        broker.connect("afterwards").disconnect()
        broker.wait_log(r"client_state client_id=afterwards")
        control.ping()

    def test_the_broker_ends_though_nobody_reads(self):
        broker = PipedBroker(self.scope).start()
        broker.wait_ready()
        broker.connect("c").disconnect()
        broker.term(timeout=10)

    def test_the_load_balancer_serves(self):
        broker = Broker(self.scope).start()
        lb = PipedLoadBalancer(self.scope, [("b0", broker.address)]).start()
        lb.wait_up({"b0"})
        with lb.connect("c", tls=False) as client:
            client.ping()
        self.assertEqual(http(lb.admin_port, "/healthz")[0], 200)
        lb.term(timeout=20)



class WhoComesAndGoes(harness.FleetTest):
    """A line for each connection, whatever their number, unless log.connections says no."""

    def lines(self, **log):
        broker = Broker(self.scope, "broker%d" % len(log), config={"log": {"level": "info", "format": "text", **log}}).start()
        for n in range(30):
            with broker.connect("c%d" % n, username="u", clean=n % 2 == 0, keepalive=7) as client:
                client.disconnect()
        with broker.connect("bad") as client:
            client.send(b"\xff\xff")
            client.drain_until_closed()
        broker.wait_log("client_closed client_id=bad .*reason=malformed")
        return broker.log()

    def test_each_has_its_lines(self):
        log = self.lines()
        for n in range(30):
            self.assertRegex(log, r"client_online client_id=c%d user=u peer=127\.0\.0\.1:\d+ version=3\.1\.1 clean=%s durable=%s "
                             r"present=false keep_alive_s=7\n" % (n, ("true", "false")[n % 2], ("false", "true")[n % 2]))
            self.assertRegex(log, r"client_closed client_id=c%d user=u peer=\S+ reason=disconnect online_s=\d+\n" % n)
        self.assertEqual(log.count("client_online"), 31)

    def test_none_has(self):
        log = self.lines(connections=False)
        self.assertNotIn("client_online", log)
        self.assertEqual(log.count("client_closed"), 1)


if __name__ == "__main__":
    harness.main()
