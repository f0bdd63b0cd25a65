/* Happy path: the children of the oldest parents are found by one statement, and read like any
 * entities, as many parents as fit the turn.
 *
 * Failure modes: a parent that does not fit what is left waits until it is the first of a turn; one
 * with many children then begins a page (parent_page.h). So do all parents of an entry whose
 * children no index finds, in one page. A key that its column cannot have, and a fan-out that
 * Postgres cannot compute, are found by halving; they become problems, and their requests are
 * answered.
 */
#include "producer/refresh/parent_turn.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "producer/load/parent_reader.h"
#include "producer/refresh/parent_page.h"

enum {
    PARENTS_MAX = 64,           /* of one statement */
    SCANNED_PARENTS_MAX = 4096, /* likewise, when it scans the table */
    CHILDREN_MAX = 2048,        /* of a parent that is read together with others */
};

/* Parents of one entry, the oldest first, and their children. */
struct family {
    uint32_t *members; /* indexes of their requests */
    struct text *keys;
    uint32_t count;
    struct parent_child *children; /* by parent, and then by slot */
    uint32_t child_count;
    uint32_t *counts;  /* of children, by parent */
    int64_t *last_ids; /* by parent; -1: it has none */
    int64_t started_us;
};

static void
find_members(struct refresh_turn *turn, uint32_t first, const struct source_set *set, uint32_t most,
             struct family *family)
{
    const struct request *oldest = turn->work[first].request;
    family->members = arena_alloc(&turn->scratch, most * sizeof *family->members);
    family->keys = arena_alloc(&turn->scratch, most * sizeof *family->keys);
    for (uint32_t i = first; i < turn->count && family->count < most; i++) {
        const struct request *request = turn->work[i].request;
        if (!refresh_turn_is_member(turn, i, set, true) || request->entry != oldest->entry ||
            request->level != oldest->level)
            continue;
        family->keys[family->count] = request->key;
        family->members[family->count++] = i;
    }
    CHECK(family->count > 0);
}

/* The first parents, as many as have keys that Postgres takes. */
static void
halve(struct family *family)
{
    CHECK(family->count > 1);
    family->count /= 2;
}

/* The only parent cannot be read: its request is answered with the reason. */
static void
answer_unreadable(struct refresh_turn *turn, const struct family *family, const char *reason)
{
    struct row_list rows = {.arena = &turn->scratch};
    struct buffer text = {0};
    const struct refresh_work *work = &turn->work[family->members[0]];
    const struct config_trigger *trigger = &turn->config->triggers[work->request->entry];
    const char *key = arena_strdup(&turn->scratch, work->request->key);
    char *end;
    int64_t id = strtoll(key, &end, 10);
    if (*end != '\0')
        id = 0;
    buffer_append_format(&text, "parent %.*s: %s", TEXT_ARGS(work->request->key), reason);
    answers_add_problem(turn->answers, id, trigger->table, buffer_string(&text));
    buffer_free(&text);
    refresh_turn_list_rows(&rows, work, work->row_count, ANSWER_OF_PARENT);
    refresh_turn_settle(turn, family->members[0], work->row_count);
    answers_add_rows(turn->answers, turn->limits, rows.rows, rows.count);
}

static int
find_children(struct refresh_turn *turn, const struct parent_reader *parents, struct family *family,
              struct error *err)
{
    int rc = ERR_DATA;
    while (rc == ERR_DATA) {
        rc = parent_reader_children(parents, turn->pg, family->keys, family->count, 0, CHILDREN_MAX,
                                    &turn->scratch, &family->children, &family->child_count, err);
        if (rc != ERR_DATA || family->count == 1)
            break;
        halve(family);
    }
    if (rc != 0)
        return rc;
    family->counts = arena_alloc(&turn->scratch, family->count * sizeof *family->counts);
    family->last_ids = arena_alloc(&turn->scratch, family->count * sizeof *family->last_ids);
    for (uint32_t i = 0; i < family->count; i++) {
        family->counts[i] = 0;
        family->last_ids[i] = -1;
    }
    for (uint32_t i = 0; i < family->child_count; i++) {
        const struct parent_child *child = &family->children[i];
        family->counts[child->parent]++;
        if (refresh_turn_has_slot(turn, child->slot) &&
            child->slot > family->last_ids[child->parent])
            family->last_ids[child->parent] = child->slot;
    }
    return 0;
}

