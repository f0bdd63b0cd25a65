/* Happy path: the chunk is cut into parts (chunk_parts.h). The slots of a part become a bitmap, the
 * scope. Deleted slots of the scope that still hold values are swept first, so that no old value
 * comes back. Then each field replaces what it holds in the scope; computed fields and `visible`
 * follow for the whole scope.
 *
 * Nothing can fail: engine_prepare_chunk() has checked the chunk.
 */
#include "consumer/engine/engine_chunk.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/chunk_columns.h"
#include "consumer/engine/chunk_parts.h"
#include "consumer/engine/engine_compute.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_sweep.h"
#include "consumer/engine/engine_time.h"
#include "consumer/engine/engine_watch.h"
#include "consumer/engine/field_bulk.h"
#include "consumer/engine/field_cells.h"
#include "consumer/engine/scalar.h"

static void
engine_yield(const struct engine_yield *yield)
{
    if (yield != NULL)
        yield->give(yield->context);
}

/* --- prepare --------------------------------------------------------------------------------- */

/* The first and the last slot of a list, which is in order. */
static int
check_slots(const char *what, const uint32_t *slots, uint32_t count, const struct slot_range *range,
            struct error *err)
{
    if (count == 0 || (slots[0] >= range->begin && slots[count - 1] < range->end))
        return 0;
    return error_set(err, ERR_DATA,
                     "%s: slots %u to %u are not all in the range of the chunk, which has slots "
                     "%llu to %llu of this partition",
                     what, slots[0], slots[count - 1], (unsigned long long)range->begin,
                     (unsigned long long)range->end);
}

int
engine_check_chunk(const struct engine *engine, const struct chunk *chunk, struct error *err)
{
    struct slot_range range = engine_slot_range(engine, chunk->begin, chunk->end);
    int rc = check_slots("list of slots", chunk->slots, chunk->slot_count, &range, err);
    if (rc == 0)
        rc = check_slots("alive", chunk->alive, chunk->alive_count, &range, err);
    for (uint32_t i = 0; rc == 0 && i < chunk->column_count; i++) {
        const struct chunk_column *column = &chunk->columns[i];
        rc = check_slots("column", column->slots, column->count, &range, err);
    }
    return rc;
}

void
engine_prepare_chunk(const struct engine *engine, struct chunk *chunk, struct arena *arena,
                     const struct engine_rejects *rejects)
{
    uint32_t count = 0;
    CHECK(rejects->take != NULL);
    struct chunk_column *columns =
        arena_alloc(arena, (engine->field_count + chunk->column_count) * sizeof *columns);
    for (uint32_t i = 0; i < engine->field_count; i++) {
        chunk_columns_merge(engine, &engine->fields[i], chunk, arena, rejects, &columns[count]);
        count += columns[count].count > 0;
    }
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        if (engine_find_field(engine, chunk->columns[i].field) == NULL)
            columns[count++] = chunk->columns[i];
    }
    CHECK(count <= engine->field_count + chunk->column_count);
    chunk->columns = columns;
    chunk->column_count = count;
}

/* --- parts ----------------------------------------------------------------------------------- */

/* The slots that the chunk states in this range. */
static roaring_bitmap_t *
scope_create(const struct chunk *chunk, struct slot_range range)
{
    roaring_bitmap_t *scope = bitmap_create();
    if (chunk->has_slots) {
        struct slot_span span = slot_span_find(chunk->slots, chunk->slot_count, range);
        roaring_bitmap_add_many(scope, span.count, chunk->slots + span.begin);
    } else {
        CHECK(range.begin < range.end);
        roaring_bitmap_add_range(scope, range.begin, range.end);
    }
    return scope;
}

/* The values of the field in this range; a column without values if it has none. */
static struct chunk_column
column_in_range(const struct chunk *chunk, const struct field *field, struct slot_range range)
{
    uint32_t i = 0;
    while (i < chunk->column_count && !text_equal(chunk->columns[i].field, field->name))
        i++;
    if (i == chunk->column_count)
        return (struct chunk_column){.field = field->name};
    struct chunk_column column = chunk->columns[i];
    struct slot_span span = slot_span_find(column.slots, column.count, range);
    column.slots += span.begin;
    column.integers += span.begin;
    column.count = span.count;
    CHECK((column.kind == CHUNK_STRINGS) == (field->type == FIELD_STRING));
    return column;
}

/* --- fields ---------------------------------------------------------------------------------- */

/* Strings become their codes; the caller frees the list. */
static int64_t *
string_keys(struct field *field, const struct chunk_column *column)
{
    int64_t *keys = memory_alloc(column->count * sizeof *keys);
    int64_t *codes = memory_alloc(column->string_count * sizeof *codes);
    CHECK(field->type == FIELD_STRING);
    for (uint32_t i = 0; i < column->string_count; i++)
        codes[i] = -1; /* only what is used gets a code */
    for (uint32_t i = 0; i < column->count; i++) {
        int64_t at = column->integers[i];
        const struct scalar scalar = {.string = column->strings[at]};
        if (codes[at] < 0)
            codes[at] = scalar_make_key(field, &scalar);
        keys[i] = codes[at];
    }
    free(codes);
    return keys;
}

