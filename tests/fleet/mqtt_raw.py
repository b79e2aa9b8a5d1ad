"""An MQTT 3.1/3.1.1 client that does exactly what it is told.

Codec functions return bytes; Client sends any bytes and reads packet by packet, each wait with a
deadline. Nothing is acknowledged unless the test says so (collect() does, expect() doesn't).
"""
import os
import socket
import ssl
import struct
import time

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = range(8, 15)
NAMES = ["RESERVED", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
         "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"]
DEFAULT_TIMEOUT = float(os.environ.get("FLOTILLA_CLIENT_TIMEOUT", "15"))


class Closed(AssertionError):
    """The peer ended the connection (EOF or reset)."""


class TimedOut(AssertionError):
    """Nothing that was waited for came before the deadline."""


# --- encoding -----------------------------------------------------------------------------------


def remaining_length(n):
    out = bytearray()
    while True:
        n, digit = divmod(n, 128)
        out.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(out)


def packet(kind, flags, body=b""):
    return bytes([kind << 4 | flags]) + remaining_length(len(body)) + body


def text(value):
    data = value.encode("utf-8") if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


class Will:
    def __init__(self, topic, payload, qos=0, retain=False):
        self.topic, self.payload, self.qos, self.retain = topic, payload, qos, retain


def connect(client_id, clean=True, keepalive=60, will=None, username=None, password=None, level=4, name=None,
            flags=None):
    if name is None:
        name = "MQIsdp" if level == 3 else "MQTT"
    bits = 0x02 if clean else 0
    tail = text(client_id)
    if will is not None:
        bits |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        payload = will.payload if isinstance(will.payload, bytes) else will.payload.encode()
        tail += text(will.topic) + text(payload)
    if username is not None:
        bits |= 0x80
        tail += text(username)
    if password is not None:
        bits |= 0x40
        tail += text(password)
    if flags is not None:
        bits = flags
    return packet(CONNECT, 0, text(name) + bytes([level, bits]) + struct.pack("!H", keepalive) + tail)


def publish(topic, payload=b"", qos=0, pid=None, retain=False, dup=False):
    if isinstance(payload, str):
        payload = payload.encode()
    body = text(topic)
    if qos:
        body += struct.pack("!H", pid)
    return packet(PUBLISH, (8 if dup else 0) | qos << 1 | (1 if retain else 0), body + payload)


def ack(kind, pid):
    return packet(kind, 2 if kind == PUBREL else 0, struct.pack("!H", pid))


def subscribe(pid, *filters):
    """filters: (filter, qos) pairs."""
    return packet(SUBSCRIBE, 2, struct.pack("!H", pid) + b"".join(text(f) + bytes([q]) for f, q in filters))


def unsubscribe(pid, *filters):
    return packet(UNSUBSCRIBE, 2, struct.pack("!H", pid) + b"".join(text(f) for f in filters))


PINGREQ_BYTES = packet(PINGREQ, 0)
DISCONNECT_BYTES = packet(DISCONNECT, 0)


# --- decoding -----------------------------------------------------------------------------------


class Packet:
    __slots__ = ("kind", "flags", "body", "pid", "topic", "payload")

    def __init__(self, kind, flags, body):
        self.kind, self.flags, self.body = kind, flags, body
        self.pid = self.topic = self.payload = None
        if kind == PUBLISH:
            n = body[0] << 8 | body[1]
            self.topic = body[2:2 + n].decode("utf-8")
            at = 2 + n
            if flags & 6:
                self.pid = body[at] << 8 | body[at + 1]
                at += 2
            self.payload = body[at:]
        elif kind not in (CONNACK, PINGRESP) and len(body) >= 2:
            self.pid = body[0] << 8 | body[1]

    qos = property(lambda self: self.flags >> 1 & 3)
    dup = property(lambda self: bool(self.flags & 8))
    retain = property(lambda self: bool(self.flags & 1))
    return_code = property(lambda self: self.body[1])
    session_present = property(lambda self: bool(self.body[0] & 1))
    granted = property(lambda self: list(self.body[2:]))

    def __repr__(self):
        if self.kind == PUBLISH:
            return "PUBLISH(%s, %r, qos=%d, pid=%s%s%s)" % (
                self.topic, self.payload[:40], self.qos, self.pid, ", dup" if self.dup else "",
                ", retain" if self.retain else "")
        return "%s(%s)" % (NAMES[self.kind], self.body[:16].hex())


def take_packet(buffer):
    """Removes one packet from the bytearray; None while it is incomplete."""
    size, shift = 0, 0
    for i in range(1, 5):
        if len(buffer) <= i:
            return None
        size |= (buffer[i] & 0x7F) << shift
        shift += 7
        if not buffer[i] & 0x80:
            break
    else:
        raise AssertionError("the broker sent a malformed length: %s" % bytes(buffer[:8]).hex())
    end = i + 1 + size
    if len(buffer) < end:
        return None
    result = Packet(buffer[0] >> 4, buffer[0] & 15, bytes(buffer[i + 1:end]))
    del buffer[:end]
    return result


