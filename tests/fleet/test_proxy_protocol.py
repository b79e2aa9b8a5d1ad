"""PROXY protocol v1 and v2: believed from trusted addresses, refused from others."""
import socket
import struct

import harness
import mqtt_raw as m
from services import Broker

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source="203.0.113.7", port=4711, family="TCP4", destination="198.51.100.1"):
    return ("PROXY %s %s %s %d 1883\r\n" % (family, source, destination, port)).encode()


def v2(source="203.0.113.7", port=4711, command=1, family=0x11, tlvs=b"", version=2, length=None):
    kind = socket.AF_INET6 if family == 0x21 else socket.AF_INET
    if family in (0x11, 0x21):
        other = "2001:db8::1" if family == 0x21 else "198.51.100.1"
        body = socket.inet_pton(kind, source) + socket.inet_pton(kind, other) + struct.pack("!HH", port, 1883)
    else:
        body = b""
    body += tlvs
    return SIGNATURE + bytes([version << 4 | command, family]) + struct.pack("!H", len(body) if length is None else length) + body


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


class ProxyCase:

    shared = True

    @classmethod
    def make(cls, holder, mode, trusted):
        listener = {"bind": "127.0.0.1:0", "protocol": "mqtt", "proxy_protocol": mode}
        if trusted:
            listener["trusted_proxies"] = trusted
        broker = Broker(holder.scope, config={"log": {"level": "debug", "format": "text"}})
        listener["bind"] = "127.0.0.1:%d" % broker.port
        broker.reconfigure(listeners=[listener])
        holder.broker = broker.start()

    def accepted(self, preamble, name=None, pieces=None):
        client = self.broker.open()
        self.addCleanup(client.close)
        data = preamble + m.connect(name or self.unique("c"))
        for piece in pieces(data) if pieces else [data]:
            client.send(piece)
        client.expect(m.CONNACK, return_code=0)
        client.ping()
        return client

    def refused(self, preamble):
        client = self.broker.open()
        self.addCleanup(client.close)
        try:
            client.send(preamble + m.connect(self.unique("c")))
            client.expect_closed()
        except m.Closed:
            pass


class Trusted(ProxyCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        ProxyCase.make(holder, "accept", ["127.0.0.0/8", "10.0.0.0/8"])

    def test_v1_tells_the_address(self):
        mark = len(self.broker.log())
        self.accepted(v1(source="203.0.113.77"))
        self.broker.wait_log(r"203\.0\.113\.77", start=mark)

    def test_v2_tells_the_address(self):
        mark = len(self.broker.log())
        self.accepted(v2(source="203.0.113.78"))
        self.broker.wait_log(r"203\.0\.113\.78", start=mark)

    def test_v2_with_ipv6(self):
        mark = len(self.broker.log())
        self.accepted(v2(source="2001:db8::77", family=0x21))
        self.broker.wait_log(r"2001:db8::77", start=mark)

    def test_v1_with_ipv6(self):
        mark = len(self.broker.log())
        self.accepted(v1("2001:db8::78", family="TCP6", destination="2001:db8::1"))
        self.broker.wait_log(r"2001:db8::78", start=mark)

    def test_v1_unknown(self):
        self.accepted(b"PROXY UNKNOWN\r\n")
        self.accepted(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n")

    def test_v2_local(self):
        self.accepted(v2(command=0))
        self.accepted(v2(command=0, family=0))

    def test_v2_unspecified_family(self):
        self.accepted(v2(family=0))

    def test_v2_with_tlvs(self):
        self.accepted(v2(tlvs=tlv(1, b"mqtt") + tlv(2, b"example.org") + tlv(0x30, b"ns") + tlv(4, b"\0" * 300)))

    def test_byte_by_byte(self):
        pieces = lambda data: [data[i:i + 1] for i in range(len(data))]
        self.accepted(v1(), pieces=pieces)
        self.accepted(v2(tlvs=tlv(4, b"\0" * 40)), pieces=pieces)

    def test_without_a_header(self):
        self.accepted(b"")

    def test_malformed_headers(self):
        cases = {
            "v1 without addresses": b"PROXY TCP4\r\n", "v1 with a bad address": v1(source="203.0.113.777"),
            "v1 with a bad port": b"PROXY TCP4 1.2.3.4 5.6.7.8 70000 1\r\n",
            "v1 with another family": b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "v1 without an end": b"PROXY TCP4 " + b"1" * 200,
            "v1 of the wrong family": b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            "v1 with LF alone": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
            "v2 of another version": v2(version=3), "v2 with another command": v2(command=5),
            "v2 too short for its family": SIGNATURE + b"\x21\x11\x00\x04\1\2\3\4",
            "v2 with a broken signature": b"\r\n\r\n\0\r\nQUIX\n\x21\x11\x00\x0c" + b"\1" * 12,
            "two headers": v1() + v1(), "v2 after v1": v1() + v2(),
        }
        for name, preamble in cases.items():
            with self.subTest(name):
                self.refused(preamble)
        self.accepted(v2())


class Untrusted(ProxyCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        ProxyCase.make(holder, "accept", ["10.0.0.0/8", "192.168.7.0/24"])

    def test_a_header_ends_the_connection(self):
        self.refused(v1())
        self.refused(v2())
        self.refused(v2(command=0))

    def test_clients_of_its_own_are_taken(self):
        self.accepted(b"")


class Off(ProxyCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        ProxyCase.make(holder, "off", None)

    def test_a_header_ends_the_connection(self):
        self.refused(v1())
        self.refused(v2())
        self.accepted(b"")


class Required(ProxyCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        ProxyCase.make(holder, "require", ["127.0.0.0/8"])

    def test_with_a_header(self):
        self.accepted(v1())
        self.accepted(v2())

    def test_without_one_the_connection_ends(self):
        self.refused(b"")


if __name__ == "__main__":
    harness.main()
