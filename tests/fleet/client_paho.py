"""Paho's Python client for the scenarios. It comes with the tests (python3-paho-mqtt), so it is always there."""
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from client_adapter import Adapter, Message, Session
from foreign import Paho

NAMES = {"response_topic": "ResponseTopic", "correlation": "CorrelationData", "content_type": "ContentType",
         "user": "UserProperty"}


def to_paho(properties):
    made = Properties(PacketTypes.PUBLISH)
    for name, value in properties.items():
        for one in value if name == "user" else [value]:
            setattr(made, NAMES[name], tuple(one) if name == "user" else one.encode() if name == "correlation" else one)
    return made


def from_paho(made):
    found = {name: getattr(made, theirs) for name, theirs in NAMES.items() if hasattr(made, theirs)}
    if "correlation" in found:
        found["correlation"] = found["correlation"].decode()
    if "user" in found:
        found["user"] = [list(pair) for pair in found["user"]]
    return found


class PahoSession(Session):
    def __init__(self, place, version, filters, client_id, clean, expiry, will):
        super().__init__()
        self.version = version
        self.paho = Paho(place.address, client_id, clean, place.ca, {3: paho.MQTTv31, 4: paho.MQTTv311, 5: paho.MQTTv5}[version],
                         websocket=place.path, expiry=expiry, will=will, verify=True, listener=self.take)
        self.present = bool(self.paho.connects[0][1]["session present"])
        for topic_filter, qos in filters:
            self.paho.subscribe(topic_filter, qos)

    def take(self, message):
        properties = from_paho(message.properties) if self.version == 5 else {}
        self.note(Message(message.topic, message.payload.decode(), message.qos, bool(message.retain), properties))

    def publish(self, topic, payload, qos=0, retain=False, **properties):
        self.publish_all(topic, [payload], qos, retain, properties)

    def publish_all(self, topic, payloads, qos, retain=False, properties=None):
        mids = {self.paho.publish(topic, p, qos, retain, to_paho(properties) if properties else None) for p in payloads}
        self.paho.wait(lambda: mids <= self.paho.acked, "acknowledgements")

    def close(self):
        if not self.closed:
            self.closed = True
            self.paho.close()

    def cut(self):
        self.closed = True
        self.paho.cut()


class PahoPython(Adapter):
    def connect(self, place, version, filters, client_id, clean=True, expiry=0, will=None):
        return PahoSession(place, version, filters, client_id, clean, expiry, will)
