"""MQTT 3.1.1 and 3.1 by the book, on a broker that keeps its state in Redis."""
import harness
from conformance_connect import ConnectTests
from conformance_malformed import MalformedTests
from conformance_packets import BoundTests, FormatTests, PacketTests
from conformance_qos import QosTests, SessionTests
from conformance_topics import RetainedTests, SubscriptionTests
from conformance_ways import OnRedis
from conformance_will import WillTests


class RedisConnect(OnRedis, ConnectTests, harness.FleetTest):
    pass


class RedisMalformed(OnRedis, MalformedTests, harness.FleetTest):
    pass


class RedisFormat(OnRedis, FormatTests, harness.FleetTest):
    pass


class RedisPackets(OnRedis, PacketTests, harness.FleetTest):
    pass


class RedisBounds(OnRedis, BoundTests, harness.FleetTest):
    pass


class RedisQos(OnRedis, QosTests, harness.FleetTest):
    pass


class RedisSessions(OnRedis, SessionTests, harness.FleetTest):
    pass


class RedisSubscriptions(OnRedis, SubscriptionTests, harness.FleetTest):
    pass


class RedisRetained(OnRedis, RetainedTests, harness.FleetTest):
    pass


class RedisWills(OnRedis, WillTests, harness.FleetTest):
    pass


if __name__ == "__main__":
    harness.main()
