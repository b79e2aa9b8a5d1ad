"""An MQTT 5.0 client that does exactly what it is told; mqtt_raw.py with properties and reason codes.

Written from the specification. Encoders send anything, also what is malformed: `props` is a dictionary, or the bytes of
the whole property field. What the broker sends is parsed strictly: a property that the packet may not have, a value that
isn't allowed or an undefined reason code raises an AssertionError, whatever the test is about.
"""
import struct

import mqtt_raw
from mqtt_raw import (CONNACK, CONNECT, DISCONNECT, NAMES, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL,
                      SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE, PINGREQ_BYTES, DISCONNECT_BYTES, Closed, TimedOut, packet,
                      remaining_length, text)

AUTH, WILL = 15, 16  # WILL: the properties of a will, which aren't a packet

# --- properties ---------------------------------------------------------------------------------

# id: name, type, where it may stand
PROPERTIES = {
    0x01: ("payload_format", "byte", (PUBLISH, WILL)),
    0x02: ("message_expiry", "four", (PUBLISH, WILL)),
    0x03: ("content_type", "text", (PUBLISH, WILL)),
    0x08: ("response_topic", "text", (PUBLISH, WILL)),
    0x09: ("correlation_data", "data", (PUBLISH, WILL)),
    0x0B: ("subscription_id", "variable", (PUBLISH, SUBSCRIBE)),
    0x11: ("session_expiry", "four", (CONNECT, CONNACK, DISCONNECT)),
    0x12: ("assigned_client_id", "text", (CONNACK,)),
    0x13: ("server_keep_alive", "two", (CONNACK,)),
    0x15: ("authentication_method", "text", (CONNECT, CONNACK, AUTH)),
    0x16: ("authentication_data", "data", (CONNECT, CONNACK, AUTH)),
    0x17: ("request_problem_information", "byte", (CONNECT,)),
    0x18: ("will_delay", "four", (WILL,)),
    0x19: ("request_response_information", "byte", (CONNECT,)),
    0x1A: ("response_information", "text", (CONNACK,)),
    0x1C: ("server_reference", "text", (CONNACK, DISCONNECT)),
    0x1F: ("reason_string", "text", (CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH)),
    0x21: ("receive_maximum", "two", (CONNECT, CONNACK)),
    0x22: ("topic_alias_maximum", "two", (CONNECT, CONNACK)),
    0x23: ("topic_alias", "two", (PUBLISH,)),
    0x24: ("maximum_qos", "byte", (CONNACK,)),
    0x25: ("retain_available", "byte", (CONNACK,)),
    0x26: ("user_property", "pair", (CONNECT, CONNACK, PUBLISH, WILL, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK,
                                     UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH)),
    0x27: ("maximum_packet_size", "four", (CONNECT, CONNACK)),
    0x28: ("wildcard_available", "byte", (CONNACK,)),
    0x29: ("subscription_ids_available", "byte", (CONNACK,)),
    0x2A: ("shared_available", "byte", (CONNACK,)),
}
IDS = {name: number for number, (name, _, _) in PROPERTIES.items()}
REPEATED = ("user_property", "subscription_id")


def value_bytes(kind, value):
    if kind == "byte":
        return bytes([value])
    if kind == "two":
        return struct.pack("!H", value)
    if kind == "four":
        return struct.pack("!I", value)
    if kind == "variable":
        return remaining_length(value)
    if kind == "pair":
        return text(value[0]) + text(value[1])
    return text(value)


def one_property(name, value):
    return bytes([IDS[name]]) + value_bytes(PROPERTIES[IDS[name]][1], value)


def property_bytes(props):
    """The property field with its length. A list as value: the property several times."""
    if isinstance(props, (bytes, bytearray)):
        return bytes(props)
    out = b""
    for name, value in (props or {}).items():
        for one in value if isinstance(value, list) else [value]:
            out += one_property(name, one)
    return remaining_length(len(out)) + out


