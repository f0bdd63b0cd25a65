/* What a checkpoint costs, and reading it, on entities like those of the gallery in one partition.
 *
 *     bench_checkpoint DIRECTORY [ENTITIES]    default 1000000
 *
 * Medians of RUNS. "paused" is the time in which the caller cannot change the engine: until a copy
 * of the process exists, and for comparison, until the state is copied in memory. A thread queries
 * meanwhile. Loading is compared with reading the bytes of the file; both from disk.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/entities.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "consumer/checkpoint/checkpoint_copy.h"
#include "consumer/checkpoint/checkpoint_read.h"
#include "consumer/checkpoint/checkpoint_write.h"

enum { RUNS = 5, SAMPLES_MAX = 1 << 20, CHANGES = 2000 };

static struct engine *engine;
static struct checkpoint_place place;
static const struct checkpoint_doomed none;

static int
double_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double
percentile(double *samples, int count, double part)
{
    CHECK(count > 0);
    qsort(samples, (size_t)count, sizeof *samples, double_compare);
    return samples[(int)(part * (count - 1) + 0.5)];
}

static double
now_ms(void)
{
    return (double)clock_monotonic_us() / 1e3;
}

static double
thread_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- queries --------------------------------------------------------------------------------- */

static atomic_bool is_querying;
static double samples[SAMPLES_MAX];
static int sample_count;

static void *
query_main(void *context)
{
    struct error err;
    (void)context;
    for (uint64_t random = 1; atomic_load(&is_querying) && sample_count < SAMPLES_MAX; random++) {
        const struct value tag = value_of(TAG_IDS, skewed(mix(random), TAGS));
        const struct filter filter = {
            .kind = FILTER_EQ, .field = text_of(field_name(TAG_IDS)), .values = &tag, .count = 1};
        const struct engine_query query = {.filter = &filter, .limit = 50};
        struct engine_result result;
        double begin = now_ms();
        CHECK(engine_query(engine, &query, &result, &err) == 0);
        samples[sample_count++] = now_ms() - begin;
        engine_result_free(&result);
        clock_sleep_ms(1);
    }
    return NULL;
}

static pthread_t
begin_queries(void)
{
    pthread_t thread;
    sample_count = 0;
    atomic_store(&is_querying, true);
    CHECK(pthread_create(&thread, NULL, query_main, NULL) == 0);
    return thread;
}

static void
end_queries(pthread_t thread)
{
    atomic_store(&is_querying, false);
    pthread_join(thread, NULL);
}

/* --- writing --------------------------------------------------------------------------------- */

static void
write_state(void *context, const void *data, size_t bytes)
{
    checkpoint_write(context, data, bytes);
}

static void
save_state(void *context, struct checkpoint_writer *writer)
{
    const struct image_sink sink = {writer, write_state};
    (void)context;
    engine_save(engine, &sink);
}

struct written {
    double paused_ms;
    double processor_ms; /* of the thread that is paused, meanwhile */
    double p99_ms;       /* of the queries */
    double max_ms;
};

/* While queries run. */
static void
write_once(int64_t offset, struct written *written)
{
    struct checkpoint_writer *writer;
    struct error err;
    int64_t bytes;
    pthread_t thread = begin_queries();
    double begin = now_ms(), processor = thread_ms();
    CHECK(checkpoint_begin(&place, offset, text_of("position"), &none, &writer, &err) == 0);
    checkpoint_take(writer, save_state, NULL);
    written->paused_ms = now_ms() - begin;
    written->processor_ms = thread_ms() - processor;
    CHECK(checkpoint_finish(writer, &bytes, &err) == 0);
    end_queries(thread);
    written->p99_ms = percentile(samples, sample_count, 0.99);
    written->max_ms = samples[sample_count - 1];
}

static void
bench_write(const char *name, int64_t offset)
{
    double paused[RUNS], processor[RUNS], p99[RUNS], max[RUNS];
    for (int i = 0; i < RUNS; i++) {
        struct written written;
        struct error err;
        write_once(offset, &written);
        CHECK(checkpoint_remove(&place, offset, &err) == 0);
        paused[i] = written.paused_ms;
        processor[i] = written.processor_ms;
        p99[i] = written.p99_ms;
        max[i] = written.max_ms;
    }
    double median = percentile(paused, RUNS, 0.5);
    printf("%-34s paused %8.2f ms (%.2f to %.2f), %.2f ms of processor time   queries p99 %6.2f ms,"
           " longest %6.2f ms\n",
           name, median, paused[0], paused[RUNS - 1], percentile(processor, RUNS, 0.5),
           percentile(p99, RUNS, 0.5), percentile(max, RUNS, 0.5));
}

/* Processor time of the thread that changes the engine. */
static double
change_us(uint64_t seed)
{
    double begin = thread_ms();
    engine_begin_rows(engine);
    for (uint64_t i = 0; i < CHANGES; i++) {
        struct op op = set_op(USER, (int64_t)(mix(seed + i) % 50000));
        engine_apply_row(engine, (int64_t)(mix(seed ^ i) % entities), &(struct ops){&op, 1});
    }
    engine_end_rows(engine);
    return (thread_ms() - begin) * 1e3 / CHANGES;
}

