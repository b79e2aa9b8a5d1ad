"""Clients that aren't ours, each with all scenarios, at three brokers behind the load balancer; Node-RED also at one."""
import harness
from client_mosquitto import Mosquitto
from client_node import MqttJs, NodeRed
from client_paho import PahoPython
from client_paho_c import PahoC
from client_places import OneBroker, ThreeBrokers
from client_scenarios import Scenarios


class MosquittoPrograms(Scenarios, ThreeBrokers, harness.FleetTest):
    adapter = Mosquitto


class PahoInPython(Scenarios, ThreeBrokers, harness.FleetTest):
    adapter = PahoPython


class PahoInC(Scenarios, ThreeBrokers, harness.FleetTest):
    adapter = PahoC


class MqttJsUnderNode(Scenarios, ThreeBrokers, harness.FleetTest):
    adapter = MqttJs


class NodeRedNodes(Scenarios, ThreeBrokers, harness.FleetTest):
    adapter = NodeRed


class NodeRedAtOneBroker(Scenarios, OneBroker, harness.FleetTest):
    adapter = NodeRed


if __name__ == "__main__":
    harness.main()
