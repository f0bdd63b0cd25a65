/* The engine: the bitmap index of one shard, as a library without I/O, clocks or threads.
 *
 * It maps slots (0 <= slot < max_slots; entity_id = slot * partitions + partition) to field values
 * and answers filter + sort queries. State is what ops make it:
 *
 *   op           scalar, boolean, string, sort     multi-value
 *   set v        value becomes v; null clears      array replaces; one value joins; null clears
 *   remove v     cleared if it is v                v leaves (an array: each of them)
 *   add v        as set                            v joins (an array: each of them)
 *   alive        the slot exists                   (same)
 *   delete       the slot and all its values go    (same)
 *   queryOpSet   nested ops on every slot that the query matches at that point of the order,
 *                hidden and not-yet-alive ones included
 *
 * Values for a slot that is not alive are kept, invisible, until `alive`. Null is not zero; an
 * empty array is null; `remove null`, and `add null` to a multi-value, change nothing.
 *
 *   field                              takes
 *   single_value, multi_value, sort    integers; 3.0 is 3 (up to 2^53); no booleans, no text
 *   boolean                            true and false; not 0 and 1
 *   string                             text, the empty one included
 *
 * A name that stands in filter_fields (as single_value) and in sort_fields is one field that does
 * both. A sort field of `bits: n` holds -(2^n - 1) .. 2^n - 1; other integers are 64 bits wide. A
 * computed sort field is the greatest or least of its sources' values, nulls left out (null when
 * all are); it follows them at once, and takes no ops of its own. A source holds no more than what
 * it feeds.
 *
 * The values in a fan-out's query come untyped: there `eq 123` and `eq "123"` mean the same, for an
 * integer field 123 and for a string field "123". (A bare number loses its spelling before a string
 * field sees it, 1.50 is "1.5": such a string is written in quotes.)
 *
 *   filter                         matches slots whose field
 *   Eq v, In [v, ..]               is v, is one of them; multi-value: holds v, holds one of them
 *   NotEq v, NotIn [v, ..]         has a value, and Eq (In) does not match: SQL's <>, never null
 *   Gt, Gte, Lt, Lte v             compares so; integer fields only, v may be a fraction;
 *                                  multi-value: holds such a value
 *   IsNull, IsNotNull              has no value, has one
 *   And, Or, Not                   intersection, union, complement: Not(Eq) matches nulls as well
 *
 * Every field can be filtered, sort fields too. Queries see visible slots only, fan-outs all slots.
 * Visible is what is alive and not hidden: a slot whose visible_from (Unix seconds) is above the
 * time that engine_advance() was told last is hidden. It takes ops like any other.
 *
 * Types are checked by engine_check_op() before anything is durable; engine_apply_*() of an op that
 * passed cannot fail.
 *
 * Threads: an engine has no locks. Its owner serialises: many readers or one writer.
 */
#ifndef CONSUMER_ENGINE_ENGINE_H
#define CONSUMER_ENGINE_ENGINE_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/ops/filter.h"
#include "common/ops/op.h"
#include "consumer/engine/store/image_stream.h"

struct buffer;
struct engine;

struct engine_options {
    const struct config_index *index; /* must outlive the engine */
    int32_t partition;
    int32_t partitions;
    int64_t max_slots; /* at most 2^32 */
};

/* Refuses (ERR_USAGE) an index configuration that this engine cannot hold: a sort field that is no
 * integer, a width beyond 63 bits, a name given twice, a computed field that is filtered by or
 * whose source is no integer or computed itself, such a visible_from. Until the first
 * engine_advance() every slot with a visible_from is hidden. The caller owns `*engine`. */
int engine_create(const struct engine_options *options, struct engine **engine, struct error *err);
/* NULL is allowed. */
void engine_destroy(struct engine *engine);

/* Can this op be applied? ERR_DATA, naming the field: a value of the wrong type; an integer that is
 * set or added and is beyond the bounds of the field; a computed field. Of a fan-out: the query
 * does not parse, names a field that the index does not have, or compares it with a value of the
 * wrong type; or a nested op cannot be applied. A set, add or remove of a field that the index does
 * not have can be applied: it is counted as unknown (engine_stats). Reads only the configuration;
 * any thread, at any time. */
int engine_check_op(const struct engine *engine, const struct op *op, struct error *err);
/* Checks a fan-out as engine_check_op() does, and sets `op->filter` to its query, parsed into
 * `arena`, with the fields resolved (filter.h). The filter is valid for every engine of the same
 * index configuration. */
int engine_prepare_fan_out(const struct engine *engine, struct op *op, struct arena *arena,
                           struct error *err);

/* Applies the slot ops of one row in order. `entity_id` must belong to this shard (entity_id mod
 * partitions == partition, slot < max_slots); CHECK()ed, as is that the ops passed
 * engine_check_op(). Keeps no pointer into `ops`. */
void engine_apply_row(struct engine *engine, int64_t entity_id, const struct ops *ops);
/* Rows that are applied between the two cost less. Nothing else may be done meanwhile but to sweep,
 * also by readers: what they would find is not settled. */
void engine_begin_rows(struct engine *engine);
void engine_end_rows(struct engine *engine);
/* Applies fan-out ops, which engine_prepare_fan_out() has prepared, in order: each to all slots
 * that its query matches at that point. */
void engine_apply_fan_out(struct engine *engine, const struct ops *ops);

