/* Happy path of a reading: export the caller's snapshot, begin a transaction in it on every session
 * but the caller's, which sets a savepoint, find the first entity at or above `begin`, and divide
 * the range from there among the sessions. Each of them reads its share of all sources, one COPY
 * after another, and their rows are parsed as they arrive. The chunk also says that nothing is
 * between `begin` and the first entity. A short list is read through the caller's session alone.
 *
 * Failure modes: a range that takes too much is given up, and read again smaller in the same
 * snapshot; of one entity alone, its largest field is given up. A row that Postgres cannot evaluate
 * (a division by zero, say) is found in the same way, and the fields of its source are rejected for
 * that entity. A source that is scanned is not read again for its time, which a smaller list would
 * not shorten. Any other error closes the reader's own sessions, and the next reading connects
 * again; the caller's session goes back to the savepoint.
 */
#include "producer/load/range_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "producer/load/chunk_builder.h"
#include "producer/load/load_phase.h"
#include "producer/load/load_session.h"
#include "producer/load/problem_list.h"
#include "producer/load/range_width.h"
#include "producer/load/row_parser.h"
#include "producer/triggers/select.h"

enum {
    WAIT_MS = 50,         /* between two heartbeats */
    IDS_MAX = 64 * 1024,  /* in one statement */
    LANE_IDS = 4096,      /* so many ids of a list are worth a session */
    UNREADABLE_MAX = 100, /* entities of a load that Postgres cannot read */
    PAIR_BYTES = 16,      /* of memory that a value takes */
    VALUE_BYTES_MIN = 2,  /* of an event */
};

/* One session and its share of a range. */
struct lane {
    struct pg *pg; /* NULL: not connected; of the first one, the caller's */
    struct select_range range;
    uint32_t source; /* whose rows are read, while a copy is running */
    bool is_copying;
    bool has_failed; /* Postgres cannot evaluate a row of the source */
    struct row_parser parser;
    struct buffer bytes;
};

struct range_reader {
    const struct load_plan *plan;
    struct range_reader_options options;
    struct chunk_builder *builder;
    struct chunk_field *fields; /* of the builder */
    uint32_t **source_fields;   /* by source and value: the field of the builder */
    struct lane lanes[CONFIG_LOAD_CONNECTIONS_MAX];
    uint32_t lanes_max;
    uint32_t lane_count; /* of the present reading */
    struct arena scratch;
    struct buffer sql;
    int64_t range_width;       /* of the next range */
    int64_t list_width;        /* how many ids of the next list are read */
    bool is_scanned;           /* no index finds the rows of some source */
    uint32_t unreadable_count; /* entities that Postgres could not read */
};

/* One reading, and its newest attempt. */
struct reading {
    struct range_reader *reader;
    const struct range_wanted *wanted;
    struct load_chunk *chunk;
    const char *snapshot;
    int64_t width; /* in ids */
    int64_t first; /* there are no entities between wanted->begin and this one */
    int64_t end;
    uint32_t id_count; /* of the wanted ids, those of the range */
    uint32_t attempt;  /* from 0 */
    /* By source: why Postgres cannot read the only entity of the range; NULL: it can. Owned. */
    char **unreadable;
    bool counts_negative_ids; /* the rows before id 0 are read as well */
    struct problem_list problems;
    struct range_cost cost;
    int64_t started_us;
};

/* --- the reader --- */

/* A query of a dump phase may give several rows of an entity. */
static bool
value_may_repeat(const struct load_source *source, uint32_t index)
{
    const struct entry *entry = source->entry;
    if (source->phase != NULL)
        return true;
    const struct entry_value *value = &entry->values[index];
    if (entry->trigger->kind == TRIGGER_JOIN && !(entry->value_is_unique && index == 0))
        return true;
    return value->is_multi_value && value->wire == WIRE_JSON;
}

static bool
value_is_multi(const struct load_source *source, uint32_t index)
{
    return source->phase != NULL ? source->phase->program.values[index].is_multi_value
                                 : source->entry->values[index].is_multi_value;
}

