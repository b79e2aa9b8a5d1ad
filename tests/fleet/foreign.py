"""Clients that aren't ours: mosquitto_pub, mosquitto_sub and paho."""
import socket
import subprocess
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from harness import background
from services import program


def tls_options(lb):
    return ["--cafile", lb.certificates.ca, "--insecure"]


def mosquitto_pub(address, *options, lines=None, data=None, timeout=60):
    """Runs mosquitto_pub; `lines` go to its standard input with -l, `data` as one message."""
    argv = [program("mosquitto_pub"), "-h", address[0], "-p", str(address[1]), *options]
    if lines is not None:
        argv.append("-l")
        data = "".join(l + "\n" for l in lines)
    elif data is not None:
        argv.append("-s" if data else "-n")
    done = subprocess.run(argv, input=data, text=True, capture_output=True, timeout=timeout)
    if done.returncode != 0:
        raise AssertionError("mosquitto_pub failed (%d): %s" % (done.returncode, done.stderr))


class MosquittoSub:
    """A running mosquitto_sub that prints "<qos> <retain> <topic> <payload>" for each message."""

    format = "MSG %q %r %t %p"

    def __init__(self, address, *options):
        self.lines, self.errors = [], []
        self.changed = threading.Condition()
        self.subscribed = threading.Event()
        argv = ["stdbuf", "-oL", program("mosquitto_sub"), "-h", address[0], "-p", str(address[1]), "-d", "-F",
                self.format, *options]
        self.popen = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.popen.stdout:
            line = line.rstrip("\n")
            with self.changed:
                if line.startswith("MSG "):
                    self.took(line[4:])
                else:
                    self.errors.append(line)
                    if line.startswith("Subscribed"):
                        self.subscribed.set()
                self.changed.notify_all()

    def took(self, message):
        self.lines.append(message)

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
    """paho's client with its own network thread and plain waiting.

    websocket: the path of a WebSocket listener. expiry: of the session, in MQTT 5.0. will: what the client_adapter's
    Will has. listener: is told each message.
    """

    def __init__(self, address, client_id="", clean=True, tls_ca=None, protocol=paho.MQTTv311, websocket=None, expiry=0,
                 will=None, verify=False, listener=None):
        self.messages, self.changed, self.listener = [], threading.Condition(), listener
        self.connects, self.disconnects, self.subscribed, self.acked = [], [], set(), set()
        self.five = protocol == paho.MQTTv5
        self.client = paho.Client(client_id, clean_session=None if self.five else clean, protocol=protocol,
                                  transport="websockets" if websocket else "tcp")
        self.client.reconnect_delay_set(1, 2)
        self.client.max_inflight_messages_set(100)
        self.client.max_queued_messages_set(0)
        if websocket:
            self.client.ws_set_options(path=websocket)
        if tls_ca:
            self.client.tls_set(tls_ca)
            self.client.tls_insecure_set(not verify)
        if will:
            self.client.will_set(will.topic, will.payload, will.qos, will.retain, self.will_properties(will))
        self.listen()
        if self.five:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry
            self.client.connect(*address, keepalive=30, clean_start=clean, properties=properties)
        else:
            self.client.connect(*address, keepalive=30)
        self.client.loop_start()
        self.wait(lambda: self.connects, "CONNACK")

    def listen(self):
        """MQTT 5.0 only adds arguments, at the end."""
        self.client.on_connect = lambda _c, _u, flags, rc, *_: self.note(self.connects.append, (int(getattr(rc, "value", rc)), flags))
        self.client.on_disconnect = lambda _c, _u, rc, *_: self.note(self.disconnects.append, rc)
        self.client.on_message = lambda _c, _u, m: self.take(m)
        self.client.on_subscribe = lambda _c, _u, mid, *_: self.note(self.subscribed.add, mid)
        self.client.on_publish = lambda _c, _u, mid: self.note(self.acked.add, mid)

    def will_properties(self, will):
        if not self.five:
            return None
        properties = Properties(PacketTypes.WILLMESSAGE)
        properties.WillDelayInterval = will.delay
        return properties

    def take(self, message):
        self.note(self.messages.append, message)
        if self.listener:
            self.listener(message)

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

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        return self.client.publish(topic, payload, qos, retain, properties).mid

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def cut(self):
        """The connection ends without DISCONNECT; it isn't made again."""
        self.client.reconnect_delay_set(1000, 1000)
        self.client.socket().shutdown(socket.SHUT_RDWR)
        background(self.client.loop_stop)
