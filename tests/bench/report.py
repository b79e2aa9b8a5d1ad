"""Writes docs/performance.md and its plots from the results of a bench run."""

import collections
import platform
import re
import statistics
import subprocess
import tempfile
from pathlib import Path


def medians(results, key):
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for r in results:
        if key in r:
            found[r["case"]][r["contender"]].append(r[key])
    return {case: {name: statistics.median(v) for name, v in by.items()} for case, by in found.items()}


def figure(case):
    """Which figure a case is about: CPU, memory."""
    return "bytes_each" if "idle" in case else "cpu_us_each"


def cell(value, case):
    if value is None:
        return "–"
    return f"{value:,.0f}" if figure(case) == "bytes_each" or value >= 100 else f"{value:.2f}"


def comparison(results, prefix, ours):
    rows, names = [], []
    by_key = {key: medians(results, key) for key in ("cpu_us_each", "bytes_each")}
    for r in results:
        if r["case"].startswith(prefix) and r["contender"] not in names and r["contender"] != ours:
            names.append(r["contender"])
    lines = [f"| case | unit | {ours} | " + " | ".join(names) + " | ours ÷ best peer |",
             "|---|---|--:|" + "--:|" * len(names) + "--:|"]
    for case in dict.fromkeys(r["case"] for r in results if r["case"].startswith(prefix)):
        values = by_key[figure(case)].get(case, {})
        peers = [values[n] for n in names if n in values]
        ratio = f"{values[ours] / min(peers):.2f}" if ours in values and peers and min(peers) > 0 else "–"
        unit = "bytes" if figure(case) == "bytes_each" else "µs"
        rows.append(f"| {case[len(prefix):]} | {unit} | {cell(values.get(ours), case)} | "
                    + " | ".join(cell(values.get(n), case) for n in names) + f" | {ratio} |")
    return lines + rows if rows else []


def simple(results, prefix):
    cpu, p50, p99, rate = (medians(results, k) for k in ("cpu_us_each", "p50_us", "p99_us", "per_second"))
    p999, memory = medians(results, "p999_us"), medians(results, "bytes_each")
    lines = ["| case | contender | CPU µs | messages/s | p50 µs | p99 µs | p99.9 µs | bytes |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    for case in dict.fromkeys(r["case"] for r in results if re.match(prefix, r["case"])):
        for name in dict.fromkeys(r["contender"] for r in results if r["case"] == case):
            def value(table, case=case, name=name):
                v = table.get(case, {}).get(name)
                return "–" if v is None else f"{v:,.2f}" if v < 100 else f"{v:,.0f}"
            lines.append(f"| {case.split(': ', 1)[1]} | {name} | {value(cpu)} | {value(rate)} | {value(p50)} | {value(p99)} | "
                         f"{value(p999)} | {value(memory)} |")
    return lines if len(lines) > 2 else []


def plot(results, out, what, title, xlabel):
    cpu = medians(results, "cpu_us_each")
    series = collections.defaultdict(list)
    for case, by in cpu.items():
        found = re.fullmatch(rf"growth: ({what}) (\d+)", case)
        if found:
            for name, value in by.items():
                label = "flotilla" if name.startswith("flotilla x") else name
                label += "" if found[1] == what else f", {found[1].split()[0]}"
                series[label].append((int(found[2]), value))
    if not series:
        return None
    name = f"cost-{xlabel.replace(' ', '-')}.svg"
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for i, (label, points) in enumerate(sorted(series.items())):
            data = Path(folder) / f"{i}.dat"
            data.write_text("\n".join(f"{x} {y}" for x, y in sorted(points)))
            parts.append(f'"{data}" using 1:2 with linespoints linewidth 2 title "{label}"')
        scale = "set logscale x\n" if what != "brokers" else ""
        script = (f'set terminal svg size 720,400 background "white"\nset output "{out / name}"\nset title "{title}"\n'
                  f'set xlabel "{xlabel}"\nset ylabel "CPU µs per message"\nset yrange [0:*]\nset grid\n{scale}'
                  f'set key left top\nplot {", ".join(parts)}\n')
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return name


def version(program, *arguments):
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=5)
        text = (done.stdout + done.stderr).strip().splitlines()
        return next((line for line in text if re.search(r"\d+\.\d+", line)), "?")
    except (OSError, subprocess.TimeoutExpired, TypeError):
        return "not here"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def write(results, contenders, options):
    out = Path(options.out)
    p = contenders.programs
    sections = [
        ("One broker, memory store", "CPU per delivered message (connection, client).",
         comparison(results, "broker: ", "flotilla")),
        ("The load balancer, plain", "CPU of the balancer alone, one worker, one broker behind it.",
         comparison(results, "plain: ", "flotilla-lb")),
        ("The load balancer, TLS 1.3", "The same; P-256 certificate.", comparison(results, "tls: ", "flotilla-lb")),
        ("Across two brokers", "CPU of both brokers and Redis together, per delivered message.",
         simple(results, "fleet of 2: ")),
        ("Latency at half of the peer's highest rate", "Open loop; a message's time counts from when it was due.",
         simple(results, ".*latency at half load")),
        ("Growth", "How the cost of a message changes with what the fleet holds.", simple(results, "growth: ")),
    ]
    text = ["# Performance", "",
            "Written by `tests/bench/run.sh`. CPU is user + system time of the server processes per message delivered (or "
            "connection made), memory is resident bytes per connection; medians of "
            f"{options.rounds} runs of {options.seconds:g} s (growth: one run each), the contenders of a case in turn. "
            "Machines differ and drift: trust the ratios.", "",
            f"Machine: {processor()}, Linux {platform.release()}, loopback. "
            f"Peers: {version(p['mosquitto'], '-h')}; {version(p['haproxy'], '-v')}; {version(p['nginx'], '-v')}"
            + (f"; {version(p['flashmq'], '--version')}" if p["flashmq"] else "") + ".", ""]
    for title, note, lines in sections:
        if lines:
            text += [f"## {title}", "", note, "", *lines, ""]
    for what, title, xlabel in (("brokers", "Cost against brokers", "brokers"),
                                ("connections", "Cost against connections", "connections"),
                                (r"(?:exact|wildcard) subscriptions", "Cost against subscriptions", "subscriptions"),
                                ("retained", "Cost of reading against retained messages", "retained topics")):
        name = plot(results, out, what, title, xlabel)
        if name:
            text += [f"![{title}]({name})", ""]
    errors = [r for r in results if "error" in r]
    if errors:
        text += ["## Runs that failed", ""] + [f"- {r['case']}, {r['contender']}: {r['error'].splitlines()[0]}" for r in errors] + [""]
    extra = out / "performance-notes.md"
    if extra.exists():
        text += [extra.read_text()]
    (out / "performance.md").write_text("\n".join(text))
