/* Happy path of a turn: the oldest request that is not settled yet chooses what is read next, which
 * is everything that can be read together with it and fits what is left of the turn: entities of
 * the same sources, or parents of the same entry. This repeats until nothing is left, of the
 * requests or of the turn. Then the tables are looked at, because nothing has locked them.
 *
 * Failure modes: what Postgres refuses costs the requests of these sources a pause, and nobody else
 * anything. A row that it cannot evaluate, and an entity that is too large, become rejected chunks
 * (range_reader.h). A parent's key that its column cannot have, and a fan-out that cannot be
 * computed, become problems, and their requests are answered. A table that has changed under the
 * snapshot, or a lost connection, ends the turn without answers.
 */
#include "producer/refresh/refresh_reader.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "producer/refresh/parent_page.h"
#include "producer/refresh/parent_turn.h"
#include "producer/refresh/refresh_turn.h"
#include "producer/refresh/request_sources.h"
#include "producer/refresh/source_set.h"
#include "producer/refresh/table_guard.h"

enum {
    SETS_MAX = 64,          /* whose plans are kept */
    HEARTBEAT_ENDED = 1000, /* of a reading: the heartbeat's own result is kept */
};

struct refresh_reader {
    struct refresh_reader_options options;
    struct range_reader_options reading;
    struct answers_limits limits;
    int heartbeat_rc; /* of the present turn */
    struct source_set *sets[SETS_MAX];
    uint32_t set_count;
    struct parent_page page;
};

/* The sets of the requests of a turn: those of entities that are asked for whole, and of children
 * and parents by entry. */
struct finder {
    struct refresh_turn *turn;
    struct refresh_reader *reader;
    struct arena arena;
    struct source_set *whole;
    struct source_set **children;
    struct source_set **parents;
};

/* --- the reader ------------------------------------------------------------------------------- */

static int
reader_heartbeat(void *context)
{
    struct refresh_reader *reader = context;
    if (reader->heartbeat_rc == 0 && reader->options.heartbeat != NULL)
        reader->heartbeat_rc = reader->options.heartbeat(reader->options.context);
    return reader->heartbeat_rc == 0 ? 0 : HEARTBEAT_ENDED;
}

struct refresh_reader *
refresh_reader_create(const struct refresh_reader_options *options)
{
    struct refresh_reader *reader = memory_zalloc(sizeof *reader);
    CHECK(options->config->topic.partitions > 0);
    reader->options = *options;
    reader->limits = (struct answers_limits){
        .partitions = options->config->topic.partitions,
        .event_bytes_max = options->event_bytes_max,
    };
    reader->reading = (struct range_reader_options){
        .event_bytes_max = answers_chunk_bytes_max(options->event_bytes_max),
        .purpose = CHUNK_REFRESH,
        .heartbeat = reader_heartbeat,
        .context = reader,
    };
    arena_init(&reader->page.arena);
    return reader;
}

static void
drop_sets(struct refresh_reader *reader)
{
    for (uint32_t i = 0; i < reader->set_count; i++)
        source_set_destroy(reader->sets[i]);
    reader->set_count = 0;
}

void
refresh_reader_destroy(struct refresh_reader *reader)
{
    if (reader == NULL)
        return;
    drop_sets(reader);
    arena_free(&reader->page.arena);
    free(reader);
}

const char *
refresh_reader_problem(const struct refresh_reader *reader)
{
    CHECK(reader->set_count <= SETS_MAX);
    for (uint32_t i = 0; i < reader->set_count; i++)
        if (reader->sets[i]->problem[0] != '\0')
            return reader->sets[i]->problem;
    return "";
}

/* --- sources ---------------------------------------------------------------------------------- */

static bool
sources_are_equal(const struct refresh_reader *reader, const struct request_sources *a,
                  const struct request_sources *b)
{
    size_t bytes = reader->options.config->trigger_count * sizeof *a->entries;
    return a->states_alive == b->states_alive && memcmp(a->entries, b->entries, bytes) == 0;
}

