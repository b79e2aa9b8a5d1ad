"""mosquitto_pub, mosquitto_sub and paho through the load balancer, whatever is behind it."""
import mqtt_raw as m
from foreign import MosquittoSub, Paho, mosquitto_pub, tls_options


class ForeignCase:
    """self.lb leads to the brokers."""

    shared = True

    def mosquitto(self, qos, count):
        topic = self.unique("mosquitto/")
        subscriber = MosquittoSub(self.lb.tls, *tls_options(self.lb), "-q", str(qos), "-t", topic + "/#")
        self.addCleanup(subscriber.close)
        subscriber.wait_subscribed()
        mosquitto_pub(self.lb.tls, *tls_options(self.lb), "-q", str(qos), "-t", topic + "/x",
                      lines=["line %d" % n for n in range(count)])
        self.assertEqual(subscriber.wait(count), ["%d 0 %s/x line %d" % (qos, topic, n) for n in range(count)])

    def test_mosquitto_qos_0(self):
        self.mosquitto(0, 10000)

    def test_mosquitto_qos_1(self):
        self.mosquitto(1, 10000)

    def test_mosquitto_qos_2(self):
        self.mosquitto(2, 2000)

    def test_paho_over_tls(self):
        subscriber = Paho(self.lb.tls, "paho-sub", tls_ca=self.lb.certificates.ca)
        publisher = Paho(self.lb.tls, "paho-pub", tls_ca=self.lb.certificates.ca)
        subscriber.subscribe("paho/#", 2)
        for n in range(1000):
            publisher.publish("paho/%d" % (n % 3), "%d" % n, n % 3)
        subscriber.wait(lambda: len(subscriber.messages) >= 1000, "1000 messages")
        for qos in range(3):
            got = [int(msg.payload) for msg in subscriber.messages if msg.topic == "paho/%d" % qos]
            self.assertEqual(got, list(range(qos, 1000, 3)))
            self.assertEqual({msg.qos for msg in subscriber.messages if msg.topic == "paho/%d" % qos}, {qos})
        for client in (subscriber, publisher):
            self.assertEqual(client.disconnects, [])
            client.close()

    def test_retained_and_will_between_programs(self):
        mosquitto_pub(self.lb.tls, *tls_options(self.lb), "-q", "1", "-r", "-t", "kept/a", "-m", "value")
        subscriber = MosquittoSub(self.lb.plain, "-q", "1", "-t", "kept/+", "-t", "gone")
        self.addCleanup(subscriber.close)
        subscriber.wait(1)
        device = self.lb.connect("with-will", tls=True, will=m.Will("gone", "away", 1))
        device.abort()
        self.assertEqual(subscriber.wait(2), ["1 1 kept/a value", "1 0 gone away"])
