"""MQTT 3.1.1 and 3.1 by the book, on three brokers behind the load balancer: the second client is elsewhere."""
import harness
from conformance_connect import ConnectTests
from conformance_malformed import MalformedTests
from conformance_packets import BoundTests, FormatTests, PacketTests
from conformance_qos import QosTests, SessionTests
from conformance_topics import RetainedTests, SubscriptionTests
from conformance_ways import InTurn
from conformance_will import WillTests


class FleetConnect(InTurn, ConnectTests, harness.FleetTest):
    pass


class FleetMalformed(InTurn, MalformedTests, harness.FleetTest):
    pass


class FleetFormat(InTurn, FormatTests, harness.FleetTest):
    pass


class FleetPackets(InTurn, PacketTests, harness.FleetTest):
    pass


class FleetBounds(InTurn, BoundTests, harness.FleetTest):
    pass


class FleetQos(InTurn, QosTests, harness.FleetTest):
    pass


class FleetSessions(InTurn, SessionTests, harness.FleetTest):
    pass


class FleetSubscriptions(InTurn, SubscriptionTests, harness.FleetTest):
    pass


class FleetRetained(InTurn, RetainedTests, harness.FleetTest):
    pass


class FleetWills(InTurn, WillTests, harness.FleetTest):
    pass


if __name__ == "__main__":
    harness.main()
