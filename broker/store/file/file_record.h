/*
 * file_record - the records that the journal writes and the writer's thread applies: one change of the file each.
 *
 * Form: a byte of the kind, then its fields in the order of the kind's statement (file_apply.c): numbers as varints,
 *       texts and frames with their length in front, what may be missing with a byte before it.
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_RECORD_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_RECORD_H

enum file_record {
    RECORD_CLOCK, /* when the batch was closed, by the store's clock */
    RECORD_SESSION,
    RECORD_SESSION_GONE,
    RECORD_SUBSCRIBED,
    RECORD_UNSUBSCRIBED,
    RECORD_SUBSCRIPTIONS_GONE,
    RECORD_MESSAGE,
    RECORD_MESSAGE_GONE,
    RECORD_QUEUED,
    RECORD_UNQUEUED,
    RECORD_QUEUE_GONE,
    RECORD_FETCHED,
    RECORD_FETCHED_GONE,
    RECORD_RELEASED,
    RECORD_COMPLETED,
    RECORD_RELEASED_GONE,
    RECORD_QOS2_OPENED,
    RECORD_QOS2_CLOSED,
    RECORD_QOS2_GONE,
    RECORD_RETAINED,
    RECORD_RETAINED_GONE,
    RECORD_GROUP,
    RECORD_GROUP_GONE,
    RECORD_SHARED,
    RECORD_SHARED_TAKEN,
    RECORD_SHARED_GONE,
    RECORD_COUNT
};

/* `flags` of a session's row. */
enum { SESSION_DURABLE = 1, SESSION_CONNECTED = 2, SESSION_GRACE = 4 };

/* `flags` of a row of a queue: the QoS, and these. */
enum { QUEUED_QOS = 3, QUEUED_RETAIN = 4, QUEUED_VALUE = 8 };

#endif
