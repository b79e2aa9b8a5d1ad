"""Configurations as users of Mosquitto have them, through --convert: every line is in the YAML or in a comment, and what
comes out passes --check and serves."""
import os
import re
import subprocess

import harness
import mqtt_raw as m
import passwords
from harness import Process, binary, eventually, free_port
from services import STANDIN_BROKER, Certificates

# (name, text, lines without an equal here). {…}: files and ports of the test. TLS and persistence may come with a later
# version, so their lines count as either.
FIELD = [
    ("one line for a test bench", "listener {port}\nallow_anonymous true\n", []),
    ("only this machine", "# nothing but comments\n", []),
    ("Debian's file as it is installed", """# Place your local configuration in /etc/mosquitto/conf.d/
pid_file /run/mosquitto/mosquitto.pid

persistence true
persistence_location {folder}/

log_dest file /var/log/mosquitto/mosquitto.log

include_dir /etc/mosquitto/conf.d
""", [2, 7, 9]),
    ("home automation", """per_listener_settings false
allow_anonymous false
password_file {passwd}
listener {port}
persistence true
persistence_location {folder}
log_dest stdout
""", [1, 7]),
    ("a greenhouse with rules", """listener {port} 127.0.0.1
allow_anonymous false
password_file {passwd}
acl_file {acl}
connection_messages true
log_type error
log_type warning
log_type notice
""", []),
    ("TLS beside plain", """listener {port} localhost

listener {tls_port}
certfile {cert}
cafile {ca}
keyfile {key}
tls_version tlsv1.2

allow_anonymous true
""", [5]),
    ("machines with certificates", """listener {tls_port}
cafile {ca}
certfile {cert}
keyfile {key}
require_certificate true
use_identity_as_username true
allow_anonymous false
password_file {passwd}
""", [6]),
    ("a web page's chart", """listener {port}
protocol mqtt

listener {web_port}
protocol websockets
allow_anonymous true
""", []),
    ("web sockets with certificates from a public authority", """allow_anonymous false
password_file {passwd}
listener {port} localhost
listener {tls_port}
certfile {cert}
cafile {ca}
keyfile {key}
listener {web_port}
protocol websockets
certfile {cert}
cafile {ca}
keyfile {key}
""", [6, 11]),
    ("a bridge to a cloud", """listener {port}
allow_anonymous true

connection to-the-cloud
address mqtt.example.com:8883
topic sensors/# out 1 site7/ fleet/
topic commands/# in 1
remote_username site7
remote_password do-not-show
bridge_cafile /etc/ssl/certs/ca-certificates.crt
cleansession false
notifications false
start_type automatic
keepalive_interval 30
try_private false
""", list(range(4, 16))),
    ("a small board with little memory", """port {port}
max_connections 50
max_inflight_messages 10
max_queued_messages 100
message_size_limit 4096
memory_limit 80000000
persistence false
allow_anonymous true
""", [7]),
    ("a big site", """listener {port}
max_connections -1
max_inflight_messages 1000
max_queued_messages 50000
max_queued_bytes 104857600
max_packet_size 1048576
max_keepalive 300
persistent_client_expiration 14d
set_tcp_nodelay true
sys_interval 60
allow_anonymous true
""", [2, 9]),
    ("a database asked by a plugin", """listener {port}
auth_plugin /usr/lib/mosquitto/go-auth.so
auth_opt_backends postgres
auth_opt_pg_host db.internal
auth_opt_pg_password do-not-show
allow_anonymous false
""", [2, 3, 4, 5]),
    ("dynamic security", """listener {port}
plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so
plugin_opt_config_file /var/lib/mosquitto/dynamic-security.json
per_listener_settings false
allow_anonymous false
""", [2, 3, 4]),
    ("an old file of version 1.4", """user mosquitto
port {port}
bind_address 127.0.0.1
autosave_interval 1800
persistence_file mosquitto.db
retry_interval 20
allow_anonymous true
clientid_prefixes dev-
""", [1, 4, 5, 6]),
    ("tenants behind mount points", """per_listener_settings true
listener {port}
mount_point tenant-a/
password_file {passwd}
acl_file {acl}
listener {other_port}
mount_point tenant-b/
allow_anonymous true
""", [1, 3, 7]),
    ("pre-shared keys", """listener {port}
psk_hint site
psk_file /etc/mosquitto/psk
use_identity_as_username true
allow_anonymous false
""", [2, 3, 4]),
    ("a local socket for services", """listener 0 /run/mosquitto/mosquitto.sock
listener {port} 127.0.0.1
allow_anonymous true
log_timestamp_format %Y-%m-%dT%H:%M:%S
log_facility 5
""", [1, 4, 5]),
    ("5.0 with limits", """listener {port}
max_qos 1
max_topic_alias 20
retain_available false
allow_zero_length_clientid true
auto_id_prefix gen-
upgrade_outgoing_qos false
queue_qos0_messages true
allow_duplicate_messages false
check_retain_source true
allow_anonymous true
""", [6, 7, 8, 9, 10]),
    ("written on Windows, with a slip", "listener {port}\r\nallow_anonymous true\r\nlog_dest stderr\r\n"
     "persistance true\r\nmax_qos 5\r\nsocket_domain ipv4\r\n", [3, 4, 5]),
    ("two families, one of them alone", """listener {port} 0.0.0.0
listener {other_port}
socket_domain ipv6
allow_anonymous true
bind_interface eth0
""", [5]),
]


