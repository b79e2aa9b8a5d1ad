"""What the conformance mixins of MQTT 5.0 share: 5.0 clients of the broker under test, and how it refuses."""
import sys

import mqtt5_raw as m5
import mqtt_raw as m
from conformance_base import Conformance
from harness import background

FOREVER = 0xFFFFFFFF
MALFORMED, PROTOCOL_ERROR = 0x81, 0x82


class Conformance5(Conformance):
    def client(self, client_id=None, **fields):
        client = m5.Client.connected(self.broker.address, self.unique("id") if client_id is None else client_id, **fields)
        self.addCleanup(client.close)
        return client

    def raw(self):
        client = m5.Client(self.broker.address)
        self.addCleanup(client.close)
        return client

    def old_client(self, client_id=None, **fields):
        """One of 3.1.1."""
        client = m.Client.connected(self.broker.address, self.unique("old") if client_id is None else client_id, **fields)
        self.addCleanup(client.close)
        return client

    def durable(self, client_id, clean=False, expiry=60, **fields):
        """A session that outlives its connection."""
        props = dict({"session_expiry": expiry}, **fields.pop("props", {}))
        return self.client(client_id, clean=clean, props=props, **fields)

    def subscriber(self, *filters, **fields):
        client = self.client(**fields)
        client.subscribe(*filters)
        return client

    def assert_quiet(self, *clients):
        """Nothing is on its way to these clients: a message sent now comes first (see conformance_base)."""
        topic = self.unique("quiet/")
        for client in clients:
            client.subscribe((topic, 0))
        publisher = self.client()
        publisher.publish(topic, "now", 1)
        for client in clients:
            client.expect_message(topic, b"now")
            client.unsubscribe(topic)
        publisher.close()

    def refused_connect(self, data, *reasons, silent=False):
        """CONNACK with one of these reasons and the end; `silent`: it may also just end, or must without reasons."""
        client = self.raw()
        client.send(data)
        got = client.drain_until_closed()
        if silent and not got:
            return None
        self.assertEqual([p.kind for p in got], [m.CONNACK], got)
        self.assertIn(got[0].reason, reasons, got)
        return got[0]

    def refused(self, data, *reasons, client=None):
        """DISCONNECT with one of these reasons and the end, for what a client that is connected sends."""
        client = client or self.client()
        client.send(data)
        return client.expect_disconnect(*reasons)

    def side_by_side(self, *runs):
        """Runs the functions at the same time, so that their waits are one wait; each is a subtest."""
        futures = [(run, background(self.with_statement, run)) for run in runs]
        for run, future in futures:
            with self.subTest(run.__name__):
                future.result(60)

    def with_statement(self, run):
        self.proves()
        try:
            run()
        except BaseException:
            sys.stderr.write("%s: at the proof of %s\n" % (run.__name__, ", ".join(self.statement.numbers)))
            raise
