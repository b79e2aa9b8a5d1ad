#!/usr/bin/env python3
"""Writes the seeds of fuzz_broker_client and fuzz_broker_fleet: what two clients do, as broker_parties.h reads it.

    tests/fuzz/broker_seeds.py [FOLDER]     (default: corpus/broker_client and corpus/broker_fleet beside this file)
"""
import os
import sys

(BYTES, PRESET, ROOM, END, TIME, CONNECT, SUBSCRIBE, PUBLISH, ACK, HALF, AUTH, STORE) = range(12)
V31, V311, V5 = 0, 1, 2
CLEAN, A, B, C, NONE = 4, 0, 8, 16, 24  # of CONNECT
WILL, WILL1, WILL2, WILL_RETAIN, KEEP_ALIVE, METHOD, BRIDGE = 1, 2, 4, 8, 16, 32, 64
EXPIRY_2, EXPIRY_60, NEVER = 1, 2, 3  # properties of CONNECT
ALL, PLUS_B, TOPIC_A, AB, SHARE_ALL, SHARE_A = range(6)
QOS1, QOS2 = 16, 32  # of a filter


class Steps:
    def __init__(self, options=0):
        self.bytes = bytearray([options])

    def add(self, who, what, argument=0, *more):
        self.bytes += bytes([what << 1 | who, argument, *more])
        return self

    def connect(self, who, choice, flags=0, props=0):
        more = (flags, props) if choice & 3 >= 2 else (flags,)
        return self.add(who, CONNECT, choice, *more)

    def subscribe(self, who, *filters, choice=0):
        return self.add(who, SUBSCRIBE, choice | len(filters) - 1, *filters)

    def publish(self, who, choice, *props):
        return self.add(who, PUBLISH, choice, *props)

    def ack(self, who, *choices):
        for choice in choices:
            self.add(who, ACK, choice)
        return self

    def time(self, seconds):
        return self.add(0, TIME, int(seconds * 100) if seconds < 1 else 99 + int(seconds / 0.3) if seconds < 30
                        else 199 + int(seconds / 10) if seconds < 400 else 239 + int(seconds / 120))