class Convert(harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.program = binary("FLOTILLA_BROKER", "broker", "flotilla-broker")
        certificates = Certificates(holder.scope)
        cert, key = certificates.server("server")
        holder.names = {
            "passwd": holder.scope.write("passwd", passwords.line("ann", "right")),
            "acl": holder.scope.write("acl", "topic read public/#\nuser ann\ntopic readwrite #\n"),
            "folder": holder.scope.folder, "ca": certificates.ca, "cert": cert, "key": key}

    def run_broker(self, *arguments):
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=60)

    def convert(self, text):
        ports = {name: free_port() for name in ("port", "other_port", "tls_port", "web_port")}
        text = text.format(**ports, **self.names)
        done = self.run_broker("--convert", self.scope.write("mosquitto.conf", text))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return ports, text, done.stdout

    @staticmethod
    def remarks(yaml):
        """Line number -> what is said of it."""
        return {int(number): said for number, said in re.findall(r"^#   line (\d+): (.*)$", yaml, re.M)}

    def pending(self, yaml):
        """Lines about what a later version may have."""
        return {number for number, said in self.remarks(yaml).items() if "none yet" in said}

    def test_every_line_is_there_or_named(self):
        self.assertGreaterEqual(len(FIELD), 20)
        for name, text, without in FIELD:
            with self.subTest(name):
                _, text, yaml = self.convert(text)
                later = self.pending(yaml)
                self.assertEqual(set(self.remarks(yaml)) - later, set(without) - later, yaml)
                self.assertNotIn("do-not-show", yaml)

    def test_what_comes_out_is_valid(self):
        for name, text, _ in FIELD:
            with self.subTest(name):
                _, text, yaml = self.convert(text)
                if self.pending(yaml) and ("certfile" in text or "require_certificate" in text):
                    continue  # a part of its TLS is missing
                done = self.run_broker("--check", "--config", self.scope.write("converted.yaml", yaml))
                self.assertEqual(done.returncode, 0, done.stderr + yaml)

    @harness.unittest.skipIf(STANDIN_BROKER, "a configuration of our own")
    def test_and_serves(self):
        ports, _, yaml = self.convert(dict((name, text) for name, text, _ in FIELD)["a greenhouse with rules"])
        broker = Process(self.scope, "converted", [self.program, "--config", self.scope.write("serves.yaml", yaml)]).start()
        address = ("127.0.0.1", ports["port"])
        eventually(lambda: m.Client(address).close() or True, 20, "it listens")
        with m.Client(address) as client:
            client.send(m.connect("c", username="ann", password="wrong"))
            self.assertEqual(client.expect(m.CONNACK).return_code, 5)
        with m.Client.connected(address, "c", username="ann", password="right") as client:
            self.assertEqual(client.subscribe(("#", 1)), [1])
            client.send(m.publish("x", "y"))
            client.expect_message("x", "y")
        broker.wait_log(r"client_online client_id=c user=ann peer=127\.0\.0\.1:\d+ version=3\.1\.1 clean=true durable=false")
        broker.wait_log(r"client_closed client_id=c user=ann .*reason=closed_by_peer online_s=\d+")
        broker.term()

    def test_a_file_that_isnt_there(self):
        done = self.run_broker("--convert", os.path.join(self.scope.folder, "nothing.conf"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing.conf: cannot be read", done.stderr)


if __name__ == "__main__":
    harness.main()
