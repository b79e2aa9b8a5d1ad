"""What two brokers leave in Redis and say to each other, byte for byte as in recorded/<scene>.txt.

A change of the stored format, or of what goes between brokers, fails here. Is it meant, then it's one
that brokers of before can't read (FLEET_FORMAT), or one that they can; either way look at the difference and
record it anew: `test_recorded.py --record [Recorded.test_<scene>]`.

A recording has what is said to each node and to all, each in its order: entries of the log, entries of
inboxes, messages on channels, as Redis' MONITOR shows them. And it has all keys with type and value.
Bytes that aren't printable ASCII are \\xNN. Two are fixed: the fleet's secret (so clients' buckets are), and the
first version. What can't be fixed is masked, by these rules and no others:
  <node a> <id a>   a broker's id, as 16 hex digits or 8 bytes
  <source a>        the 8 random bytes in ids of its messages
  <request>         the random number of a claim, in decimal or as 8 bytes
  <run>             Redis' run_id, or its first characters (8 at least)
  <ms> <s>          13 or 10 decimal digits that are a time of these weeks
  <ms>-0            an entry's id in a stream: that it is another one of its millisecond is a matter of timing
  <varint ms>       the same in the two other encodings of fleet_bytes.h
  <u64 ms>
  <connection>      id of a connection at Redis, behind a run
  <marker a>        a batch that a broker sends itself, with its number; left out where there was one before: how
                    many turns needed one is a matter of timing
  <bytes>           fields used, max and machine of `usage`; buckets with 0 are left out there, as 0 is what they begin with
"""
import os
import re
import socket
import struct
import sys
import threading
import time

import harness
import mqtt_raw as m
from harness import eventually, settled
from services import Broker, Redis

FOLDER = os.path.join(harness.HERE, "recorded")
SECRET = "00112233445566778899aabbccddeeff"
FIRST_VERSION = 1000
DAY = 86400
RECORD = "--record" in sys.argv
if RECORD:
    sys.argv.remove("--record")


class Monitor:
    """Redis' MONITOR: the commands of all connections and scripts, each a list of bytes."""

    WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
    ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)")
    LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}

    def __init__(self, redis):
        self.commands = []
        self.sock = socket.create_connection(("127.0.0.1", redis.port))
        self.sock.sendall(b"MONITOR\r\n")
        self.stream = self.sock.makefile("rb")
        assert self.stream.readline() == b"+OK\r\n"
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for line in self.stream:
                self.commands.append([self.plain(w) for w in self.WORD.findall(line)])
        except (OSError, ValueError):
            pass

    @classmethod
    def plain(cls, word):
        def byte(match):
            code = match.group(1)
            return bytes([int(code[1:], 16)]) if len(code) == 3 else cls.LETTERS.get(code, code)
        return cls.ESCAPE.sub(byte, word)

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Masks:
    """Bytes as text, with what is random replaced as the rules above say."""

    def __init__(self, words):
        """words: (bytes, what stands for them), the longer before the shorter."""
        now = time.time()
        self.first, self.last = now - 2 * DAY, now + 40 * DAY
        self.names = dict(words)
        ids = b"|".join(re.escape(w) for w, mask in words if mask.startswith("<id "))
        self.known = re.compile(rb"(?P<marker>(?P<sender>" + ids + rb")(?P<number>.{8})B(?P=number))|" +
                                b"|".join(re.escape(w) for w, _ in words), re.S)

    def text(self, data):
        out, at = "", 0
        for found in self.known.finditer(data):
            word = self.names[found.group("sender") or found.group()]
            out += self.times(data[at:found.start()]) + (word.replace("id", "marker") if found.group("marker") else word)
            at = found.end()
        return re.sub(r"(<run>:)\d+", r"\1<connection>", out + self.times(data[at:]))

    TIME = re.compile(rb"(?P<varint>[\x80-\xff]{5}[\x01-\x7f])|(?P<u64>\0\0[\x01-\x02].{5})|(?P<decimal>\d+)", re.S)

    def times(self, data):
        out, at = "", 0
        while True:
            found = self.TIME.search(data, at)
            if not found:
                return out + self.printable(data[at:])
            word = self.time(found.lastgroup, found.group())
            # What is no time may have the begin of one in it, unless it is a decimal number.
            end = found.end() if word or found.lastgroup == "decimal" else found.start() + 1
            out += self.printable(data[at:found.start()]) + (word or self.printable(data[found.start():end]))
            at = end

    def time(self, kind, data):
        def is_time(ms):
            return self.first <= ms / 1000 <= self.last
        if kind == "varint" and is_time(sum((byte & 0x7f) << 7 * i for i, byte in enumerate(data))):
            return "<varint ms>"
        if kind == "u64" and is_time(struct.unpack("!Q", data)[0]):
            return "<u64 ms>"
        if kind == "decimal" and len(data) == 13 and is_time(int(data)):
            return "<ms>"
        if kind == "decimal" and len(data) == 10 and is_time(int(data) * 1000):
            return "<s>"
        return None

    @staticmethod
    def printable(data):
        return "".join(chr(b) if 32 <= b < 127 and b != 92 else "\\x%02x" % b for b in data)


