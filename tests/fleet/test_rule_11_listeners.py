"""Rule 11, listeners: they come and go without a connection refused or reset."""
import harness
import mqtt_raw as m
from harness import background, eventually
from services import Broker, LoadBalancer


class Listeners(harness.FleetTest):
    @staticmethod
    def build(holder):
        holder.brokers = [Broker(holder.scope, "b%d" % i).start() for i in range(3)]
        holder.all = [("b%d" % i, b.address) for i, b in enumerate(holder.brokers)]
        holder.lb = LoadBalancer(holder.scope, holder.all[:2]).start()

    def setUp(self):
        super().setUp()
        self.clients = []
        self.addCleanup(lambda: [c.close() for c in self.clients])

    def connect(self, count):
        self.clients += [self.lb.connect(self.unique("c"), tls=n % 2 == 0) for n in range(count)]

    def all_alive(self):
        for c in self.clients:
            c.ping()

    def test_listeners_come_and_go(self):
        self.connect(6)
        config, port = self.lb.settings(), harness.free_port()
        config["listeners"].append({"name": "extra", "bind": "127.0.0.1:%d" % port, "backend": "brokers"})
        self.lb.extra = {"listeners": config["listeners"]}
        self.lb.reload()
        extra = eventually(lambda: m.Client.connected(("127.0.0.1", port), "extra", timeout=3), 10, "it listens")
        self.clients.append(extra)
        self.lb.extra = {}
        self.lb.reload()

        def gone():
            try:
                m.Client(("127.0.0.1", port), timeout=1).close()
            except ConnectionRefusedError:
                return True
        eventually(gone, 10, "it doesn't listen any more")
        self.all_alive()

    def test_what_waits_at_a_listener_that_goes_is_accepted_first(self):
        """They came before the reload was done: closing the sockets at once would reset them."""
        config, port = self.lb.settings(), harness.free_port()
        config["listeners"].append({"name": "extra", "bind": "127.0.0.1:%d" % port, "backend": "brokers"})
        self.lb.extra = {"listeners": config["listeners"]}
        self.lb.reload()
        with eventually(lambda: m.Client.connected(("127.0.0.1", port), "extra", timeout=3), 10, "it listens") as extra:
            extra.disconnect()
        for _ in range(3):
            self.lb.stop()
            waiting = [m.Client(("127.0.0.1", port)) for _ in range(400)]
            self.clients += waiting
            for client in waiting:
                client.send(m.connect(self.unique("w")))
            self.lb.extra = {}
            self.lb.reload()
            self.lb.cont()
            for client in waiting:
                client.expect(m.CONNACK, return_code=0)
            self.lb.extra = {"listeners": config["listeners"]}
            self.lb.reload()
            eventually(lambda: m.Client(("127.0.0.1", port), timeout=1).close() is None, 10, "it listens again")
        self.all_alive()

    def test_reloads_while_connections_come(self):
        """No connect is refused or reset by a reload."""
        stop = []

        def come():
            count = 0
            while not stop:
                with self.lb.connect(self.unique("c"), tls=count % 4 == 0) as client:
                    client.ping()
                count += 1
            return count
        coming = [background(come) for _ in range(3)]
        for n in range(12):
            self.lb.servers = self.all[:2] if n % 2 else self.all
            self.lb.reload()
            eventually(lambda: len(self.lb.states()) >= len(self.lb.servers), 10, "the reload is in force")
        stop.append(True)
        self.assertGreater(sum(c.result(20) for c in coming), 50)


if __name__ == "__main__":
    harness.main()
