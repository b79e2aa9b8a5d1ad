"""What the tests of shared subscriptions have in common: members that read and acknowledge."""
import time

import mqtt_raw as m


def gather(members, count, timeout=30.0, ack=True):
    """Reads from all members until `count` messages came; returns a list of payloads for each member."""
    got = [[] for _ in members]
    deadline = time.monotonic() + timeout
    while sum(map(len, got)) < count or (ack and any(c.open_in2 for c in members)):
        if time.monotonic() > deadline:
            raise m.TimedOut("%s of %d messages" % ([len(g) for g in got], count))
        for client, messages in zip(members, got):
            read(client, messages, ack)
    return got


def read(client, messages, ack=True, seconds=0.003):
    """What comes within this time."""
    deadline = time.monotonic() + seconds
    try:
        while True:
            client.fill(deadline)
    except m.TimedOut:
        pass
    out, new = bytearray(), []
    for packet in client.packets:
        if ack:
            client.react(packet, new, out)
        elif packet.kind == m.PUBLISH:
            new.append(packet)
    client.packets = []
    messages.extend(int(p.payload) for p in new)
    if out:
        client.send(out)


def hungry(redis, text):
    """How many nodes asked for messages of a group with this text in its name, found none, and will be woken."""
    return sum(redis.command("SCARD", key) for key in redis.command("KEYS", "fl:{g*}:h:*%s*" % text))


class SharedCase:
    """`at(i)` is the broker of member or publisher i."""

    def member(self, filter, i=0, qos=1, name=None, clean=True):
        client = self.at(i).connect(name or self.unique("m"), clean=clean)
        self.addCleanup(client.close)
        self.assertEqual(client.subscribe((filter, qos)), [qos])
        return client

    def publisher(self, i=0, **fields):
        client = self.at(i).connect(self.unique("p"), **fields)
        self.addCleanup(client.close)
        return client

    def numbers(self, topic, count, first=0):
        return [(topic, "%d" % n) for n in range(first, first + count)]

    def assert_exactly(self, got, count, first=0):
        """Each message came to one member, once."""
        self.assertEqual(sorted(sum(got, [])), list(range(first, first + count)))

    def assert_nothing(self, *members, seconds=0.3):
        for client in members:
            more = []
            read(client, more, seconds=seconds)
            self.assertEqual(more, [])
