/*
 * The codec against tables of packets: each is valid or has one stated fault, for each version and
 * direction. Valid ones are also cut at every byte, mutated at every byte, and encoded again.
 */
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_equal.h"
#include "tests/unit/common/mqtt_wire.h"

/* Versions as a set, since many packets are the same in all. */
enum { V31 = 1, V311 = 2, V3 = V31 | V311, V5 = 4, ANY = 7 };
/* Who sent it. */
enum { CLIENT = 1, SERVER = 2, EITHER = 3 };

static const struct {
    unsigned bit;
    enum mqtt_version version;
} versions[] = {{V31, MQTT_V31}, {V311, MQTT_V311}, {V5, MQTT_V5}};

/* ~ in front: valid, but not the form that the encoder chooses. */
static const struct valid {
    unsigned versions, sender;
    const char *packet;
} valid[] = {
    /* CONNECT */
    {V31, CLIENT, "10 [ <MQIsdp> 03 02 003c <a> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 02 003c <a> ]"},
    {V31, CLIENT, "10 [ <MQIsdp> 83 02 003c <a> ]"},
    {V311, CLIENT, "10 [ <MQTT> 84 02 003c <a> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 02 0000 <> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 00 ffff <> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 06 003c <a> <w/t> <bye> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 36 003c <a> <w/t> <> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 c2 003c <a> <user> <pw> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 82 003c <a> <user> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 c2 003c <a> <> <> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 c2 003c <a> <user> 0003 00ff80 ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 ee 003c <a> <w/t> <bye> <user> <pw> ]"},
    {V31, CLIENT, "~10 [ <MQIsdp> 03 c2 003c <a> ]"},
    {V31, CLIENT, "~10 [ <MQIsdp> 03 c2 003c <a> <user> ]"},
    {V31, CLIENT, "~10 [ <MQIsdp> 03 3a 003c <a> ]"},
    {V5, CLIENT, "10 [ <MQTT> 05 02 003c () <a> ]"},
    {V5, CLIENT, "10 [ <MQTT> 05 42 003c () <a> <pw> ]"},
    {V5, CLIENT,
     "10 [ <MQTT> 05 02 003c ( 11 0000000a 21 0001 27 00000001 22 0000 19 01 17 00 "
     "26 <k><v> 26 <k><v> 15 <m> 16 <d> ) <a> ]"},
    {V5, CLIENT,
     "10 [ <MQTT> 05 0e 003c () <a> ( 18 00000005 01 01 02 00000001 03 <text> 08 <r/t> 09 <c> "
     "26 <k><v> ) <w/t> <bye> ]"},
    /* CONNACK */
    {ANY & ~V5, SERVER, "20 [ 00 00 ]"},
    {V3, SERVER, "20 [ 01 00 ]"},
    {V3, SERVER, "20 [ 00 05 ]"},
    {V5, SERVER, "20 [ 00 00 () ]"},
    {V5, SERVER, "20 [ 01 00 () ]"},
    {V5, SERVER, "20 [ 00 9f () ]"},
    {V5, SERVER,
     "20 [ 00 00 ( 11 00000001 21 0014 24 00 25 01 27 00000064 12 <auto> 22 000a 1f <why> "
     "26 <k><v> 28 01 29 01 2a 00 13 003c 1a <info> 1c <other> 15 <m> 16 <d> ) ]"},
    /* PUBLISH */
    {V3, EITHER, "30 [ <t> 'hi' ]"},
    {V3, EITHER, "30 [ <t> ]"},
    {V3, EITHER, "31 [ <a/b/c/d/e/f/g/h> 'payload' ]"},
    {V3, EITHER, "32 [ <t> 0001 'hi' ]"},
    {V3, EITHER, "3a [ <t> ffff 'hi' ]"},
    {V3, EITHER, "34 [ <t> 000a ]"},
    {V3, EITHER, "3d [ <t> 000a 'x' ]"},
    {V5, EITHER, "30 [ <t> () 'hi' ]"},
    {V5, EITHER, "32 [ <t> 0001 () 'hi' ]"},
    {V5, EITHER, "30 [ <> ( 23 0001 ) 'hi' ]"},
    {V5, EITHER, "30 [ <t> ( 23 0001 ) 'hi' ]"},
    {V5, EITHER,
     "30 [ <t> ( 01 01 02 0000003c 03 <text> 08 <r/t> 09 <c> 26 <k><v> 26 <k><w> 23 ffff ) ]"},
    {V5, SERVER, "30 [ <t> ( 0b 01 ) 'hi' ]"},
    {V5, SERVER, "30 [ <t> ( 0b 01 0b ffffff7f 0b 01 ) 'hi' ]"},
    /* PUBACK, PUBREC, PUBREL, PUBCOMP */
    {ANY, EITHER, "40 [ 0001 ]"},
    {ANY, EITHER, "50 [ 0001 ]"},
    {ANY, EITHER, "62 [ 0001 ]"},
    {ANY, EITHER, "70 [ ffff ]"},
    {V31, EITHER, "~6a [ 0001 ]"},
    {V5, EITHER, "~40 [ 0001 00 ]"},
    {V5, EITHER, "~40 [ 0001 00 () ]"},
    {V5, EITHER, "40 [ 0001 10 ]"},
    {V5, EITHER, "~40 [ 0001 10 () ]"},
    {V5, EITHER, "40 [ 0001 97 ( 1f <why> 26 <k><v> ) ]"},
    {V5, EITHER, "40 [ 0001 00 ( 1f <why> ) ]"},
    {V5, EITHER, "50 [ 0001 91 ]"},
    {V5, EITHER, "62 [ 0001 92 ( 1f <why> ) ]"},
    {V5, EITHER, "70 [ 0001 92 ]"},
    /* SUBSCRIBE, SUBACK */
    {V3, CLIENT, "82 [ 0001 <a> 00 ]"},
    {V3, CLIENT, "82 [ 000a <a/+/b> 01 <#> 02 <+> 00 ]"},
    {V3, CLIENT, "82 [ 000a <$share/g/a> 01 <$share/x> 00 ]"},
    {V31, CLIENT, "~8a [ 0001 <a> 00 ]"},
    {V5, CLIENT, "82 [ 0001 () <a> 00 ]"},
    {V5, CLIENT, "82 [ 0001 ( 0b ffffff7f 26 <k><v> ) <a> 2e <$share/g/#> 1a ]"},
    {V3, SERVER, "90 [ 0001 00 01 02 80 ]"},
    {V5, SERVER, "90 [ 0001 () 00 01 02 80 83 87 8f 91 97 9e a1 a2 ]"},
    {V5, SERVER, "90 [ 0001 ( 1f <why> 26 <k><v> ) 00 ]"},
    /* UNSUBSCRIBE, UNSUBACK */
    {V3, CLIENT, "a2 [ 0001 <a> ]"},
    {V3, CLIENT, "a2 [ 0001 <a/#> <b> ]"},
    {V31, CLIENT, "~aa [ 0001 <a> ]"},
    {V5, CLIENT, "a2 [ 0001 () <a> ]"},
    {V5, CLIENT, "a2 [ 0001 ( 26 <k><v> ) <a/#> <$share/g/b> ]"},
    {V3, SERVER, "b0 [ 0001 ]"},
    {V5, SERVER, "b0 [ 0001 () 00 11 80 83 87 8f 91 ]"},
    {V5, SERVER, "b0 [ 0001 ( 1f <why> ) 00 ]"},
    /* PINGREQ, PINGRESP */
    {ANY, CLIENT, "c0 []"},
    {ANY, SERVER, "d0 []"},
    /* DISCONNECT */
    {ANY, CLIENT, "e0 []"},
    {V5, SERVER, "e0 []"},
    {V5, EITHER, "~e0 [ 00 ]"},
    {V5, EITHER, "~e0 [ 00 () ]"},
    {V5, CLIENT, "e0 [ 04 ]"},
    {V5, CLIENT, "e0 [ 04 ( 11 0000003c 1f <why> 26 <k><v> ) ]"},
    {V5, SERVER, "e0 [ 8e ]"},
    {V5, SERVER, "e0 [ 9c ( 1c <other> ) ]"},
    {V5, CLIENT, "e0 [ 00 ( 11 0000003c ) ]"},
    /* AUTH */
    {V5, SERVER, "f0 []"},
    {V5, EITHER, "f0 [ 18 ( 15 <m> 16 <d> 1f <why> 26 <k><v> ) ]"},
    {V5, CLIENT, "f0 [ 19 ( 15 <m> ) ]"},
    {V5, SERVER, "f0 [ 00 ( 15 <m> 16 <d> ) ]"},
    /* a remaining length in a longer form than needed is forbidden by 5.0 only */
    {V3, EITHER, "~30 8300 <t>"},
    {V3, EITHER, "~30 83808000 <t>"},
    {V311, CLIENT, "~10 8d00 <MQTT> 04 02 003c <a>"},
};