static uint32_t
find_field(const struct load_plan *plan, struct text name)
{
    uint32_t i = 0;
    while (i < plan->range_field_count && !text_equal(plan->fields[i], name))
        i++;
    CHECK(i < plan->range_field_count);
    return i;
}

static void
map_fields(struct range_reader *reader)
{
    const struct load_plan *plan = reader->plan;
    reader->fields = memory_zalloc((plan->range_field_count + 1) * sizeof *reader->fields);
    reader->source_fields = memory_alloc(plan->range_count * sizeof *reader->source_fields);
    for (uint32_t i = 0; i < plan->range_count; i++) {
        const struct load_source *source = &plan->ranges[i];
        uint32_t *map = memory_alloc((source->value_count + 1) * sizeof *map);
        for (uint32_t j = 0; j < source->value_count; j++) {
            map[j] = find_field(plan, source->fields[j]);
            reader->fields[map[j]] = (struct chunk_field){
                .name = source->fields[j],
                .is_multi_value = value_is_multi(source, source->values[j]),
                .may_repeat = value_may_repeat(source, source->values[j]),
            };
        }
        reader->source_fields[i] = map;
    }
}

int
range_reader_create(const struct load_plan *plan, const struct range_reader_options *options,
                    struct range_reader **reader, struct error *err)
{
    struct range_reader *made = memory_zalloc(sizeof *made);
    (void)err;
    CHECK(plan->range_count > 0);
    made->plan = plan;
    made->options = *options;
    made->range_width = RANGE_WIDTH_FIRST;
    made->list_width = RANGE_WIDTH_FIRST;
    made->lanes_max = (uint32_t)plan->config->producer.load.connections;
    CHECK(made->lanes_max > 0 && made->lanes_max <= CONFIG_LOAD_CONNECTIONS_MAX);
    for (uint32_t i = 0; i < plan->range_count; i++)
        made->is_scanned = made->is_scanned || plan->ranges[i].is_scanned;
    map_fields(made);
    made->builder = chunk_builder_create(&(struct chunk_shape){
        .purpose = options->purpose,
        .partitions = plan->config->topic.partitions,
        .max_slots = plan->config->topic.max_slots,
        .event_bytes_max = options->event_bytes_max,
        .fields = made->fields,
        .field_count = plan->range_field_count,
        .states_alive = plan->states_alive,
    });
    arena_init(&made->scratch);
    *reader = made;
    return 0;
}

static void
close_lanes(struct range_reader *reader)
{
    for (uint32_t i = 1; i < reader->lanes_max; i++) {
        pg_close(reader->lanes[i].pg);
        reader->lanes[i].pg = NULL;
        reader->lanes[i].is_copying = false;
    }
}

void
range_reader_destroy(struct range_reader *reader)
{
    if (reader == NULL)
        return;
    close_lanes(reader);
    for (uint32_t i = 0; i < reader->lanes_max; i++)
        buffer_free(&reader->lanes[i].bytes);
    for (uint32_t i = 0; i < reader->plan->range_count; i++)
        free(reader->source_fields[i]);
    chunk_builder_destroy(reader->builder);
    arena_free(&reader->scratch);
    buffer_free(&reader->sql);
    free(reader->source_fields);
    free(reader->fields);
    free(reader);
}

/* --- sessions --- */

static int
begin_lanes(const struct reading *reading, struct error *err)
{
    struct range_reader *reader = reading->reader;
    int rc = load_session_enter(reader->lanes[0].pg, err);
    for (uint32_t i = 1; rc == 0 && i < reader->lane_count; i++) {
        if (reader->lanes[i].pg == NULL)
            rc = load_session_open(reader->plan->config->postgres, NULL, &reader->lanes[i].pg, err);
        if (rc == 0)
            rc = load_session_begin(reader->lanes[i].pg, reading->snapshot, err);
    }
    return rc;
}

static int
end_copy(struct lane *lane, struct error *err)
{
    bool was_copying = lane->is_copying;
    lane->is_copying = false;
    return was_copying ? pg_copy_cancel(lane->pg, err) : 0;
}

