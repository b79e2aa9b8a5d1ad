"""The tables of docs/performance.md."""

import re

from goals import GOALS, LATENCY_GOALS

FLAT = 1.30


def key_of(case):
    return "bytes_each" if "idle" in case or case.startswith("memory") else "cpu_us_each"


def number(value, whole=False):
    if value is None:
        return "–"
    return f"{value:,.0f}" if whole or abs(value) >= 100 else f"{value:.2f}"


def micro(value):
    """A latency: no false digits."""
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def ratio_cell(ratio):
    if ratio is None:
        return "–"
    middle, low, high = (f"{r:.2f}" if r >= 0.1 else f"{r:.3f}" for r in ratio)
    return f"**{middle}** ({low}–{high})" if ratio[1] != ratio[2] else f"**{middle}**"


def markdown(head, right_from, rows):
    """A table whose columns from `right_from` on hold numbers."""
    if not rows:
        return []
    rule = ["---" if i < right_from else "--:" for i in range(len(head))]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def verdict(case, value, ratio, present):
    """(goal of the ratio, whether it is met)."""
    goal = GOALS.get(case)
    if goal is None or value is None:
        return "–", "–"
    wanted = goal.ratio(present)
    shown = f"{wanted:.2f}" if wanted else f"{goal.goal:,g}"
    if wanted and ratio and ratio[0] <= wanted * 1.005:
        return shown, "yes"
    if value > goal.goal:
        return shown, "no"
    return shown, "yes, by its figure" if key_of(case) == "bytes_each" or not wanted else "by its figure only"


def comparison(results, prefix, ours):
    peers = [n for n in results.contenders(prefix) if n != ours]
    rows = []
    for case in results.cases(prefix):
        key = key_of(case)
        whole = key == "bytes_each"
        values = {n: results.median(case, n, key) for n in (ours, *peers)}
        ratio = results.ratio(case, ours, peers, key)
        wanted, met = verdict(case, values[ours], ratio, [p for p in peers if values[p]])
        rows.append([case[len(prefix):], "bytes" if whole else "µs", *(number(v, whole) for v in values.values()),
                     ratio_cell(ratio), wanted, met])
    return markdown(["case", "unit", ours, *peers, "ours ÷ best peer (rounds)", "goal", "met"], 2, rows)


def strategies(results):
    """Strategies down, numbers of brokers across."""
    rows = {}
    for case in results.cases("strategies: "):
        name, size = re.fullmatch(r"strategies: (.*) (\d+)", case).groups()
        column = 0 if name.endswith(", memory store") else int(size)
        for contender in results.contenders(case):
            rows.setdefault(name.removesuffix(", memory store"), {})[column] = results.median(case, contender, "cpu_us_each")
    columns = (0, 1, 2, 4)
    return markdown(["strategy", "memory store", "1 broker + Redis", "2 brokers", "4 brokers"], 1,
                    [[name, *(number(values.get(c)) for c in columns)] for name, values in rows.items()])


def fleet(results):
    prefix = "fleet of 2: "
    ours, *peers = results.contenders(prefix) or [None]
    rows = []
    for case in results.cases(prefix):
        value = results.median(case, ours, "cpu_us_each")
        p50 = results.median(case, ours, "p50_us")
        goal, latency = GOALS.get(case), LATENCY_GOALS.get(case)
        ratio = results.ratio(case, ours, peers, "cpu_us_each")
        rows.append([case[len(prefix):], number(value), number(results.part(case, ours, "cpu_us_each", "redis")),
                     f"{goal.goal:g}" if goal else "–",
                     *(number(results.median(case, p, "cpu_us_each")) for p in peers),
                     *([ratio_cell(ratio), f"{goal.ratio(peers):.3f}" if goal else "–"] if peers else []),
                     number(results.median(case, ours, "per_second"), True), micro(p50), f"{latency}" if latency else "–",
                     *(micro(results.median(case, p, "p50_us")) for p in peers),
                     micro(results.median(case, ours, "p99_us")), fleet_met(value, goal, p50, latency)])
    head = ["case", "flotilla, µs", "of it Redis", "goal", *(f"{p}, µs" for p in peers), *(["ours ÷ " + peers[0], "goal"] if peers else []),
            "messages/s", "p50 µs", "goal", *(f"{p}, p50 µs" for p in peers), "p99 µs", "met"]
    return markdown(head, 1, rows)


def fleet_met(value, goal, p50, latency):
    """The figures: what Redis costs is the same for all, and aedes isn't always here."""
    if value is None:
        return "–"
    wrong = [name for name, got, most in (("CPU", value, goal.goal if goal else None), ("p50", p50, latency))
             if most is not None and got is not None and got > most]
    return "no: " + ", ".join(wrong) if wrong else "yes" if goal or latency else "–"


