"""Clients that aren't ours: mosquitto_pub, mosquitto_sub and paho."""
import subprocess
import threading
import time

import paho.mqtt.client as paho

from services import program


def tls_options(lb):
    return ["--cafile", lb.certificates.ca, "--insecure"]


def mosquitto_pub(address, *options, lines=None, timeout=60):
    """Runs mosquitto_pub; `lines` go to its standard input with -l."""
    argv = [program("mosquitto_pub"), "-h", address[0], "-p", str(address[1]), *options]
    if lines is not None:
        argv.append("-l")
    done = subprocess.run(argv, input=None if lines is None else "".join(l + "\n" for l in lines), text=True,
                          capture_output=True, timeout=timeout)
    if done.returncode != 0:
        raise AssertionError("mosquitto_pub failed (%d): %s" % (done.returncode, done.stderr))


class MosquittoSub:
    """A running mosquitto_sub that prints "<qos> <retain> <topic> <payload>" for each message."""

    def __init__(self, address, *options):
        self.lines, self.errors = [], []
        self.changed = threading.Condition()
        self.subscribed = threading.Event()
        argv = ["stdbuf", "-oL", program("mosquitto_sub"), "-h", address[0], "-p", str(address[1]), "-d", "-F",
                "MSG %q %r %t %p", *options]
        self.popen = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.popen.stdout:
            line = line.rstrip("\n")
            with self.changed:
                if line.startswith("MSG "):
                    self.lines.append(line[4:])
                else:
                    self.errors.append(line)
                    if line.startswith("Subscribed"):
                        self.subscribed.set()
                self.changed.notify_all()

    def wait_subscribed(self, timeout=15):
        if not self.subscribed.wait(timeout):
            raise AssertionError("mosquitto_sub did not subscribe: %s" % self.errors[-5:])
        return self

    def wait(self, count, timeout=60):
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(self.lines) < count:
                left = deadline - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise AssertionError("mosquitto_sub got %d of %d messages; %s" % (
                        len(self.lines), count, self.errors[-3:]))
            return list(self.lines)

    def close(self):
        self.popen.terminate()
        self.popen.wait(10)
        self.thread.join(10)
        self.popen.stdout.close()


class Paho:
    """paho's client with its own network thread and plain waiting."""

    def __init__(self, address, client_id="", clean=True, tls_ca=None, protocol=paho.MQTTv311):
        self.messages, self.changed = [], threading.Condition()
        self.connects, self.disconnects, self.subscribed, self.acked = [], [], set(), set()
        self.client = paho.Client(client_id, clean_session=clean, protocol=protocol)
        self.client.reconnect_delay_set(1, 2)
        self.client.max_inflight_messages_set(100)
        self.client.max_queued_messages_set(0)
        if tls_ca:
            self.client.tls_set(tls_ca)
            self.client.tls_insecure_set(True)
        self.client.on_connect = lambda _c, _u, flags, rc: self.note(self.connects.append, (rc, flags))
        self.client.on_disconnect = lambda _c, _u, rc: self.note(self.disconnects.append, rc)
        self.client.on_message = lambda _c, _u, m: self.note(self.messages.append, m)
        self.client.on_subscribe = lambda _c, _u, mid, _q: self.note(self.subscribed.add, mid)
        self.client.on_publish = lambda _c, _u, mid: self.note(self.acked.add, mid)
        self.client.connect(*address, keepalive=30)
        self.client.loop_start()
        self.wait(lambda: self.connects, "CONNACK")

    def note(self, record, value):
        with self.changed:
            record(value)
            self.changed.notify_all()

    def wait(self, condition, what, timeout=60):
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise AssertionError("paho waited in vain for %s (%d messages)" % (what, len(self.messages)))

    def subscribe(self, topic, qos=0):
        _, mid = self.client.subscribe(topic, qos)
        self.wait(lambda: mid in self.subscribed, "SUBACK")

    def publish(self, topic, payload, qos=0, retain=False):
        return self.client.publish(topic, payload, qos, retain).mid

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
