#!/usr/bin/env python3
"""Whether a module's own test notices when one of its branches is inverted.

    tests/invert.py BUILD [--count N] [--seed N] [MODULE.c ...]

Draws N modules that have a test of their own name (tests/unit/<folder>/test_<module>.c), or takes those that are named,
and in each an `if` or `while` by lot; inverts it, builds that test, runs it, and puts the source back. BUILD is a
configured build folder. Exit status 1 when an inverted branch went unnoticed. It changes the sources while it works: use
a checkout in which nobody else is at work.
"""
import argparse
import pathlib
import random
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BRANCH = re.compile(r"^\s*(?:\} else )?(?:if|while) \(")
SECONDS = 150


def own_test(module):
    path = ROOT / "tests/unit" / module.parent / ("test_%s.c" % module.stem)
    return path if path.exists() else None


def modules():
    found = (p.relative_to(ROOT) for top in ("broker", "common", "lb") for p in sorted((ROOT / top).rglob("*.c")))
    return [m for m in found if own_test(m)]


def closing(text, start):
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ValueError("no closing bracket")


def branches(text):
    """(line number, start, end) of each condition, brackets included. What only guards against a lack of memory can't
    be tested without one, and isn't drawn."""
    at = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if BRANCH.match(line):
            start = at + line.index("(")
            end = closing(text, start)
            condition = text[start:end + 1]
            if not re.search(r"alloc|== NULL\)$|_new\(", condition):
                yield number, start, end
        at += len(line)


def inverted(text, start, end):
    return text[:start] + "(!" + text[start:end + 1] + ")" + text[end + 1:]


def run(words, seconds=SECONDS):
    try:
        return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        return -1


def try_one(build, module, lot):
    """None: it has no branch. Else (line, what became of it)."""
    source = ROOT / module
    text = source.read_text()
    choices = list(branches(text))
    if not choices:
        return None
    number, start, end = lot.choice(choices)
    target = "tests/" + "_".join(own_test(module).relative_to(ROOT / "tests").with_suffix("").parts)
    try:
        source.write_text(inverted(text, start, end))
        if run(["ninja", "-C", str(build), target], 600) != 0:
            return number, text[start:end + 1], "doesn't build"
        return number, text[start:end + 1], "noticed" if run([str(build / target)]) != 0 else "UNNOTICED"
    finally:
        source.write_text(text)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("modules", nargs="*", type=pathlib.Path)
    p.add_argument("--count", type=int, default=10)
    p.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = p.parse_args()
    lot = random.Random(options.seed)
    print("seed %d" % options.seed)
    drawn = options.modules or lot.sample(modules(), options.count)
    unnoticed = 0
    for module in drawn:
        result = try_one(options.build, module, lot)
        if result is None:
            print("%s: no branch" % module)
            continue
        print("%s:%d %s: %s" % ((module,) + result), flush=True)
        unnoticed += result[2] != "noticed"
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
