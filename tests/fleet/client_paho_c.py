"""Paho's C client for the scenarios: paho_client.c, a process for each connection."""
import os
import unittest

from client_adapter import Adapter
from client_program import Program, ProgramSession, connect_command
from harness import ROOT


def built():
    path = os.environ.get("FLOTILLA_PAHO_CLIENT", os.path.join(ROOT, "build/asan/tests/fleet/paho_client"))
    if not os.path.exists(path):
        raise unittest.SkipTest("needs Paho's C library when the tests are built (Debian: libpaho-mqtt-dev)")
    return path


class PahoCSession(ProgramSession):
    def close(self):
        if not self.closed:
            super().close()
            self.program.end()

    def cut(self):
        """The kernel ends the connection of a process that is killed."""
        self.closed = True
        self.program.kill()


class PahoC(Adapter):
    def __init__(self):
        self.path = built()

    def connect(self, place, version, filters, client_id, clean=True, expiry=0, will=None):
        return PahoCSession(Program([self.path]), None, connect_command(
            place.url("tcp", "ssl"), place.ca, version, filters, client_id, clean, expiry, will))
