"""Where the scenarios' clients connect: one broker with the memory store, or three behind the load balancer.

Each place is (TCP, TLS, WebSocket, WebSocket over TLS); TLS always is the load balancer's.
"""
from client_adapter import Place
from harness import free_port
from services import LoadBalancer, Redis
from websocket_broker import WebSocketBroker

TRUSTED = {"proxy_protocol": "accept", "trusted_proxies": ["127.0.0.0/8"], "path": "/mqtt"}


class Balancer(LoadBalancer):
    """With two listeners more, `ws` and `wss`, that lead to the brokers' WebSocket listeners."""

    def __init__(self, scope, brokers):
        super().__init__(scope, [(b.name, b.address) for b in brokers], backend={"balance": "roundrobin"})
        self.ws, self.wss = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        listeners = self.settings()["listeners"]
        for name, address, tls in (("ws", self.ws, None), ("wss", self.wss, dict(listeners[1]["tls"], alpn="http/1.1"))):
            listeners.append(dict({"name": name, "bind": "%s:%d" % address, "backend": "websocket"},
                                  **({"tls": tls} if tls else {})))
        servers = [{"name": b.name, "address": "%s:%d" % b.websocket} for b in brokers]
        check = {"type": "tcp", "interval": "500ms", "timeout": "1s", "rise": 1, "fall": 2}
        self.extra = {"listeners": listeners, "backends": {
            "brokers": self.settings()["backends"]["brokers"],
            "websocket": dict(self.backend, servers=servers, health_check=check)}}
        self.write()

    def places(self):
        ca = self.certificates.ca
        return {"tcp": Place(self.plain), "tls": Place(self.tls, ca), "ws": Place(self.ws, path="/mqtt"),
                "wss": Place(self.wss, ca, "/mqtt")}


class OneBroker:
    @staticmethod
    def build(holder):
        broker = WebSocketBroker(holder.scope, **TRUSTED).start()
        holder.brokers = [broker]
        holder.places = Balancer(holder.scope, holder.brokers).start().places()
        holder.places.update(tcp=Place(broker.address), ws=Place(broker.websocket, path="/mqtt"))


class ThreeBrokers:
    """In turn, so that whoever connects next is at another broker.

    The consistency is strict, or QoS 0 right behind a SUBACK of another broker might be too early.
    """

    @staticmethod
    def build(holder):
        redis = Redis(holder.scope).start()
        config = {"fleet": {"lease": "2s", "beat_interval": "400ms", "consistency": "strict"}}
        holder.brokers = [WebSocketBroker(holder.scope, "b%d" % n, redis, config, **TRUSTED) for n in range(3)]
        for broker in holder.brokers:
            broker.start(wait=False)
        for broker in holder.brokers:
            broker.wait_ready()
        holder.places = Balancer(holder.scope, holder.brokers).start().places()
