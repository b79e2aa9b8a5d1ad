/*
 * encode - one PUBLISH on its way to several receivers: encoded once per variant, and made into a
 * reference-counted message only when somebody has to keep it.
 *
 * Data flow: publish.c (or a queue) begins a delivery from what a publisher sent or from a kept
 *            message; deliver.c asks for the variant that a receiver needs, copies it into the
 *            receiver's output and puts flags and packet id into the copy.
 * Ownership: the delivery lives on its maker's stack and borrows the publish; `message` is
 *            referenced by it, if there is one. Encoded bytes belong to the encoder and are good
 *            until the next delivery begins.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_ENCODE_H
#define FLOTILLA_BROKER_MESSAGE_ENCODE_H

#include <stddef.h>

#include "broker/message/alias_out.h"
#include "broker/message/message.h"

struct encoder;
struct encoder *encoder_new(void);
void encoder_free(struct encoder *e);

struct delivery {
    struct encoder *encoder;
    const struct mqtt_publish *publish; /* QoS and retain flag as published */
    struct message *message;            /* NULL until somebody must keep it */
    struct message_id id;
    uint64_t expires_at_ms; /* as in struct message */
    struct mqtt_slice publisher;
};

/* What was encoded of the delivery before isn't good any more. For the two functions below. */
void encoder_begin(struct encoder *e);
/* `publish` from a client; the message isn't kept by anyone yet. */
static inline struct delivery delivery_of_publish(struct encoder *e,
                                                  const struct mqtt_publish *publish,
                                                  struct message_id id, struct mqtt_slice publisher)
{
    encoder_begin(e);
    return (struct delivery){.encoder = e, .publish = publish, .id = id, .publisher = publisher};
}
/* `scratch` gets the message's fields and must live as long as the delivery. */
struct delivery delivery_of_message(struct encoder *e, struct message *m,
                                    struct mqtt_publish *scratch);
/* The message, made now if it wasn't. Owned by the delivery. NULL when out of memory. */
struct message *delivery_message(struct delivery *d);
static inline void delivery_end(struct delivery *d)
{
    if (d->message != NULL)
        message_unref(d->message);
    d->message = NULL;
}

/* The keyed hash of its topic, worked out for the first who asks. `key` is always the same. */
uint64_t delivery_topic_hash(struct delivery *d, uint64_t key);

struct encoded {
    const uint8_t *bytes;
    size_t len;
    size_t id_at;  /* of the packet id, 0 at QoS 0 */
    size_t packet; /* length of the whole packet */
    bool whole;    /* bytes are all of it; else the payload follows by reference */
};
/* For a receiver of which the packet has nothing of its own. NULL when out of memory. Byte 0 lacks QoS, DUP and
 * retain, and the packet id is 0. */
const struct encoded *delivery_encode(struct delivery *d, enum mqtt_version version, bool with_id);

/* What in a PUBLISH to a 5.0 receiver is its own, beside flags and packet id. */
struct encode_own {
    bool with_id;
    bool has_expiry;
    uint32_t expiry_s; /* what is left of it: the same for all */
    struct alias_choice alias;
    struct mqtt_ids ids; /* of its subscriptions */
};
/* The same for such a receiver. Encoded once for all without alias and ids, else each time. NULL also when it
 * would be too large for a packet. */
const struct encoded *delivery_encode_own(struct delivery *d, const struct encode_own *own);

/* The first byte of a PUBLISH (3.3.1). */
static inline uint8_t publish_first_byte(uint8_t qos, bool retain, bool dup)
{
    return (uint8_t)(0x30u | (dup ? 8u : 0u) | (unsigned)qos << 1 | (retain ? 1u : 0u));
}

#endif
