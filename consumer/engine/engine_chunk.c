/* Happy path: the slots of the chunk become a bitmap, the scope. Deleted slots of the scope that
 * still hold values are swept first, so that no old value comes back. Then each field replaces what
 * it holds in the scope; computed fields and `visible` follow for the whole scope.
 *
 * The scope of a range without an end goes up to the last slot that the index or the chunk uses.
 */
#include "consumer/engine/engine_chunk.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/chunk_check.h"
#include "consumer/engine/chunk_columns.h"
#include "consumer/engine/engine_compute.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_sweep.h"
#include "consumer/engine/engine_time.h"
#include "consumer/engine/engine_watch.h"
#include "consumer/engine/field_cells.h"
#include "consumer/engine/scalar.h"

/* --- prepare --------------------------------------------------------------------------------- */

int
engine_prepare_chunk(const struct engine *engine, struct chunk *chunk, struct arena *arena,
                     const struct engine_rejects *rejects, struct error *err)
{
    uint32_t count = 0;
    CHECK(rejects->take != NULL);
    int rc = chunk_check(engine, chunk, err);
    if (rc != 0)
        return rc;
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
    chunk->columns = columns;
    chunk->column_count = count;
    return 0;
}

/* --- scope ----------------------------------------------------------------------------------- */

/* Raises `*end` above the slots of the bitmap. */
static void
scope_reach(const roaring_bitmap_t *slots, uint64_t *end)
{
    uint64_t last = roaring_bitmap_maximum(slots);
    if (!roaring_bitmap_is_empty(slots) && last >= *end)
        *end = last + 1;
}

/* The end of the slots that the engine or the chunk uses. */
static uint64_t
scope_used_end(const struct engine *engine, const struct chunk *chunk)
{
    uint64_t end = 0;
    scope_reach(engine->alive, &end);
    scope_reach(engine->unswept, &end);
    for (uint32_t i = 0; i < engine->field_count; i++)
        scope_reach(engine->fields[i].present, &end);
    if (chunk->alive_count > 0 && chunk->alive[chunk->alive_count - 1] >= end)
        end = (uint64_t)chunk->alive[chunk->alive_count - 1] + 1;
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        const struct chunk_column *column = &chunk->columns[i];
        if (column->count > 0 && column->slots[column->count - 1] >= end)
            end = (uint64_t)column->slots[column->count - 1] + 1;
    }
    CHECK(end <= (uint64_t)engine->max_slots);
    return end;
}

static roaring_bitmap_t *
scope_create(const struct engine *engine, const struct chunk *chunk)
{
    roaring_bitmap_t *scope = bitmap_create();
    if (chunk->has_slots) {
        roaring_bitmap_add_many(scope, chunk->slot_count, chunk->slots);
        return scope;
    }
    struct slot_range range = engine_slot_range(engine, chunk->begin, chunk->end);
    uint64_t end = scope_used_end(engine, chunk);
    end = range.end < end ? range.end : end;
    if (range.begin < end)
        roaring_bitmap_add_range(scope, range.begin, end);
    CHECK(chunk->column_count == 0 || range.begin <= range.end);
    return scope;
}

/* --- fields ---------------------------------------------------------------------------------- */

static bool
chunk_names(const struct chunk *chunk, const struct field *field)
{
    uint32_t i = 0;
    while (i < chunk->field_count && !text_equal(chunk->fields[i], field->name))
        i++;
    return i < chunk->field_count;
}

/* NULL: the field has no value in any slot of the chunk. */
static const struct chunk_column *
chunk_column_of(const struct chunk *chunk, const struct field *field)
{
    uint32_t i = 0;
    while (i < chunk->column_count && !text_equal(chunk->columns[i].field, field->name))
        i++;
    return i < chunk->column_count ? &chunk->columns[i] : NULL;
}

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
    if (column == NULL)
        return field_replace(field, scope, &(struct field_cells){0});
    CHECK(chunk_column_is_plain(field, column));
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

/* True: a field has changed; `*shows`: the field of visible_from has. */
static bool
apply_columns(struct engine *engine, const struct chunk *chunk, const roaring_bitmap_t *scope,
              bool *shows)
{
    bool *changed = memory_zalloc(engine->field_count * sizeof *changed);
    bool any = false;
    for (uint32_t i = 0; i < engine->field_count; i++) {
        struct field *field = &engine->fields[i];
        if (field->computed_op == COMPUTED_NONE && chunk_names(chunk, field))
            changed[i] = apply_column(field, scope, chunk_column_of(chunk, field));
        any |= changed[i];
        *shows |= changed[i] && field == engine->visible_from;
    }
    for (uint32_t i = 0; i < engine->field_count; i++) {
        if (field_has_changed_source(engine, &engine->fields[i], changed))
            engine_compute_scope(&engine->fields[i], scope);
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
apply_alive(struct engine *engine, const struct chunk *chunk, const roaring_bitmap_t *scope)
{
    roaring_bitmap_t *alive = bitmap_create();
    roaring_bitmap_t *was = bitmap_and(engine->alive, scope);
    roaring_bitmap_add_many(alive, chunk->alive_count, chunk->alive);
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

void
engine_apply_chunk(struct engine *engine, const struct chunk *chunk)
{
    bool shows = false;
    CHECK(!engine->in_rows);
    CHECK(chunk->purpose != CHUNK_CHECK && chunk->rejected.bytes == 0);
    roaring_bitmap_t *scope = scope_create(engine, chunk);
    engine_sweep_slots(engine, scope);
    if (chunk->states_alive)
        shows = apply_alive(engine, chunk, scope);
    bool changed = apply_columns(engine, chunk, scope, &shows) || shows;
    if (shows)
        engine_show_slots(engine, scope);
    if (changed)
        engine_note_slots(engine, scope);
    count_unknown(engine, chunk);
    roaring_bitmap_free(scope);
    engine_check_state(engine);
}

void
engine_apply_pass(struct engine *engine, const struct pass *pass)
{
    if (pass->part == 0)
        engine_clear_fields(engine, pass->fields, pass->field_count);
    engine_apply_fan_out(engine, &pass->fan_outs);
}