/* It is `now_s`: shows what is due, and hides what is not due any more when the clock went back. */
void engine_advance(struct engine *engine, int64_t now_s);
/* When there will be something to show; false: nothing that is alive is hidden. */
bool engine_next_activation(const struct engine *engine, int64_t *at_s);

/* Takes the values of deleted slots out of the bitmaps. It happens by itself, when many have
 * gathered or something comes that needs it: to call it is to choose the moment. */
void engine_sweep(struct engine *engine);
/* Compacts what changes have left larger than it need be, after a sweep. Takes a second or so. */
void engine_optimize(struct engine *engine);

/* --- as bytes -------------------------------------------------------------------------------- */

/* The whole state, in a versioned format (engine_save.c); all but the time, which is the caller's.
 * A reader: others may read meanwhile. */
void engine_save(const struct engine *engine, const struct image_sink *sink);
/* Into an engine to which nothing was applied, of the same fields and partition; its time stays.
 * Trusts nothing: ERR_DATA says what is wrong. After an error the engine may only be destroyed.
 * Reads no further than the state goes. */
int engine_load(struct engine *engine, const struct image_source *source, struct error *err);

/* --- reading --------------------------------------------------------------------------------- */

enum engine_direction { ENGINE_DESCENDING, ENGINE_ASCENDING };

/* Where a page begins: behind this element of the order, which need not exist (any more). */
struct engine_page_key {
    bool has_value; /* false: the sort value was null, or there is no sort field */
    int64_t value;
    int64_t entity_id; /* of any shard */
};

/* The slots that change while a query lets the writer in. */
struct engine_watch;

/* Asked by a query between its steps, none of which takes long. */
struct engine_pause {
    /* May let the engine change, which `watch` has to see (engine_watch_begin); NULL: may not. Not
     * 0: the query ends with that error. */
    int (*ask)(void *context, struct engine_watch *watch, struct error *err);
    void *context;
};

struct engine_query {
    const struct filter *filter;     /* NULL: everything visible; recursion is as deep as it is */
    struct text sort_field;          /* empty: by entity id */
    enum engine_direction direction; /* of the sort value and of the id as tie-break */
    uint64_t limit;                  /* entries wanted, after `offset` */
    uint64_t offset;                 /* skipped by the caller; must be 0 with a page key */
    const struct engine_page_key *after; /* NULL: from the start */
    const struct engine_pause *pause;    /* NULL: nobody is asked */
};

/* One entry of the answer; nulls sort last in both directions. */
struct engine_hit {
    int64_t entity_id;
    bool has_value;
    int64_t value; /* of the sort field; 0 without one */
};

struct engine_result {
    struct engine_hit *hits; /* ordered; up to offset + limit: the caller merges shards and skips */
    uint64_t count;
    uint64_t total_matched; /* visible slots that match the filter, whatever the page */
};

/* Fills `result`, whose hits the caller frees with engine_result_free(). ERR_DATA: unknown field,
 * wrong type of value, sort by a field that is not a sort field. Memory: offset + limit hits, or as
 * many as match. When the engine changes in a pause, the answer is that of the last state. */
int engine_query(const struct engine *engine, const struct engine_query *query,
                 struct engine_result *result, struct error *err);
void engine_result_free(struct engine_result *result);

/* Between them, `watch` sees what changes. They change the engine's list of watches: one thread at
 * a time, while nobody writes. */
void engine_watch_begin(struct engine *engine, struct engine_watch *watch);
void engine_watch_end(struct engine *engine, struct engine_watch *watch);

/* < 0, 0, > 0 in the order that engine_query() uses: the merge of several shards' answers. */
int engine_hit_compare(const struct engine_hit *a, const struct engine_hit *b, bool by_value,
                       enum engine_direction direction);

/* Appends `"name":value` members for every non-null field of an entity, comma-separated, as JSON,
 * in configuration order (multi-values ascending). `*alive` tells whether it exists: one that does
 * not may have values all the same. An id outside this shard has none and is not alive. */
void engine_entity_json(const struct engine *engine, int64_t entity_id, struct buffer *out,
                        bool *alive);

struct engine_entity {
    int64_t entity_id;
    bool alive;
    bool visible;
};
/* Visits, in the order of their ids, the entities from `first` to `last` (any numbers, both
 * included) that are alive or have a value. Stops at the first visit that does not return 0, and
 * returns what it returned. The engine must not change meanwhile. */
int engine_scan(const struct engine *engine, int64_t first, int64_t last,
                int (*visit)(void *context, const struct engine_entity *entity), void *context);

/* An entity that queries can find. */
bool engine_is_visible(const struct engine *engine, int64_t entity_id);

/* Memory is an estimate, without the allocator's part; to read it is a walk over all bitmaps, some
 * milliseconds for large vocabularies. */
struct engine_stats {
    uint64_t alive_slots;
    uint64_t visible_slots;
    uint64_t unknown_field_ops; /* ops on fields that the index lacks; a nested one counts once */
    uint64_t memory_bytes;
};
void engine_read_stats(const struct engine *engine, struct engine_stats *stats);

struct engine_field_stats {
    struct text name; /* the configuration's */
    uint64_t slots;   /* that have a value */
    uint64_t values;  /* distinct ones, of a field that filters; deleted ones until swept */
    uint64_t memory_bytes;
};
/* Of the field at this place of the configuration's order; false: there are no more. */
bool engine_read_field_stats(const struct engine *engine, uint32_t at,
                             struct engine_field_stats *stats);

#endif
