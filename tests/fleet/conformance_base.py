"""What the conformance mixins share: clients of the broker under test, closed after each test."""
import sys
import threading
import unittest

import services


def not_on_standin(method):
    """For behaviour that the specification leaves open and mosquitto decides differently."""
    return unittest.skipIf(services.STANDIN_BROKER, "the stand-in broker decides otherwise")(method)


class Conformance:
    statement = threading.local()  # the numbers that the next assertions prove

    @staticmethod
    def broker_config(scope):
        """What the broker's configuration must have for these tests."""

    def proves(self, *numbers):
        """What comes next proves these statements of the specification (tests/conformance/table.py reads the calls)."""
        self.statement.numbers = numbers

    def setUp(self):
        self.proves()
        super().setUp()

    def tearDown(self):
        super().tearDown()
        if self.trouble_count() > self.troubles_before and self.statement.numbers:
            sys.stderr.write("at the proof of %s\n" % ", ".join(self.statement.numbers))

    def client(self, client_id=None, **fields):
        client = self.broker.connect(self.unique("id") if client_id is None else client_id, **fields)
        self.addCleanup(client.close)
        return client

    def raw(self):
        client = self.broker.open()
        self.addCleanup(client.close)
        return client

    def durable(self, client_id, **fields):
        return self.client(client_id, clean=False, **fields)

    def assert_quiet(self, *clients):
        """Nothing is on its way to these clients: a message sent now comes first.

        What was published before must have been acknowledged (or belong to the caller's own QoS 0).
        """
        topic = self.unique("quiet/")
        for client in clients:
            client.subscribe((topic, 0))
        with self.broker.connect(self.unique("quiet")) as publisher:
            publisher.publish(topic, "now", 1)
            for client in clients:
                client.expect_message(topic, b"now")
        for client in clients:
            client.unsubscribe(topic)
