"""Runs the bench table, interleaved and repeated, and writes docs/performance.md with its plots.

Usage: see --help. Raw results land in BUILD/results.json, one entry a run; --from writes the report from such a file
again without measuring. A contender that can't be measured fails the whole: at once when it can't be started, else at the
end, without a report. Nothing that was started outlives this program.
"""

import argparse
import datetime
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cases
import report
import tables
from contenders import Contenders
from peers import MissingPeer
from results import Results
from servers import Server, pinned

STARTING_S = 0.6  # a run's start and end, for the estimate


class Bench:
    def __init__(self, options):
        self.options = options
        self.load = Path(options.build) / "tests/bench/flotilla-bench"
        self.results = []

    @staticmethod
    def addresses(ports, spread):
        """The load generator's address options; client i takes the i-th of its kind, in turn."""
        n = len(ports)
        publish, subscribe = list(ports), list(ports)
        if spread == "across":
            subscribe = ports[1:] + ports[:1]
        elif spread == "even":
            publish = [ports[i % n] for i in range(n * n)]
            subscribe = [ports[i // n] for i in range(n * n)]
        return [a for p in publish for a in ("--publish-to", f"127.0.0.1:{p}")] + \
               [a for p in subscribe for a in ("--subscribe-to", f"127.0.0.1:{p}")]

    def run(self, case, name, make, seconds=None):
        """One run of one contender, started for it alone."""
        try:
            server = make()
            processes = server.pids()
            command = [*pinned(server.other_cores), str(self.load), *case.arguments, "--seconds", str(seconds or self.options.seconds), "--warmup", str(case.warmup),
                       *self.addresses(server.targets, case.spread)]
            for _, pid in processes:
                command += ["--pid", str(pid)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=400)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip())
            result = json.loads(done.stdout)
            if not (result.get("cpu_us_each") or result.get("bytes_each")):
                raise RuntimeError("nothing went through it, or not through the measured processes")
            for key in ("cpu_us_each", "bytes_each"):
                parts = {}
                for (what, _), value in zip(processes, result.pop(key + "_by_pid", [])):
                    parts[what] = parts.get(what, 0) + value
                if len(parts) > 1:
                    result[key + "_of"] = parts
        except (RuntimeError, subprocess.TimeoutExpired, ValueError, OSError) as trouble:
            result = {"error": str(trouble)}
        finally:
            Server.stop_all()
        result.update(case=case.name, contender=name)
        self.results.append(result)
        self.show(result)
        return result

    @staticmethod
    def show(result):
        shown = result.get("error") or ", ".join(
            f"{k} {result[k]}" for k in ("cpu_us_each", "own_cpu_us_each", "bytes_each", "per_second", "p50_us", "p99_us")
            if k in result) + ("" if result.get("exact", True) else ", NOT EXACT")
        print(f"  {result['case']:44} {result['contender']:16} {shown}", file=sys.stderr, flush=True)

    def try_each(self, all_cases):
        """Starts each contender once, with a small load, so that one that can't be measured is known at once."""
        tried = set()
        for case in all_cases:
            how = cases.manner_of(case.arguments)
            trial = cases.Case(f"trying{how}", f"pairs --clients 4 --window 1{how}", [], case.spread)
            for name, make in case.contenders:
                if (name, how, make.__defaults__) not in tried:
                    tried.add((name, how, make.__defaults__))
                    self.run(trial, name, make, seconds=0.1)
        give_up_over(self.results)
        self.results = []

    def interleave(self, case):
        """A B A B ..."""
        for _ in range(case.rounds(self.options.rounds)):
            for name, make in case.contenders:
                self.run(case, name, make)

    def measure(self, case):
        if case.share_of:
            name, share = case.share_of
            rates = [r["per_second"] for r in self.results
                     if r["case"] == name and not r["contender"].startswith("flotilla") and "per_second" in r]
            if not rates:
                raise NotMeasured(f"{case.name}: it needs the figures of '{name}'")
            clients = int(case.arguments[case.arguments.index("--clients") + 1])
            case.arguments += ["--rate", f"{max(rates) * share / clients:.1f}"]
        self.interleave(case)

    def highest_rate(self, case, peers):
        """Messages a second of the fastest of the peers under the case's load, measured now if it wasn't before."""
        group, load = re.fullmatch(r"latency: (\w+), (.*)", case.name).groups()
        known = {f"{group}: {load}", f"{group}: {load.replace(' q0', ', window 32')}", f"{case.name}, full"}
        full = cases.Case(f"{case.name}, full", " ".join(case.arguments), peers, effort=0.5)
        for attempt in range(2):
            rates = {name: [r["per_second"] for r in self.results
                            if r["case"] in known and r["contender"] == name and "per_second" in r] for name, _ in peers}
            rates = [statistics.median(found) for found in rates.values() if found]
            if rates:
                return max(rates)
            if attempt == 0:
                self.interleave(full)
        return None

    def latency_at_half_load(self, case):
        rate = self.highest_rate(case, case.contenders[1:])
        if rate is None:
            self.results.append({"case": case.name, "contender": case.contenders[0][0],
                                 "error": "no peer could be measured, so there is no half load"})
            return
        clients = int(case.arguments[case.arguments.index("--clients") + 1])
        load = " ".join(case.arguments) + f" --rate {rate / 2 / clients:.1f}"
        self.interleave(cases.Case(case.name, load, case.contenders, warmup=cases.warmup_of(load)))


class NotMeasured(Exception):
    """Sentences for people: which contenders, in which cases, and why."""


def give_up_over(results):
    """A row without a figure is no result."""
    found = [f"{r['case']}, {r['contender']}: {(r['error'].splitlines() or ['?'])[0]}" for r in results if "error" in r]
    if found:
        raise NotMeasured("could not be measured:\n  " + "\n  ".join(dict.fromkeys(found)))


def selected(options, contenders):
    if options.rests:
        return [c for c in cases.rests(contenders) if re.search(options.only, c.name)], []
    wanted = [c for c in cases.table(contenders) if re.search(options.only, c.name)]
    return wanted, [c for c in cases.latency(contenders) if re.search(options.only, c.name)]


def estimate_minutes(options, all_cases):
    runs = sum(c.rounds(options.rounds) * len(c.contenders) for c in all_cases)
    slow = sum(20 * len(c.contenders) for c in all_cases if re.search(r" 1000000$", c.name))
    return runs, (sum(c.rounds(options.rounds) * len(c.contenders) * (options.seconds + c.warmup + STARTING_S) for c in all_cases)
                  + slow) / 60


def measure(options, contenders):
    bench = Bench(options)
    table, latency = selected(options, contenders)
    if not table and not latency:
        raise MissingPeer(f"--only {options.only}: no case has such a name")
    runs, minutes = estimate_minutes(options, table + latency)
    print(f"{runs} runs, about {minutes:.0f} min; beside {', '.join(p.version() for p in contenders.peers.values())}",
          file=sys.stderr)
    bench.try_each(table + latency)
    if options.only_try:
        return None, []
    began = time.monotonic()
    meta = {"date": datetime.date.today().isoformat(), "rounds": options.rounds, "seconds": options.seconds,
            "machine": f"{processor()}, {os.cpu_count()} cores, Linux {platform.release()}",
            "peers": [p.version() for p in contenders.peers.values()]
            + (["aedes " + aedes_version(options.aedes)] if options.aedes else [])}
    path = Path(options.build) / "results.json"
    try:
        for case in table:
            bench.measure(case)
        for case in latency:
            bench.latency_at_half_load(case)
    finally:
        meta["minutes"] = round((time.monotonic() - began) / 60, 1)
        path.write_text(json.dumps({"meta": meta, "results": bench.results}, indent=1))
    print(f"took {meta['minutes']} min; results in {path}", file=sys.stderr)
    give_up_over(bench.results)
    return meta, bench.results


def aedes_version(folder):
    return json.loads((Path(folder) / "node_modules/aedes/package.json").read_text())["version"]


def split_cores():
    """(the measured process' core, all others); None on a single core. Without it a server with load to spare is
    now on its clients' core and now on another, and a wake-up across cores costs two to three times as much."""
    cores = sorted(os.sched_getaffinity(0))
    return (set(cores[:1]), set(cores[1:])) if len(cores) > 1 else None


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="folder of a Release build")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender, in turn (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured time of a run (1)")
    parser.add_argument("--quick", action="store_true", help="one round of half a second: a look, not a result")
    parser.add_argument("--only", default="", metavar="REGEX", help="cases whose name matches; writes no report")
    parser.add_argument("--rests", action="store_true",
                        help="instead of the table: loads with and without rests under a trickle, printed")
    parser.add_argument("--try", dest="only_try", action="store_true",
                        help="start each contender once with a small load, measure nothing")
    parser.add_argument("--list", action="store_true", help="names of the cases")
    parser.add_argument("--out", help="where the report goes (docs; with --only: nowhere)")
    parser.add_argument("--from", dest="source", metavar="RESULTS", help="report of these results, without measuring")
    parser.add_argument("--no-pin", dest="pin", action="store_false", help="let the system place the processes")
    parser.add_argument("--aedes", metavar="FOLDER", help="node packages of aedes (run.sh --aedes installs them)")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.5
    return options


def main():
    options = parse()
    if options.source:
        data = json.loads(Path(options.source).read_text())
        report.write(data["results"], data["meta"], Path(options.out or "docs"))
        return
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder:
        contenders = Contenders(options.build, folder, aedes=options.aedes,
                                cores=split_cores() if options.pin else None)
        if options.list:
            print("\n".join(c.name for part in selected(options, contenders) for c in part))
            return
        meta, results = measure(options, contenders)
    if options.rests:
        print("\n".join(tables.rests(Results(results))))
    elif results and (options.out or not options.only):
        report.write(results, meta, Path(options.out or "docs"))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        main()
    except (MissingPeer, NotMeasured) as trouble:
        sys.exit(f"bench: {trouble}")
