"""A started service: its processes, addresses, folder."""

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path


LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """In a new child: it doesn't outlive the bench, however that ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, log, deadline_s=15):
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}: {Path(log).read_text()[-2000:].strip()}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {deadline_s} s: {Path(log).read_text()[-2000:].strip()}")


class Certificates:
    """One P-256 certificate for localhost, made for this run."""

    def __init__(self, folder):
        self.pem, self.key = Path(folder) / "server.pem", Path(folder) / "server.key"
        self.both = Path(folder) / "both.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.pem], check=True, capture_output=True)
        self.both.write_text(self.pem.read_text() + self.key.read_text())


def pinned(cores):
    """What goes in front of a command so that it runs there."""
    return ["taskset", "-c", ",".join(map(str, sorted(cores)))] if cores else []


def descendants(pid):
    """Its children and theirs: nginx works in a child, a wrapper script too."""
    found = []
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(child), *descendants(int(child))]
    except OSError:
        pass
    return found


def wait_for_child(process, deadline_s=15):
    """One whose master opens the port before it makes the process that works: else nothing would be measured."""
    deadline = time.monotonic() + deadline_s
    while not descendants(process.pid):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no working process after {deadline_s} s")
        time.sleep(0.01)


class Server:
    """`targets` are the ports that clients go to; `measured` is (what it is, process id) of each process that
    counts. `cores` is where those run, `other_cores` where the rest does (None: anywhere). One that couldn't be
    started whole is nobody's yet: stop_all() knows it."""

    alive = []

    def __init__(self, name, cores=None, other_cores=None):
        self.name, self.cores, self.other_cores = name, cores, other_cores
        self.folder = tempfile.mkdtemp(prefix="flotilla-bench-")
        self.processes, self.measured, self.targets = [], [], []
        Server.alive.append(self)

    def spawn(self, argv, port, what="", measured=True):
        log = os.path.join(self.folder, f"{len(self.processes)}.log")
        cores = self.cores if measured else self.other_cores
        with open(log, "w") as out:
            process = subprocess.Popen([*pinned(cores), *(str(a) for a in argv)], stdout=out, stderr=out,
                                       stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.processes.append(process)
        wait_for_port(port, process, log)
        if measured:
            self.measured.append((what or self.name, process.pid))
        return process

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        Path(path).write_text(text)
        return path

    def pids(self):
        """(what, process id) with descendants."""
        return [(what, p) for what, pid in self.measured for p in [pid, *descendants(pid)]]

    @classmethod
    def stop_all(cls):
        while cls.alive:
            cls.alive[-1].stop()

    def stop(self):
        Server.alive.remove(self)
        left = [p for process in self.processes for p in descendants(process.pid)]
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in left:  # of a wrapper that doesn't pass the signal on
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)


atexit.register(Server.stop_all)
