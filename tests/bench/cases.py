"""What is measured: each case is a load and the contenders that get it in turn."""

import re
import statistics


class Case:
    def __init__(self, name, arguments, contenders, once=False):
        self.name, self.arguments, self.contenders, self.once = name, arguments.split(), contenders, once


BROKER_LOADS = {
    "pairs q0": "pairs --clients 50 --window 32",
    "pairs q1": "pairs --clients 50 --window 32 --qos 1",
    "pairs q2": "pairs --clients 50 --window 32 --qos 2",
    "fan-in q0": "fan-in --clients 100",
    "fan-out q0": "fan-out --clients 200",
    "telemetry q0": "telemetry --clients 1000 --rate 20",
    "telemetry q1, 2 subs": "telemetry --clients 1000 --rate 10 --qos 1 --subscribers 2",
    "connect": "storm --count 5000 --clients 50",
    "idle client": "idle --clients 5000",
    "retained read": "retained --count 20000 --window 100",
    "durable fetch": "durable --clients 50 --count 200",
}

BALANCER_LOADS = {
    "pairs, window 32": "pairs --clients 50 --window 32",
    "pairs, 200/s each": "pairs --clients 50 --rate 200",
    "64 kB bulk": "pairs --clients 4 --window 32 --payload 65536",
    "telemetry q0": "telemetry --clients 1000 --rate 20",
    "telemetry q1": "telemetry --clients 1000 --rate 10 --qos 1 --subscribers 2",
    "connect + close": "storm --count 3000 --clients 50",
    "idle flow": "idle --clients 4000",
}

FLEET_LOADS = {
    "pairs q0": "pairs --clients 50 --window 32",
    "pairs q1": "pairs --clients 50 --window 32 --qos 1",
    "telemetry q0": "telemetry --clients 1000 --rate 20",
    "calm q0": "pairs --clients 1 --rate 50",
}


def table(c, seconds):
    time = f" --seconds {seconds}"
    brokers = [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)]
    if c.programs["flashmq"]:
        brokers.append(("flashmq", c.flashmq))
    for name, load in BROKER_LOADS.items():
        yield Case(f"broker: {name}", load + time, brokers)

    plain = [("flotilla-lb", c.flotilla_lb), ("haproxy", c.haproxy),
             ("haproxy-splice", lambda: c.haproxy(splice=True)), ("nginx-stream", c.nginx)]
    tls = [("flotilla-lb", lambda: c.flotilla_lb(tls=True)), ("haproxy", lambda: c.haproxy(tls=True)),
           ("nginx-stream", lambda: c.nginx(tls=True))]
    for name, load in BALANCER_LOADS.items():
        yield Case(f"plain: {name}", load + time, plain)
        yield Case(f"tls: {name}", load + " --tls" + time, tls)
    yield Case("tls: connect + close, resumed", BALANCER_LOADS["connect + close"] + " --tls --resume", tls)

    for name, load in FLEET_LOADS.items():
        # publishers on the first broker, subscribers on the second
        yield Case(f"fleet of 2: {name}", load + time + " --publish-to 127.0.0.1:{0} --subscribe-to 127.0.0.1:{1}",
                   [("flotilla x2", lambda: c.fleet(2))])
    yield from growth(c, time)


def growth(c, time):
    for count in (1, 2, 4):
        yield Case(f"growth: brokers {count}", "pairs --clients 60 --window 32" + time,
                   [(f"flotilla x{count}", lambda count=count: c.fleet(count))])
    for count in (1000, 3000, 6000, 9000):
        yield Case(f"growth: connections {count}", f"telemetry --clients {count} --rate {20000 / count}" + time,
                   [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)], once=True)
    for count in (10, 1000, 10000, 100000):
        for kind in ("exact", "wildcard"):
            flag = " --wildcard" if kind == "wildcard" else ""
            yield Case(f"growth: {kind} subscriptions {count}",
                       f"pairs --clients 10 --window 32 --extra-filters {count // 10}{flag}" + time,
                       [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)], once=True)
    for count in (10, 1000, 100000, 1000000):
        yield Case(f"growth: retained {count}", f"retained --count {count} --window 200",
                   [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)], once=True)
    yield Case("growth: durable sessions", "durable --clients 20000 --count 1 --extra-filters 2",
               [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)], once=True)


def half_load_latency(bench, c):
    """p99 and p99.9 at half of the peer's highest rate in this run."""
    for group, peer, contenders in (
            ("broker", "mosquitto", [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)]),
            ("plain", "haproxy", [("flotilla-lb", c.flotilla_lb), ("haproxy", c.haproxy)])):
        full = [r["per_second"] for r in bench.results
                if r["contender"] == peer and re.match(f"{group}: pairs(, window 32| q0)$", r["case"]) and "per_second" in r]
        if not full:
            continue
        rate = statistics.median(full) / 2 / 50
        bench.interleave(Case(f"{group}: latency at half load", f"pairs --clients 50 --rate {rate:.0f} --seconds 3", contenders))