class Reader:
    """Bounds-checked reading of what the broker sent."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        if self.left() < n:
            raise AssertionError("the broker sent a packet that ends too early: %s" % self.data.hex())
        self.at += n
        return self.data[self.at - n:self.at]

    def rest(self):
        return self.take(self.left())

    def byte(self):
        return self.take(1)[0]

    def two(self):
        return struct.unpack("!H", self.take(2))[0]

    def four(self):
        return struct.unpack("!I", self.take(4))[0]

    def variable(self):
        value, begin = 0, self.at
        for shift in (0, 7, 14, 21):
            digit = self.byte()
            value |= (digit & 0x7F) << shift
            if not digit & 0x80:
                break
        else:
            raise AssertionError("the broker sent a malformed length: %s" % self.data.hex())
        if self.data[begin:self.at] != remaining_length(value):
            raise AssertionError("the broker sent a length that isn't the shortest: %s" % self.data.hex())
        return value

    def bytes(self):
        return self.take(self.two())

    def text(self):
        value = self.bytes().decode("utf-8")  # refuses surrogates and overlong forms, too
        if "\0" in value:
            raise AssertionError("the broker sent a text with U+0000: %r" % value)
        return value

    def value(self, kind):
        if kind == "pair":
            return self.text(), self.text()
        return {"byte": self.byte, "two": self.two, "four": self.four, "variable": self.variable, "text": self.text,
                "data": self.bytes}[kind]()

    def properties(self, packet_kind):
        """As a dictionary; of those that may come several times a list, in their order."""
        inner, found = Reader(self.take(self.variable())), {}
        while inner.left():
            number = inner.variable()
            name, kind, where = PROPERTIES.get(number, (None, None, ()))
            if packet_kind not in where:
                raise AssertionError("the broker sent %s with property 0x%02x" % (NAMES[packet_kind], number))
            value = inner.value(kind)
            if name == "user_property" or (name == "subscription_id" and packet_kind == PUBLISH):
                found.setdefault(name, []).append(value)
            elif name in found:
                raise AssertionError("the broker sent %s with %s twice" % (NAMES[packet_kind], name))
            else:
                found[name] = value
        check_values(packet_kind, found)
        return found


FLAGS = ("payload_format", "maximum_qos", "retain_available", "wildcard_available", "subscription_ids_available",
         "shared_available")


def check_values(packet_kind, found):
    for name in FLAGS:
        if found.get(name, 0) > 1:
            raise AssertionError("the broker sent %s=%d" % (name, found[name]))
    for name in ("receive_maximum", "maximum_packet_size", "topic_alias"):
        if found.get(name) == 0:
            raise AssertionError("the broker sent %s=0" % name)
    if 0 in found.get("subscription_id", []):
        raise AssertionError("the broker sent a subscription identifier 0")
    if packet_kind == DISCONNECT and "session_expiry" in found:
        raise AssertionError("the broker sent DISCONNECT with a session expiry")


# --- encoding -----------------------------------------------------------------------------------


class Will:
    def __init__(self, topic, payload=b"", qos=0, retain=False, **props):
        self.topic, self.qos, self.retain, self.props = topic, qos, retain, props
        self.payload = payload.encode() if isinstance(payload, str) else payload

    def bytes(self):
        return property_bytes(self.props) + text(self.topic) + text(self.payload)


def connect(client_id, clean=True, keepalive=60, will=None, username=None, password=None, level=5, name="MQTT",
            flags=None, props=None):
    bits, tail = 0x02 if clean else 0, text(client_id)
    if will is not None:
        bits |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        tail += will.bytes()
    if username is not None:
        bits |= 0x80
        tail += text(username)
    if password is not None:
        bits |= 0x40
        tail += text(password)
    if flags is not None:
        bits = flags
    return packet(CONNECT, 0, text(name) + bytes([level, bits]) + struct.pack("!H", keepalive) + property_bytes(props) + tail)


def publish(topic, payload=b"", qos=0, pid=None, retain=False, dup=False, props=None):
    payload = payload.encode() if isinstance(payload, str) else payload
    body = text(topic) + (struct.pack("!H", pid) if qos else b"") + property_bytes(props)
    return packet(PUBLISH, (8 if dup else 0) | qos << 1 | (1 if retain else 0), body + payload)


def ack(kind, pid, reason=None, props=None):
    """Without reason and props in the short form."""
    body = struct.pack("!H", pid)
    if reason is not None or props is not None:
        body += bytes([reason or 0])
    if props is not None:
        body += property_bytes(props)
    return packet(kind, 2 if kind == PUBREL else 0, body)


def options(qos=0, no_local=False, as_published=False, retain_handling=0):
    return qos | (4 if no_local else 0) | (8 if as_published else 0) | retain_handling << 4


def subscribe(pid, *filters, props=None):
    """filters: (filter, options byte) pairs."""
    return packet(SUBSCRIBE, 2, struct.pack("!H", pid) + property_bytes(props) +
                  b"".join(text(f) + bytes([o]) for f, o in filters))


def unsubscribe(pid, *filters, props=None):
    return packet(UNSUBSCRIBE, 2, struct.pack("!H", pid) + property_bytes(props) + b"".join(text(f) for f in filters))


def disconnect(reason=0, props=None):
    return packet(DISCONNECT, 0, bytes([reason]) + (property_bytes(props) if props is not None else b""))


def auth(reason=0, props=None):
    return packet(AUTH, 0, bytes([reason]) + property_bytes(props))


# --- decoding -----------------------------------------------------------------------------------

REASONS = {
    CONNACK: {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A,
              0x9B, 0x9C, 0x9D, 0x9F},
    PUBACK: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREC: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREL: {0x00, 0x92},
    PUBCOMP: {0x00, 0x92},
    SUBACK: {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    # What a server may send: not 0x04 (with a will), which is a client's.
    DISCONNECT: {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
                 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2},
    AUTH: {0x00, 0x18},
}
SENT_FLAGS = {PUBREL: 2}  # of what a server sends; all others have 0


class Packet:
    """What the broker sent. `reason` is the code of packets that have one; `granted` lists those of SUBACK and UNSUBACK."""

    def __init__(self, kind, flags, body):
        self.kind, self.flags, self.body = kind, flags, body
        self.pid = self.topic = self.payload = self.reason = None
        self.props, self.granted, self.session_present = {}, [], None
        if kind != PUBLISH and flags != SENT_FLAGS.get(kind, 0):
            raise AssertionError("the broker sent %s with flags %d" % (NAMES[kind], flags))
        reader = Reader(body)
        self.parse(kind, reader)
        if reader.left():
            raise AssertionError("the broker sent %s with bytes behind its end: %s" % (NAMES[kind], body.hex()))

    def parse(self, kind, reader):
        if kind == CONNACK:
            first = reader.byte()
            if first > 1:
                raise AssertionError("the broker sent CONNACK with flags %d" % first)
            self.session_present = first == 1
            self.set_reason(reader.byte())
            if reader.left() or self.reason != 1:
                self.props = reader.properties(kind)
        elif kind == PUBLISH:
            self.parse_publish(reader)
        elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            self.pid = reader.two()
            self.set_reason(reader.byte() if reader.left() else 0)
            self.props = reader.properties(kind) if reader.left() else {}
        elif kind in (SUBACK, UNSUBACK):
            self.pid = reader.two()
            self.props = reader.properties(kind)
            self.granted = list(reader.rest())
            for code in self.granted:
                self.set_reason(code)
        elif kind in (DISCONNECT, AUTH):
            self.set_reason(reader.byte() if reader.left() else 0)
            self.props = reader.properties(kind) if reader.left() else {}
        elif kind != PINGRESP:
            raise AssertionError("the broker sent %s" % NAMES[kind])

    def set_reason(self, code):
        if code not in REASONS[self.kind] and not (self.kind == CONNACK and code == 1):
            raise AssertionError("the broker sent %s with reason 0x%02x" % (NAMES[self.kind], code))
        self.reason = code

    def parse_publish(self, reader):
        if self.qos == 3 or (self.qos == 0 and self.dup):
            raise AssertionError("the broker sent PUBLISH with flags %d" % self.flags)
        self.topic = reader.text()
        if "+" in self.topic or "#" in self.topic:
            raise AssertionError("the broker sent PUBLISH to %r" % self.topic)
        if self.qos:
            self.pid = reader.two()
            if self.pid == 0:
                raise AssertionError("the broker sent PUBLISH with packet id 0")
        self.props = reader.properties(PUBLISH)
        self.payload = reader.rest()
        self.alias, self.named = self.props.get("topic_alias"), self.topic != ""

    qos = property(lambda self: self.flags >> 1 & 3)
    dup = property(lambda self: bool(self.flags & 8))
    retain = property(lambda self: bool(self.flags & 1))
    size = property(lambda self: 1 + len(remaining_length(len(self.body))) + len(self.body))
    subscription_ids = property(lambda self: sorted(self.props.get("subscription_id", [])))
    user = property(lambda self: self.props.get("user_property", []))

    def __repr__(self):
        tail = "".join(" %s=%r" % p for p in self.props.items())
        if self.kind == PUBLISH:
            return "PUBLISH(%s, %r, qos=%d, pid=%s%s%s%s)" % (
                self.topic, self.payload[:40], self.qos, self.pid, ", dup" if self.dup else "",
                ", retain" if self.retain else "", tail)
        codes = " ".join("0x%02x" % c for c in self.granted) if self.granted else \
            "" if self.reason is None else "0x%02x" % self.reason
        return "%s(%s%s%s)" % (NAMES[self.kind], "" if self.pid is None else "pid=%d " % self.pid, codes, tail)


# --- client -------------------------------------------------------------------------------------


class Client(mqtt_raw.Client):
    """One connection. `connack` is the broker's answer; topic aliases of the broker are replaced by their names."""

    publish_bytes = staticmethod(publish)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.connack, self.aliases, self.client_id = None, {}, None

    def make_packet(self, kind, flags, body):
        got = Packet(kind, flags, body)
        if kind == PUBLISH:
            if got.named and got.alias:
                self.aliases[got.alias] = got.topic
            elif not got.named:
                if got.alias not in self.aliases:
                    raise AssertionError("the broker sent PUBLISH with the unknown alias %s" % got.alias)
                got.topic = self.aliases[got.alias]
        return got

    @classmethod
    def connected(cls, address, client_id="", tls=None, timeout=mqtt_raw.DEFAULT_TIMEOUT, **fields):
        """Opens, sends CONNECT and expects it to be accepted."""
        client = cls(address, tls, timeout)
        try:
            client.send(connect(client_id, **fields))
            answer = client.expect(CONNACK)
            if answer.reason != 0:
                raise AssertionError("CONNECT of %r refused with %r" % (client_id, answer))
        except BaseException:
            client.close()
            raise
        client.connack, client.session_present = answer, answer.session_present
        client.client_id = answer.props.get("assigned_client_id", client_id)
        return client

    def subscribe(self, *filters, timeout=None, props=None):
        """filters: names (QoS 0) or (name, options); returns the reason codes."""
        pairs = [f if isinstance(f, tuple) else (f, 0) for f in filters]
        pid = self.pid()
        self.send(subscribe(pid, *pairs, props=props))
        return self.expect(SUBACK, timeout, pid=pid).granted

    def unsubscribe(self, *filters, props=None):
        pid = self.pid()
        self.send(unsubscribe(pid, *filters, props=props))
        return self.expect(UNSUBACK, pid=pid).granted

    def publish(self, topic, payload=b"", qos=0, retain=False, timeout=None, props=None):
        """Publishes and completes the handshake; returns the reason code of PUBACK or PUBREC."""
        pid = self.pid() if qos else None
        self.send(publish(topic, payload, qos, pid, retain, props=props))
        if qos == 0:
            return None
        answer = self.expect(PUBACK if qos == 1 else PUBREC, timeout, pid=pid)
        if qos == 2 and answer.reason < 0x80:
            self.send(ack(PUBREL, pid))
            self.expect(PUBCOMP, timeout, pid=pid, reason=0)
        return answer.reason

    def expect_disconnect(self, *reasons, timeout=None):
        """The broker says goodbye with one of these reasons and closes; what came before is passed over."""
        got = self.drain_until_closed(timeout)
        if not got or got[-1].kind != DISCONNECT or got[-1].reason not in reasons:
            raise AssertionError("expected DISCONNECT %s, got %r" % (" or ".join("0x%02x" % r for r in reasons), got))
        return got[-1]

    def leave(self, reason=0, props=None):
        """DISCONNECT with this reason, then waits for the broker to close."""
        self.send(disconnect(reason, props))
        self.expect_closed()
