"""Conformance, MQTT 5.0: what takes time: keep alive, expiry of messages and sessions, the delay of wills.

The waits of one test run side by side. Seconds are whole ones in MQTT; a second of tolerance is for a slow machine.
"""
import time

import mqtt5_raw as m5
import mqtt_raw as m
from conformance5_base import FOREVER, Conformance5
from harness import pace


class TimeTests(Conformance5):
    def test_keep_alive(self):
        self.side_by_side(self.silence_ends_the_connection, self.any_packet_counts, self.zero_is_forever)

    def silence_ends_the_connection(self):
        client, start = self.client(keepalive=2), time.monotonic()
        self.assertNotIn("server_keep_alive", client.connack.props)
        self.proves("MQTT-3.1.2-22", "MQTT-3.2.2-22")
        got = client.expect_disconnect(0x8D, timeout=8)
        took = time.monotonic() - start
        self.assertTrue(2.7 <= took <= 4.5, "%s after %.1f s" % (got, took))

    def any_packet_counts(self):
        client, topic = self.client(keepalive=1), self.unique("nobody/")
        for n in range(8):
            pace(0.5)
            client.send(m5.publish(topic, "x"))
        client.ping()

    def zero_is_forever(self):
        client = self.client(keepalive=0)
        pace(3)
        client.ping()

    def test_sessions(self):
        self.side_by_side(self.session_ends, self.session_stays, self.forever_is_forever, self.disconnect_shortens,
                          self.disconnect_lengthens, self.the_time_begins_anew)

    def subscribed(self, topic, expiry, name=None):
        client = self.durable(name or self.unique("s"), expiry=expiry)
        client.subscribe((topic, 1))
        return client

    def present(self, client):
        return self.client(client.client_id, clean=False).session_present

    def session_ends(self):
        client = self.subscribed(self.unique("t/"), 1)
        client.abort()
        pace(2.7)
        self.proves("MQTT-4.1.0-2")
        self.assertFalse(self.present(client))

    def session_stays(self):
        client = self.subscribed(self.unique("t/"), 4)
        client.abort()
        pace(2.5)
        self.assertTrue(self.present(client))

    def forever_is_forever(self):
        client = self.subscribed(self.unique("t/"), FOREVER)
        client.leave()
        pace(2.5)
        self.assertTrue(self.present(client))

    def disconnect_shortens(self):
        client = self.subscribed(self.unique("t/"), 60)
        client.leave(props={"session_expiry": 1})
        pace(2.7)
        self.assertFalse(self.present(client))

    def disconnect_lengthens(self):
        client = self.subscribed(self.unique("t/"), 1)
        client.leave(props={"session_expiry": 60})
        pace(2.7)
        self.assertTrue(self.present(client))

    def the_time_begins_anew(self):
        """Neither counts what passed before the last connection, nor the time of a connection."""
        topic = self.unique("t/")
        client = self.subscribed(topic, 2)
        client.abort()
        pace(0.8)
        client = self.durable(client.client_id, expiry=2)
        self.assertTrue(client.session_present)
        pace(2.5)
        client.abort()
        pace(0.8)
        self.assertTrue(self.present(client))

    def test_messages(self):
        self.side_by_side(self.what_is_left_is_sent_on, self.expired_in_a_queue, self.expired_behind_a_full_window,
                          self.expired_retained, self.sent_is_not_expired, self.acknowledged_behind_expiry,
                          self.expired_will, self.for_3_1_1)

    def what_is_left_is_sent_on(self):
        topic = self.unique("t/")
        away = self.subscribed(topic, 60)
        away.leave()
        publisher = self.client()
        publisher.publish(topic, "x", 1, retain=True, props={"message_expiry": 100})
        live = self.subscriber((topic, 1))
        self.proves("MQTT-3.3.2-6")
        self.assertIn(live.expect_message(topic, "x", 1).props["message_expiry"], (99, 100))
        pace(2.2)
        away, fresh = self.durable(away.client_id), self.subscriber((topic, 1))
        for client in (away, fresh):
            self.assertIn(client.expect_message(topic, "x", 1).props["message_expiry"], (96, 97, 98))

    def expired_in_a_queue(self):
        topic = self.unique("t/")
        away = self.subscribed(topic, 60)
        away.leave()
        publisher = self.client()
        for n, expiry in enumerate((1, None, 1, 60)):
            publisher.publish(topic, "%d" % n, 1, props={} if expiry is None else {"message_expiry": expiry})
        pace(2.3)
        client = self.durable(away.client_id)
        self.proves("MQTT-3.3.2-5")
        self.assertEqual([g.payload for g in client.collect(2)], [b"1", b"3"])
        self.assert_quiet(client)

    def expired_behind_a_full_window(self):
        topic = self.unique("t/")
        client = self.client(props={"receive_maximum": 1})
        client.subscribe((topic, 1))
        publisher = self.client()
        publisher.publish(topic, "first", 1)
        publisher.publish(topic, "expires", 1, props={"message_expiry": 1})
        publisher.publish(topic, "last", 1)
        first = client.expect(m.PUBLISH, payload="first")
        pace(2.3)
        client.send(m5.ack(m.PUBACK, first.pid))
        client.expect_message(topic, "last", 1)

    def expired_retained(self):
        topic = self.unique("t/")
        self.client().publish(topic, "x", 1, retain=True, props={"message_expiry": 1})
        pace(2.3)
        self.assert_quiet(self.subscriber((topic, 1)))

    def sent_is_not_expired(self):
        """What was sent before it expired comes again all the same (only 5.0 says so, for QoS 2)."""
        topic = self.unique("t/")
        client = self.subscribed(topic, 60)
        client.subscribe((topic, 2))
        self.client().publish(topic, "x", 2, props={"message_expiry": 1})
        first = client.expect(m.PUBLISH)
        client.abort()
        pace(2.3)
        client = self.durable(client.client_id)
        self.proves("MQTT-4.3.3-7")
        client.expect(m.PUBLISH, pid=first.pid, dup=True, payload=b"x")

    def acknowledged_behind_expiry(self):
        publisher, topic = self.client(), self.unique("t/")
        publisher.send(m5.publish(topic, "x", 2, 5, props={"message_expiry": 1}))
        publisher.expect(m.PUBREC, pid=5)
        pace(2.3)
        publisher.send(m5.publish(topic, "x", 2, 5, dup=True, props={"message_expiry": 1}))
        self.proves("MQTT-4.3.3-13")
        publisher.expect(m.PUBREC, pid=5)
        publisher.send(m5.ack(m.PUBREL, 5))
        publisher.expect(m.PUBCOMP, pid=5, reason=0)

    def expired_will(self):
        """The expiry of a will begins when it is published."""
        topic = self.unique("t/")
        away = self.subscribed(topic, 60)
        away.leave()
        watcher = self.subscriber((topic, 1))
        self.client(will=m5.Will(topic, "gone", 1, message_expiry=1)).abort()
        self.assertIn(watcher.expect_message(topic, "gone", 1).props["message_expiry"], (0, 1))
        pace(2.3)
        self.assert_quiet(self.durable(away.client_id))

    def for_3_1_1(self):
        topic, name = self.unique("t/"), self.unique("old")
        old = self.old_client(name, clean=False)
        old.subscribe((topic, 1))
        old.disconnect()
        publisher = self.client()
        publisher.publish(topic, "expires", 1, props={"message_expiry": 1})
        publisher.publish(topic, "stays", 1, props={"message_expiry": 60})
        pace(2.3)
        self.old_client(name, clean=False).expect_message(topic, "stays", 1)

    def test_wills(self):
        self.side_by_side(self.a_will_is_delayed, self.a_resumed_session_has_none, self.the_end_of_the_session_is_first,
                          self.a_delayed_will_of_a_new_session, self.the_delay_is_for_disconnect_with_will,
                          self.the_last_will_counts)

    def watched(self, delay, expiry, name=None, payload="gone"):
        """(topic, watcher, a client with a will that is delayed)."""
        topic = self.unique("will/")
        watcher = self.subscriber((topic, 1))
        return topic, watcher, self.durable(name or self.unique("s"), expiry=expiry,
                                            will=m5.Will(topic, payload, 1, will_delay=delay))

    def assert_comes_after(self, watcher, topic, seconds, start):
        watcher.expect_message(topic, "gone", 1, timeout=seconds + 5)
        took = time.monotonic() - start
        self.assertTrue(seconds - 0.2 <= took <= seconds + 1.6, "after %.1f s instead of %d" % (took, seconds))

    def a_will_is_delayed(self):
        topic, watcher, client = self.watched(2, 60)
        start = time.monotonic()
        client.abort()
        self.proves("MQTT-3.1.2-8")
        self.assert_comes_after(watcher, topic, 2, start)

    def a_resumed_session_has_none(self):
        topic, watcher, client = self.watched(2, 60)
        client.abort()
        pace(0.7)
        client = self.durable(client.client_id)
        self.assertTrue(client.session_present)
        pace(2.5)
        self.proves("MQTT-3.1.3-9")
        self.assert_quiet(watcher)

    def the_end_of_the_session_is_first(self):
        topic, watcher, client = self.watched(60, 1)
        start = time.monotonic()
        client.abort()
        self.assert_comes_after(watcher, topic, 1, start)

    def a_delayed_will_of_a_new_session(self):
        """A clean start ends the session that the will was delayed for: it comes now."""
        topic, watcher, client = self.watched(30, 60)
        client.abort()
        pace(0.5)
        self.client(client.client_id)
        watcher.expect_message(topic, "gone", 1, timeout=3)

    def the_delay_is_for_disconnect_with_will(self):
        topic, watcher, client = self.watched(1, 60)
        start = time.monotonic()
        client.leave(4)
        self.assert_comes_after(watcher, topic, 1, start)

    def the_last_will_counts(self):
        topic, watcher, client = self.watched(1, 60, payload="former")
        client.abort()
        client = self.durable(client.client_id, will=m5.Will(topic, "gone", 1, will_delay=1))
        start = time.monotonic()
        client.abort()
        self.assert_comes_after(watcher, topic, 1, start)
        self.assert_quiet(watcher)
