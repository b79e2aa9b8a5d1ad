"""Another broker as a client: the bridge bit of CONNECT, and mosquitto's bridge for real.

mosquitto sets bit 7 of the protocol level (0x83, 0x84): what such a client publishes doesn't come
back to it, and what it gets carries the retain flag as published.
"""
import harness
import mqtt_raw as m
from harness import Process, eventually, free_port
from services import Fleet, program

BRIDGE_31, BRIDGE_311 = 0x83, 0x84


def on_fleet(holder):
    holder.fleet = Fleet(holder.scope, brokers=2)


class BridgeBit(harness.FleetTest):
    shared = True
    build = staticmethod(on_fleet)

    def client(self, broker, client_id=None, **fields):
        client = self.fleet[broker].connect(client_id or self.unique("id"), **fields)
        self.addCleanup(client.close)
        return client

    def test_no_local_and_retain_as_published_at_both_levels(self):
        for level, name in ((BRIDGE_311, "MQTT"), (BRIDGE_31, "MQIsdp")):
            topic = self.unique("bits/")
            bridge, other = self.client(0, level=level, name=name), self.client(1)
            bridge.subscribe((topic, 1))
            other.subscribe((topic, 1))
            bridge.publish(topic, "mine", 1, retain=True)
            other.expect_message(topic, "mine", 1, retain=False)
            other.send(m.publish(topic, "theirs", 1, 7, retain=True))
            bridge.expect_message(topic, "theirs", 1, retain=True)  # and nothing of its own before

    def test_durable_bridge_gets_nothing_of_its_own_at_another_broker(self):
        name, topic = self.unique("bridge"), self.unique("moves/")
        bridge = self.client(0, name, clean=False, level=BRIDGE_311)
        bridge.subscribe((topic, 1))
        bridge.publish(topic, "mine", 1)
        bridge.publish(topic, "mine", 2)
        bridge.abort()
        self.client(1).publish(topic, "theirs", 1, retain=True)
        again = self.client(1, name, clean=False, level=BRIDGE_311)
        again.expect_message(topic, "theirs", 1, retain=True)

    def test_durable_bridge_gets_live_messages_after_newer_retained_ones(self):
        # The queue tells a live message with the retain flag from a retained value.
        topic = self.unique("live/")
        bridge, other = self.client(0, clean=False, level=BRIDGE_311), self.client(0)
        other.publish(topic, "value", 1, retain=True)
        bridge.subscribe((topic, 1))
        bridge.expect_message(topic, "value", 1, retain=True)
        for payload, qos in (("zero", 0), ("one", 1), ("two", 1)):
            other.publish(topic, payload, qos, retain=True)
            bridge.expect_message(topic, payload, qos, retain=True)

    def test_bridge_is_not_told_its_own_retained_values(self):
        name, mine, theirs = self.unique("bridge"), self.unique("r/"), self.unique("r/")
        bridge = self.client(0, name, level=BRIDGE_311)
        bridge.publish(mine, "old", 1, retain=True)
        self.client(1).publish(theirs, "value", 1, retain=True)
        bridge.subscribe((mine, 1), (theirs, 1))
        bridge.expect_message(theirs, "value", 1, retain=True)
        bridge.ping()

    def test_state_topics_are_taken_and_the_rest_of_sys_is_not(self):
        watcher, bridge = self.client(1), self.client(0, level=BRIDGE_311)
        state = "$SYS/broker/connection/%s/state" % self.unique("edge")
        watcher.subscribe((state, 1), ("$SYS/broker/version", 0), ("$SYS/broker/connection", 1))
        watcher.expect(m.PUBLISH, topic="$SYS/broker/version")
        bridge.publish("$SYS/broker/version", "mine", 1)
        bridge.publish("$SYS/broker/connection", "mine", 1)
        bridge.publish(state, "1", 1, retain=True)
        watcher.expect_message(state, "1", 1)
        late = self.client(1)
        late.subscribe(("$SYS/broker/connection/#", 1))
        late.collect(lambda got: any(g.topic == state and g.retain for g in got))

    def test_unknown_levels_with_the_bit_are_refused(self):
        for level, name in ((0x85, "MQTT"), (0x84, "MQIsdp"), (0x80, "MQTT")):
            client = self.fleet[0].open()
            self.addCleanup(client.close)
            client.send(m.connect(self.unique("id"), level=level, name=name))
            client.expect(m.CONNACK, return_code=1)
            client.expect_closed()


