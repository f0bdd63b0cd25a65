/* The engine: the bitmap index of one shard, as a library without I/O, clocks or threads.
 *
 * It maps slots (0 <= slot < max_slots; entity_id = slot * partitions + partition) to field values
 * and answers filter + sort queries. Ops change the state:
 *
 *   op           scalar, boolean, string, sort     multi-value
 *   set v        value becomes v; null clears      array replaces; one value joins; null clears
 *   remove v     cleared if it is v                v leaves (an array: each of its items)
 *   add v        as set                            v joins (an array: each of its items)
 *   alive        the slot exists                   (same)
 *   delete       removes the slot and its values   (same)
 *   queryOpSet   the nested ops, on every slot that the query matches at that point of the order;
 *                slots that are hidden or not alive are included
 *
 * Values for a slot that is not alive are kept, invisible, until `alive`. Null is not zero; an
 * empty array is null; `remove null`, and `add null` to a multi-value, change nothing.
 *
 *   field                              takes
 *   single_value, multi_value, sort    integers; 3.0 is 3 (up to 2^53); no booleans, no text
 *   boolean                            true and false; not 0 and 1
 *   string                             text, also empty text
 *
 * A name that is in filter_fields (as single_value) and in sort_fields is one field that does
 * both. A sort field of `bits: n` holds -(2^n - 1) .. 2^n - 1; other integers are 64 bits wide. A
 * computed sort field is the greatest or least of its sources' values that are not null, and null
 * when all are. It changes together with its sources and takes no ops of its own. The values of a
 * source are limited to what the computed field holds.
 *
 * The values in a fan-out's query have no type: `eq 123` and `eq "123"` mean the same, 123 for an
 * integer field and "123" for a string field. (A number without quotes is read as a number first:
 * 1.50 is the string "1.5". Write such a string in quotes.)
 *
 *   filter                         matches slots whose field
 *   Eq v, In [v, ..]               is v, is one of them; multi-value: holds v, holds one of them
 *   NotEq v, NotIn [v, ..]         does not match Eq (In). A field that is nullable must also have
 *                                  a value, as for SQL's <>, unless the list is empty
 *   Gt, Gte, Lt, Lte v             compares so; integer fields only;
 *                                  multi-value: holds such a value
 *   IsNull, IsNotNull              has no value, has one
 *   And, Or, Not                   intersection, union, complement: Not(Eq) matches nulls as well
 *
 * A missing value is equal to nothing, to 0 and false neither. In a field of integers, v may be a
 * fraction, which no slot has. A string field that ignores case is compared by simple case folding
 * (case_fold.h). `id` is the entity's id, as a field of integers that filters and sorts. Fan-outs
 * and `remove` know neither nullable fields, nor fields that ignore case, nor `id`: they compare
 * exactly. (The settings are no part of the state: engine_change() and an image keep every value.)
 *
 * Every field can be filtered, sort fields too. Queries see visible slots only, fan-outs all slots.
 * A slot is visible if it is alive and not hidden. It is hidden while its visible_from (Unix
 * seconds) is greater than the time of the last engine_advance(), and while it is held
 * (engine_hold). A hidden slot takes ops like any other.
 *
 * Types are checked by engine_check_op() before anything is durable; engine_apply_*() of an op that
 * passed cannot fail.
 *
 * Threads: an engine has no locks. Its owner allows many readers or one writer at a time.
 */
#ifndef CONSUMER_ENGINE_ENGINE_H
#define CONSUMER_ENGINE_ENGINE_H

#include "common/base/error.h"
#include "common/config/config_fields.h"
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

/* Refuses (ERR_USAGE) an index configuration that this engine cannot hold: a sort field that is
 * not a field of integers, or wider than 63 bits; a name that is declared twice; a computed field
 * that is also a filter field; a source, or visible_from, that is computed or not a field of
 * integers. Until the first engine_advance() every slot with a visible_from is hidden. The caller
 * owns `*engine`. */
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
/* ERR_DATA: the op, or an op nested in it, names a field that the index does not have. The message
 * has the closest names, and lists those there are (F117). The same threads. */
int engine_check_names(const struct engine *engine, const struct op *op, struct error *err);
/* Checks a fan-out as engine_check_op() does, and sets `op->filter` to its query, parsed into
 * `arena`, with the fields resolved (filter.h). The filter is valid for every engine of the same
 * index configuration. */
