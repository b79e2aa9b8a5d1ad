"""One client id at several brokers at once, while a broker's links to Redis are held back and then cut or let go."""
import os
import random
import time

import harness
import mqtt_raw as m
from chaos import LinkProxy
from harness import background, eventually
from services import Broker, Redis

ROUNDS, SEED = int(os.environ.get("FLOTILLA_TEST_ROUNDS", "6")), int(os.environ.get("FLOTILLA_TEST_SEED", "1"))


class TakeoverRace(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.redis = Redis(holder.scope).start()
        holder.proxies = [LinkProxy(holder.redis.port) for _ in range(3)]
        holder.scope.cleanups.extend(p.close for p in holder.proxies)
        holder.brokers = [Broker(holder.scope, "abd"[i], p, lease="10s") for i, p in enumerate(holder.proxies)]
        for broker in holder.brokers:
            broker.start(wait=False)
        for broker in holder.brokers:
            broker.wait_ready()

    def attempt(self, broker, client_id, delay):
        """A connection after some time, whether it is accepted or not."""
        time.sleep(delay)
        client = broker.open(timeout=4)
        client.send(m.connect(client_id, clean=False))
        try:
            client.expect(m.CONNACK)
        except AssertionError:
            client.close()
            return None
        return client

    def answers(self, client):
        try:
            client.ping(timeout=0.5)
            return True
        except AssertionError:
            return False

    def at_most_one_answers(self, clients):
        return sum(self.answers(c) for c in clients if c is not None) <= 1

    def race(self, dice, client_id):
        held = dice.randrange(3)
        order = dice.sample(range(3), 3)
        first = self.attempt(self.brokers[order[0]], client_id, 0)
        attempts = [background(self.attempt, self.brokers[i], client_id, dice.uniform(0, 0.6)) for i in order[1:]]
        time.sleep(dice.uniform(0, 0.3))
        self.proxies[held].hold(*dice.choice([(), ("replies",), ("requests",)]))
        more = background(self.attempt, self.brokers[dice.choice([i for i in range(3) if i != held])], client_id, 0.1)
        time.sleep(dice.uniform(0.2, 2))
        if dice.random() < 0.7:
            self.proxies[held].cut()
        self.proxies[held].release()
        clients = [first, more.result(10)] + [a.result(10) for a in attempts]
        try:
            eventually(lambda: self.at_most_one_answers(clients), 2.5, "one connection of %s is left" % client_id)
            last = self.attempt(self.brokers[dice.randrange(3)], client_id, 0)
            self.assertIsNotNone(last)
            eventually(lambda: self.answers(last) and not any(self.answers(c) for c in clients if c), 2.5, "the last stays")
            last.disconnect()
        finally:
            for c in clients:
                if c is not None:
                    c.close()

    def test_one_connection_is_left_of_a_race_with_a_link_that_is_held_and_cut(self):
        for n in range(ROUNDS):
            with self.subTest(seed=SEED + n):
                self.race(random.Random(SEED + n), "c%d" % n)


if __name__ == "__main__":
    harness.main()
