"""A client that says its last words and closes with bytes unread: its kernel resets the connection."""
import harness
import mqtt_raw as m
from harness import eventually
from services import Broker, LoadBalancer, metric


class LastWords(harness.FleetTest):
    """The broker finds out when it writes, while DISCONNECT is in its socket still: that counts."""

    ROUNDS = 12

    def no_will(self, broker, address, name):
        watcher, publisher = broker.connect("watcher-" + name), broker.connect("publisher-" + name)
        watcher.subscribe(("will/" + name, 0), ("said/" + name, 0))
        flood = m.publish("flood/" + name, b"x" * 1000) * 20
        for n in range(self.ROUNDS):
            client = m.Client(address)
            client.send(m.connect("c%d-%s" % (n, name), will=m.Will("will/" + name, b"dead")))
            client.expect(m.CONNACK)
            client.subscribe(("flood/" + name, 0))
            publisher.send(flood)  # which it doesn't read, and this goes on while it leaves
            publisher.ping()
            publisher.send(flood)
            client.send(m.publish("said/" + name, b"last words %d" % n) + b"\xe0\x00")
            client.close()
        for n in range(self.ROUNDS):
            packet = watcher.expect(m.PUBLISH)
            self.assertEqual((packet.topic, packet.payload), ("said/" + name, b"last words %d" % n))
        watcher.ping()  # nothing else came: no will
        eventually(lambda: metric(broker.metrics(), "flotilla_broker_clients") == 2, 10, "all of them are gone")
        watcher.disconnect()
        publisher.disconnect()
        eventually(lambda: metric(broker.metrics(), "flotilla_broker_clients") == 0, 10, "and the others")

    def test_are_heard_by_the_broker_and_through_the_load_balancer(self):
        broker = Broker(self.scope).start()
        self.no_will(broker, broker.address, "direct")
        lb = LoadBalancer(self.scope, [("b0", broker.address)]).start()
        self.no_will(broker, lb.plain, "balanced")


if __name__ == "__main__":
    harness.main()
