"""Connections are cut under the load of durable clients: nothing is lost, QoS 2 is never repeated."""
import random

import harness
import mqtt_raw as m
from chaos import ChaosProxy
from device import Load, StatusWatch
from harness import pace
from services import Broker


class OneBroker(harness.FleetTest):
    """The memory store; the network between the clients and the broker is what fails."""

    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope).start()
        holder.proxy = ChaosProxy(holder.broker.port)
        holder.scope.cleanups.append(holder.proxy.close)

    def test_connections_cut_again_and_again(self):
        address = ("127.0.0.1", self.proxy.port)
        watch = StatusWatch(lambda: m.Client(self.broker.address))
        load = Load(lambda: m.Client(address), rate=60)
        rng = random.Random(1)
        for _ in range(8):
            load.run_for(0.4)
            held = rng.choice([(), ("requests",), ("replies",)])
            if held:  # some packets get lost on the way
                self.proxy.hold(*held)
                pace(0.1)
            self.proxy.cut()
            self.proxy.release()
        load.stop()
        load.verify()
        self.assertGreater(load.losses(), 20)
        watch.verify(load.devices)
        load.finish()
        watch.device.finish()


if __name__ == "__main__":
    harness.main()