/* A change of a page that the copy shares costs more. */
static void
bench_changes(void)
{
    double alone[RUNS], beside[RUNS];
    for (int i = 0; i < RUNS; i++) {
        struct checkpoint_writer *writer;
        struct error err;
        int64_t bytes;
        alone[i] = change_us((uint64_t)i * 2 * CHANGES);
        CHECK(checkpoint_begin(&place, 7, text_of("position"), &none, &writer, &err) == 0);
        checkpoint_take(writer, save_state, NULL);
        beside[i] = change_us((uint64_t)(i * 2 + 1) * CHANGES);
        CHECK(checkpoint_finish(writer, &bytes, &err) == 0);
        CHECK(checkpoint_remove(&place, 7, &err) == 0);
    }
    printf("%-34s %.2f us, and %.2f us alone\n", "a change at a random entity beside it",
           percentile(beside, RUNS, 0.5), percentile(alone, RUNS, 0.5));
}

static void
wait_for_ever(void *context)
{
    (void)context;
    pause();
}

static void
bench_in_memory(void)
{
    struct checkpoint_copy copy;
    struct error ignored;
    CHECK(checkpoint_copy_begin(&copy, wait_for_ever, NULL));
    bench_write("state copied in memory", 2);
    CHECK(kill(copy.process, SIGKILL) == 0);
    checkpoint_copy_end(&copy, &ignored);
}

/* --- reading --------------------------------------------------------------------------------- */

static void
forget_pages(const char *path)
{
    int file = open(path, O_RDONLY);
    CHECK(file >= 0);
    CHECK(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0);
    close(file);
}

static double
read_ms(const char *path, double *bytes, double *processor)
{
    static char chunk[1 << 20];
    forget_pages(path);
    double begin = now_ms(), before = thread_ms();
    int file = open(path, O_RDONLY);
    ssize_t got;
    *bytes = 0;
    while ((got = read(file, chunk, sizeof chunk)) > 0)
        *bytes += (double)got;
    close(file);
    *processor = thread_ms() - before;
    return now_ms() - begin;
}

static int
next_block(void *context, struct text *data, struct error *err)
{
    return checkpoint_next(context, data, err);
}

static double
load_ms(const char *path, double *processor)
{
    struct checkpoint_reader reader;
    struct error err;
    const struct image_source source = {&reader, next_block};
    struct engine *loaded = engine_open(&index_config);
    forget_pages(path);
    double begin = now_ms(), before = thread_ms();
    if (checkpoint_open(&place, 1, &reader, &err) != 0 || engine_load(loaded, &source, &err) != 0 ||
        checkpoint_check_end(&reader, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    double spent = now_ms() - begin;
    *processor = thread_ms() - before;
    checkpoint_close(&reader);
    engine_destroy(loaded);
    return spent;
}

static void
bench_read(void)
{
    double bare[RUNS], bare_processor[RUNS], loaded[RUNS], processor[RUNS], bytes = 0;
    char *path = checkpoint_path(&place, 1);
    for (int i = 0; i < RUNS; i++) {
        bare[i] = read_ms(path, &bytes, &bare_processor[i]);
        loaded[i] = load_ms(path, &processor[i]);
    }
    double own = percentile(loaded, RUNS, 0.5), least = percentile(bare, RUNS, 0.5);
    double own_cpu = percentile(processor, RUNS, 0.5);
    double least_cpu = percentile(bare_processor, RUNS, 0.5);
    printf("loading %.0f MB    %.0f ms, reading them %.0f ms: %.2f; of processor time, %.1f and "
           "%.1f ms: %.2f\n",
           bytes / 1e6, own, least, own / least, own_cpu, least_cpu, own_cpu / least_cpu);
    free(path);
}

int
main(int argc, char **argv)
{
    struct written written;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: bench_checkpoint DIRECTORY [ENTITIES]\n");
        return 2;
    }
    entities = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    place = (struct checkpoint_place){files_posix(), argv[1], text_of("index: bench\n")};
    setvbuf(stdout, NULL, _IOLBF, 0);
    engine = engine_open(&index_config);
    engine_begin_rows(engine);
    for (uint64_t id = 0; id < entities; id++)
        load_entity(engine, id);
    engine_end_rows(engine);
    printf("%" PRIu64 " entities\n", entities);
    pthread_t thread = begin_queries();
    clock_sleep_ms(500);
    end_queries(thread);
    printf("%-34s queries p99 %.2f ms\n", "no checkpoint", percentile(samples, sample_count, 0.99));
    bench_write("process copied", 2);
    bench_in_memory();
    bench_changes();
    write_once(1, &written);
    bench_read();
    engine_destroy(engine);
    return 0;
}
