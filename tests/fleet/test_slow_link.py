"""The five links of a broker to Redis are slow apart from each other."""
import re
import threading

import harness
import mqtt_raw as m
from chaos import ChaosProxy
from services import Broker, Redis


class LinkProxy(ChaosProxy):
    """Holds back what a broker asks on one of its links; it names them itself."""

    def __init__(self, target):
        self.names, self.slow = {}, {}
        super().__init__(target)

    def hold_link(self, name):
        self.slow[name] = threading.Event()

    def release_link(self, name):
        self.slow.pop(name).set()

    def pump(self, source, sink, pair, direction):
        super().pump(Watched(source, self, pair) if direction == "requests" else source, sink, pair, direction)


class Watched:
    """A socket from which is read when its link isn't held."""

    def __init__(self, sock, proxy, pair):
        self.sock, self.proxy, self.pair = sock, proxy, pair

    def recv(self, size):
        data = self.sock.recv(size)
        found = re.search(rb"SETNAME\r\n\$\d+\r\nflotilla-(\w+)", data)
        if found:
            self.proxy.names[self.pair] = found.group(1).decode()
        gate = self.proxy.slow.get(self.proxy.names.get(self.pair))
        if gate is not None:
            gate.wait(10)
        return data

    def __getattr__(self, name):
        return getattr(self.sock, name)


class SlowCommands(harness.FleetTest):
    @staticmethod
    def build(holder):
        redis = Redis(holder.scope).start()
        holder.proxy = LinkProxy(redis.port)
        holder.scope.cleanups.append(holder.proxy.close)
        holder.a = Broker(holder.scope, "a", holder.proxy).start()
        holder.b = Broker(holder.scope, "b", redis).start()

    def check_order(self, qos, clean, publisher_clean=True):
        publisher = self.a.connect("p", clean=publisher_clean)
        subscriber = self.b.connect("s", clean=clean)
        self.addCleanup(publisher.close)
        self.addCleanup(subscriber.close)
        self.proxy.hold_link("commands")
        publisher.send(b"".join(m.publish("t", "%d" % n, qos, n) for n in range(1, 4)) + m.PINGREQ_BYTES)
        publisher.expect(m.PINGRESP)
        subscriber.subscribe(("t", qos))
        for _ in range(20):
            publisher.ping()  # meanwhile the log, which isn't slow, brings the news
        publisher.send(b"".join(m.publish("t", "%d" % n, qos, n) for n in range(4, 7)) + m.PINGREQ_BYTES)
        publisher.expect(m.PINGRESP)
        self.proxy.release_link("commands")
        got = subscriber.collect(6, timeout=10)
        self.assertEqual([g.payload for g in got], [b"%d" % n for n in range(1, 7)])

    def test_messages_for_a_new_clean_subscriber_keep_their_order(self):
        self.check_order(1, True)

    def test_messages_for_a_new_durable_subscriber_keep_their_order(self):
        self.check_order(1, False)

    def test_qos_2_messages_of_a_durable_publisher_keep_their_order(self):
        self.check_order(2, True, publisher_clean=False)


if __name__ == "__main__":
    harness.main()
