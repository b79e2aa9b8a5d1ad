#!/usr/bin/env python3
"""Writes the seeds of fuzz_mqtt that have each property of 5.0 where it may stand.

    tests/fuzz/mqtt_seeds.py [FOLDER]     (default: corpus/mqtt beside this file)

A seed is a byte that says version and direction (fuzz_mqtt.c), then a packet. One seed per packet type
and direction has all properties that may stand there together.
"""
import os
import struct
import sys

CLIENT, SERVER = 3, 7  # version 5.0, sent by


def text(s):
    return struct.pack(">H", len(s)) + s


def varint(n):
    out = b""
    while True:
        n, low = n >> 7, n & 0x7F
        out += bytes([low | (0x80 if n else 0)])
        if not n:
            return out


def counted(b):
    return varint(len(b)) + b


def u8(i, n):
    return bytes([i, n])


def u16(i, n):
    return bytes([i]) + struct.pack(">H", n)


def u32(i, n):
    return bytes([i]) + struct.pack(">I", n)


def string(i, s):
    return bytes([i]) + text(s)


PAIR = b"\x26" + text(b"k") + text(b"v")
PAIRS = PAIR + b"\x26" + text(b"") + text(b"")
WHY = string(0x1F, b"why")
MESSAGE = (u8(0x01, 1) + u32(0x02, 60) + string(0x03, b"text") + string(0x08, b"r/t") +
           string(0x09, b"\0\xff"))
METHOD = string(0x15, b"X-MIRROR") + string(0x16, b"\0data")


def packet(first, body):
    return bytes([first]) + counted(body)


def acks(name, first, reason):
    return {name: packet(first, b"\0\1" + bytes([reason]) + counted(WHY + PAIRS)),
            name + "_reason": packet(first, b"\0\1" + bytes([reason])),
            name + "_short": packet(first, b"\0\1")}


CONNECT_PROPS = (u32(0x11, 0xFFFFFFFF) + u16(0x21, 2) + u32(0x27, 100) + u16(0x22, 3) + u8(0x19, 1) +
                 u8(0x17, 0) + PAIRS + METHOD)
CONNACK_PROPS = (u32(0x11, 5) + u16(0x21, 20) + u8(0x24, 1) + u8(0x25, 0) + u32(0x27, 100) +
                 string(0x12, b"auto") + u16(0x22, 10) + WHY + PAIRS + u8(0x28, 0) + u8(0x29, 0) +
                 u8(0x2A, 0) + u16(0x13, 60) + string(0x1A, b"info") + string(0x1C, b"other") + METHOD)
BOTH = {
    **acks("puback", 0x40, 0x97), **acks("pubrec", 0x50, 0x10),
    **acks("pubrel", 0x62, 0x92), **acks("pubcomp", 0x70, 0x92),
    "auth": packet(0xF0, b"\x18" + counted(METHOD + WHY + PAIRS)),
}
FROM_CLIENT = {
    **BOTH,
    "connect": packet(0x10, text(b"MQTT") + b"\5\xee" + b"\0\x3c" + counted(CONNECT_PROPS) + text(b"id") +
                      counted(MESSAGE + u32(0x18, 5) + PAIRS) + text(b"w/t") + text(b"bye") +
                      text(b"user") + text(b"pass")),
    "publish": packet(0x3B, text(b"t") + b"\0\1" + counted(MESSAGE + u16(0x23, 1) + PAIRS) + b"payload"),
    "publish_alias": packet(0x34, text(b"") + b"\0\2" + counted(u16(0x23, 0xFFFF))),
    "subscribe": packet(0x82, b"\0\1" + counted(varint(0x0B) + varint(268435455) + PAIRS) +
                        text(b"a/+") + b"\x2e" + text(b"$share/g/#") + b"\x01"),
    "unsubscribe": packet(0xA2, b"\0\1" + counted(PAIRS) + text(b"a/+") + text(b"$share/g/#")),
    "disconnect": packet(0xE0, b"\x04" + counted(u32(0x11, 60) + WHY + PAIRS)),
    "pingreq": packet(0xC0, b""),
}
FROM_SERVER = {
    **BOTH,
    "connack": packet(0x20, b"\0\0" + counted(CONNACK_PROPS)),
    "publish": packet(0x3B, text(b"t") + b"\0\1" + counted(
        MESSAGE + u16(0x23, 1) + varint(0x0B) + varint(1) + varint(0x0B) + varint(268435455) + PAIRS) + b"x"),
    "suback": packet(0x90, b"\0\1" + counted(WHY + PAIRS) + b"\0\1\2\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2"),
    "unsuback": packet(0xB0, b"\0\1" + counted(WHY + PAIRS) + b"\0\x11\x80\x83\x87\x8f\x91"),
    "disconnect": packet(0xE0, b"\x9c" + counted(WHY + PAIRS + string(0x1C, b"other"))),
    "pingresp": packet(0xD0, b""),
}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "corpus", "mqtt")
    for who, first, seeds in (("client", CLIENT, FROM_CLIENT), ("server", SERVER, FROM_SERVER)):
        for name, data in seeds.items():
            with open(os.path.join(folder, f"v5_{who}_{name}"), "wb") as f:
                f.write(bytes([first]) + data)


if __name__ == "__main__":
    main()
