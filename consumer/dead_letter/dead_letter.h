/* Dead letters (law L9): what could not be applied, with its reason, as Kafka messages. Pure;
 * dead_letter_topic.h delivers them.
 *
 *     key    group/topic/partition/offset     the same whenever the same message is read again
 *     value  {"group","topic","partition","offset","reason","value_bytes","value_base64",
 *             "event":{"source","epoch","generation","tick","seq","row_id","entity_id"},
 *             "reasons":[...],"ops":[...],"entity_ids":[...]}
 *
 * `event` is null if the message is not an event. `ops` are the ops that were dropped, and
 * `reasons` has the reason of each; both lists are empty if the whole event was dropped. Of a
 * chunk they are the values that were dropped, and `entity_ids` has the entity of each. What does
 * not fit into a message of Kafka's default size is cut, as the limits below describe.
 */
#ifndef CONSUMER_DEAD_LETTER_DEAD_LETTER_H
#define CONSUMER_DEAD_LETTER_DEAD_LETTER_H

#include "common/event/event.h"

enum {
    DEAD_LETTER_VALUE_BYTES_MAX = 384 * 1024, /* of the message; value_bytes is its whole length */
    DEAD_LETTER_OPS_MAX = 100,                /* ops and reasons */
    DEAD_LETTER_OPS_BYTES_MAX = 256 * 1024,   /* of the ops in JSON; null if they take more */
    DEAD_LETTER_TEXT_BYTES_MAX = 200,         /* of the event's source, and of each op's reason */
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
    const struct text *reasons; /* one for each op */
    const int64_t *entity_ids;  /* likewise, of the values of a chunk; else NULL */
    uint32_t op_count;
};

/* Where a dead letter is in the bytes of a list: its key, followed by its value. */
struct dead_letter_span {
    size_t begin;
    size_t key_bytes;
    size_t value_bytes;
};

/* Dead letters that wait for delivery, oldest first. Zero-initialise. */
struct dead_letter_list {
    struct buffer bytes;
    struct dead_letter_span *spans;
    uint32_t count;
    uint32_t capacity;
};

/* Appends the dead letter, in the form of a message. The list keeps no pointer to it. */
void dead_letter_list_add(struct dead_letter_list *list, const struct dead_letter *letter);
void dead_letter_list_clear(struct dead_letter_list *list);
void dead_letter_list_free(struct dead_letter_list *list);

#endif