/* How many of the parents fit what is left of the turn. */
static uint32_t
count_fitting(const struct refresh_turn *turn, const struct source_set *set,
              const struct family *family)
{
    uint64_t room = range_reader_list_width(set->ranges, refresh_turn_share(turn));
    uint64_t sum = 0;
    uint32_t count = 0;
    while (count < family->count && family->counts[count] < CHILDREN_MAX) {
        sum += family->counts[count];
        if (sum > room)
            break;
        count++;
    }
    return count;
}

/* Answers the parents whose children are all below `end`, and were not answered before. `chunk` may
 * be NULL. */
static void
answer_parents(struct refresh_turn *turn, const struct family *family, int64_t end,
               struct load_chunk *chunk)
{
    struct row_list rows = {.arena = &turn->scratch};
    int64_t cost_us = clock_monotonic_us() - family->started_us;
    for (uint32_t i = 0; i < family->count; i++) {
        struct refresh_work *work = &turn->work[family->members[i]];
        if (turn->is_settled[family->members[i]] || family->last_ids[i] >= end)
            continue;
        refresh_turn_list_rows(&rows, work, work->row_count, ANSWER_OF_PARENT);
        refresh_turn_settle(turn, family->members[i], work->row_count);
        work->cost_us = cost_us * (family->counts[i] + 1) / (family->child_count + family->count);
    }
    if (chunk != NULL)
        answers_add_reading(turn->answers, turn->limits, chunk, rows.rows, rows.count);
    else
        answers_add_rows(turn->answers, turn->limits, rows.rows, rows.count);
}

/* Reads the children of all parents of the family, which fit the turn. Parents of which not
 * everything could be read wait. */
static int
read_children(struct refresh_turn *turn, struct source_set *set, const struct family *family,
              struct error *err)
{
    struct load_chunk chunk;
    int64_t *ids = arena_alloc(&turn->scratch, (family->child_count + 1) * sizeof *ids);
    uint32_t count = 0;
    for (uint32_t i = 0; i < family->child_count; i++)
        if (family->children[i].parent < family->count &&
            refresh_turn_has_slot(turn, family->children[i].slot))
            ids[count++] = family->children[i].slot;
    count = refresh_turn_unite_ids(ids, count);
    if (count == 0)
        answer_parents(turn, family, 0, NULL);
    for (uint32_t at = 0; at < count && (at == 0 || !refresh_turn_is_over(turn));) {
        int rc = refresh_turn_read_ids(turn, set, ids + at, count - at, &chunk, err);
        if (rc != 0)
            return rc;
        int64_t end = chunk.end;
        at += refresh_turn_count_below(ids + at, count - at, end);
        answer_parents(turn, family, end, &chunk);
    }
    for (uint32_t i = 0; i < family->count; i++)
        if (!turn->is_settled[family->members[i]])
            refresh_turn_settle(turn, family->members[i], 0);
    return 0;
}

/* Without an index that finds children, all parents that are asked for are read at once. */
static int
read_scanned_parents(struct refresh_turn *turn, uint32_t first, struct source_set *set,
                     struct error *err)
{
    struct family family = {0};
    int rc = ERR_DATA;
    if (!turn->is_fresh) {
        refresh_turn_settle(turn, first, 0);
        return 0;
    }
    find_members(turn, first, set, SCANNED_PARENTS_MAX, &family);
    while (rc == ERR_DATA) {
        parent_page_begin(turn, family.members, family.count);
        rc = parent_page_read(turn, set, err);
        if (rc != ERR_DATA || family.count == 1)
            break;
        halve(&family);
    }
    if (rc == ERR_DATA) {
        parent_page_drop(turn->page);
        answer_unreadable(turn, &family, err->message);
        return 0;
    }
    for (uint32_t i = 0; rc == 0 && i < family.count; i++)
        if (!turn->is_settled[family.members[i]])
            refresh_turn_settle(turn, family.members[i], 0);
    return rc;
}

