/* What compaction costs and what it saves: batches of one size, in three mixes.
 *
 *     compact [BATCHES]
 *
 * One line for each mix, in millions of ops per second of CPU time: a copy of the batch's bytes,
 * which is the limit of the machine; decoding with the seq rule, which comes before compaction;
 * closing, which compacts and writes the payload again; applying what is left; applying everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "consumer/partition/batch.h"

enum { EVENTS = 5000, HOT_SLOTS = 500, SLOTS = 1 << 20, TAGS = 5000, USERS = 1000 };

static const struct config_filter_field filter_fields[] = {
    {.name = "nsfwLevel", .type = FIELD_SINGLE_VALUE},
    {.name = "tagIds", .type = FIELD_MULTI_VALUE},
    {.name = "userId", .type = FIELD_SINGLE_VALUE},
    {.name = "hasMeta", .type = FIELD_BOOLEAN},
    {.name = "type", .type = FIELD_STRING},
    {.name = "availability", .type = FIELD_STRING},
};
static const struct config_sort_field sort_fields[] = {{.name = "existedAt", .bits = 32}};
static const struct config config = {
    .index = "bench",
    .topic = {.name = "bench", .partitions = 1, .max_slots = SLOTS},
    .consumer = {.group = "bench", .batch_rows = EVENTS, .batch_bytes = 64 << 20},
    .index_config = {filter_fields, sizeof filter_fields / sizeof filter_fields[0], sort_fields, 1,
                     NULL},
};

enum mix { MIX_ONCE, MIX_UPDATES, MIX_HOT, MIX_FAN_OUTS, MIXES };
static const char *const mix_names[] = {"every slot once", "updates, once", "hot slots",
                                        "with fan-outs"};

enum part { PART_COPY, PART_ADD, PART_CLOSE, PART_APPLY_LEFT, PART_APPLY_ALL, PARTS };

struct bench {
    struct event_codec *codec;
    struct buffer bytes; /* of all messages of a batch */
    size_t ends[EVENTS];
    double seconds[PARTS];
    uint64_t ops;
    uint64_t compacted;
};

static uint64_t random_state = 1;

static int64_t
random_below(int64_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (int64_t)((random_state >> 33) % (uint64_t)bound);
}

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

/* One event of the mix, as the gallery's triggers write them: mostly tags, some images. */
static void
make_event(struct event *event, struct op *ops, enum mix mix, uint32_t n)
{
    static const struct op nested[] = {
        {.kind = OP_REMOVE,
         .field = TEXT("availability"),
         .value = {.kind = VALUE_STRING, .string = TEXT("Private")}},
        {.kind = OP_SET,
         .field = TEXT("availability"),
         .value = {.kind = VALUE_STRING, .string = TEXT("Public")}},
    };
    static char query[32];
    bool once = mix == MIX_ONCE || mix == MIX_UPDATES;
    event->kind = EVENT_ROW;
    event->entity_id = once ? n * INT64_C(199) % SLOTS : random_below(HOT_SLOTS);
    event->ops = (struct ops){ops, 2};
    ops[0] = op_of(OP_REMOVE, "nsfwLevel", 1 << random_below(6));
    ops[1] = op_of(OP_SET, "nsfwLevel", 1 << random_below(6));
    if (mix == MIX_FAN_OUTS && n % 100 == 0) {
        event->kind = EVENT_FAN_OUT;
        snprintf(query, sizeof query, "userId eq %lld", (long long)random_below(USERS));
        ops[0] = (struct op){
            .kind = OP_FAN_OUT, .query = text_of(query), .nested = nested, .nested_count = 2};
        event->ops.count = 1;
    } else if (mix != MIX_UPDATES && n % 12 == 0) {
        ops[0] = (struct op){.kind = OP_ALIVE};
        ops[2] = op_of(OP_SET, "userId", random_below(USERS));
        ops[3] = op_of(OP_SET, "existedAt", n);
        event->ops.count = 4;
    } else if (mix != MIX_UPDATES && n % 12 > 2) {
        ops[0] = op_of(random_below(4) == 0 ? OP_REMOVE : OP_ADD, "tagIds", random_below(TAGS));
        event->ops.count = 1;
    }
}

