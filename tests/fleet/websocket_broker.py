"""A flotilla-broker with a listener for MQTT and one for WebSocket."""
import websocket_raw as w
from harness import free_port
from services import Broker


class WebSocketBroker(Broker):
    """`websocket` is the address of the WebSocket listener; `listener` says more about that one."""

    def __init__(self, scope, name="broker", redis=None, config=None, **listener):
        super().__init__(scope, name, redis, config)
        self.websocket = ("127.0.0.1", free_port())
        self.reconfigure(listeners=self.config["listeners"] + [
            dict({"bind": "127.0.0.1:%d" % self.websocket[1], "protocol": "websocket"}, **listener)])


class OnlyWebSocket(WebSocketBroker):
    """The same for tests that know nothing of WebSocket: all of their clients come by it."""

    def connect(self, client_id="", **fields):
        return w.WebSocket.connected(self.websocket, client_id, **fields)

    def open(self, **fields):
        return w.WebSocket(self.websocket, **fields)
