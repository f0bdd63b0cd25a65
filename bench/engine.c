/* What the engine costs, on entities like those of the gallery: memory, its image, changes,
 * fan-outs, queries.
 *
 *     bench_engine [ENTITIES]          default 2000000
 *     bench_engine chunk [ENTITIES]    loading by chunks, against loading by rows
 *
 * Prints tables. Times are CPU times, and rates are medians of chunks. Every query is computed,
 * since the engine has no cache of results. "bare" is the least that the task needs, done with
 * CRoaring alone. The entities are the same in every run.
 */
#include <malloc.h>
#include <math.h>
#include <roaring/roaring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/engine_chunk.h"
#include "bench/entities.h"
#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/engine.h"

enum { CHUNKS = 11, SAMPLES = 300, PAGE = 50 };
enum { LONG_LIST = 5000, LONG_PAGE = 10000 };

static int
double_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Sorts the samples. */
static double
percentile(double *samples, int count, double part)
{
    qsort(samples, (size_t)count, sizeof *samples, double_compare);
    return samples[(int)(part * (count - 1) + 0.5)];
}

/* --- loading and memory ---------------------------------------------------------------------- */

static double
resident_bytes(void)
{
    long pages = 0, ignored;
    malloc_trim(0);
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &ignored, &pages) != 2)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* (value, slot) pairs of one field, to be sorted. */
struct kv {
    int64_t value;
    uint32_t slot;
};

static int
pair_compare(const void *left, const void *right)
{
    const struct kv *a = left, *b = right;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return (a->slot > b->slot) - (a->slot < b->slot);
}

static double
serialized_bytes(const uint32_t *slots, size_t count)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_of_ptr(count, slots);
    roaring_bitmap_run_optimize(bitmap);
    double bytes = (double)roaring_bitmap_portable_size_in_bytes(bitmap);
    roaring_bitmap_free(bitmap);
    return bytes;
}

static double
bare_slices_bytes(const struct kv *pairs, size_t count, uint32_t *slots)
{
    double bytes = 0;
    for (int bit = 0; bit < 32; bit++) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            if (pairs[i].value >> bit & 1)
                slots[kept++] = pairs[i].slot;
        }
        bytes += serialized_bytes(slots, kept);
    }
    return bytes;
}

static double
bare_postings_bytes(struct kv *pairs, size_t count, uint32_t *slots)
{
    double bytes = 0;
    qsort(pairs, count, sizeof *pairs, pair_compare);
    for (size_t first = 0; first < count;) {
        size_t kept = 0;
        int64_t value = pairs[first].value;
        for (; first < count && pairs[first].value == value; first++)
            slots[kept++] = pairs[first].slot;
        bytes += serialized_bytes(slots, kept);
    }
    return bytes;
}

/* The least that a field needs: its bitmaps serialized, and its values packed into bits. */
static double
bare_field_bytes(int field)
{
    size_t count = 0, capacity = 1 << 20;
    int64_t values[SETS_MAX], greatest = 0;
    struct kv *pairs = memory_alloc(capacity * sizeof *pairs);
    for (uint64_t id = 0; id < entities; id++) {
        uint32_t more = entity_values(field, id, values);
        if (count + more > capacity)
            pairs = memory_realloc(pairs, (capacity *= 2) * sizeof *pairs);
        for (uint32_t i = 0; i < more; i++) {
            pairs[count++] = (struct kv){values[i], (uint32_t)id};
            greatest = values[i] > greatest ? values[i] : greatest;
        }
    }
    uint32_t *slots = memory_alloc(count * sizeof *slots);
    double bits = ceil(log2((double)greatest + 1));
    double bytes = field == HAS_META || field == POI ? 0 : (double)count * bits / 8;
    bytes += field < EXISTED_AT ? bare_postings_bytes(pairs, count, slots)
                                : bare_slices_bytes(pairs, count, slots);
    free(pairs);
    free(slots);
    return bytes;
}

static void
print_memory(const struct engine *engine, double loaded, double optimized)
{
    double sum = 0, bare_sum = 0, bare_existed = 0;
    struct engine_field_stats stats;
    printf("\nmemory, bytes per entity    values    engine      bare   ratio\n");
    for (int field = 0; field < FIELDS; field++) {
        engine_read_field_stats(engine, (uint32_t)field, &stats);
        /* a computed field needs about as much as its source */
        double bare = field == SORT_AT ? bare_existed : bare_field_bytes(field) / (double)entities;
        bare_existed = field == EXISTED_AT ? bare : bare_existed;
        double own = (double)stats.memory_bytes / (double)entities;
        printf("%-22s %11llu %9.2f %9.2f %7.2f\n", field_name(field),
               (unsigned long long)stats.values, own, bare, own / bare);
        sum += own;
        bare_sum += bare;
    }
    printf("%-34s %9.2f %9.2f %7.2f\n", "all fields", sum, bare_sum, sum / bare_sum);
    printf("%-34s %9.2f %9.2f %7.2f\n", "RSS, loaded", loaded / (double)entities, bare_sum,
           loaded / (double)entities / bare_sum);
    printf("%-34s %9.2f %9.2f %7.2f\n", "RSS, optimized", optimized / (double)entities, bare_sum,
           optimized / (double)entities / bare_sum);
}

