"""SIGHUP at a broker: the whole configuration comes into force, or nothing of it."""
import os
import re
import signal

import harness
import mqtt_raw as m
from harness import eventually
from services import Broker


class Reload(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope).start()

    def reload(self, awaited, **changes):
        """Awaits a line that matches."""
        mark = len(self.broker.log())
        self.broker.reconfigure(**changes)
        self.broker.signal(signal.SIGHUP)
        self.broker.wait_log(awaited, start=mark)
        return self.broker.log()[mark:]

    def accepted(self, **fields):
        with self.broker.open() as client:
            client.send(m.connect(self.unique("c"), **fields))
            return client.expect(m.CONNACK).return_code == 0

    def test_limits_hold_for_what_comes_after(self):
        before = self.broker.connect("before")
        self.addCleanup(before.close)
        log = self.reload("auth_reloaded", limits={"max_packet_size": "1k"})
        self.assertRegex(log, r"config_changed key=limits.max_packet_size was=\d+ is=1024\b")
        before.ping()
        before.send(m.publish("t", b"x" * 2000, qos=0))
        before.expect_closed()

    def test_what_clients_are_told_changes(self):
        log = self.reload("auth_reloaded", mqtt={"max_qos": 1})
        self.assertIn("mqtt.max_qos", log)
        client = self.broker.connect("c")
        self.addCleanup(client.close)
        self.assertEqual(client.subscribe(("t", 2)), [1])

    def test_the_log_says_more_at_once(self):
        self.reload("auth_reloaded", log={"level": "debug", "format": "json"})
        mark = len(self.broker.log())
        self.broker.signal(signal.SIGHUP)
        self.broker.wait_log(r'"auth_reloaded"', start=mark)

    def test_sys_topics_come_as_often_as_it_says(self):
        client = self.broker.connect("c")
        self.addCleanup(client.close)
        client.subscribe(("$SYS/broker/uptime", 0))
        self.reload("auth_reloaded", sys_interval="1s")
        client.collect(lambda seen: len(seen) >= 3, timeout=10)

    def test_nothing_changed_says_nothing(self):
        self.assertNotIn("config_changed", self.reload("auth_reloaded"))

    def refused(self, key, **changes):
        log = self.reload("config_rejected", mqtt={"max_qos": 0}, **changes)
        self.assertRegex(log, r"config_rejected .*%s.*needs a restart" % re.escape(key))
        self.assertNotIn("config_changed", log)
        client = self.broker.connect("c")
        self.addCleanup(client.close)
        self.assertEqual(client.subscribe(("t", 2)), [2])

    def test_a_listeners_address_refuses_the_whole(self):
        listener = dict(self.broker.config["listeners"][0], bind="127.0.0.1:%d" % harness.free_port())
        self.refused("listeners[0].bind", listeners=[listener])

    def test_one_more_listener_refuses_the_whole(self):
        more = {"bind": "127.0.0.1:%d" % harness.free_port()}
        self.refused("listeners", listeners=self.broker.config["listeners"] + [more])

    def test_another_store_refuses_the_whole(self):
        self.refused("redis.url", redis={"url": "redis://:hunter2@127.0.0.1:1/0"})
        self.assertNotIn("hunter2", self.broker.log())

    def test_another_fleet_refuses_the_whole(self):
        self.refused("fleet.lease", fleet={"lease": "7s"})

    def test_a_mistake_changes_nothing_and_is_named(self):
        log = self.reload("auth_reload_failed", limits={"max_packet_size": "many"})
        self.assertRegex(log, r"\.yaml:\d+:\d+: limits.max_packet_size: expected")
        self.broker.connect("c").close()

    def test_a_bad_file_of_passwords_keeps_the_rest_too(self):
        bad = self.scope.write("passwd", "alice\n")
        log = self.reload("auth_reload_failed", auth={"anonymous": False, "password_file": bad}, mqtt={"max_qos": 0})
        self.assertNotIn("config_changed", log)
        client = self.broker.connect("c")
        self.addCleanup(client.close)
        self.assertEqual(client.subscribe(("t", 2)), [2])

    def test_many_signals_end_with_the_last_file(self):
        for most in range(100, 120):
            self.broker.reconfigure(limits={"max_topic_levels": most})
            self.broker.signal(signal.SIGHUP)
        self.broker.wait_log(r"config_changed key=limits.max_topic_levels was=\d+ is=119\b")


class Elsewhere(harness.FleetTest):
    """Values from the environment, from files, and from included files."""

    @staticmethod
    def build(holder):
        holder.broker = Broker(holder.scope, config={
            "include": "conf.d/*.yaml", "limits": {"max_packet_size": "${FLOTILLA_TEST_SIZE:-1k}"}})
        os.mkdir(holder.scope.path("conf.d"))

    def test_a_file_that_comes_is_taken_at_a_reload(self):
        self.broker.start()
        mark = len(self.broker.log())
        self.scope.write("conf.d/10.yaml", "mqtt: {max_qos: 1}\n")
        self.broker.signal(signal.SIGHUP)
        self.broker.wait_log(r"config_changed key=mqtt.max_qos was=2 is=1\b", start=mark)
        mark = len(self.broker.log())
        self.scope.write("conf.d/20.yaml", "mqtt: {max_qos: 0}\n")
        self.broker.signal(signal.SIGHUP)
        self.broker.wait_log(r"20.yaml:1:\d+: max_qos: expected it in one file only, it is also in \S*10.yaml:1",
                             start=mark)

    def test_a_default_stands_in_for_the_environment(self):
        self.broker.start()
        client = self.broker.connect("c")
        self.addCleanup(client.close)
        client.send(m.publish("t", b"x" * 2000, qos=0))
        client.expect_closed()


if __name__ == "__main__":
    harness.main()
