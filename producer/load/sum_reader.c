/* Happy path: a savepoint; each statement of the plan as a COPY, whose rows are parsed and added to
 * the sums of their partitions; the least id after the range, because a gap belongs to it.
 *
 * Failure modes: a statement that takes far too long is cancelled, and the range is read again in a
 * smaller width. One that Postgres refuses (an expression divides by zero) costs its fields, which
 * the sums then do not name. Both leave the transaction at the savepoint.
 */
#include "producer/load/sum_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "producer/load/sum_width.h"
#include "producer/triggers/row_sql.h"

enum { WAIT_MS = 100, DECIMAL = 10 };

struct sum_reader {
    const struct sum_plan *plan;
    struct sum_reader_options options;
    int64_t width; /* of the next range, in slots of each partition */
    struct buffer rows;
};

/* One call. */
struct work {
    struct sum_reader *reader;
    struct pg *pg;
    struct sum_reading *reading;
    struct select_range range;
    int64_t started_us;
    uint32_t attempt;
    bool exceeded;           /* the last statement was cancelled */
    struct sum_field *cells; /* by partition and field of the plan */
    bool *is_summed;         /* by field of the plan */
    uint32_t summed_count;
};

void
sum_reading_free(struct sum_reading *reading)
{
    arena_free(&reading->arena);
    *reading = (struct sum_reading){0};
}

struct sum_reader *
sum_reader_create(const struct sum_plan *plan, const struct sum_reader_options *options)
{
    struct sum_reader *reader = memory_zalloc(sizeof *reader);
    CHECK(plan->statement_count > 0);
    reader->plan = plan;
    reader->options = *options;
    reader->width = SUM_WIDTH_FIRST;
    return reader;
}

void
sum_reader_destroy(struct sum_reader *reader)
{
    if (reader == NULL)
        return;
    buffer_free(&reader->rows);
    free(reader);
}

/* --- rows ------------------------------------------------------------------------------------ */

/* A column of a row in the text format of COPY; the next one is at `*at`. */
static struct text
take_column(const char **at)
{
    struct text column = {*at, strcspn(*at, "\t\n")};
    *at += column.bytes;
    if (**at != '\0')
        ++*at;
    return column;
}

/* False: it is no number of 128 bits. \N is 0. */
static bool
read_number(struct text text, __int128 *number)
{
    bool negative = text.bytes > 0 && text.data[0] == '-';
    *number = 0;
    if (text_is(text, "\\N"))
        return true;
    for (size_t i = negative; i < text.bytes; i++) {
        int digit = text.data[i] - '0';
        if (digit < 0 || digit >= DECIMAL || __builtin_mul_overflow(*number, DECIMAL, number) ||
            __builtin_add_overflow(*number, negative ? -digit : digit, number))
            return false;
    }
    return text.bytes > (size_t)negative;
}

static struct sum_field *
cells_of(const struct work *work, int64_t partition)
{
    const struct sum_plan *plan = work->reader->plan;
    return &work->cells[(size_t)partition * plan->field_count];
}

static bool
parse_row(struct work *work, const struct sum_statement *statement, const char **at)
{
    __int128 partition;
    __int128 count;
    __int128 sum;
    int32_t partitions = work->reader->plan->config->topic.partitions;
    if (!read_number(take_column(at), &partition) || partition < 0 || partition >= partitions)
        return false;
    for (uint32_t i = 0; i < statement->field_count; i++) {
        struct sum_field *cell = &cells_of(work, (int64_t)partition)[statement->fields[i]];
        if (!read_number(take_column(at), &count) || count < 0 || count > INT64_MAX ||
            !read_number(take_column(at), &sum))
            return false;
        cell->count = (int64_t)count;
        cell->high = (int64_t)(sum >> 64);
        cell->low = (uint64_t)sum;
        work->reading->values += (uint64_t)count;
    }
    return true;
}

static int
parse_rows(struct work *work, const struct sum_statement *statement, struct error *err)
{
    const char *at = buffer_string(&work->reader->rows);
    work->reading->bytes += work->reader->rows.bytes;
    while (*at != '\0')
        if (!parse_row(work, statement, &at))
            return error_set(err, ERR_FATAL, "postgres: a row of sums is invalid");
    for (uint32_t i = 0; i < statement->field_count; i++) {
        CHECK(!work->is_summed[statement->fields[i]]);
        work->is_summed[statement->fields[i]] = true;
        work->summed_count++;
    }
    return 0;
}