class MosquittoBridge(harness.FleetTest):
    shared = True
    build = staticmethod(on_fleet)

    def start_mosquitto(self, version):
        """One attempt only: its next one would come after a minute."""
        port, name = free_port(), self.unique("edge")
        conf = self.scope.write(name + ".conf", "\n".join([
            "listener %d 127.0.0.1" % port, "allow_anonymous true", "persistence false", "user root",
            "log_dest stderr", "log_type all",
            "connection " + name, "address 127.0.0.1:%d" % self.fleet[0].port, "remote_clientid " + name,
            "bridge_protocol_version " + version, "restart_timeout 60", "topic %s/# both 2" % name, ""]))
        mosquitto = Process(self.scope, name, [program("mosquitto"), "-c", conf]).start()
        eventually(lambda: m.open_socket(("127.0.0.1", port), timeout=1).close() is None, 10, "mosquitto listens")
        return mosquitto, ("127.0.0.1", port), name

    def comes_up_and_does_not_echo(self, version):
        watcher, far = self.fleet[1].connect(self.unique("id")), self.fleet[1].connect(self.unique("id"))
        self.addCleanup(watcher.close)
        self.addCleanup(far.close)
        watcher.subscribe(("$SYS/broker/connection/#", 1))
        mosquitto, address, name = self.start_mosquitto(version)
        state = "$SYS/broker/connection/%s/state" % name
        watcher.collect(lambda got: any(g.topic == state and g.payload == b"1" for g in got), timeout=20)

        near = m.Client.connected(address, self.unique("id"))
        self.addCleanup(near.close)
        near.subscribe((name + "/#", 2))
        far.subscribe((name + "/#", 2))
        mosquitto.wait_log(r"Received SUBACK from local\.|Received SUBACK")
        from_near, from_far = m.Client.connected(address, self.unique("id")), self.fleet[0].connect(self.unique("id"))
        self.addCleanup(from_near.close)
        self.addCleanup(from_far.close)
        for qos in (0, 1, 2):
            for publisher, way in ((from_near, "up"), (from_far, "down")):
                publisher.publish(name + "/" + way, "%s %d" % (way, qos), qos)
                for reader in (near, far):
                    reader.expect_message(name + "/" + way, "%s %d" % (way, qos), qos)
        for publisher, topic in ((from_near, name + "/kept/near"), (from_far, name + "/kept/far")):
            publisher.publish(topic, "value", 1, retain=True)
            for reader in (near, far):
                reader.expect_message(topic, "value", 1)
        self.both_have_what_is_retained(address, name)
        mosquitto.kill()
        watcher.collect(lambda got: any(g.topic == state and g.payload == b"0" for g in got), timeout=20)
        return mosquitto

    def both_have_what_is_retained(self, address, name):
        for late in (self.fleet[1].connect(self.unique("id")), m.Client.connected(address, self.unique("id"))):
            self.addCleanup(late.close)
            late.subscribe((name + "/kept/#", 1))
            got = late.collect(lambda got: len(got) == 2, timeout=20)
            self.assertEqual(sorted((g.topic, g.payload, g.retain) for g in got), [
                (name + "/kept/far", b"value", True), (name + "/kept/near", b"value", True)])

    def test_mqtt_5(self):
        mosquitto = self.comes_up_and_does_not_echo("mqttv50")
        self.assertIn("Options: 0x0c", mosquitto.log(), "it asks for no local and retain as published")

    def test_mqtt_311(self):
        self.comes_up_and_does_not_echo("mqttv311")

    def test_mqtt_31(self):
        self.comes_up_and_does_not_echo("mqttv31")


if __name__ == "__main__":
    harness.main()
