"""MQTT over WebSocket that does exactly what it is told: mqtt_raw's client in frames, without a library.

A WebSocket is a Client whose bytes go into one masked binary frame for each send(); frame() makes any other frame, and
send_raw() sends any bytes. Control frames that come are listed in `control`.
"""
import base64
import hashlib
import os
import ssl
import struct
import time

import mqtt_raw as m

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def request(path="/mqtt", protocols="mqtt", headers=(), method="GET", version="13", key=KEY):
    """The bytes of an upgrade; protocols, version or key None leaves that field out."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"]
    for name, value in (("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", version),
                        ("Sec-WebSocket-Protocol", protocols)):
        if value is not None:
            lines.append("%s: %s" % (name, value))
    return ("\r\n".join(lines + list(headers)) + "\r\n\r\n").encode()


def frame(opcode, payload=b"", fin=True, mask=True, rsv=0):
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += struct.pack("!BH", bit | 126, len(payload))
    else:
        head += struct.pack("!BQ", bit | 127, len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    whole = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")
    return head + key + masked.to_bytes(len(payload), "big")


def close_frame(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def read_head(client, timeout=10.0):
    """(status, fields by their names in lower case, what followed so far) of an HTTP answer on this socket."""
    data, deadline = b"", time.monotonic() + timeout
    while b"\r\n\r\n" not in data:
        client.sock.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            more = client.sock.recv(65536)
        except TimeoutError:
            raise m.TimedOut("no answer to the upgrade, but %r" % data) from None
        except OSError as e:
            raise m.Closed("while upgrading: %s" % e) from e
        if not more:
            raise m.Closed("while upgrading, after %r" % data)
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    fields = dict((name.lower(), value.strip()) for name, value in (line.split(":", 1) for line in lines[1:]))
    return int(lines[0].split()[1]), fields, rest


class WebSocket(m.Client):
    options = {}  # of request(), for connected()

    def __init__(self, address, tls=None, timeout=m.DEFAULT_TIMEOUT, source=None, preamble=b""):
        super().__init__(address, tls, timeout, source)
        self.raw, self.control, self.fragments = bytearray(), [], 0
        self.send_raw(preamble + request(**self.options))
        status, self.fields, rest = read_head(self)
        if status != 101:
            raise m.Closed("the upgrade was answered by %d" % status)
        accept = base64.b64encode(hashlib.sha1((KEY + GUID).encode()).digest()).decode()
        assert self.fields["sec-websocket-accept"] == accept, self.fields
        self.raw += rest
        self.take_frames()

    def send_raw(self, data):
        super().send(data)

    def send(self, data):
        self.send_raw(frame(BINARY, bytes(data)))

    def take_frame(self):
        """(opcode, payload), or None while it is incomplete."""
        if len(self.raw) < 2:
            return None
        first, length = self.raw[0], self.raw[1]
        assert first & 0xF0 == 0x80, "a frame of the broker begins with %#x" % first
        assert not length & 0x80, "a frame of the broker is masked"
        at = 2 if length < 126 else 4 if length == 126 else 10
        if len(self.raw) < at:
            return None
        if at > 2:
            length = int.from_bytes(self.raw[2:at], "big")
        if len(self.raw) < at + length:
            return None
        payload = bytes(self.raw[at:at + length])
        del self.raw[:at + length]
        return first & 15, payload

    def take_frames(self):
        got = self.take_frame()
        while got is not None:
            opcode, payload = got
            if opcode == BINARY:
                self.buffer += payload
            else:
                assert opcode in (CLOSE, PONG), "the broker sent a frame with opcode %d" % opcode
                self.control.append(got)
            got = self.take_frame()
        self.packets.extend(m.take_packets(self.buffer, self.make_packet))

    def fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise m.TimedOut("nothing more came")
        try:
            self.sock.settimeout(left)
            data = self.sock.recv(1 << 18)
        except (TimeoutError, ssl.SSLWantReadError) as e:
            raise m.TimedOut("nothing more came") from e
        except OSError as e:
            raise m.Closed("while reading: %s" % e) from e
        if not data:
            raise m.Closed("end of stream")
        self.raw += data
        self.take_frames()

    def expect_control(self, opcode, payload, timeout=10.0):
        """The next control frame; packets that come before it stay to be read."""
        deadline = time.monotonic() + timeout
        while not self.control:
            self.fill(deadline)
        got = self.control.pop(0)
        if got != (opcode, payload):
            raise AssertionError("expected %r, got %r" % ((opcode, payload), got))

    def expect_end(self, code):
        """A close frame with this code (None: without one), then the end of the connection; packets are dropped."""
        self.drain_until_closed()
        payload = b"" if code is None else struct.pack("!H", code)
        got = [c for c in self.control if c[0] == CLOSE]
        if got != [(CLOSE, payload)]:
            raise AssertionError("expected a close with %s, got %r" % (code, self.control))