/* --- statements ------------------------------------------------------------------------------ */

/* Both sides of a join with the entities that are alive are bounded by the range, so that it may
 * take any form. A join of children with their parents is bounded on one side only. */
static void
append_copy(struct buffer *sql, const struct work *work, const struct sum_statement *statement)
{
    const struct entry *entry = statement->entry;
    const char *joins = entry_child(entry) == NULL ? "on" : "off";
    buffer_append_text(sql, "SET LOCAL search_path = ");
    row_sql_append_search_path(sql, entry);
    buffer_append_format(sql,
                         "; SET LOCAL enable_hashjoin = %s; SET LOCAL enable_mergejoin = %s;"
                         " COPY (",
                         joins, joins);
    sum_select_append(sql, &statement->query, work->reader->plan->config->topic.partitions,
                      &work->range);
    buffer_append_text(sql, ") TO STDOUT");
}

static int
beat(const struct work *work)
{
    const struct sum_reader_options *options = &work->reader->options;
    return options->heartbeat != NULL ? options->heartbeat(options->context) : 0;
}

/* Waits for the rows of the running copy. */
static int
receive(struct work *work, struct error *err)
{
    bool done = false;
    int rc = 0;
    buffer_clear(&work->reader->rows);
    while (rc == 0 && !done) {
        rc = pg_copy_read(work->pg, WAIT_MS, &work->reader->rows, &done, err);
        if (rc == 0)
            rc = beat(work);
        int64_t elapsed_us = clock_monotonic_us() - work->started_us;
        work->exceeded = rc == 0 && !done &&
                         sum_width_is_exceeded(work->reader->width, elapsed_us, work->attempt);
        if (work->exceeded)
            return pg_copy_cancel(work->pg, err);
    }
    return rc;
}

/* What Postgres refuses is not an error: the sums do not name its fields. `reason` is the last one.
 */
static int
run_statement(struct work *work, const struct sum_statement *statement, struct error *reason,
              struct error *err)
{
    struct buffer sql = {0};
    append_copy(&sql, work, statement);
    int rc = pg_copy_start(work->pg, buffer_string(&sql), reason);
    buffer_free(&sql);
    if (rc == 0)
        rc = receive(work, reason);
    if (rc == 0 && !work->exceeded)
        return parse_rows(work, statement, err);
    if (rc == ERR_RETRY || pg_is_lost(work->pg))
        return error_set(err, ERR_RETRY, "%s", reason->message);
    if (rc != 0 && rc != ERR_FATAL) /* of the heartbeat */
        return rc;
    if (rc == ERR_FATAL)
        log_warn("load", "entities %" PRId64 " to %" PRId64 " of table %s cannot be summed: %s",
                 work->range.begin, work->range.end - 1, statement->entry->trigger->table,
                 reason->message);
    return pg_exec(work->pg, "ROLLBACK TO SAVEPOINT bitdex_sums", err);
}

static void
reset(struct work *work)
{
    const struct sum_plan *plan = work->reader->plan;
    size_t cells = (size_t)plan->config->topic.partitions * plan->field_count;
    memset(work->cells, 0, cells * sizeof *work->cells);
    memset(work->is_summed, 0, plan->field_count * sizeof *work->is_summed);
    work->summed_count = 0;
    work->reading->values = 0;
    work->exceeded = false;
    work->started_us = clock_monotonic_us();
}

/* No entity of the range has a slot. */
static void
sum_nothing(struct work *work)
{
    const struct sum_plan *plan = work->reader->plan;
    for (uint32_t i = 0; i < plan->field_count; i++) {
        work->is_summed[i] = plan->fields[i].is_comparable;
        work->summed_count += plan->fields[i].is_comparable;
    }
}

static int
run_statements(struct work *work, struct error *err)
{
    const struct sum_plan *plan = work->reader->plan;
    struct error reason = {0};
    reset(work);
    if (work->range.begin >= work->range.end) {
        sum_nothing(work);
        return 0;
    }
    int rc = pg_exec(work->pg, "SAVEPOINT bitdex_sums", err);
    for (uint32_t i = 0; rc == 0 && !work->exceeded && i < plan->statement_count; i++)
        rc = run_statement(work, &plan->statements[i], &reason, err);
    if (rc != 0 || work->exceeded || work->summed_count > 0)
        return rc;
    return error_set(err, ERR_FATAL, "%s", reason.message);
}

