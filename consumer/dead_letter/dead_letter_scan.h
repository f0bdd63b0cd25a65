/* Reads the topic of dead letters, for the commands.
 */
#ifndef CONSUMER_DEAD_LETTER_DEAD_LETTER_SCAN_H
#define CONSUMER_DEAD_LETTER_DEAD_LETTER_SCAN_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/json/json_value.h"

/* A dead letter as the topic has it (dead_letter.h). All of it lives until the visit returns. */
struct dead_letter_found {
    int32_t partition; /* of the message that is not applied, or not all of it */
    int64_t offset;
    int64_t timestamp_ms; /* when the letter was written; -1: not known */
    struct text reason;
    struct text json;                    /* the letter */
    const struct json_value *event;      /* NULL: not an event */
    const struct json_value *ops;        /* what was dropped; JSON_NULL: too large to be kept */
    const struct json_value *reasons;    /* an array: the reason of each */
    const struct json_value *entity_ids; /* an array: of values of a chunk, the entity of each */
};

/* Anything but 0 ends the scan. */
typedef int (*dead_letter_visit)(void *context, const struct dead_letter_found *letter,
                                 struct error *err);

/* Calls `visit` once for each letter of this group, in the order in which they were written, up to
 * the end that the topic has at the beginning. Returns what `visit` has returned last, or an error.
 * A topic that does not exist has no letters. Messages that are not dead letters are skipped. */
int dead_letter_scan(const struct config *config, const char *group, dead_letter_visit visit,
                     void *context, struct error *err);

#endif
