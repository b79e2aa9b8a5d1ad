"""MQTT 3.1.1 and 3.1 by the book, over WebSocket."""
import harness
from conformance5_websocket import WebSocketTests as WebSocketTests5
from conformance_connect import ConnectTests
from conformance_malformed import MalformedTests
from conformance_qos import QosTests, SessionTests
from conformance_topics import RetainedTests, SubscriptionTests
from conformance_websocket import WebSocketTests
from conformance_will import WillTests
from websocket_broker import OnlyWebSocket, WebSocketBroker


class InFrames:
    shared = True

    @staticmethod
    def build(holder):
        holder.broker = OnlyWebSocket(holder.scope).start()


class WebSocketConnect(InFrames, ConnectTests, harness.FleetTest):
    pass


class WebSocketMalformed(InFrames, MalformedTests, harness.FleetTest):
    pass


class WebSocketQos(InFrames, QosTests, harness.FleetTest):
    pass


class WebSocketSessions(InFrames, SessionTests, harness.FleetTest):
    pass


class WebSocketSubscriptions(InFrames, SubscriptionTests, harness.FleetTest):
    pass


class WebSocketRetained(InFrames, RetainedTests, harness.FleetTest):
    pass


class WebSocketWills(InFrames, WillTests, harness.FleetTest):
    pass


class TwoListeners:
    shared = True

    @staticmethod
    def build(holder):
        holder.broker = WebSocketBroker(holder.scope).start()


class WebSocketItself(TwoListeners, WebSocketTests, harness.FleetTest):
    pass


class WebSocketItself5(TwoListeners, WebSocketTests5, harness.FleetTest):
    pass


if __name__ == "__main__":
    harness.main()
