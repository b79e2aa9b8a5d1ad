"""SIGTERM to a broker: readiness goes red, clients leave at a pace, nothing durable is lost, exit 0."""
import signal

import harness
from services import Broker

DRAIN = {"drain_timeout": "4s"}


class DrainAlone(harness.FleetTest):
    def test_memory_store(self):
        broker = Broker(self.scope, config=DRAIN).start()
        clients = [broker.connect("c%d" % n) for n in range(20)]
        broker.signal(signal.SIGTERM)
        for c in clients:
            c.drain_until_closed()
        broker.wait(10)

    def test_sigint_does_the_same(self):
        broker = Broker(self.scope, config=DRAIN).start()
        broker.signal(signal.SIGINT)
        broker.wait(10)


if __name__ == "__main__":
    harness.main()
