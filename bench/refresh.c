/* How fast does the refresh reader read entities, compared with prepared SELECTs of the same rows?
 *
 *     bench_refresh CONFIG ENTRY COUNT STRIDE AT_ONCE RUNS STATEMENT...
 *
 * Reads COUNT entities, STRIDE ids apart, in a transaction: as requests of whole entities, or of
 * children of ENTRY unless that is "". A turn of the reader is given AT_ONCE requests. Each
 * STATEMENT is a SELECT of the same entities' rows, whose $1 is the list of ids; it is prepared,
 * and executed for AT_ONCE ids, or for one id each in a second measurement. Prints, as JSON, the
 * median seconds of RUNS runs of both, and how many turns the reader took. bench/refresh.py runs
 * it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/config/config_entry.h"
#include "common/config/config_load.h"
#include "producer/load/load_session.h"
#include "producer/refresh/refresh_reader.h"

enum { EVENT_BYTES = 1000000 };

static struct error err;
static struct config *config;
static struct pg *pg;
static const char *entry;
static int64_t stride;
static uint32_t count;
static uint32_t at_once;
static char **statements;
static int statement_count;
static uint32_t turns;

static void
require(int rc)
{
    if (rc == 0)
        return;
    fprintf(stderr, "bench_refresh: %s\n", err.message);
    exit(1);
}

static int64_t
parse_number(const char *text)
{
    char *end;
    int64_t number = strtoll(text, &end, 10);
    if (*end != '\0' || number < 1) {
        fprintf(stderr, "bench_refresh: %s is not a positive number\n", text);
        exit(2);
    }
    return number;
}

static int64_t
id_at(uint32_t index)
{
    return 1 + (int64_t)index * stride;
}

/* Turns until everything is answered. */
static double
run_reader(struct refresh_reader *reader, struct refresh_work *work)
{
    int64_t start_us = clock_monotonic_us();
    turns = 0;
    for (uint32_t done = 0; done < count;) {
        struct answers answers;
        uint32_t given = count - done < at_once ? count - done : at_once;
        require(refresh_reader_read(reader, pg, work + done, given, &answers, &err));
        uint32_t left = done;
        for (uint32_t i = done; i < done + given; i++)
            if (work[i].answered_count > 0) {
                struct refresh_work answered = work[i];
                work[i] = work[left];
                work[left++] = answered;
            }
        answers_free(&answers);
        turns++;
        if (left == done) {
            fprintf(stderr, "bench_refresh: nothing is answered: %s\n",
                    refresh_reader_problem(reader));
            exit(1);
        }
        done = left;
    }
    return (double)(clock_monotonic_us() - start_us) / US_PER_S;
}

static void
prepare(void)
{
    struct buffer sql = {0};
    for (int i = 0; i < statement_count; i++) {
        buffer_clear(&sql);
        buffer_append_format(&sql, "PREPARE select_%d(bigint[]) AS %s", i, statements[i]);
        require(pg_exec(pg, buffer_string(&sql), &err));
    }
    buffer_free(&sql);
}

static double
run_selects(uint32_t ids)
{
    struct buffer sql = {0};
    int64_t start_us = clock_monotonic_us();
    for (uint32_t first = 0; first < count; first += ids)
        for (int i = 0; i < statement_count; i++) {
            struct pg_result *result;
            buffer_clear(&sql);
            buffer_append_format(&sql, "EXECUTE select_%d('{", i);
            for (uint32_t j = first; j < count && j < first + ids; j++)
                buffer_append_format(&sql, "%s%" PRId64, j > first ? "," : "", id_at(j));
            buffer_append_text(&sql, "}')");
            require(pg_query(pg, buffer_string(&sql), 0, NULL, &result, &err));
            pg_result_clear(result);
        }
    buffer_free(&sql);
    return (double)(clock_monotonic_us() - start_us) / US_PER_S;
}

static struct refresh_work *
make_work(struct request *requests, int64_t *rows)
{
    struct refresh_work *work = memory_zalloc(count * sizeof *work);
    int32_t found = entry[0] != '\0' ? config_entry_find(config, text_of(entry)) : 0;
    if (found < 0) {
        fprintf(stderr, "bench_refresh: there is no entry %s\n", entry);
        exit(2);
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = i + 1;
        requests[i] = (struct request){.kind = entry[0] != '\0' ? REQUEST_CHILD : REQUEST_ENTITY,
                                       .entity_id = id_at(i),
                                       .entry = (uint32_t)found};
        work[i] = (struct refresh_work){.request = &requests[i], .rows = &rows[i], .row_count = 1};
    }
    return work;
}

static int
compare_seconds(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static double
median(double *seconds, int runs)
{
    qsort(seconds, (size_t)runs, sizeof *seconds, compare_seconds);
    return seconds[runs / 2];
}

/* Alternates what is measured: a machine is noisy. */
static void
measure(int runs)
{
    struct refresh_reader *reader = refresh_reader_create(
        &(struct refresh_reader_options){.config = config, .event_bytes_max = EVENT_BYTES});
    struct request *requests = memory_zalloc(count * sizeof *requests);
    int64_t *rows = memory_zalloc(count * sizeof *rows);
    struct refresh_work *work = make_work(requests, rows);
    double *seconds = memory_zalloc(3 * (size_t)runs * sizeof *seconds);
    (void)run_reader(reader, work); /* finds its width, and the rows come into memory */
    for (int i = 0; i < runs; i++) {
        seconds[i] = run_reader(reader, work);
        seconds[runs + i] = run_selects(at_once);
        seconds[2 * runs + i] = run_selects(1);
    }
    printf("{\"reader_s\": %.6f, \"select_s\": %.6f, \"single_s\": %.6f, \"turns\": %u}\n",
           median(seconds, runs), median(seconds + runs, runs), median(seconds + 2 * runs, runs),
           turns);
    refresh_reader_destroy(reader);
    free(seconds);
    free(work);
    free(requests);
    free(rows);
}

int
main(int argc, char **argv)
{
    if (argc < 8) {
        fprintf(stderr, "bench_refresh CONFIG ENTRY COUNT STRIDE AT_ONCE RUNS STATEMENT...\n");
        return 2;
    }
    entry = argv[2];
    count = (uint32_t)parse_number(argv[3]);
    stride = parse_number(argv[4]);
    at_once = (uint32_t)parse_number(argv[5]);
    statements = argv + 7;
    statement_count = argc - 7;
    require(config_load(argv[1], CONFIG_PRODUCER, &config, NULL, &err));
    require(load_session_open(config->postgres, NULL, &pg, &err));
    prepare();
    require(pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &err));
    measure((int)parse_number(argv[6]));
    pg_close(pg);
    config_destroy(config);
    return 0;
}
