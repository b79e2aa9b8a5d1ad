"""Bad input ends the connection it came on, and nothing else: no report, no growth."""
import random

import harness
import mqtt_raw as m
from services import Broker, LoadBalancer
from storm import ASAN, GROWTH_KB, Control, Storm, malformed, tls_garbage


class AgainstTheBroker(harness.FleetTest):
    def test_100000_malformed_packets(self):
        broker = Broker(self.scope)
        broker.env.update(ASAN)
        broker.start()
        control = Control(broker)
        self.addCleanup(control.close)
        Storm(broker.address, malformed(10000, 1)).run()
        control.check()
        memory, descriptors = broker.memory_kb(), broker.descriptors()
        done = Storm(broker.address, malformed(90000, 2)).run(timeout=150, every=control.check)
        self.assertEqual(done, 90000)
        control.check()
        self.assertLess(broker.memory_kb() - memory, GROWTH_KB)
        self.assertLessEqual(broker.descriptors(), descriptors + 2)

    def test_random_bytes(self):
        broker = Broker(self.scope)
        broker.env.update(ASAN)
        broker.start()
        control = Control(broker)
        self.addCleanup(control.close)
        rng = random.Random(3)
        payloads = [rng.randbytes(rng.randrange(1, 2000)) for _ in range(4000)]
        payloads += [m.connect("rnd%d" % n) + rng.randbytes(rng.randrange(1, 2000)) for n in range(4000)]
        Storm(broker.address, payloads, shut=True).run(every=control.check, step=2000)
        control.check()

    def test_mutations_of_valid_packets(self):
        """One byte of a conversation changed: whatever follows, only that connection may end."""
        broker = Broker(self.scope)
        broker.env.update(ASAN)
        broker.start()
        control = Control(broker)
        self.addCleanup(control.close)
        rng = random.Random(6)

        def mutated(count):
            for n in range(count):
                talk = bytearray(
                    m.connect("mut%d" % (n % 50), clean=n % 2 == 0, will=m.Will("mut/will", "w", n % 3)) +
                    m.subscribe(1, ("mut/+", n % 3), ("mut/#", 1)) + m.publish("mut/a", b"x" * 40, n % 3, 7) +
                    m.ack(m.PUBREL, 7) + m.unsubscribe(2, "mut/+") + m.PINGREQ_BYTES)
                for _ in range(rng.randrange(1, 4)):
                    talk[rng.randrange(len(talk))] = rng.randrange(256)
                yield bytes(talk)
        Storm(broker.address, mutated(8000), shut=True).run(every=control.check, step=2000)
        control.check()


class AgainstTheLoadBalancer(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.brokers = [Broker(holder.scope, "b%d" % i).start() for i in range(2)]
        holder.lb = LoadBalancer(holder.scope, [("b%d" % i, b.address) for i, b in enumerate(holder.brokers)])
        holder.lb.env.update(ASAN)
        holder.lb.start()

    def setUp(self):
        super().setUp()
        self.plain, self.tls = [], []
        for n in range(4):
            self.plain.append(self.lb.connect("plain%d" % n, tls=False))
            self.tls.append(self.lb.connect("tls%d" % n, tls=True))
        self.addCleanup(lambda: [c.close() for c in self.plain + self.tls])

    def alive(self):
        for c in self.plain + self.tls:
            c.ping()

    def random_bytes(self, seed, count, sizes=(1, 3000)):
        rng = random.Random(seed)
        for _ in range(count):
            yield rng.randbytes(rng.randrange(*sizes))

    def check(self, address, payloads, warm_up, count):
        payloads = iter(payloads)
        Storm(address, (next(payloads) for _ in range(warm_up)), shut=True).run()
        self.alive()
        memory, descriptors = self.lb.memory_kb(), self.lb.descriptors()
        self.assertEqual(Storm(address, payloads, shut=True).run(every=self.alive, step=2000), count - warm_up)
        self.alive()
        self.assertLess(self.lb.memory_kb() - memory, GROWTH_KB)
        harness.eventually(lambda: self.lb.descriptors() <= descriptors + 8, 10, "descriptors are given back")
        self.assertEqual({s for s in self.lb.states().values()}, {"up"})

    def test_random_bytes_on_the_plain_port(self):
        self.check(self.lb.plain, self.random_bytes(11, 10000), 2000, 10000)

    def test_random_bytes_on_the_tls_port(self):
        self.check(self.lb.tls, self.random_bytes(12, 10000), 2000, 10000)

    def test_broken_handshakes_on_the_tls_port(self):
        rng = random.Random(13)
        hello = self.client_hello()

        def broken(count):
            for n in range(count):
                data = bytearray(hello)
                if n % 3 == 0:
                    data = data[:rng.randrange(1, len(data))]
                for _ in range(rng.randrange(1, 6)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
                yield bytes(data)
        self.check(self.lb.tls, broken(4000), 1000, 4000)

    def client_hello(self):
        import ssl
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        talker = self.lb.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        try:
            talker.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def test_malformed_packets_inside_tls(self):
        tls_garbage(self.lb.tls, self.lb.context, malformed(400, 14))
        self.alive()

    def test_malformed_packets_on_the_plain_port(self):
        self.check(self.lb.plain, malformed(6000, 15), 1000, 6000)

    def test_connections_that_say_nothing(self):
        silent = [m.Client(address) for address in (self.lb.plain, self.lb.tls) for _ in range(100)]
        self.alive()
        for c in silent:
            c.close()
        self.alive()


if __name__ == "__main__":
    harness.main()