/* Ends the copies that are running, and the transactions. */
static int
end_lanes(struct range_reader *reader, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < reader->lane_count; i++) {
        rc = end_copy(&reader->lanes[i], err);
        if (rc == 0)
            rc = i == 0 ? load_session_leave(reader->lanes[i].pg, err)
                        : load_session_end(reader->lanes[i].pg, err);
    }
    return rc;
}

/* After an error, whose message stays: the caller's session is as it was, or lost. */
static void
abandon_lanes(struct range_reader *reader)
{
    struct error ignored;
    struct lane *first = &reader->lanes[0];
    close_lanes(reader);
    if (end_copy(first, &ignored) == 0)
        (void)load_session_leave(first->pg, &ignored);
}

static int
beat(const struct range_reader *reader)
{
    if (reader->options.heartbeat == NULL)
        return 0;
    return reader->options.heartbeat(reader->options.context);
}

/* --- the range --- */

static void
append_next_slot(struct buffer *sql, const struct load_source *source, int64_t begin)
{
    if (source->phase != NULL)
        phase_select_append_next_slot(sql, &source->phase->select, begin);
    else
        select_append_next_slot(sql, source->entry, begin);
}

/* The first entity at or above `begin` in any source; false in `*found` without one. */
static int
find_first(struct range_reader *reader, int64_t begin, int64_t *first, bool *found,
           struct error *err)
{
    struct pg_result *result;
    struct buffer *sql = &reader->sql;
    buffer_clear(sql);
    buffer_append_text(sql, "SELECT least(");
    for (uint32_t i = 0; i < reader->plan->range_count; i++) {
        buffer_append_text(sql, i > 0 ? ", (" : "(");
        append_next_slot(sql, &reader->plan->ranges[i], begin);
        buffer_append_text(sql, ")");
    }
    buffer_append_text(sql, ")");
    int rc = pg_query(reader->lanes[0].pg, buffer_string(sql), 0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not find the next entity of a load");
    CHECK(pg_rows(result) == 1);
    *found = !pg_is_null(result, 0, 0);
    *first = pg_integer(result, 0, 0);
    pg_result_clear(result);
    CHECK(!*found || *first >= begin);
    return 0;
}

/* The range for the present width. */
static void
set_end(struct reading *reading)
{
    const struct range_wanted *wanted = reading->wanted;
    int64_t end;
    if (wanted->ids != NULL) {
        bool is_cut = reading->width < (int64_t)wanted->id_count;
        reading->id_count = is_cut ? (uint32_t)reading->width : wanted->id_count;
        reading->end = is_cut ? wanted->ids[reading->id_count - 1] + 1 : wanted->end;
        return;
    }
    if (__builtin_add_overflow(reading->first, reading->width, &end) || end > wanted->end)
        end = wanted->end;
    reading->end = end;
}

uint32_t
range_reader_list_width(const struct range_reader *reader, double share)
{
    double width = (double)reader->list_width * share;
    CHECK(share > 0 && share <= 1);
    if (reader->is_scanned || width > IDS_MAX)
        return IDS_MAX; /* a scan costs the same, however long the list is */
    return width > 1 ? (uint32_t)width : 1;
}

/* How much is read: a part of what the last readings proved to fit. */
static void
set_width(struct reading *reading)
{
    const struct range_reader *reader = reading->reader;
    double share = reading->wanted->share;
    double width = (double)reader->range_width * share;
    reading->width = width > 1 ? (int64_t)width : 1;
    if (reading->wanted->ids != NULL)
        reading->width = range_reader_list_width(reader, share);
}

static int
choose_range(struct reading *reading, struct error *err)
{
    bool found = true;
    const struct range_wanted *wanted = reading->wanted;
    reading->first = wanted->begin;
    if (wanted->ids == NULL && !wanted->is_dense) {
        int rc = find_first(reading->reader, wanted->begin, &reading->first, &found, err);
        if (rc != 0)
            return rc;
    }
    if (!found || reading->first >= wanted->end)
        reading->first = wanted->end;
    set_end(reading);
    return 0;
}

/* Divides the range evenly. A share without ids has no range of its own. */
static void
share_range(struct reading *reading)
{
    struct range_reader *reader = reading->reader;
    const int64_t *ids = reading->wanted->ids;
    uint64_t lanes = reader->lane_count;
    uint64_t width = (uint64_t)(reading->end - reading->first);
    for (uint32_t i = 0; i < lanes; i++) {
        struct lane *lane = &reader->lanes[i];
        uint32_t from = (uint32_t)(reading->id_count * (uint64_t)i / lanes);
        uint32_t to = (uint32_t)(reading->id_count * (uint64_t)(i + 1) / lanes);
        lane->range = (struct select_range){
            .has_begin = true,
            .begin = reading->first + (int64_t)(width / lanes * i),
            .has_end = true,
            .end =
                i + 1 == lanes ? reading->end : reading->first + (int64_t)(width / lanes * (i + 1)),
        };
        if (ids != NULL)
            lane->range = (struct select_range){.ids = ids + from, .id_count = to - from};
    }
}

static bool
share_is_empty(const struct select_range *range)
{
    return range->ids != NULL ? range->id_count == 0
                              : range->has_begin && range->begin >= range->end;
}

/* --- rows --- */

static void
append_range(struct buffer *sql, const struct load_source *source, const struct select_range *range)
{
    const struct load_phase *phase = source->phase;
    if (phase != NULL)
        phase_select_append_range(sql, &phase->select, phase->columns, phase->column_count, range);
    else
        select_append_range(sql, source->entry, source->values, source->value_count, range);
}

static int
wrap_error(const struct load_source *source, int rc, struct error *err)
{
    if (source->phase != NULL)
        return error_wrap(err, rc, "could not read dump phase %s",
                          source->phase->select.phase->name);
    return error_wrap(err, rc, "could not read triggers[%u], table %s", source->entry->index,
                      source->table);
}

static int
start_copy(struct reading *reading, struct lane *lane, struct error *err)
{
    struct range_reader *reader = reading->reader;
    const struct load_source *source = &reader->plan->ranges[lane->source];
    CHECK(!lane->is_copying);
    buffer_clear(&reader->sql);
    buffer_clear(&lane->bytes);
    append_range(&reader->sql, source, &lane->range);
    int rc = load_session_copy(lane->pg, source->entry, buffer_string(&reader->sql), err);
    if (rc != 0)
        return wrap_error(source, rc, err);
    lane->is_copying = true;
    lane->parser = (struct row_parser){
        .source = source,
        .fields = reader->source_fields[lane->source],
        .states_alive = reader->plan->states_alive && source->sets_alive,
        .builder = reader->builder,
        .problems = &reading->problems,
        .counts = &reading->chunk->counts[lane->source],
        .scratch = &reader->scratch,
    };
    return 0;
}

/* Starts the copy of the next source, from lane->source on. */
static int
start_next(struct reading *reading, struct lane *lane, struct error *err)
{
    uint32_t count = reading->reader->plan->range_count;
    while (lane->source < count && reading->unreadable[lane->source] != NULL)
        lane->source++;
    return lane->source < count ? start_copy(reading, lane, err) : 0;
}

/* A row that Postgres cannot evaluate, by the class of its SQLSTATE (data exception). */
static bool
is_unreadable(const struct lane *lane, int rc)
{
    return rc == ERR_FATAL && pg_failed_on_a_row(lane->pg);
}

/* Takes what has arrived. */
static int
read_rows_of(struct reading *reading, struct lane *lane, bool *done, struct error *err)
{
    int rc = pg_copy_read(lane->pg, 0, &lane->bytes, done, err);
    lane->is_copying = rc == 0 && !*done;
    lane->has_failed = rc != 0 && is_unreadable(lane, rc);
    reading->cost.bytes += lane->bytes.bytes;
    struct text bytes = {(const char *)lane->bytes.data, lane->bytes.bytes};
    if (rc == 0)
        rc = row_parser_feed(&lane->parser, bytes, err);
    if (rc == 0 && *done && !lane->parser.is_complete)
        rc = error_set(err, ERR_FATAL, "postgres: a binary copy ended without its trailer");
    return rc != 0 ? wrap_error(lane->parser.source, rc, err) : 0;
}

/* Takes what has arrived, and starts the next copy after the end of one. */
static int
read_lane(struct reading *reading, struct lane *lane, bool *arrived, struct error *err)
{
    bool done;
    CHECK(lane->is_copying);
    buffer_clear(&lane->bytes);
    int rc = read_rows_of(reading, lane, &done, err);
    if (rc != 0)
        return rc;
    *arrived = *arrived || done || lane->bytes.bytes > 0;
    if (!done)
        return 0;
    lane->source++;
    return start_next(reading, lane, err);
}

/* Of a join, how many entities its rows have is unknown. */
static uint64_t
count_entities(const struct reading *reading)
{
    uint64_t entities = 0;
    const struct load_plan *plan = reading->reader->plan;
    for (uint32_t i = 0; i < plan->range_count; i++)
        if (plan->ranges[i].entry->trigger->kind != TRIGGER_JOIN &&
            reading->chunk->counts[i].rows > entities)
            entities = reading->chunk->counts[i].rows;
    return entities;
}

/* How many ids the range has, as the width counts them. */
static int64_t
range_width(const struct reading *reading)
{
    return reading->wanted->ids != NULL ? (int64_t)reading->id_count
                                        : reading->end - reading->first;
}

/* The entity of a range of one. */
static int64_t
only_id(const struct reading *reading)
{
    CHECK(range_width(reading) == 1);
    return reading->wanted->ids != NULL ? reading->wanted->ids[0] : reading->first;
}

static void
measure(struct reading *reading)
{
    reading->cost.elapsed_us = clock_monotonic_us() - reading->started_us;
    reading->cost.entities = count_entities(reading);
}

/* Is the range to be given up? Of an entity alone, the largest field is given up, as soon as it is
 * certain that it does not fit: a value takes at least two bytes of an event. */
static bool
cost_is_exceeded(struct reading *reading)
{
    struct range_reader *reader = reading->reader;
    uint64_t held = chunk_builder_bytes(reader->builder);
    measure(reading);
    if (range_width(reading) > 1)
        return range_width_is_exceeded(&reading->cost, held,
                                       reader->is_scanned ? UINT32_MAX : reading->attempt);
    if (held / PAIR_BYTES * VALUE_BYTES_MIN > reader->options.event_bytes_max)
        chunk_builder_drop_largest(reader->builder, only_id(reading));
    return false;
}

static uint32_t
list_copies(struct range_reader *reader, struct pg *sessions[CONFIG_LOAD_CONNECTIONS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reader->lane_count; i++)
        if (reader->lanes[i].is_copying)
            sessions[count++] = reader->lanes[i].pg;
    return count;
}

/* One turn of all sessions; waits when nothing has arrived. */
static int
read_lanes(struct reading *reading, bool *done, struct error *err)
{
    struct range_reader *reader = reading->reader;
    struct pg *sessions[CONFIG_LOAD_CONNECTIONS_MAX];
    bool arrived = false;
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        if (!reader->lanes[i].is_copying)
            continue;
        int rc = read_lane(reading, &reader->lanes[i], &arrived, err);
        if (rc != 0)
            return rc;
    }
    uint32_t count = list_copies(reader, sessions);
    *done = count == 0;
    return *done || arrived ? 0 : pg_copy_wait(sessions, count, WAIT_MS, err);
}

