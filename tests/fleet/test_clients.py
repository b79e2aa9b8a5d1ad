"""Clients that aren't ours, each with all scenarios, at one broker with the memory store; its TLS is the load balancer's."""
import harness
from client_mosquitto import Mosquitto
from client_node import MqttJs
from client_paho import PahoPython
from client_paho_c import PahoC
from client_places import OneBroker
from client_scenarios import Scenarios


class MosquittoPrograms(Scenarios, OneBroker, harness.FleetTest):
    adapter = Mosquitto


class PahoInPython(Scenarios, OneBroker, harness.FleetTest):
    adapter = PahoPython


class PahoInC(Scenarios, OneBroker, harness.FleetTest):
    adapter = PahoC


class MqttJsUnderNode(Scenarios, OneBroker, harness.FleetTest):
    adapter = MqttJs


if __name__ == "__main__":
    harness.main()
