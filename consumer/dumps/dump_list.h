/* The dumps of a member: what was loaded under which name, and how far. Pure: no I/O, no clock.
 *
 *              PUT, or the begin mark of a load
 *                           |
 *                        WRITING   the source writes to the topic
 *                           |      `loaded`, or the first end mark of the load
 *                        LOADING   everything is written; this member has not applied all of it
 *                           |      every partition of this member has
 *                        COMPLETE
 *
 * and from WRITING or LOADING to FAILED. A status never goes back. A dump begins again only as
 * another registration under its name: a PUT, or the begin mark of a later load.
 *
 * A load of ours registers the dumps that its marks name, in every member. Its marks come in every
 * partition, and are read again when a partition is built again from the topic, or after a crash. A
 * mark counts once: a partition remembers the offset of its newest mark. An end mark counts when
 * its partition is durable after it.
 *
 * A client registers a dump with PUT and posts its ops under that name as `meta.source`. The dump
 * counts the entries that are on the topic, and is complete when it has counted as many as `loaded`
 * says and the partitions of this member have applied them. Partitions of other members are theirs.
 *
 * One thread at a time.
 */
#ifndef CONSUMER_DUMPS_DUMP_LIST_H
#define CONSUMER_DUMPS_DUMP_LIST_H

#include "common/event/chunk.h"

enum {
    DUMPS_MAX = 256,
    DUMP_NAME_BYTES_MAX = 143,
    DUMP_REASON_BYTES = 256,
};

enum { DUMP_OFFSET_NONE = -1 };

/* `offset`: of the begin mark. Its own inverse. */
static inline int64_t
dump_offset_begun(int64_t offset)
{
    return DUMP_OFFSET_NONE - 1 - offset;
}

enum dump_status { DUMP_WRITING, DUMP_LOADING, DUMP_COMPLETE, DUMP_FAILED, DUMP_STATUSES };

struct dump {
    char name[DUMP_NAME_BYTES_MAX + 1];
    enum dump_status status;
    char failed[DUMP_REASON_BYTES]; /* why, when the status is FAILED; else "" */
    int64_t ops_written;            /* as the source says; 0: it has not said it yet */
    int64_t ops_processed;
    int64_t created_at_s;   /* Unix seconds */
    int64_t completed_at_s; /* 0: not complete */
    int64_t epoch;          /* of the load that registered it */
    int64_t job;            /* the same; 0: a client did, with PUT */
    /* By partition: the offset of the message that the partition has to apply. A dump of a load
     * waits for its end mark as long as the number is negative: DUMP_OFFSET_NONE, or
     * dump_offset_begun() when the partition has read the begin mark. */
    int64_t *offsets;
};

struct dump_partition {
    int64_t seen_offset; /* of the newest mark of a load; -1: none */
    int64_t ended_epoch; /* of the newest load that has ended here; 0: none */
    int64_t ended_job;
    /* Not stored: */
    bool is_owned;          /* by this member */
    int64_t durable_offset; /* the next offset; -1: not known */
};

struct dump_list {
    int32_t partition_count;
    struct dump_partition *partitions;
    struct dump *items; /* in the order of their registration */
    uint32_t count;
    bool is_assigned; /* it is known which partitions this member owns; not stored */
};

/* The mark of a load, as a partition reads it. */
struct dump_mark {
    int64_t epoch;
    int64_t offset; /* of its message */
    const struct job_mark *job;
    const char *incomplete; /* of an end mark: why the load does not count here; "": it does */
};

void dump_list_init(struct dump_list *list, int32_t partitions);
void dump_list_free(struct dump_list *list);

/* May a client use the name? It is not empty, without '/' and control characters, and fits. */
bool dump_name_is_valid(struct text name);

/* NULL: there is no such dump. */
const struct dump *dump_list_find(const struct dump_list *list, struct text name);
/* Not empty, and all are complete? */
bool dump_list_all_complete(const struct dump_list *list);
const char *dump_status_name(enum dump_status status);

enum dump_outcome {
    DUMP_DONE,
    DUMP_UNKNOWN,   /* there is no dump of this name */
    DUMP_OF_A_LOAD, /* a load has registered it and says itself how far it is */
    DUMP_ENDED,     /* it has failed */
    DUMP_NO_ROOM,   /* there are DUMPS_MAX dumps, and none of them has ended */
};

/* PUT. The name is valid. A dump of this name is replaced, unless a load is writing it. When there
 * is no room, the dump that was registered first and has ended is removed. */
enum dump_outcome dump_list_put(struct dump_list *list, struct text name, int64_t now_s);
/* The source has written everything: `ops_written` entries, >= 0. 0: the dump has failed. */
enum dump_outcome dump_list_loaded(struct dump_list *list, struct text name, int64_t ops_written,
                                   int64_t now_s);
enum dump_outcome dump_list_remove(struct dump_list *list, struct text name);
void dump_list_clear(struct dump_list *list);

/* Does the dump count entries that are posted under its name? */
bool dump_list_counts(const struct dump_list *list, struct text name);
/* `entries` were posted; `offsets` has by partition the offset of the last of their messages, or
 * -1. NULL: they are applied. Does nothing unless the dump counts entries. */
void dump_list_post(struct dump_list *list, struct text name, uint64_t entries,
                    const int64_t *offsets, int64_t now_s);

/* The partition has read a mark. Returns how many of its dumps were not registered for lack of
 * room, or because their names are too long. */
uint32_t dump_list_mark(struct dump_list *list, int32_t partition, const struct dump_mark *mark,
                        int64_t now_s);

/* The member owns the partition from now on, or no longer. Every change of what it owns ends with
 * dump_list_assigned(). */
void dump_list_own(struct dump_list *list, int32_t partition, bool is_owned);
/* False: it is not known any more what the member owns. */
void dump_list_assigned(struct dump_list *list, bool is_known, int64_t now_s);
/* The partition was recovered up to `durable_offset`, the next one: later marks are read again. */
void dump_list_recovered(struct dump_list *list, int32_t partition, int64_t durable_offset,
                         int64_t now_s);
/* The partition is durable up to `durable_offset`. Returns whether a dump has changed. */
bool dump_list_durable(struct dump_list *list, int32_t partition, int64_t durable_offset,
                       int64_t now_s);

#endif