static int
start_lanes(struct reading *reading, struct error *err)
{
    int rc = 0;
    struct range_reader *reader = reading->reader;
    for (uint32_t i = 0; rc == 0 && i < reader->lane_count; i++) {
        reader->lanes[i].source = 0;
        reader->lanes[i].has_failed = false;
        if (!share_is_empty(&reader->lanes[i].range))
            rc = start_next(reading, &reader->lanes[i], err);
    }
    return rc;
}

/* Reads all sources of the shares, or until the range is to be given up. */
static int
read_rows(struct reading *reading, bool *exceeded, struct error *err)
{
    bool done = false;
    int64_t beat_us = clock_monotonic_us();
    int rc = start_lanes(reading, err);
    *exceeded = false;
    while (rc == 0 && !done && !*exceeded) {
        rc = read_lanes(reading, &done, err);
        *exceeded = rc == 0 && !done && cost_is_exceeded(reading);
        int64_t now_us = clock_monotonic_us();
        if (rc == 0 && now_us - beat_us >= (int64_t)WAIT_MS * US_PER_MS) {
            beat_us = now_us;
            rc = beat(reading->reader);
        }
    }
    measure(reading);
    return rc;
}

/* --- a reading --- */

/* Begins an attempt with nothing. */
static void
reset(struct reading *reading)
{
    struct load_chunk *chunk = reading->chunk;
    uint32_t sources = reading->reader->plan->range_count;
    chunk_builder_clear(reading->reader->builder);
    arena_reset(&chunk->arena);
    chunk->counts = arena_alloc(&chunk->arena, sources * sizeof *chunk->counts);
    memset(chunk->counts, 0, sources * sizeof *chunk->counts);
    reading->problems = (struct problem_list){.arena = &chunk->arena};
    reading->cost = (struct range_cost){0};
    reading->started_us = clock_monotonic_us();
}

