"""What the scenarios ask of a client: an adapter connects sessions, a session publishes and keeps what it got."""
import collections
import threading
import time

from harness import background

# properties: response_topic, correlation, content_type, user ([name, value] pairs), those that are set
Message = collections.namedtuple("Message", "topic payload qos retain properties")


class Will:
    """`delay` in seconds is of MQTT 5.0."""

    def __init__(self, topic, payload, qos=0, retain=False, delay=0):
        self.topic, self.payload, self.qos, self.retain, self.delay = topic, payload, qos, retain, delay


class Place:
    """Where to connect: `ca` is the authority's certificate for TLS, `path` that of WebSocket."""

    def __init__(self, address, ca=None, path=None):
        self.address, self.ca, self.path = address, ca, path

    def url(self, plain, tls):
        """With the client's names for its schemes, but for WebSocket, whose names are everywhere the same."""
        if self.path is not None:
            plain, tls = "ws", "wss"
        return "%s://%s:%d%s" % (tls if self.ca else plain, *self.address, self.path or "")


class Session:
    """One connection. `present`: what CONNACK said of an earlier session; None if the client doesn't tell."""

    def __init__(self):
        self.messages, self.changed, self.present, self.closed = [], threading.Condition(), None, False

    def note(self, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def wait(self, count, timeout=30):
        """All messages so far, of which there are exactly so many."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(self.messages) < count:
                left = deadline - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise AssertionError("got %d of %d messages; the last: %s" % (
                        len(self.messages), count, [str(m)[:200] for m in self.messages[-2:]]))
            assert len(self.messages) == count, "got %d messages, more than %d" % (len(self.messages), count)
            return list(self.messages)

    def publish(self, topic, payload, qos=0, retain=False, **properties):
        """Returns when the broker has acknowledged it."""
        raise NotImplementedError

    def publish_all(self, topic, payloads, qos):
        for payload in payloads:
            self.publish(topic, payload, qos)

    def close(self):
        """DISCONNECT; nothing, if the session has ended."""
        raise NotImplementedError

    def cut(self):
        """The connection ends without DISCONNECT."""
        raise NotImplementedError


class Adapter:
    versions = (4, 5)
    transports = ("tcp", "tls", "ws", "wss")

    def connect(self, place, version, filters, client_id, clean=True, expiry=0, will=None):
        """Connected, and subscribed to each (filter, QoS)."""
        raise NotImplementedError

    def request(self, place, version, client_id, topic, reply_topic, payload, correlation):
        """Asks; the future's result is (payload, correlation data) of the answer."""
        session = self.connect(place, version, [(reply_topic, 1)], client_id)
        properties = {"response_topic": reply_topic, "correlation": correlation} if version == 5 else {}
        session.publish(topic, payload, 1, **properties)

        def answer():
            got = session.wait(1)[0]
            session.close()
            return got.payload, got.properties.get("correlation")
        return background(answer)

    def end(self):
        """All of its processes."""