/* The oldest parents of one entry and level, as many as fit the turn. */
int
parent_turn_read(struct refresh_turn *turn, uint32_t first, struct source_set *set,
                 struct error *err)
{
    struct family family = {.started_us = clock_monotonic_us()};
    const struct parent_reader *parents;
    const struct request *request = turn->work[first].request;
    int rc = source_set_find_parents(set, turn->reading, turn->pg, request->entry, request->level,
                                     &parents, err);
    if (rc != 0)
        return rc;
    if (!entry_level_has_index(parents->source->entry, request->level))
        return read_scanned_parents(turn, first, set, err);
    find_members(turn, first, set, PARENTS_MAX, &family);
    rc = find_children(turn, parents, &family, err);
    if (rc == ERR_DATA) {
        answer_unreadable(turn, &family, err->message);
        return 0;
    }
    if (rc != 0)
        return rc;
    uint32_t fitting = count_fitting(turn, set, &family);
    if (fitting > 0) {
        family.count = fitting;
        return read_children(turn, set, &family, err);
    }
    if (!turn->is_fresh) {
        refresh_turn_settle(turn, first, 0); /* until it is the first of a turn */
        return 0;
    }
    parent_page_begin(turn, family.members, 1);
    rc = parent_page_read(turn, set, err);
    if (rc == 0 && !turn->is_settled[first])
        refresh_turn_settle(turn, first, 0);
    return rc;
}

/* --- fan-outs --------------------------------------------------------------------------------- */

static void
answer_fan_outs(struct refresh_turn *turn, const struct family *family,
                struct load_pass_part *parts, uint32_t part_count)
{
    struct row_list rows = {.arena = &turn->scratch};
    CHECK(part_count > 0);
    for (uint32_t i = 0; i < family->count; i++) {
        const struct refresh_work *work = &turn->work[family->members[i]];
        refresh_turn_list_rows(&rows, work, work->row_count, ANSWER_OF_PARENT);
        refresh_turn_settle(turn, family->members[i], work->row_count);
    }
    for (uint32_t i = 0; i < part_count; i++) {
        bool is_last = i + 1 == part_count;
        answers_add_pass(turn->answers, turn->limits, &parts[i], is_last ? rows.rows : NULL,
                         is_last ? rows.count : 0);
    }
    free(parts);
}

/* Postgres cannot evaluate the only parent, or its key: what it had is cleared, if it is known. */
static int
clear_parent(struct refresh_turn *turn, const struct parent_reader *parents,
             const struct family *family, const char *reason, struct error *err)
{
    struct error ignored;
    struct load_pass_part *parts;
    uint32_t count;
    int rc = parent_reader_fan_outs(parents, turn->pg, family->keys, family->count, true, &parts,
                                    &count, &ignored);
    if (rc != 0 && rc != ERR_DATA)
        return error_set(err, rc, "%s", ignored.message);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        answers_add_pass(turn->answers, turn->limits, &parts[i], NULL, 0);
    free(parts);
    answer_unreadable(turn, family, reason);
    return 0;
}

/* The oldest parents of an entry that the index resolves. */
int
parent_turn_read_fan_outs(struct refresh_turn *turn, uint32_t first, struct source_set *set,
                          struct error *err)
{
    struct family family = {0};
    const struct parent_reader *parents;
    struct load_pass_part *parts;
    uint32_t count;
    uint32_t entry = turn->work[first].request->entry;
    int rc = source_set_find_parents(set, turn->reading, turn->pg, entry, 0, &parents, err);
    if (rc != 0)
        return rc;
    bool has_key = parents->keys.column_count > 0;
    find_members(turn, first, set, has_key ? PARENTS_MAX : 1, &family);
    turn->is_fresh = false;
    if (!has_key) {
        answer_unreadable(turn, &family,
                          "its table has no primary key, by which it would be found");
        return 0;
    }
    do {
        rc = parent_reader_fan_outs(parents, turn->pg, family.keys, family.count, false, &parts,
                                    &count, err);
        if (rc != ERR_DATA || family.count == 1)
            break;
        halve(&family);
    } while (true);
    if (rc == 0)
        answer_fan_outs(turn, &family, parts, count);
    return rc == ERR_DATA ? clear_parent(turn, parents, &family, err->message, err) : rc;
}
