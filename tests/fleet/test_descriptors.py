"""No descriptors left: newcomers wait or are turned away, whoever is connected goes on, and it recovers."""
import socket

import harness
import mqtt_raw as m
from harness import eventually, stays
from services import Broker, LoadBalancer, Redis, http, program

LIMIT = 120


def limited(process, descriptors=LIMIT):
    process.argv = [program("prlimit"), "--nofile=%d:%d" % (descriptors, descriptors), *process.argv]
    return process


class Exhausted(harness.FleetTest):
    def flood(self, process, address, control, count=250):
        """More connections than there are descriptors; the control connection must not notice."""
        waiting = []
        for n in range(count):
            client = m.Client(address)
            self.addCleanup(client.close)
            waiting.append(client)
            try:
                client.send(m.connect("flood%d" % n))
            except m.Closed:  # turned away already
                pass
        stays(lambda: control.ping(timeout=5) is None, 0.5)
        accepted = set()

        def many_are_accepted():
            for client in waiting:
                if client not in accepted and self.is_answered(client):
                    accepted.add(client)
            return len(accepted) > LIMIT // 8
        eventually(many_are_accepted, 30, "as many as there are descriptors for are accepted")
        self.assertLess(len(accepted), count)
        self.look_at_http(process)
        for client in waiting:
            client.close()
        control.ping()

    @staticmethod
    def is_answered(client):
        try:
            client.expect(m.CONNACK, timeout=0.02)
        except (m.TimedOut, m.Closed):
            return False
        return True

    def look_at_http(self, process):
        """Full, with connections at the HTTP port: it answers, doesn't spin, and the log stays small."""
        idle = [socket.create_connection(("127.0.0.1", process.admin_port), timeout=5) for _ in range(30)]
        for sock in idle:
            self.addCleanup(sock.close)
        cpu, log = self.cpu_seconds(process), len(process.log())
        stays(lambda: http(process.admin_port, "/readyz", timeout=3)[0] in (200, 503), 1, "/readyz", interval=0.1)
        self.assertLess(self.cpu_seconds(process) - cpu, 0.7, "it spins")
        self.assertLess(len(process.log()) - log, 20000, "it floods its log")
        for sock in idle:
            sock.close()

    def test_redis_is_reached_again_by_a_broker_that_is_full(self):
        redis = Redis(self.scope).start()
        broker = limited(Broker(self.scope, "b", redis)).start()
        control = broker.connect("control")
        self.addCleanup(control.close)
        for n in range(250):
            client = m.Client(broker.address)
            self.addCleanup(client.close)
        redis.restart()
        eventually(lambda: broker.readyz() == 200, 20, "it is ready again")
        control.publish("t", "x", 1)

    def test_of_the_broker(self):
        for redis in (None, Redis(self.scope).start()):
            broker = limited(Broker(self.scope, "b-redis" if redis else "b-memory", redis)).start()
            control = broker.connect("control")
            self.addCleanup(control.close)
            cpu = self.cpu_seconds(broker)
            self.flood(broker, broker.address, control)
            self.assertLess(self.cpu_seconds(broker) - cpu, 2.0, "it spins")
            eventually(lambda: broker.connect("after", timeout=2).disconnect() is None, 15, "it takes clients again")
            eventually(lambda: broker.descriptors() < 40, 10, "descriptors are given back")
            control.ping()

    def test_of_the_load_balancer(self):
        broker = Broker(self.scope).start()
        lb = LoadBalancer(self.scope, [("b0", broker.address)])
        limited(lb).start()
        control = lb.connect("control", tls=True)
        self.addCleanup(control.close)
        cpu = self.cpu_seconds(lb)
        self.flood(lb, lb.plain, control)
        self.assertLess(self.cpu_seconds(lb) - cpu, 3.0, "it spins")
        eventually(lambda: lb.connect("after", tls=True, timeout=2).disconnect() is None, 15, "it takes flows again")
        self.assertEqual(lb.states(), {"b0": "up"})
        control.ping()

    @staticmethod
    def cpu_seconds(process):
        with open("/proc/%d/stat" % process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100.0


class KeepAlive(harness.FleetTest):
    @staticmethod
    def timers(port):
        """The running timers of the established connections whose own end has this port (proc(5), net/tcp)."""
        with open("/proc/net/tcp") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return [r[5].split(":")[0] for r in rows if r[1].endswith(":%04X" % port) and r[3] == "01"]

    def test_connections_of_both_programs_are_probed(self):
        """A peer behind a lost network is found though it has nothing to say (2: the keepalive timer runs)."""
        broker = Broker(self.scope).start()
        lb = LoadBalancer(self.scope, [("b0", broker.address)]).start()
        for address, ports in ((broker.address, [broker.port]), (lb.plain, [lb.plain_port, broker.port])):
            client = m.Client.connected(address, self.unique(), keepalive=0)
            self.addCleanup(client.close)
            for port in ports:
                eventually(lambda p=port: set(self.timers(p)) == {"02"}, 5, "keepalive at %d" % port)


if __name__ == "__main__":
    harness.main()
