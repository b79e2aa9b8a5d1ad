"""A process that attacks: attacker.py SECONDS SEED BALANCER BROKERS HTTP_PORTS ATTACK... (addresses HOST:PORT, lists with
commas). Each attack has a thread that does it again and again, with a short pause between."""
import collections
import json
import os
import random
import sys
import threading
import time

import attacks


def address(text):
    return text.rsplit(":", 1)[0], int(text.rsplit(":", 1)[1])


def work(attack, target, seed, end, counts):
    rng = random.Random("%d %s" % (seed, attack.__name__))
    while time.monotonic() < end:
        try:
            attack(target, rng)
            counts[attack.__name__] += 1
        except (AssertionError, OSError):
            counts[attack.__name__ + " (cut short)"] += 1
        time.sleep(rng.uniform(0.05, 0.5))


def main():
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    target = attacks.Target(address(sys.argv[3]), [address(a) for a in sys.argv[4].split(",")],
                            [int(p) for p in sys.argv[5].split(",")])
    wanted = set(sys.argv[6:])
    end = time.monotonic() + seconds
    counts = collections.Counter()
    threads = [threading.Thread(target=work, args=(a, target, seed, end, counts), daemon=True)
               for a in attacks.ALL if not wanted or a.__name__ in wanted]
    os.nice(10)  # bystanders beside it are to be measured, not starved
    for t in threads:
        t.start()
    for t in threads:
        t.join(max(0.0, end + 30 - time.monotonic()))
    print(json.dumps(counts))


main()
