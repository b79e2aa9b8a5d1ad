#!/usr/bin/env python3
"""The table of docs/conformance.md: each normative statement of MQTT 3.1.1 and 5.0, and the test that proves it.

mqtt-3.1.1.txt and mqtt-5.0.txt list the statements. Tests say self.proves("MQTT-3.3.1-2") before the assertion that
proves it: of 5.0 in the files whose names begin with conformance5, of 3.1.1 in all others. Without an argument the script
checks that each statement has one proof and that the document is up to date; --write writes it.
"""
import argparse
import ast
import collections
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SIDES = ("server", "client", "both")
CHAPTERS = {
    "1.5": "Data representation", "2.1": "Packet format", "2.2": "Packet format", "2.3": "Packet format", "3.1": "CONNECT",
    "3.2": "CONNACK", "3.3": "PUBLISH", "3.4": "PUBACK", "3.5": "PUBREC", "3.6": "PUBREL", "3.7": "PUBCOMP",
    "3.8": "SUBSCRIBE", "3.9": "SUBACK", "3.10": "UNSUBSCRIBE", "3.11": "UNSUBACK", "3.12": "PINGREQ", "3.14": "DISCONNECT",
    "3.15": "AUTH", "4.1": "Session state", "4.2": "Network connections", "4.3": "Quality of service",
    "4.4": "Delivery again", "4.5": "Message receipt", "4.6": "Order", "4.7": "Topic names and filters", "4.8": "",
    "4.9": "Flow control", "4.12": "Enhanced authentication", "4.13": "Errors", "6.0": "WebSocket", "7.0": "Conformance",
    "7.1": "Conformance"}
SECTION_4_8 = {"3.1.1": "Errors", "5.0": "Shared subscriptions"}
HEAD = """# Conformance

Which test proves which normative statement of MQTT 3.1.1 and 5.0. `tests/conformance/table.py --write` writes this page
from the lists beside it and from the tests; the test `conformance/table` fails for a statement without a proof, for a
proof of an unknown one, for two proofs of one, and when this page is out of date.

The numbers are those of the specifications ([3.1.1](https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html),
[5.0](https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html)), where their words are; here is what they are about.
*Binds*: whom the statement is for. What a client has to do is proved by what the broker does with a client that doesn't,
where the broker can notice; where it can't, there is no test of ours. *Test*: a file in `tests/fleet/`, and the test
in it; the call `self.proves(...)` stands before the assertion. *Configurable*: keys that change what the broker does here
([configuration.md](configuration.md)); tests have the defaults unless they are about such a key.

The tests speak raw bytes (`mqtt_raw.py`, `mqtt5_raw.py`), which know nothing of the broker's code. They run three ways: on
one broker with the memory store (`test_conformance.py`, `test_conformance5.py`), on one with Redis (`…_redis.py`), and on
three brokers behind the load balancer, where each next connection is at another broker (`…_fleet.py`). Those of 3.1.1 run
over WebSocket, too.
"""

Proof = collections.namedtuple("Proof", "version number file place line")


def read_statements(version, folder=HERE):
    """number: (side, words, keys), in the list's order."""
    found = collections.OrderedDict()
    with open(os.path.join(folder, "mqtt-%s.txt" % version), encoding="utf-8") as f:
        for line in f:
            if not line.strip() or line.startswith("#"):
                continue
            number, side, words, *keys = (part.strip() for part in line.split("|"))
            if side not in SIDES or not re.fullmatch(r"\d+\.\d+\.\d+-\d+", number):
                raise SystemExit("mqtt-%s.txt: %s" % (version, line.strip()))
            if number in found:
                raise SystemExit("mqtt-%s.txt: %s stands there twice" % (version, number))
            found[number] = (side, words, keys[0] if keys else "")
    return found


class Finder(ast.NodeVisitor):
    """The proofs of one file, and what is wrong with how they stand there."""

    def __init__(self, path):
        self.file = os.path.basename(path)
        self.version = "5.0" if self.file.startswith("conformance5") else "3.1.1"
        with open(path, encoding="utf-8") as f:
            self.text = f.read()
        self.stack, self.proofs, self.troubles = [], [], []
        self.visit(ast.parse(self.text, path))

    def trouble(self, node, text):
        self.troubles.append("%s:%d: %s" % (self.file, node.lineno, text))

    def visit_scope(self, node):
        self.stack.append(node.name)
        self.generic_visit(node)
        self.stack.pop()

    visit_ClassDef = visit_FunctionDef = visit_scope

    def generic_visit(self, node):
        for _, block in ast.iter_fields(node):
            if isinstance(block, list):
                for i, statement in enumerate(block):
                    call = proves_call(statement)
                    if call is not None:
                        self.take(call, block[i + 1] if i + 1 < len(block) else None)
        super().generic_visit(node)

    def take(self, call, following):
        numbers = [a.value for a in call.args if isinstance(a, ast.Constant)]
        if len(numbers) != len(call.args) or call.keywords:
            self.trouble(call, "proves() takes numbers as they are written")
        if numbers and (following is None or proves_call(following) is not None):
            self.trouble(call, "no assertion comes behind proves()")
        if len(self.stack) != 2 or not self.is_run(self.stack[-1]):
            self.trouble(call, "%s is no test that runs" % ".".join(self.stack))
        for number in numbers:
            self.proofs.append(Proof(self.version, number, self.file, ".".join(self.stack), call.lineno))

    def is_run(self, name):
        return name.startswith("test_") or re.search(r"self\.%s\b" % name, self.text) is not None