int engine_prepare_fan_out(const struct engine *engine, struct op *op, struct arena *arena,
                           struct error *err);

/* The two parts of engine_prepare_fan_out(): the query, and one of the nested ops. */
int engine_prepare_query(const struct engine *engine, struct op *op, struct arena *arena,
                         struct error *err);
int engine_check_nested(const struct engine *engine, const struct op *op, struct error *err);
/* What is applied in place of a slot op or nested op that was refused: a `set`, and an `add` to a
 * field of one value, becomes `set null` of the field, so that the index does not keep an older
 * value. False: nothing is. The same threads as engine_check_op(). */
bool engine_replace_op(const struct engine *engine, struct op *op);

/* Applies the slot ops of one row in order. `entity_id` belongs to this shard (entity_id mod
 * partitions == partition, slot < max_slots), and the ops have passed engine_check_op(); both are
 * CHECK()ed. Keeps no pointer into `ops`. */
void engine_apply_row(struct engine *engine, int64_t entity_id, const struct ops *ops);
/* Prefetches into the processor's cache what applying the row will need. A call some rows earlier
 * hides most of the time that memory takes. */
void engine_prefetch_row(const struct engine *engine, const struct ops *ops);
/* Rows that are applied between these two calls cost less, because the bit slices of sort fields
 * are updated only at the end, and a set of values once for all rows of its slot that follow each
 * other. Until then no thread may read the engine, and nothing but
 * engine_apply_row() and engine_sweep() may be called. */
void engine_begin_rows(struct engine *engine);
void engine_end_rows(struct engine *engine);
/* Applies fan-out ops, which engine_prepare_fan_out() has prepared, in order: each to all slots
 * that its query matches at that point. */
void engine_apply_fan_out(struct engine *engine, const struct ops *ops);

/* All slots lose their values of these fields. Names that the index does not have, and computed
 * fields, are skipped. */
void engine_clear_fields(struct engine *engine, const struct text *names, uint32_t count);

/* Moves what `from` holds into `to`, an engine of the same partition and another index
 * configuration, to which nothing was applied: existence, and the values of each field that both
 * configurations declare in the same way, whatever they say of queries. The other fields are empty
 * in `to`; computed fields follow. Sets `kept` to the fields that have kept their values, as
 * numbered in `to`. `from` may only be destroyed afterwards. */
void engine_change(struct engine *to, struct engine *from, struct field_set *kept);

/* Sets the time: shows the slots that are due, and hides those that are not due any more because
 * the clock went back. */
void engine_advance(struct engine *engine, int64_t now_s);
/* Hides the slot until it is not held any more: its visible_from is being read from the source.
 * Does nothing without visible_from in the configuration. Held slots are no part of the state as
 * bytes, nor of engine_change(). */
void engine_hold(struct engine *engine, uint32_t slot, bool is_held);
/* The time at which the next hidden slot becomes visible; false: no slot is alive and hidden, apart
 * from those that are held. */
bool engine_next_activation(const struct engine *engine, int64_t *at_s);

/* Removes the values of deleted slots from the bitmaps. The engine also does this by itself, when
 * there are many such slots or an op needs it; a caller can choose a better time. */
void engine_sweep(struct engine *engine);
/* Sweeps, and gives every bitmap its smallest form. Takes about a second. */
void engine_optimize(struct engine *engine);

/* --- as bytes -------------------------------------------------------------------------------- */

/* Writes the whole state except the time, in a versioned format (engine_save.c). Only reads: other
 * threads may read meanwhile. Takes no lock and allocates no memory: a copy of the process may call
 * it (consumer/checkpoint/checkpoint_copy.h). */
void engine_save(const struct engine *engine, const struct image_sink *sink);
/* Loads such a state into an engine of the same fields (in any order) and partition, to which
 * nothing was applied; the time of the engine stays. Checks every byte: ERR_DATA names what is
 * wrong. After an error the engine may only be destroyed. ERR_DATA too when what the source has
 * given has more bytes than the state. */
int engine_load(struct engine *engine, const struct image_source *source, struct error *err);

/* --- reading --------------------------------------------------------------------------------- */

enum engine_direction { ENGINE_DESCENDING, ENGINE_ASCENDING };

