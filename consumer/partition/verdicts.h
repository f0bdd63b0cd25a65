/* Verdicts of one partition: what the newest comparison with the source found in each range of
 * entity ids.
 *
 * The ranges do not overlap. A new verdict removes those that its range contains, and of those that
 * it overlaps it leaves the rest: a part of a range that was equal is equal, and one that differed
 * may differ anywhere. Only sums are about the whole range, so a rest has none. A check chunk
 * inside a range adds which values differ. They stay while new sums say that their fields differ,
 * so that a patrol does not remove what a check has found.
 *
 * A verdict changes nothing that is complete (coverage.h).
 *
 * Bounded: at most VERDICT_DIFFERENCES_MAX differences of a range and VERDICTS_LISTED_MAX of all
 * ranges are kept, the others are counted. When the ranges need more memory than VERDICTS_BYTES_MAX
 * or are more than VERDICTS_MAX, the verdict with the least tick is removed. The differences'
 * texts are short (engine_compare.h).
 *
 * Pure; one thread at a time.
 */
#ifndef CONSUMER_PARTITION_VERDICTS_H
#define CONSUMER_PARTITION_VERDICTS_H

#include "common/base/error.h"
#include "common/config/config_fields.h"
#include "consumer/engine/sum_hash.h"

enum {
    VERDICTS_MAX = 64 * 1024,
    VERDICTS_BYTES_MAX = 64 * 1024 * 1024,
    VERDICTS_LISTED_MAX = 20000,
    VERDICT_DIFFERENCES_MAX = 100,
};

/* One value that differs. The texts are JSON, terminated. */
struct verdict_difference {
    uint32_t field; /* its number; FIELD_ALIVE is existence */
    int64_t entity_id;
    char *source;
    char *index;
};

/* Of begin <= id < end; CHUNK_NO_END: no end. */
struct verdict {
    int64_t begin;
    int64_t end;
    int64_t job;                /* that sent the sums; 0: the patrol, or there were no sums */
    int64_t tick;               /* of the sums, else of the check chunk */
    int64_t clock_us;           /* of the source, at the newest watermark before; 0: not known */
    struct field_set named;     /* fields that the source sent sums of, or has checked completely */
    struct field_set equal;     /* of these: compared, and equal */
    struct field_set differing; /* compared, and different */
    struct field_set damaged;   /* differing, and structures of the index disagree */
    struct hash_sum *sums; /* what the shard had in each field, existence last; NULL: not known */
    int64_t check_job;     /* the newest job whose check chunks came; 0: none */
    int64_t checked_to;    /* all of its chunks up to this id were compared */
    struct field_set checked; /* fields that all of them named */
    struct verdict_difference *differences;
    uint32_t difference_count;
    uint64_t differences_total; /* with those that are not kept; an upper bound in a rest */
};

struct verdicts {
    struct verdict **items; /* in the order of their ranges */
    uint32_t count;
    uint32_t capacity;
    uint32_t field_count; /* of the index, without existence */
    uint32_t listed;      /* differences that are kept in all ranges */
};

void verdicts_init(struct verdicts *list, const struct config_fields *fields);
void verdicts_free(struct verdicts *list);
/* Removes all verdicts; the list is then about these fields. */
void verdicts_clear(struct verdicts *list, const struct config_fields *fields);

/* A verdict without fields; the caller sets them, and the sums of all fields and existence, which
 * are zero. To be given to verdicts_put(). */
struct verdict *verdict_create(const struct verdicts *list, int64_t begin, int64_t end);
/* Takes the verdict over. */
void verdicts_put(struct verdicts *list, struct verdict *verdict);

/* What the comparison with one check chunk found. */
struct verdict_check {
    int64_t job;
    int64_t begin;
    int64_t end;
    int64_t tick;
    int64_t clock_us;
    struct field_set named; /* that were compared */
    struct field_set differing;
    struct field_set damaged;
    const struct verdict_difference *differences; /* copied */
    uint32_t difference_count;
    uint64_t total;
};
/* Where no verdict is yet, there is one afterwards, without sums. */
void verdicts_add_check(struct verdicts *list, const struct verdict_check *check);

/* Adds the fields that are damaged in a range that overlaps this one. */
void verdicts_find_damaged(const struct verdicts *list, int64_t begin, int64_t end,
                           struct field_set *damaged);

struct verdicts_summary {
    int64_t ranges;
    int64_t differing;       /* ranges in which a field differs */
    int64_t oldest_clock_us; /* of the source; -1: there is no verdict; 0: not known */
    bool is_whole;           /* in each of the ranges, from 0 to the end, some field was compared */
};
void verdicts_summarise(const struct verdicts *list, struct verdicts_summary *summary);

/* Do the members agree with each other? */
bool verdicts_are_consistent(const struct verdicts *list);

/* --- bytes, which a checkpoint holds ---------------------------------------------------------- *
 *
 *     version           1 byte, 1
 *     fields            4 bytes count; for each 2 bytes length, name
 *     verdicts          4 bytes count; for each:
 *       begin, end, job, tick, clock, check job, checked to         8 bytes each
 *       named, equal, differing, damaged, checked                   a bit for each field and for
 *                                                                   existence, in whole bytes
 *       1 byte: 1 it has sums; then for each field and existence count, high, low: 8 bytes each
 *       total of differences   8 bytes
 *       differences            4 bytes count; for each 4 bytes field, 8 bytes entity, and twice
 *                              4 bytes length, text
 *
 * Numbers are little-endian. Existence has the number after the last field. */
void verdicts_encode(const struct verdicts *list, const struct config_fields *fields,
                     struct buffer *out);
/* Fills an empty list. It stays empty when the bytes are of other fields. ERR_DATA: the bytes are
 * not verdicts, or of a version that this program does not know; the list is then empty. */
int verdicts_decode(struct text bytes, const struct config_fields *fields, struct verdicts *list,
                    struct error *err);

#endif
