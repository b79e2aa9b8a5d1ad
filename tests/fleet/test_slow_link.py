"""The five links of a broker to Redis are slow apart from each other."""
import harness
import mqtt_raw as m
from chaos import LinkProxy
from services import Broker, Redis


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