def proves_call(statement):
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "proves":
        return call
    return None


def classes_that_run(folder):
    """(file, class) of the mixins that some test_*.py makes a test of, and of test classes."""
    found = set()
    for name in os.listdir(folder):
        if not re.fullmatch(r"test_\w+\.py", name):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            tree = ast.parse(f.read(), name)
        come_from = {a.asname or a.name: (node.module + ".py", a.name) for node in tree.body
                     if isinstance(node, ast.ImportFrom) for a in node.names}
        for node in tree.body:
            bases = [ast.unparse(b) for b in node.bases] if isinstance(node, ast.ClassDef) else []
            if any(b.endswith("FleetTest") for b in bases):
                found.add((name, node.name))
                found.update(come_from.get(b, (name, b)) for b in bases)
    return found


def find_proofs(folder):
    proofs, troubles, run = [], [], classes_that_run(folder)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py") and name != "conformance_base.py":
            finder = Finder(os.path.join(folder, name))
            troubles += finder.troubles
            for p in finder.proofs:
                if (p.file, p.place.split(".")[0]) not in run:
                    troubles.append("%s:%d: no test_*.py runs %s" % (p.file, p.line, p.place.split(".")[0]))
            proofs += finder.proofs
    return proofs, troubles


def check(statements, proofs):
    """What is wrong, as sentences. statements: version: number: (side, ...)."""
    troubles, by_number = [], collections.defaultdict(list)
    for p in proofs:
        number = p.number[5:] if p.number.startswith("MQTT-") else None
        if number not in statements[p.version]:
            troubles.append("%s:%d: MQTT %s has no statement %s" % (p.file, p.line, p.version, p.number))
        by_number[p.version, number].append(p)
    for (version, number), found in by_number.items():
        if len(found) > 1:
            troubles.append("MQTT-%s of %s is proved more than once: %s" % (
                number, version, ", ".join("%s:%d" % (p.file, p.line) for p in found)))
    for version, listed in statements.items():
        for number, (side, words, _) in listed.items():
            if side != "client" and (version, number) not in by_number:
                troubles.append("no test proves MQTT-%s of %s (%s)" % (number, version, words))
    return troubles


def unknown_keys(statements):
    with open(os.path.join(ROOT, "docs", "configuration.md"), encoding="utf-8") as f:
        known = set(re.findall(r"^\| `([^`]+)`", f.read(), re.M))
    return ["no such key: %s (MQTT-%s of %s)" % (key, number, version)
            for version, listed in statements.items() for number, (_, _, keys) in listed.items()
            for key in re.split(r",\s*", keys) if key and key not in known]


def document(statements, proofs):
    tests = {(p.version, p.number[5:]): p for p in proofs}
    out = [HEAD]
    for version, listed in statements.items():
        out.append("\n## MQTT %s\n" % version)
        proved = sum((version, number) in tests for number in listed)
        out.append("%d statements; %d have a test, the others bind clients and can't be noticed by a broker.\n" % (
            len(listed), proved))
        heading = None
        for number, (side, words, keys) in listed.items():
            section = ".".join(number.split(".")[:2])
            title = CHAPTERS[section] or SECTION_4_8[version]
            if title != heading:
                out.append("\n### %s\n\n| number | binds | says | test | configurable |\n|---|---|---|---|---|" % title)
                heading = title
            p = tests.get((version, number))
            out.append("| %s | %s | %s | %s | %s |" % (
                number, side, words, "`%s` `%s`" % (p.file, p.place) if p else "none: a client's",
                ", ".join("`%s`" % k for k in re.split(r",\s*", keys) if k)))
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    write = parser.parse_args().write
    statements = {version: read_statements(version) for version in ("3.1.1", "5.0")}
    proofs, troubles = find_proofs(os.path.join(ROOT, "tests", "fleet"))
    troubles += check(statements, proofs) + unknown_keys(statements)
    text, path = document(statements, proofs), os.path.join(ROOT, "docs", "conformance.md")
    if write:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    elif not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
        troubles.append("docs/conformance.md is out of date: run tests/conformance/table.py --write")
    for trouble in troubles:
        print(trouble)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
