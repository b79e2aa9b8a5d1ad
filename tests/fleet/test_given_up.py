"""A CONNECT that its client gave up, or that was sent to another broker meanwhile, takes nothing from the client's newer
connection, however late it is read or its claim reaches Redis."""
import time

import harness
import mqtt_raw as m
from chaos import LinkProxy
from harness import eventually
from services import Broker, Fleet, Redis

WILL = "will/c"


def will(of):
    return m.Will(WILL, "gone from " + of, 1)


class GivenUp(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.proxy = LinkProxy(holder.redis.port)
        holder.scope.cleanups.append(holder.proxy.close)
        holder.a = Broker(holder.scope, "a", holder.proxy).start()
        holder.b = Broker(holder.scope, "b", holder.redis).start()
        holder.watcher = holder.b.connect("watcher")
        holder.watcher.subscribe((WILL, 1))

    def connect(self, broker, **fields):
        client = broker.connect("c", **fields)
        self.addCleanup(client.close)
        return client

    def connect_in_vain(self, **fields):
        client = self.a.open()
        self.addCleanup(client.close)
        client.send(m.connect("c", **fields))
        return client

    def after(self, seconds):
        """What comes now comes later by more than clocks may differ."""
        start = time.monotonic()
        eventually(lambda: time.monotonic() - start > seconds)

    def check_that_it_stays(self, client):
        """A goes on meanwhile: it has dealt with c before it connects those who come later."""
        for n in range(3):
            self.a.connect("after%d" % n).close()
        client.ping()
        client.publish(WILL, "the end", 1)
        self.assertEqual([g.payload for g in self.watcher.collect(1)], [b"the end"])

    def test_read_late_after_its_client_left(self):
        self.a.stop()
        self.connect_in_vain(will=will("a")).close()
        second = self.connect(self.b, clean=False, will=will("b"))
        self.a.cont()
        self.check_that_it_stays(second)

    def test_read_late_although_its_end_never_came(self):
        self.a.stop()
        self.connect_in_vain(will=will("a"))
        self.after(0.15)
        second = self.connect(self.b, clean=False, will=will("b"))
        self.a.cont()
        self.check_that_it_stays(second)

    def test_claimed_late(self):
        self.proxy.hold_link("commands")
        first = self.connect_in_vain(will=will("a"))
        self.after(0.15)
        first.close()
        second = self.connect(self.b, clean=False, will=will("b"))
        self.proxy.release_link("commands")
        self.check_that_it_stays(second)

    def test_claimed_late_with_a_clean_session(self):
        """Nobody is connected any more: the session and its message stay."""
        self.proxy.hold_link("commands")
        first = self.connect_in_vain(clean=True)
        self.after(0.15)
        first.close()
        second = self.connect(self.b, clean=False)
        second.subscribe(("t", 1))
        second.disconnect()
        self.watcher.publish("t", "kept", 1)
        self.proxy.release_link("commands")
        self.a.connect("after").close()
        third = self.connect(self.b, clean=False)
        self.assertTrue(third.session_present)
        third.expect_message("t", "kept", 1)

    def test_who_sends_more_behind_his_connect_is_served_although_he_leaves(self):
        self.watcher.subscribe(("last/words", 0))
        with self.a.open() as client:
            client.send(m.connect("c") + m.publish("last/words", "all of it") + m.packet(m.DISCONNECT, 0))
        self.watcher.expect_message("last/words", "all of it", 0)


class SentElsewhere(harness.FleetTest):
    def test_by_a_load_balancer_while_the_first_broker_stood_still(self):
        fleet = Fleet(self.scope, brokers=2, lb=True, lb_backend={"first_byte_timeout": "500ms"})
        a, b = fleet
        watcher = b.connect("watcher")
        self.addCleanup(watcher.close)
        watcher.subscribe(("will/#", 1))
        a.stop()
        clients = [m.Client(fleet.lb.plain) for _ in range(8)]
        for n, client in enumerate(clients):
            self.addCleanup(client.close)
            client.send(m.connect("c%d" % n, clean=False, will=m.Will("will/c%d" % n, "gone", 1)))
        for client in clients:
            self.assertEqual(client.expect(m.CONNACK).return_code, 0)
        a.cont()
        for n in range(3):
            a.connect("after%d" % n).close()
        for client in clients:
            client.ping()
        clients[0].publish("will/none", "the end", 1)
        self.assertEqual([g.payload for g in watcher.collect(1)], [b"the end"])


if __name__ == "__main__":
    harness.main()
