#include "consumer/engine/chunk_columns.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/engine.h"

/* --- plain columns --------------------------------------------------------------------------- */

static enum chunk_values
field_values(const struct field *field)
{
    switch (field->type) {
    case FIELD_BOOLEAN:
        return CHUNK_BOOLEANS;
    case FIELD_STRING:
        return CHUNK_STRINGS;
    default:
        CHECK(field->type == FIELD_SINGLE_VALUE || field->type == FIELD_MULTI_VALUE);
        return CHUNK_INTEGERS;
    }
}

static bool
column_is_in_bounds(const struct field *field, const struct chunk_column *column)
{
    bool fits = true;
    for (uint32_t i = 0; i < column->count; i++)
        fits &= column->integers[i] >= field->min && column->integers[i] <= field->max;
    return fits;
}

static bool
column_is_sorted(const struct field *field, const struct chunk_column *column)
{
    bool repeats = field->type == FIELD_MULTI_VALUE;
    bool sorted = true;
    for (uint32_t i = 1; i < column->count; i++) {
        bool same = column->slots[i] == column->slots[i - 1];
        sorted &= column->slots[i] > column->slots[i - 1] ||
                  (repeats && same && column->integers[i] > column->integers[i - 1]);
    }
    return sorted;
}

bool
chunk_column_is_plain(const struct field *field, const struct chunk_column *column)
{
    return column->kind == field_values(field) && column_is_sorted(field, column) &&
           (column->kind != CHUNK_INTEGERS || column_is_in_bounds(field, column));
}

/* --- columns that are not -------------------------------------------------------------------- */

/* A value of one slot; `at` is its place in `column`. */
struct cell {
    uint32_t slot;
    uint32_t at;
    const struct chunk_column *column;
    int64_t key; /* as the field stores it; of a string, its place among all strings */
};

struct column_merge {
    const struct engine *engine;
    const struct field *field;
    const struct engine_rejects *rejects;
    struct cell *cells;
    uint32_t count;
};

static struct value
column_value(const struct chunk_column *column, uint32_t at)
{
    switch (column->kind) {
    case CHUNK_INTEGERS:
        return (struct value){.kind = VALUE_INTEGER, .integer = column->integers[at]};
    case CHUNK_FLOATS:
        return (struct value){.kind = VALUE_FLOAT, .real = column->floats[at]};
    case CHUNK_BOOLEANS:
        return (struct value){.kind = VALUE_BOOLEAN, .boolean = column->integers[at] != 0};
    default:
        CHECK(column->kind == CHUNK_STRINGS);
        return (struct value){.kind = VALUE_STRING,
                              .string = column->strings[column->integers[at]]};
    }
}

static void
merge_reject(const struct column_merge *merge, const struct cell *cell, const char *reason)
{
    const struct engine_reject reject = {
        .entity_id = engine_entity_of(merge->engine, cell->slot),
        .field = merge->field->name,
        .value = column_value(cell->column, cell->at),
        .reason = reason,
    };
    merge->rejects->take(merge->rejects->context, &reject);
}

/* Takes the values of one column that the field can hold. */
static void
merge_take(struct column_merge *merge, const struct chunk_column *column, uint32_t strings_before)
{
    for (uint32_t i = 0; i < column->count; i++) {
        struct error err;
        struct cell cell = {column->slots[i], i, column, 0};
        const struct op op = {
            .kind = OP_SET, .field = merge->field->name, .value = column_value(column, i)};
        if (engine_check_op(merge->engine, &op, &err) != 0) {
            merge_reject(merge, &cell, err.message);
            continue;
        }
        if (column->kind == CHUNK_FLOATS)
            cell.key = (int64_t)column->floats[i];
        else
            cell.key = column->integers[i] + (column->kind == CHUNK_STRINGS ? strings_before : 0);
        merge->cells[merge->count++] = cell;
    }
}

