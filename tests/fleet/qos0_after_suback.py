#!/usr/bin/env python3
"""How often a QoS 0 message is missed that is published at another broker right after the SUBACK. Run by hand:

    qos0_after_suback.py [tries] [brokers] [consistency]      FLOTILLA_BROKER names the program

The fleet is under load meanwhile: clients on each broker publish QoS 0 and 1 as fast as they are answered, others
subscribe and unsubscribe. docs/fleet-protocol.md has the figures.
"""
import multiprocessing
import os
import random
import sys
import time

import harness
import mqtt_raw as m
from services import Fleet


def publish_on_and_on(address, seed):
    client = m.Client.connected(address, "load-%d" % seed)
    client.send(m.subscribe(1, ("load/%d" % seed, 1)))  # others publish to it already
    client.await_pid(m.SUBACK, 1)
    n = 0
    while True:
        n += 1
        client.send(b"".join(m.publish("load/%d" % random.randrange(6), b"x" * 100, 0) for _ in range(200)) +
                    m.publish("load/%d" % seed, b"end", 1, n % 60000 + 1))
        client.await_pid(m.PUBACK, n % 60000 + 1)


def subscribe_on_and_on(address, seed):
    client = m.Client.connected(address, "churn-%d" % seed)
    while True:
        topic = "churn/%d/%d" % (seed, random.randrange(10000))
        client.subscribe((topic, 0))
        client.unsubscribe(topic)
        time.sleep(random.uniform(0, 0.01))


def main():
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    scope = harness.Scope("qos0")
    children = []
    try:
        fleet = Fleet(scope, brokers=count, broker_config={
            "fleet": {"consistency": sys.argv[3] if len(sys.argv) > 3 else "relaxed"}})
        for i, broker in enumerate(fleet):
            for work in (publish_on_and_on, subscribe_on_and_on):
                children.append(multiprocessing.Process(target=work, args=(broker.address, i), daemon=True))
                children[-1].start()
        time.sleep(2)
        publisher = fleet[0].connect("publisher")
        subscribers = [b.connect("subscriber%d" % i) for i, b in enumerate(fleet)][1:]
        missed, waits = 0, []
        for n in range(tries):
            subscriber, topic = subscribers[n % len(subscribers)], "try/%d" % n
            start = time.monotonic()
            subscriber.subscribe((topic, 0))
            waits.append(time.monotonic() - start)
            publisher.send(m.publish(topic, b"first", 0))
            publisher.publish(topic, b"second", 1)
            got = {subscriber.expect(m.PUBLISH, timeout=5).payload}
            try:
                got.add(subscriber.expect(m.PUBLISH, timeout=0.5).payload)
            except m.TimedOut:
                pass
            missed += b"first" not in got
            subscriber.unsubscribe(topic)
        waits.sort()
        print("%d of %d missed (%.2f %%); SUBACK median %.2f ms, p99 %.2f ms" % (
            missed, tries, 100.0 * missed / tries, waits[len(waits) // 2] * 1000, waits[int(len(waits) * 0.99)] * 1000))
    finally:
        for child in children:
            child.kill()
        scope.close()


if __name__ == "__main__":
    os.chdir(harness.HERE)
    main()
