/* A chunk: what the sources of some fields say of a range of entities, read from committed rows at
 * the end of a window and placed directly after that window. And a pass: the same of fan-outs that
 * only the index can resolve.
 *
 * A chunk takes no seq. Its header carries the seq that it follows in its partition, and the epoch,
 * generation and tick of its window: a shard that has gone further drops it, because what it says
 * is older than what the shard holds.
 *
 * For every entity of the chunk, alive or not, exactly the fields that the chunk names take the
 * state that it says: an entity that a column does not mention has no value in that field. A chunk
 * with `states_alive` says which entities are alive; the others are not. Fields that the chunk does
 * not name stay as they are, because the op `delete` is something else (F78).
 *
 * Entities are named by their slots in the partition of the chunk (entity_id div P). All pointers
 * belong to whoever made the chunk, or to the arena that it was decoded into.
 */
#ifndef COMMON_EVENT_CHUNK_H
#define COMMON_EVENT_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/ops/op.h"

/* The limit on the fields that one event names in a list. */
enum { EVENT_FIELDS_MAX = 1024 };

enum chunk_purpose {
    CHUNK_LOAD,    /* a part of a load: it may cover its range */
    CHUNK_REFRESH, /* the answer to requests */
    CHUNK_CHECK,   /* to be compared with the index, which it does not change */
};

/* The kind of all values of one column. */
enum chunk_values { CHUNK_INTEGERS, CHUNK_FLOATS, CHUNK_BOOLEANS, CHUNK_STRINGS };

/* Values of one field, sorted by slot. In a field of several values a slot is repeated, with
 * different values. A field may have several columns, of different kinds. */
struct chunk_column {
    struct text field;
    enum chunk_values kind;
    uint32_t count;             /* of slots and of values */
    const uint32_t *slots;      /* ascending, not strictly */
    const int64_t *integers;    /* the values; booleans are 0 and 1; of strings, indexes of them */
    const double *floats;       /* the values of CHUNK_FLOATS; `integers` is then NULL */
    const struct text *strings; /* the distinct values of CHUNK_STRINGS */
    uint32_t string_count;
};

/* The end of a range that has none. */
#define CHUNK_NO_END INT64_MAX

/* With `has_slots`, `alive` and the columns have no slots but `slots`. */
struct chunk {
    enum chunk_purpose purpose;
    int64_t job;   /* of bitdex_jobs; 0: none */
    int64_t begin; /* entity ids: begin <= id < end, of all partitions */
    int64_t end;
    /* With `has_slots` the chunk is only about these slots of the range; it then covers nothing. */
    bool has_slots;
    const uint32_t *slots; /* strictly ascending */
    uint32_t slot_count;
    const struct text *fields; /* every field whose state the chunk says, each once */
    uint32_t field_count;
    bool states_alive;
    const uint32_t *alive; /* with states_alive: slots that are alive, strictly ascending */
    uint32_t alive_count;
    const struct chunk_column *columns; /* of these fields */
    uint32_t column_count;
    /* Not empty: the entities could not be read or sent, and the chunk has no columns. The fields
     * are not covered in its range. */
    struct text rejected;
    const int64_t *answers; /* ids of the outbox rows whose requests this chunk answers */
    uint32_t answer_count;
};

/* A part of a pass over the parents of one entry, in each partition the same: the current values of
 * some parents, as fan-outs. Before part 0 is applied, its fields lose their values in all slots.
 * The parts of a pass are numbered 0, 1, 2, ...; the fields are covered when all of them, and the
 * fields that the queries read, are. */
struct pass {
    int64_t job;
    struct text entry; /* names the entry of `triggers` */
    int32_t part;
    bool is_last;
    const struct text *fields; /* that the fan-outs set */
    uint32_t field_count;
    const struct text *reads; /* fields that their queries read */
    uint32_t read_count;
    struct ops fan_outs; /* OP_FAN_OUT; may be none */
};

/* The begin and the end of a job, in every partition. */
enum job_mark_kind { JOB_BEGIN, JOB_END };

/* One source of a load, as the dump registry names it. */
struct job_dump {
    struct text name;    /* "{Table}-{hash8}" */
    struct text table;   /* as configured */
    int64_t rows;        /* at the end: rows that were read */
    int64_t ops_written; /* at the end: values in all partitions, and entities alive */
    struct text failed;  /* at the end: why it failed; empty: it is complete */
};

struct job_mark {
    enum job_mark_kind kind;
    int64_t job;
    int64_t begin; /* the range of entities, as in struct chunk */
    int64_t end;
    bool states_alive;
    const struct text *fields; /* that the job is about */
    uint32_t field_count;
    const struct job_dump *dumps;
    uint32_t dump_count;
};

/* Completeness that is taken away, because a guard that it rests on does not hold any more (L13).
 * `number` counts these events of a producer; every mark carries the newest number, and a shard
 * that has missed one voids all fields. */
struct voided {
    int64_t number;
    bool all;                  /* alive and all fields */
    const struct text *fields; /* else these */
    uint32_t field_count;
    struct text reason;
};

/* Asks every shard to compute its sums of a range at this place. The answer of the source follows
 * later as sums. */
struct sum_point {
    int64_t job;
    int64_t begin;
    int64_t end;
    const struct text *fields; /* "" is existence */
    uint32_t field_count;
};

/* What the source says of one field in the range: an order-free sum of hashes, as 128 bits. */
struct sum_field {
    struct text field; /* "": existence */
    int64_t count;
    int64_t high;
    uint64_t low;
};

struct sum {
    int64_t job;
    int64_t begin;
    int64_t end;
    bool has_point; /* compares with the sum_point of this job and range; else with this place */
    const struct sum_field *fields;
    uint32_t field_count;
};

/* ERR_DATA with the reason when `chunk` has no meaning: lists that are not in order, values that
 * their column cannot have, fields that it does not name. */
int chunk_validate(const struct chunk *chunk, struct error *err);

#endif
