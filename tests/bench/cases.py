"""What is measured: each case is a load and the contenders that get it in turn."""


class Case:
    """`spread` says where clients go when a contender has several addresses: "turn" (client i to address i, and so
    on), "across" (a publisher and its subscriber never on the same one), "even" (all combinations alike).
    `effort` is how many of the asked rounds it gets: 1 all, 0.5 half of them, 0 one. `share_of`: (name of a case,
    share): in open loop, at that share of the rate that the fastest peer had there."""

    def __init__(self, name, load, contenders, spread="turn", effort=1.0, warmup=0.3, share_of=None):
        self.name, self.arguments, self.contenders = name, load.split(), contenders
        self.spread, self.effort, self.warmup, self.share_of = spread, effort, warmup, share_of

    def rounds(self, asked):
        return max(1, round(asked * self.effort))


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
    "retained read": "retained --count 20000 --group 0 --clients 1 --window 100",
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

V5_LOADS = {
    "pairs q0": "pairs --clients 50 --window 32",
    "pairs q0, properties": "pairs --clients 50 --window 32 --properties",
    "pairs q0, aliases": "pairs --clients 50 --window 32 --aliases",
    "pairs q1, properties, aliases": "pairs --clients 50 --window 32 --qos 1 --properties --aliases",
    "fan-out q0, properties": "fan-out --clients 200 --properties",
    "telemetry q0, properties, aliases": "telemetry --clients 1000 --rate 20 --properties --aliases",
    "connect": BROKER_LOADS["connect"],
    "idle client": BROKER_LOADS["idle client"],
}

WEBSOCKET_LOADS = {name: BROKER_LOADS[name] for name in ("pairs q0", "pairs q1", "telemetry q0", "connect", "idle client")}

STRATEGIES = ("round_robin", "random", "local", "hash_topic", "hash_client")
SHARED_LOAD = "telemetry --clients 48 --window 32 --share group"

FLEET_LOADS = {
    "pairs q0": "pairs --clients 50 --window 32",
    "pairs q1": "pairs --clients 50 --window 32 --qos 1",
    "telemetry q0": "telemetry --clients 1000 --rate 20",
    "calm q0": "pairs --clients 1 --rate 50",
}

# Half of what a window of 32 reaches is much for messages that come one by one, as those of an open loop do; half of
# what a window of 1 reaches leaves every process time to sleep.
LATENCY_LOADS = {
    "pairs q0": "pairs --clients 50 --window 32",
    "pairs q1": "pairs --clients 50 --window 32 --qos 1",
    "pairs q0, window 1": "pairs --clients 50 --window 1",
}


def brokers(c):
    found = [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)]
    return found + ([("flashmq", c.flashmq)] if "flashmq" in c.peers else [])


def websocket_brokers(c):
    found = [("flotilla", lambda: c.flotilla(protocol="websocket")), ("mosquitto", lambda: c.mosquitto(protocol="websocket"))]
    return found + ([("flashmq", lambda: c.flashmq(protocol="websocket"))] if "flashmq" in c.peers else [])


def plain_balancers(c):
    return [("flotilla-lb", c.flotilla_lb), ("haproxy", c.haproxy), ("haproxy-splice", lambda: c.haproxy(splice=True)),
            ("nginx-stream", c.nginx)]


def tls_balancers(c):
    return [("flotilla-lb", lambda: c.flotilla_lb(tls=True)), ("haproxy", lambda: c.haproxy(tls=True)),
            ("nginx-stream", lambda: c.nginx(tls=True))]


def manner_of(arguments):
    """How clients of a load speak to the server: what else it must be able to do."""
    flags = [f" {flag}" for flag in ("--tls", "--websocket", "--properties", "--aliases") if flag in arguments]
    version = arguments[arguments.index("--protocol") + 1] if "--protocol" in arguments else None
    return "".join(flags) + (f" --protocol {version}" if version else "")


def warmup_of(load):
    """In an open loop rests may come, once the load has lasted for 2 s (common/base/pace.h)."""
    return 2.5 if "--rate" in load else 0.3


def table(c):
    for name, load in BROKER_LOADS.items():
        yield Case(f"broker: {name}", load, brokers(c), warmup=warmup_of(load))
    for name, load in BALANCER_LOADS.items():
        yield Case(f"plain: {name}", load, plain_balancers(c), warmup=warmup_of(load))
        yield Case(f"tls: {name}", load + " --tls", tls_balancers(c), warmup=warmup_of(load))
    yield Case("tls: connect + close, resumed", BALANCER_LOADS["connect + close"] + " --tls --resume", tls_balancers(c))
    yield from fleet(c)
    yield from protocols(c)
    yield from shared(c)
    yield from growth(c)


def protocols(c):
    """The same loads in 5.0, with what it brings, and over WebSocket."""
    for name, load in V5_LOADS.items():
        yield Case(f"5.0: {name}", load + " --protocol 5", brokers(c), warmup=warmup_of(load))
    for name, load in WEBSOCKET_LOADS.items():
        yield Case(f"websocket: {name}", load + " --websocket", websocket_brokers(c), warmup=warmup_of(load))