/* Rows with negative ids belong to no range; the first session reads them. */
static int
read_negative_ids(struct reading *reading, struct error *err)
{
    struct range_reader *reader = reading->reader;
    uint32_t attempt = reading->attempt;
    reader->lanes[0].range = (struct select_range){.has_end = true, .end = 0};
    for (uint32_t i = 1; i < reader->lane_count; i++)
        reader->lanes[i].range = (struct select_range){.has_begin = true, .has_end = true};
    reading->attempt = UINT32_MAX; /* they take no memory, and any time */
    bool exceeded;
    int rc = read_rows(reading, &exceeded, err);
    CHECK(!exceeded);
    reading->attempt = attempt;
    return rc;
}

/* How far the ids of the running copy of the first session, which begins the range, have come. */
static int64_t
seen_ids(const struct reading *reading)
{
    const struct lane *lane = &reading->reader->lanes[0];
    bool is_known = lane->is_copying && reading->wanted->ids == NULL && lane->parser.last_id > 0;
    return is_known ? lane->parser.last_id - reading->first + 1 : 0;
}

/* Makes the sessions ready for the next attempt. */
static int
renew_lanes(struct reading *reading, struct error *err)
{
    int rc = end_lanes(reading->reader, err);
    return rc != 0 ? rc : begin_lanes(reading, err);
}

