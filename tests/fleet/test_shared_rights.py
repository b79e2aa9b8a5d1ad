"""Shared subscriptions where the ACL lets members read different things: a message goes to one that may read it."""
import harness
from harness import eventually
from services import Broker, Fleet, metric
from shared_case import SharedCase, gather

# The last level is the client id of who may read it.
ACL = "topic write #\npattern read +/+/%c\n"
CONFIG = {"shared": {"redispatch_after": "1s"}, "limits": {"max_inflight": 10}}


def config(scope):
    return dict(CONFIG, auth={"anonymous": True, "acl_file": scope.write("acl", ACL)})


class Cases(SharedCase):
    def publish_for(self, base, names, count, qos):
        """So many for each of them, mixed."""
        self.publisher(1).publish_many([("%s/%s" % (base, name), "%d" % n) for n in range(count) for name in names], qos)

    def test_each_gets_what_it_may_read(self):
        for clean in (True, False):
            for qos in (0, 1, 2):
                with self.subTest(clean=clean, qos=qos):
                    base, names = self.unique("t/"), [self.unique("r") for _ in range(3)]
                    members = [self.member("$share/g/%s/+" % base, i, qos, name, clean) for i, name in enumerate(names)]
                    if qos == 0:
                        self.publish_for(base, names[:1], 30, qos)
                        self.assert_exactly(gather(members[:1], 30), 30)
                    else:
                        self.publish_for(base, names, 30, qos)
                        got = gather(members, 90)
                        for mine in got:
                            self.assert_exactly([mine], 30)
                    self.assert_nothing(*members)
                    for client in members:
                        client.disconnect()

    def test_what_no_member_may_read_is_counted(self):
        base, before = self.unique("t/"), self.denied()
        members = [self.member("$share/g/%s/+" % base, i, 1) for i in range(3)]
        self.publish_for(base, ["nobody"], 5, 1)
        eventually(lambda: self.denied() == before + 5, 20, "five have ended")
        self.assert_nothing(*members)


class OneBroker(Cases, harness.FleetTest):
    shared = True

    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope, config=config(holder.scope)).start()

    def at(self, i):
        return self.broker

    def denied(self):
        return metric(self.broker.metrics(), "flotilla_broker_messages_dropped_total", reason="denied")


class TwoBrokers(Cases, harness.FleetTest):
    """At QoS 0 a message is tried at two."""
    shared = True

    @staticmethod
    def build(holder):
        holder.fleet = Fleet(holder.scope, brokers=2, broker_config=config(holder.scope))

    def at(self, i):
        return self.fleet[i % 2]

    def denied(self):
        return sum(metric(b.metrics(), "flotilla_fleet_share_denied_total") for b in self.fleet)


del Cases

if __name__ == "__main__":
    harness.main()
