"""SIGHUP: servers come, go and change weight, certificates change, and no flow notices."""
import os
import re
import signal

import harness
import mqtt_raw as m
from harness import background, eventually
from services import Broker, LoadBalancer


class Reload(harness.FleetTest):
    shared = False

    @staticmethod
    def build(holder):
        holder.brokers = [Broker(holder.scope, "b%d" % i).start() for i in range(3)]
        holder.all = [("b%d" % i, b.address) for i, b in enumerate(holder.brokers)]
        holder.lb = LoadBalancer(holder.scope, holder.all[:2]).start()

    def setUp(self):
        super().setUp()
        self.clients = []
        self.addCleanup(lambda: [c.close() for c in self.clients])

    def connect(self, count):
        self.clients += [self.lb.connect(self.unique("c"), tls=n % 2 == 0) for n in range(count)]

    def all_alive(self):
        for c in self.clients:
            c.ping()

    def reload(self, servers, up):
        self.lb.servers = servers
        self.lb.reload()
        eventually(lambda: {n for n, s in self.lb.states().items() if s == "up"} == set(up), 10, "%s up" % (up,))

    def test_a_server_is_added(self):
        self.connect(20)
        self.reload(self.all, ["b0", "b1", "b2"])
        self.assertEqual(self.lb.connections(), {"b0": 10, "b1": 10, "b2": 0})
        self.connect(10)
        self.assertEqual(self.lb.connections(), {"b0": 10, "b1": 10, "b2": 10})
        self.all_alive()

    def test_a_server_is_removed_and_its_flows_stay(self):
        self.connect(20)
        self.reload(self.all[1:2], ["b1"])
        self.connect(10)
        self.assertEqual(self.lb.connections()["b1"], 20)
        self.assertEqual(self.lb.connections().get("b0", 10), 10)
        self.assertNotEqual(self.lb.states().get("b0", "draining"), "up")
        self.all_alive()
        for c in self.clients:
            c.disconnect()
        eventually(lambda: "b0" not in self.lb.states(), 10, "b0 is forgotten once its last flow ended")

    def test_weights_change(self):
        self.connect(20)
        self.reload([self.all[0] + (1,), self.all[1] + (3,)], ["b0", "b1"])
        self.connect(60)
        self.assertEqual(self.lb.connections(), {"b0": 20, "b1": 60})
        self.all_alive()

    def test_traffic_goes_on_through_many_reloads(self):
        with self.lb.connect("sub") as subscriber:
            self.clients.append(subscriber)
            port = next(b for b in self.brokers[:2] if self.lb.connections()[b.name] == 1)
            publisher = port.connect("pub")
            self.clients.append(publisher)
            subscriber.subscribe(("r/#", 1))
            reading = background(subscriber.collect, 2000)
            sending = background(publisher.publish_many, [("r/x", "%d" % n) for n in range(2000)], 1, 5)
            rounds = 0
            while not sending.done() or rounds < 4:
                self.reload([self.all[2]], ["b2"])
                self.reload(self.all[:2], ["b0", "b1"])
                rounds += 1
            sending.result()
            self.assertEqual([g.payload for g in reading.result(30)], [b"%d" % n for n in range(2000)])

    def test_counters_and_health_of_kept_servers_stay(self):
        self.connect(10)
        mark = len(self.lb.log())
        self.reload(self.all, ["b0", "b1", "b2"])
        self.assertNotRegex(self.lb.log()[mark:], r"server_(up|down)[^\n]*\bb[01]\b")
        self.assertEqual(self.lb.connections()["b0"], 5)

    def broken(self, text, *patterns):
        """A bad file is named in the log with all of these, and changes nothing."""
        self.connect(4)
        before = (self.lb.states(), self.lb.connections())
        mark = len(self.lb.log())
        self.scope.write("lb.yaml", text)
        self.lb.signal(signal.SIGHUP)
        for pattern in patterns:
            self.lb.wait_log(pattern, start=mark)
        self.assertEqual((self.lb.states(), self.lb.connections()), before)
        self.connect(2)
        self.all_alive()
        self.lb.write()

    def good(self):
        with open(self.scope.path("lb.yaml")) as f:
            return f.read()

    def line_of(self, text, key):
        return next(n for n, line in enumerate(text.splitlines(), 1) if re.match(r"[\s-]*%s:" % key, line))

    def test_broken_value_names_line_and_key(self):
        text = self.good().replace("interval: 500ms", "interval: soon")
        self.broken(text, r"lb\.yaml:%d(:\d+)?.*interval" % self.line_of(text, "interval"))

    def test_unknown_key_names_line_and_key(self):
        text = self.good().replace("balance:", "balans:")
        self.broken(text, r"lb\.yaml:%d(:\d+)?.*balans" % self.line_of(text, "balans"))

    def test_broken_syntax_names_the_line(self):
        text = self.good() + "listeners: [\n"
        self.broken(text, r"lb\.yaml:\d+")

    def test_missing_certificate_changes_nothing(self):
        text = self.good().replace(self.lb.certificate, self.lb.certificate + ".gone")
        self.broken(text, r"certificate|\.gone")

    def test_missing_file_changes_nothing(self):
        mark = len(self.lb.log())
        os.rename(self.scope.path("lb.yaml"), self.scope.path("lb.yaml.away"))
        self.lb.signal(signal.SIGHUP)
        self.lb.wait_log(r"lb\.yaml", start=mark)
        self.connect(4)
        self.all_alive()
        os.rename(self.scope.path("lb.yaml.away"), self.scope.path("lb.yaml"))

    def peer_name(self):
        with m.open_socket(self.lb.tls, self.lb.context) as sock:
            return dict(item[0] for item in sock.getpeercert()["subject"])["commonName"]

    def test_certificates_are_renewed(self):
        self.connect(6)
        self.assertEqual(self.peer_name(), "localhost")
        self.lb.certificate, self.lb.key = self.lb.certificates.server("second", "renewed")
        self.lb.reload()
        eventually(lambda: self.peer_name() == "renewed", 10, "the new certificate is served")
        self.all_alive()

    def test_certificates_are_renewed_in_place(self):
        self.connect(6)
        certificate, key = self.lb.certificates.server("third", "in-place")
        os.replace(certificate, self.lb.certificate)
        os.replace(key, self.lb.key)
        self.lb.signal(signal.SIGHUP)
        eventually(lambda: self.peer_name() == "in-place", 10, "the new certificate is served")
        self.all_alive()


class CommandLine(harness.FleetTest):
    def test_check_accepts_a_good_file_and_names_what_is_wrong_in_a_bad_one(self):
        import subprocess
        lb = LoadBalancer(self.scope, [("b0", ("127.0.0.1", 1))])
        done = subprocess.run(lb.argv + ["--check"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.scope.path("lb.yaml")) as f:
            text = f.read().replace("weight", "wait").replace("rise: 1", "rise: none")
        line = next(n for n, l in enumerate(text.splitlines(), 1) if "rise" in l)
        self.scope.write("lb.yaml", text)
        done = subprocess.run(lb.argv + ["--check"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr + done.stdout, r"lb\.yaml:%d(:\d+)?.*rise" % line)


if __name__ == "__main__":
    harness.main()
