"""MQTT 5.0 by the book, on three brokers behind the load balancer: the second client is elsewhere."""
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
from conformance_ways import InTurn


class FleetFormat(InTurn, FormatTests, harness.FleetTest):
    pass


class FleetErrors(InTurn, ErrorTests, harness.FleetTest):
    pass


class FleetTopics(InTurn, TopicTests, harness.FleetTest):
    pass


class FleetConnect(InTurn, ConnectTests, harness.FleetTest):
    pass


class FleetConnack(InTurn, ConnackTests, harness.FleetTest):
    pass


class FleetSessions(InTurn, SessionTests, harness.FleetTest):
    pass


class FleetPublish(InTurn, PublishTests, harness.FleetTest):
    pass


class FleetRetained(InTurn, RetainTests, harness.FleetTest):
    pass


class FleetAliases(InTurn, AliasTests, harness.FleetTest):
    pass


class FleetQos(InTurn, QosTests, harness.FleetTest):
    pass


class FleetFlow(InTurn, FlowTests, harness.FleetTest):
    pass


class FleetSizes(InTurn, SizeTests, harness.FleetTest):
    pass


class FleetSubscribe(InTurn, SubscribeTests, harness.FleetTest):
    pass


class FleetUnsubscribe(InTurn, UnsubscribeTests, harness.FleetTest):
    pass


class FleetDisconnect(InTurn, DisconnectTests, harness.FleetTest):
    pass


class FleetRequests(InTurn, RequestTests, harness.FleetTest):
    pass


class FleetShared(InTurn, SharedTests, harness.FleetTest):
    pass


class FleetWills(InTurn, WillTests, harness.FleetTest):
    pass


class FleetTime(InTurn, TimeTests, harness.FleetTest):
    pass


class FleetAuth(InTurn, AuthTests, harness.FleetTest):
    pass


class FleetLimits(InTurn, LimitsTests, harness.FleetTest):
    pass


class FleetOpenQos2(InTurn, OpenQos2Tests, harness.FleetTest):
    pass


class FleetAccess(InTurn, AccessTests, harness.FleetTest):
    pass


if __name__ == "__main__":
    harness.main()