enum { R_MAL = MQTT_R_MALFORMED_PACKET, R_PROTO = MQTT_R_PROTOCOL_ERROR };

static const struct invalid {
    unsigned versions, sender;
    unsigned reason;
    const char *packet;
} invalid[] = {
    /* fixed header: type 0, remaining length over four bytes, not minimal */
    {ANY, EITHER, R_MAL, "00 []"},
    {ANY, EITHER, R_MAL, "0f []"},
    {ANY, EITHER, R_MAL, "30 ffffffff"},
    {ANY, EITHER, R_MAL, "30 8080808001"},
    {V5, EITHER, R_MAL, "30 8400 <t> ()"},
    {V5, CLIENT, R_MAL, "c0 8000"},
    {V5, CLIENT, R_MAL, "10 8e00 <MQTT> 05 02 003c () <a>"},
    /* fixed header: flags */
    {ANY, CLIENT, R_MAL, "11 [ <MQTT> 04 02 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "18 [ <MQTT> 04 02 003c <a> ]"},
    {ANY, SERVER, R_MAL, "22 [ 00 00 ]"},
    {ANY, EITHER, R_MAL, "41 [ 0001 ]"},
    {ANY, EITHER, R_MAL, "52 [ 0001 ]"},
    {ANY, EITHER, R_MAL, "60 [ 0001 ]"},
    {ANY, EITHER, R_MAL, "63 [ 0001 ]"},
    {ANY, EITHER, R_MAL, "64 [ 0001 ]"},
    {V311 | V5, EITHER, R_MAL, "6a [ 0001 ]"},
    {ANY, EITHER, R_MAL, "78 [ 0001 ]"},
    {V3, CLIENT, R_MAL, "80 [ 0001 <a> 00 ]"},
    {V311, CLIENT, R_MAL, "8a [ 0001 <a> 00 ]"},
    {V3, SERVER, R_MAL, "91 [ 0001 00 ]"},
    {V3, CLIENT, R_MAL, "a0 [ 0001 <a> ]"},
    {V3, SERVER, R_MAL, "b2 [ 0001 ]"},
    {ANY, CLIENT, R_MAL, "c1 []"},
    {ANY, SERVER, R_MAL, "d4 []"},
    {ANY, CLIENT, R_MAL, "e1 []"},
    {V5, EITHER, R_MAL, "f1 [ 18 ( 15 <m> ) ]"},
    /* the wrong side */
    {ANY, SERVER, R_PROTO, "10 [ <MQTT> 04 02 003c <a> ]"},
    {ANY, CLIENT, R_PROTO, "20 [ 00 00 ]"},
    {ANY, SERVER, R_PROTO, "82 [ 0001 <a> 00 ]"},
    {ANY, CLIENT, R_PROTO, "90 [ 0001 00 ]"},
    {ANY, SERVER, R_PROTO, "a2 [ 0001 <a> ]"},
    {ANY, CLIENT, R_PROTO, "b0 [ 0001 ]"},
    {ANY, SERVER, R_PROTO, "c0 []"},
    {ANY, CLIENT, R_PROTO, "d0 []"},
    {V3, SERVER, R_PROTO, "e0 []"},
    {V3, EITHER, R_PROTO, "f0 []"},
    /* CONNECT: protocol name and level */
    {ANY, CLIENT, MQTT_R_UNSUPPORTED_VERSION, "10 [ <MQTX> 04 02 003c <a> ]"},
    {ANY, CLIENT, MQTT_R_UNSUPPORTED_VERSION, "10 [ <mqtt> 04 02 003c <a> ]"},
    {ANY, CLIENT, MQTT_R_UNSUPPORTED_VERSION, "10 [ <MQTTT> 04 02 003c <a> ]"},
    {ANY, CLIENT, MQTT_R_UNSUPPORTED_VERSION, "10 [ <> 04 02 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 []"},
    {ANY, CLIENT, R_MAL, "10 [ 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ 0004 'MQT' ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c 0002 'a' ]"},
    /* CONNECT: flags */
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 03 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQIsdp> 03 03 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 03 003c () <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 0a 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 12 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 22 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 1e 003c <a> <w> <x> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 42 003c <a> <pw> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQIsdp> 03 42 003c <a> <pw> ]"},
    /* CONNECT: payload */
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c 0001 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c 0001 ff ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c 0003 eda080 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c <a> 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c <a> <user> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 06 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 06 003c <a> <w> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 06 003c <a> 0001 ff <x> ]"},
    {ANY, CLIENT, MQTT_R_BAD_TOPIC_NAME, "10 [ <MQTT> 04 06 003c <a> <w/#> <x> ]"},
    {ANY, CLIENT, MQTT_R_BAD_TOPIC_NAME, "10 [ <MQTT> 04 06 003c <a> <> <x> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 82 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 82 003c <a> 0001 c3 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 c2 003c <a> <user> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 c2 003c <a> <user> 0002 'x' ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 c2 003c <a> <user> <pw> 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQIsdp> 03 c2 003c <a> 00 ]"},
    /* CONNECT: properties */
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c 05 <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c 8000 <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ffffffff00 <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 04 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 2b 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( ff 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 9100 00000001 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 11 000000 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 21 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 26 <k> ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 26 <k> 0002 'v' ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 26 0001 00 <v> ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 26 <k> 0001 ff ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 15 0001 ff ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 01 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 18 00000001 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 12 <x> ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 23 0001 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 1f <x> ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 21 0000 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 27 00000000 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 17 02 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 19 ff ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 21 0001 21 0001 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 11 00000000 11 00000000 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 16 <d> ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 06 003c () <a> <w> <x> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 06 003c () <a> ( 11 00000001 ) <w> <x> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 06 003c () <a> ( 23 0001 ) <w> <x> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 06 003c () <a> ( 01 02 ) <w> <x> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 06 003c () <a> ( 18 00000001 18 00000001 ) <w> <x> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 06 003c () <a> ( 08 <r/+> ) <w> <x> ]"},
    /* CONNACK */
    {ANY, SERVER, R_MAL, "20 []"},
    {ANY, SERVER, R_MAL, "20 [ 00 ]"},
    {ANY, SERVER, R_MAL, "20 [ 02 00 ]"},
    {ANY, SERVER, R_MAL, "20 [ 80 00 ]"},
    {V3, SERVER, R_PROTO, "20 [ 01 05 ]"},
    {V5, SERVER, R_PROTO, "20 [ 01 87 () ]"},
    {V3, SERVER, R_MAL, "20 [ 00 06 ]"},
    {V3, SERVER, R_MAL, "20 [ 00 80 ]"},
    {V5, SERVER, R_MAL, "20 [ 00 01 () ]"},
    {V5, SERVER, R_MAL, "20 [ 00 8e () ]"},
    {V3, SERVER, R_MAL, "20 [ 00 00 00 ]"},
    {V5, SERVER, R_MAL, "20 [ 00 00 ]"},
    {V5, SERVER, R_MAL, "20 [ 00 00 () 00 ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 24 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 25 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 28 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 29 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 2a 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 21 0000 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 12 <a> 12 <a> ) ]"},
    {V5, SERVER, R_MAL, "20 [ 00 00 ( 0b 01 ) ]"},
    {V5, SERVER, R_MAL, "20 [ 00 00 ( 17 01 ) ]"},
    /* PUBLISH */
    {ANY, EITHER, R_MAL, "36 [ <t> 0001 ]"},
    {ANY, EITHER, R_MAL, "37 [ <t> 0001 ]"},
    {ANY, EITHER, R_MAL, "3e [ <t> 0001 ]"},
    {ANY, EITHER, R_MAL, "38 [ <t> ]"},
    {ANY, EITHER, R_MAL, "39 [ <t> ]"},
    {ANY, EITHER, R_MAL, "30 []"},
    {ANY, EITHER, R_MAL, "30 [ 00 ]"},
    {ANY, EITHER, R_MAL, "30 [ 0002 't' ]"},
    {ANY, EITHER, R_MAL, "30 [ ffff 't' ]"},
    {V3, EITHER, R_PROTO, "30 [ <> 'hi' ]"},
    {ANY, EITHER, R_MAL, "30 [ 0001 00 ]"},
    {ANY, EITHER, R_MAL, "30 [ 0001 ff ]"},
    {ANY, EITHER, R_MAL, "30 [ 0002 c080 ]"},
    {ANY, EITHER, R_MAL, "30 [ 0003 eda080 ]"},
    {ANY, EITHER, MQTT_R_BAD_TOPIC_NAME, "30 [ <#> ]"},
    {ANY, EITHER, MQTT_R_BAD_TOPIC_NAME, "30 [ <a/+> ]"},
    {ANY, EITHER, MQTT_R_BAD_TOPIC_NAME, "30 [ <a/b/c/d/e/f+> ]"},
    {ANY, EITHER, R_PROTO, "32 [ <t> 0000 ]"},
    {ANY, EITHER, R_PROTO, "34 [ <t> 0000 ]"},
    {ANY, EITHER, R_MAL, "32 [ <t> ]"},
    {ANY, EITHER, R_MAL, "32 [ <t> 00 ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ]"},
    {V5, EITHER, R_MAL, "30 [ <t> 01 ]"},
    {V5, EITHER, R_PROTO, "30 [ <> () 'hi' ]"},
    {V5, EITHER, R_PROTO, "30 [ <> ( 01 00 ) 'hi' ]"},
    {V5, EITHER, MQTT_R_BAD_TOPIC_ALIAS, "30 [ <t> ( 23 0000 ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 23 0001 23 0001 ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 01 02 ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 01 01 01 01 ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 08 <a/#> ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 08 <> ) ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ( 08 0001 ff ) ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ( 03 0001 00 ) ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ( 18 00000001 ) ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ( 1f <x> ) ]"},
    {V5, CLIENT, R_PROTO, "30 [ <t> ( 0b 01 ) ]"},
    {V5, SERVER, R_PROTO, "30 [ <t> ( 0b 00 ) ]"},
    {V5, SERVER, R_MAL, "30 [ <t> ( 0b 8100 ) ]"},
    {V5, SERVER, R_MAL, "30 [ <t> ( 0b ffffffff01 ) ]"},
    /* PUBACK, PUBREC, PUBREL, PUBCOMP */
    {ANY, EITHER, R_MAL, "40 []"},
    {ANY, EITHER, R_MAL, "40 [ 01 ]"},
    {ANY, EITHER, R_PROTO, "40 [ 0000 ]"},
    {ANY, EITHER, R_PROTO, "50 [ 0000 ]"},
    {ANY, EITHER, R_PROTO, "62 [ 0000 ]"},
    {ANY, EITHER, R_PROTO, "70 [ 0000 ]"},
    {V3, EITHER, R_MAL, "40 [ 0001 00 ]"},
    {V3, EITHER, R_MAL, "62 [ 0001 00 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 01 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 92 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 ff ]"},
    {V5, EITHER, R_MAL, "50 [ 0001 92 ]"},
    {V5, EITHER, R_MAL, "62 [ 0001 10 ]"},
    {V5, EITHER, R_MAL, "70 [ 0001 80 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 00 01 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 00 () 00 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 00 ( 11 00000001 ) ]"},
    {V5, EITHER, R_PROTO, "40 [ 0001 00 ( 1f <x> 1f <y> ) ]"},
    /* SUBSCRIBE */
    {ANY, CLIENT, R_MAL, "82 []"},
    {ANY, CLIENT, R_PROTO, "82 [ 0000 <a> 00 ]"},
    {V3, CLIENT, R_PROTO, "82 [ 0001 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 () ]"},
    {V5, CLIENT, R_MAL, "82 [ 0001 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 0002 'a' ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 00 <b> ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 00 00 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 03 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 04 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 80 ]"},
    {V3, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 <> 00 ]"},
    {V3, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 <a#> 00 ]"},
    {V3, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 <a> 00 <#/a> 00 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 0001 ff 00 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 0001 00 00 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 () <a> 03 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 () <a> 30 ]"},
    {V5, CLIENT, R_MAL, "82 [ 0001 () <a> 40 ]"},
    {V5, CLIENT, R_MAL, "82 [ 0001 () <a> 80 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 () <$share/g/a> 04 ]"},
    {V5, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 () <$share/g> 00 ]"},
    {V5, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 () <$share/+/a> 00 ]"},
    {V5, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 () <$share//a> 00 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 ( 0b 00 ) <a> 00 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 ( 0b 01 0b 02 ) <a> 00 ]"},
    {V5, CLIENT, R_MAL, "82 [ 0001 ( 1f <x> ) <a> 00 ]"},
    /* SUBACK */
    {ANY, SERVER, R_MAL, "90 [ 00 ]"},
    {ANY, SERVER, R_PROTO, "90 [ 0000 00 ]"},
    {V3, SERVER, R_PROTO, "90 [ 0001 ]"},
    {V3, SERVER, R_MAL, "90 [ 0001 03 ]"},
    {V3, SERVER, R_MAL, "90 [ 0001 87 ]"},
    {V5, SERVER, R_PROTO, "90 [ 0001 () ]"},
    {V5, SERVER, R_MAL, "90 [ 0001 () 03 ]"},
    {V5, SERVER, R_MAL, "90 [ 0001 () 11 ]"},
    {V5, SERVER, R_MAL, "90 [ 0001 ( 0b 01 ) 00 ]"},
    /* UNSUBSCRIBE, UNSUBACK */
    {ANY, CLIENT, R_PROTO, "a2 [ 0000 <a> ]"},
    {V3, CLIENT, R_PROTO, "a2 [ 0001 ]"},
    {V5, CLIENT, R_PROTO, "a2 [ 0001 () ]"},
    {V3, CLIENT, R_MAL, "a2 [ 0001 <a> 00 ]"},
    {V3, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "a2 [ 0001 <a/#/b> ]"},
    {V5, CLIENT, R_MAL, "a2 [ 0001 ( 0b 01 ) <a> ]"},
    {V3, SERVER, R_PROTO, "b0 [ 0000 ]"},
    {V3, SERVER, R_MAL, "b0 [ 0001 00 ]"},
    {V5, SERVER, R_MAL, "b0 [ 0001 ]"},
    {V5, SERVER, R_PROTO, "b0 [ 0001 () ]"},
    {V5, SERVER, R_MAL, "b0 [ 0001 () 01 ]"},
    {V5, SERVER, R_MAL, "b0 [ 0001 () 97 ]"},
    /* PINGREQ, PINGRESP */
    {ANY, CLIENT, R_MAL, "c0 [ 00 ]"},
    {ANY, SERVER, R_MAL, "d0 [ 00 ]"},
    /* DISCONNECT */
    {V3, CLIENT, R_MAL, "e0 [ 00 ]"},
    {V5, CLIENT, R_MAL, "e0 [ 8e ]"},
    {V5, SERVER, R_MAL, "e0 [ 04 ]"},
    {V5, EITHER, R_MAL, "e0 [ 01 ]"},
    {V5, EITHER, R_MAL, "e0 [ 00 () 00 ]"},
    {V5, EITHER, R_MAL, "e0 [ 00 01 ]"},
    {V5, SERVER, R_PROTO, "e0 [ 8e ( 11 00000001 ) ]"},
    {V5, EITHER, R_MAL, "e0 [ 00 ( 12 <x> ) ]"},
    /* AUTH */
    {V5, CLIENT, R_MAL, "f0 []"},
    {V5, EITHER, R_MAL, "f0 [ 18 ]"},
    {V5, EITHER, R_PROTO, "f0 [ 18 () ]"},
    {V5, EITHER, R_PROTO, "f0 [ 18 ( 16 <d> ) ]"},
    {V5, CLIENT, R_MAL, "f0 [ 00 ( 15 <m> ) ]"},
    {V5, SERVER, R_MAL, "f0 [ 19 ( 15 <m> ) ]"},
    {V5, EITHER, R_MAL, "f0 [ 01 ( 15 <m> ) ]"},
    {V5, EITHER, R_MAL, "f0 [ 18 ( 15 <m> ) 00 ]"},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Calls `check` for each version and sender of a row. */
struct row {
    const char *packet;
    struct mqtt_decode_opts opts;
    uint8_t *bytes;
    size_t len;
    bool canonical;
    unsigned reason;
};

static void each_variant(unsigned versions_of, unsigned sender, const char *packet, unsigned reason,
                         void (*check)(const struct row *row))
{
    struct row row = {.canonical = packet[0] != '~', .reason = reason};
    row.packet = packet + !row.canonical;
    row.bytes = wire_new(row.packet, &row.len);
    for (size_t v = 0; v < COUNT(versions); v++) {
        for (unsigned side = CLIENT; side <= SERVER; side++) {
            if ((versions_of & versions[v].bit) == 0 || (sender & side) == 0)
                continue;
            row.opts =
                (struct mqtt_decode_opts){versions[v].version, 0, .from_server = side == SERVER};
            check(&row);
        }
    }
    free(row.bytes);
}

static void each_valid(void (*check)(const struct row *row))
{
    for (size_t i = 0; i < COUNT(valid); i++)
        each_variant(valid[i].versions, valid[i].sender, valid[i].packet, 0, check);
}

static void expect_ok(const struct row *row)
{
    struct mqtt_packet p;
    struct mqtt_decode_error err = {0};
    size_t size = 0;
    enum decode_result r = mqtt_decode(row->bytes, row->len, &row->opts, &p, &size, &err);
    if (r != DECODE_OK)
        fail_msg("%s (version %d): %d, %s", row->packet, row->opts.version, r,
                 err.text != NULL ? err.text : "");
    assert_int_equal(size, row->len);
    assert_int_equal(p.type, row->bytes[0] >> 4);
}

static void valid_packets_are_accepted(void **state)
{
    (void)state;
    each_valid(expect_ok);
}

static void expect_refused(const struct row *row)
{
    struct mqtt_packet p;
    struct mqtt_decode_error err = {0};
    size_t size;
    enum decode_result r = mqtt_decode(row->bytes, row->len, &row->opts, &p, &size, &err);
    if (r != DECODE_MALFORMED || err.reason != row->reason || err.text == NULL)
        fail_msg("%s (version %d, from %s): result %d, reason 0x%02x (%s), expected 0x%02x",
                 row->packet, row->opts.version, row->opts.from_server ? "server" : "client", r,
                 err.reason, err.text != NULL ? err.text : "no text", row->reason);
    assert_int_equal(mqtt_decode(row->bytes, row->len, &row->opts, &p, &size, NULL),
                     DECODE_MALFORMED);
}

static void faulty_packets_are_refused_with_their_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(invalid); i++)
        each_variant(invalid[i].versions, invalid[i].sender, invalid[i].packet, invalid[i].reason,
                     expect_refused);
}

/* Every beginning asks for more, and never for more than the packet has. */
static void expect_need_more(const struct row *row)
{
    for (size_t n = 0; n < row->len; n++) {
        uint8_t *part = malloc(n > 0 ? n : 1);
        assert_non_null(part);
        memcpy(part, row->bytes, n);
        struct mqtt_packet p;
        size_t size = 0;
        enum decode_result r = mqtt_decode(part, n, &row->opts, &p, &size, NULL);
        if (r != DECODE_NEED_MORE || size <= n || size > row->len)
            fail_msg("%s cut to %zu: result %d, size %zu", row->packet, n, r, size);
        free(part);
    }
}

static void cut_packets_need_more(void **state)
{
    (void)state;
    each_valid(expect_need_more);
}

/* What follows a packet is not looked at. */
static void expect_same_with_tail(const struct row *row)
{
    uint8_t *longer = malloc(row->len + 3);
    assert_non_null(longer);
    memcpy(longer, row->bytes, row->len);
    memset(longer + row->len, 0xff, 3);
    struct mqtt_packet p;
    size_t size = 0;
    assert_int_equal(mqtt_decode(longer, row->len + 3, &row->opts, &p, &size, NULL), DECODE_OK);
    assert_int_equal(size, row->len);
    free(longer);
}

static void a_packet_ends_where_its_length_says(void **state)
{
    (void)state;
    each_valid(expect_same_with_tail);
}

static void expect_encoded_again(const struct row *row)
{
    struct mqtt_packet p;
    struct mqtt_packet again;
    size_t size;
    assert_int_equal(mqtt_decode(row->bytes, row->len, &row->opts, &p, &size, NULL), DECODE_OK);

    size_t need = mqtt_encoded_size(&p, row->opts.version);
    uint8_t *buf = malloc(need > 0 ? need : 1);
    assert_non_null(buf);
    if (need == 0 || mqtt_encode(&p, row->opts.version, buf, need) != need)
        fail_msg("%s: not encoded", row->packet);
    assert_int_equal(mqtt_encode(&p, row->opts.version, buf, need - 1), 0);
    if (row->canonical && (need != row->len || memcmp(buf, row->bytes, need) != 0))
        fail_msg("%s (version %d): encoded differently", row->packet, row->opts.version);
    assert_int_equal(mqtt_decode(buf, need, &row->opts, &again, &size, NULL), DECODE_OK);
    assert_int_equal(size, need);
    if (!packets_equal(&p, &again, row->opts.version))
        fail_msg("%s: decoded differently after encoding", row->packet);
    free(buf);
}

static void encoding_what_was_decoded_gives_the_same_packet(void **state)
{
    (void)state;
    each_valid(expect_encoded_again);
}

/* Any byte changed to anything: some verdict, and what is accepted can be encoded. */
static void expect_survives_mutation(const struct row *row)
{
    uint8_t *bytes = malloc(row->len);
    uint8_t buf[1100];
    assert_non_null(bytes);
    for (size_t at = 0; at < row->len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(bytes, row->bytes, row->len);
            bytes[at] = (uint8_t)value;
            struct mqtt_packet p;
            size_t size;
            struct mqtt_decode_opts opts = row->opts;
            if (mqtt_decode(bytes, row->len, &opts, &p, &size, NULL) != DECODE_OK)
                continue;
            assert_in_range(size, 2, row->len);
            if (p.type == MQTT_CONNECT)
                opts.version = p.u.connect.version;
            if (opts.version != MQTT_UNKNOWN)
                assert_true(mqtt_encode(&p, opts.version, buf, sizeof(buf)) != 0);
        }
    }
    free(bytes);
}

static void mutated_packets_get_a_verdict(void **state)
{
    (void)state;
    each_valid(expect_survives_mutation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_packets_are_accepted),
        cmocka_unit_test(faulty_packets_are_refused_with_their_reason),
        cmocka_unit_test(cut_packets_need_more),
        cmocka_unit_test(a_packet_ends_where_its_length_says),
        cmocka_unit_test(encoding_what_was_decoded_gives_the_same_packet),
        cmocka_unit_test(mutated_packets_get_a_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
