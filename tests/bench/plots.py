"""Plots of the growth sweeps, drawn by gnuplot as SVG."""

import subprocess
import tempfile
from pathlib import Path

import tables

# file name -> (title, x axis, y axis, logarithmic x, [(sweep, what to add to the contender's name)])
PLOTS = {
    "cost-brokers.svg": ("Cost against brokers (all brokers and Redis)", "brokers", "CPU µs per message", False,
                         [("brokers, pairs", ", pairs"), ("brokers, pairs all across", ", pairs, all across"),
                          ("brokers, campus", ", campus")]),
    "cost-connections.svg": ("Cost against connections (20,000 messages/s)", "connections", "CPU µs per message", True,
                             [("connections", ""), ("connections, load balancer", "")]),
    "cost-subscriptions.svg": ("Cost against subscriptions", "subscriptions", "CPU µs per message", True,
                               [("subscriptions, exact", ", exact"), ("subscriptions, wildcard", ", wildcard")]),
    "cost-retained-topics.svg": ("Cost of reading 10 retained messages", "retained topics",
                        "CPU µs per message", True, [("retained", "")]),
}
COLORS = ["#1b6ca8", "#d1495b", "#66a182", "#edae49", "#7d5ba6", "#444444"]


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


def series(results, parts):
    """[(label, [(x, y)])]"""
    sweeps, found = tables.sweeps(results), []
    for sweep, suffix in parts:
        points = sweeps.get(sweep, [])
        for name in dict.fromkeys(n for _, case in points for n in results.contenders(case)):
            values = [(size, results.median(case, name, "cpu_us_each")) for size, case in points]
            found.append((name + suffix, [(x, y) for x, y in values if y]))
    return [(label, points) for label, points in found if len(points) > 1]


def draw(path, title, xlabel, ylabel, log, lines):
    sizes = sorted({x for _, points in lines for x, _ in points})
    values = [y for _, points in lines for _, y in points]
    steep = max(values) / min(values) > 8  # then a linear axis hides the lower ones
    ticks = ", ".join(f'"{x:,}" {x}' for x in sizes)
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for i, (label, points) in enumerate(lines):
            data = Path(folder) / f"{i}.dat"
            data.write_text("\n".join(f"{x} {y}" for x, y in points))
            parts.append(f'{quoted(str(data))} using 1:2 with linespoints linewidth 2 pointtype {5 + 2 * (i % 4)} pointsize 0.8 '
                         f'linecolor rgb "{COLORS[i % len(COLORS)]}" title {quoted(label)}')
        script = "\n".join([
            'set terminal svg size 880,420 font "sans,13" background "white"', f"set output {quoted(str(path))}",
            f"set title {quoted(title)}", f"set xlabel {quoted(xlabel)}", f"set ylabel {quoted(ylabel)}",
            f"set xtics ({ticks})", "set grid linecolor rgb '#dddddd'", "set border 3", "set tics nomirror",
            "set key outside right center vertical Left reverse", "set lmargin 10",
            f"set logscale x\nset xrange [{sizes[0] / 1.4:g}:{sizes[-1] * 1.4:g}]" if log
            else f"set xrange [{sizes[0] - 0.3:g}:{sizes[-1] + 0.3:g}]",
            "set logscale y\nset format y '%g'" if steep else "set yrange [0:*]",
            f"set yrange [{min(values) / 2:g}:{max(values) * 2:g}]" if steep else "",
            "plot " + ", ".join(parts), ""])
        subprocess.run(["gnuplot"], input=script, text=True, check=True, timeout=60)


def write(results, folder):
    """[(file name, title)] of what could be drawn."""
    written = []
    for name, (title, xlabel, ylabel, log, parts) in PLOTS.items():
        lines = series(results, parts)
        if lines:
            draw(folder / name, title, xlabel, ylabel, log, lines)
            written.append((name, title))
    return written
