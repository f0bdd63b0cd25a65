#include "bench/engine_chunk.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/entities.h"
#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/engine_chunk.h"
#include "consumer/engine/engine_compare.h"
#include "consumer/engine/engine_sum.h"

enum { CHUNK_IDS = 16384, RANGE_IDS = 65536 };

/* What a chunk names: the sources of the gallery. */
struct source {
    const char *name;
    int first_field;
    int last_field;
    bool alive;
};

static const struct source sources[] = {
    {"images", LEVEL, POI, true},
    {"times", EXISTED_AT, PUBLISHED_AT, false},
    {"tags", TAG_IDS, TAG_IDS, false},
    {"tools, versions", TOOL_IDS, VERSION_IDS, false},
    {"all of them", LEVEL, PUBLISHED_AT, true},
};

enum { SOURCES = sizeof sources / sizeof sources[0] };

static int
number_compare(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static enum chunk_values
field_kind(int field)
{
    switch (value_of(field, 0).kind) {
    case VALUE_STRING:
        return CHUNK_STRINGS;
    case VALUE_BOOLEAN:
        return CHUNK_BOOLEANS;
    default:
        return CHUNK_INTEGERS;
    }
}

/* The column of one field of the entities from `begin` to `end`; `shift` changes the values. */
static void
make_column(int field, uint64_t begin, uint64_t end, uint64_t shift, struct arena *arena,
            struct chunk_column *column)
{
    int64_t values[SETS_MAX];
    uint32_t *slots = arena_alloc(arena, (end - begin) * SETS_MAX * sizeof *slots);
    int64_t *integers = arena_alloc(arena, (end - begin) * SETS_MAX * sizeof *integers);
    struct text *strings = arena_alloc(arena, text_count(field) * sizeof *strings);
    *column = (struct chunk_column){.field = text_of(field_name(field)), .kind = field_kind(field)};
    for (uint64_t id = begin; id < end; id++) {
        uint32_t count = entity_values(field, id + shift, values);
        qsort(values, count, sizeof *values, number_compare);
        for (uint32_t i = 0; i < count; i++) {
            if (i > 0 && values[i] == values[i - 1])
                continue;
            slots[column->count] = (uint32_t)id;
            integers[column->count++] = values[i];
        }
    }
    for (; column->string_count < text_count(field); column->string_count++)
        strings[column->string_count] = value_of(field, column->string_count).string;
    column->slots = slots;
    column->integers = integers;
    column->strings = strings;
}

static void
make_chunk(const struct source *source, uint64_t begin, uint64_t shift, struct arena *arena,
           struct chunk *chunk)
{
    uint64_t end = begin + CHUNK_IDS < entities ? begin + CHUNK_IDS : entities;
    struct text *fields = arena_alloc(arena, FIELDS * sizeof *fields);
    struct chunk_column *columns = arena_alloc(arena, FIELDS * sizeof *columns);
    uint32_t *alive = arena_alloc(arena, (end - begin) * sizeof *alive);
    *chunk = (struct chunk){.begin = (int64_t)begin, .end = (int64_t)end};
    for (int field = source->first_field; field <= source->last_field; field++) {
        make_column(field, begin, end, shift, arena, &columns[chunk->column_count++]);
        fields[chunk->field_count++] = text_of(field_name(field));
    }
    for (uint64_t id = begin; source->alive && id < end; id++)
        alive[chunk->alive_count++] = (uint32_t)id;
    chunk->states_alive = source->alive;
    chunk->alive = alive;
    chunk->fields = fields;
    chunk->columns = columns;
}

/* How long readers wait. */
struct turns {
    double begin_us;
    double longest_us;
};

static void
end_turn(void *context)
{
    struct turns *turns = context;
    double now_us = cpu_us();
    if (now_us - turns->begin_us > turns->longest_us)
        turns->longest_us = now_us - turns->begin_us;
    turns->begin_us = cpu_us();
}

static void
fail_reject(void *context, const struct engine_reject *reject)
{
    (void)context;
    fprintf(stderr, "bench_engine: %s\n", reject->reason);
    exit(1);
}

/* Loads one source of all entities. */
static void
bench_source(struct engine *engine, const struct source *source, uint64_t shift, const char *state)
{
    static const struct engine_rejects rejects = {.take = fail_reject};
    struct arena arena;
    struct error err;
    double prepare_us = 0, apply_us = 0, values = 0;
    struct turns turns = {0};
    const struct engine_yield yield = {end_turn, &turns};
    arena_init(&arena);
    for (uint64_t begin = 0; begin < entities; begin += CHUNK_IDS) {
        struct chunk chunk;
        arena_reset(&arena);
        make_chunk(source, begin, shift, &arena, &chunk);
        double start = cpu_us();
        CHECK(engine_check_chunk(engine, &chunk, &err) == 0);
        engine_prepare_chunk(engine, &chunk, &arena, &rejects);
        double prepared = cpu_us();
        turns.begin_us = prepared;
        engine_apply_chunk(engine, &chunk, &yield);
        double applied = cpu_us();
        prepare_us += prepared - start;
        apply_us += applied - prepared;
        for (uint32_t i = 0; i < chunk.column_count; i++)
            values += chunk.columns[i].count;
    }
    double chunks = (double)((entities + CHUNK_IDS - 1) / CHUNK_IDS);
    printf("%-16s %-10s %9.0f %9.2f %9.2f %9.2f %9.1f\n", source->name, state, values / chunks,
           prepare_us / chunks / 1e3, apply_us / chunks / 1e3, turns.longest_us / 1e3,
           values / (prepare_us + apply_us));
    arena_free(&arena);
}

/* Sums of ranges, as `verify` and the patrol ask for them. */
static void
bench_sums(const struct engine *engine, uint64_t range_ids)
{
    struct engine_field_sum sums[FIELDS + 1];
    double values = 0, ranges = 0;
    double begin_us = cpu_us();
    for (uint64_t begin = 0; begin < entities; begin += range_ids, ranges++) {
        engine_sum_range(engine, (int64_t)begin, (int64_t)(begin + range_ids), sums, NULL);
        for (int field = 0; field <= FIELDS; field++) {
            CHECK(!sums[field].is_damaged);
            values += (double)sums[field].sum.count;
        }
    }
    double spent_us = cpu_us() - begin_us;
    printf("%-16s %-10s %9.0f %9s %9.2f %9s %9.1f\n", "all fields", "sum", values / ranges, "",
           spent_us / ranges / 1e3, "", values / spent_us);
}

/* Check chunks that agree with the index. */
static void
bench_comparison(const struct engine *engine)
{
    static const struct engine_rejects rejects = {.take = fail_reject};
    struct engine_comparison comparison = {.listed_max = 0};
    struct arena arena;
    double values = 0, chunks = 0, spent_us = 0;
    arena_init(&arena);
    for (uint32_t field = 0; field < FIELDS; field++)
        field_set_add(&comparison.fields, field);
    field_set_add(&comparison.fields, FIELD_ALIVE);
    for (uint64_t begin = 0; begin < entities; begin += CHUNK_IDS, chunks++) {
        struct chunk chunk;
        arena_reset(&arena);
        make_chunk(&sources[SOURCES - 1], begin, 0, &arena, &chunk);
        engine_prepare_chunk(engine, &chunk, &arena, &rejects);
        double begin_us = cpu_us();
        engine_compare_chunk(engine, &chunk, &comparison, NULL);
        spent_us += cpu_us() - begin_us;
        CHECK(comparison.total == 0);
        for (uint32_t i = 0; i < chunk.column_count; i++)
            values += chunk.columns[i].count;
    }
    printf("%-16s %-10s %9.0f %9s %9.2f %9s %9.1f\n", "all of them", "compare", values / chunks, "",
           spent_us / chunks / 1e3, "", values / spent_us);
    arena_free(&arena);
}

static void
bench_rows(void)
{
    struct engine *engine = engine_open(&index_config);
    int64_t values[SETS_MAX];
    double count = 0;
    double begin = cpu_us();
    engine_begin_rows(engine);
    for (uint64_t id = 0; id < entities; id++)
        load_entity(engine, id);
    engine_end_rows(engine);
    double spent = cpu_us() - begin;
    for (uint64_t id = 0; id < entities; id++) {
        for (int field = 0; field < FIELDS; field++)
            count += entity_values(field, id, values);
    }
    printf("row by row: %.0f entities/s, %.1f M values/s\n", (double)entities / spent * 1e6,
           count / spent);
    engine_destroy(engine);
}

void
bench_chunks(void)
{
    printf("\nchunks of %d entities          values   prepare     apply   longest\n", CHUNK_IDS);
    printf("%-27s %9s %9s %9s %9s %9s\n", "", "a chunk", "ms", "ms", "ms", "M/s");
    struct engine *engine = engine_open(&index_config);
    for (int i = 0; i < SOURCES - 1; i++)
        bench_source(engine, &sources[i], 0, "empty");
    for (int i = 0; i < SOURCES - 1; i++)
        bench_source(engine, &sources[i], 0, "equal");
    for (int i = 0; i < SOURCES - 1; i++)
        bench_source(engine, &sources[i], 1, "different");
    engine_destroy(engine);
    engine = engine_open(&index_config);
    bench_source(engine, &sources[SOURCES - 1], 0, "empty");
    bench_source(engine, &sources[SOURCES - 1], 0, "equal");
    bench_sums(engine, RANGE_IDS);
    bench_sums(engine, entities);
    bench_comparison(engine);
    engine_destroy(engine);
    bench_rows();
}