def seeds():
    yield "pubsub", (Steps().connect(0, V311 | CLEAN | A).connect(1, V5 | CLEAN | B).subscribe(1, ALL | QOS2)
                     .publish(0, 0).publish(0, 1).publish(0, 2).add(0, PRESET, 0).ack(1, 0, 1, 0, 1, 0)
                     .subscribe(1, ALL, choice=4).add(0, PRESET, 4).add(0, PRESET, 5))
    yield "durable", (Steps(4).connect(0, V5 | A, 0, NEVER).subscribe(0, TOPIC_A | QOS1, AB | QOS2, choice=8)
                      .add(0, PRESET, 5).connect(1, V31 | CLEAN | B).publish(1, 1).publish(1, 2 | 16).publish(1, 1)
                      .add(0, END).connect(0, V5 | A, 0, NEVER).ack(0, 0, 0, 1, 0))
    yield "v311_durable", (Steps().connect(0, V311 | A).subscribe(0, ALL | QOS2).add(0, END)
                           .connect(1, V311 | CLEAN | B).publish(1, 1).publish(1, 2).add(1, PRESET, 0)
                           .connect(0, V311 | A).ack(0, 0, 1, 0, 0))
    yield "takeover", (Steps().connect(0, V5 | A, 0, EXPIRY_60).subscribe(0, ALL | QOS1)
                       .connect(1, V5 | A, 0, EXPIRY_60).publish(1, 1, 0).ack(1, 0)
                       .connect(0, V311 | CLEAN | A).add(1, END))
    yield "will_delay", (Steps().connect(0, V5 | A | 32, WILL | WILL1 | WILL_RETAIN, EXPIRY_60)
                         .connect(1, V5 | CLEAN | B).subscribe(1, ALL | QOS1).add(0, END).time(3)
                         .connect(0, V5 | CLEAN | A | 64, WILL | WILL2).add(0, PRESET, 6).time(6))
    yield "keep_alive", (Steps().connect(0, V5 | CLEAN | A, KEEP_ALIVE | WILL, 0).connect(1, V311 | CLEAN | B)
                         .subscribe(1, ALL).time(5))
    yield "expiry", (Steps().connect(0, V5 | A, 0, EXPIRY_60).subscribe(0, ALL | QOS1).add(0, PRESET, 5)
                     .connect(1, V5 | CLEAN | B).publish(1, 1, 8).publish(1, 1, 12).publish(1, 5, 8).time(4)
                     .connect(0, V5 | A, 0, EXPIRY_2).ack(0, 0).add(0, END).time(600).connect(0, V5 | A, 0, EXPIRY_2))
    yield "aliases", (Steps().connect(0, V5 | CLEAN | A, 0, 2 << 4).subscribe(0, ALL | QOS1)
                      .connect(1, V5 | CLEAN | B).publish(1, 0, 1).publish(1, 5 << 4, 1).publish(1, 16, 2)
                      .publish(1, 5 << 4, 2).publish(1, 32, 0).publish(1, 32, 0).publish(1, 0, 0).publish(1, 5 << 4, 3))
    yield "receive_maximum", (Steps().connect(0, V5 | CLEAN | A, 0, 1 << 2).subscribe(0, ALL | QOS2)
                              .connect(1, V311 | CLEAN | B).publish(1, 1).publish(1, 1).publish(1, 2)
                              .add(1, PRESET, 1).ack(0, 0, 0, 1, 8, 0))
    yield "packet_size", (Steps().connect(0, V5 | A, 0, NEVER | 1 << 6).subscribe(0, ALL | QOS1, choice=16)
                          .connect(1, V5 | CLEAN | B).publish(1, 129, 0).publish(1, 1, 0xf0).publish(1, 1, 0).ack(0, 0, 0))
    yield "shared", (Steps().connect(0, V5 | A, 0, NEVER).subscribe(0, SHARE_ALL | QOS2, choice=8)
                     .connect(1, V311 | B).subscribe(1, SHARE_ALL | QOS1, SHARE_A | QOS1).publish(1, 0).publish(1, 1)
                     .publish(1, 2).publish(1, 1).add(1, PRESET, 0).add(0, END).ack(1, 0, 0).time(40)
                     .connect(0, V5 | A, 0, NEVER).ack(0, 0, 1, 0).subscribe(0, SHARE_ALL, choice=4))
    yield "auth", (Steps(4).connect(0, V5 | CLEAN | A, METHOD, 0).add(0, AUTH, 0).add(0, AUTH, 0).subscribe(0, ALL)
                   .add(0, AUTH, 2).add(0, AUTH, 0).connect(1, V5 | A, METHOD, 0).add(1, AUTH, 0).add(1, AUTH, 1))
    yield "retained", (Steps().connect(0, V5 | CLEAN | A).publish(0, 4, 0x10).publish(0, 5 | 16, 8)
                       .connect(1, V311 | CLEAN | B).subscribe(1, ALL | QOS1, PLUS_B | QOS2).ack(1, 0, 0)
                       .add(0, PRESET, 11).subscribe(1, ALL, choice=64).subscribe(1, ALL, choice=128))
    yield "halves", (Steps(2).add(0, HALF, 5).connect(0, V5 | CLEAN | A).add(0, HALF, 3).subscribe(0, ALL | QOS1)
                     .add(0, HALF, 1).publish(0, 129, 0).add(0, PRESET, 4).add(1, PRESET, 10).add(1, PRESET, 9))
    yield "blocked", (Steps().connect(0, V311 | CLEAN | A).subscribe(0, ALL | QOS1).add(0, ROOM, 1)
                      .connect(1, V5 | CLEAN | B).publish(1, 129, 0).publish(1, 128, 0).publish(1, 129, 0)
                      .add(0, ROOM, 40).ack(0, 0).add(0, ROOM, 255).ack(0, 0, 0))
    yield "store", (Steps(1).connect(0, V5 | A, 0, NEVER).subscribe(0, ALL | QOS2).add(0, STORE, 1)
                    .publish(0, 1, 0).publish(0, 6, 0).add(0, STORE, 0).time(1).add(0, STORE, 2).publish(0, 1, 0)
                    .time(2).add(0, STORE, 3).time(2).add(0, STORE, 0).time(2).ack(0, 0, 1))
    yield "bridge", (Steps(3).connect(0, V311 | CLEAN | A, BRIDGE).subscribe(0, ALL | QOS1 | 128)
                     .connect(1, V311 | CLEAN | NONE).publish(1, 5).publish(0, 1).ack(0, 0).add(1, PRESET, 5))
    yield "raw", (Steps().add(0, BYTES, 15).bytes + b"\x10\x0d\0\4MQTT\4\2\0\0\0\1a" +
                  bytes([BYTES << 1, 4]) + b"\xc0\0\xe0\0")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folders = sys.argv[1:2] or [os.path.join(here, "corpus", name) for name in ("broker_client", "broker_fleet")]
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
        for name, steps in seeds():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(bytes(getattr(steps, "bytes", steps)))


if __name__ == "__main__":
    main()
