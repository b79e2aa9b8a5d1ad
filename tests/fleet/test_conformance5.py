"""MQTT 5.0 by the book, on one broker with the memory store."""
import harness
from conformance5_auth import AuthTests
from conformance5_connect import ConnackTests, ConnectTests, SessionTests
from conformance5_format import ErrorTests, FormatTests, TopicTests
from conformance5_limits import AccessTests, LimitsTests, OpenQos2Tests, RedirectTests
from conformance5_publish import AliasTests, PublishTests, RetainTests
from conformance5_qos import FlowTests, QosTests, SizeTests
from conformance5_shared import SharedTests
from conformance5_subscribe import DisconnectTests, RequestTests, SubscribeTests, UnsubscribeTests
from conformance5_time import TimeTests
from conformance5_will import WillTests
from conformance_ways import Memory


class MemoryFormat(Memory, FormatTests, harness.FleetTest):
    pass


class MemoryErrors(Memory, ErrorTests, harness.FleetTest):
    pass


class MemoryTopics(Memory, TopicTests, harness.FleetTest):
    pass


class MemoryConnect(Memory, ConnectTests, harness.FleetTest):
    pass


class MemoryConnack(Memory, ConnackTests, harness.FleetTest):
    pass


class MemorySessions(Memory, SessionTests, harness.FleetTest):
    pass


class MemoryPublish(Memory, PublishTests, harness.FleetTest):
    pass


class MemoryRetained(Memory, RetainTests, harness.FleetTest):
    pass


class MemoryAliases(Memory, AliasTests, harness.FleetTest):
    pass


class MemoryQos(Memory, QosTests, harness.FleetTest):
    pass


class MemoryFlow(Memory, FlowTests, harness.FleetTest):
    pass


class MemorySizes(Memory, SizeTests, harness.FleetTest):
    pass


class MemorySubscribe(Memory, SubscribeTests, harness.FleetTest):
    pass


class MemoryUnsubscribe(Memory, UnsubscribeTests, harness.FleetTest):
    pass


class MemoryDisconnect(Memory, DisconnectTests, harness.FleetTest):
    pass


class MemoryRequests(Memory, RequestTests, harness.FleetTest):
    pass


class MemoryShared(Memory, SharedTests, harness.FleetTest):
    pass


class MemoryWills(Memory, WillTests, harness.FleetTest):
    pass


class MemoryTime(Memory, TimeTests, harness.FleetTest):
    pass


class MemoryAuth(Memory, AuthTests, harness.FleetTest):
    pass


class MemoryLimits(Memory, LimitsTests, harness.FleetTest):
    pass


class MemoryOpenQos2(Memory, OpenQos2Tests, harness.FleetTest):
    pass


class MemoryAccess(Memory, AccessTests, harness.FleetTest):
    pass


class MemoryRedirect(RedirectTests, Memory, harness.FleetTest):
    pass


if __name__ == "__main__":
    harness.main()
