/* Happy path: one statement reads the rows of all keys, under a savepoint, and its copy is taken as
 * a whole. Fan-outs fill one event after another.
 *
 * Failure modes: a key that the column cannot have makes Postgres refuse the statement, and so does
 * a row that it cannot evaluate; the caller finds it with fewer keys. A copy that takes too much
 * memory is an error of the same kind.
 */
#include "producer/load/parent_reader.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/json/json_parse.h"
#include "producer/load/load_session.h"
#include "producer/load/pass_parser.h"
#include "producer/source/copy_binary.h"
#include "producer/triggers/select.h"

enum {
    WAIT_MS = 50, /* between two heartbeats */
    COPY_BYTES_MAX = 32 << 20,
    KEY_DEPTH_MAX = 2, /* of the JSON of a key: a list of scalars */
};

/* --- the columns of the keys --- */

/* The foreign key that refers to the rows of the level; of a pass the primary key, without one the
 * column that the query compares with. */
static void
find_columns(struct parent_reader *reader, struct arena *arena)
{
    const struct entry *entry = reader->source->entry;
    const char **column = arena_alloc(arena, sizeof *column);
    reader->keys = (struct select_keys){.columns = column, .column_count = 1};
    if (entry->link_count > 0) {
        CHECK(reader->level < entry->link_count);
        *column = entry->links[reader->level].link->foreign_key;
        return;
    }
    CHECK(select_is_pass(entry) && reader->level == 0);
    if (entry->key_column_count > 0) {
        reader->keys.columns = entry->key_columns;
        reader->keys.column_count = entry->key_column_count;
        return;
    }
    bool is_column = entry->trigger->query_source == NULL && entry->placeholder_count == 1;
    *column = is_column ? entry->placeholders[0].name : NULL;
    reader->keys.column_count = is_column ? 1 : 0;
}

/* Without its modifier: a cast to varchar(3) or to char(1) would cut a key. */
static int
read_type(const struct parent_reader *reader, struct pg *pg, const char *column, const char **type,
          struct arena *arena, struct error *err)
{
    const struct entry *entry = reader->source->entry;
    const char *table =
        entry->link_count > 0 ? entry->links[reader->level].table.quoted : entry->table.quoted;
    const char *params[] = {table, column};
    struct pg_result *result;
    int rc = pg_query(
        pg,
        "SELECT pg_catalog.format('%I.%I', nspname, typname) FROM pg_attribute JOIN pg_type ON"
        " pg_type.oid = atttypid JOIN pg_namespace ON pg_namespace.oid ="
        " typnamespace WHERE attrelid = $1::regclass::oid AND attname = $2 AND NOT"
        " attisdropped",
        2, params, &result, err);
    if (rc != 0)
        return rc;
    if (pg_rows(result) == 1)
        *type = arena_strdup(arena, text_of(pg_text(result, 0, 0)));
    else
        rc = error_set(err, ERR_USAGE, "column %s of %s does not exist", column, table);
    pg_result_clear(result);
    return rc;
}

int
parent_reader_prepare(struct parent_reader *reader, struct pg *pg, const struct load_source *source,
                      uint32_t level, const struct range_reader_options *options,
                      struct arena *arena, struct error *err)
{
    int rc = 0;
    *reader = (struct parent_reader){.source = source, .level = level, .options = options};
    find_columns(reader, arena);
    const char **types = arena_alloc(arena, (reader->keys.column_count + 1) * sizeof *types);
    for (uint32_t i = 0; rc == 0 && i < reader->keys.column_count; i++)
        rc = read_type(reader, pg, reader->keys.columns[i], &types[i], arena, err);
    reader->keys.types = types;
    return rc;
}

/* --- keys of several columns --- */

static bool
is_scalar(const struct json_value *value)
{
    return value->kind == JSON_BOOLEAN || value->kind == JSON_INTEGER ||
           value->kind == JSON_FLOAT || value->kind == JSON_STRING;
}

static int
check_key(const struct parent_reader *reader, struct text key, struct arena *arena,
          struct error *err)
{
    const struct json_value *value;
    struct error reason;
    bool is_key = json_parse(key, KEY_DEPTH_MAX, arena, &value, &reason) == 0 &&
                  value->kind == JSON_ARRAY && value->array.count == reader->keys.column_count;
    for (uint32_t i = 0; is_key && i < value->array.count; i++)
        is_key = is_scalar(&value->array.items[i]);
    if (is_key)
        return 0;
    return error_set(err, ERR_DATA,
                     "its key is not a JSON array of %u texts or numbers, one for"
                     " each column of the primary key",
                     reader->keys.column_count);
}

/* Fills `*selected`. ERR_DATA: a key is not one of so many columns. */
static int
select_keys_of(const struct parent_reader *reader, const struct text *keys, uint32_t count,
               struct select_keys *selected, struct error *err)
{
    int rc = 0;
    struct arena arena;
    CHECK(reader->keys.column_count > 0 && count > 0);
    *selected = reader->keys;
    selected->keys = keys;
    selected->count = count;
    if (selected->column_count == 1)
        return 0;
    arena_init(&arena);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = check_key(reader, keys[i], &arena, err);
    arena_free(&arena);
    return rc;
}