static bool
apply_column(struct field *field, const roaring_bitmap_t *scope, const struct chunk_column *column)
{
    int64_t *keys = column->kind == CHUNK_STRINGS ? string_keys(field, column) : NULL;
    const struct field_cells cells = {column->slots, keys != NULL ? keys : column->integers,
                                      column->count};
    bool changed = field_replace(field, scope, &cells);
    free(keys);
    return changed;
}

static bool
field_has_changed_source(const struct engine *engine, const struct field *field,
                         const bool *changed)
{
    bool any = false;
    for (uint32_t i = 0; i < field->source_count; i++)
        any |= changed[field->sources[i] - engine->fields];
    return any;
}

static bool
states_source(const struct chunk *chunk, const struct field *field)
{
    bool any = false;
    for (uint32_t i = 0; i < field->source_count; i++)
        any |= chunk_states_field(chunk, field->sources[i]);
    return any;
}

/* True: a field has changed; `*shows`: the field of visible_from has. */
static bool
apply_columns(struct engine *engine, const struct chunk *chunk, struct slot_range range,
              const roaring_bitmap_t *scope, const struct field_set *damaged, bool *shows)
{
    bool *changed = memory_zalloc(engine->field_count * sizeof *changed);
    bool any = false;
    for (uint32_t i = 0; i < engine->field_count; i++) {
        struct field *field = &engine->fields[i];
        if (!chunk_states_field(chunk, field))
            continue;
        const struct chunk_column column = column_in_range(chunk, field, range);
        if (field_set_has(damaged, i))
            field_scrub(field, scope);
        changed[i] = apply_column(field, scope, &column) || field_set_has(damaged, i);
        any |= changed[i];
        *shows |= changed[i] && field == engine->visible_from;
    }
    for (uint32_t i = 0; i < engine->field_count; i++) {
        bool is_damaged = field_set_has(damaged, i) && states_source(chunk, &engine->fields[i]);
        if (is_damaged)
            field_scrub(&engine->fields[i], scope);
        if (is_damaged || field_has_changed_source(engine, &engine->fields[i], changed))
            engine_compute_scope(&engine->fields[i], scope);
        any |= is_damaged;
    }
    free(changed);
    return any;
}

static void
count_unknown(struct engine *engine, const struct chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        if (engine_find_field(engine, chunk->columns[i].field) == NULL)
            engine->unknown_field_ops += chunk->columns[i].count;
    }
}

/* --- existence ------------------------------------------------------------------------------- */

static bool
apply_alive(struct engine *engine, const struct chunk *chunk, struct slot_range range,
            const roaring_bitmap_t *scope)
{
    struct slot_span span = slot_span_find(chunk->alive, chunk->alive_count, range);
    roaring_bitmap_t *alive = bitmap_create();
    roaring_bitmap_t *was = bitmap_and(engine->alive, scope);
    roaring_bitmap_add_many(alive, span.count, chunk->alive + span.begin);
    CHECK(roaring_bitmap_is_subset(alive, scope));
    bool changed = !roaring_bitmap_equals(alive, was);
    if (changed) {
        roaring_bitmap_andnot_inplace(engine->alive, scope);
        roaring_bitmap_or_inplace(engine->alive, alive);
    }
    roaring_bitmap_free(alive);
    roaring_bitmap_free(was);
    return changed;
}

static void
apply_part(struct engine *engine, const struct chunk *chunk, struct slot_range range,
           const struct field_set *damaged)
{
    bool shows = field_set_has(damaged, FIELD_ALIVE);
    roaring_bitmap_t *scope = scope_create(chunk, range);
    engine_sweep_slots(engine, scope);
    if (chunk->states_alive)
        shows |= apply_alive(engine, chunk, range, scope);
    bool changed = apply_columns(engine, chunk, range, scope, damaged, &shows) || shows;
    if (shows)
        engine_show_slots(engine, scope);
    if (changed)
        engine_note_slots(engine, scope);
    roaring_bitmap_free(scope);
    engine_check_state(engine);
}

void
engine_apply_chunk(struct engine *engine, const struct chunk *chunk,
                   const struct engine_yield *yield)
{
    static const struct field_set none;
    engine_mend_chunk(engine, chunk, &none, yield);
}

void
engine_mend_chunk(struct engine *engine, const struct chunk *chunk, const struct field_set *damaged,
                  const struct engine_yield *yield)
{
    struct chunk_parts parts;
    CHECK(!engine->in_rows);
    CHECK(chunk->purpose != CHUNK_CHECK && chunk->rejected.bytes == 0);
    chunk_parts_find(engine, chunk, &parts);
    struct slot_range range = {.begin = parts.begin};
    for (uint32_t i = 0; i < parts.count; i++) {
        range.end = parts.ends[i];
        if (range.begin >= range.end)
            continue;
        apply_part(engine, chunk, range, damaged);
        range.begin = range.end;
        engine_drop_texts(engine);
        engine_yield(yield);
    }
    count_unknown(engine, chunk);
    chunk_parts_free(&parts);
}

/* --- passes ---------------------------------------------------------------------------------- */

void
engine_apply_pass(struct engine *engine, const struct pass *pass, const struct engine_yield *yield)
{
    if (pass->part == 0)
        engine_clear_fields(engine, pass->fields, pass->field_count);
    for (uint32_t i = 0; i < pass->fan_outs.count; i++) {
        engine_apply_fan_out(engine, &(struct ops){&pass->fan_outs.items[i], 1});
        engine_yield(yield);
    }
}