/* The page begins after this place in the order; the entity need not exist (any more). */
struct engine_page_key {
    bool has_value; /* false: the sort value was null, or there is no sort field */
    int64_t value;
    int64_t entity_id; /* of any shard */
};

/* Records the slots that change while a query lets the writer in. */
struct engine_watch;

/* A query calls `ask` between its steps, none of which takes long. */
struct engine_pause {
    /* May let the writer change the engine if `watch` is not NULL, and then calls
     * engine_watch_begin() before and engine_watch_end() after it. Any return but 0 ends the query
     * with that error. */
    int (*ask)(void *context, struct engine_watch *watch, struct error *err);
    void *context;
};

struct engine_query {
    const struct filter *filter;         /* NULL: every visible slot; the recursion is as deep */
    struct text sort_field;              /* empty, or `id`: by entity id */
    enum engine_direction direction;     /* of the sort value and of the id as tie-break */
    uint64_t limit;                      /* of the page, which is after `offset` entries */
    uint64_t offset;                     /* the caller skips them; must be 0 with a page key */
    const struct engine_page_key *after; /* NULL: from the start */
    const struct engine_pause *pause;    /* NULL: no pauses */
};

/* One entry of the result; nulls sort last in both directions. */
struct engine_hit {
    int64_t entity_id;
    bool has_value;
    int64_t value; /* of the sort field, which may be the id; 0 without one */
};

struct engine_result {
    struct engine_hit *hits; /* ordered; up to offset + limit: the caller merges shards and skips */
    uint64_t count;
    uint64_t total_matched; /* visible slots that match the filter, on all pages */
};

/* Fills `result`, whose hits the caller frees with engine_result_free(). ERR_DATA: unknown field,
 * wrong type of value, sort by a field that is not a sort field. Memory: offset + limit hits, or as
 * many as match. When the engine changes in a pause, the result is that of the last state. */
int engine_query(const struct engine *engine, const struct engine_query *query,
                 struct engine_result *result, struct error *err);
void engine_result_free(struct engine_result *result);

/* Between these two calls, `watch` records the slots that change. Both change the engine's list of
 * watches: one thread at a time calls them, and the engine does not change meanwhile. */
void engine_watch_begin(struct engine *engine, struct engine_watch *watch);
void engine_watch_end(struct engine *engine, struct engine_watch *watch);

/* < 0, 0, > 0: the order of engine_query(), for merging the results of several shards. */
int engine_hit_compare(const struct engine_hit *a, const struct engine_hit *b, bool by_value,
                       enum engine_direction direction);

/* Appends `"name":value` members for every non-null field of an entity, comma-separated, as JSON,
 * in configuration order (multi-values ascending). `*alive`: the entity exists; one that does not
 * may still have values. An id outside this shard has none and is not alive. */
void engine_entity_json(const struct engine *engine, int64_t entity_id, struct buffer *out,
                        bool *alive);

/* Appends the entity as a document, `{"id":7,"a":1,"b":null,"c":[]}`: its id and the chosen fields
 * (numbered as in config_fields.h) in configuration order, also those without a value, which are
 * null, or an empty list. Appends null for an id that is not alive in this shard. */
void engine_document_json(const struct engine *engine, int64_t entity_id,
                          const struct field_set *fields, struct buffer *out);

struct engine_entity {
    int64_t entity_id;
    bool alive;
    bool visible;
};
/* Visits the entities that are alive or have a value, from `first` to `last` (both included, any
 * numbers), in the order of their ids. Stops at the first visit that does not return 0, and
 * returns what it returned. The engine must not change meanwhile. */
int engine_scan(const struct engine *engine, int64_t first, int64_t last,
                int (*visit)(void *context, const struct engine_entity *entity), void *context);

/* Do queries find the entity? */
bool engine_is_visible(const struct engine *engine, int64_t entity_id);

/* Memory is an estimate, without the overhead of the allocator. Reading it visits all bitmaps,
 * which takes some milliseconds for fields with many values. */
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
    uint64_t values;  /* distinct; filter fields only; includes deleted ones until the sweep */
    uint64_t memory_bytes;
};
/* Of the field at the place `at`, in the order of the configuration; false: there are no more. */
bool engine_read_field_stats(const struct engine *engine, uint32_t at,
                             struct engine_field_stats *stats);

#endif