/* NULL: there are too many sets in this turn already. */
static struct source_set *
find_set(struct refresh_reader *reader, const struct request_sources *sources)
{
    for (uint32_t i = 0; i < reader->set_count; i++)
        if (sources_are_equal(reader, &reader->sets[i]->sources, sources))
            return reader->sets[i];
    if (reader->set_count == SETS_MAX)
        return NULL;
    struct source_set *set = source_set_create(reader->options.config, sources);
    reader->sets[reader->set_count++] = set;
    return set;
}

static bool
fields_are_equal(const struct request *a, const struct request *b)
{
    bool equal =
        a->kind == REQUEST_ENTITY && b->kind == REQUEST_ENTITY && a->field_count == b->field_count;
    for (uint32_t i = 0; equal && i < a->field_count; i++)
        equal = text_equal(a->fields[i], b->fields[i]);
    return equal;
}

/* Where the set of the request is remembered; NULL: nowhere. */
static struct source_set **
find_cache(struct finder *finder, const struct request *request)
{
    if (request->kind == REQUEST_CHILD)
        return &finder->children[request->entry];
    if (request->kind == REQUEST_PARENT)
        return &finder->parents[request->entry];
    return request->field_count == 0 ? &finder->whole : NULL;
}

static struct source_set *
look_for_set(struct finder *finder, uint32_t index)
{
    const struct refresh_turn *turn = finder->turn;
    const struct request *request = turn->work[index].request;
    struct source_set **cache = find_cache(finder, request);
    if (cache != NULL && *cache != NULL)
        return *cache;
    if (index > 0 && fields_are_equal(request, turn->work[index - 1].request))
        return turn->sets[index - 1];
    struct request_sources sources = {
        .entries = arena_alloc(&finder->arena, turn->config->trigger_count + 1)};
    request_sources_find(turn->config, request, &sources);
    struct source_set *set = find_set(finder->reader, &sources);
    if (cache != NULL)
        *cache = set;
    return set;
}

/* Every request has a set, or waits. */
static void
assign_sets(struct refresh_turn *turn, struct refresh_reader *reader)
{
    struct finder finder = {.turn = turn, .reader = reader};
    size_t bytes = (turn->config->trigger_count + 1) * sizeof(struct source_set *);
    finder.children = memory_zalloc(bytes);
    finder.parents = memory_zalloc(bytes);
    arena_init(&finder.arena);
    for (uint32_t i = 0; i < turn->count; i++) {
        turn->work[i].answered_count = 0;
        turn->work[i].cost_us = 0;
        turn->sets[i] = look_for_set(&finder, i);
        turn->is_settled[i] = turn->sets[i] == NULL;
    }
    arena_free(&finder.arena);
    free(finder.children);
    free(finder.parents);
}

/* --- entities --------------------------------------------------------------------------------- */

/* Nothing is to be read for these requests, and that is their answer. */
static void
answer_nothing(struct refresh_turn *turn, const struct source_set *set)
{
    struct row_list rows = {.arena = &turn->scratch};
    for (uint32_t i = 0; i < turn->count; i++) {
        if (!refresh_turn_is_member(turn, i, set, false))
            continue;
        const struct refresh_work *work = &turn->work[i];
        if (refresh_turn_has_slot(turn, work->request->entity_id))
            refresh_turn_list_rows(&rows, work, work->row_count, work->request->entity_id);
        refresh_turn_settle(turn, i, work->row_count);
    }
    answers_add_rows(turn->answers, turn->limits, rows.rows, rows.count);
}

/* Answers the requests of entities that were read. */
static void
answer_entities(struct refresh_turn *turn, const uint32_t *members, uint32_t count,
                struct load_chunk *chunk)
{
    struct row_list rows = {.arena = &turn->scratch};
    for (uint32_t i = 0; i < count; i++) {
        const struct refresh_work *work = &turn->work[members[i]];
        int64_t id = work->request->entity_id;
        if (id >= chunk->end)
            continue;
        refresh_turn_list_rows(&rows, work, work->row_count, id);
        refresh_turn_settle(turn, members[i], work->row_count);
    }
    answers_add_reading(turn->answers, turn->limits, chunk, rows.rows, rows.count);
}

