#!/usr/bin/env python3
"""Whether the conformance tests notice a fault: plants.txt lists faults that break one normative statement each.

    tests/conformance/plant.py --check            every fault can be planted, and has a test (nothing is built)
    tests/conformance/plant.py --all              plants all of them, one at a time
    tests/conformance/plant.py --only 3.1.2-22    those of this statement ("5.0 3.1.2-22": of one version's)

It works on a copy of the sources in build/plants, builds the broker there without and with the fault, and runs the test
that proves the statement, with the memory store: it has to pass without the fault, and to fail at the proof of the
statement with it. Exit status 1 when a fault wasn't noticed.
"""
import argparse
import ast
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import table

ROOT = pathlib.Path(table.ROOT)
TESTS = ROOT / "tests" / "fleet"
PLANTS = pathlib.Path(table.HERE) / "plants.txt"
FOLDER = ROOT / "build" / "plants"
SOURCES = ("CMakeLists.txt", "cmake", "broker", "common", "lb")
COUNT = 60  # at least
# Where the tests of the conformance mixins run on one broker with the memory store.
RUNNERS = ("test_conformance5.py", "test_conformance.py", "test_conformance_websocket.py")
SECONDS = 120
PATIENCE = 5  # seconds for an answer that a fault may have taken away

Plant = collections.namedtuple("Plant", "version number words file find put")


def name_of(plant):
    return "%s %s" % (plant.version, plant.number)


def read_plants(text):
    plants = []
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        head = re.fullmatch(r"(5\.0|3\.1\.1) (\S+) (.+)", lines[0])
        find, put = ("\n".join(line[2:] for line in lines[2:] if line.startswith(sign)) for sign in ("- ", "+ "))
        if not head or len(lines) < 4 or not find or any(line[:2] not in ("- ", "+ ") for line in lines[2:]):
            raise SystemExit("plants.txt: not an entry: %s" % lines[0])
        plants.append(Plant(*head.groups(), lines[1], find, put))
    return plants


def planted(plant, root):
    """The file's text with the fault in it; raises ValueError when it can't be planted."""
    path = pathlib.Path(root) / plant.file
    if not path.is_file():
        raise ValueError("%s: %s: no such file" % (name_of(plant), plant.file))
    text = path.read_text(encoding="utf-8")
    if text.count(plant.find) != 1:
        raise ValueError("%s: %s: found %d times instead of once:\n%s" % (
            name_of(plant), plant.file, text.count(plant.find), plant.find))
    if plant.find == plant.put:
        raise ValueError("%s: %s: nothing is changed" % (name_of(plant), plant.file))
    return text.replace(plant.find, plant.put)


def check(plants, proofs, root=ROOT):
    """What is wrong, as sentences."""
    troubles = []
    for plant in plants:
        try:
            planted(plant, root)
            if (plant.version, plant.number) not in proofs:
                troubles.append("%s: no test proves it" % name_of(plant))
        except ValueError as e:
            troubles.append(str(e))
    for key, times in collections.Counter((p.version, p.number, p.file, p.find) for p in plants).items():
        if times > 1:
            troubles.append("%s %s: stands there %d times" % (key[0], key[1], times))
    if len(plants) < COUNT:
        troubles.append("only %d faults" % len(plants))
    return troubles


# --- the test of a statement --------------------------------------------------------------------


def parsed(name):
    return ast.parse((TESTS / name).read_text(encoding="utf-8"), name)


def runner_of(mixin):
    """(file, class) that runs the mixin with the memory store."""
    for name in RUNNERS:
        tree = parsed(name)
        alias = {a.asname or a.name: (node.module + ".py", a.name) for node in tree.body
                 if isinstance(node, ast.ImportFrom) for a in node.names}
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and mixin in [alias.get(ast.unparse(b)) for b in node.bases]:
                return name, node.name
    raise ValueError("no test with the memory store runs %s of %s" % (mixin[1], mixin[0]))


def test_that_runs(file, class_name, method):
    """The method itself, or the test that runs it side by side with others."""
    if method.startswith("test_"):
        return method
    for node in parsed(file).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for test in node.body:
                if isinstance(test, ast.FunctionDef) and test.name.startswith("test_") and \
                        "self.%s" % method in re.findall(r"self\.\w+", ast.unparse(test)):
                    return test.name
    raise ValueError("nothing runs %s.%s" % (class_name, method))


def test_of(proof):
    """(file, "Class.test_x", options) of the test in which the proof stands."""
    mixin, method = proof.place.split(".")
    file, runner = runner_of((proof.file, mixin))
    test = test_that_runs(proof.file, mixin, method)
    return (file, "%s.%s" % (runner, test)) + (("--failfast",) if test == method else ())


