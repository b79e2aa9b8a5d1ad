"""The processes of a fleet under test: redis-server, flotilla-broker, flotilla-lb, and all together.

FLOTILLA_BROKER=mosquitto and FLOTILLA_LB=haproxy put known good programs in their place, to check
the tests themselves: "several brokers" are then listeners of one mosquitto.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import mqtt_raw
from harness import Process, binary, eventually, free_port, pace
from yamlout import dump

STANDIN_BROKER = os.path.basename(os.environ.get("FLOTILLA_BROKER", "")) == "mosquitto"
STANDIN_LB = os.path.basename(os.environ.get("FLOTILLA_LB", "")) == "haproxy"


def program(name):
    for folder in ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"):
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    return shutil.which(name) or name


def http(port, path, timeout=5.0, method="GET", headers=None):
    """(status, body) of a request on loopback; refused connections raise OSError."""
    request = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path), method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def metric(body, name, **labels):
    """The sum of the samples of a Prometheus metric that carry these labels; None if there is none."""
    total = None
    for line in body.splitlines():
        m = re.match(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)", line)
        if m and m.group(1) == name:
            have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m.group(2) or ""))
            if all(have.get(k) == v for k, v in labels.items()):
                total = (total or 0) + float(m.group(3))
    return total


# --- Redis --------------------------------------------------------------------------------------


class Redis(Process):
    """redis-server with an append-only file that is synced at every write."""

    def __init__(self, scope, name="redis", options=()):
        self.port = free_port()
        argv = [program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", scope.folder,
                "--appendonly", "yes", "--appendfsync", "always", "--appenddirname", name + "-aof",
                "--dbfilename", name + ".rdb", "--save", "", "--rdbcompression", "no",
                "--maxmemory-policy", "noeviction", "--daemonize", "no", *options]
        super().__init__(scope, name, argv)
        self.url = "redis://127.0.0.1:%d/0" % self.port

    def start(self):
        super().start()
        eventually(lambda: self.running() and self.command("PING") == b"PONG", 20, "redis-server answers")
        return self

    def restart(self):
        """As after a power cut: SIGKILL, then a start on the append-only file."""
        self.kill()
        return self.start()

    def kick_pubsub(self):
        return self.command("CLIENT", "KILL", "TYPE", "pubsub")

    def command(self, *words, timeout=5.0):
        """One command on a fresh connection; error replies raise AssertionError."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sock:
            out = b"*%d\r\n" % len(words)
            for w in words:
                w = w if isinstance(w, bytes) else str(w).encode()
                out += b"$%d\r\n%s\r\n" % (len(w), w)
            sock.sendall(out)
            return self.reply(sock.makefile("rb"))

    def reply(self, stream):
        line = stream.readline()
        assert line.endswith(b"\r\n"), "redis closed the connection"
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise AssertionError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
        return None if rest == b"-1" else [self.reply(stream) for _ in range(int(rest))]


# --- broker -------------------------------------------------------------------------------------


class Broker(Process):
    """One flotilla-broker; `redis` None means the memory store.

    config: merged over the defaults, top-level key by key. lease shortens what fleet tests wait for.
    """

    def __init__(self, scope, name="broker", redis=None, config=None, lease="2s", beat="400ms"):
        self.port, self.admin_port, self.redis = free_port(), free_port(), redis
        self.address = ("127.0.0.1", self.port)
        self.config = {
            "listeners": [{"bind": "127.0.0.1:%d" % self.port, "protocol": "mqtt", "proxy_protocol": "accept",
                           "trusted_proxies": ["127.0.0.0/8"]}],
            "auth": {"anonymous": True},
            "admin": {"bind": "127.0.0.1:%d" % self.admin_port},
            "log": {"level": os.environ.get("FLOTILLA_TEST_LOG", "info"), "format": "text"},
        }
        if redis is not None:
            self.config["redis"] = {"url": redis.url}
            self.config["fleet"] = {"lease": lease, "beat_interval": beat}
        self.config.update(config or {})
        if STANDIN_BROKER:
            argv = [program("mosquitto"), "-c", self.write_mosquitto(scope, name, [self.port])]
        else:
            path = scope.write(name + ".yaml", dump(self.config))
            argv = [binary("FLOTILLA_BROKER", "broker", "flotilla-broker"), "--config", path]
        super().__init__(scope, name, argv)

    def write_mosquitto(self, scope, name, ports):
        lines = ["per_listener_settings false", "allow_anonymous %s" % str(self.config["auth"]["anonymous"]).lower(),
                 "max_queued_messages 0", "max_inflight_messages 2000", "persistence false", "user root"]
        for key, option in (("password_file", "password_file"), ("acl_file", "acl_file")):
            if key in self.config["auth"]:
                lines.append("%s %s" % (option, self.config["auth"][key]))
        lines += ["listener %d 127.0.0.1" % p for p in ports]
        return scope.write(name + ".conf", "\n".join(lines) + "\n")

    def reconfigure(self, **changes):
        self.config.update(changes)
        self.scope.write(self.name + ".yaml", dump(self.config))

    def start(self, wait=True):
        super().start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=20.0):
        try:
            eventually(lambda: not self.running() or self.ready(), timeout, "%s is ready" % self.name)
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (e, self.log_tail(40))) from None
        self.assert_running()
        return self

    def ready(self):
        if STANDIN_BROKER:
            socket.create_connection(self.address, timeout=1).close()
            return True
        try:
            return http(self.admin_port, "/readyz")[0] == 200
        except OSError:
            return False  # it doesn't listen yet

    def readyz(self):
        return http(self.admin_port, "/readyz")[0]

    def metrics(self):
        return http(self.admin_port, "/metrics")[1]

    def connect(self, client_id="", **fields):
        return mqtt_raw.Client.connected(self.address, client_id, **fields)

    def open(self, **fields):
        return mqtt_raw.Client(self.address, **fields)


