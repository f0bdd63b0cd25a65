/* Which fields of one partition are proved complete, and why the others are not (law L9). Existence
 * counts as a field (config_fields.h). A computed field is as complete as its sources and has no
 * state here.
 *
 * A field that the source fills is complete
 *   (a) when everything since the fence that opened the first epoch was applied, and that fence
 *       found the source empty; or
 *   (b) when a load has covered it. The shard read the begin mark of the job, and nothing was lost
 *       since. The chunks that name the field are an unbroken chain from entity 0 to the end, none
 *       of them rejected; or all parts of a pass were applied, while the fields that its queries
 *       read were complete. The field was configured when the load began.
 * A loss and a new epoch take the proof from all fields and end a running load. A voided event
 * takes it from the fields that it names. The first part of a pass takes it from its fields until
 * the last part.
 *
 * Which fields the source fills is known from marks of schema version 2. A field that they have
 * never named, while they name others, is posted. It is complete while every offset since the
 * topic's first was read, and it was configured from the beginning; no load heals it.
 *
 * Pure; plain data that may be copied.
 */
#ifndef CONSUMER_PARTITION_COVERAGE_H
#define CONSUMER_PARTITION_COVERAGE_H

#include "common/base/memory.h"
#include "common/config/config_fields.h"

/* Why a field is not complete. The numbers are part of the position's format. Those for which
 * coverage_is_from_rule() come from the seq rule and are about all fields. */
enum coverage_reason {
    COVERAGE_COMPLETE = 0,
    COVERAGE_NOTHING_READ = 1,     /* no numbered event yet */
    COVERAGE_SOURCE_NOT_EMPTY = 2, /* the source had rows before the topic began */
    COVERAGE_NO_BEGINNING = 3,     /* the fence that opened the epoch was never read */
    COVERAGE_NEW_EPOCH = 4,        /* a new epoch, over values of an old one */
    COVERAGE_GAP = 5,              /* events that never came */
    COVERAGE_NUMBERS_REUSED = 6,   /* other rows under the same numbers */
    COVERAGE_FENCE_MISSING = 7,    /* a generation began without its fence */
    COVERAGE_OTHER_TOPIC = 8,      /* the topic was created again under its name */
    COVERAGE_SECOND_SOURCE = 9,    /* another producer numbers events of this topic */
    COVERAGE_FIELD_ADDED = 10,     /* to the index configuration, after events were read */
    COVERAGE_FIELD_CHANGED = 11,   /* its type or width, likewise */
    COVERAGE_TRIGGERS_ADDED = 12,  /* triggers began to fill the field after events were read */
    COVERAGE_TRIGGERS_GONE = 13,   /* triggers do not fill the field any more */
    COVERAGE_VOIDED = 14,          /* a guard did not hold */
    COVERAGE_VOIDED_MISSED = 15,   /* the same, and it is not known for which fields */
    COVERAGE_PASS = 16,            /* a pass over the field has begun and not ended */
    COVERAGE_REJECTED = 17,        /* a load could not send entities */
    /* Of the seq rule and about all fields again: */
    COVERAGE_ANSWER_LOST = 18,   /* the answer to a request never came */
    COVERAGE_REQUESTS_FULL = 19, /* more requests are not answered than are remembered */
    COVERAGE_RIVAL = 20,         /* a second producer runs on a copy of the database */
    COVERAGE_SKIPPED = 21,       /* a reset of the group's offset has skipped messages */
    COVERAGE_REASONS
};

/* Does the seq rule find this reason? */
static inline bool
coverage_is_from_rule(enum coverage_reason reason)
{
    return reason <= COVERAGE_SECOND_SOURCE ||
           (reason >= COVERAGE_ANSWER_LOST && reason < COVERAGE_REASONS);
}

enum { COVERAGE_VOIDED_BYTES = 128 };

/* All numbers are 0 and all sets empty unless something says otherwise. */
struct coverage {
    struct field_set written;       /* the fields that have a state: all but computed ones */
    uint8_t reasons[FIELD_NUMBERS]; /* enum coverage_reason: the first since it was complete */
    bool source_known;              /* a mark of schema version 2 was read */
    bool source_named;              /* and one of them named any fields, of this index or not */
    struct field_set source;        /* fields that a mark has ever named, and the assumed ones */
    struct field_set assumed;       /* fields that were added to the index since the last mark */
    struct field_set late;          /* fields whose earliest posts were not kept */
    bool offsets_lost;              /* offsets of the topic were skipped */
    int64_t next_offset;            /* to be read; -1: not known */
    int64_t voided;                 /* number of the newest voided event; -1: not known */
    char voided_reason[COVERAGE_VOIDED_BYTES]; /* of that event; "": none, or it was missed */

