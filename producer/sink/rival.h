/* What somebody else's event on our topic says of its writer (L3, F101). Pure.
 *
 * A fence protects from producers of the same database only: a copy of it has the same cursor, the
 * same epoch and the same generations. Each start of a producer therefore puts a random name into
 * its marks.
 */
#ifndef PRODUCER_SINK_RIVAL_H
#define PRODUCER_SINK_RIVAL_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/event/event.h"

enum { RIVAL_NAME_BYTES = 64 };

/* The session that looks. Strings outlive what they are passed to. */
struct rival_self {
    const char *source;
    const char *topic_id;
    const char *start_name;
    int64_t epoch;
    int64_t generation;
};

enum rival_kind {
    RIVAL_NONE,
    RIVAL_SOURCE,   /* a producer of another name */
    RIVAL_TOPIC_ID, /* a producer with another cursor */
    RIVAL_START,    /* another start of this producer has this generation, or a later one */
    RIVAL_SCHEMA,   /* an event that only a newer producer writes */
};

/* An event that was found, and where. */
struct rival {
    enum rival_kind kind;
    int32_t partition;
    int64_t offset;
    int64_t epoch;
    int64_t generation;
    int64_t tick;
    char start_name[RIVAL_NAME_BYTES]; /* "": the event has none */
    char source[RIVAL_NAME_BYTES];
};

/* Events of older generations are what was on its way at a takeover. Fills all of `rival` but the
 * place, and returns its kind. */
enum rival_kind rival_judge(const struct rival_self *self, const struct event *event,
                            struct rival *rival);

/* What it means that the rival was found while its generation is not in our database, and what to
 * do. Returns ERR_FATAL. */
int rival_explain(const struct rival *rival, const char *topic, struct error *err);

#endif