class MosquittoPort:
    """A further listener of a stand-in mosquitto; looks enough like a Broker."""

    def __init__(self, first):
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.first = first

    connect, open, ready = Broker.connect, Broker.open, Broker.ready

    def assert_running(self):
        self.first.assert_running()

    def wait_ready(self):
        return self


# --- certificates -------------------------------------------------------------------------------


class Certificates:
    """A throw-away authority and server certificates, ECDSA P-256."""

    def __init__(self, scope):
        self.folder = scope.path("tls")
        os.makedirs(self.folder, exist_ok=True)
        self.ca = os.path.join(self.folder, "ca.pem")
        if not os.path.exists(self.ca):
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                         "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60)

    def server(self, name, common_name="localhost"):
        """(certificate path, key path) of a new server certificate for localhost."""
        with open(os.path.join(self.folder, name + ".ext"), "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     "/CN=" + common_name, "-keyout", name + ".key", "-out", name + ".csr")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                     "-days", "2", "-extfile", name + ".ext", "-out", name + ".pem")
        return os.path.join(self.folder, name + ".pem"), os.path.join(self.folder, name + ".key")


# --- load balancer ------------------------------------------------------------------------------


class LoadBalancer(Process):
    """flotilla-lb with a plain and a TLS listener before one backend.

    servers: (name, (host, port)) or (name, (host, port), weight). backend, config and tls_settings (of
    the TLS listener): merged over the defaults.
    """

    def __init__(self, scope, servers, name="lb", backend=None, config=None, workers=2, tls_settings=None):
        self.plain_port, self.tls_port, self.admin_port = free_port(), free_port(), free_port()
        self.plain, self.tls = ("127.0.0.1", self.plain_port), ("127.0.0.1", self.tls_port)
        self.certificates = Certificates(scope)
        self.certificate, self.key = self.certificates.server(name + "-server")
        self.context = mqtt_raw.tls_context(self.certificates.ca)
        self.servers = list(servers)
        self.backend = {
            "balance": "leastconn",
            "proxy_protocol": "none" if STANDIN_BROKER else "v2",
            "health_check": {"type": "mqtt", "interval": "500ms", "timeout": "1s", "rise": 1, "fall": 2},
        }
        self.backend.update(backend or {})
        self.extra, self.workers, self.tls_settings = config or {}, workers, tls_settings or {}
        if STANDIN_LB:
            argv = [program("haproxy"), "-db", "-f", self.write_haproxy(scope, name)]
        else:
            argv = [binary("FLOTILLA_LB", "lb", "flotilla-lb"), "--config", scope.path(name + ".yaml")]
        super().__init__(scope, name, argv)
        self.write()

    def settings(self):
        backend = dict(self.backend)
        if self.servers:
            backend["servers"] = [
                dict({"name": s[0], "address": "%s:%d" % s[1]}, **({"weight": s[2]} if len(s) > 2 else {}))
                for s in self.servers]
        config = {
            "workers": self.workers,
            "listeners": [
                {"name": "mqtt", "bind": "127.0.0.1:%d" % self.plain_port, "backend": "brokers"},
                {"name": "mqtts", "bind": "127.0.0.1:%d" % self.tls_port, "backend": "brokers",
                 "tls": {"certificate": self.certificate, "key": self.key, "min_version": "1.2", **self.tls_settings}}],
            "backends": {"brokers": backend},
            "admin": {"bind": "127.0.0.1:%d" % self.admin_port},
            "log": {"level": "info", "format": "text"},
        }
        config.update(self.extra)
        return config

    def write(self):
        self.scope.write(self.name + ".yaml", dump(self.settings()))

    def write_haproxy(self, scope, name):
        with open(scope.path("haproxy.pem"), "w") as f:
            for path in (self.certificate, self.key):
                with open(path) as part:
                    f.write(part.read())
        lines = ["global", " hard-stop-after 1s", "defaults", " mode tcp", " timeout connect 2s",
                 " timeout client 1h", " timeout server 1h", " timeout check 1s",
                 "frontend plain", " bind 127.0.0.1:%d" % self.plain_port, " default_backend brokers",
                 "frontend tls", " bind 127.0.0.1:%d ssl crt %s" % (self.tls_port, scope.path("haproxy.pem")),
                 " default_backend brokers", "backend brokers", " balance leastconn"]
        lines += [" server %s %s:%d check inter 500ms" % (s[0], *s[1]) for s in self.servers]
        return scope.write(name + ".cfg", "\n".join(lines) + "\n")

    def start(self, wait=True):
        super().start()
        if wait:
            self.wait_up({s[0] for s in self.servers})
        return self

    def finish(self):
        if STANDIN_LB:
            self.kill()
        return super().finish()

    def reload(self):
        """SIGHUP with the settings as they are now written; waits until it is in force."""
        self.write()
        before = len(self.log())
        self.signal(1)
        return before

    def server_list(self):
        """The servers of all backends as /api/servers lists them."""
        status, body = http(self.admin_port, "/api/servers")
        assert status == 200, body
        found = json.loads(body)
        if isinstance(found, dict):
            if "servers" in found:
                found = found["servers"]
            else:
                found = [s for b in found.get("backends", []) for s in b["servers"]]
        return found

    def states(self):
        return {s["name"]: s["state"] for s in self.server_list()}

    def connections(self):
        return {s["name"]: s["connections"] for s in self.server_list()}

    def wait_up(self, names, timeout=20.0):
        """Exactly these servers are up."""
        if STANDIN_LB:
            eventually(lambda: socket.create_connection(self.plain, 1).close() is None, timeout, "haproxy listens")
            pace(0.5)
            return

        def all_up():
            self.assert_running()
            return {n for n, state in self.states().items() if state == "up"} == set(names)
        eventually(all_up, timeout, "%s up" % sorted(names))

    def metrics(self):
        return http(self.admin_port, "/metrics")[1]

    def connect(self, client_id="", tls=True, **fields):
        if tls:
            return mqtt_raw.Client.connected(self.tls, client_id, tls=self.context, **fields)
        return mqtt_raw.Client.connected(self.plain, client_id, **fields)


# --- fleet --------------------------------------------------------------------------------------


class Fleet:
    """Redis, n brokers (b0, b1, ...) and, if wanted, the load balancer before them; all ready."""

    def __init__(self, scope, brokers=3, lb=False, broker_config=None, lease="2s", beat="400ms", redis_options=(),
                 lb_backend=None, link=None):
        """link: makes, from Redis' port, what a broker connects to instead (a ChaosProxy); they are in `links`."""
        self.scope, self.redis, self.lb, self.links = scope, None, None, []
        if STANDIN_BROKER:
            first = Broker(scope, "b0")
            self.brokers = [first] + [MosquittoPort(first) for _ in range(brokers - 1)]
            first.write_mosquitto(scope, "b0", [b.port for b in self.brokers])
            first.start()
        else:
            self.redis = Redis(scope, options=redis_options).start()
            self.links = [link(self.redis.port) for _ in range(brokers)] if link else []
            self.brokers = [Broker(scope, "b%d" % i, self.links[i] if link else self.redis, broker_config, lease, beat)
                            for i in range(brokers)]
            for b in self.brokers:
                b.start(wait=False)
            for b in self.brokers:
                b.wait_ready()
        if lb:
            self.lb = LoadBalancer(scope, [("b%d" % i, b.address) for i, b in enumerate(self.brokers)],
                                   backend=lb_backend)
            self.lb.start()

    def __getitem__(self, index):
        return self.brokers[index]

    def __len__(self):
        return len(self.brokers)

    def __iter__(self):
        return iter(self.brokers)
