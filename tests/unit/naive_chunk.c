#include "tests/unit/naive_chunk.h"

#include <string.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

enum { CELLS_A_ROW = 2 * NAIVE_TAGS + 3, COLUMNS_MAX = (NAIVE_FIELDS + 1) * 5 };

/* The values of one field, in the order of the rows. */
struct cells {
    uint32_t *slots;
    struct value *values;
    uint32_t count;
};

static void
cells_append(struct cells *cells, uint32_t slot, struct value value)
{
    cells->slots[cells->count] = slot;
    cells->values[cells->count++] = value;
}

/* --- what the chunk means --------------------------------------------------------------------- */

static void
random_state(const struct naive_row *row, const struct naive_chunk *random, int dense,
             struct naive_row *wanted)
{
    *wanted = *row;
    for (int field = 0; field < NAIVE_FIELDS_WRITTEN; field++) {
        if (!random->names[field])
            continue;
        wanted->has[field] = field != NAIVE_TAG_IDS && random_below(10) < (uint64_t)dense;
        wanted->values[field] = wanted->has[field] ? naive_random_number(field) : 0;
    }
    for (int tag = 0; random->names[NAIVE_TAG_IDS] && tag < NAIVE_TAGS; tag++)
        wanted->tags[tag] = random_below(10) < (uint64_t)dense;
    if (random->chunk.states_alive)
        wanted->alive = random_below(10) < (uint64_t)dense;
}

static void
random_states(const struct naive_row *rows, int row_count, struct naive_chunk *random)
{
    int dense = (int)random_below(11);
    uint64_t changes = random_below(2) == 0 ? 1 : random_below(100) + 1;
    for (int row = 0; row < row_count; row++) {
        random->wanted[row] = rows[row];
        if (random->covers[row] && random_below(changes) == 0)
            random_state(&rows[row], random, dense, &random->wanted[row]);
    }
}

void
naive_apply_chunk(struct naive_row *rows, int row_count, const struct naive_chunk *random)
{
    for (int row = 0; row < row_count; row++) {
        if (random->covers[row])
            rows[row] = random->wanted[row];
        naive_compute(&rows[row]);
    }
}

/* --- columns ---------------------------------------------------------------------------------- */

static struct value
plain_value(int field, int64_t number)
{
    struct value value = naive_value(field, number);
    if (value.kind == VALUE_FLOAT)
        value = (struct value){.kind = VALUE_INTEGER, .integer = number};
    return value;
}

struct value
naive_bad_value(int field)
{
    static const struct value text = {.kind = VALUE_STRING, .string = {"bad", 3}};
    static const struct value number = {.kind = VALUE_INTEGER, .integer = 1};
    static const struct value truth = {.kind = VALUE_BOOLEAN, .boolean = true};
    static const struct value fraction = {.kind = VALUE_FLOAT, .real = 0.5};
    static const struct value large = {.kind = VALUE_INTEGER, .integer = FIXTURE_RANK_MAX + 1};
    if (field == NAIVE_META)
        return random_below(2) == 0 ? number : text;
    if (field == NAIVE_TYPE)
        return random_below(2) == 0 ? number : truth;
    if (field == NAIVE_RANK && random_below(2) == 0)
        return large;
    return random_below(3) == 0 ? text : random_below(2) == 0 ? truth : fraction;
}

/* How the values of one field are written. */
struct layout {
    bool plain;   /* one column, in order, without bad values */
    uint64_t bad; /* one value in so many is bad */
};

static void
append_scalar(struct naive_chunk *random, int row, int field, uint32_t slot,
              const struct layout *layout, struct cells *cells)
{
    struct naive_row *wanted = &random->wanted[row];
    int64_t number = wanted->values[field];
    if (!wanted->has[field])
        return;
    if (layout->plain || random_below(layout->bad) > 0) {
        cells_append(cells, slot,
                     layout->plain ? plain_value(field, number) : naive_value(field, number));
        if (!layout->plain && random_below(layout->bad) == 0)
            cells_append(cells, slot, plain_value(field, number)); /* the same value twice */
        return;
    }
    int64_t other = naive_random_number(field);
    wanted->has[field] = false;
    wanted->values[field] = 0;
    if (other == number) {
        cells_append(cells, slot, naive_bad_value(field));
        random->rejects++;
        return;
    }
    cells_append(cells, slot, naive_value(field, number)); /* two values */
    cells_append(cells, slot, naive_value(field, other));
    random->rejects += 2;
}

