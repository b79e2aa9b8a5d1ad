"""The three ways in which conformance is tested (test_conformance*.py)."""
import harness
import mqtt_raw
from harness import eventually
from services import Broker, Fleet, Redis


class Memory:
    """One broker with the memory store."""

    shared = True

    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope, config=holder.broker_config(holder.scope)).start()


class OnRedis:
    """One broker that keeps its state in Redis."""

    shared = True

    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.broker = Broker(holder.scope, redis=holder.redis, config=holder.broker_config(holder.scope)).start()


class InTurn:
    """Three brokers behind the load balancer, in turn: a client's neighbour, and its next connection, are elsewhere.

    The consistency is strict, or QoS 0 right behind a SUBACK of another broker might be too early.
    """

    shared = True

    @staticmethod
    def build(holder):
        config = {"fleet": {"lease": "2s", "beat_interval": "400ms", "consistency": "strict"}}
        config.update(holder.broker_config(holder.scope) or {})
        holder.fleet = Fleet(holder.scope, brokers=3, lb=True, broker_config=config, lb_backend={"balance": "roundrobin"})
        holder.broker = ManyBrokers(holder.fleet)


class ManyBrokers:
    """What looks like one broker to the tests."""

    def __init__(self, fleet):
        self.fleet, self.address = fleet, fleet.lb.plain

    def connect(self, client_id="", **fields):
        return mqtt_raw.Client.connected(self.address, client_id, **fields)

    def open(self, **fields):
        return mqtt_raw.Client(self.address, **fields)

    def wait_log(self, pattern, timeout=20.0):
        return eventually(lambda: any(harness.re.search(pattern, b.log(), harness.re.M) for b in self.fleet), timeout,
                          "a broker logs /%s/" % pattern)
