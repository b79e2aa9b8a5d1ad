"""An MQTT 3.1.1 server for tests of the load generator: it passes on each QoS 0 message to whoever subscribed, as many
times, as late and in which order the test says.

`plan(number)` gets a message's number (from its payload) and says what to do with it: a list of delays in seconds, one
for each copy that is sent; an empty list loses it.
"""

import asyncio
import struct
import threading

STAMP = struct.Struct("<QQQ")  # due, publisher, number


class FakeBroker:
    def __init__(self, plan):
        self.plan, self.subscribers, self.port = plan, [], None
        self.loop, self.started = asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.started.wait(10)

    def run(self):
        self.loop.run_until_complete(self.start())
        self.loop.run_forever()

    async def start(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.started.set()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    @staticmethod
    async def read_packet(reader):
        head = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return head, await reader.readexactly(length)

    async def serve(self, reader, writer):
        try:
            while True:
                head, body = await self.read_packet(reader)
                if head >> 4 == 1:
                    writer.write(b"\x20\x02\x00\x00")
                elif head >> 4 == 8:
                    writer.write(b"\x90\x03" + body[:2] + b"\x00")
                    self.subscribers.append(writer)
                elif head >> 4 == 3:
                    self.publish(head, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def publish(self, head, body):
        topic = struct.unpack(">H", body[:2])[0]
        number = STAMP.unpack(body[2 + topic:2 + topic + STAMP.size])[2]
        packet = bytes([head, len(body)]) + body
        for delay in self.plan(number):
            self.loop.call_later(delay, self.send, packet)

    def send(self, packet):
        for writer in self.subscribers:
            writer.write(packet)