/* The next attempt is narrower. */
static int
narrow(struct reading *reading, int64_t seen, struct error *err)
{
    reading->width = range_width_cut(range_width(reading), seen);
    reading->attempt++;
    set_end(reading);
    return renew_lanes(reading, err);
}

static const struct lane *
find_failed(const struct range_reader *reader)
{
    for (uint32_t i = 0; i < reader->lane_count; i++)
        if (reader->lanes[i].has_failed)
            return &reader->lanes[i];
    return NULL;
}

/* After a row that Postgres cannot evaluate, the range is narrowed until that row is the only one;
 * then the next attempt leaves out its source. `err` has the reason. */
static int
leave_out(struct reading *reading, const struct lane *failed, struct error *err)
{
    struct range_reader *reader = reading->reader;
    if (range_width(reading) > 1)
        return narrow(reading, 0, err);
    if (++reader->unreadable_count > UNREADABLE_MAX && reader->options.purpose == CHUNK_LOAD)
        return error_wrap(err, ERR_FATAL, "more than %d entities cannot be read", UNREADABLE_MAX);
    CHECK(reading->unreadable[failed->source] == NULL);
    reading->unreadable[failed->source] = memory_strdup(err->message);
    return renew_lanes(reading, err);
}

/* Rejects what could not be read of the only entity. */
static void
reject_unreadable(struct reading *reading)
{
    const struct range_reader *reader = reading->reader;
    const struct load_plan *plan = reader->plan;
    for (uint32_t i = 0; i < plan->range_count; i++) {
        const struct load_source *source = &plan->ranges[i];
        bool states_alive = plan->states_alive && source->sets_alive;
        if (reading->unreadable[i] != NULL && (source->value_count > 0 || states_alive) &&
            chunk_builder_has_slot(reader->builder, only_id(reading)))
            chunk_builder_reject(reader->builder, only_id(reading), reader->source_fields[i],
                                 source->value_count, states_alive, reading->unreadable[i]);
    }
}

