"""Promise 7: the order of messages of one publisher on one topic at one QoS is kept, also across brokers and takeovers."""
import harness
import mqtt_raw as m
from chaos import LinkProxy
from device import Device, difference
from harness import eventually, pace
from services import Broker, Fleet, Redis


class Moving(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3)

    def test_publisher_hops_and_keeps_its_order(self):
        for qos in (1, 2):
            topic, hop = self.unique("moves/"), [0]
            watcher = Device(lambda: m.Client(self.fleet[0].address), self.unique("w"), [(topic, qos)]).wait_online()

            def dial():
                hop[0] += 1
                return m.Client(self.fleet[hop[0] % 3].address)
            name = self.unique("m")
            device = Device(dial, name).wait_online()
            for n in range(600):
                device.publish(topic, "%d" % n, qos)
                if n % 100 == 50:
                    before = device.connects
                    # somebody with the same id takes over for a moment; the device comes back elsewhere, maybe to
                    # the same broker before that has answered the other one, which is closed then
                    with self.fleet[(hop[0] + 1) % 3].open() as other:
                        other.send(m.connect(name, clean=False))
                        eventually(lambda: device.connects > before, 15, "the device is back")
                pace(0.002)
            eventually(device.idle, 30, "all acknowledged")
            last = b"599"
            eventually(lambda: last in watcher.received[topic], 15, "the last message")
            got = watcher.received[topic]
            got = got if qos == 2 else list(dict.fromkeys(got))
            wanted = [b"%d" % n for n in range(600)]
            self.assertTrue(got == wanted, difference(wanted, got) if got != wanted else "")
            device.finish()
            watcher.finish()


class SlowCommands(harness.FleetTest):
    """The five links of a broker to Redis are slow apart from each other."""

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
