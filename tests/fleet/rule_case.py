"""What the tests of the rules share: two brokers, the first one's way to Redis through a proxy."""
from chaos import ChaosProxy
from services import Broker, Redis

LEASE = 2.0


class RuleCase:
    """Two brokers `a` and `b`; the way of `a` to Redis leads through `proxy`."""

    @staticmethod
    def build(holder):
        scope = holder.scope
        holder.redis = Redis(scope).start()
        holder.proxy = ChaosProxy(holder.redis.port)
        scope.cleanups.append(holder.proxy.close)
        holder.a = Broker(scope, "a", holder.proxy)
        holder.b = Broker(scope, "b", holder.redis)
        holder.a.start(wait=False)
        holder.b.start(wait=False)
        holder.a.wait_ready()
        holder.b.wait_ready()

    def connect(self, broker, name=None, **fields):
        client = broker.connect(name or self.unique("c"), **fields)
        self.addCleanup(client.close)
        return client

    def tearDown(self):
        self.proxy.release()
        super().tearDown()

    def assert_quiet(self, client, broker=None):
        topic = self.unique("quiet/")
        client.subscribe((topic, 1))
        self.connect(broker or self.b).publish(topic, "now", 1)
        client.expect_message(topic, "now", 1)
