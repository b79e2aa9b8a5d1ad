"""MQTT 3.1.1 and 3.1 by the book, on one broker with the memory store."""
import harness
from conformance_connect import ConnectTests
from conformance_malformed import MalformedTests
from conformance_packets import BoundTests, FormatTests, PacketTests
from conformance_qos import QosTests, SessionTests
from conformance_topics import RetainedTests, SubscriptionTests
from conformance_ways import Memory
from conformance_will import WillTests


class MemoryConnect(Memory, ConnectTests, harness.FleetTest):
    pass


class MemoryMalformed(Memory, MalformedTests, harness.FleetTest):
    pass


class MemoryFormat(Memory, FormatTests, harness.FleetTest):
    pass


class MemoryPackets(Memory, PacketTests, harness.FleetTest):
    pass


class MemoryBounds(Memory, BoundTests, harness.FleetTest):
    pass


class MemoryQos(Memory, QosTests, harness.FleetTest):
    pass


class MemorySessions(Memory, SessionTests, harness.FleetTest):
    pass


class MemorySubscriptions(Memory, SubscriptionTests, harness.FleetTest):
    pass


class MemoryRetained(Memory, RetainedTests, harness.FleetTest):
    pass


class MemoryWills(Memory, WillTests, harness.FleetTest):
    pass


if __name__ == "__main__":
    harness.main()
