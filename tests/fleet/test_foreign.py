"""mosquitto's and paho's clients with one broker on the memory store, through the load balancer's TLS port."""
import harness
from foreign_case import ForeignCase
from services import Broker, LoadBalancer


class OneBroker(ForeignCase, harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope).start()
        holder.lb = LoadBalancer(holder.scope, [("b0", holder.broker.address)]).start()


if __name__ == "__main__":
    harness.main()