def latency(results):
    """p99 and p99.9 beside each peer's, ratios to the best one."""
    rows = []
    for case in results.cases("latency: "):
        if case.endswith(", full"):
            continue
        ours, *peers = results.contenders(case) or [None]
        ratios = {key: results.ratio(case, ours, peers, key) for key in ("p99_us", "p999_us")}
        for name in (ours, *peers):
            mine = name == ours
            rows.append([case.split(": ", 1)[1] if mine else "", name, number(results.median(case, name, "per_second"), True),
                         *(micro(results.median(case, name, k)) for k in ("p50_us", "p99_us", "p999_us")),
                         *(ratio_cell(r) if mine else "" for r in ratios.values()), no_worse(ratios.values()) if mine else ""])
    return markdown(["load", "contender", "messages/s", "p50 µs", "p99 µs", "p99.9 µs", "p99 ÷ best peer", "p99.9 ÷ best peer",
                     "no worse"], 2, rows)


def no_worse(ratios):
    """`alike`: in some rounds ours was, in others the peer."""
    if any(r is None for r in ratios):
        return "–"
    return "yes" if all(r[0] <= 1 for r in ratios) else "alike" if all(r[1] <= 1 for r in ratios) else "no"


def sweeps(results):
    """name -> [(size, case)] of the growth cases."""
    found = {}
    for case in results.cases("growth: "):
        name, size = re.fullmatch(r"growth: (.*) (\d+)", case).groups()
        found.setdefault(name, []).append((int(size), case))
    return {name: sorted(points) for name, points in found.items()}


def flatness(values):
    known = [v for v in values if v]
    if len(known) < 2:
        return "–", None
    return f"{max(known) / min(known):.2f}", max(known) / min(known)


def growth(results, notes):
    """One table a sweep: contenders down, sizes across, and whether it is flat."""
    lines = []
    for name, points in sweeps(results).items():
        rows = []
        for contender in dict.fromkeys(n for _, case in points for n in results.contenders(case)):
            for key, label in (("cpu_us_each", contender), ("setup_cpu_us_each", f"{contender}, setting one")):
                setting = key != "cpu_us_each"  # a few are set in no time that could be measured
                values = [None if setting and size < 1000 else results.median(case, contender, key) for size, case in points]
                if not any(values) or (setting and name != "retained"):
                    continue
                shown, ratio = flatness(values)
                flat = "–" if ratio is None else "yes" if ratio <= FLAT else "no: see below" if f"**{name}**" in notes else "no"
                rows.append([label, *(number(v) for v in values), shown, flat])
        lines += [*markdown([name, *(f"{size:,}" for size, _ in points), "max ÷ min", "within 30 %"], 1, rows), ""]
    return lines


def memory(results):
    rows = []
    for case in results.cases("memory: "):
        for name in results.contenders(case):
            whole = results.median(case, name, "bytes_each")
            broker = results.part(case, name, "bytes_each", "broker")
            redis = results.part(case, name, "bytes_each", "redis")
            broker = whole if broker is None else broker
            rows.append([f"{int(case.split()[-1]):,}", name, number(broker, True), number(redis, True), *(
                "–" if v is None else f"{v * 100000 / 1e6:,.0f} MB" for v in (broker, redis)),
                number(results.median(case, name, "setup_cpu_us_each"))])
    return markdown(["sessions", "contender", "broker, bytes each", "Redis, bytes each", "broker per 100,000",
                     "Redis per 100,000", "CPU µs to make one"], 2, rows)


def details(results):
    """Everything that was measured of each case and contender."""
    lines = []
    for group in dict.fromkeys(case.split(": ", 1)[0] for case in results.cases("")):
        rows = []
        for case in results.cases(group + ": "):
            for name in results.contenders(case):
                spread = results.spread(case, name, key_of(case))
                rows.append([case.split(": ", 1)[1], name, *(number(results.median(case, name, k)) for k in
                                                             ("cpu_us_each", "own_cpu_us_each")),
                             "–" if spread is None else f"{spread * 100:.0f} %",
                             number(results.median(case, name, "per_second"), True),
                             *(micro(results.median(case, name, k)) for k in ("p50_us", "p99_us", "p999_us")),
                             number(results.median(case, name, "bytes_each"), True)])
        lines += [f"## {group}", "", *markdown(["case", "contender", "CPU µs", "generator µs", "spread", "per second", "p50 µs", "p99 µs",
                                                "p99.9 µs", "bytes"], 2, rows), ""]
    return lines


def rests(results):
    """CPU, p50 and p99 of each contender: the median, and the lowest and highest of the rounds."""
    def cell(case, name, key):
        found = results.values(case, name, key)
        return f"{number(results.median(case, name, key))} ({number(min(found))}–{number(max(found))})" if found else "–"

    rows = [[case.split(": ", 1)[1], name, number(results.median(case, name, "per_second"), True),
             *(cell(case, name, key) for key in ("cpu_us_each", "p50_us", "p99_us"))]
            for case in results.cases("rests: ") for name in results.contenders(case)]
    return markdown(["load", "contender", "messages/s", "CPU µs a message", "p50 µs", "p99 µs"], 2, rows)
