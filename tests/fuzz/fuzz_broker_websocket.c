/*
 * Fuzzes what a WebSocket listener reads before MQTT: the HTTP request and the frames.
 *
 * Input: a byte that chooses. 0 to 127: an HTTP request follows, and the byte's bits are the listener's rules.
 * From 128 on: frames follow, and the byte says in which portions they come.
 * Demanded: a verdict other than "need more" has a whole answer, and every beginning of what was granted asks for
 * more. Frames mean the same in any portions, bytes of messages are never more than what came, and a stream ends once.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/net/websocket_frames.h"
#include "broker/net/websocket_upgrade.h"
#include "common/config/config_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

/* ---- the request --------------------------------------------------------------------------------- */

static void demand_answer(enum websocket_verdict verdict, const struct websocket_upgrade *u)
{
    static const char granted[] = "HTTP/1.1 101 ";
    demand(u->answer_len > 0 && u->answer_len < sizeof(u->answer));
    demand(strlen(u->answer) == u->answer_len);
    demand(strstr(u->answer, "\r\n\r\n") != NULL);
    demand((strncmp(u->answer, granted, sizeof(granted) - 1) == 0) == (verdict == UPGRADE_GRANTED));
}

static void try_request(uint8_t choice, const uint8_t *data, size_t size)
{
    static char *const listed[] = {"https://example.org", "null"};
    static const struct config_strings origins = {(char **)listed, 2};
    struct websocket_rules rules = {.path = choice & 1 ? "/mqtt" : NULL,
                                    .origins = choice & 2 ? &origins : NULL,
                                    .trusts_sender = (choice & 4) != 0};
    struct websocket_upgrade u;
    enum websocket_verdict verdict = websocket_upgrade_decide(data, size, &rules, &u);
    demand(size < UPGRADE_MAX || verdict != UPGRADE_NEED_MORE);
    demand(!u.has_real_ip || rules.trusts_sender);
    if (verdict == UPGRADE_NEED_MORE)
        return;
    demand_answer(verdict, &u);
    if (verdict != UPGRADE_GRANTED)
        return;
    for (size_t n = 0; n < size; n++)
        demand(websocket_upgrade_decide(data, n, &rules, &u) == UPGRADE_NEED_MORE);
}

/* ---- frames -------------------------------------------------------------------------------------- */

struct outcome {
    uint8_t *bytes;
    size_t len;
    struct websocket_frames frames;
};

static struct outcome decode(const uint8_t *data, size_t size, size_t portion)
{
    struct outcome o = {.bytes = malloc(size + 1)};
    struct websocket_frames *f = &o.frames;
    struct websocket_decoder *spare = NULL;
    demand(o.bytes != NULL);
    websocket_frames_init(f, &spare);
    for (size_t at = 0; at < size; at += portion) {
        size_t n = size - at < portion ? size - at : portion;
        uint8_t *buf = malloc(n);
        demand(buf != NULL);
        memcpy(buf, data + at, n);
        bool was_open = f->end == FRAMES_OPEN;
        size_t out = websocket_frames_decode(f, buf, n);
        demand(out <= n && (was_open || out == 0));
        memcpy(o.bytes + o.len, buf, out);
        o.len += out;
        free(buf);
    }
    websocket_frames_fini(f);
    websocket_decoder_free(spare);
    return o;
}

static void try_frames(uint8_t choice, const uint8_t *data, size_t size)
{
    struct outcome whole = decode(data, size, size + 1);
    struct outcome parts = decode(data, size, 1 + choice % 64);
    demand(whole.len == parts.len && memcmp(whole.bytes, parts.bytes, whole.len) == 0);
    demand(whole.frames.end == parts.frames.end);
    demand(whole.frames.close_code == parts.frames.close_code);
    demand(whole.frames.pinged == parts.frames.pinged);
    if (whole.frames.pinged) {
        demand(whole.frames.ping.len <= FRAME_CONTROL_MAX);
        demand(whole.frames.ping.len == parts.frames.ping.len);
        demand(memcmp(whole.frames.ping.payload, parts.frames.ping.payload,
                      whole.frames.ping.len) == 0);
    }
    free(whole.bytes);
    free(parts.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] < 128)
        try_request(data[0], data + 1, size - 1);
    else
        try_frames(data[0], data + 1, size - 1);
    return 0;
}
