/* What a fan-out over many slots costs, compared with the bitmaps and bytes that it changes.
 *
 *     bench_fan_out RUNS [SLOTS]      default 10000000
 *
 * A fan-out changes half of the slots, spread at random, and every second one another half, so that
 * it changes a part of what the one before has set. Bare: CRoaring's `or` into every bitmap
 * and slice that gains these slots, and `andnot` from every one that loses them; and a copy of the
 * bytes that change in the columns. A line for each run: milliseconds of processor time, ours and
 * bare, for a string, for a source of a computed field, for a tag.
 */
#include <roaring/roaring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/entities.h"
#include "common/base/check.h"
#include "common/base/memory.h"

/* Of the bytes of the values that change: the string is one of three; a time has 4 bytes, in the
 * source and in the computed field; a list of tags gains 4. */
enum { STRING_BYTES = 1, TIME_BYTES = 4, TAG_BYTES = 4, TIME_SLICES = 31, HALVES = 2 };

enum kind { KIND_STRING, KIND_SOURCE, KIND_TAG, KIND_COUNT };

struct bench {
    uint32_t slots;
    struct engine *engine;
    roaring_bitmap_t *halves[HALVES];
    const roaring_bitmap_t *matched; /* by the present fan-out: one of them */
    uint32_t matched_count;
    roaring_bitmap_t *slices[TIME_SLICES]; /* random halves: like those of a time */
    roaring_bitmap_t *none;
    uint8_t *column;
    uint8_t *values;
};

static bool
is_in_half(uint32_t slot, uint64_t number)
{
    return mix(slot + (number << 32)) & 1;
}

static roaring_bitmap_t *
random_half(uint32_t slots, uint64_t number)
{
    roaring_bitmap_t *half = roaring_bitmap_create();
    for (uint32_t slot = 0; slot < slots; slot++)
        if (is_in_half(slot, number))
            roaring_bitmap_add(half, slot);
    return half;
}

static void
bench_fill(struct bench *bench)
{
    bench->engine = engine_open(&index_config);
    engine_begin_rows(bench->engine);
    for (uint32_t id = 0; id < bench->slots; id++) {
        const struct op ops[] = {
            {.kind = OP_ALIVE},
            set_op(HAS_META, is_in_half(id, 0)),
            set_op(POI, is_in_half(id, 1)),
            set_op(AVAILABILITY, 1),
            set_op(TAG_IDS, 1 + id % 100),
            set_op(EXISTED_AT, NOW_S - (int64_t)(mix(id) % 100000000)),
        };
        engine_apply_row(bench->engine, id, &(struct ops){ops, sizeof ops / sizeof ops[0]});
    }
    engine_end_rows(bench->engine);
    for (int i = 0; i < HALVES; i++)
        bench->halves[i] = random_half(bench->slots, (uint64_t)i);
    for (int i = 0; i < TIME_SLICES; i++)
        bench->slices[i] = random_half(bench->slots, (uint64_t)i + HALVES);
    bench->none = roaring_bitmap_create();
    bench->column = memory_alloc((size_t)bench->slots * 2 * TIME_BYTES);
    bench->values = memory_alloc((size_t)bench->slots * 2 * TIME_BYTES);
    memset(bench->values, 1, (size_t)bench->slots * 2 * TIME_BYTES);
    memset(bench->column, 0, (size_t)bench->slots * 2 * TIME_BYTES);
}

static double
own_ms(struct bench *bench, enum kind kind, int run)
{
    static struct arena arena;
    struct op nested = set_op(AVAILABILITY, run % 3);
    if (kind == KIND_SOURCE)
        nested = set_op(EXISTED_AT, NOW_S - 12345 * (run + 1));
    if (kind == KIND_TAG) {
        nested = set_op(TAG_IDS, TAGS - run);
        nested.kind = OP_ADD;
    }
    struct op op = {
        .kind = OP_FAN_OUT, .query = TEXT("hasMeta eq true"), .nested = &nested, .nested_count = 1};
    arena_reset(&arena);
    CHECK(engine_prepare_fan_out(bench->engine, &op, &arena, NULL) == 0);
    double begin = cpu_us();
    engine_apply_fan_out(bench->engine, &(struct ops){&op, 1});
    return (cpu_us() - begin) / 1e3;
}

/* One bitmap gains the slots, another one loses them. */
static void
bare_string(struct bench *bench)
{
    roaring_bitmap_or_inplace(bench->none, bench->matched);
    roaring_bitmap_andnot_inplace(bench->slices[0], bench->matched);
    memcpy(bench->column, bench->values, (size_t)bench->matched_count * STRING_BYTES);
}

/* Of the source and of the computed field. Half of the slices gain the slots. */
static void
bare_source(struct bench *bench, int run)
{
    for (int field = 0; field < 2; field++)
        for (int i = 0; i < TIME_SLICES; i++) {
            if ((i + run + field) % 2 == 0)
                roaring_bitmap_or_inplace(bench->slices[i], bench->matched);
            else
                roaring_bitmap_andnot_inplace(bench->slices[i], bench->matched);
        }
    memcpy(bench->column, bench->values, (size_t)bench->matched_count * TIME_BYTES * 2);
}

static void
bare_tag(struct bench *bench)
{
    roaring_bitmap_or_inplace(bench->none, bench->matched);
    memcpy(bench->column, bench->values, (size_t)bench->matched_count * TAG_BYTES);
}

static double
bare_ms(struct bench *bench, enum kind kind, int run)
{
    roaring_bitmap_clear(bench->none);
    double begin = cpu_us();
    if (kind == KIND_STRING)
        bare_string(bench);
    else if (kind == KIND_SOURCE)
        bare_source(bench, run);
    else
        bare_tag(bench);
    return (cpu_us() - begin) / 1e3;
}

static void
bench_free(struct bench *bench)
{
    engine_destroy(bench->engine);
    for (int i = 0; i < HALVES; i++)
        roaring_bitmap_free(bench->halves[i]);
    roaring_bitmap_free(bench->none);
    for (int i = 0; i < TIME_SLICES; i++)
        roaring_bitmap_free(bench->slices[i]);
    free(bench->column);
    free(bench->values);
}

int
main(int argc, char **argv)
{
    long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    long slots = argc > 2 ? strtol(argv[2], NULL, 10) : 10000000;
    if (runs < 1 || argc > 3 || slots < 1 || slots > UINT32_MAX) {
        fprintf(stderr, "usage: bench_fan_out RUNS [SLOTS]\n");
        return 2;
    }
    struct bench bench = {.slots = (uint32_t)slots};
    bench_fill(&bench);
    for (int run = 0; run < runs; run++) {
        bench.matched = bench.halves[run % HALVES];
        bench.matched_count = (uint32_t)roaring_bitmap_get_cardinality(bench.matched);
        for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
            double own = own_ms(&bench, kind, run);
            printf("%.3f %.3f%s", own, bare_ms(&bench, kind, run),
                   kind + 1 < KIND_COUNT ? " " : "\n");
        }
    }
    bench_free(&bench);
    return 0;
}
