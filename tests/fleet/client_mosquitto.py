"""mosquitto's programs as one client of the scenarios: mosquitto_sub receives, mosquitto_pub publishes, mosquitto_rr asks."""
import shutil
import subprocess
import unittest

from client_adapter import Adapter, Message, Session
from foreign import MosquittoSub, mosquitto_pub
from harness import background
from services import program

VERSIONS = {3: "mqttv31", 4: "mqttv311", 5: "mqttv5"}
# The payload comes last, since it may have anything in it.
FORMAT = "MSG %q %r %t|%R|%D|%C|%P|%p"


def options(place, version):
    return ["-V", VERSIONS[version]] + (["--cafile", place.ca] if place.ca else [])


class Receiving(MosquittoSub):
    """mosquitto_sub that hands its messages to a session, properties included."""

    format = FORMAT

    def __init__(self, session, address, *arguments):
        self.session = session
        super().__init__(address, *arguments)

    def took(self, line):
        head, response_topic, correlation, content_type, user, payload = line.split("|", 5)
        qos, retain, topic = head.split(" ", 2)
        properties = {"response_topic": response_topic, "correlation": correlation, "content_type": content_type,
                      "user": [pair.split(":", 1) for pair in user.split()]}
        self.session.note(Message(topic, payload, int(qos), retain == "1", {k: v for k, v in properties.items() if v}))


class MosquittoSession(Session):
    def __init__(self, place, version, filters, client_id, clean, expiry, will):
        super().__init__()
        self.place, self.version, self.receiving, self.last_words = place, version, None, None
        if not filters:
            return
        arguments = options(place, version) + ["-i", client_id]
        assert len({qos for _, qos in filters}) == 1, "mosquitto_sub has one QoS for all filters"
        for topic_filter, qos in filters:
            arguments += ["-t", topic_filter, "-q", str(qos)]
        if not clean:
            arguments += ["-c"] + (["-x", str(expiry)] if version == 5 else [])
        if will:
            # At SIGTERM mosquitto_sub asks for its will (reason 0x04). It ends without it after so many messages.
            self.last_words = filters[0][0]
            arguments += ["-C", "1"]
            arguments += ["--will-topic", will.topic, "--will-payload", will.payload, "--will-qos", str(will.qos)]
            arguments += ["--will-retain"] if will.retain else []
            arguments += ["-D", "will", "will-delay-interval", str(will.delay)] if will.delay else []
        self.receiving = Receiving(self, place.address, *arguments)
        self.receiving.wait_subscribed()

    def publish(self, topic, payload, qos=0, retain=False, **properties):
        self.run_pub(topic, qos, *(["-r"] if retain else []), *property_options(properties), data=payload)

    def publish_all(self, topic, payloads, qos):
        self.run_pub(topic, qos, lines=payloads)

    def run_pub(self, topic, qos, *arguments, **source):
        mosquitto_pub(self.place.address, *options(self.place, self.version), "-t", topic, "-q", str(qos), *arguments,
                      **source)

    def close(self):
        if self.receiving and self.last_words:
            self.publish(self.last_words, "bye")
            self.receiving.popen.wait(20)
        self.end()

    def cut(self):
        self.receiving.popen.kill()
        self.end()

    def end(self):
        if self.receiving:
            self.receiving.close()
        self.receiving = None


def property_options(properties):
    names = {"response_topic": "response-topic", "correlation": "correlation-data", "content_type": "content-type"}
    found = []
    for name, value in properties.items():
        for words in value if name == "user" else [[value]]:
            found += ["-D", "publish", names.get(name, "user-property"), *words]
    return found


class Mosquitto(Adapter):
    transports = ("tcp", "tls")  # Debian's is built without WebSocket for clients

    def __init__(self):
        for name in ("mosquitto_sub", "mosquitto_pub", "mosquitto_rr"):
            if shutil.which(program(name)) is None:
                raise unittest.SkipTest("needs %s (Debian: mosquitto-clients)" % name)

    def connect(self, place, version, filters, client_id, clean=True, expiry=0, will=None):
        return MosquittoSession(place, version, filters, client_id, clean, expiry, will)

    def request(self, place, version, client_id, topic, reply_topic, payload, correlation):
        correlated = ["-D", "publish", "correlation-data", correlation] if version == 5 else []

        def run():
            done = subprocess.run(
                [program("mosquitto_rr"), "-h", place.address[0], "-p", str(place.address[1]), *options(place, version),
                 "-i", client_id, "-q", "1", "-t", topic, "-e", reply_topic, "-m", payload, "-W", "30", "-F", "%D|%p",
                 *correlated], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, "mosquitto_rr failed (%d): %s" % (done.returncode, done.stderr)
            found, answer = done.stdout.rstrip("\n").split("|", 1)
            return answer, found or None
        return background(run)