static void
append_tags(struct naive_chunk *random, int row, uint32_t slot, const struct layout *layout,
            struct cells *cells)
{
    const struct naive_row *wanted = &random->wanted[row];
    uint64_t shift = layout->plain ? 0 : random_below(NAIVE_TAGS);
    for (uint64_t i = 0; i < NAIVE_TAGS; i++) {
        uint64_t tag = (i + shift) % NAIVE_TAGS;
        if (!wanted->tags[tag])
            continue;
        cells_append(cells, slot,
                     layout->plain ? plain_value(NAIVE_TAG_IDS, naive_tags[tag])
                                   : naive_value(NAIVE_TAG_IDS, naive_tags[tag]));
        if (!layout->plain && random_below(layout->bad) == 0)
            cells_append(cells, slot, plain_value(NAIVE_TAG_IDS, naive_tags[tag]));
    }
    if (layout->plain || random_below(layout->bad) > 0)
        return;
    cells_append(cells, slot, naive_bad_value(NAIVE_TAG_IDS));
    random->rejects++;
}

static uint32_t
column_string(struct chunk_column *column, struct text *strings, struct text text)
{
    uint32_t at = 0;
    while (at < column->string_count && !text_equal(strings[at], text))
        at++;
    strings[at] = text;
    column->string_count += at == column->string_count;
    return at;
}

static enum chunk_values
kind_of(const struct value *value)
{
    switch (value->kind) {
    case VALUE_INTEGER:
        return CHUNK_INTEGERS;
    case VALUE_FLOAT:
        return CHUNK_FLOATS;
    case VALUE_BOOLEAN:
        return CHUNK_BOOLEANS;
    default:
        return CHUNK_STRINGS;
    }
}

/* A column of the cells of this kind. */
static void
write_column(const struct cells *cells, enum chunk_values kind, struct arena *arena,
             struct chunk_column *column)
{
    uint32_t *slots = arena_alloc(arena, cells->count * sizeof *slots);
    int64_t *integers = arena_alloc(arena, cells->count * sizeof *integers);
    double *floats = arena_alloc(arena, cells->count * sizeof *floats);
    struct text *strings = arena_alloc(arena, (NAIVE_STRINGS + 1) * sizeof *strings);
    column->kind = kind;
    for (uint32_t i = 0; i < cells->count; i++) {
        const struct value *value = &cells->values[i];
        if (kind_of(value) != kind)
            continue;
        if (kind == CHUNK_FLOATS)
            floats[column->count] = value->real;
        else if (kind == CHUNK_STRINGS)
            integers[column->count] = column_string(column, strings, value->string);
        else
            integers[column->count] = kind == CHUNK_BOOLEANS ? value->boolean : value->integer;
        slots[column->count++] = cells->slots[i];
    }
    column->slots = slots;
    column->integers = kind == CHUNK_FLOATS ? NULL : integers;
    column->floats = kind == CHUNK_FLOATS ? floats : NULL;
    column->strings = kind == CHUNK_STRINGS ? strings : NULL;
}

static void
write_columns(const struct cells *cells, int field, struct arena *arena, struct naive_chunk *random,
              struct chunk_column *columns)
{
    enum chunk_values first = (enum chunk_values)random_below(CHUNK_STRINGS + 1);
    for (uint32_t i = 0; i <= CHUNK_STRINGS; i++) {
        struct chunk_column *column = &columns[random->chunk.column_count];
        *column = (struct chunk_column){.field = text_of(naive_field_names[field])};
        write_column(cells, (first + i) % (CHUNK_STRINGS + 1), arena, column);
        random->chunk.column_count += column->count > 0;
    }
}

