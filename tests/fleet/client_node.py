"""MQTT.js and Node-RED for the scenarios. Both come from npm into the build folder, in the versions that stand here."""
import fcntl
import os
import shutil
import subprocess
import tempfile
import unittest

from client_program import OneProgram
from harness import HERE, ROOT, binary

NODE_RED = "4.0.9"  # the last major version that runs on Debian's Node


def folder():
    build = os.path.dirname(os.path.dirname(binary("FLOTILLA_BROKER", "broker", "flotilla-broker")))
    if not os.path.abspath(build).startswith(ROOT + os.sep):
        build = os.path.join(ROOT, "build")
    return build


def fetch(name, argv, timeout):
    """Runs what installs packages, never twice at once; where it can't, the tests are skipped."""
    for needed in ("node", "npm"):
        if shutil.which(needed) is None:
            raise unittest.SkipTest("needs %s (Debian: nodejs, npm)" % needed)
    where = os.path.join(folder(), name)
    os.makedirs(where, exist_ok=True)
    with open(os.path.join(where, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            done = subprocess.run(argv(where), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise unittest.SkipTest("%s can't be had from npm in %d s" % (name, timeout)) from None
    if done.returncode != 0:
        raise unittest.SkipTest("%s can't be had: %s" % (name, done.stdout.strip()))
    return where


def mqttjs():
    """The folder in which MQTT.js is installed, in the version of the page in compose/web."""
    return fetch("web", lambda where: [os.path.join(ROOT, "compose", "web", "fetch.sh"), where], 120)


def node_red():
    def argv(where):
        if os.path.exists(os.path.join(where, "node_modules", "node-red", "red.js")):
            return ["true"]
        return ["npm", "--prefix", where, "install", "--no-audit", "--no-fund", "--silent", "node-red@" + NODE_RED]
    return fetch("node-red-" + NODE_RED, argv, 240)


class MqttJs(OneProgram):
    def argv(self):
        return ["node", os.path.join(HERE, "mqttjs_client.cjs"), mqttjs()]


class NodeRed(OneProgram):
    def argv(self):
        modules, self.user_folder = node_red(), tempfile.mkdtemp(prefix="flotilla-node-red-")
        return ["node", os.path.join(HERE, "nodered_client.cjs"), modules, self.user_folder]

    def end(self):
        super().end()
        shutil.rmtree(self.user_folder)
