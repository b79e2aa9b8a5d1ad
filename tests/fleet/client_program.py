"""Clients that are programs of ours around a library: told by lines of JSON what to do, they write what happened.

The commands ("client" says to which connection, where a program has several):

    {"do": "connect", "client", "url", "ca", "version", "id", "clean", "expiry", "will": {...}, "filters": [[filter, qos]]}
    {"do": "publish", "client", "topic", "payload", "qos", "retain", "properties": {...}}
    {"do": "disconnect", "client"}     {"do": "cut", "client"}

Each is answered by {"event": "connected", "present" (if it is known)}, "published" or "closed", or {"event": "error", "text"}; a publication
when the broker has acknowledged it. Meanwhile come {"event": "message", "topic", "payload", "qos", "retain", "properties"}.
"""
import json
import subprocess
import threading

from client_adapter import Adapter, Message, Session
from harness import die_with_parent

WAIT = 40


class Program:
    """A running one; `sessions` by the name that the commands give them."""

    def __init__(self, argv):
        self.sessions, self.unasked = {}, []
        self.popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True, preexec_fn=die_with_parent)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.popen.stdout:
            try:
                event = json.loads(line)
                self.sessions[event.get("client")].happened(event)
            except (ValueError, KeyError, AttributeError):
                self.unasked.append(line.rstrip())
        for session in list(self.sessions.values()):
            session.happened({"event": "error", "text": "the program ended: %s" % self.unasked[-20:]})

    def tell(self, command):
        self.popen.stdin.write(json.dumps(command) + "\n")
        self.popen.stdin.flush()

    def end(self):
        """Its standard input ends, and so does it."""
        self.popen.stdin.close()
        code = self.popen.wait(WAIT)
        self.after_end()
        assert code == 0, "%s ended with code %d: %s" % (self.popen.args, code, self.unasked[-20:])

    def kill(self):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()
        self.after_end()

    def after_end(self):
        self.thread.join(WAIT)
        self.popen.stdout.close()


class ProgramSession(Session):
    def __init__(self, program, name, command):
        super().__init__()
        self.program, self.name, self.answers, self.error = program, name, [], None
        program.sessions[name] = self
        self.ask(dict(command, do="connect"))
        self.present = self.answer("connected").get("present")

    def happened(self, event):
        if event["event"] == "message":
            self.note(Message(*[event[key] for key in Message._fields]))
            return
        with self.changed:
            if event["event"] == "error":
                self.error = event
            else:
                self.answers.append(event)
            self.changed.notify_all()

    def ask(self, command):
        self.program.tell(dict(command, client=self.name) if self.name is not None else command)

    def answer(self, wanted):
        with self.changed:
            if not self.changed.wait_for(lambda: self.answers or self.error, WAIT) or not self.answers:
                raise AssertionError("no %s: %s" % (wanted, self.error or "it is late"))
            found = self.answers.pop(0)
        assert found["event"] == wanted, found
        return found

    def publish(self, topic, payload, qos=0, retain=False, **properties):
        self.ask({"do": "publish", "topic": topic, "payload": payload, "qos": qos, "retain": retain,
                  "properties": properties})
        self.answer("published")

    def publish_all(self, topic, payloads, qos):
        for payload in payloads:
            self.ask({"do": "publish", "topic": topic, "payload": payload, "qos": qos, "retain": False,
                      "properties": {}})
        for _ in payloads:
            self.answer("published")

    def leave(self, how):
        if self.closed:
            return
        self.closed = True
        self.ask({"do": how})
        self.answer("closed")
        self.program.sessions.pop(self.name)

    def close(self):
        self.leave("disconnect")

    def cut(self):
        self.leave("cut")


def connect_command(url, ca, version, filters, client_id, clean, expiry, will):
    return {"url": url, "ca": ca, "version": version, "id": client_id, "clean": clean, "expiry": expiry,
            "will": vars(will) if will else None, "filters": filters}


class OneProgram(Adapter):
    """All connections in one process."""

    plain, tls = "mqtt", "mqtts"

    def __init__(self):
        self.count, self.program = 0, Program(self.argv())

    def argv(self):
        raise NotImplementedError

    def connect(self, place, version, filters, client_id, clean=True, expiry=0, will=None):
        self.count += 1
        return ProgramSession(self.program, "c%d" % self.count, connect_command(
            place.url(self.plain, self.tls), place.ca, version, filters, client_id, clean, expiry, will))

    def end(self):
        self.program.end()
