"""The programs that Flotilla is measured beside: which ones, from where, and which version."""

import os
import re
import shutil
import subprocess

# name -> (variable that names another program, Debian's program, how it tells its version)
PROGRAMS = {
    "mosquitto": ("PEER_MOSQUITTO", "mosquitto", ["-h"]),
    "haproxy": ("PEER_HAPROXY", "haproxy", ["-v"]),
    "nginx": ("PEER_NGINX", "nginx", ["-V"]),
    "flashmq": ("PEER_FLASHMQ", None, ["--version"]),
    "redis": ("PEER_REDIS", "redis-server", ["--version"]),
}
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


class MissingPeer(Exception):
    """A sentence for people: which program isn't there, and who asked for it."""


class Peer:
    def __init__(self, name, path, output):
        self.name, self.path, self.output = name, path, output

    def version(self):
        found = re.search(r"\d+\.\d+[\w.+~-]*", self.output)
        return f"{self.name} {found[0] if found else '(unknown version)'}"


def find(name):
    """None when it isn't there and nobody asked for it."""
    variable, default, arguments = PROGRAMS[name]
    asked = os.environ.get(variable)
    if not (asked or default):
        return None
    path = shutil.which(asked or default, path=PATH)
    if path is None and asked:
        raise MissingPeer(f"{variable}={asked}: not a program that can be run")
    if path is None:
        return None
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as trouble:
        raise MissingPeer(f"{variable}={path}: it doesn't run: {trouble}") from trouble
    output = done.stdout + done.stderr
    if not re.search(name, output, re.IGNORECASE):
        raise MissingPeer(f"{variable}={path}: this doesn't say that it is {name}: {output.strip()[:200]!r}")
    return Peer(name, path, output)


def find_all():
    found = {name: find(name) for name in PROGRAMS}
    return {name: peer for name, peer in found.items() if peer}


def wanted(peers, name):
    if name not in peers:
        raise MissingPeer(f"{name} is not installed; tests/bench/run.sh does that")
    return peers[name]


def nginx_stream_module(nginx):
    """The line that loads the stream module: empty when it is built in."""
    if "--with-stream=dynamic" not in nginx.output:
        if "--with-stream" not in nginx.output:
            raise MissingPeer(f"PEER_NGINX={nginx.path}: built without the stream module")
        return ""
    folder = re.search(r"--modules-path=(\S+)", nginx.output)
    module = os.path.join(folder[1] if folder else "/usr/lib/nginx/modules", "ngx_stream_module.so")
    if not os.path.exists(module):
        raise MissingPeer(f"nginx: {module} isn't there (package libnginx-mod-stream)")
    return f"load_module {module};\n"
