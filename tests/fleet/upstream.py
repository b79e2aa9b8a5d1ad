"""Servers behind the load balancer that do as a test says, and a tiny DNS responder."""
import socket
import struct
import threading

import harness
from harness import free_port


class Upstream:
    """A TCP server; handler(sock) runs in a thread of its own for each connection."""

    def __init__(self, handler, port=None):
        self.handler = handler
        self.port = port or free_port()
        self.address = ("127.0.0.1", self.port)
        self.accepted = 0
        self.errors = []
        self.listener = None
        self.open()

    def open(self):
        self.listener = socket.create_server(self.address, backlog=128)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            with sock:
                self.handler(sock)
        except OSError:
            pass
        except BaseException as e:
            self.errors.append(e)

    def close(self):
        # shutdown() wakes accept(), close() alone would leave the port open until the next connection
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


def read_all(sock, limit=None, pause=0.0):
    """Everything until the end of the stream (or `limit` bytes)."""
    parts, size = [], 0
    while limit is None or size < limit:
        data = sock.recv(65536 if limit is None else min(65536, limit - size))
        if not data:
            break
        parts.append(data)
        size += len(data)
        if pause:
            harness.pace(pause)
    return b"".join(parts)


def echo(sock):
    while True:
        data = sock.recv(65536)
        if not data:
            return
        sock.sendall(data)


class DnsServer:
    """Answers A questions for `name` with `addresses` over UDP and TCP; a list of other addresses at any time.

    truncate: UDP answers only say that TCP is to be used. mode: "answer", "silent", "servfail", "empty",
    "nxdomain".
    """

    def __init__(self, name, addresses):
        self.name, self.addresses = name, list(addresses)
        self.mode, self.truncate = "answer", False
        self.questions = {"udp": 0, "tcp": 0}
        self.port = free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        for loop in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def serve_udp(self):
        while True:
            try:
                question, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            answer = self.answer(question, "udp")
            if answer:
                self.udp.sendto(answer, peer)

    def serve_tcp(self):
        while True:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.talk_tcp, args=(sock,), daemon=True).start()

    def talk_tcp(self, sock):
        with sock:
            while True:
                head = read_all(sock, 2)
                if len(head) < 2:
                    return
                answer = self.answer(read_all(sock, struct.unpack("!H", head)[0]), "tcp")
                if answer:
                    sock.sendall(struct.pack("!H", len(answer)) + answer)

    def answer(self, question, transport):
        self.questions[transport] += 1
        if self.mode == "silent":
            return None
        ident, at, labels = question[:2], 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack("!H", question[at + 1:at + 3])[0]
        asked = question[12:at + 5]
        code, records = 0, []
        if self.mode == "servfail":
            code = 2
        elif self.mode == "nxdomain" or ".".join(labels).lower() != self.name:
            code = 3
        elif kind == 1 and self.mode == "answer":
            records = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(a) for a in self.addresses]
        flags = 0x8180 | code
        if transport == "udp" and self.truncate and records:
            flags, records = flags | 0x0200, []
        return ident + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + asked + b"".join(records)

    def close(self):
        self.udp.close()
        self.tcp.close()
