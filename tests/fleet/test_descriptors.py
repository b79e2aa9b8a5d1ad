"""No descriptors left: newcomers wait or are turned away, whoever is connected goes on, and it recovers."""
import time

import harness
import mqtt_raw as m
from harness import eventually
from services import Broker, LoadBalancer, Redis, program

LIMIT = 120


def limited(process, descriptors=LIMIT):
    process.argv = [program("prlimit"), "--nofile=%d:%d" % (descriptors, descriptors), *process.argv]
    return process


class Exhausted(harness.FleetTest):
    def flood(self, address, control, count=250):
        """More connections than there are descriptors; the control connection must not notice."""
        waiting = []
        for n in range(count):
            client = m.Client(address)
            self.addCleanup(client.close)
            client.send(m.connect("flood%d" % n))
            waiting.append(client)
        for _ in range(10):
            control.ping(timeout=5)
            time.sleep(0.05)
        accepted = []
        for client in waiting:
            try:
                client.expect(m.CONNACK, timeout=0.02)
                accepted.append(client)
            except (m.TimedOut, m.Closed):
                pass
        self.assertGreater(len(accepted), LIMIT // 8)
        self.assertLess(len(accepted), count)
        for client in waiting:
            client.close()
        control.ping()

    def test_of_the_broker(self):
        for redis in (None, Redis(self.scope).start()):
            broker = limited(Broker(self.scope, "b-redis" if redis else "b-memory", redis)).start()
            control = broker.connect("control")
            self.addCleanup(control.close)
            cpu = self.cpu_seconds(broker)
            self.flood(broker.address, control)
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
        self.flood(lb.plain, control)
        self.assertLess(self.cpu_seconds(lb) - cpu, 3.0, "it spins")
        eventually(lambda: lb.connect("after", tls=True, timeout=2).disconnect() is None, 15, "it takes flows again")
        self.assertEqual(lb.states(), {"b0": "up"})
        control.ping()

    @staticmethod
    def cpu_seconds(process):
        with open("/proc/%d/stat" % process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100.0


if __name__ == "__main__":
    harness.main()
