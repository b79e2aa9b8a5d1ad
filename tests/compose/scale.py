"""The Compose service as its user runs it: up, scale broker=5, scale broker=2, with clients on it.

What must hold: clients that aren't ours come through over TLS; within 3 s of scaling up the new brokers
take flows; scaling down ends the removed brokers by themselves (exit code 0, not Docker's kill), their
clients come back elsewhere, and of what was acknowledged at QoS 1 nothing is lost. run.sh starts the
engine and calls this.
"""
import argparse
import calendar
import collections
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request

import paho.mqtt.client as paho

PUBLISHERS = 8
RATE = 50  # messages per second and publisher
BYSTANDERS = 30  # clients that only stay connected
SCALE_UP_LIMIT_S = 3.0


def note(text):
    print("scale: %s" % text, flush=True)


def eventually(condition, timeout, what, interval=0.05):
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except OSError as e:
            last = e
        if time.monotonic() > deadline:
            raise AssertionError("not within %.0f s: %s (last: %r)" % (timeout, what, last))
        time.sleep(interval)


class Service:
    """The Compose project and what its load balancer says."""

    def __init__(self, command, port, wss_port, status_port, folder):
        self.command, self.port, self.wss_port, self.status_port = command, port, wss_port, status_port
        self.ca = os.path.join(folder, "ca.pem")

    def compose(self, *words, timeout=120):
        done = subprocess.run([*self.command, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, text=True)
        if done.returncode != 0:
            raise AssertionError("docker-compose %s failed (%d):\n%s" % (" ".join(words), done.returncode, done.stdout))
        return done.stdout

    def scale(self, brokers):
        """docker-compose 1.29 has the command `scale`; later ones may only have the option of `up`."""
        try:
            self.compose("scale", "broker=%d" % brokers)
        except AssertionError as e:
            if "unknown" not in str(e).lower():
                raise
            self.compose("up", "-d", "--no-recreate", "--scale", "broker=%d" % brokers)

    def fetch_authority(self):
        with open(self.ca, "w") as f:
            f.write(self.compose("exec", "-T", "lb", "cat", "/var/lib/flotilla/tls/ca.pem"))

    def containers(self, service):
        """Their ids, oldest first as Compose numbers them."""
        ids = self.compose("ps", "-q", service).split()
        started = subprocess.run(["docker", "inspect", "--format", "{{.Created}} {{.Id}}", *ids], check=True, timeout=20,
                                 stdout=subprocess.PIPE, text=True).stdout.splitlines()
        return [line.split()[1] for line in sorted(started)]

    def get(self, path):
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.status_port, path), timeout=2) as answer:
            return answer.read()

    def servers(self):
        """{name: server} of all brokers, by the port for MQTT itself (they have another one for WebSocket)."""
        found = json.loads(self.get("/api/servers"))
        if isinstance(found, dict):
            found = found["servers"] if "servers" in found else [s for b in found["backends"] for s in b["servers"]]
        return {s["name"]: s for s in found if s["backend"] == "brokers"}

    def up(self):
        return {name for name, s in self.servers().items() if s["state"] == "up"}

    def wait_up(self, count, timeout):
        eventually(lambda: len(self.up()) == count and self.get("/readyz"), timeout, "%d brokers up" % count)

    def logs(self):
        return subprocess.run([*self.command, "logs", "--no-color", "--tail=60"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True).stdout


class Deaths(threading.Thread):
    """Exit codes of the containers that end, from the engine's events."""

    def __init__(self):
        super().__init__(daemon=True)
        self.codes = {}
        self.events = subprocess.Popen(["docker", "events", "--filter", "event=die", "--format", "{{json .Actor.Attributes}}"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.start()

    def run(self):
        for line in self.events.stdout:
            attributes = json.loads(line)
            self.codes[attributes["name"]] = int(attributes["exitCode"])

    def stop(self):
        self.events.terminate()
        self.events.wait()


class Client:
    """A durable client of paho that reconnects by itself."""

    def __init__(self, service, client_id):
        self.paho = paho.Client(client_id, clean_session=False)
        self.paho.tls_set(service.ca)
        self.paho.reconnect_delay_set(1, 1)
        self.paho.max_queued_messages_set(0)
        self.connected = threading.Event()
        self.connections = 0
        self.paho.on_connect = self.on_connect
        self.paho.on_disconnect = lambda *_: self.connected.clear()
        self.paho.connect("127.0.0.1", service.port, keepalive=20)
        self.paho.loop_start()

    def on_connect(self, _client, _data, _flags, code):
        if code == 0:
            self.connections += 1
            self.connected.set()

    def wait_connected(self, timeout=20):
        if not self.connected.wait(timeout):
            raise AssertionError("a client wasn't connected within %d s" % timeout)
        return self

    def leave(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def come_back(self):
        self.paho.reconnect()
        self.paho.loop_start()


class Subscriber(Client):
    def __init__(self, service, client_id):
        super().__init__(service, client_id)
        self.received = collections.Counter()
        self.subscribed = threading.Event()
        self.paho.on_message = lambda _c, _d, message: self.received.update([message.payload.decode()])
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        self.wait_connected()
        self.paho.subscribe("scale/#", qos=1)
        if not self.subscribed.wait(20):
            raise AssertionError("no SUBACK within 20 s")


class Publisher(Client):
    """Publishes at a steady rate until told to stop; remembers what was acknowledged."""

    def __init__(self, service, number):
        super().__init__(service, "scale-publisher-%d" % number)
        self.name = "p%d" % number
        self.sent = {}  # packet id -> payload; fewer than 65,535 are sent, so no id comes twice
        self.acknowledged_ids = set()
        self.stopping = threading.Event()
        self.paho.on_publish = lambda _client, _data, mid: self.acknowledged_ids.add(mid)
        self.wait_connected()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        number = 0
        while not self.stopping.wait(1.0 / RATE):
            payload = "%s-%d" % (self.name, number)
            number += 1
            self.sent[self.paho.publish("scale/" + self.name, payload, qos=1).mid] = payload

    def finish(self):
        """Stops publishing and waits until all of it is acknowledged; the payloads."""
        self.stopping.set()
        self.thread.join()
        eventually(lambda: len(self.acknowledged_ids) == len(self.sent), 30, "every message acknowledged")
        return set(self.sent.values())


class Arrivals(threading.Thread):
    """New devices, twenty a second, each staying connected: flows for the load balancer to place."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service, self.sockets, self.failures = service, [], []
        self.context = ssl.create_default_context(cafile=service.ca)
        self.stopping = threading.Event()
        self.start()

    def run(self):
        while not self.stopping.wait(0.05):
            try:
                self.sockets.append(self.connect())
            except OSError as e:
                self.failures.append(repr(e))

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.service.port), timeout=5)
        sock = self.context.wrap_socket(raw, server_hostname="localhost")
        client_id = b"arrival-%d" % len(self.sockets)
        body = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack(">H", len(client_id)) + client_id
        sock.sendall(b"\x10" + bytes([len(body)]) + body)
        if sock.recv(4) != b"\x20\x02\x00\x00":
            raise OSError("no CONNACK that accepts")
        return sock

    def finish(self):
        self.stopping.set()
        self.join()
        for sock in self.sockets:
            sock.close()


def check_foreign_clients(service):
    """mosquitto_pub and mosquitto_sub over TLS."""
    where = ["-h", "localhost", "-p", str(service.port), "--cafile", service.ca]
    subprocess.run(["mosquitto_pub", *where, "-t", "hello", "-m", "fleet", "-q", "1", "-r"], check=True, timeout=20)
    out = subprocess.run(["mosquitto_sub", *where, "-t", "hello", "-C", "1", "-W", "10"], check=True, timeout=20,
                         stdout=subprocess.PIPE, text=True).stdout
    assert out == "fleet\n", out
    note("mosquitto_pub and mosquitto_sub talk over TLS")


def check_websocket(service):
    """paho as a web page connects: MQTT over WebSocket over TLS."""
    got = threading.Event()
    client = paho.Client("scale-page", transport="websockets")
    client.ws_set_options(path="/mqtt")
    client.tls_set(service.ca)
    client.on_connect = lambda *_: client.subscribe("hello")
    client.on_message = lambda _client, _data, message: message.payload == b"fleet" and got.set()
    client.connect("127.0.0.1", service.wss_port, keepalive=20)
    client.loop_start()
    try:
        assert got.wait(20), "a page didn't get the retained message within 20 s"
    finally:
        client.disconnect()
        client.loop_stop()
    note("MQTT over WebSocket and TLS")


def check_confinement(service):
    """No capabilities, no new privileges, nothing to write to; Redis wants its password; the load balancer
    sees nothing of the brokers' folder; all are healthy."""
    for name in ("lb", "broker", "redis"):
        status = dict(line.split(":", 1) for line in service.compose("exec", "-T", name, "cat", "/proc/1/status").splitlines()
                      if ":" in line)
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, (name, status["CapEff"], status["CapBnd"])
        assert status["NoNewPrivs"].strip() == "1" and status["Uid"].split()[0] != "0", (name, status)
        written = service.compose("exec", "-T", name, "sh", "-c", "touch /x /etc/x /tmp/x 2>&1 || true")
        assert written.count("Read-only file system") == 3, (name, written)
    files = service.compose("exec", "-T", "lb", "sh", "-c", "ls /etc/flotilla /var/lib/flotilla/secret").split()
    assert files == ["/etc/flotilla:", "lb.yaml", "/var/lib/flotilla/secret:"], files
    stranger = service.compose("exec", "-T", "redis", "redis-cli", "ping")
    assert "NOAUTH" in stranger, stranger
    asks = "REDISCLI_AUTH=$(cat /var/lib/flotilla/secret/redis-password) redis-cli config get maxmemory*"
    settings = service.compose("exec", "-T", "redis", "sh", "-c", asks).split()
    assert settings[settings.index("maxmemory") + 1] == str(1 << 30), settings
    assert settings[settings.index("maxmemory-policy") + 1] == "noeviction", settings
    for name in ("lb", "broker", "redis"):
        for container in service.containers(name):
            eventually(lambda: subprocess.run(
                ["docker", "inspect", "--format", "{{.State.Health.Status}}", container], check=True, timeout=20,
                stdout=subprocess.PIPE, text=True).stdout.strip() == "healthy", 40, "%s healthy" % name, 0.5)
    note("confined, healthy, and Redis wants its password")


def seconds_since_start(container):
    started = subprocess.run(["docker", "inspect", "--format", "{{.State.StartedAt}}", container], check=True,
                             stdout=subprocess.PIPE, text=True, timeout=20).stdout.strip()
    return time.time() - calendar.timegm(time.strptime(started[:19], "%Y-%m-%dT%H:%M:%S")) - float(
        "0" + started[19:].rstrip("Z"))


def check_scale_up(service):
    before = set(service.servers())
    arrivals = Arrivals(service)
    try:
        began = time.monotonic()
        service.scale(5)
        command_s = time.monotonic() - began

        def all_have_flows():
            return len([s for name, s in service.servers().items() if name not in before and s["connections"] > 0]) == 4
        eventually(all_have_flows, 20, "every new broker has flows")
        age = max(seconds_since_start(c) for c in service.containers("broker")[1:])
    finally:
        arrivals.finish()
    assert not arrivals.failures, "clients were turned away: %s" % arrivals.failures[:5]
    note("scale broker=5: the command took %.1f s; %.1f s after the first new container had started, all four had"
         " flows" % (command_s, age))
    assert age <= SCALE_UP_LIMIT_S, "slower than %.1f s" % SCALE_UP_LIMIT_S


def publish_more(publishers, count):
    goal = sum(len(p.acknowledged_ids) for p in publishers) + count
    eventually(lambda: sum(len(p.acknowledged_ids) for p in publishers) >= goal, 30, "publishing goes on")


def check_scale_down(service, clients, deaths):
    deaths.codes.clear()
    began = time.monotonic()
    service.scale(2)
    note("scale broker=2: the command took %.1f s" % (time.monotonic() - began))
    eventually(lambda: len(deaths.codes) == 3, 10, "three containers ended")
    assert set(deaths.codes.values()) == {0}, "removed brokers didn't end by themselves: %s" % deaths.codes
    service.wait_up(2, 15)
    for client in clients:
        client.wait_connected()


def check_nothing_lost(subscribers, publishers):
    acknowledged = set().union(*(p.finish() for p in publishers))
    for subscriber in subscribers:
        try:
            eventually(lambda: not acknowledged - set(subscriber.received), 30, "all of it arrived")
        except AssertionError:
            lost = acknowledged - set(subscriber.received)
            raise AssertionError("%d of %d acknowledged messages are lost: %s" % (
                len(lost), len(acknowledged), sorted(lost)[:10])) from None
        repeats = sum(subscriber.received.values()) - len(subscriber.received)
        note("%d messages acknowledged, all arrived, %d of them twice" % (len(acknowledged), repeats))


def check(service):
    service.compose("up", "-d")
    service.wait_up(1, 60)
    service.fetch_authority()
    check_foreign_clients(service)
    check_websocket(service)
    check_confinement(service)
    deaths = Deaths()
    clients = []
    try:
        check_scale_up(service)
        # Connected now, so that they spread over all five.
        subscribers = [Subscriber(service, "scale-subscriber-%d" % n) for n in range(2)]
        publishers = [Publisher(service, n) for n in range(PUBLISHERS)]
        clients = subscribers + publishers + [Client(service, "scale-bystander-%d" % n) for n in range(BYSTANDERS)]
        for client in clients:
            client.wait_connected()
        publish_more(publishers, 500)
        subscribers[1].leave()  # what it misses waits for it
        publish_more(publishers, 500)
        check_scale_down(service, [c for c in clients if c != subscribers[1]], deaths)
        publish_more(publishers, 500)
        moved = [c.connections for c in clients if c.connections > 1]
        note("%d of %d clients moved to another broker, none more than %d times" % (
            len(moved), len(clients), max(moved, default=1) - 1))
        subscribers[1].come_back()
        check_nothing_lost(subscribers, publishers)
    finally:
        for client in clients:
            client.leave()
        deaths.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--wss-port", type=int, required=True)
    parser.add_argument("--status-port", type=int, required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("compose", nargs="+")
    given = parser.parse_args()
    service = Service(given.compose, given.port, given.wss_port, given.status_port, given.folder)
    try:
        check(service)
    except (AssertionError, subprocess.SubprocessError, OSError) as e:
        print(service.logs())
        note("failed: %s" % e)
        return 1
    note("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
