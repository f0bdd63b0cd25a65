/* The table of all guards: the conditions that must hold as long as the producer runs (L13). It is
 * the only list of them: what `check` and a session ask, what the drain asks again
 * (drain/guard_watch.h), and the table in docs/operations.md, which a unit test compares with it.
 *
 * Pure; any thread.
 */
#ifndef PRODUCER_SOURCE_GUARDS_TABLE_H
#define PRODUCER_SOURCE_GUARDS_TABLE_H

#include <stdint.h>

#include "common/base/memory.h"

/* Which code asks a guard. Those of the source are asked by guards.h, the others by the drain. */
enum guard_kind {
    GUARD_OF_SOURCE,     /* an SQL condition or a function of guards.c */
    GUARD_OF_CONNECTION, /* source_connection.h, on every connection */
    GUARD_OF_CURSOR,     /* cursor.h, in every statement that writes */
    GUARD_OF_OUTBOX,     /* what the outbox and its sequence were: outbox_signature.h */
    GUARD_OF_TRIGGERS,   /* the triggers in place: triggers/covered.h */
    GUARD_OF_TABLES,     /* what the source tables were: source_tables.h */
    GUARD_OF_READERS,    /* row_security = off on every connection: common/pg/pg.h */
    GUARD_OF_TOPIC,      /* sink/topic_check.h, sink/topic_watch.h, kafka_producer.h */
};

/* When a guard is asked: a set of these. */
enum guard_time {
    GUARD_AT_CONNECT = 1,  /* on every connection */
    GUARD_AT_SESSION = 2,  /* when a session begins, before anything relies on it */
    GUARD_AT_INTERVAL = 4, /* every producer.guard_interval_ms while the session lasts */
    GUARD_AT_WATCH = 8,    /* every producer.watch_interval_ms */
    GUARD_AT_WRITE = 16,   /* in every statement that writes the cursor */
    GUARD_AT_ACK = 32,     /* at every acknowledgement of the topic, so once a second when idle */
    GUARD_AT_READ = 64,    /* in every statement that reads source tables */
};

/* What `run` does when a guard stops holding. */
enum guard_end {
    GUARD_STOPS, /* exit 1, with the way out */
    GUARD_WAITS, /* the session ends, and the next one begins when the guard holds */
    GUARD_VOIDS, /* fields become incomplete by a voided event, and are loaded */
};

struct guard {
    const char *name;
    const char *holds; /* what must hold, for the manual */
    enum guard_kind kind;
    unsigned times; /* GUARD_AT_... */
    enum guard_end end;
    const char *in_check; /* what `check` says when it does not hold */
    const char *way_out;  /* what makes it hold again, for the manual */
    const char *later;    /* what happens besides `end`; NULL: nothing */
    /* Of GUARD_OF_SOURCE, both or, for a function of guards.c, none. */
    const char *refused; /* an SQL condition that holds when the guard does not */
    const char *message; /* what to do then */
};

/* Guards are numbered in the order in which they are asked: one may rely on those before it. */
extern const struct guard guards_table[];
extern const uint32_t guards_table_count;

/* Appends the table of docs/operations.md, in Markdown. */
void guards_table_print(struct buffer *out);

#endif