    int64_t job;                  /* whose begin mark was read with nothing lost since; 0: none */
    struct field_set job_fields;  /* that the job is about; configured when it began */
    struct field_set chain;       /* that all chunks from 0 to `covered_to` name */
    int64_t covered_to;           /* 0: the chain has not begun, or has ended */
    uint64_t pass_entry;          /* hash of the entry of the running pass */
    int64_t pass_part;            /* the next part; 0: no pass is running, or its chain is broken */
    struct field_set pass_fields; /* that all parts name */
};

/* Nothing was read yet. `written`: the fields that events set (config_fields_written). */
void coverage_init(struct coverage *coverage, const struct field_set *written);
/* Of a stand-alone index, whose log is the source. */
void coverage_init_alone(struct coverage *coverage, const struct field_set *written);

/* The fields that are complete, without computed ones. */
struct field_set coverage_complete(const struct coverage *coverage);
bool coverage_is_complete(const struct coverage *coverage);
/* Is the field posted? Then its reason counts for nothing. */
bool coverage_is_posted(const struct coverage *coverage, uint32_t field);

/* A new epoch. `reason`: why its first event does not prove the fields complete, or
 * COVERAGE_COMPLETE; of a later epoch than the first, COVERAGE_NEW_EPOCH. */
void coverage_open_epoch(struct coverage *coverage, enum coverage_reason reason);
/* A loss that the seq rule has proved. */
void coverage_lose(struct coverage *coverage, enum coverage_reason reason);
/* Messages up to `next_offset` were left out, whatever they are. */
void coverage_skip(struct coverage *coverage, int64_t next_offset);

/* Offsets were left out, none of which had an event that the source numbers. */
void coverage_lose_posts(struct coverage *coverage);

/* The next message has this offset. */
void coverage_take_offset(struct coverage *coverage, int64_t offset);

struct coverage_mark {
    bool names_any;              /* fields, of this index or not */
    struct field_set fields;     /* that the triggers in place fill */
    struct field_set configured; /* that they should: these are not posted */
    int64_t voided;              /* number of the newest voided event; at least 0 */
};
/* A mark of schema version 2. */
void coverage_take_mark(struct coverage *coverage, const struct coverage_mark *mark);
/* A voided event. */
void coverage_take_voided(struct coverage *coverage, int64_t number, const struct field_set *fields,
                          struct text reason);

void coverage_begin_job(struct coverage *coverage, int64_t job, const struct field_set *fields);
void coverage_end_job(struct coverage *coverage, int64_t job);

struct coverage_chunk {
    int64_t job;
    int64_t begin; /* entity ids: begin <= id < end */
    int64_t end;   /* CHUNK_NO_END: no end */
    bool is_rejected;
    struct field_set fields; /* that the chunk names */
};
/* A chunk of a load about all entities of its range. */
void coverage_take_chunk(struct coverage *coverage, const struct coverage_chunk *chunk);

struct coverage_pass {
    int64_t job;
    uint64_t entry; /* hash of its name */
    int32_t part;
    bool is_last;
    bool reads_known;        /* the index has all fields that the queries read */
    struct field_set fields; /* that the fan-outs set */
    struct field_set reads;  /* that their queries read, without computed fields */
};
void coverage_take_pass(struct coverage *coverage, const struct coverage_pass *pass);

/* What becomes of the coverage when the index configuration changes from `old` to `now`. `kept`:
 * the fields of `now` that have kept their values. */
struct coverage_change {
    const struct config_fields *old;
    const struct config_fields *now;
    struct field_set kept;
    bool is_alone;  /* a stand-alone index */
    bool has_epoch; /* numbered events were read */
};
void coverage_change(const struct coverage *from, const struct coverage_change *change,
                     struct coverage *to);

/* Do the members agree with each other, as they do after any events? */
bool coverage_is_consistent(const struct coverage *coverage);

#endif