static struct engine *
bench_load(void)
{
    double before = resident_bytes();
    struct engine *engine = engine_open(&index_config);
    double begin = cpu_us();
    engine_begin_rows(engine);
    for (uint64_t id = 0; id < entities; id++)
        load_entity(engine, id);
    engine_end_rows(engine);
    printf("load: %.0f entities/s\n", (double)entities / (cpu_us() - begin) * 1e6);
    double loaded = resident_bytes() - before;
    begin = cpu_us();
    engine_optimize(engine);
    printf("engine_optimize: %.0f ms\n", (cpu_us() - begin) / 1e3);
    print_memory(engine, loaded, resident_bytes() - before);
    return engine;
}

/* --- changes --------------------------------------------------------------------------------- */

enum { KIND_ADD_TAG = FIELDS, KIND_REMOVE_TAG, KIND_MIXED, KINDS };

static struct op
random_change(int kind, uint64_t random, uint64_t *id)
{
    int64_t values[SETS_MAX];
    *id = mix(random) % entities;
    while (kind == KIND_MIXED || kind == SORT_AT)
        kind = (int)(mix(random += FIELDS) % KIND_MIXED);
    if (kind == KIND_ADD_TAG || kind == KIND_REMOVE_TAG) {
        bool add = kind == KIND_ADD_TAG;
        entity_values(TAG_IDS, add ? random % entities : *id, values);
        struct op op = set_op(TAG_IDS, values[random % 10]);
        op.kind = add ? OP_ADD : OP_REMOVE;
        return op;
    }
    if (entity_values(kind, random % entities, values) == 0)
        return (struct op){.kind = OP_SET, .field = text_of(field_name(kind))};
    return set_op(kind, values[0]);
}

static void
bench_change(struct engine *engine, int kind, const char *name)
{
    enum { EVENTS = 20000 };
    double rates[CHUNKS];
    struct op *changes = memory_alloc(EVENTS * sizeof *changes);
    uint64_t *ids = memory_alloc(EVENTS * sizeof *ids);
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        for (int i = 0; i < EVENTS; i++)
            changes[i] = random_change(
                kind, mix((uint64_t)(chunk * KINDS + kind) * EVENTS + (uint64_t)i), &ids[i]);
        double begin = cpu_us();
        engine_begin_rows(engine);
        for (int i = 0; i < EVENTS; i++)
            engine_apply_row(engine, (int64_t)ids[i], &(struct ops){&changes[i], 1});
        engine_end_rows(engine);
        rates[chunk] = EVENTS / (cpu_us() - begin);
    }
    printf("%-34s %9.2f M/s\n", name, percentile(rates, CHUNKS, 0.5));
    free(changes);
    free(ids);
}

static void
bench_changes(struct engine *engine)
{
    printf("\nchanges of one op, at random entities\n");
    bench_change(engine, LEVEL, "set nsfwLevel");
    bench_change(engine, AVAILABILITY, "set availability");
    bench_change(engine, HAS_META, "set hasMeta");
    bench_change(engine, USER, "set userId");
    bench_change(engine, EXISTED_AT, "set existedAt (and sortAt)");
    bench_change(engine, TAG_IDS, "set tagIds to one");
    bench_change(engine, KIND_ADD_TAG, "add a tag");
    bench_change(engine, KIND_REMOVE_TAG, "remove a tag");
    bench_change(engine, KIND_MIXED, "mixed");
}

static void
bench_delete(struct engine *engine, uint64_t count, uint64_t first)
{
    struct op op = {.kind = OP_DELETE};
    double begin = cpu_us();
    for (uint64_t i = 0; i < count; i++)
        engine_apply_row(engine, (int64_t)((first + i * 7) % entities), &(struct ops){&op, 1});
    double masked = cpu_us() - begin;
    engine_sweep(engine);
    double spent = cpu_us() - begin;
    printf("%-34llu %9.3f ms %9.3f ms swept %9.2f us per slot\n", (unsigned long long)count,
           masked / 1e3, spent / 1e3, spent / (double)count);
    for (uint64_t i = 0; i < count; i++)
        load_entity(engine, (first + i * 7) % entities);
}