static void
random_columns(const int64_t *entities, int row_count, struct arena *arena,
               struct naive_chunk *random)
{
    struct chunk_column *columns = arena_alloc(arena, COLUMNS_MAX * sizeof *columns);
    struct cells cells;
    size_t room = (size_t)row_count * CELLS_A_ROW;
    cells.slots = arena_alloc(arena, room * sizeof *cells.slots);
    cells.values = arena_alloc(arena, room * sizeof *cells.values);
    for (int field = 0; field <= NAIVE_UNKNOWN; field++) {
        struct layout layout = {random_below(2) == 0, 1 + random_below(20)};
        cells.count = 0;
        for (int row = 0; row < row_count; row++) {
            uint32_t slot = (uint32_t)(entities[row] / FIXTURE_PARTITIONS);
            if (!random->covers[row] || !random->names[field])
                continue;
            if (field == NAIVE_TAG_IDS)
                append_tags(random, row, slot, &layout, &cells);
            else if (field < NAIVE_FIELDS_WRITTEN)
                append_scalar(random, row, field, slot, &layout, &cells);
            else if (random_below(10) == 0)
                cells_append(&cells, slot, (struct value){.kind = VALUE_INTEGER, .integer = 1});
        }
        random->unknown_values += field == NAIVE_UNKNOWN ? cells.count : 0;
        random->rejects += field >= NAIVE_FIELDS_WRITTEN && field < NAIVE_FIELDS ? cells.count : 0;
        write_columns(&cells, field, arena, random, columns);
    }
    random->chunk.columns = columns;
}

/* --- the chunk -------------------------------------------------------------------------------- */

static void
random_scope(const int64_t *entities, int row_count, struct arena *arena,
             struct naive_chunk *random)
{
    struct chunk *chunk = &random->chunk;
    uint32_t *slots = arena_alloc(arena, (size_t)row_count * sizeof *slots);
    int first = random_below(4) == 0 ? 0 : (int)random_below((uint64_t)row_count);
    int last = first + (int)random_below((uint64_t)(row_count - first));
    bool ends = random_below(4) > 0;
    uint64_t sparse = random_below(2) == 0 ? 1 : 1 + random_below(100);
    chunk->begin = first == 0 ? 0 : entities[first] - (int64_t)random_below(2);
    last = ends ? last : row_count - 1;
    chunk->end = ends ? entities[last] + 1 + (int64_t)random_below(2) : CHUNK_NO_END;
    chunk->has_slots = random_below(3) == 0;
    for (int row = first; row <= last; row++) {
        if (chunk->has_slots && random_below(sparse) > 0)
            continue;
        random->covers[row] = true;
        slots[chunk->slot_count++] = (uint32_t)(entities[row] / FIXTURE_PARTITIONS);
    }
    chunk->slots = slots;
    chunk->slot_count = chunk->has_slots ? chunk->slot_count : 0;
}

static void
random_fields(struct arena *arena, struct naive_chunk *random)
{
    struct text *fields = arena_alloc(arena, (NAIVE_FIELDS + 1) * sizeof *fields);
    uint64_t most = random_below(4);
    for (int field = 0; field <= NAIVE_UNKNOWN; field++) {
        random->names[field] = random_below(4) >= most;
        if (random->names[field])
            fields[random->chunk.field_count++] = text_of(naive_field_names[field]);
    }
    random->chunk.fields = fields;
}

static void
random_alive(const int64_t *entities, int row_count, struct arena *arena,
             struct naive_chunk *random)
{
    uint32_t *alive = arena_alloc(arena, (size_t)row_count * sizeof *alive);
    for (int row = 0; random->chunk.states_alive && row < row_count; row++) {
        if (random->covers[row] && random->wanted[row].alive)
            alive[random->chunk.alive_count++] = (uint32_t)(entities[row] / FIXTURE_PARTITIONS);
    }
    random->chunk.alive = alive;
}

void
naive_random_chunk(const struct naive_row *rows, const int64_t *entities, int row_count,
                   struct arena *arena, struct naive_chunk *random)
{
    *random = (struct naive_chunk){.chunk = {.states_alive = random_below(2) == 0}};
    random->covers = arena_alloc(arena, (size_t)row_count * sizeof *random->covers);
    random->wanted = arena_alloc(arena, (size_t)row_count * sizeof *random->wanted);
    memset(random->covers, 0, (size_t)row_count * sizeof *random->covers);
    random_scope(entities, row_count, arena, random);
    random_fields(arena, random);
    random_states(rows, row_count, random);
    random_columns(entities, row_count, arena, random);
    random_alive(entities, row_count, arena, random);
}
