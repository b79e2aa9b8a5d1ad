"""The contenders of the bench: each starts a service on loopback, and knows its address and processes."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, log, deadline_s=15):
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}:\n{Path(log).read_text()[-2000:]}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {deadline_s} s:\n{Path(log).read_text()[-2000:]}")


class Certificates:
    """One P-256 certificate for localhost, made for this run."""

    def __init__(self, folder):
        self.pem, self.key = Path(folder) / "server.pem", Path(folder) / "server.key"
        self.both = Path(folder) / "both.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.pem], check=True, capture_output=True)
        self.both.write_text(self.pem.read_text() + self.key.read_text())


class Server:
    """A started service. `targets` are its addresses, `pids` the measured processes."""

    def __init__(self, name):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix="flotilla-bench-")
        self.processes, self.measured, self.targets = [], [], []

    def spawn(self, argv, port, measured=True):
        log = os.path.join(self.folder, f"{len(self.processes)}.log")
        with open(log, "w") as out:
            process = subprocess.Popen([str(a) for a in argv], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        wait_for_port(port, process, log)
        if measured:
            self.measured.append(process.pid)
        return process

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        Path(path).write_text(text)
        return path

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        """With children: nginx and haproxy work in those."""
        found = list(self.measured)
        for pid in self.measured:
            try:
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                found += [int(c) for c in children]
            except OSError:
                pass
        return found


class Contenders:
    """Makes the contenders from the programs at hand."""

    def __init__(self, build, folder):
        self.broker = Path(build) / "broker/flotilla-broker"
        self.lb = Path(build) / "lb/flotilla-lb"
        self.certificates = Certificates(folder)
        self.programs = {
            "mosquitto": os.environ.get("PEER_MOSQUITTO", shutil.which("mosquitto") or "/usr/sbin/mosquitto"),
            "haproxy": os.environ.get("PEER_HAPROXY", shutil.which("haproxy") or "/usr/sbin/haproxy"),
            "nginx": shutil.which("nginx") or "/usr/sbin/nginx",
            "flashmq": os.environ.get("PEER_FLASHMQ"),
        }

    # ---- brokers

    def broker_config(self, server, port, redis=None):
        text = (f"listeners:\n  - {{ bind: 127.0.0.1:{port}, protocol: mqtt }}\n"
                "auth: { anonymous: true }\nlog: { level: warn }\n"
                "limits: { max_connections: 19000 }\n")
        if redis:
            text += f'redis: {{ url: "redis://127.0.0.1:{redis}/0" }}\n'
        return server.file(f"broker{port}.yaml", text)

    def flotilla(self):
        server = Server("flotilla")
        port = free_port()
        server.spawn([self.broker, "--config", self.broker_config(server, port)], port)
        server.targets = [port]
        return server

    def mosquitto(self):
        server = Server("mosquitto")
        port = free_port()
        config = server.file("m.conf", f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
                             "max_inflight_messages 1000\nmax_queued_messages 1000000\nlog_type error\n")
        server.spawn([self.programs["mosquitto"], "-c", config], port)
        server.targets = [port]
        return server

    def flashmq(self):
        server = Server("flashmq")
        port = free_port()
        config = server.file("f.conf", f"allow_anonymous true\nthread_count 1\nlog_level error\n"
                             f"listen {{\n  protocol mqtt\n  port {port}\n}}\n")
        server.spawn([self.programs["flashmq"], "--config-file", config], port)
        server.targets = [port]
        return server

    def fleet(self, count):
        server = Server(f"flotilla x{count}")
        redis = free_port()
        server.spawn(["redis-server", "--port", redis, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                      "--dir", server.folder], redis)
        for _ in range(count):
            port = free_port()
            server.spawn([self.broker, "--config", self.broker_config(server, port, redis)], port)
            server.targets.append(port)
        time.sleep(1)  # until each has seen the others
        return server

    # ---- balancers, each before one flotilla-broker that isn't measured

    def behind(self, server):
        port = free_port()
        server.spawn([self.broker, "--config", self.broker_config(server, port)], port, measured=False)
        return port

    def flotilla_lb(self, tls=False):
        server = Server("flotilla-lb")
        back, port = self.behind(server), free_port()
        tls_key = (f"    tls: {{ certificate: {self.certificates.pem}, key: {self.certificates.key} }}\n" if tls else "")
        config = server.file("lb.yaml", f"workers: 1\nlisteners:\n  - name: in\n    bind: 127.0.0.1:{port}\n"
                             f"    backend: brokers\n{tls_key}"
                             "backends:\n  brokers:\n    balance: leastconn\n    proxy_protocol: none\n"
                             "    health_check: { type: tcp }\n    servers:\n"
                             f"      - {{ name: b, address: 127.0.0.1:{back} }}\n"
                             f"admin: {{ bind: 127.0.0.1:{free_port()} }}\nlog: {{ level: warn }}\n")
        server.spawn([self.lb, "--config", config], port)
        server.targets = [port]
        return server

    def haproxy(self, tls=False, splice=False):
        server = Server("haproxy-splice" if splice else "haproxy")
        back, port = self.behind(server), free_port()
        bind = f"bind 127.0.0.1:{port}" + (f" ssl crt {self.certificates.both}" if tls else "")
        config = server.file("h.cfg", f"global\n  nbthread 1\n  maxconn {4500 if splice else 9000}\n  tune.ssl.default-dh-param 2048\n"
                             "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
                             + ("  option splice-auto\n" if splice else "") +
                             f"frontend f\n  {bind}\n  default_backend b\n"
                             f"backend b\n  balance leastconn\n  server s 127.0.0.1:{back} check inter 2s\n")
        server.spawn([self.programs["haproxy"], "-db", "-f", config], port)
        server.targets = [port]
        return server

    def nginx(self, tls=False):
        server = Server("nginx-stream")
        back, port = self.behind(server), free_port()
        ssl = (f"ssl_certificate {self.certificates.pem}; ssl_certificate_key {self.certificates.key}; "
               "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on;" if tls else "")
        module = "/usr/lib/nginx/modules/ngx_stream_module.so"
        load = f"load_module {module};\n" if os.path.exists(module) else ""
        config = server.file("n.conf", load + "worker_processes 1;\ndaemon off;\n"
                             f"pid {server.folder}/n.pid;\nerror_log stderr error;\n"
                             "worker_rlimit_nofile 19000;\nevents { worker_connections 19000; }\n"
                             f"stream {{ server {{ listen 127.0.0.1:{port}{' ssl' if tls else ''}; {ssl} tcp_nodelay on; "
                             f"proxy_timeout 1h; proxy_pass 127.0.0.1:{back}; }} }}\n")
        server.spawn([self.programs["nginx"], "-c", config], port)
        server.targets = [port]
        return server
