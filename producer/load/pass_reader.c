/* Happy path of a part: begin a transaction in the caller's snapshot, and copy the next parents in
 * the order of their key until the event is full, enough time has passed, or there are no more.
 * What was read is then a part; the next one begins after the last parent of it.
 *
 * Failure modes: any error closes the session, and the same part is read again.
 */
#include "producer/load/pass_reader.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "producer/load/load_session.h"
#include "producer/load/pass_parser.h"
#include "producer/triggers/select.h"

enum {
    WAIT_MS = 50,              /* between two heartbeats */
    PART_US = 300 * US_PER_MS, /* after which a part ends */
    PART_BYTES = 8 << 20,      /* likewise */
    PARENTS_MAX = 100000,      /* of one statement */
};

struct pass_reader {
    const struct load_plan *plan;
    const struct load_source *source;
    struct range_reader_options options;
    struct pg *pg; /* NULL: not connected */
    int32_t part;  /* the next one */
    bool is_done;
    char **after; /* the key of the last parent that was read, by column; NULL in part 0 */
    struct buffer bytes;
};

int
pass_reader_create(const struct load_plan *plan, const struct load_source *pass,
                   const struct range_reader_options *options, struct pass_reader **reader,
                   struct error *err)
{
    (void)err;
    CHECK(pass >= plan->passes && pass < plan->passes + plan->pass_count);
    CHECK(pass->entry->key_column_count > 0);
    CHECK(options->event_bytes_max > 0);
    *reader = memory_zalloc(sizeof **reader);
    (*reader)->plan = plan;
    (*reader)->source = pass;
    (*reader)->options = *options;
    return 0;
}

static void
free_key(struct pass_reader *reader)
{
    for (uint32_t i = 0; reader->after != NULL && i < reader->source->entry->key_column_count; i++)
        free(reader->after[i]);
    free(reader->after);
    reader->after = NULL;
}

void
pass_reader_destroy(struct pass_reader *reader)
{
    if (reader == NULL)
        return;
    pg_close(reader->pg);
    free_key(reader);
    buffer_free(&reader->bytes);
    free(reader);
}

static void
keep_key(struct pass_reader *reader, const char *const *key)
{
    uint32_t count = reader->source->entry->key_column_count;
    free_key(reader);
    reader->after = memory_alloc(count * sizeof *reader->after);
    for (uint32_t i = 0; i < count; i++)
        reader->after[i] = memory_strdup(key[i]);
}

static int
begin(struct pass_reader *reader, struct pg *pg, struct error *err)
{
    struct buffer snapshot = {0};
    int rc = load_session_export(pg, &snapshot, err);
    if (rc == 0 && reader->pg == NULL)
        rc = load_session_open(reader->plan->config->postgres, NULL, &reader->pg, err);
    if (rc == 0)
        rc = load_session_begin(reader->pg, buffer_string(&snapshot), err);
    buffer_free(&snapshot);
    return rc;
}

static int
start_copy(struct pass_reader *reader, struct error *err)
{
    struct buffer sql = {0};
    const struct load_source *source = reader->source;
    select_append_pass(&sql, source->entry, source->values, source->value_count,
                       (const char *const *)reader->after, PARENTS_MAX);
    int rc = load_session_copy(reader->pg, source->entry, buffer_string(&sql), err);
    buffer_free(&sql);
    return rc;
}

/* Reads until the copy ends or the part is complete; then the copy is ended. */
static int
read_rows(struct pass_reader *reader, struct pass_parser *parser, uint64_t *bytes,
          struct error *err)
{
    int rc = 0;
    bool done = false;
    int64_t start_us = clock_monotonic_us();
    int64_t beat_us = start_us;
    while (rc == 0 && !done) {
        buffer_clear(&reader->bytes);
        rc = pg_copy_read(reader->pg, WAIT_MS, &reader->bytes, &done, err);
        struct text arrived = {(const char *)reader->bytes.data, reader->bytes.bytes};
        *bytes += arrived.bytes;
        if (rc == 0)
            rc = pass_parser_feed(parser, arrived, err);
        int64_t now_us = clock_monotonic_us();
        bool is_enough = parser->is_full || *bytes >= PART_BYTES || now_us - start_us >= PART_US;
        if (rc == 0 && !done && is_enough && parser->rows > 0)
            return pg_copy_cancel(reader->pg, err);
        if (rc == 0 && now_us - beat_us >= (int64_t)WAIT_MS * US_PER_MS) {
            beat_us = now_us;
            if (reader->options.heartbeat != NULL)
                rc = reader->options.heartbeat(reader->options.context);
        }
    }
    if (rc == 0 && !parser->is_full && !parser->is_complete)
        rc = error_set(err, ERR_FATAL, "postgres: a binary copy ended without its trailer");
    return rc;
}

static void
fill_part(const struct pass_reader *reader, const struct pass_parser *parser,
          struct load_pass_part *part)
{
    const struct load_source *source = reader->source;
    part->pass = (struct pass){
        .entry = text_of(source->dump_name),
        .part = reader->part,
        .is_last = parser->is_complete && parser->rows < PARENTS_MAX,
        .fields = source->fields,
        .field_count = source->value_count,
        .reads = source->reads,
        .read_count = source->read_count,
        .fan_outs = {parser->ops, parser->count},
    };
    part->rows = parser->rows;
    part->values = parser->values;
    part->problems = problem_list_take(parser->problems);
    CHECK(part->pass.is_last || parser->rows > 0);
}

static int
read_part(struct pass_reader *reader, struct pg *pg, struct load_pass_part *part, struct error *err)
{
    struct problem_list problems = {.arena = &part->arena};
    struct pass_parser parser = {
        .source = reader->source,
        .event_bytes_max = reader->options.event_bytes_max,
        .arena = &part->arena,
        .problems = &problems,
    };
    int rc = begin(reader, pg, err);
    if (rc == 0)
        rc = start_copy(reader, err);
    if (rc == 0)
        rc = read_rows(reader, &parser, &part->bytes, err);
    if (rc == 0)
        rc = load_session_end(reader->pg, err);
    if (rc != 0)
        return rc;
    fill_part(reader, &parser, part);
    if (parser.last_key != NULL)
        keep_key(reader, parser.last_key);
    reader->is_done = part->pass.is_last;
    reader->part++;
    return 0;
}

int
pass_reader_read(struct pass_reader *reader, struct pg *pg, struct load_pass_part *part,
                 struct error *err)
{
    CHECK(!reader->is_done);
    *part = (struct load_pass_part){0};
    arena_init(&part->arena);
    int rc = read_part(reader, pg, part, err);
    if (rc == 0)
        return 0;
    pg_close(reader->pg);
    reader->pg = NULL;
    load_pass_part_free(part);
    if (rc < 0)
        error_wrap(err, rc, "could not read triggers[%u], table %s", reader->source->entry->index,
                   reader->source->entry->trigger->table);
    return rc;
}
