/* What an event costs a worker in processor time, by the number of entities that the index holds.
 *
 *     bench_workers RUNS EVENTS ENTITIES...
 *
 * Fills one index for each number of entities, and applies EVENTS events (rows.h), which are spread
 * over all of them, to each index in turns. A line for each run: microseconds an event to decode,
 * compact and apply it, for each index. The log costs the same whatever the index holds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/entities.h"
#include "bench/rows.h"
#include "common/base/check.h"
#include "common/base/memory.h"

struct shelf {
    uint64_t entities;
    struct config config;
    struct engine *engine;
    struct batch batch;
    struct sequence sequence;
    struct rows rows;
};

static void
shelf_fill(struct shelf *shelf)
{
    entities = shelf->entities; /* some values depend on it */
    shelf->engine = engine_open(&index_config);
    engine_begin_rows(shelf->engine);
    for (uint64_t id = 0; id < shelf->entities; id++)
        load_entity(shelf->engine, id);
    engine_end_rows(shelf->engine);
    shelf->config = rows_config;
    shelf->config.index_config = index_config;
    rows_init(&shelf->rows);
    batch_init(&shelf->batch,
               &(struct batch_context){&shelf->config, 0, shelf->engine, shelf->rows.codec});
    sequence_init(&shelf->sequence, &shelf->batch.fields);
}

static void
shelf_free(struct shelf *shelf)
{
    batch_free(&shelf->batch);
    engine_destroy(shelf->engine);
    rows_free(&shelf->rows);
}

static double
shelf_run_us(struct shelf *shelf, long batches)
{
    double spent = 0;
    for (long i = 0; i < batches; i++) {
        rows_make(&shelf->rows, shelf->entities);
        double begin = cpu_us();
        batch_begin(&shelf->batch, &shelf->sequence, NULL);
        rows_add(&shelf->rows, &shelf->batch);
        batch_close(&shelf->batch);
        batch_apply(&shelf->batch, shelf->engine, NULL);
        spent += cpu_us() - begin;
        shelf->sequence = shelf->batch.sequence;
    }
    CHECK(shelf->batch.counts.rejected == 0);
    return spent / (double)(batches * ROWS_OF_BATCH);
}

int
main(int argc, char **argv)
{
    int count = argc - 3;
    long runs = argc > 3 ? strtol(argv[1], NULL, 10) : 0;
    long batches = argc > 3 ? strtol(argv[2], NULL, 10) / ROWS_OF_BATCH : 0;
    if (runs < 1 || batches < 1) {
        fprintf(stderr, "usage: bench_workers RUNS EVENTS ENTITIES...\n");
        return 2;
    }
    struct shelf *shelves = memory_alloc((size_t)count * sizeof *shelves);
    for (int i = 0; i < count; i++) {
        shelves[i] = (struct shelf){.entities = strtoull(argv[3 + i], NULL, 10)};
        shelf_fill(&shelves[i]);
        shelf_run_us(&shelves[i], 1); /* its memory is in the caches, or is not, from now on */
    }
    for (long run = 0; run < runs; run++)
        for (int i = 0; i < count; i++)
            printf("%.4f%s", shelf_run_us(&shelves[i], batches), i + 1 < count ? " " : "\n");
    for (int i = 0; i < count; i++)
        shelf_free(&shelves[i]);
    free(shelves);
    return 0;
}
