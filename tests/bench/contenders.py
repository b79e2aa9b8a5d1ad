"""The contenders of the bench, each with the settings that suit it best: one worker or thread, no logs, no $SYS
messages, room for the connections and queues of the cases."""

import time
import urllib.request
from pathlib import Path

from peers import find_all, nginx_stream_module, wanted
from servers import Certificates, Server, free_port, wait_for_child

CONNECTIONS = 19000


def wait_for_nodes(admin_port, count, deadline_s=15):
    """Until the broker of that admin port is ready and has seen all of the fleet."""
    wanted = {f"flotilla_fleet_nodes {count}", "flotilla_fleet_ready 1"}
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/metrics", timeout=5) as metrics:
            if wanted <= set(metrics.read().decode().splitlines()):
                return
        time.sleep(0.02)
    raise RuntimeError(f"not all of {count} broker(s) have seen each other after {deadline_s} s")


class Contenders:
    def __init__(self, build, folder, peers=None, aedes=None, cores=None):
        self.broker = Path(build) / "broker/flotilla-broker"
        self.lb = Path(build) / "lb/flotilla-lb"
        self.certificates = Certificates(folder)
        self.peers = find_all() if peers is None else peers
        self.aedes_folder = aedes
        self.cores, self.other_cores = cores or (None, None)

    def single(self, name):
        """One measured process, on a core of its own."""
        return Server(name, self.cores, self.other_cores)

    def path(self, peer):
        return wanted(self.peers, peer).path

    # ---- brokers

    def broker_config(self, server, port, redis=None, admin=None, gather=True, protocol="mqtt", strategy="round_robin"):
        text = (f"listeners:\n  - {{ bind: 127.0.0.1:{port}, protocol: {protocol} }}\n"
                f"shared: {{ strategy: {strategy} }}\n"
                "auth: { anonymous: true }\nlog: { level: warn }\nsys_interval: 0\n"
                f"limits: {{ max_connections: {CONNECTIONS}, max_subscriptions: 1000000, max_plus_subscriptions: 1000000, max_subscription_bytes: 1G }}\n"
                f"gather: {str(gather).lower()}\n")
        if redis:
            text += f'redis: {{ url: "redis://127.0.0.1:{redis}/0" }}\nadmin: {{ bind: 127.0.0.1:{admin} }}\n'
        return server.file(f"broker{port}.yaml", text)

    def flotilla(self, gather=True, protocol="mqtt", strategy="round_robin"):
        server, port = self.single("flotilla"), free_port()
        config = self.broker_config(server, port, gather=gather, protocol=protocol, strategy=strategy)
        server.spawn([self.broker, "--config", config], port)
        server.targets = [port]
        return server

    def mosquitto(self, protocol="mqtt"):
        server, port = self.single("mosquitto"), free_port()
        config = server.file("m.conf", f"listener {port} 127.0.0.1\nprotocol {'websockets' if protocol == 'websocket' else protocol}\n"
                             "allow_anonymous true\nset_tcp_nodelay true\n"
                             "max_inflight_messages 1000\nmax_queued_messages 1000000\nsys_interval 0\n"
                             "persistence false\nlog_type error\n")
        server.spawn([self.path("mosquitto"), "-c", config], port)
        server.targets = [port]
        return server

    def flashmq(self, protocol="mqtt"):
        server, port = self.single("flashmq"), free_port()
        config = server.file("f.conf", "allow_anonymous true\nthread_count 1\nlog_level none\n"
                             "max_qos_msg_pending_per_client 65535\nmax_qos_bytes_pending_per_client 268435456\n"
                             "client_max_write_buffer_size 16777216\n"
                             f"listen {{\n  protocol {'websockets' if protocol == 'websocket' else protocol}\n  port {port}\n  inet_protocol ip4\n"
                             "  inet4_bind_address 127.0.0.1\n  tcp_nodelay true\n}\n")
        server.spawn([self.path("flashmq"), "--config-file", config], port)
        server.targets = [port]
        return server

    def redis(self, server):
        port = free_port()
        server.spawn([self.path("redis"), "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                      "--dir", server.folder], port, "redis")
        return port

    def fleet(self, count, strategy="round_robin"):
        server = Server(f"flotilla x{count}")
        redis = self.redis(server)
        admins = []
        for _ in range(count):
            port, admin = free_port(), free_port()
            config = self.broker_config(server, port, redis, admin, strategy=strategy)
            server.spawn([self.broker, "--config", config], port, "broker")
            server.targets.append(port)
            admins.append(admin)
        for admin in admins:
            wait_for_nodes(admin, count)
        return server

    def aedes(self, count):
        server = Server(f"aedes x{count}")
        redis = self.redis(server)
        script = Path(__file__).with_name("aedes_broker.cjs")
        for _ in range(count):
            port = free_port()
            server.spawn(["node", script, self.aedes_folder, port, redis], port, "broker")
            server.targets.append(port)
        return server

    # ---- balancers, each before one flotilla-broker that isn't measured

    def behind(self, server):
        port = free_port()
        server.spawn([self.broker, "--config", self.broker_config(server, port)], port, measured=False)
        return port

    def flotilla_lb(self, tls=False, gather=True):
        server = self.single("flotilla-lb")
        back, port = self.behind(server), free_port()
        tls_key = (f"    tls: {{ certificate: {self.certificates.pem}, key: {self.certificates.key} }}\n" if tls else "")
        config = server.file("lb.yaml", f"workers: 1\ngather: {str(gather).lower()}\nlisteners:\n  - name: in\n    bind: 127.0.0.1:{port}\n"
                             f"    backend: brokers\n{tls_key}"
                             "backends:\n  brokers:\n    balance: leastconn\n    proxy_protocol: none\n"
                             "    health_check: { type: tcp }\n    servers:\n"
                             f"      - {{ name: b, address: 127.0.0.1:{back} }}\n"
                             f"admin: {{ bind: 127.0.0.1:{free_port()} }}\nlog: {{ level: warn }}\n")
        server.spawn([self.lb, "--config", config], port)
        server.targets = [port]
        return server

    def haproxy(self, tls=False, splice=False):
        """Its splicing needs two more pipes a flow, so fewer flows."""
        server = self.single("haproxy-splice" if splice else "haproxy")
        back, port = self.behind(server), free_port()
        bind = f"bind 127.0.0.1:{port}" + (f" ssl crt {self.certificates.both}" if tls else "")
        config = server.file("h.cfg", f"global\n  nbthread 1\n  maxconn {4500 if splice else 9400}\n"
                             "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
                             "  option tcp-smart-accept\n  option tcp-smart-connect\n"
                             + ("  option splice-request\n  option splice-response\n" if splice else "") +
                             f"frontend f\n  {bind}\n  default_backend b\n"
                             f"backend b\n  balance leastconn\n  server s 127.0.0.1:{back} check inter 2s\n")
        server.spawn([self.path("haproxy"), "-db", "-f", config], port)
        server.targets = [port]
        return server

    def nginx(self, tls=False):
        """Its buffers of 16 kB are the best for bulk, too: with 64 kB it costs half as much again."""
        server = self.single("nginx-stream")
        back, port = self.behind(server), free_port()
        ssl = (f"ssl_certificate {self.certificates.pem}; ssl_certificate_key {self.certificates.key}; "
               "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets on; "
               "ssl_session_timeout 1h; ssl_conf_command NumTickets 1;" if tls else "")
        config = server.file("n.conf", nginx_stream_module(wanted(self.peers, "nginx")) + "worker_processes 1;\ndaemon off;\n"
                             f"pid {server.folder}/n.pid;\nerror_log stderr error;\n"
                             f"worker_rlimit_nofile {CONNECTIONS};\n"
                             f"events {{ worker_connections {CONNECTIONS}; multi_accept on; }}\n"
                             f"stream {{ server {{ listen 127.0.0.1:{port}{' ssl' if tls else ''}; {ssl} tcp_nodelay on; "
                             f"proxy_timeout 1h; proxy_pass 127.0.0.1:{back}; }} }}\n")
        wait_for_child(server.spawn([self.path("nginx"), "-c", config], port))
        server.targets = [port]
        return server