static int
cell_compare(const void *left, const void *right)
{
    const struct cell *a = left, *b = right;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

/* Is it the same value of the same slot? Two columns may hold the same string. */
static bool
cells_are_equal(const struct cell *a, const struct cell *b)
{
    if (a->slot != b->slot)
        return false;
    if (a->column->kind != CHUNK_STRINGS)
        return a->key == b->key;
    CHECK(b->column->kind == CHUNK_STRINGS);
    return text_equal(column_value(a->column, a->at).string, column_value(b->column, b->at).string);
}

/* The cells of one column are in the order of their slots already. */
static void
merge_sort_slots(struct column_merge *merge)
{
    for (uint32_t first = 0, next; first < merge->count; first = next) {
        next = first + 1;
        while (next < merge->count && merge->cells[next].slot == merge->cells[first].slot)
            next++;
        if (next > first + 1)
            qsort(&merge->cells[first], next - first, sizeof *merge->cells, cell_compare);
    }
}

static void
merge_sort(struct column_merge *merge, bool is_one_column)
{
    uint32_t kept = 0;
    if (is_one_column)
        merge_sort_slots(merge);
    else
        qsort(merge->cells, merge->count, sizeof *merge->cells, cell_compare);
    for (uint32_t i = 0; i < merge->count; i++) {
        if (kept == 0 || !cells_are_equal(&merge->cells[kept - 1], &merge->cells[i]))
            merge->cells[kept++] = merge->cells[i];
    }
    merge->count = kept;
}

/* A field of one value takes none of several. */
static void
merge_reject_several(struct column_merge *merge)
{
    uint32_t kept = 0;
    char reason[ERROR_MESSAGE_BYTES];
    snprintf(reason, sizeof reason, "field \"%.*s\" takes one value, and the entity has several",
             TEXT_ARGS(merge->field->name));
    for (uint32_t first = 0, next; first < merge->count; first = next) {
        next = first + 1;
        while (next < merge->count && merge->cells[next].slot == merge->cells[first].slot)
            next++;
        if (next == first + 1)
            merge->cells[kept++] = merge->cells[first];
        for (uint32_t i = first; next > first + 1 && i < next; i++)
            merge_reject(merge, &merge->cells[i], reason);
    }
    merge->count = kept;
}

static void
merge_write(const struct column_merge *merge, struct arena *arena, struct chunk_column *merged)
{
    uint32_t *slots = arena_alloc(arena, merge->count * sizeof *slots);
    int64_t *keys = arena_alloc(arena, merge->count * sizeof *keys);
    for (uint32_t i = 0; i < merge->count; i++) {
        slots[i] = merge->cells[i].slot;
        keys[i] = merge->cells[i].key;
    }
    merged->slots = slots;
    merged->integers = keys;
    merged->count = merge->count;
}

/* Puts the strings of all columns of strings into one list. */
static void
merge_strings(const struct chunk *chunk, const struct field *field, struct arena *arena,
              struct chunk_column *merged)
{
    uint32_t count = 0;
    struct text *strings = arena_alloc(arena, merged->string_count * sizeof *strings);
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        const struct chunk_column *column = &chunk->columns[i];
        if (!text_equal(column->field, field->name) || column->kind != CHUNK_STRINGS)
            continue;
        for (uint32_t at = 0; at < column->string_count; at++)
            strings[count++] = column->strings[at];
    }
    CHECK(count == merged->string_count);
    merged->strings = strings;
}

static uint64_t
columns_count(const struct chunk *chunk, const struct field *field,
              const struct chunk_column **only)
{
    uint64_t columns = 0, values = 0;
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        if (!text_equal(chunk->columns[i].field, field->name))
            continue;
        *only = ++columns == 1 ? &chunk->columns[i] : NULL;
        values += chunk->columns[i].count;
    }
    return values;
}

void
chunk_columns_merge(const struct engine *engine, const struct field *field,
                    const struct chunk *chunk, struct arena *arena,
                    const struct engine_rejects *rejects, struct chunk_column *merged)
{
    const struct chunk_column *only = NULL;
    uint64_t count = columns_count(chunk, field, &only);
    *merged = (struct chunk_column){.field = field->name, .kind = field_values(field)};
    if (only != NULL && field->computed_op == COMPUTED_NONE && chunk_column_is_plain(field, only)) {
        *merged = *only;
        return;
    }
    struct column_merge merge = {.engine = engine, .field = field, .rejects = rejects};
    merge.cells = memory_alloc(count * sizeof *merge.cells);
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        const struct chunk_column *column = &chunk->columns[i];
        if (!text_equal(column->field, field->name))
            continue;
        merge_take(&merge, column, merged->string_count);
        if (merged->kind == CHUNK_STRINGS && column->kind == CHUNK_STRINGS)
            merged->string_count += column->string_count;
    }
    CHECK(merge.count <= count);
    merge_sort(&merge, only != NULL);
    if (field->type != FIELD_MULTI_VALUE)
        merge_reject_several(&merge);
    if (merged->kind == CHUNK_STRINGS)
        merge_strings(chunk, field, arena, merged);
    merge_write(&merge, arena, merged);
    free(merge.cells);
    CHECK(chunk_column_is_plain(field, merged));
}