static void
make_messages(struct bench *bench, enum mix mix, int64_t *seq)
{
    buffer_clear(&bench->bytes);
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct op ops[4];
        struct event event = {.epoch = 1, .generation = 1, .source = TEXT("main"), .seq = ++*seq};
        make_event(&event, ops, mix, (uint32_t)*seq);
        CHECK(event_encode(bench->codec, &event, &bench->bytes, NULL) == 0);
        bench->ends[i] = bench->bytes.bytes;
    }
}

static void
take_messages(struct bench *bench, struct batch *batch)
{
    size_t begin = 0;
    for (uint32_t i = 0; i < EVENTS; i++) {
        const struct kafka_record record = {.offset = i,
                                            .value = (const char *)bench->bytes.data + begin,
                                            .value_bytes = bench->ends[i] - begin};
        CHECK(batch_add(batch, &record, NULL) == 0);
        begin = bench->ends[i];
    }
}

static double
measure(double *seconds, double begin)
{
    double now = cpu_s();
    *seconds += now - begin;
    return now;
}

/* The same batch twice: closed before it is applied, and not. */
static void
run_batch(struct bench *bench, struct batch batches[2], struct engine *engines[2],
          const struct sequence *sequence)
{
    void *copy = memory_alloc(bench->bytes.bytes);
    double begin = cpu_s();
    memcpy(copy, bench->bytes.data, bench->bytes.bytes);
    begin = measure(&bench->seconds[PART_COPY], begin);
    free(copy);
    batch_begin(&batches[0], sequence, NULL);
    batch_begin(&batches[1], sequence, NULL);
    take_messages(bench, &batches[1]);
    begin = cpu_s();
    take_messages(bench, &batches[0]);
    begin = measure(&bench->seconds[PART_ADD], begin);
    batch_close(&batches[0]);
    begin = measure(&bench->seconds[PART_CLOSE], begin);
    batch_apply(&batches[0], engines[0], NULL);
    begin = measure(&bench->seconds[PART_APPLY_LEFT], begin);
    batch_apply(&batches[1], engines[1], NULL);
    measure(&bench->seconds[PART_APPLY_ALL], begin);
    bench->ops += batches[0].counts.ops;
    bench->compacted += batches[0].counts.compacted;
}

static void
run_mix(struct event_codec *codec, enum mix mix, long batch_count)
{
    struct bench bench = {.codec = codec};
    struct engine *engines[2];
    struct batch batches[2];
    struct sequence sequence;
    const struct engine_options options = {&config.index_config, 0, 1, SLOTS};
    int64_t seq = 0;
    for (int i = 0; i < 2; i++) {
        CHECK(engine_create(&options, &engines[i], NULL) == 0);
        batch_init(&batches[i], &(struct batch_context){&config, 0, engines[i], codec});
    }
    sequence_init(&sequence, &batches[0].fields);
    for (long i = 0; i < batch_count; i++) {
        make_messages(&bench, mix, &seq);
        run_batch(&bench, batches, engines, &sequence);
        sequence = batches[0].sequence;
    }
    printf("%-16s %9.0f%%", mix_names[mix], 100.0 * (double)bench.compacted / (double)bench.ops);
    for (int part = 0; part < PARTS; part++)
        printf(" %10.2f", (double)bench.ops / bench.seconds[part] / 1e6);
    printf("\n");
    for (int i = 0; i < 2; i++) {
        batch_free(&batches[i]);
        engine_destroy(engines[i]);
    }
    buffer_free(&bench.bytes);
}

int
main(int argc, char **argv)
{
    struct error err;
    struct event_codec *codec;
    long batch_count = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    if (batch_count < 1 || event_codec_create(&codec, &err) != 0)
        return 2;
    printf("Mop/s            compacted       copy     decode      close apply left  apply all\n");
    for (enum mix mix = 0; mix < MIXES; mix++)
        run_mix(codec, mix, batch_count);
    event_codec_destroy(codec);
    return 0;
}
