"""consistency: strict: what is published anywhere after a SUBACK arrives at QoS 0 too."""
import harness
from services import Fleet

ROUNDS = 60


class Strict(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=3, broker_config={"fleet": {"consistency": "strict"}})

    def test_a_qos_0_message_right_after_the_suback_of_another_broker_arrives(self):
        publisher = self.fleet[0].connect(self.unique("pub"))
        self.addCleanup(publisher.close)
        for n in range(ROUNDS):
            topic = self.unique("now/")
            with self.fleet[1 + n % 2].connect(self.unique("sub")) as subscriber:
                subscriber.subscribe((topic, 0))
                publisher.publish(topic, "first", 0)
                subscriber.expect_message(topic, "first", 0, retain=False)

    def test_the_order_of_qos_0_messages_is_kept_while_subscribers_come(self):
        publisher = self.fleet[0].connect(self.unique("pub"))
        self.addCleanup(publisher.close)
        topic = self.unique("order/")
        for n in range(10):
            with self.fleet[1 + n % 2].connect(self.unique("sub")) as subscriber:
                subscriber.subscribe((topic, 0))
                publisher.publish_many(((topic, "%d" % k) for k in range(200)), 0)
                got = subscriber.collect(200, timeout=20)
                self.assertEqual([int(g.payload) for g in got], list(range(200)))


if __name__ == "__main__":
    harness.main()