static void
build(struct reading *reading)
{
    struct range_reader *reader = reading->reader;
    chunk_builder_build(reader->builder, reading->wanted->begin, reading->end, reading->wanted->ids,
                        reading->id_count, reading->chunk);
}

/* A reading of everything that was wanted says nothing of how much more would have fitted, unless
 * it was too much already. Widths are those of a reading whose share is all of the time. */
static void
set_next_width(struct reading *reading)
{
    struct range_reader *reader = reading->reader;
    const struct range_wanted *wanted = reading->wanted;
    int64_t *whole = wanted->ids != NULL ? &reader->list_width : &reader->range_width;
    int64_t width = (int64_t)((double)range_width(reading) / wanted->share);
    struct range_cost cost = {
        .elapsed_us = (int64_t)((double)reading->cost.elapsed_us / wanted->share),
        .bytes = (uint64_t)((double)reading->cost.bytes / wanted->share),
        .entities = (uint64_t)((double)reading->cost.entities / wanted->share),
    };
    width = width < 1 ? 1 : width > RANGE_WIDTH_MAX ? RANGE_WIDTH_MAX : width;
    int64_t next = range_width_next(width, &cost);
    if (reading->attempt > 0 || reading->end < wanted->end || next < width || next > *whole)
        *whole = next;
}

/* One attempt. Sets `*again` when another one is due. */
static int
attempt_range(struct reading *reading, bool *again, struct error *err)
{
    bool exceeded;
    *again = false;
    reset(reading);
    if (reading->counts_negative_ids) {
        int rc = read_negative_ids(reading, err);
        if (rc != 0 && find_failed(reading->reader) == NULL)
            return rc;
        *again = rc != 0;
        reading->counts_negative_ids = rc == 0;
    }
    if (*again) /* without them */
        return renew_lanes(reading, err);
    reading->started_us = clock_monotonic_us();
    share_range(reading);
    int rc = read_rows(reading, &exceeded, err);
    const struct lane *failed = rc != 0 ? find_failed(reading->reader) : NULL;
    *again = exceeded || failed != NULL;
    if (exceeded)
        return narrow(reading, seen_ids(reading), err);
    return failed != NULL ? leave_out(reading, failed, err) : rc;
}

/* Reads the range, in as many attempts as it takes, and builds the chunk. */
static int
read_range(struct reading *reading, struct error *err)
{
    int rc = 0;
    bool again = true;
    struct range_reader *reader = reading->reader;
    while (rc == 0 && again)
        rc = attempt_range(reading, &again, err);
    if (rc != 0)
        return rc;
    reject_unreadable(reading);
    build(reading);
    set_next_width(reading);
    return end_lanes(reader, err);
}

/* What chunks reject are problems as well. */
static void
add_rejected(struct reading *reading)
{
    const struct load_chunk *chunk = reading->chunk;
    int32_t partitions = reading->reader->plan->config->topic.partitions;
    for (uint32_t i = 0; i < chunk->part_count; i++)
        for (int32_t p = 0; p < partitions; p++)
            if (chunk->parts[i].chunks[p].rejected.bytes > 0)
                problem_list_add(&reading->problems, chunk->parts[i].begin, "", "",
                                 chunk->parts[i].chunks[p].rejected.data);
}

