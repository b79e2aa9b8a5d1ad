"""Conformance, MQTT 5.0: over WebSocket (chapter 6); what else there is to WebSocket is in test_websocket.py."""
import mqtt5_raw as m5
import mqtt_raw as m
import websocket_raw as w
from conformance5_base import Conformance5


class WebSocketTests(Conformance5):
    def open(self, **options):
        """An upgraded connection."""
        client = type("WebSocket", (w.WebSocket,), {"options": options, "make_packet": m5.Packet})(self.broker.websocket)
        self.addCleanup(client.close)
        return client

    def test_packets_are_in_binary_frames(self):
        client = self.open()
        client.send(m5.connect(self.unique("ws")))
        client.expect(m.CONNACK, reason=0)  # the client fails at any other frame of the broker
        client.send_raw(w.frame(w.TEXT, m.PINGREQ_BYTES))
        self.proves("MQTT-6.0.0-1")
        client.expect_end(1003)

    def test_packets_and_frames_begin_anywhere(self):
        client, topic = self.open(), self.unique("ws/")
        talk = m5.connect(self.unique("ws")) + m5.subscribe(1, (topic, 0)) + m5.publish(topic, "x") + m.PINGREQ_BYTES
        for at in range(0, len(talk), 5):
            client.send(talk[at:at + 5])
        self.proves("MQTT-6.0.0-2")
        self.assertEqual([client.recv().kind for _ in range(4)], [m.CONNACK, m.SUBACK, m.PUBLISH, m.PINGRESP])

    def test_a_client_offers_mqtt(self):
        for protocols in (None, "chat"):
            client = m.Client(self.broker.websocket)
            self.addCleanup(client.close)
            client.send(w.request(protocols=protocols))
            self.proves("MQTT-6.0.0-3")
            self.assertEqual(w.read_head(client)[0], 400)

    def test_mqtt_is_chosen(self):
        for protocols in ("mqtt", "chat, mqtt"):
            self.proves("MQTT-6.0.0-4")
            self.assertEqual(self.open(protocols=protocols).fields["sec-websocket-protocol"], "mqtt")
