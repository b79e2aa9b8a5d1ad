"""Bad input against a broker that keeps its state in Redis."""
import harness
from services import Broker, Redis
from storm import ASAN, GROWTH_KB, Control, Storm, malformed


class WithRedis(harness.FleetTest):
    def test_5000_malformed_packets(self):
        redis = Redis(self.scope).start()
        broker = Broker(self.scope, redis=redis)
        broker.env.update(ASAN)
        broker.start()
        control = Control(broker)
        self.addCleanup(control.close)
        Storm(broker.address, malformed(1000, 4)).run()
        memory = broker.memory_kb()
        Storm(broker.address, malformed(4000, 5)).run(every=control.check, step=1000)
        control.check()
        self.assertLess(broker.memory_kb() - memory, GROWTH_KB)


if __name__ == "__main__":
    harness.main()
