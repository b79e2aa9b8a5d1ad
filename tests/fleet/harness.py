"""What every fleet test stands on: deadlines, free ports, processes with their logs, test scopes.

A Scope owns a temporary folder and the processes started in it. Closing it ends them the polite way
and fails the test when one left a sanitizer report or another exit code than 0. Tests that kill a
process on purpose use Process.kill(), which is then no failure.
"""
import atexit
import concurrent.futures
import ctypes
import fcntl
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SANITIZER = re.compile(r"(ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|LeakSanitizer: |runtime error: )")
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def binary(variable, folder, name):
    given = os.environ.get(variable)
    if given:
        return given
    for build in ("build/asan", "build", "build/debug", "build/release"):
        path = os.path.join(ROOT, build, folder, name)
        if os.path.exists(path):
            return path
    raise RuntimeError("%s is not built" % name)


def eventually(condition, timeout=10.0, what="the condition", interval=0.02):
    """Polls until condition() is truthy and returns that; AssertionErrors in it count as not yet."""
    deadline = time.monotonic() + timeout
    while True:
        last = None
        try:
            value = condition()
            if value:
                return value
            last = value
        except (AssertionError, OSError) as e:
            last = e
        if time.monotonic() > deadline:
            raise AssertionError("%s did not come true in %.1f s; last: %r" % (what, timeout, last))
        time.sleep(interval)


def stays(condition, seconds, what="the condition", interval=0.05):
    """Polls for so long, and fails at once when condition() isn't truthy: for what must not happen meanwhile."""
    begin = time.monotonic()
    while True:
        if not condition():
            raise AssertionError("%s held for %.1f s only, not for %.1f" % (what, time.monotonic() - begin, seconds))
        if time.monotonic() >= begin + seconds:
            return
        time.sleep(interval)


def settled(value, seconds=0.3, timeout=20.0, what="the value"):
    """Waits until value() has been the same for so long; returns it."""
    last, since, deadline = value(), time.monotonic(), time.monotonic() + timeout
    while time.monotonic() < since + seconds:
        if time.monotonic() > deadline:
            raise AssertionError("%s did not come to rest in %.1f s; last: %r" % (what, timeout, last))
        time.sleep(0.02)
        now = value()
        if now != last:
            last, since = now, time.monotonic()
    return last


def pace(seconds):
    """The pace of a load, or how long a fault lasts: nothing is waited for."""
    time.sleep(max(0.0, seconds))


def background(function, *args, **kwargs):
    """Runs function in a daemon thread; the returned future's result() rethrows its exception."""
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as e:
            future.set_exception(e)

    threading.Thread(target=run, daemon=True).start()
    return future


# --- ports --------------------------------------------------------------------------------------

PORT_LOCKS = os.path.join(tempfile.gettempdir(), "flotilla-test-ports.%d" % os.getuid())
HELD_PORTS = []  # open lock files: a port is ours until this process ends
atexit.register(lambda: [lock.close() for lock in HELD_PORTS])


def free_port():
    """A port below the ephemeral range, locked against other tests running at the same time."""
    os.makedirs(PORT_LOCKS, exist_ok=True)
    for _ in range(2000):
        port = random.randrange(10240, 32000)
        lock = open(os.path.join(PORT_LOCKS, str(port)), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("0.0.0.0", port))
        except OSError:
            lock.close()
            continue
        HELD_PORTS.append(lock)
        return port
    raise RuntimeError("no free port")


