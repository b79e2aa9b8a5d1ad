"""Runs the bench table, interleaved and repeated, and writes docs/performance.md with its plots.

Usage: bench.py --build DIR [--rounds 5] [--seconds 3] [--quick] [--only REGEX] [--out docs]
Raw results land in DIR/results.json, one entry a run.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import cases
import report
from servers import Contenders


class Bench:
    def __init__(self, options):
        self.options = options
        self.load = next(Path(options.build).rglob("flotilla-bench"))
        self.results = []

    def run(self, case, name, make, arguments):
        """One run of one contender, started for it alone."""
        server = make()
        try:
            command = [str(self.load), *arguments]
            for port in server.targets if "--publish-to" not in " ".join(arguments) else []:
                command += ["--target", f"127.0.0.1:{port}"]
            for pid in server.pids():
                command += ["--pid", str(pid)]
            command = [a.format(*server.targets) for a in command]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip())
            result = json.loads(done.stdout)
        except (RuntimeError, subprocess.TimeoutExpired, ValueError) as trouble:
            result = {"error": str(trouble)}
        finally:
            server.stop()
        result.update(case=case, contender=name)
        self.results.append(result)
        shown = result.get("error") or ", ".join(
            f"{k} {result[k]}" for k in ("cpu_us_each", "bytes_each", "per_second", "p50_us", "p99_us") if k in result)
        print(f"  {case:34} {name:16} {shown}", file=sys.stderr, flush=True)
        return result

    def interleave(self, case):
        for _ in range(1 if case.once else self.options.rounds):
            for name, make in case.contenders:
                self.run(case.name, name, make, case.arguments)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured time of a run")
    parser.add_argument("--quick", action="store_true", help="short runs, one round: a look, not a result")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", default="docs")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1.0
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder:
        contenders = Contenders(options.build, folder)
        bench = Bench(options)
        try:
            for case in cases.table(contenders, options.seconds):
                if re.search(options.only, case.name):
                    bench.interleave(case)
            cases.half_load_latency(bench, contenders)
        finally:
            results = os.path.join(options.build, "results.json")
            Path(results).write_text(json.dumps(bench.results, indent=1))
        if not options.only:
            report.write(bench.results, contenders, options)
        print(f"results in {results}")


if __name__ == "__main__":
    main()
