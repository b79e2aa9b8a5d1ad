"""MQTT 5.0 by the book, on a broker that keeps its state in Redis."""
import harness
from conformance5_auth import AuthTests
from conformance5_connect import ConnackTests, ConnectTests, SessionTests
from conformance5_format import ErrorTests, FormatTests, TopicTests
from conformance5_limits import AccessTests, LimitsTests, OpenQos2Tests
from conformance5_publish import AliasTests, PublishTests, RetainTests
from conformance5_qos import FlowTests, QosTests, SizeTests
from conformance5_shared import SharedTests
from conformance5_subscribe import DisconnectTests, RequestTests, SubscribeTests, UnsubscribeTests
from conformance5_time import TimeTests
from conformance5_will import WillTests
from conformance_ways import OnRedis


class RedisFormat(OnRedis, FormatTests, harness.FleetTest):
    pass


class RedisErrors(OnRedis, ErrorTests, harness.FleetTest):
    pass


class RedisTopics(OnRedis, TopicTests, harness.FleetTest):
    pass


class RedisConnect(OnRedis, ConnectTests, harness.FleetTest):
    pass


class RedisConnack(OnRedis, ConnackTests, harness.FleetTest):
    pass


class RedisSessions(OnRedis, SessionTests, harness.FleetTest):
    pass


class RedisPublish(OnRedis, PublishTests, harness.FleetTest):
    pass


class RedisRetained(OnRedis, RetainTests, harness.FleetTest):
    pass


class RedisAliases(OnRedis, AliasTests, harness.FleetTest):
    pass


class RedisQos(OnRedis, QosTests, harness.FleetTest):
    pass


class RedisFlow(OnRedis, FlowTests, harness.FleetTest):
    pass


class RedisSizes(OnRedis, SizeTests, harness.FleetTest):
    pass


class RedisSubscribe(OnRedis, SubscribeTests, harness.FleetTest):
    pass


class RedisUnsubscribe(OnRedis, UnsubscribeTests, harness.FleetTest):
    pass


class RedisDisconnect(OnRedis, DisconnectTests, harness.FleetTest):
    pass


class RedisRequests(OnRedis, RequestTests, harness.FleetTest):
    pass


class RedisShared(OnRedis, SharedTests, harness.FleetTest):
    pass


class RedisWills(OnRedis, WillTests, harness.FleetTest):
    pass


class RedisTime(OnRedis, TimeTests, harness.FleetTest):
    pass


class RedisAuth(OnRedis, AuthTests, harness.FleetTest):
    pass


class RedisLimits(OnRedis, LimitsTests, harness.FleetTest):
    pass


class RedisOpenQos2(OnRedis, OpenQos2Tests, harness.FleetTest):
    pass


class RedisAccess(OnRedis, AccessTests, harness.FleetTest):
    pass


if __name__ == "__main__":
    harness.main()
