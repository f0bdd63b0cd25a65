/* What the codec costs: rows as the gallery's triggers write them, and chunks of a load.
 *
 *     event [ROUNDS]
 *
 * One line for each, in nanoseconds of CPU time: for each event and way for rows, for each value
 * for chunks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"
#include "common/event/event_codec.h"

enum { ROWS = 20000, SLOTS = 16384, TAGS = 20 };

struct bench {
    struct event_codec *codec;
    struct arena arena;
    struct buffer bytes;
    size_t ends[ROWS];
    double write_s;
    double read_s;
};

static double
cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct op
op_of(enum op_kind kind, const char *field, int64_t number)
{
    struct op op = {.kind = kind, .field = text_of(field)};
    op.value = (struct value){.kind = VALUE_INTEGER, .integer = number};
    return op;
}

static void
write_rows(struct bench *bench)
{
    buffer_clear(&bench->bytes);
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct op ops[] = {op_of(OP_REMOVE, "nsfwLevel", i % 7),
                                 op_of(OP_SET, "nsfwLevel", i % 5),
                                 op_of(OP_ADD, "tagIds", i % 5000)};
        const struct event event = {.epoch = 1,
                                    .generation = 3,
                                    .tick = 123456,
                                    .seq = 1000000 + i,
                                    .source = TEXT("default"),
                                    .has_created_at = true,
                                    .created_at_us = 1764000000000000 + i,
                                    .kind = EVENT_ROW,
                                    .row_id = 5000000 + i,
                                    .entity_id = 70000000 + i,
                                    .ops = {ops, 1 + i % 3}};
        CHECK(event_encode(bench->codec, &event, &bench->bytes, NULL) == 0);
        bench->ends[i] = bench->bytes.bytes;
    }
}

static void
read_rows(struct bench *bench)
{
    size_t begin = 0;
    arena_reset(&bench->arena);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct event event;
        CHECK(event_decode(bench->codec, bench->bytes.data + begin, bench->ends[i] - begin,
                           &bench->arena, &event, NULL) == 0);
        begin = bench->ends[i];
    }
}

/* Entities one after another, each with TAGS values. */
static void
write_chunk(struct bench *bench, const uint32_t *slots, const int64_t *tags)
{
    static const struct text field = {"tagIds", 6};
    const struct chunk_column column = {.field = field,
                                        .kind = CHUNK_INTEGERS,
                                        .count = SLOTS * TAGS,
                                        .slots = slots,
                                        .integers = tags};
    struct chunk chunk = {.job = 1,
                          .end = SLOTS,
                          .fields = &field,
                          .field_count = 1,
                          .columns = &column,
                          .column_count = 1};
    const struct event event = {.epoch = 1,
                                .generation = 3,
                                .source = TEXT("default"),
                                .kind = EVENT_CHUNK,
                                .chunk = &chunk};
    buffer_clear(&bench->bytes);
    CHECK(event_encode(bench->codec, &event, &bench->bytes, NULL) == 0);
}

static void
read_chunk(struct bench *bench)
{
    struct event event;
    arena_reset(&bench->arena);
    CHECK(event_decode(bench->codec, bench->bytes.data, bench->bytes.bytes, &bench->arena, &event,
                       NULL) == 0);
}

static void
print_line(struct bench *bench, const char *name, double count)
{
    printf("%-12s %9.1f %9.1f\n", name, bench->write_s / count * 1e9, bench->read_s / count * 1e9);
    bench->write_s = bench->read_s = 0;
}

static void
run_rows(struct bench *bench, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        double begin = cpu_s();
        write_rows(bench);
        double middle = cpu_s();
        read_rows(bench);
        bench->write_s += middle - begin;
        bench->read_s += cpu_s() - middle;
    }
    print_line(bench, "row", (double)rounds * ROWS);
}

static void
run_chunks(struct bench *bench, long rounds)
{
    uint32_t *slots = memory_alloc(SLOTS * TAGS * sizeof *slots);
    int64_t *tags = memory_alloc(SLOTS * TAGS * sizeof *tags);
    for (uint32_t i = 0; i < SLOTS * TAGS; i++) {
        slots[i] = i / TAGS;
        tags[i] = i * INT64_C(7919) % 100000;
    }
    for (long i = 0; i < rounds; i++) {
        double begin = cpu_s();
        write_chunk(bench, slots, tags);
        double middle = cpu_s();
        read_chunk(bench);
        bench->write_s += middle - begin;
        bench->read_s += cpu_s() - middle;
    }
    print_line(bench, "chunk value", (double)rounds * SLOTS * TAGS);
    free(slots);
    free(tags);
}

int
main(int argc, char **argv)
{
    struct error err;
    struct bench bench = {0};
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 50;
    if (rounds < 1 || event_codec_create(&bench.codec, &err) != 0)
        return 2;
    arena_init(&bench.arena);
    buffer_init(&bench.bytes);
    printf("ns             written      read\n");
    run_rows(&bench, rounds);
    run_chunks(&bench, rounds);
    event_codec_destroy(bench.codec);
    arena_free(&bench.arena);
    buffer_free(&bench.bytes);
    return 0;
}