static void
sum_up(struct reading *reading)
{
    struct load_chunk *chunk = reading->chunk;
    add_rejected(reading);
    chunk->problems = problem_list_take(&reading->problems);
    chunk->bytes = reading->cost.bytes;
    for (uint32_t i = 0; i < reading->reader->plan->range_count; i++) {
        chunk->rows += chunk->counts[i].rows;
        chunk->values += chunk->counts[i].values;
    }
    CHECK(chunk->part_count > 0);
    CHECK(chunk->begin == reading->wanted->begin && chunk->end > chunk->begin);
}

static int
read_chunk(struct reading *reading, struct error *err)
{
    set_width(reading);
    int rc = begin_lanes(reading, err);
    if (rc == 0)
        rc = choose_range(reading, err);
    if (rc == 0)
        rc = read_range(reading, err);
    if (rc == 0)
        sum_up(reading);
    else
        abandon_lanes(reading->reader);
    return rc;
}

/* A session costs more than reading a short list. */
static uint32_t
count_lanes(const struct range_reader *reader, const struct range_wanted *wanted)
{
    uint32_t most = 1 + wanted->id_count / LANE_IDS;
    return wanted->ids == NULL || most > reader->lanes_max ? reader->lanes_max : most;
}

static int
begin_reading(struct reading *reading, struct pg *pg, struct buffer *snapshot, struct error *err)
{
    struct range_reader *reader = reading->reader;
    reader->lanes[0].pg = pg;
    reader->lane_count = count_lanes(reader, reading->wanted);
    int rc = reader->lane_count > 1 ? load_session_export(pg, snapshot, err) : 0;
    reading->snapshot = buffer_string(snapshot);
    return rc;
}

static int
read_wanted(struct range_reader *reader, struct pg *pg, struct reading *reading, struct error *err)
{
    struct buffer snapshot = {0};
    struct load_chunk *chunk = reading->chunk;
    uint32_t sources = reader->plan->range_count;
    *chunk = (struct load_chunk){0};
    arena_init(&chunk->arena);
    reading->unreadable = memory_zalloc(sources * sizeof *reading->unreadable);
    int rc = begin_reading(reading, pg, &snapshot, err);
    if (rc == 0)
        rc = read_chunk(reading, err);
    buffer_free(&snapshot);
    for (uint32_t i = 0; i < sources; i++)
        free(reading->unreadable[i]);
    free(reading->unreadable);
    reader->lanes[0].pg = NULL;
    if (rc == 0)
        return 0;
    chunk_builder_clear(reader->builder);
    load_chunk_free(chunk);
    return rc;
}

int
range_reader_read_wanted(struct range_reader *reader, struct pg *pg,
                         const struct range_wanted *wanted, struct load_chunk *chunk,
                         struct error *err)
{
    struct reading reading = {.reader = reader, .wanted = wanted, .chunk = chunk};
    CHECK(wanted->begin >= 0 && wanted->begin < wanted->end);
    CHECK(wanted->share > 0 && wanted->share <= 1);
    CHECK(wanted->ids == NULL || wanted->id_count > 0);
    return read_wanted(reader, pg, &reading, err);
}

int
range_reader_read(struct range_reader *reader, struct pg *pg, int64_t begin,
                  struct load_chunk *chunk, struct error *err)
{
    const struct load_plan *plan = reader->plan;
    struct range_wanted wanted = {.begin = begin, .end = plan->end, .share = 1};
    struct reading reading = {
        .reader = reader,
        .wanted = &wanted,
        .chunk = chunk,
        .counts_negative_ids = begin == 0 && plan->begin == 0 && plan->ids == NULL,
    };
    CHECK(begin >= plan->begin && begin < plan->end);
    uint32_t from = 0;
    while (from < plan->id_count && plan->ids[from] < begin)
        from++;
    if (plan->ids != NULL) {
        wanted.ids = plan->ids + from;
        wanted.id_count = plan->id_count - from;
    }
    return read_wanted(reader, pg, &reading, err);
}
