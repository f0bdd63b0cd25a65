/* Dead letters (law L9): what could not be applied, with its reason, as messages for people and
 * scripts. Pure; dead_letters.h delivers them.
 *
 *     key    group/topic/partition/offset     the same whenever the same message is read again
 *     value  {"group","topic","partition","offset","reason","value_bytes","value_base64",
 *             "event":{"source","epoch","generation","tick","seq","row_id","entity_id"},
 *             "reasons":[...],"ops":[...]}
 *
 * `event` is null when the message is none. `ops` are the ops that were dropped, each with its
 * reason; both lists are empty when the whole event was. What is too long for a message of Kafka's
 * default size is cut: see the limits.
 */
#ifndef CONSUMER_DEAD_LETTER_DEAD_LETTER_H
#define CONSUMER_DEAD_LETTER_DEAD_LETTER_H

#include "common/event/event.h"

enum {
    DEAD_LETTER_VALUE_BYTES_MAX =
        384 * 1024,                         /* of the message; value_bytes tells its whole length */
    DEAD_LETTER_OPS_MAX = 100,              /* ops and reasons */
    DEAD_LETTER_OPS_BYTES_MAX = 256 * 1024, /* of the ops in JSON; null when they take more */
};

struct dead_letter {
    const char *group;
    const char *topic;
    int32_t partition;
    int64_t offset;
    struct text value;         /* the message */
    const char *reason;        /* terminated */
    const struct event *event; /* NULL: not an event */
    const struct op *ops;
    const struct text *reasons; /* `op_count`, as many as ops */
    uint32_t op_count;
};

/* Where a letter lies in a list's bytes: the key, and the value behind it. */
struct dead_letter_span {
    size_t begin;
    size_t key_bytes;
    size_t value_bytes;
};

/* Letters that wait for delivery, oldest first. Zero-initialise. */
struct dead_letter_list {
    struct buffer bytes;
    struct dead_letter_span *spans;
    uint32_t count;
    uint32_t capacity;
};

/* Writes the letter at the list's end; nothing of it is kept. */
void dead_letter_list_add(struct dead_letter_list *list, const struct dead_letter *letter);
void dead_letter_list_clear(struct dead_letter_list *list);
void dead_letter_list_free(struct dead_letter_list *list);

#endif
