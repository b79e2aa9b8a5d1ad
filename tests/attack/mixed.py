#!/usr/bin/env python3
"""Many attacks at once on a fleet behind its load balancer, with bystanders beside them.

    tests/attack/mixed.py [--seconds N] [--bystanders N] [--brokers N] [--seed N] [--only ATTACK,...] [--quiet] [--slack N]

Servers are on the first core, attackers and bystanders on the last; Redis has as much memory as in the Compose service,
which the attackers fill in minutes. The promise that is tried: no bystander is closed; none of their pings or QoS 1
echoes takes longer than 250 ms at the 99.9th percentile, and 1 s at most; resident memory stays below what it was
before plus 1.25 times `limits.max_memory`; no broker is declared dead. Exit status 1 and a sentence for each that is
broken. --quiet: the same without attackers, for comparison.
"""
import argparse
import base64
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RELEASE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build/release")
os.environ.setdefault("FLOTILLA_BROKER", os.path.join(RELEASE, "broker/flotilla-broker"))
os.environ.setdefault("FLOTILLA_LB", os.path.join(RELEASE, "lb/flotilla-lb"))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "fleet"))
from harness import Scope, die_with_parent  # noqa: E402
from services import Broker, LoadBalancer, Redis, metric  # noqa: E402

BUDGET = 128 << 20
P999_MS, MOST_MS = 250, 1000


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--bystanders", type=int, default=500)
    p.add_argument("--brokers", type=int, default=3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", default="")
    p.add_argument("--slack", type=float, default=1, help="times that the bounds in time are taken, on a busy machine")
    p.add_argument("--quiet", action="store_true", help="no attackers")
    p.add_argument("--log", action="store_true", help="print the brokers' logs")
    return p.parse_args()


def cores():
    have = sorted(os.sched_getaffinity(0))
    return have[0], have[-1]


def password_file(scope):
    """A user whose hash takes a quarter of a second, in mosquitto's format."""
    salt, rounds = os.urandom(12), 400000
    digest = hashlib.pbkdf2_hmac("sha512", b"right", salt, rounds, 64)
    return scope.write("passwd", "operator:$7$%d$%s$%s\n" % (
        rounds, base64.b64encode(salt).decode(), base64.b64encode(digest).decode()))


def start_fleet(scope, count):
    redis = Redis(scope, options=("--appendfsync", "everysec", "--maxmemory", "1gb")).start()
    config = {"auth": {"anonymous": True, "password_file": password_file(scope)}, "limits": {"max_memory": BUDGET}}
    brokers = [Broker(scope, "b%d" % i, redis, dict(config), lease="5s", beat="1s") for i in range(count)]
    for b in brokers:
        b.start(wait=False)
    for b in brokers:
        b.wait_ready()
    lb = LoadBalancer(scope, [(b.name, b.address) for b in brokers], workers=1,
                      backend={"health_check": {"type": "mqtt", "interval": "2s", "timeout": "2s", "rise": 1, "fall": 3}})
    lb.start()
    return redis, brokers, lb


def spawn(script, *words, core):
    def prepare():
        die_with_parent()
        os.sched_setaffinity(0, {core})
    return subprocess.Popen([sys.executable, "-B", os.path.join(HERE, script), *map(str, words)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=prepare)


def last_line(process, timeout):
    out, _ = process.communicate(timeout=timeout)
    return json.loads(out.strip().splitlines()[-1])


def judge(result, memory, deaths, slack):
    broken = ["%d bystanders were closed, such as %s" % (len(result["closed"]), result["closed"][0])] \
        if result["closed"] else []
    for what in ("ping", "echo"):
        r = result[what]
        if not r["count"]:
            broken.append("no %s was answered" % what)
        elif r["p999"] > P999_MS * slack or r["max"] > MOST_MS * slack:
            broken.append("%s took %.0f ms at p99.9 and %.0f ms at most" % (what, r["p999"], r["max"]))
    for name, (before, most) in memory.items():
        if most > before + BUDGET * 1.25 / 1024:
            broken.append("%s grew from %d to %d MB" % (name, before >> 10, most >> 10))
    if deaths:
        broken.append("%d brokers were declared dead" % deaths)
    return broken


def watch_memory(processes, most, until):
    while time.monotonic() < until:
        for p in processes:
            p.assert_running()
            most[p.name] = max(most.get(p.name, 0), p.memory_kb())
        time.sleep(0.2)


def main():
    options = arguments()
    first, last = cores()
    with contextlib.closing(Scope("attack")) as scope:
        os.sched_setaffinity(0, {first})
        redis, brokers, lb = start_fleet(scope, options.brokers)
        os.sched_setaffinity(0, {last})
        addresses = ["%s:%d" % lb.plain] + ["%s:%d" % b.address for b in brokers]
        bystanders = spawn("bystanders.py", options.seconds, options.bystanders, *addresses, core=last)
        assert bystanders.stdout.readline().strip() == "ready", "bystanders can't connect"
        before = {p.name: p.memory_kb() for p in (*brokers, lb)}
        bystanders.stdin.write("go\n")
        bystanders.stdin.flush()
        attacker = None
        if not options.quiet:
            ports = ",".join(str(p) for p in [lb.admin_port] + [b.admin_port for b in brokers])
            attacker = spawn("attacker.py", options.seconds - 1, options.seed, addresses[0], ",".join(addresses[1:]),
                             ports, *filter(None, options.only.split(",")), core=last)
        most = {}
        watch_memory((*brokers, lb), most, time.monotonic() + options.seconds)
        result = last_line(bystanders, 60)
        done = last_line(attacker, 60) if attacker else {}
        deaths = sum(metric(b.metrics(), "flotilla_fleet_start_overs_total") or 0 for b in brokers)
        memory = {n: (before[n], most[n]) for n in before}
        report(result, done, memory, redis, {b.name: b.metrics() for b in brokers})
        broken = judge(result, memory, deaths, options.slack)
        for b in brokers:
            b.assert_running()
            if options.log:
                print("---- %s\n%s" % (b.name, b.log_tail(200)))
    for line in broken:
        print("BROKEN: " + line)
    print("%d passed, %d failed" % (0 if broken else 1, 1 if broken else 0))
    return 1 if broken else 0


def cuts(text):
    found = re.findall(r'flotilla_broker_turn_cut_total\{phase="(\w+)"\} ([1-9]\d*)', text)
    return ", ".join("%s %s" % f for f in found) or "none"


def report(result, done, memory, redis, metrics):
    for what in ("ping", "echo"):
        r = result[what]
        if r["count"]:
            print("%s: %d answers, p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f ms" % (
                what, r["count"], r["p50"], r["p99"], r["p999"], r["max"]))
    print("bystanders' own stalls over 100 ms: %d, the longest %.0f ms" % (
        result["own_stalls"], result["own_longest_stall"]))
    for name, text in metrics.items():
        print("%s: longest turn %.0f ms of CPU; turns over 50 ms by the clock: %d; cut short: %s" % (
            name, 1000 * metric(text, "flotilla_broker_turn_longest_cpu_seconds"),
            metric(text, "flotilla_broker_turn_seconds_count") -
            metric(text, "flotilla_broker_turn_seconds_bucket", le="0.05"), cuts(text)))
    print("attacks: " + ", ".join("%s %d" % item for item in sorted(done.items())))
    print("memory in MB, before and most: " + ", ".join(
        "%s %d/%d" % (n, b >> 10, most >> 10) for n, (b, most) in memory.items()) +
        ", redis %d" % (redis.memory_kb() >> 10))


if __name__ == "__main__":
    sys.exit(main())
