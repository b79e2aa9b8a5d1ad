"""The goals: what peers cost on another machine when they were set, and what was asked of Flotilla there.

Machines differ, so a goal counts as a ratio: goal ÷ the best of those peers that are in this run, too. Memory doesn't
depend on the machine's speed: there the figure itself counts as well.
"""


class Goal:
    def __init__(self, goal, **peers):
        self.goal, self.peers = goal, peers

    def ratio(self, present):
        """What ours ÷ best peer may be, given the peers in this run; None when none of them was measured there."""
        known = [value for name, value in self.peers.items() if name in present]
        return self.goal / min(known) if known else None


def _broker(goal, mosquitto, flashmq):
    return Goal(goal, mosquitto=mosquitto, flashmq=flashmq)


def _plain(goal, haproxy, splice):
    return Goal(goal, **{"haproxy": haproxy, "haproxy-splice": splice})


def _tls(goal, *versions):
    """HAProxy 3.4 and 2.6."""
    return Goal(goal, haproxy=min(versions))


GOALS = {
    "broker: pairs q0": _broker(0.8, 7.1, 1.08),
    "broker: pairs q1": _broker(1.6, 17.1, 1.99),
    "broker: fan-in q0": _broker(0.7, 6.1, 0.91),
    "broker: fan-out q0": _broker(1.0, 8.7, 1.77),
    "broker: telemetry q0": _broker(11, 17.3, 16.1),
    "broker: telemetry q1, 2 subs": _broker(10, 26.1, 13.1),
    "broker: connect": _broker(50, 66, 74),
    "broker: idle client": _broker(720, 4000, 3300),
    "5.0: idle client": Goal(800),
    "plain: pairs, window 32": _plain(0.8, 1.18, 1.22),
    "plain: pairs, 200/s each": _plain(25, 36, 38),
    "plain: 64 kB bulk": _plain(50, 116, 63),
    "plain: telemetry q0": _plain(20, 27, 26),
    "plain: telemetry q1": _plain(28, 40, 47),
    "plain: connect + close": _plain(70, 105, 93),
    "plain: idle flow": _plain(1200, 2900, 2900),
    "tls: pairs, window 32": _tls(0.9, 1.35, 1.11),
    "tls: pairs, 200/s each": _tls(25, 31, 35),
    "tls: 64 kB bulk": _tls(110, 190, 138),
    "tls: telemetry q0": _tls(20, 30, 26),
    "tls: telemetry q1": _tls(28, 36, 48),
    "tls: connect + close": _tls(330, 530, 510),
    "tls: connect + close, resumed": _tls(270, 430, 420),
    "tls: idle flow": _tls(13000, 13600, 13400),
    "fleet of 2: pairs q0": Goal(3, **{"aedes x2": 48}),
    "fleet of 2: pairs q1": Goal(6, **{"aedes x2": 53}),
    "fleet of 2: telemetry q0": Goal(25, **{"aedes x2": 220}),
}

# p50 in microseconds
LATENCY_GOALS = {"fleet of 2: telemetry q0": 400, "fleet of 2: calm q0": 200}
