/* What a member of a consumer group answers to GET /api/indexes/{index}/verify: the newest verdict
 * of each of its shards about each range of entities. A verdict compares the sums of one sum event
 * with those of the shard at the same place of the stream; a check chunk adds the entities that
 * differ.
 *
 * Everything lives in the caller's arena. Pure; any thread.
 */
#ifndef PRODUCER_VERIFY_VERDICT_ANSWER_H
#define PRODUCER_VERIFY_VERDICT_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/json/json_value.h"

/* Existence is the field "" in all of them. */
struct verdict_fields {
    const struct text *items;
    uint32_t count;
};

struct verdict_difference {
    struct text field;
    int64_t entity_id;
    const struct json_value *source; /* what the source database has; JSON_NULL: no value */
    const struct json_value *index;
};

/* The shard's own sum of a field, as text: equal sums are equal texts. */
struct verdict_sum {
    struct text field;
    struct text sum;
};

struct verdict_range {
    int64_t begin;     /* of entity ids, half-open */
    int64_t end;       /* CHUNK_NO_END: to the last entity */
    int64_t job;       /* of the sums; 0: of the patrol */
    int64_t check_job; /* of the check chunks that it met; 0: none */
    int64_t tick;      /* of the sums */
    struct verdict_fields equal;
    struct verdict_fields differing;
    struct verdict_fields not_comparable;
    const struct verdict_difference *differences; /* the first ones */
    uint32_t difference_count;
    int64_t differences_total;
    const struct verdict_sum *sums; /* of all fields of the index, if they were asked for */
    uint32_t sum_count;
};

struct verdict_partition {
    int32_t partition;
    int64_t epoch;
    int64_t tick; /* of the newest event that the shard has applied */
    const struct verdict_range *ranges;
    uint32_t range_count;
};

struct verdict_reason {
    struct text field;
    struct text reason; /* why it cannot be compared */
};

struct verdict_answer {
    struct text index;
    struct text group;
    const struct verdict_partition *partitions;
    uint32_t partition_count;
    const struct verdict_reason *reasons;
    uint32_t reason_count;
    int64_t ranges;    /* verdicts of all shards of the member */
    int64_t differing; /* of them */
    double oldest_s;   /* age of the oldest one; negative: it is not known */
};

/* As operators read it: existence is "(existence)". */
struct text verdict_field_name(struct text field);

/* ERR_DATA: `json` is not such an answer; `err` says why not. */
int verdict_answer_parse(struct text json, struct arena *arena, struct verdict_answer *answer,
                         struct error *err);

#endif