static void
bench_deletes(struct engine *engine)
{
    printf("\ndeletes\n");
    bench_delete(engine, 1, 12345);
    bench_delete(engine, 1000, 23456);
    bench_delete(engine, 100000, 34567);
}

/* --- fan-outs -------------------------------------------------------------------------------- */

static void
apply_fan_out(struct engine *engine, const char *query, const struct op *nested)
{
    static struct arena arena;
    struct op op = {
        .kind = OP_FAN_OUT, .query = text_of(query), .nested = nested, .nested_count = 1};
    arena_reset(&arena);
    CHECK(engine_prepare_fan_out(engine, &op, &arena, NULL) == 0);
    engine_apply_fan_out(engine, &(struct ops){&op, 1});
}

/* --- queries --------------------------------------------------------------------------------- */

/* A query of the mix; values that differ from sample to sample come from `random`. */
struct shape {
    const char *name;
    const char *sort; /* NULL: by id */
    uint64_t limit;
    bool level;  /* nsfwLevel in [1, 2, 4] */
    bool tag;    /* a tag, by its frequency */
    bool user;   /* one user */
    bool plain;  /* type, and not poi */
    bool recent; /* existedAt above a time */
    bool deep;   /* after a cursor in the middle of the order */
    bool ascending;
};

static const struct shape shapes[] = {
    {.name = "level, by id", .limit = PAGE, .level = true},
    {.name = "tag, by id", .limit = PAGE, .tag = true},
    {.name = "tag and level, by id", .limit = PAGE, .tag = true, .level = true},
    {.name = "level, count only", .limit = 0, .level = true},
    {.name = "recent, count only", .limit = 0, .recent = true},
    {.name = "all, by sortAt", .sort = "sortAt", .limit = PAGE},
    {.name = "all, by sortAt ascending", .sort = "sortAt", .limit = PAGE, .ascending = true},
    {.name = "level, by sortAt", .sort = "sortAt", .limit = PAGE, .level = true},
    {.name = "level, by sortAt, deep",
     .sort = "sortAt",
     .limit = PAGE,
     .level = true,
     .deep = true},
    {.name = "level and plain, by sortAt",
     .sort = "sortAt",
     .limit = PAGE,
     .level = true,
     .plain = true},
    {.name = "recent and level, by existedAt",
     .sort = "existedAt",
     .limit = PAGE,
     .recent = true,
     .level = true},
    {.name = "tag, by sortAt", .sort = "sortAt", .limit = PAGE, .tag = true},
    {.name = "tag, level, plain, by sortAt",
     .sort = "sortAt",
     .limit = PAGE,
     .tag = true,
     .level = true,
     .plain = true},
    {.name = "user, by sortAt", .sort = "sortAt", .limit = PAGE, .user = true},
};

struct clauses {
    struct filter items[8];
    struct value values[8];
    uint32_t count;
};

static void
add_clause(struct clauses *clauses, enum filter_kind kind, int field, struct value value)
{
    uint32_t at = clauses->count++;
    clauses->values[at] = value;
    clauses->items[at] = (struct filter){.kind = kind,
                                         .field = text_of(field_name(field)),
                                         .values = &clauses->values[at],
                                         .count = 1};
}

static void
add_clauses(struct clauses *clauses, const struct shape *shape, uint64_t random)
{
    static const struct value levels[] = {{VALUE_INTEGER, {.integer = 1}},
                                          {VALUE_INTEGER, {.integer = 2}},
                                          {VALUE_INTEGER, {.integer = 4}}};
    if (shape->level) {
        add_clause(clauses, FILTER_IN, LEVEL, levels[0]);
        clauses->items[clauses->count - 1].values = levels;
        clauses->items[clauses->count - 1].count = 3;
    }
    if (shape->tag)
        add_clause(clauses, FILTER_EQ, TAG_IDS, value_of(TAG_IDS, skewed(random, TAGS)));
    if (shape->user)
        add_clause(clauses, FILTER_EQ, USER, value_of(USER, skewed(random, entities / 20 + 1)));
    if (shape->plain) {
        add_clause(clauses, FILTER_EQ, TYPE, value_of(TYPE, 0));
        add_clause(clauses, FILTER_NOT_EQ, POI, value_of(POI, 1));
    }
    if (shape->recent)
        add_clause(clauses, FILTER_GT, EXISTED_AT,
                   value_of(EXISTED_AT, NOW_S - (int64_t)(random % (entities * 20))));
}