def shared(c):
    """One group that shares what 48 publishers send."""
    for members in (1, 10, 100):
        for qos in (0, 1):
            yield Case(f"shared: {members} members q{qos}", f"{SHARED_LOAD} --subscribers {members} --qos {qos}", brokers(c))
    for strategy in STRATEGIES:
        for qos in (0, 1):
            load = f"{SHARED_LOAD} --subscribers 16 --qos {qos}"
            yield Case(f"strategies: {strategy} q{qos}, memory store 1", load,
                       [("flotilla", lambda strategy=strategy: c.flotilla(strategy=strategy))])
            for count in (1, 2, 4):
                contender = [("flotilla + Redis", lambda count=count, strategy=strategy: c.fleet(count, strategy))]
                yield Case(f"strategies: {strategy} q{qos} {count}", load, contender, spread="even", effort=0.5)


def fleet(c):
    contenders = [("flotilla x2", lambda: c.fleet(2))]
    if c.aedes_folder:
        contenders.append(("aedes x2", lambda: c.aedes(2)))
    for name, load in FLEET_LOADS.items():
        yield Case(f"fleet of 2: {name}", load, contenders, spread="across", warmup=warmup_of(load))


# ---- growth: each sweep changes one size and nothing else

def fleet_growth(c):
    pairs, campus = "pairs --clients 64 --window 32", "telemetry --clients 1000 --rate 20 --subscribers 4"
    for count in (1, 2, 4):
        contender = [("flotilla + Redis", lambda count=count: c.fleet(count))]
        yield Case(f"growth: brokers, pairs {count}", pairs, contender, spread="even")
        yield Case(f"growth: brokers, pairs all across {count}", pairs, contender, spread="across")
        yield Case(f"growth: brokers, campus {count}", campus, contender)


def growth(c):
    yield from fleet_growth(c)
    both = [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)]
    balancers = [("flotilla-lb", c.flotilla_lb), ("haproxy", c.haproxy)]
    for count in (1000, 3000, 6000, 9000):
        load = f"telemetry --clients {count} --rate {20000 / count}"
        yield Case(f"growth: connections {count}", load, both, effort=0.5)
        yield Case(f"growth: connections, load balancer {count}", load, balancers, effort=0.5)
    for kind, flag in (("exact", ""), ("wildcard", " --wildcard")):
        for count in (10, 1000, 10000, 100000, 1000000):
            yield Case(f"growth: subscriptions, {kind} {count}",
                       f"pairs --clients 10 --window 32 --extra-filters {count // 10 - 1}{flag}", both,
                       effort=0.5 if count < 1000000 else 0)
    for count in (10, 1000, 10000, 100000, 1000000):
        yield Case(f"growth: retained {count}", f"retained --count {count} --clients 20 --window 200", both,
                   effort=0.5 if count < 1000000 else 0)
    for count in (1000, 10000, 100000, 1000000):
        yield Case(f"growth: retained, all by one filter {count}",
                   f"retained --count {count} --clients 1 --group 0 --window 200", both, effort=0)
    yield from memory(c)


def memory(c):
    """mosquitto's time to let a session go grows with the sessions that it has: 10,000 are what it can do here."""
    offline = "durable --count 0 --extra-filters 3 --clients"
    yield Case("memory: offline sessions 10000", f"{offline} 10000", [("flotilla", c.flotilla), ("mosquitto", c.mosquitto)],
               effort=0)
    yield Case("memory: offline sessions 100000", f"{offline} 100000",
               [("flotilla", c.flotilla), ("flotilla + Redis", lambda: c.fleet(1))], effort=0)


# ---- latency under load

LATENCY_GROUPS = {"broker": (brokers, ""), "plain": (plain_balancers, ""), "tls": (tls_balancers, " --tls")}


def latency(c):
    """(case, load of which half is wanted, ours first): the rate follows from what the peers reach."""
    for group, (make, flags) in LATENCY_GROUPS.items():
        for name, load in LATENCY_LOADS.items():
            contenders = [pair for pair in make(c) if pair[0] != "haproxy-splice"]
            yield Case(f"latency: {group}, {name}", load + flags, contenders)


# ---- rests under a trickle (common/base/pace.h), with and without: not part of the table, see --rests

REST_SHARES = {"a quarter of it": 0.25, "half of it": 0.5, "three quarters of it": 0.75}
REST_LOADS = {"pairs, 200/s each": BALANCER_LOADS["pairs, 200/s each"], "telemetry q0": BALANCER_LOADS["telemetry q0"],
              "telemetry q1": BALANCER_LOADS["telemetry q1"]}


def rests(c):
    groups = {
        "broker": [("flotilla", c.flotilla), ("flotilla, no rests", lambda: c.flotilla(gather=False)), ("mosquitto", c.mosquitto)],
        "plain": [("flotilla-lb", c.flotilla_lb), ("flotilla-lb, no rests", lambda: c.flotilla_lb(gather=False)),
                  ("haproxy", c.haproxy), ("nginx-stream", c.nginx)],
        "tls": [("flotilla-lb", lambda: c.flotilla_lb(tls=True)),
                ("flotilla-lb, no rests", lambda: c.flotilla_lb(tls=True, gather=False)),
                ("haproxy", lambda: c.haproxy(tls=True)), ("nginx-stream", lambda: c.nginx(tls=True))],
    }
    for group, contenders in groups.items():
        tls, closed = (" --tls" if group == "tls" else ""), f"rests: {group}, window 1"
        load = "pairs --clients 50 --window 1" + tls
        yield Case(closed, load, contenders)
        for name, share in REST_SHARES.items():
            yield Case(f"{closed}, {name}", load, contenders, warmup=2.5, share_of=(closed, share))
        for name, load in REST_LOADS.items():
            yield Case(f"rests: {group}, {name}", load + tls, contenders, warmup=warmup_of(load))