/* --- the copy --- */

static int
read_rows(const struct parent_reader *reader, struct pg *pg, struct buffer *bytes,
          struct error *err)
{
    int rc = 0;
    bool done = false;
    int64_t beat_us = clock_monotonic_us();
    while (rc == 0 && !done) {
        rc = pg_copy_read(pg, WAIT_MS, bytes, &done, err);
        if (rc == 0 && bytes->bytes > COPY_BYTES_MAX)
            rc = error_set(err, ERR_DATA, "what depends on the parents takes more than %d bytes",
                           COPY_BYTES_MAX);
        int64_t now_us = clock_monotonic_us();
        if (rc == 0 && now_us - beat_us >= (int64_t)WAIT_MS * US_PER_MS) {
            beat_us = now_us;
            if (reader->options->heartbeat != NULL)
                rc = reader->options->heartbeat(reader->options->context);
        }
        if (rc != 0 && !done && !pg_is_lost(pg)) {
            struct error ignored;
            (void)pg_copy_cancel(pg, &ignored);
        }
    }
    return rc;
}

/* A key, or a row that Postgres cannot evaluate or send. */
static int
classify(struct pg *pg, int rc)
{
    return rc == ERR_FATAL && pg_failed_on_a_row(pg) ? ERR_DATA : rc;
}

static int
copy(const struct parent_reader *reader, struct pg *pg, const char *query, struct buffer *bytes,
     struct error *err)
{
    struct error ignored;
    const struct entry *entry = reader->source->entry;
    bool is_scan = entry->link_count > 0 && !entry_level_has_index(entry, reader->level);
    int rc = load_session_enter(pg, err);
    if (rc != 0)
        return rc;
    /* a table of the path is read as a whole, and once is enough */
    if (is_scan)
        rc = pg_exec(pg, "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on", err);
    if (rc == 0)
        rc = load_session_copy(pg, entry, query, err);
    if (rc == 0)
        rc = read_rows(reader, pg, bytes, err);
    rc = classify(pg, rc);
    int left = load_session_leave(pg, rc == 0 ? err : &ignored);
    return rc == 0 ? left : rc;
}

/* --- children --- */

static int
take_child(struct copy_bytes *bytes, uint32_t key_count, struct parent_child *child,
           struct error *err)
{
    bool null;
    int16_t columns;
    int64_t number;
    struct text first;
    struct text second;
    bool is_row = copy_take_int16(bytes, &columns) && columns == 2 &&
                  copy_take_field(bytes, &null, &first) && !null &&
                  copy_take_field(bytes, &null, &second) && !null && copy_integer(first, &number) &&
                  copy_integer(second, &child->slot);
    if (!is_row || number < 1 || number > (int64_t)key_count)
        return error_set(err, ERR_FATAL, "postgres: a child row in a binary copy is invalid");
    child->parent = (uint32_t)(number - 1);
    return 0;
}

static bool
is_trailer(struct copy_bytes rest)
{
    int16_t columns;
    return copy_take_int16(&rest, &columns) && columns == COPY_TRAILER;
}

static int
parse_children(const struct buffer *bytes, uint32_t key_count, struct arena *arena,
               struct parent_child **children, uint32_t *count, struct error *err)
{
    enum {
        ROW_BYTES_MIN = 16
    }; /* the number of columns, two lengths, a number of 4 and one of 2 */
    struct copy_bytes rest = {bytes->data, bytes->data + bytes->bytes};
    size_t most = bytes->bytes / ROW_BYTES_MIN + 1;
    *children = arena_alloc(arena, most * sizeof **children);
    *count = 0;
    int rc = copy_take_header(&rest, err);
    while (rc == 0 && !is_trailer(rest)) {
        CHECK(*count < most);
        rc = take_child(&rest, key_count, &(*children)[*count], err);
        *count += rc == 0;
    }
    return rc;
}

int
parent_reader_children(const struct parent_reader *reader, struct pg *pg, const struct text *keys,
                       uint32_t key_count, int64_t begin, int64_t limit, struct arena *arena,
                       struct parent_child **children, uint32_t *count, struct error *err)
{
    struct buffer sql = {0};
    struct buffer bytes = {0};
    struct select_keys selected;
    int rc = select_keys_of(reader, keys, key_count, &selected, err);
    if (rc != 0)
        return rc;
    select_append_children(&sql, reader->source->entry, reader->level, &selected, begin, limit);
    rc = copy(reader, pg, buffer_string(&sql), &bytes, err);
    if (rc == 0)
        rc = parse_children(&bytes, key_count, arena, children, count, err);
    buffer_free(&sql);
    buffer_free(&bytes);
    return rc;
}

/* --- fan-outs --- */