static double
query_us(const struct engine *engine, const struct shape *shape, uint64_t random, uint64_t *total)
{
    struct clauses clauses = {.count = 0};
    struct engine_result result;
    struct error err;
    add_clauses(&clauses, shape, random);
    struct filter all = {.kind = FILTER_AND, .children = clauses.items, .count = clauses.count};
    struct engine_page_key key = {true, NOW_S - (int64_t)(random % (entities * 20)), 0};
    struct engine_query query = {
        .filter = &all,
        .sort_field = shape->sort != NULL ? text_of(shape->sort) : (struct text){0},
        .direction = shape->ascending ? ENGINE_ASCENDING : ENGINE_DESCENDING,
        .limit = shape->limit,
        .after = shape->deep ? &key : NULL,
    };
    double begin = cpu_us();
    if (engine_query(engine, &query, &result, &err) != 0) {
        fprintf(stderr, "engine: %s\n", err.message);
        exit(1);
    }
    double spent = cpu_us() - begin;
    *total += result.total_matched;
    engine_result_free(&result);
    return spent;
}

static void
bench_queries(const struct engine *engine)
{
    double samples[SAMPLES], everything[SAMPLES * sizeof shapes / sizeof shapes[0]];
    int count = 0;
    printf("\nqueries, us                              p50       p99   matched\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        uint64_t total = 0;
        for (int sample = 0; sample < SAMPLES; sample++) {
            samples[sample] =
                query_us(engine, &shapes[i], mix(i * SAMPLES + (uint64_t)sample), &total);
            everything[count++] = samples[sample];
        }
        double p50 = percentile(samples, SAMPLES, 0.5);
        printf("%-34s %9.1f %9.1f %9llu\n", shapes[i].name, p50, percentile(samples, SAMPLES, 0.99),
               (unsigned long long)(total / SAMPLES));
    }
    double p50 = percentile(everything, count, 0.5);
    printf("%-34s %9.1f %9.1f\n", "all of them", p50, percentile(everything, count, 0.99));
}

/* --- how long a writer waits ----------------------------------------------------------------- */

/* The steps of a query, between which it lets the writer in. */
struct steps {
    double begin_us;
    double longest_us;
};

static int
end_step(void *context, struct engine_watch *watch, struct error *err)
{
    struct steps *steps = context;
    double spent = cpu_us() - steps->begin_us;
    (void)watch;
    (void)err;
    steps->longest_us = spent > steps->longest_us ? spent : steps->longest_us;
    steps->begin_us = cpu_us();
    return 0;
}

static void
bench_steps(const struct engine *engine, const char *name, const struct filter *filter,
            const char *sort)
{
    struct steps steps = {.begin_us = cpu_us()};
    const struct engine_pause pause = {end_step, &steps};
    const struct engine_query query = {
        .filter = filter, .sort_field = text_of(sort), .limit = LONG_PAGE, .pause = &pause};
    struct engine_result result;
    struct error err;
    double begin = cpu_us();
    if (engine_query(engine, &query, &result, &err) != 0) {
        fprintf(stderr, "engine: %s\n", err.message);
        exit(1);
    }
    double last = cpu_us() - steps.begin_us, whole = cpu_us() - begin;
    printf("%-34s %9.1f %9.1f %9.1f %9llu\n", name, whole / 1e3, steps.longest_us / 1e3, last / 1e3,
           (unsigned long long)result.total_matched);
    engine_result_free(&result);
}

static void
bench_heavy_queries(const struct engine *engine)
{
    static struct value tags[LONG_LIST], users[LONG_LIST];
    static struct filter leaves[LONG_LIST], others[LONG_LIST];
    const struct value time = value_of(EXISTED_AT, NOW_S - (int64_t)entities * 10);
    struct filter list = {.kind = FILTER_IN, .field = text_of(field_name(TAG_IDS))};
    struct filter any = {.kind = FILTER_OR, .children = others, .count = LONG_LIST};
    struct filter range = {
        .kind = FILTER_GT, .field = text_of(field_name(EXISTED_AT)), .values = &time, .count = 1};
    list.values = tags;
    list.count = LONG_LIST;
    for (int i = 0; i < LONG_LIST; i++) {
        tags[i] = value_of(TAG_IDS, i + 1);
        users[i] = value_of(USER, i + 1);
        leaves[i] = (struct filter){
            .kind = FILTER_EQ, .field = text_of(field_name(USER)), .values = &users[i], .count = 1};
        others[i] = (struct filter){.kind = FILTER_NOT, .children = &leaves[i], .count = 1};
    }
    printf("\nheavy queries, ms                      whole   longest last step   matched\n");
    bench_steps(engine, "in 5000 tags, by sortAt", &list, "sortAt");
    bench_steps(engine, "5000 times not a user, by sortAt", &any, "sortAt");
    bench_steps(engine, "a range, by existedAt", &range, "existedAt");
    bench_steps(engine, "all, by publishedAt", NULL, "publishedAt");
}

