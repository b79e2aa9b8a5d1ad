"""flotilla-passwd: what it writes is read by the broker and by mosquitto, and nothing is lost on the way."""
import os
import pty
import select
import stat
import subprocess
import threading

import harness
import mqtt_raw as m
import scram
from harness import Process, binary, eventually, free_port
from services import Broker, program

KINDS = ("sha512-pbkdf2", "argon2id", "scram-sha-256")


class Passwd(harness.FleetTest):
    def setUp(self):
        super().setUp()
        self.file = self.scope.path("users")

    def run_it(self, *args, stdin=None):
        argv = [binary("FLOTILLA_PASSWD", "broker/passwd", "flotilla-passwd"), *args]
        return subprocess.run(argv, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
                              text=True, timeout=60, start_new_session=True)

    def good(self, *args, **kwargs):
        done = self.run_it(*args, **kwargs)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def bad(self, pattern, *args, status=1, **kwargs):
        done = self.run_it(*args, **kwargs)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr, pattern)

    def text(self):
        with open(self.file, encoding="utf-8", newline="") as f:
            return f.read()

    def fill(self):
        """A user of each kind, whose password is the kind's name."""
        for n, kind in enumerate(KINDS):
            self.good("-b", *(["-c"] if n == 0 else []), "-H", kind, self.file, "user-" + kind, kind)

    # --- adding, changing, deleting

    def test_users_come_and_go(self):
        self.assertEqual(self.good("-c", "--stdin", self.file, "ann", stdin="one\n"), "Adding password for user ann\n")
        self.good("--stdin", self.file, "bob", stdin="two")
        before = self.text().splitlines()
        self.assertEqual(self.good("--stdin", self.file, "ann", stdin="three\r\n"), "Updating password for user ann\n")
        after = self.text().splitlines()
        self.assertEqual(after[1:], before[1:])
        self.assertNotEqual(after[0], before[0])
        self.good("--verify", "--stdin", self.file, "ann", stdin="three\n")
        self.good("-D", self.file, "ann")
        self.assertEqual(self.text().splitlines(), before[1:])
        done = self.run_it("-D", self.file, "ann")
        self.assertEqual((done.returncode, done.stderr), (0, "Warning: User ann not found in password file.\n"))
        self.good("-c", "-b", self.file, "new", "x")
        self.assertEqual(self.good("--list", self.file), "new\tsha512-pbkdf2\t10000\n")

    def test_comments_and_order_stay(self):
        self.fill()
        lines = self.text().splitlines()
        mixed = "\ufeff# head\r\n\n%s\n  # indented\n%s\r\n\n%s" % tuple(lines)
        self.scope.write("users", mixed)
        self.good("-b", self.file, "user-argon2id", "new")
        self.good("-b", self.file, "last", "x")
        got = self.text().split("\n")
        self.assertEqual(got[:4] + got[5:7], ["\ufeff# head\r", "", lines[0], "  # indented", "", lines[2]])
        self.assertRegex(got[4], r"^user-argon2id:\$7\$10000\$")
        self.assertRegex(got[7], r"^last:\$7\$10000\$")
        self.assertEqual(got[8:], [""])

    def test_mode_and_owner(self):
        self.good("-c", "-b", self.file, "ann", "x")
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)
        for mode, expected in ((0o640, 0o640), (0o644, 0o640), (0o600, 0o600)):
            os.chmod(self.file, mode)
            if os.geteuid() == 0:
                os.chown(self.file, 12345, 54321)
            self.good("-b", self.file, "ann", "x")
            got = os.stat(self.file)
            self.assertEqual(stat.S_IMODE(got.st_mode), expected)
            if os.geteuid() == 0:
                self.assertEqual((got.st_uid, got.st_gid), (12345, 54321))
        self.assertEqual([n for n in os.listdir(self.scope.folder) if n.startswith("users")], ["users"])

    def test_a_link_is_followed(self):
        self.good("-c", "-b", self.file, "ann", "x")
        link = self.scope.path("link")
        os.symlink(self.file, link)
        self.good("-b", link, "bob", "x")
        self.assertTrue(os.path.islink(link))
        self.assertIn("bob:", self.text())

    def test_many_at_once_lose_nothing(self):
        self.good("-c", "-b", self.file, "first", "x")
        threads = [threading.Thread(target=self.run_it, args=("-b", "-I", "101", self.file, "user%d" % n, "x")) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        users = {line.split(":")[0] for line in self.text().splitlines()}
        self.assertEqual(users, {"first"} | {"user%d" % n for n in range(20)})

    # --- who reads it

    def test_the_broker_reads_all_kinds(self):
        self.fill()
        broker = Broker(self.scope, config={"auth": {"anonymous": False, "password_file": self.file, "login_timeout": "20s"}}).start()
        for kind in KINDS:
            for password in (kind, kind + "x"):
                with broker.open(timeout=20) as client:
                    client.send(m.connect(self.unique("c"), username="user-" + kind, password=password))
                    self.assertEqual(client.expect(m.CONNACK).return_code == 0, password == kind, (kind, password))

    def test_mosquitto_reads_its_own_format(self):
        self.good("-c", "-b", self.file, "ann", "se$cret:1")
        self.good("-b", "-I", "101", self.file, "bob", "p\u00e4ss")
        port = free_port()
        os.chmod(self.file, 0o644)
        conf = self.scope.write("mosquitto.conf", "allow_anonymous false\nuser root\npassword_file %s\nlistener %d 127.0.0.1\n"
                                % (self.file, port))
        mosquitto = Process(self.scope, "mosquitto", [program("mosquitto"), "-c", conf])
        mosquitto.start()
        eventually(lambda: m.Client(("127.0.0.1", port)).close() is None, 10, "mosquitto listens")
        for user, password, right in (("ann", "se$cret:1", True), ("bob", "p\u00e4ss", True), ("ann", "wrong", False),
                                      ("bob", "", False)):
            with m.Client(("127.0.0.1", port)) as client:
                client.send(m.connect("c", username=user, password=password))
                self.assertEqual(client.expect(m.CONNACK).return_code == 0, right, user)

    def test_files_of_mosquitto_passwd_are_read_and_changed(self):
        self.scope.write("users", "")
        subprocess.run([program("mosquitto_passwd"), "-b", self.file, "ann", "one"], check=True, timeout=30)
        self.good("-b", "--verify", self.file, "ann", "one")
        self.bad("no such user, or not the password", "-b", "--verify", self.file, "ann", "two")
        self.good("-b", self.file, "bob", "two")
        self.good("-b", "--verify", self.file, "ann", "one")
        subprocess.run([program("mosquitto_passwd"), "-b", self.file, "bob", "three"], check=True, timeout=30)
        self.good("-b", "--verify", self.file, "bob", "three")

    def test_a_plain_file_is_converted(self):
        hashed = scram.line("carl", "x")
        self.scope.write("users", "# users\nann:one\n%sbob: two:three\n" % hashed)
        self.bad(r"users:2: user 'ann': expected a password that", "-b", self.file, "new", "x")
        self.assertEqual(self.good("-U", self.file), "2 passwords hashed\n")
        lines = self.text().splitlines(keepends=True)
        self.assertEqual((lines[0], lines[2]), ("# users\n", hashed))
        for user, password in (("ann", "one"), ("bob", "two:three"), ("carl", "x")):
            self.good("-b", "--verify", self.file, user, password)
        self.assertEqual(self.good("-U", self.file), "0 passwords hashed\n")
        for text, wrong in (("ann:one\nann:two\n", r"users:2: .*line before"), ("ann:one\nbob\n", r"users:2: expected user:password"),
                            ("ann:one\n:x\n", r"users:2: expected user:password"), ("ann:one\nbob:\n", r"users:2: expected a password")):
            self.scope.write("users", text)
            self.bad(wrong, "-U", self.file)
            self.assertEqual(self.text(), text)

    # --- what is wrong

    def test_a_file_with_a_mistake_is_not_touched(self):
        for text, wrong in (("ann\n", r"users:1: expected user:password"),
                            ("# x\nann:plain\n", r"users:2: user 'ann': expected a password that"),
                            (scram.line("ann", "x") * 2, r"users:2: user 'ann' is already in line 1"),
                            ("ann:$scram-sha-256$4095$AAAA$AAAA$AAAA\n", r"users:1: user 'ann': expected 4096 to 1000000")):
            self.scope.write("users", text)
            for args in (("-b", self.file, "bob", "x"), ("-D", self.file, "ann"), ("--list", self.file)):
                self.bad(wrong, *args)
            self.bad(wrong, "-b", "--verify", self.file, "ann", "x", status=2)
            self.assertEqual(self.text(), text)

    def test_names_and_passwords_that_cannot_be(self):
        self.good("-c", "-b", self.file, "ann", "x")
        before = self.text()
        for name in ("", "a:b", "#a", " a", "a ", "a\nb", "a\tb"):
            self.bad("expected a user name", "-b", self.file, name, "x")
        for name in ("I\u00adX", "\u2168", "x" * 257):
            self.bad("SASLprep", "-b", "-H", "scram-sha-256", self.file, name, "x")
            self.good("-b", self.file, name, "x")
            self.good("-D", self.file, name)
        self.bad("can't be used for SCRAM", "-b", "-H", "scram-sha-256", self.file, "bob", "a\u0007b")
        self.bad("can't be used for SCRAM", "-b", "-H", "scram-sha-256", self.file, "bob", "x" * 1025)
        self.bad("expected a password", "-b", self.file, "bob", "")
        self.bad("password is empty", "--stdin", self.file, "bob", stdin="\n")
        self.bad("expected a line with the password", "--stdin", self.file, "bob", stdin="")
        self.bad("expected a line with the password", "--stdin", self.file, "bob", stdin="x" * 65536)
        self.bad("no terminal", self.file, "bob")
        self.assertEqual(self.text(), before)

    def test_wrong_use(self):
        self.bad("there is no such file", "-b", self.file, "ann", "x")
        self.bad("No such file|cannot|Not a directory", "-c", "-b", self.scope.path("none/users"), "ann", "x")
        self.good("-c", "-b", self.file, "ann", "x")
        for args in ((), (self.file,), ("-D", self.file), ("-D", "-U", self.file), ("-b", self.file, "ann"), ("--list",),
                     ("-H", "md5", self.file, "ann"), ("-I", "0", self.file, "ann"), ("-I", "5x", self.file, "ann"),
                     ("-H", "scram-sha-256", "-I", "4095", self.file, "ann"), ("-c", "-D", self.file, "ann"),
                     ("-b", "-D", self.file, "ann", "x"), ("--stdin", "--list", self.file), ("--nonsense",)):
            self.bad("usage: flotilla-passwd", *args)
        self.assertIn("usage: flotilla-passwd", self.good("--help"))
        self.assertRegex(self.good("--version"), r"^flotilla-passwd \d")
        os.mkfifo(self.scope.path("pipe"))
        self.bad("regular file", "-b", self.scope.path("pipe"), "ann", "x")

    # --- the terminal

    def typed(self, *lines):
        """(exit status, what the terminal showed) with these lines typed at the prompts."""
        argv = [binary("FLOTILLA_PASSWD", "broker/passwd", "flotilla-passwd"), "-c", self.file, "ann"]
        child, terminal = pty.fork()
        if child == 0:
            os.execv(argv[0], argv)
        shown, left = b"", list(lines)
        while True:
            if not select.select([terminal], [], [], 30)[0]:
                self.fail("nothing more from the terminal after %r" % shown)
            try:
                got = os.read(terminal, 1000)
            except OSError:
                got = b""
            if not got:
                break
            shown += got
            if left and shown.endswith(b"assword: "):
                os.write(terminal, left.pop(0))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)
        return status, shown.decode()

    def test_a_password_is_typed_twice_and_not_shown(self):
        status, shown = self.typed(b"secret\n", b"secret\n")
        self.assertEqual(status, 0, shown)
        self.assertNotIn("secret", shown)
        self.assertRegex(shown, r"(?s)Password: \r\nReenter password: \r\nAdding password for user ann")
        self.good("--verify", "--stdin", self.file, "ann", stdin="secret\n")
        os.unlink(self.file)
        status, shown = self.typed(b"secret\n", b"other\n")
        self.assertEqual(status, 1)
        self.assertIn("the passwords do not match", shown)
        status, shown = self.typed(b"\x03")  # Ctrl-C
        self.assertEqual(status, -2, shown)
        self.assertFalse(os.path.exists(self.file))


if __name__ == "__main__":
    harness.main()