# --- processes ----------------------------------------------------------------------------------


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A child process; its output goes to <folder>/<name>.log, appended to over restarts."""

    def __init__(self, scope, name, argv, env=None, cwd=None):
        self.scope, self.name, self.argv = scope, name, argv
        self.log_path = os.path.join(scope.folder, name + ".log")
        self.env = dict(os.environ, **(env or {}))
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
        self.env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        self.cwd = cwd or scope.folder
        self.popen = None
        self.stopped = False
        self.expect_code = 0
        scope.processes.append(self)

    pid = property(lambda self: self.popen.pid)

    def start(self):
        assert self.popen is None or self.popen.poll() is not None, "%s already runs" % self.name
        self.expect_code, self.stopped = 0, False
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.cwd,
                                          env=self.env, preexec_fn=die_with_parent, close_fds=True)
        return self

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def assert_running(self):
        if not self.running():
            raise AssertionError("%s ended with code %s\n%s" % (
                self.name, self.popen and self.popen.returncode, self.log_tail(40)))

    def signal(self, number):
        self.assert_running()
        os.kill(self.pid, number)

    def kill(self):
        """SIGKILL, wanted by the test."""
        if self.running():
            self.expect_code = -signal.SIGKILL
            os.kill(self.pid, signal.SIGKILL)
            self.popen.wait()

    def stop(self):
        """SIGSTOP, and waits until all threads are stopped."""
        self.signal(signal.SIGSTOP)
        self.stopped = True
        eventually(lambda: self.state() == "T", 5, "%s stopped" % self.name)

    def cont(self):
        self.signal(signal.SIGCONT)
        self.stopped = False

    def state(self):
        with open("/proc/%d/stat" % self.pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0]

    def term(self, timeout=30.0):
        """SIGTERM and wait for the end; the exit code must be 0."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout=30.0):
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s did not end in %.0f s\n%s" % (self.name, timeout, self.log_tail(40))) from None
        if code != self.expect_code:
            raise AssertionError("%s ended with code %d instead of %d\n%s" % (
                self.name, code, self.expect_code, self.log_tail(60)))
        return code

    def log(self):
        try:
            with open(self.log_path, "rb") as f:
                return f.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def log_tail(self, lines):
        return "\n".join("  | " + line for line in self.log().splitlines()[-lines:])

    def wait_log(self, pattern, timeout=20.0, start=0):
        """Waits for a regular expression in the log from character `start` on; returns the match."""
        return eventually(lambda: re.search(pattern, self.log()[start:], re.M), timeout,
                          "%s logs /%s/" % (self.name, pattern))

    def memory_kb(self):
        """Resident memory."""
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def finish(self):
        """Ends the process at the end of a test; returns what was wrong with it, or None."""
        if self.popen is None:
            return None
        if self.running():
            if self.stopped:
                os.kill(self.pid, signal.SIGCONT)
            try:
                self.term()
            except AssertionError as e:
                if self.running():
                    os.kill(self.pid, signal.SIGKILL)
                    self.popen.wait()
                return str(e)
        elif self.popen.returncode != self.expect_code:
            return "%s ended with code %d instead of %d" % (self.name, self.popen.returncode, self.expect_code)
        found = SANITIZER.search(self.log())
        return "%s: %s in its log" % (self.name, found.group(0)) if found else None


class Scope:
    """A temporary folder and the processes that live in it."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="flotilla-%s-" % name)
        self.processes = []
        self.failed = False
        self.cleanups = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        """Writes a file whole, as an editor would: a reader sees the old or the new one."""
        path = self.path(name)
        with open(path + ".new", "w") as f:
            f.write(content)
        os.replace(path + ".new", path)
        return path

    def close(self):
        troubles = [t for t in (p.finish() for p in reversed(self.processes)) if t]
        for cleanup in reversed(self.cleanups):
            cleanup()
        if troubles or self.failed:
            for p in self.processes:
                sys.stderr.write("---- %s: %s (%s)\n%s\n" % (self.folder, p.name, " ".join(p.argv), p.log_tail(int(os.environ.get("FLOTILLA_TEST_TAIL", "120")))))
        if not os.environ.get("FLOTILLA_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        if troubles:
            raise AssertionError("\n".join(troubles))


class FleetTest(unittest.TestCase):
    """A test with a scope: one per test method, or one for the class when `shared` is set.

    build() starts what the tests need in cls/self.scope; it's called once per scope with the object
    (class or instance) that carries it.
    """

    shared = False
    maxDiff = 2000
    counter = itertools.count(1)

    @staticmethod
    def build(holder):
        pass

    @classmethod
    def setUpClass(cls):
        if cls.shared:
            cls.scope = Scope(cls.__name__)
            try:
                cls.build(cls)
            except BaseException:
                cls.scope.failed = True
                cls.scope.close()
                raise

    @classmethod
    def tearDownClass(cls):
        if cls.shared:
            cls.scope.close()

    def trouble_count(self):
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        return len(result.failures) + len(result.errors) if result is not None else 0

    def setUp(self):
        self.troubles_before = self.trouble_count()
        if not self.shared:
            self.scope = Scope("%s.%s" % (type(self).__name__, self._testMethodName))
            self.addCleanup(self.end_scope)
            try:
                self.build(self)
            except BaseException:
                self.scope.failed = True
                raise

    def tearDown(self):
        if self.trouble_count() > self.troubles_before:
            self.scope.failed = True

    def end_scope(self):
        if self.trouble_count() > self.troubles_before:
            self.scope.failed = True
        self.scope.close()

    @classmethod
    def unique(cls, prefix="c"):
        """A name no other test of this process uses: for client ids and topics."""
        return "%s%d" % (prefix, next(FleetTest.counter))


def main():
    unittest.main(verbosity=2, warnings="ignore")
