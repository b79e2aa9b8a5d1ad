"""Rule 8, deliver: packet ids follow from the sequence, so that any broker goes on where another one was."""
import harness
import mqtt_raw as m
from harness import background
from rule_case import RuleCase


class Deliver(RuleCase, harness.FleetTest):
    def test_packet_id_same_after_resend(self):
        publisher = self.connect(self.b)
        client = self.connect(self.a, "dev", clean=False)
        client.subscribe(("p/#", 2))
        publisher.publish_many((("p/x", "%d" % n) for n in range(50)), 1)
        publisher.publish_many((("p/y", "%d" % n) for n in range(50)), 2)
        first = [client.expect(m.PUBLISH) for _ in range(50)]
        self.a.kill()
        client = self.b.connect("dev", clean=False, timeout=15)
        self.addCleanup(client.close)
        again = [client.expect(m.PUBLISH) for _ in range(50)]
        self.assertEqual([(g.pid, g.payload, g.qos) for g in again], [(f.pid, f.payload, f.qos) for f in first])
        self.assertTrue(all(g.dup for g in again))

    def test_received_qos_2_goes_on_with_pubrel_elsewhere(self):
        publisher = self.connect(self.b)
        client = self.connect(self.a, "dev", clean=False)
        client.subscribe(("p/#", 2))
        publisher.publish_many((("p/x", "%d" % n) for n in range(10)), 2)
        pids = [client.expect(m.PUBLISH).pid for _ in range(10)]
        for pid in pids[:5]:
            client.send(m.ack(m.PUBREC, pid))
            client.expect(m.PUBREL, pid=pid)
        self.a.kill()
        client = self.b.connect("dev", clean=False, timeout=15)
        self.addCleanup(client.close)
        got = [client.recv() for _ in range(10)]
        self.assertEqual(sorted(g.pid for g in got if g.kind == m.PUBREL), sorted(pids[:5]))
        self.assertEqual([g.pid for g in got if g.kind == m.PUBLISH], pids[5:])
        for g in got:
            client.send(m.ack(m.PUBCOMP if g.kind == m.PUBREL else m.PUBREC, g.pid))
        for pid in pids[5:]:
            client.await_pid(m.PUBREL, pid)
            client.send(m.ack(m.PUBCOMP, pid))
        client.ping()
        self.assert_quiet(client)

    def test_packet_ids_wrap(self):
        """More messages than packet ids; ids still come in sequence and are never 0."""
        publisher, client = self.connect(self.a), self.connect(self.b, "dev", clean=False)
        client.subscribe(("w/#", 1))
        count = 66000
        reading = background(client.collect, count, 150)
        publisher.publish_many((("w/x", "%d" % n) for n in range(count)), 1, 100, 150)
        got = reading.result(150)
        self.assertTrue([g.payload for g in got] == [b"%d" % n for n in range(count)])
        self.assertTrue([g.pid for g in got] == [n % 65535 + 1 for n in range(count)])


if __name__ == "__main__":
    harness.main()