/* The entities of the oldest of these requests, as many as fit the turn. */
static int
read_entities(struct refresh_turn *turn, uint32_t first, struct source_set *set, struct error *err)
{
    struct load_chunk chunk;
    uint32_t most = range_reader_list_width(set->ranges, refresh_turn_share(turn));
    uint32_t count = 0;
    if (most > turn->count - first)
        most = turn->count - first;
    uint32_t *members = arena_alloc(&turn->scratch, most * sizeof *members);
    int64_t *ids = arena_alloc(&turn->scratch, most * sizeof *ids);
    for (uint32_t i = first; i < turn->count && count < most; i++) {
        if (!refresh_turn_is_member(turn, i, set, false))
            continue;
        int64_t id = turn->work[i].request->entity_id;
        if (!refresh_turn_has_slot(turn, id)) {
            refresh_turn_settle(turn, i, turn->work[i].row_count); /* no shard holds the request */
            continue;
        }
        ids[count] = id;
        members[count++] = i;
    }
    if (count == 0)
        return 0;
    int rc = refresh_turn_read_ids(turn, set, ids, refresh_turn_unite_ids(ids, count), &chunk, err);
    if (rc == 0)
        answer_entities(turn, members, count, &chunk);
    return rc;
}

/* --- a turn ----------------------------------------------------------------------------------- */

/* What Postgres refuses is no error of the turn, if the session can still be used. */
static int
refuse_set(struct refresh_turn *turn, struct source_set *set, int rc, struct error *err)
{
    if (rc > 0 || pg_is_lost(turn->pg))
        return rc;
    source_set_refuse(set, err);
    parent_page_drop(turn->page);
    refresh_turn_settle_set(turn, set);
    return 0;
}

static bool
has_parents(const struct refresh_turn *turn, uint32_t index)
{
    uint32_t entry = turn->work[index].request->entry;
    enum config_trigger_kind kind = turn->config->triggers[entry].kind;
    return kind == TRIGGER_FAN_OUT || kind == TRIGGER_FAN_OUT_PER_ROW;
}

/* Reads what the request and others of its kind ask for, or lets them wait. */
static int
read_with(struct refresh_turn *turn, uint32_t first, struct error *err)
{
    struct source_set *set = turn->sets[first];
    bool is_parent = turn->work[first].request->kind == REQUEST_PARENT;
    if (set->due_us > clock_monotonic_us()) {
        refresh_turn_settle_set(turn, set);
        return 0;
    }
    CHECK(!is_parent || has_parents(turn, first));
    int rc = source_set_prepare(set, turn->config, turn->reading, turn->pg, err);
    if (rc != 0)
        return rc;
    set->is_used = true;
    if (is_parent && set->plan->pass_count > 0)
        return parent_turn_read_fan_outs(turn, first, set, err);
    if (set->is_scanned && !turn->is_fresh) {
        refresh_turn_settle(turn, first, 0);
        return 0;
    }
    if (is_parent)
        return parent_turn_read(turn, first, set, err);
    if (set->ranges != NULL)
        return read_entities(turn, first, set, err);
    answer_nothing(turn, set);
    return 0;
}

static int
read_one(struct refresh_turn *turn, uint32_t first, struct error *err)
{
    struct source_set *set = turn->sets[first];
    arena_reset(&turn->scratch);
    int rc = read_with(turn, first, err);
    if (rc == 0 && set->is_used)
        source_set_succeed(set);
    return rc != 0 ? refuse_set(turn, set, rc, err) : 0;
}

