"""A TCP proxy that can hold back or cut what goes through it, for the link between a broker and Redis."""
import re
import select
import socket
import threading
import time

from harness import free_port


class ChaosProxy:
    """Forwards to `target`; looks like a Redis to a Broker (it has a url)."""

    def __init__(self, target):
        self.target, self.port = target, free_port()
        self.url = "redis://127.0.0.1:%d/0" % self.port
        self.gates = {"requests": threading.Event(), "replies": threading.Event()}
        for gate in self.gates.values():
            gate.set()
        self.refusing = False
        self.last_answered = None
        self.lock = threading.Lock()
        self.pairs = set()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def hold(self, *directions):
        """Nothing passes in these directions ("requests", "replies"; both when none is named)."""
        for d in directions or self.gates:
            self.gates[d].clear()

    def hold_replies_from(self, request):
        """Holds replies as soon as a request has these bytes; it still passes, and its reply doesn't."""
        self.last_answered = request

    def release(self):
        self.last_answered = None
        for gate in self.gates.values():
            gate.set()

    def cut(self):
        """Ends all connections; what was held back is lost."""
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for sock in pair:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.release()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, server)
            with self.lock:
                self.pairs.add(pair)
            threading.Thread(target=self.pump, args=(client, server, pair, "requests"), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, pair, "replies"), daemon=True).start()

    def pump(self, source, sink, pair, direction):
        gate = self.gates[direction]
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                while not gate.wait(0.05):
                    with self.lock:
                        if pair not in self.pairs:
                            return  # cut while held back: these bytes never arrive
                if direction == "requests" and self.last_answered and self.last_answered in data:
                    self.hold("replies")
                sink.sendall(data)
        except OSError:
            pass
        finally:
            with self.lock:
                self.pairs.discard(pair)
            for sock in pair:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class LinkProxy(ChaosProxy):
    """Holds back what a broker asks on one of its links, or what it is answered there; it names them itself.

    What was held back since the last hold_link() of a link is in `held`.
    """

    def __init__(self, target):
        self.names, self.slow, self.held = {}, {}, {}
        super().__init__(target)

    def hold_link(self, name, direction="requests"):
        self.held[name, direction] = bytearray()
        self.slow[name, direction] = threading.Event()

    def release_link(self, name, direction="requests"):
        self.slow.pop((name, direction)).set()

    def pump(self, source, sink, pair, direction):
        super().pump(Watched(source, self, pair, direction), sink, pair, direction)


class Watched:
    """A socket from which is read when its link isn't held."""

    def __init__(self, sock, proxy, pair, direction):
        self.sock, self.proxy, self.pair, self.direction = sock, proxy, pair, direction

    def recv(self, size):
        data = self.sock.recv(size)
        if self.direction == "requests" and self.pair not in self.proxy.names:
            found = re.search(rb"SETNAME\r\n\$\d+\r\nflotilla-(\w+)", data)
            if found:
                self.proxy.names[self.pair] = found.group(1).decode()
        link = self.proxy.names.get(self.pair), self.direction
        gate = self.proxy.slow.get(link)
        if gate is None:
            return data
        held, deadline = self.proxy.held[link], time.monotonic() + 10
        begin = len(held)
        held += data
        while not gate.wait(0.01) and time.monotonic() < deadline:
            if select.select([self.sock], [], [], 0)[0]:
                more = self.sock.recv(size)
                if not more:
                    break
                held += more
        return bytes(held[begin:])

    def __getattr__(self, name):
        return getattr(self.sock, name)
