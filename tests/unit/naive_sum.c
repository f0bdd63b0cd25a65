#include "tests/unit/naive_sum.h"

#include "tests/unit/engine_fixture.h"

static int64_t
hash_number(int64_t id, int64_t number)
{
    const struct sum_seed seed = sum_hash_seed(number);
    return sum_hash_int(&seed, id);
}

static void
row_sum(const struct naive_row *row, int64_t id, int field, struct hash_sum *sum)
{
    if (field == NAIVE_FIELDS)
        hash_sum_add(sum, hash_number(id, 1));
    for (int tag = 0; field == NAIVE_TAG_IDS && tag < NAIVE_TAGS; tag++)
        if (row->tags[tag])
            hash_sum_add(sum, hash_number(id, naive_tags[tag]));
    if (field == NAIVE_TAG_IDS || field == NAIVE_FIELDS || !row->has[field])
        return;
    if (field == NAIVE_TYPE)
        hash_sum_add(sum, sum_hash_text(text_of(naive_strings[row->values[field]]), id));
    else
        hash_sum_add(sum, hash_number(id, row->values[field]));
}

struct hash_sum
naive_sum(const struct naive_source *source, int field, int64_t begin, int64_t end)
{
    struct hash_sum sum = {0};
    for (int row = 0; row < source->count; row++) {
        int64_t id = source->entities[row];
        if (source->rows[row].alive && id >= begin && id < end)
            row_sum(&source->rows[row], id, field, &sum);
    }
    return sum;
}

/* --- the chunk ------------------------------------------------------------------------------- */

static const struct text all_names[NAIVE_FIELDS_WRITTEN] = {
    TEXT("nsfwLevel"), TEXT("postId"), TEXT("tagIds"),    TEXT("hasMeta"),    TEXT("type"),
    TEXT("score"),     TEXT("rank"),   TEXT("existedAt"), TEXT("publishedAt")};

static uint32_t
row_numbers(const struct naive_row *row, int field, int64_t numbers[NAIVE_TAGS])
{
    uint32_t count = 0;
    for (int tag = 0; field == NAIVE_TAG_IDS && tag < NAIVE_TAGS; tag++)
        if (row->tags[tag])
            numbers[count++] = naive_tags[tag];
    if (field != NAIVE_TAG_IDS && row->has[field])
        numbers[count++] = row->values[field];
    return count;
}

static struct chunk_column
whole_column(const struct naive_source *source, int field, struct arena *arena)
{
    size_t room = (size_t)source->count * NAIVE_TAGS;
    uint32_t *slots = arena_alloc(arena, room * sizeof *slots);
    int64_t *values = arena_alloc(arena, room * sizeof *values);
    struct text *strings = arena_alloc(arena, NAIVE_STRINGS * sizeof *strings);
    struct chunk_column column = {.field = all_names[field], .slots = slots, .integers = values};
    for (int row = 0; row < source->count; row++) {
        int64_t numbers[NAIVE_TAGS];
        uint32_t count = row_numbers(&source->rows[row], field, numbers);
        for (uint32_t i = 0; i < count; i++) {
            slots[column.count] = (uint32_t)(source->entities[row] / FIXTURE_PARTITIONS);
            values[column.count++] = numbers[i];
        }
    }
    column.kind = field == NAIVE_META ? CHUNK_BOOLEANS : CHUNK_INTEGERS;
    if (field != NAIVE_TYPE)
        return column;
    for (int i = 0; i < NAIVE_STRINGS; i++)
        strings[i] = text_of(naive_strings[i]);
    column.kind = CHUNK_STRINGS;
    column.strings = strings;
    column.string_count = NAIVE_STRINGS;
    return column;
}

void
naive_whole_chunk(const struct naive_source *source, struct arena *arena, struct chunk *chunk)
{
    uint32_t *alive = arena_alloc(arena, (size_t)source->count * sizeof *alive);
    struct chunk_column *columns = arena_alloc(arena, NAIVE_FIELDS_WRITTEN * sizeof *columns);
    *chunk = (struct chunk){
        .purpose = CHUNK_CHECK,
        .end = CHUNK_NO_END,
        .fields = all_names,
        .field_count = NAIVE_FIELDS_WRITTEN,
        .states_alive = true,
        .alive = alive,
        .columns = columns,
    };
    for (int row = 0; row < source->count; row++)
        if (source->rows[row].alive)
            alive[chunk->alive_count++] = (uint32_t)(source->entities[row] / FIXTURE_PARTITIONS);
    for (int field = 0; field < NAIVE_FIELDS_WRITTEN; field++) {
        columns[chunk->column_count] = whole_column(source, field, arena);
        chunk->column_count += columns[chunk->column_count].count > 0;
    }
}