/* The parents that an earlier turn has begun with come first. Settles their requests. */
static int
continue_page(struct refresh_turn *turn, struct error *err)
{
    uint32_t first = turn->count;
    for (uint32_t i = turn->count; i > 0; i--) {
        if (!parent_page_has(turn->page, turn->work[i - 1].request))
            continue;
        turn->is_settled[i - 1] = true;
        first = i - 1;
    }
    if (first == turn->count || turn->sets[first] == NULL) {
        parent_page_drop(turn->page);
        return 0;
    }
    struct source_set *set = turn->sets[first];
    if (set->due_us > clock_monotonic_us())
        return 0;
    int rc = source_set_prepare(set, turn->config, turn->reading, turn->pg, err);
    set->is_used = true;
    if (rc == 0)
        rc = parent_page_read(turn, set, err);
    return rc != 0 ? refuse_set(turn, set, rc, err) : 0;
}

static int
read_all(struct refresh_turn *turn, struct error *err)
{
    int rc = turn->page->count > 0 ? continue_page(turn, err) : 0;
    for (uint32_t i = 0; rc == 0 && i < turn->count && !refresh_turn_is_over(turn); i++)
        while (rc == 0 && !turn->is_settled[i] && !refresh_turn_is_over(turn))
            rc = read_one(turn, i, err);
    return rc;
}

/* Looks at the tables of everything that was read. `*is_whole`: it may be used. */
static int
look_at_tables(const struct refresh_reader *reader, struct pg *pg, bool *is_whole,
               struct error *err)
{
    int rc = 0;
    *is_whole = true;
    for (uint32_t i = 0; rc == 0 && i < reader->set_count; i++) {
        struct source_set *set = reader->sets[i];
        struct buffer signature = {0};
        bool stands = true;
        if (!set->is_used || set->plan == NULL)
            continue;
        rc = table_guard_check(pg, set->plan, &stands, &signature, err);
        const char *text = buffer_string(&signature);
        stands = stands && (set->signature == NULL || strcmp(set->signature, text) == 0);
        if (rc == 0 && stands && set->signature == NULL)
            set->signature = memory_strdup(text);
        if (rc == 0 && !stands)
            source_set_drop_plan(set);
        *is_whole = *is_whole && stands;
        buffer_free(&signature);
    }
    return rc;
}

/* Nothing is answered by this turn. */
static void
give_up(struct refresh_turn *turn)
{
    answers_clear(turn->answers);
    parent_page_drop(turn->page);
    for (uint32_t i = 0; i < turn->count; i++) {
        turn->work[i].answered_count = 0;
        turn->work[i].cost_us = 0;
    }
}

static int
run_turn(struct refresh_turn *turn, struct refresh_reader *reader, struct error *err)
{
    bool is_whole = true;
    assign_sets(turn, reader);
    int rc = read_all(turn, err);
    if (rc == 0)
        rc = look_at_tables(reader, turn->pg, &is_whole, err);
    if (rc == 0 && !is_whole)
        log_info("refresh", "nothing is answered by this reading: a table that it has read was"
                            " changed after the snapshot");
    if (rc != 0 || !is_whole)
        give_up(turn);
    return rc;
}

int
refresh_reader_read(struct refresh_reader *reader, struct pg *pg, struct refresh_work *work,
                    uint32_t count, struct answers *answers, struct error *err)
{
    struct refresh_turn turn = {
        .config = reader->options.config,
        .reading = &reader->reading,
        .limits = &reader->limits,
        .page = &reader->page,
        .pg = pg,
        .work = work,
        .count = count,
        .sets = memory_zalloc((count + 1) * sizeof(struct source_set *)),
        .is_settled = memory_zalloc((count + 1) * sizeof(bool)),
        .answers = answers,
        .started_us = clock_monotonic_us(),
        .is_fresh = true,
    };
    reader->heartbeat_rc = 0;
    if (reader->set_count == SETS_MAX)
        drop_sets(reader);
    for (uint32_t i = 0; i < reader->set_count; i++)
        reader->sets[i]->is_used = false;
    arena_init(&turn.scratch);
    answers_init(answers);
    int rc = run_turn(&turn, reader, err);
    arena_free(&turn.scratch);
    free(turn.sets);
    free(turn.is_settled);
    if (rc == 0)
        return 0;
    answers_free(answers);
    return reader->heartbeat_rc != 0 ? reader->heartbeat_rc : rc;
}
