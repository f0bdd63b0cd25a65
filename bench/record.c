/* What the record of unanswered requests costs each frame, by its size.
 *
 *     bench_record DIRECTORY [FRAMES]
 *
 * Each frame has a row with a request, and the answer to it; the logs are written to new
 * directories below DIRECTORY. One line for each size: CPU time and bytes of a frame, and the bytes
 * of the whole record, which checkpoints have.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"
#include "common/event/event_codec.h"
#include "consumer/partition/replica.h"

enum { SLOTS = 1 << 20, ROWS = 1000000, REQUESTS_MAX = 2 * ROWS };

static const struct config_filter_field filters[] = {{.name = "level", .type = FIELD_SINGLE_VALUE}};
static const struct config config = {
    .index = "bench",
    .kafka = {.present = true},
    .topic = {.name = "bench", .partitions = 1, .max_slots = SLOTS},
    .consumer = {.group = "bench",
                 .batch_rows = 1000,
                 .batch_bytes = 1 << 20,
                 .requests_max = REQUESTS_MAX,
                 .wal_segment_bytes = 1 << 26,
                 .wal_limit_bytes = INT64_MAX,
                 .checkpoint_bytes = INT64_MAX},
    .index_config = {.filter_fields = filters, .filter_field_count = 1},
};

struct bench {
    struct event_codec *codec;
    struct replica *replica;
    struct batch batch;
    struct buffer message;
    int64_t offset;
    int64_t seq;
};

static double
cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
bench_add(struct bench *bench, const struct event *event)
{
    buffer_clear(&bench->message);
    CHECK(event_encode(bench->codec, event, &bench->message, NULL) == 0);
    const struct kafka_record record = {.offset = bench->offset++,
                                        .value = bench->message.data,
                                        .value_bytes = bench->message.bytes};
    CHECK(batch_add(&bench->batch, &record, NULL) == 0);
}

static struct event
bench_event(struct bench *bench, enum event_kind kind)
{
    return (struct event){.epoch = 1,
                          .generation = 1,
                          .tick = 1,
                          .seq = event_kind_is_numbered(kind) ? ++bench->seq : bench->seq,
                          .source = TEXT("default"),
                          .kind = kind,
                          .row_id = bench->seq};
}

/* A row, which may have a request. */
static void
bench_add_row(struct bench *bench, bool asks)
{
    const struct op ops[] = {{.kind = OP_SET,
                              .field = TEXT("level"),
                              .value = {.kind = VALUE_INTEGER, .integer = bench->seq % 5}},
                             {.kind = OP_REFRESH}};
    struct event row = bench_event(bench, EVENT_ROW);
    row.entity_id = row.row_id % SLOTS;
    row.ops = (struct ops){ops, asks ? 2 : 1};
    bench_add(bench, &row);
}

static void
bench_answer(struct bench *bench)
{
    const uint32_t slots[] = {(uint32_t)(bench->seq % SLOTS)};
    const struct text fields[] = {TEXT("level")};
    struct chunk chunk = {.purpose = CHUNK_REFRESH,
                          .end = CHUNK_NO_END,
                          .has_slots = true,
                          .slots = slots,
                          .slot_count = 1,
                          .fields = fields,
                          .field_count = 1,
                          .answers = &bench->seq,
                          .answer_count = 1};
    struct event event = bench_event(bench, EVENT_CHUNK);
    event.chunk = &chunk;
    bench_add(bench, &event);
}

static void
bench_begin(struct bench *bench)
{
    batch_begin(&bench->batch, &replica_position(bench->replica)->sequence,
                replica_record(bench->replica));
}

static void
bench_end(struct bench *bench)
{
    batch_close(&bench->batch);
    CHECK(replica_advance(bench->replica, &bench->batch, NULL) == 0);
}

/* The engine is equally full, whatever the record has. */
static void
bench_fill(struct bench *bench, long requests)
{
    for (long i = 0; i < ROWS;) {
        bench_begin(bench);
        for (; i < ROWS && !batch_full(&bench->batch); i++)
            bench_add_row(bench, i < requests);
        bench_end(bench);
    }
}

static void
bench_print(struct bench *bench, long frames)
{
    struct buffer whole = {0};
    int64_t bytes = replica_wal_bytes(bench->replica);
    double begin = cpu_s();
    for (long i = 0; i < frames; i++) {
        bench_begin(bench);
        bench_add_row(bench, true);
        bench_answer(bench);
        bench_end(bench);
    }
    double seconds = cpu_s() - begin;
    unanswered_encode(replica_record(bench->replica), &whole);
    printf("%10u %14.1f %14.1f %14zu\n", unanswered_count(replica_record(bench->replica)),
           seconds / (double)frames * 1e6,
           (double)(replica_wal_bytes(bench->replica) - bytes) / (double)frames, whole.bytes);
    buffer_free(&whole);
}

static void
bench_run(struct event_codec *codec, const char *directory, long requests, long frames)
{
    static const struct replica_seed no_seed;
    struct worker_control control;
    struct stage_times times = {0};
    struct bench bench = {.codec = codec};
    struct error err;
    char *path = memory_format("%s/%ld", directory, requests);
    worker_control_init(&control);
    const struct replica_options options = {
        .config = &config,
        .files = files_posix(),
        .directory = path,
        .control = &control,
        .times = &times,
    };
    CHECK(replica_create(&options, &bench.replica, &err) == 0);
    CHECK(replica_open(bench.replica, &no_seed, &err) == 0);
    batch_init(&bench.batch,
               &(struct batch_context){&config, 0, replica_engine(bench.replica), codec});
    bench_fill(&bench, requests);
    bench_print(&bench, frames);
    batch_free(&bench.batch);
    replica_destroy(bench.replica);
    buffer_free(&bench.message);
    free(path);
}

int
main(int argc, char **argv)
{
    static const long sizes[] = {0, 1000, 100000, ROWS};
    struct event_codec *codec;
    struct error err;
    long frames = argc > 2 ? strtol(argv[2], NULL, 10) : 1000;
    if (argc < 2 || frames < 1 || event_codec_create(&codec, &err) != 0)
        return 2;
    printf("  requests   us per frame bytes of frame    whole record\n");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        bench_run(codec, argv[1], sizes[i], frames);
    event_codec_destroy(codec);
    return 0;
}