/* Matches one entity in 20, or the others. */
static void
bench_values_fan_out(struct engine *engine, const char *name, const char *type, struct op nested)
{
    char query[40];
    uint64_t slots = 0;
    struct engine_result result;
    const struct value value = {.kind = VALUE_STRING, .string = text_of(type)};
    const struct filter of_type = {
        .kind = FILTER_EQ, .field = text_of(field_name(TYPE)), .values = &value, .count = 1};
    if (engine_query(engine, &(struct engine_query){.filter = &of_type}, &result, NULL) == 0)
        slots = result.total_matched;
    snprintf(query, sizeof query, "type eq %s", type);
    double begin = cpu_us();
    apply_fan_out(engine, query, &nested);
    double spent = cpu_us() - begin;
    printf("%-34s %9llu %9.1f ms %9.3f us per slot\n", name, (unsigned long long)slots, spent / 1e3,
           spent / (double)slots);
    engine_result_free(&result);
}

static void
bench_values_fan_outs(struct engine *engine)
{
    struct op tag = set_op(TAG_IDS, TAGS / 2);
    struct op time = set_op(EXISTED_AT, NOW_S);
    printf("\nfan-outs into fields with a different value in each slot\n");
    tag.kind = OP_ADD;
    bench_values_fan_out(engine, "add a tag, to few", "video", tag);
    bench_values_fan_out(engine, "add a tag, to most", "image", tag);
    tag.kind = OP_REMOVE;
    bench_values_fan_out(engine, "remove it, from few", "video", tag);
    bench_values_fan_out(engine, "remove it, from most", "image", tag);
    bench_values_fan_out(engine, "set existedAt (and sortAt), of few", "video", time);
    bench_values_fan_out(engine, "set existedAt (and sortAt), of most", "image", time);
    time.value.kind = VALUE_NULL;
    bench_values_fan_out(engine, "clear existedAt, of few", "video", time);
    bench_values_fan_out(engine, "clear existedAt, of most", "image", time);
}

/* --- the image ------------------------------------------------------------------------------- */

static void
take_state(void *context, const void *data, size_t bytes)
{
    buffer_append(context, data, bytes);
}

/* As much as a block of a checkpoint has. */
static int
give_state(void *context, struct text *data, struct error *err)
{
    enum { BLOCK_BYTES = 1 << 20 };
    struct text *left = context;
    if (left->bytes == 0)
        return error_set(err, ERR_DATA, "ends early");
    *data = (struct text){left->data, left->bytes < BLOCK_BYTES ? left->bytes : BLOCK_BYTES};
    *left = (struct text){left->data + data->bytes, left->bytes - data->bytes};
    return 0;
}

static void
bench_state(const struct engine *engine)
{
    struct buffer bytes = {0};
    const struct image_sink sink = {&bytes, take_state};
    double begin = cpu_us();
    engine_save(engine, &sink);
    double saved = cpu_us();
    struct text left = {(const char *)bytes.data, bytes.bytes};
    const struct image_source source = {&left, give_state};
    struct engine *loaded = engine_open(&index_config);
    struct error err;
    double before = cpu_us();
    if (engine_load(loaded, &source, &err) != 0)
        fprintf(stderr, "engine: %s\n", err.message);
    printf("\nimage: %.1f bytes per entity; saved in %.0f ms, loaded in %.0f ms\n",
           (double)bytes.bytes / (double)entities, (saved - begin) / 1e3,
           (cpu_us() - before) / 1e3);
    engine_destroy(loaded);
    buffer_free(&bytes);
}

int
main(int argc, char **argv)
{
    bool chunks = argc > 1 && strcmp(argv[1], "chunk") == 0;
    if (argc > 1 + chunks)
        entities = strtoull(argv[1 + chunks], NULL, 10);
    if (argc > 2 + chunks || entities == 0) {
        fprintf(stderr, "usage: bench_engine [chunk] [ENTITIES]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%llu entities\n", (unsigned long long)entities);
    if (chunks) {
        bench_chunks();
        return 0;
    }
    struct engine *engine = bench_load();
    bench_state(engine);
    bench_queries(engine);
    bench_heavy_queries(engine);
    bench_changes(engine);
    bench_deletes(engine);
    bench_values_fan_outs(engine);
    engine_destroy(engine);
    return 0;
}