def take_packets(buffer, make=Packet):
    """All complete packets of the bytearray, cheaper than one by one."""
    found, at, have = [], 0, len(buffer)
    while have - at >= 2:
        size, shift, i = 0, 0, at + 1
        while i < have:
            digit = buffer[i]
            size |= (digit & 0x7F) << shift
            shift += 7
            i += 1
            if not digit & 0x80:
                break
        else:
            break
        if have - i < size:
            break
        found.append(make(buffer[at] >> 4, buffer[at] & 15, bytes(buffer[i:i + size])))
        at = i + size
    if at:
        del buffer[:at]
    return found


# --- client -------------------------------------------------------------------------------------


def tls_context(ca=None, minimum=None, maximum=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if ca:
        context.load_verify_locations(ca)
    else:
        context.verify_mode = ssl.CERT_NONE
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


def open_socket(address, tls=None, timeout=DEFAULT_TIMEOUT, source=None):
    sock = socket.create_connection(address, timeout=timeout, source_address=(source, 0) if source else None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        sock = tls.wrap_socket(sock, server_hostname="localhost")
    return sock


class Client:
    """One connection. `address` is (host, port); `tls` an SSLContext."""

    make_packet = Packet
    publish_bytes = staticmethod(publish)

    def __init__(self, address, tls=None, timeout=DEFAULT_TIMEOUT, source=None, preamble=b""):
        self.timeout = timeout
        self.buffer = bytearray()
        self.packets = []
        self.next_pid = 0
        self.open_in2 = set()  # QoS 2 packet ids received and not yet released
        self.session_present = None
        self.sock = open_socket(address, tls, timeout, source)
        if preamble:
            self.send(preamble)

    @classmethod
    def connected(cls, address, client_id="", tls=None, timeout=DEFAULT_TIMEOUT, source=None, preamble=b"", **fields):
        """Opens, sends CONNECT and expects it to be accepted."""
        client = cls(address, tls, timeout, source, preamble)
        try:
            client.send(connect(client_id, **fields))
            answer = client.expect(CONNACK)
            if answer.return_code != 0:
                raise AssertionError("CONNECT of %r refused with code %d" % (client_id, answer.return_code))
        except BaseException:
            client.close()
            raise
        client.session_present = answer.session_present
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # sending

    def send(self, data):
        try:
            self.sock.settimeout(self.timeout)
            self.sock.sendall(data)
        except TimeoutError as e:
            raise TimedOut("could not send %d bytes" % len(data)) from e
        except OSError as e:
            raise Closed("while sending: %s" % e) from e

    def pid(self):
        self.next_pid = self.next_pid % 65535 + 1
        return self.next_pid

    def abort(self):
        """Ends the connection with a reset, as a crashed device would."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.close()

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def disconnect(self):
        """DISCONNECT, then waits for the broker to close, so that it has surely been read."""
        self.send(DISCONNECT_BYTES)
        try:
            while True:
                self.recv()
        except Closed:
            pass
        self.close()

    # receiving

    def fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut("nothing more came")
        try:
            self.sock.settimeout(left)
            data = self.sock.recv(1 << 18)
        except (TimeoutError, ssl.SSLWantReadError) as e:
            raise TimedOut("nothing more came") from e
        except OSError as e:
            raise Closed("while reading: %s" % e) from e
        if not data:
            raise Closed("end of stream")
        self.buffer += data
        self.packets.extend(take_packets(self.buffer, self.make_packet))

    def recv(self, timeout=None):
        """The next packet; raises Closed or TimedOut."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self.packets:
            self.fill(deadline)
        return self.packets.pop(0)

    def expect(self, kind, timeout=None, **fields):
        """The next packet must be of this kind and have these fields."""
        try:
            got = self.recv(timeout)
        except (Closed, TimedOut) as e:
            raise type(e)("waiting for %s: %s" % (NAMES[kind], e)) from None
        if got.kind != kind:
            raise AssertionError("expected %s %s, got %r" % (NAMES[kind], fields, got))
        for name, value in fields.items():
            if isinstance(value, str) and name == "payload":
                value = value.encode()
            if getattr(got, name) != value:
                raise AssertionError("expected %s %s=%r, got %r" % (NAMES[kind], name, value, got))
        return got

    def is_quiet(self):
        """Open, and nothing has come that wasn't read."""
        try:
            self.fill(time.monotonic() + 0.001)
        except TimedOut:
            pass
        return not self.packets

    def await_pid(self, kind, pid, timeout=None):
        """The packet of this kind and id; others that come before it stay to be read."""
        deadline, seen = time.monotonic() + (self.timeout if timeout is None else timeout), 0
        while True:
            for at in range(seen, len(self.packets)):
                if self.packets[at].kind == kind and self.packets[at].pid == pid:
                    return self.packets.pop(at)
            seen = len(self.packets)
            self.fill(deadline)

    def expect_closed(self, timeout=None):
        """The broker closes; nothing else may come before."""
        try:
            got = self.recv(timeout)
        except Closed:
            self.close()
            return
        except TimedOut:
            raise AssertionError("the connection was left open") from None
        raise AssertionError("expected the end of the connection, got %r" % got)

    def drain_until_closed(self, timeout=None):
        """Everything up to the end of the connection."""
        got, deadline = [], time.monotonic() + (self.timeout if timeout is None else timeout)
        try:
            while True:
                got.append(self.recv(max(0.001, deadline - time.monotonic())))
        except Closed:
            self.close()
            return got

    # conversations

    def ping(self, timeout=None):
        self.send(PINGREQ_BYTES)
        self.expect(PINGRESP, timeout)

    def subscribe(self, *filters, timeout=None):
        """Subscribes and returns the granted codes; filters are names (QoS 0) or (name, qos)."""
        pairs = [f if isinstance(f, tuple) else (f, 0) for f in filters]
        pid = self.pid()
        self.send(subscribe(pid, *pairs))
        return self.expect(SUBACK, timeout, pid=pid).granted

    def unsubscribe(self, *filters):
        pid = self.pid()
        self.send(unsubscribe(pid, *filters))
        self.expect(UNSUBACK, pid=pid)

    def publish(self, topic, payload=b"", qos=0, retain=False, timeout=None):
        """Publishes and completes the handshake of the QoS; no other packet may come meanwhile."""
        pid = self.pid() if qos else None
        self.send(publish(topic, payload, qos, pid, retain))
        if qos == 1:
            self.expect(PUBACK, timeout, pid=pid)
        elif qos == 2:
            self.expect(PUBREC, timeout, pid=pid)
            self.send(ack(PUBREL, pid))
            self.expect(PUBCOMP, timeout, pid=pid)

    def publish_many(self, messages, qos=0, window=100, timeout=60.0, retain=False):
        """Publishes (topic, payload) pairs with up to `window` unacknowledged ones."""
        deadline = time.monotonic() + timeout
        if qos == 0:
            chunk = bytearray()
            for topic, payload in messages:
                chunk += self.publish_bytes(topic, payload, retain=retain)
                if len(chunk) > 1 << 15:
                    self.send(chunk)
                    chunk = bytearray()
            self.send(chunk)
            return
        pending, out = set(), bytearray()
        source, more = iter(messages), True
        while more or pending:
            while more and len(pending) < window:
                try:
                    topic, payload = next(source)
                except StopIteration:
                    more = False
                    break
                pid = self.pid()
                while pid in pending:
                    pid = self.pid()
                pending.add(pid)
                out += self.publish_bytes(topic, payload, qos, pid, retain)
            if out:
                self.send(out)
                out = bytearray()
            if not pending:
                break
            if not self.packets:
                self.fill(deadline)
            for got in self.packets:
                if got.kind == PUBREC and qos == 2 and got.pid in pending:
                    out += ack(PUBREL, got.pid)
                elif got.kind == (PUBACK if qos == 1 else PUBCOMP) and got.pid in pending:
                    pending.discard(got.pid)
                elif got.kind != PINGRESP:
                    raise AssertionError("unexpected while publishing: %r" % got)
            self.packets = []

    def expect_message(self, topic, payload, qos=0, retain=None, timeout=None):
        """One message must be next; its handshake is completed."""
        fields = {"topic": topic, "payload": payload, "qos": qos}
        if retain is not None:
            fields["retain"] = retain
        got = self.expect(PUBLISH, timeout, **fields)
        if qos == 1:
            self.send(ack(PUBACK, got.pid))
        elif qos == 2:
            self.send(ack(PUBREC, got.pid))
            self.await_pid(PUBREL, got.pid)
            self.send(ack(PUBCOMP, got.pid))
        return got

    def collect(self, until, timeout=60.0, keepalive=None):
        """Reads and acknowledges messages until `until` of them came, or until(list) is true.

        A QoS 2 message counts once: a repeat of an unreleased packet id is not listed again. Open
        QoS 2 handshakes are finished before returning. `keepalive`: send a ping that often.
        """
        messages, deadline = [], time.monotonic() + timeout
        enough = (lambda: len(messages) >= until) if isinstance(until, int) else (lambda: until(messages))
        next_ping = time.monotonic() + (keepalive or 1e9)
        while not enough() or self.open_in2:
            out = bytearray()
            if not self.packets:
                try:
                    self.fill(min(deadline, next_ping))
                except TimedOut:
                    if time.monotonic() >= deadline:
                        raise TimedOut("after %d messages, the last %r" % (len(messages), messages[-1:])) from None
                if time.monotonic() >= next_ping:
                    next_ping = time.monotonic() + keepalive
                    out += PINGREQ_BYTES
            for got in self.packets:
                self.react(got, messages, out)
            self.packets = []
            if out:
                self.send(out)
        return messages

    def react(self, got, messages, out):
        if got.kind == PUBLISH:
            if got.qos == 1:
                out += ack(PUBACK, got.pid)
            elif got.qos == 2:
                out += ack(PUBREC, got.pid)
                if got.pid in self.open_in2:
                    return
                self.open_in2.add(got.pid)
            messages.append(got)
        elif got.kind == PUBREL:
            self.open_in2.discard(got.pid)
            out += ack(PUBCOMP, got.pid)
        elif got.kind != PINGRESP:
            raise AssertionError("unexpected while collecting: %r" % got)