# --- building and running -----------------------------------------------------------------------


def copy_sources():
    """Only what differs, so that the next build is a small one."""
    kept = set()
    for top in SOURCES:
        files = [ROOT / top] if (ROOT / top).is_file() else [p for p in (ROOT / top).rglob("*") if p.is_file()]
        for source in files:
            target = FOLDER / source.relative_to(ROOT)
            kept.add(target)
            if not target.exists() or target.read_bytes() != source.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    for top in SOURCES[1:]:
        for target in [p for p in (FOLDER / top).rglob("*") if p.is_file() and p not in kept]:
            target.unlink()


def build():
    folder = FOLDER / "build"
    commands = [["ninja", "-C", str(folder), "flotilla-broker"]]
    if not (folder / "build.ninja").exists():
        commands.insert(0, ["cmake", "-S", str(FOLDER), "-B", str(folder), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                            "-DFLOTILLA_TESTS=OFF"])
    for command in commands:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise ValueError("doesn't build:\n%s" % done.stdout)


def run_test(test):
    """(whether it passed, what it said). Ends with the first part that fails, where parts come one by one."""
    file, name, *options = test
    environment = dict(os.environ, FLOTILLA_BROKER=str(FOLDER / "build" / "broker" / "flotilla-broker"),
                       FLOTILLA_CLIENT_TIMEOUT=str(PATIENCE))
    try:
        done = subprocess.run([sys.executable, "-B", str(TESTS / file), name, *options], env=environment, timeout=SECONDS,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except subprocess.TimeoutExpired:
        return False, "it took more than %d s" % SECONDS
    return done.returncode == 0, done.stdout


def failed_at(said):
    """The statements at whose proof a test failed."""
    return {number for line in re.findall(r"at the proof of (.*)", said) for number in line.split(", ")}


def verdict(plant, passed, said):
    """None: noticed. Else what went wrong."""
    if passed:
        return "UNNOTICED"
    if "MQTT-" + plant.number not in failed_at(said):
        return "fails elsewhere: %s" % (", ".join(sorted(failed_at(said))) or said.strip().splitlines()[-1])
    return None


def try_plant(plant, test):
    path = FOLDER / plant.file
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(planted(plant, FOLDER), encoding="utf-8")
        build()
        passed, said = run_test(test)
        return verdict(plant, passed, said), said
    finally:
        path.write_text(text, encoding="utf-8")


def without_faults(plants, tests):
    """Those whose tests fail anyway."""
    broken = []
    build()
    for test in sorted({tests[p] for p in plants}):
        passed, said = run_test(test)
        if not passed:
            print("%s fails without a fault:\n%s" % (" ".join(test), said))
            broken += [p for p in plants if tests[p] == test]
    return broken


def run(plants, proofs, verbose):
    tests = {p: test_of(proofs[p.version, p.number]) for p in plants}
    start, failures = time.monotonic(), 0
    copy_sources()
    failed = without_faults(plants, tests)
    print("%d tests pass without a fault: %.0f s" % (
        len({tests[p] for p in plants if p not in failed}), time.monotonic() - start), flush=True)
    for plant in plants:
        if plant in failed:
            failures += 1
            continue
        try:
            trouble, said = try_plant(plant, tests[plant])
        except ValueError as e:
            trouble, said = str(e), ""
        failures += trouble is not None
        print("%s (%s): %s" % (name_of(plant), plant.words, trouble or "noticed"), flush=True)
        if verbose or trouble:
            print("  " + " ".join(tests[plant]))
        if verbose:
            print(said)
    print("%d faults, %d of them noticed: %.0f s" % (len(plants), len(plants) - failures, time.monotonic() - start))
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="build nothing, plant nothing")
    what.add_argument("--all", action="store_true")
    what.add_argument("--only", metavar="STATEMENT", help="such as 3.1.2-22, or \"5.0 3.1.2-22\"")
    parser.add_argument("--verbose", action="store_true", help="what the tests say")
    options = parser.parse_args()
    plants = read_plants(PLANTS.read_text(encoding="utf-8"))
    proofs = {(p.version, p.number[len("MQTT-"):]): p for p in table.find_proofs(str(TESTS))[0]}
    troubles = check(plants, proofs)
    for trouble in troubles:
        print(trouble)
    if troubles or options.check:
        return 1 if troubles else 0
    chosen = [p for p in plants if not options.only or options.only in (p.number, name_of(p))]
    if not chosen:
        raise SystemExit("no fault breaks %s" % options.only)
    return run(chosen, proofs, options.verbose)


if __name__ == "__main__":
    sys.exit(main())
