/* The load balancer's TLS 1.3 records with the bursts of devices: small ones of many flows in turn,
 * so that each finds the ciphers keyed for another flow. */
#include "tests/guard/guard.h"

#include <string.h>

#include "lb/tls/tls_session.h"

enum { FLOWS = 8, ROUNDS = 1000, BURST = 90, WIRE = BURST + TLS_RECORD_OVERHEAD };

static struct tls_crypt *crypt;
static struct tls_session sessions[FLOWS];
static uint8_t wires[FLOWS][ROUNDS + 1][WIRE]; /* what the devices send */
static uint8_t plain[BURST];

static void agree(unsigned flow, struct tls_agreement *a)
{
    memset(a, 0, sizeof(*a));
    a->suite = TLS_SUITE_AES_128_GCM;
    a->content_max = TLS_RECORD_CONTENT_MAX;
    memset(a->in_secret, (int)flow + 1, tls_suite_secret_len(a->suite));
    memset(a->out_secret, (int)flow + 101, tls_suite_secret_len(a->suite));
}

/* The device's side of a flow. */
static void speak(unsigned flow, const struct tls_agreement *a)
{
    struct tls_keys keys;
    guard_must(tls_keys_init(crypt, &keys, a->suite, a->in_secret, 0));
    for (unsigned round = 0; round <= ROUNDS; round++)
        guard_must(tls_record_seal(crypt, &keys, 23, plain, BURST, wires[flow][round]) == WIRE);
}

static void turn(unsigned round)
{
    uint8_t out[WIRE];
    uint8_t answer[WIRE + TLS_UPDATE_WIRE];
    struct tls_opened opened;
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        guard_must(tls_session_open(&sessions[flow], crypt, wires[flow][round], WIRE, out,
                                    &opened) == TLS_SESSION_OK);
        guard_must(opened.data_len == BURST && memcmp(out, plain, BURST) == 0);
        guard_must(tls_session_seal(&sessions[flow], crypt, out, BURST, answer) == WIRE);
    }
}

void guard_prepare(void)
{
    crypt = tls_crypt_new();
    guard_must(crypt != NULL);
    memset(plain, 'x', sizeof(plain));
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        struct tls_agreement a;
        agree(flow, &a);
        guard_must(tls_session_init(&sessions[flow], crypt, &a));
        speak(flow, &a);
    }
    turn(0);
}

void guard_measured(void)
{
    for (unsigned round = 1; round <= ROUNDS; round++)
        turn(round);
}

void guard_finish(void)
{
    tls_crypt_free(crypt);
}
