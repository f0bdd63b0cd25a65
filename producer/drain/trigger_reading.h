/* Which fields the triggers in place cover (triggers/covered.h), as the session reads it: when it
 * begins, and when the triggers have changed. Reads on a connection of its own, whose search_path
 * changes. The drain's thread.
 */
#ifndef PRODUCER_DRAIN_TRIGGER_READING_H
#define PRODUCER_DRAIN_TRIGGER_READING_H

#include "producer/drain/session.h"

enum {
    TRIGGER_READING_WHY_BYTES = 256,
    /* While tables and triggers change, a reading may meet a state that is not there any more: what
     * is not known after so many readings is taken as not covered. */
    TRIGGER_READINGS_MAX = 3,
};

struct trigger_reading {
    struct covered_fields covered; /* in the arena */
    /* What distinguishes the triggers from the configuration, or why that is not known; "":
     * nothing does. */
    char why[TRIGGER_READING_WHY_BYTES];
    bool is_unknown; /* it is not known */
};

/* A configuration that does not fit the tables covers nothing, and stops nobody who writes ops in
 * another way. ERR_RETRY: the database did not answer, or tables are locked. Shows the fields that
 * are exempt from L11, and sets session->trigger_version. */
int trigger_reading_read(struct session *session, struct arena *arena,
                         struct trigger_reading *reading, struct error *err);

#endif
