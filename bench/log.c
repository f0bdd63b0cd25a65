/* What compaction and the log cost, compared with the least that a durable copy takes.
 *
 *     bench_log DIRECTORY RUNS [EVENTS]      default 100000
 *
 * Ours compacts each batch, writes it as a frame and syncs it. Bare copies the received bytes of
 * the batch, writes and syncs them: as many batches, as many syncs, in turns. A line for each run:
 * seconds, and seconds of processor time, ours and bare. DIRECTORY is created, or was left empty by
 * an earlier run.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/entities.h"
#include "bench/rows.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "consumer/partition/position.h"
#include "consumer/wal/wal.h"

enum { ENTITIES = 1000000 };

struct cost {
    double seconds;
    double processor_s;
};

struct bench {
    struct rows rows;
    struct config config;
    struct engine *engine;
    struct batch batch;
    struct position position;
    struct buffer encoded;
    struct wal *wal;
    int bare; /* a file */
    struct buffer copy;
};

static int
replay_nothing(void *context, const struct wal_frame *frame, struct error *err)
{
    (void)context;
    (void)frame;
    (void)err;
    return 0;
}

static void
require(int rc, const struct error *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "bench_log: %s\n", err->message);
    exit(1);
}

static void
bench_open(struct bench *bench, const char *directory)
{
    struct error err;
    const struct engine_options options = {&index_config, 0, 1, INT64_C(1) << 32};
    const struct wal_options wal_options = {.directory = directory,
                                            .identity = "bench\n",
                                            .segment_bytes = WAL_SEGMENT_BYTES_MAX,
                                            .frame_bytes = WAL_FRAME_BYTES_MAX};
    rows_init(&bench->rows);
    bench->config = rows_config;
    bench->config.index_config = index_config;
    require(engine_create(&options, &bench->engine, &err), &err);
    batch_init(&bench->batch,
               &(struct batch_context){&bench->config, 0, bench->engine, bench->rows.codec});
    position_init(&bench->position, &bench->batch.fields);
    require(wal_open(files_posix(), &wal_options, replay_nothing, NULL, &bench->wal, &err), &err);
    bench->bare = open(directory, O_TMPFILE | O_WRONLY, 0600);
    CHECK(bench->bare >= 0);
}

static void
bench_close(struct bench *bench)
{
    wal_close(bench->wal);
    close(bench->bare);
    batch_free(&bench->batch);
    engine_destroy(bench->engine);
    buffer_free(&bench->encoded);
    buffer_free(&bench->copy);
    rows_free(&bench->rows);
}

static void
log_batch(struct bench *bench)
{
    struct error err;
    batch_close(&bench->batch);
    buffer_clear(&bench->encoded);
    position_encode(&bench->position, &bench->batch.fields, &bench->encoded);
    const struct wal_frame frame = {.first_offset = bench->batch.first_offset,
                                    .next_offset = bench->batch.next_offset,
                                    .position = bench->encoded.data,
                                    .position_bytes = bench->encoded.bytes,
                                    .payload = bench->batch.payload.data,
                                    .payload_bytes = bench->batch.payload.bytes};
    require(wal_append(bench->wal, &frame, &err), &err);
    require(wal_sync(bench->wal, &err), &err);
}

static void
log_bare(struct bench *bench)
{
    buffer_clear(&bench->copy);
    buffer_append(&bench->copy, bench->rows.bytes.data, bench->rows.bytes.bytes);
    ssize_t bytes = (ssize_t)bench->copy.bytes;
    CHECK(write(bench->bare, bench->copy.data, bench->copy.bytes) == bytes);
    CHECK(fdatasync(bench->bare) == 0);
}

static void
add_cost(struct bench *bench, void log(struct bench *), struct cost *cost)
{
    int64_t begin_us = clock_monotonic_us();
    double begun_us = cpu_us();
    log(bench);
    cost->processor_s += (cpu_us() - begun_us) / 1e6;
    cost->seconds += (double)(clock_monotonic_us() - begin_us) / 1e6;
}

static void
bench_run(struct bench *bench, long batches)
{
    struct cost ours = {0}, bare = {0};
    for (long i = 0; i < batches; i++) {
        rows_make(&bench->rows, ENTITIES);
        batch_begin(&bench->batch, &bench->position.sequence, NULL);
        rows_add(&bench->rows, &bench->batch);
        add_cost(bench, log_batch, &ours);
        bench->position.sequence = bench->batch.sequence;
        add_cost(bench, log_bare, &bare);
    }
    printf("%.6f %.6f %.6f %.6f\n", ours.seconds, ours.processor_s, bare.seconds, bare.processor_s);
}

int
main(int argc, char **argv)
{
    struct bench bench = {0};
    long runs = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    long events = argc > 3 ? strtol(argv[3], NULL, 10) : 100000;
    if (argc < 3 || argc > 4 || runs < 1 || events < ROWS_OF_BATCH) {
        fprintf(stderr, "usage: bench_log DIRECTORY RUNS [EVENTS]\n");
        return 2;
    }
    bench_open(&bench, argv[1]);
    for (long i = 0; i < runs; i++)
        bench_run(&bench, events / ROWS_OF_BATCH);
    bench_close(&bench);
    return 0;
}