def dump(redis, text):
    """All keys with type and value, as lines."""
    lines = []
    for key in redis.command("KEYS", "*"):
        kind = redis.command("TYPE", key).decode()
        ttl = redis.command("TTL", key)
        # Seconds pass while a scene is played; that a key has an end, and about when, doesn't change.
        end = " expires in %d s" % (-(-ttl // 100) * 100) if ttl > 0 else ""
        lines.append((text(key), ["%s %s%s" % (text(key), kind, end)] + ["  " + v for v in value(redis, kind, key, text)]))
    return [line for _, entry in sorted(lines) for line in entry]


def value(redis, kind, key, text):
    def pairs(flat):
        return zip(flat[::2], flat[1::2])
    if kind == "string":
        return [text(redis.command("GET", key))]
    if kind == "hash":
        fields = dict(pairs(redis.command("HGETALL", key)))
        if key.endswith(b":usage"):
            fields = {f: v for f, v in fields.items() if v != b"0" or not f.isdigit()}
            fields.update({f: b"<bytes>" for f in (b"used", b"max", b"machine") if f in fields})
        return sorted("%s = %s" % (text(field), text(v)) for field, v in fields.items())
    if kind == "set":
        return sorted(text(member) for member in redis.command("SMEMBERS", key))
    if kind == "zset":
        return sorted("%s %s" % (text(score), text(member))
                      for member, score in pairs(redis.command("ZRANGE", key, 0, -1, "WITHSCORES")))
    if kind == "list":
        return [text(entry) for entry in redis.command("LRANGE", key, 0, -1)]
    return [" ".join([text(entry)] + ["%s=%s" % (text(f), text(v)) for f, v in pairs(fields)])
            for entry, fields in redis.command("XRANGE", key, "-", "+")]


def exchange(commands, text):
    """What was said to whom, as lines, each receiver's in order."""
    said = {}
    for command in commands:
        if command[0] == b"PUBLISH":
            receiver, entry = "channel " + text(command[1]), text(command[2])
        elif command[0] == b"XADD" and re.search(rb"}:(in|log)$", command[1]):
            fields = command[command.index(b"*") + 1:] if b"*" in command else command[-7:]
            receiver, entry = "stream " + text(command[1]), " ".join(text(f) for f in fields)
        else:
            continue
        entries = said.setdefault(receiver, [])
        if "<marker " not in entry or entry not in entries:
            entries.append(entry)
    return [line for receiver in sorted(said) for line in [receiver] + ["  " + entry for entry in said[receiver]]]


def source(redis, broker):
    """What ids of this broker's messages begin with, from a retained value."""
    with broker.connect("prober") as prober:
        prober.publish("probe", "p", 1, retain=True)
        key, = redis.command("KEYS", "fl:{t*}:v")
        frame = redis.command("HGET", key, "probe")
        prober.publish("probe", "", 1, retain=True)
        prober.disconnect()
    return frame[frame.index(b"\x05probe\x01p") + 8:][:8]


class Recorded(harness.FleetTest):
    @staticmethod
    def build(holder):
        scope = holder.scope
        holder.redis = redis = Redis(scope).start()
        for name, what in (("secret", SECRET), ("format", 2), ("ver", FIRST_VERSION), ("gen", 1)):
            redis.command("SET", "fl:{r}:" + name, what)
        holder.monitor = Monitor(redis)
        scope.cleanups.append(holder.monitor.close)
        holder.words, nodes = [], set()
        for name in ("a", "b"):
            broker = Broker(scope, name, redis, {"sys_interval": 0}, lease="4s").start()
            setattr(holder, name, broker)
            node, = set(redis.command("HKEYS", "fl:{r}:nodes")) - nodes
            nodes.add(node)
            holder.words += [(node, "<node %s>" % name), (bytes.fromhex(node.decode()), "<id %s>" % name),
                             (source(redis, broker), "<source %s>" % name)]

    def connect(self, broker, name, **fields):
        client = broker.connect(name, **fields)
        self.addCleanup(client.close)
        return client

    def recording(self):
        run = re.search(rb"run_id:(\w+)", self.redis.command("INFO", "server")).group(1)
        runs = [(run[:size], "<run>") for size in range(len(run), 7, -1)]
        sync, before = "synced %f" % time.monotonic(), len(self.monitor.commands)
        self.redis.command("ECHO", sync)
        eventually(lambda: [b"ECHO", sync.encode()] in self.monitor.commands[before:], 10, "MONITOR came so far")
        text = Masks(self.words + runs + self.requests()).text
        lines = exchange(self.monitor.commands, text) + [""] + dump(self.redis, text)
        return re.sub(r"<ms>-\d+", "<ms>-0", "\n".join(lines)) + "\n"

    def requests(self):
        tokens = {c[c.index(b"token") + 1] for c in self.monitor.commands if c[0] == b"HSET" and b"token" in c}
        return [word for t in tokens for word in ((t, "<request>"), (struct.pack("!Q", int(t)), "<request>"))]

    def assert_as_recorded(self, scene):
        """Now or soon: what follows an answer to a client may take a moment."""
        path = os.path.join(FOLDER, scene + ".txt")
        if RECORD:
            self.record(path)
        with open(path) as f:
            wanted = f.read()
        try:
            eventually(lambda: self.recording() == wanted, 15, interval=0.2)
        except AssertionError:
            self.maxDiff = None
            self.assertMultiLineEqual(wanted, self.recording(), scene)

    def record(self, path):
        """Once it doesn't change any more."""
        last = settled(self.recording, 4, 60, "the fleet")
        with open(path, "w") as f:
            f.write(last)

    def test_messages(self):
        """Clean sessions: routes, messages of each QoS, retained values."""
        subscriber, publisher = self.connect(self.b, "sub"), self.connect(self.a, "pub")
        for wanted in (("zero/+", 0), ("one/#", 1), ("$x/two", 2)):
            subscriber.subscribe(wanted)
        for topic, payload, qos in (("zero/x", "", 0), ("zero/x", "a\nb", 0), ("one", "first", 1), ("$x/two", "\0", 2),
                                    ("one/large", "l" * 300, 1)):
            publisher.publish(topic, payload, qos)
            subscriber.expect_message(topic, payload, qos)
        publisher.publish("nobody/x", "x", 1)
        for topic, payload, qos in (("kept/a", "0", 0), ("kept/b", "1", 1), ("kept/c", "2", 2), ("kept/c", "new", 2),
                                    ("gone", "x", 1), ("gone", "", 1)):
            publisher.publish(topic, payload, qos, retain=True)
        publisher.ping()
        subscriber.subscribe(("kept/c", 2))
        subscriber.expect_message("kept/c", "new", 2, retain=True)
        self.assert_as_recorded("messages")

    def test_durable(self):
        """A queue, open QoS 2 both ways, subscriptions that go, a session that ends."""
        keeper, other = self.connect(self.b, "keeper", clean=False), self.connect(self.b, "other", clean=False)
        keeper.subscribe(("q/#", 1), ("q/two", 2), ("gone", 1))
        other.subscribe(("q/end", 1))
        keeper.unsubscribe("gone")
        keeper.disconnect()
        publisher = self.connect(self.a, "pub", clean=False)
        for n in range(17):
            publisher.publish("q/one", "%d" % n, 1)
        publisher.publish("q/large", "l" * 9000, 1)
        for n in range(3):
            publisher.publish("q/two", "%d" % n, 2)
        publisher.send(m.publish("q/two", "open", 2, 500))
        publisher.expect(m.PUBREC, pid=500)
        keeper = self.connect(self.a, "keeper", clean=False)
        got = [keeper.expect(m.PUBLISH) for _ in range(22)]
        for packet in got[:3]:
            keeper.send(m.ack(m.PUBACK, packet.pid))
        keeper.send(m.ack(m.PUBREC, got[18].pid))
        keeper.expect(m.PUBREL, pid=got[18].pid)
        other.publish("q/one", "wakes", 1)  # b writes into the queue of a session that is connected at a
        keeper.expect(m.PUBLISH, payload="wakes")
        other.disconnect()
        self.connect(self.b, "other", clean=True).disconnect()
        self.assert_as_recorded("durable")

    def test_takeover(self):
        """A client with a will moves from a to b, twice; a will goes out; one is armed."""
        watcher = self.connect(self.a, "watcher", username="user")
        watcher.subscribe(("will/#", 2))
        mover = self.connect(self.a, "mover", clean=False, will=m.Will("will/moves", "from a", 1))
        mover.subscribe(("m/#", 1))
        again = self.connect(self.b, "mover", clean=False, will=m.Will("will/moves", "from b", 2, True))
        mover.drain_until_closed()
        watcher.expect_message("will/moves", "from a", 1)
        again.abort()
        watcher.expect_message("will/moves", "from b", 2)
        again = self.connect(self.a, "mover", clean=False, will=m.Will("will/moves", "armed", 0))
        again.ping()
        self.assert_as_recorded("takeover")

    def test_death(self):
        """a is killed: b takes its place."""
        watcher = self.connect(self.b, "watcher")
        watcher.subscribe(("will/#", 1))
        clean = self.connect(self.a, "clean", will=m.Will("will/clean", "dead", 1))
        durable = self.connect(self.a, "durable", clean=False)
        for client in (clean, durable):
            client.subscribe(("d/#", 1))
        self.a.kill()
        watcher.expect_message("will/clean", "dead", 1, timeout=30)
        self.connect(self.b, "pub").publish("d/x", "for the durable one", 1)
        self.assert_as_recorded("death")


if __name__ == "__main__":
    harness.main()