/* One reading of fan-outs. */
struct fan_outs {
    const struct parent_reader *reader;
    struct select_keys keys;
    bool *found; /* by key: a parent has it; owned */
    struct load_pass_part *parts;
    uint32_t part_count;
};

static void
fill_part(const struct fan_outs *fan_outs, const struct pass_parser *parser, uint64_t bytes,
          struct load_pass_part *part)
{
    const struct load_source *source = fan_outs->reader->source;
    part->pass = (struct pass){
        .entry = text_of(source->dump_name),
        .part = 1,
        .fields = source->fields,
        .field_count = source->value_count,
        .reads = source->reads,
        .read_count = source->read_count,
        .fan_outs = {parser->ops, parser->count},
    };
    part->rows = parser->rows;
    part->values = parser->values;
    part->bytes = bytes;
    part->problems = problem_list_take(parser->problems);
}

/* Parses the next fan-outs that fit an event. `*at` is where they begin. */
static int
parse_part(struct fan_outs *fan_outs, const struct buffer *bytes, size_t *at, bool *done,
           struct error *err)
{
    fan_outs->parts =
        memory_realloc(fan_outs->parts, (fan_outs->part_count + 1) * sizeof *fan_outs->parts);
    struct load_pass_part *part = &fan_outs->parts[fan_outs->part_count++];
    *part = (struct load_pass_part){0};
    arena_init(&part->arena);
    struct problem_list problems = {.arena = &part->arena};
    struct pass_parser parser = {
        .source = fan_outs->reader->source,
        .event_bytes_max = fan_outs->reader->options->event_bytes_max,
        .arena = &part->arena,
        .problems = &problems,
        .keys = &fan_outs->keys,
        .found = fan_outs->found,
        .has_header = *at > 0,
    };
    struct text rest = {(const char *)bytes->data + *at, bytes->bytes - *at};
    int rc = pass_parser_feed(&parser, rest, err);
    if (rc == 0 && !parser.is_full && !parser.is_complete)
        rc = error_set(err, ERR_FATAL, "postgres: a binary copy ended without its trailer");
    if (rc != 0)
        return rc;
    fill_part(fan_outs, &parser, parser.taken_bytes, part);
    *at += parser.taken_bytes;
    *done = !parser.is_full;
    return 0;
}

static int
read_parts(struct fan_outs *fan_outs, struct pg *pg, const char *query, struct error *err)
{
    struct buffer bytes = {0};
    size_t at = 0;
    bool done = false;
    int rc = copy(fan_outs->reader, pg, query, &bytes, err);
    while (rc == 0 && !done)
        rc = parse_part(fan_outs, &bytes, &at, &done, err);
    buffer_free(&bytes);
    return rc;
}

/* Clears what the parents that were not found have left. */
static int
read_gone(struct fan_outs *fan_outs, struct pg *pg, struct error *err)
{
    struct buffer sql = {0};
    struct select_keys gone = fan_outs->keys;
    const struct load_source *source = fan_outs->reader->source;
    struct text *keys = memory_alloc(gone.count * sizeof *keys);
    gone.keys = keys;
    gone.count = 0;
    for (uint32_t i = 0; i < fan_outs->keys.count; i++)
        if (!fan_outs->found[i])
            keys[gone.count++] = fan_outs->keys.keys[i];
    int rc = 0;
    if (gone.count > 0) {
        fan_outs->keys = gone;
        select_append_gone(&sql, source->entry, source->values, source->value_count, &gone);
        rc = read_parts(fan_outs, pg, buffer_string(&sql), err);
    }
    buffer_free(&sql);
    free(keys);
    return rc;
}

int
parent_reader_fan_outs(const struct parent_reader *reader, struct pg *pg, const struct text *keys,
                       uint32_t key_count, bool are_gone, struct load_pass_part **parts,
                       uint32_t *part_count, struct error *err)
{
    struct buffer sql = {0};
    struct fan_outs fan_outs = {.reader = reader};
    const struct load_source *source = reader->source;
    *parts = NULL;
    *part_count = 0;
    int rc = select_keys_of(reader, keys, key_count, &fan_outs.keys, err);
    if (rc != 0)
        return rc;
    fan_outs.found = memory_zalloc(key_count * sizeof(bool));
    select_append_parents(&sql, source->entry, source->values, source->value_count, &fan_outs.keys);
    rc = are_gone ? 0 : read_parts(&fan_outs, pg, buffer_string(&sql), err);
    if (rc == 0 && select_query_is_key(source->entry, &reader->keys))
        rc = read_gone(&fan_outs, pg, err);
    buffer_free(&sql);
    free(fan_outs.found);
    *parts = fan_outs.parts;
    *part_count = fan_outs.part_count;
    if (rc == 0)
        return 0;
    for (uint32_t i = 0; i < fan_outs.part_count; i++)
        load_pass_part_free(&fan_outs.parts[i]);
    free(fan_outs.parts);
    *parts = NULL;
    *part_count = 0;
    return rc;
}