/* The least id with a row at or above `begin`; -1: none. */
static int
read_next(struct work *work, int64_t begin, int64_t *next, struct error *err)
{
    const struct sum_plan *plan = work->reader->plan;
    int rc = 0;
    *next = -1;
    for (uint32_t i = 0; rc == 0 && i < plan->alive_count; i++) {
        struct buffer sql = {0};
        struct pg_result *result;
        select_append_next_slot(&sql, plan->alive[i], begin);
        rc = pg_query(work->pg, buffer_string(&sql), 0, NULL, &result, err);
        buffer_free(&sql);
        if (rc != 0)
            break;
        int64_t found = pg_is_null(result, 0, 0) ? -1 : pg_integer(result, 0, 0);
        if (found >= 0 && (*next < 0 || found < *next))
            *next = found;
        pg_result_clear(result);
    }
    return rc;
}

/* --- a range --------------------------------------------------------------------------------- */

static int64_t
last_end(const struct config *config)
{
    return config->topic.partitions * config->topic.max_slots;
}

static void
fill_sums(struct work *work)
{
    const struct sum_plan *plan = work->reader->plan;
    struct sum_reading *reading = work->reading;
    int32_t partitions = plan->config->topic.partitions;
    reading->sums = arena_alloc(&reading->arena, (size_t)partitions * sizeof *reading->sums);
    for (int32_t p = 0; p < partitions; p++) {
        struct sum_field *cells = cells_of(work, p);
        uint32_t count = 0;
        for (uint32_t i = 0; i < plan->field_count; i++) {
            if (!work->is_summed[i])
                continue;
            cells[count] = cells[i];
            cells[count++].field = plan->fields[i].field;
        }
        CHECK(count == work->summed_count && count > 0);
        reading->sums[p] = (struct sum){
            .begin = reading->begin, .end = reading->end, .fields = cells, .field_count = count};
    }
}

/* Sums a range that may be smaller than the width, and adapts the width. */
static int
read_range(struct work *work, int64_t limit, struct error *err)
{
    int rc = 0;
    int64_t next = -1;
    struct sum_reader *reader = work->reader;
    struct sum_reading *reading = work->reading;
    const struct config *config = reader->plan->config;
    int32_t partitions = config->topic.partitions;
    int64_t end;
    do {
        if (work->exceeded)
            reader->width = sum_width_cut(reader->width);
        end = sum_width_end(reading->begin, reader->width, partitions, limit);
        work->range.end = end < last_end(config) ? end : last_end(config);
        rc = run_statements(work, err);
        work->attempt++;
    } while (rc == 0 && work->exceeded);
    if (rc == 0 && end < limit)
        rc = read_next(work, end, &next, err);
    if (rc != 0)
        return rc;
    int64_t elapsed_us = clock_monotonic_us() - work->started_us;
    bool is_whole = end - reading->begin == reader->width * partitions;
    reader->width = sum_width_next(reader->width, elapsed_us, is_whole);
    reading->end = sum_width_skip(end, next, partitions, limit);
    return 0;
}

int
sum_reader_read(struct sum_reader *reader, struct pg *pg, int64_t begin, int64_t limit,
                struct sum_reading *reading, struct error *err)
{
    const struct sum_plan *plan = reader->plan;
    size_t partitions = (size_t)plan->config->topic.partitions;
    struct work work = {
        .reader = reader,
        .pg = pg,
        .reading = reading,
        .range = {.has_begin = true, .begin = begin, .has_end = true},
    };
    CHECK(begin >= 0 && begin < limit);
    *reading = (struct sum_reading){.begin = begin};
    arena_init(&reading->arena);
    work.cells = arena_alloc(&reading->arena, partitions * plan->field_count * sizeof *work.cells);
    work.is_summed = arena_alloc(&reading->arena, plan->field_count * sizeof *work.is_summed);
    int rc = read_range(&work, limit, err);
    if (rc == 0)
        fill_sums(&work);
    else
        sum_reading_free(reading);
    return rc;
}
