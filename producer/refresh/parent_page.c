#include "producer/refresh/parent_page.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"

enum { PAGE_IDS = 64 * 1024 }; /* children of one statement */

struct page_key {
    struct text key;
    uint32_t row_count; /* of its rows came before the first turn */
};

void
parent_page_drop(struct parent_page *page)
{
    page->count = 0;
    page->keys = NULL;
    arena_reset(&page->arena);
}

static int
compare_texts(struct text a, struct text b)
{
    size_t bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = bytes > 0 ? memcmp(a.data, b.data, bytes) : 0;
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int
compare_keys(const void *a, const void *b)
{
    return compare_texts(((const struct page_key *)a)->key, ((const struct page_key *)b)->key);
}

void
parent_page_begin(struct refresh_turn *turn, const uint32_t *members, uint32_t count)
{
    struct parent_page *page = turn->page;
    CHECK(count > 0);
    parent_page_drop(turn->page);
    page->entry = turn->work[members[0]].request->entry;
    page->level = turn->work[members[0]].request->level;
    page->next_id = 0;
    page->cost_us = 0;
    page->keys = arena_alloc(&page->arena, count * sizeof *page->keys);
    page->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct refresh_work *work = &turn->work[members[i]];
        page->keys[i] =
            (struct page_key){arena_text(&page->arena, work->request->key), work->row_count};
    }
    qsort(page->keys, count, sizeof *page->keys, compare_keys);
}

/* NULL: it is not a request for one of the parents. */
static const struct page_key *
find_key(const struct parent_page *page, const struct request *request)
{
    if (page->count == 0 || request->kind != REQUEST_PARENT || request->entry != page->entry ||
        request->level != page->level)
        return NULL;
    const struct page_key wanted = {.key = request->key};
    return bsearch(&wanted, page->keys, page->count, sizeof *page->keys, compare_keys);
}

bool
parent_page_has(const struct parent_page *page, const struct request *request)
{
    return find_key(page, request) != NULL;
}

/* All of it is read: the rows that came before the first turn are answered. */
static void
end_page(struct refresh_turn *turn, struct load_chunk *chunk)
{
    struct parent_page *page = turn->page;
    struct row_list rows = {.arena = &turn->scratch};
    for (uint32_t i = 0; i < turn->count; i++) {
        struct refresh_work *work = &turn->work[i];
        const struct page_key *key = find_key(page, work->request);
        if (key == NULL)
            continue;
        uint32_t count = key->row_count < work->row_count ? key->row_count : work->row_count;
        refresh_turn_list_rows(&rows, work, count, ANSWER_OF_PARENT);
        refresh_turn_settle(turn, i, count);
        work->cost_us = page->cost_us + clock_monotonic_us() - page->turn_us;
    }
    if (chunk != NULL)
        answers_add_reading(turn->answers, turn->limits, chunk, rows.rows, rows.count);
    else
        answers_add_rows(turn->answers, turn->limits, rows.rows, rows.count);
    parent_page_drop(turn->page);
}

/* The next children. `*is_last`: there are no more. */
static int
find_page_ids(struct refresh_turn *turn, const struct parent_reader *parents, int64_t **ids,
              uint32_t *count, bool *is_last, struct error *err)
{
    const struct parent_page *page = turn->page;
    struct parent_child *children;
    struct text *keys = arena_alloc(&turn->scratch, page->count * sizeof *keys);
    for (uint32_t i = 0; i < page->count; i++)
        keys[i] = page->keys[i].key;
    turn->is_fresh = false;
    int rc = parent_reader_children(parents, turn->pg, keys, page->count, page->next_id, PAGE_IDS,
                                    &turn->scratch, &children, count, err);
    if (rc != 0)
        return rc;
    *is_last = *count < PAGE_IDS;
    *ids = arena_alloc(&turn->scratch, (*count + 1) * sizeof **ids);
    for (uint32_t i = 0; i < *count; i++)
        (*ids)[i] = children[i].slot;
    *count = refresh_turn_unite_ids(*ids, *count);
    while (*count > 0 && !refresh_turn_has_slot(turn, (*ids)[*count - 1]))
        (*count)--;
    return 0;
}

/* Reads the entities of `ids` while the turn lasts; with `is_last`, they end the page. */
static int
read_page_ids(struct refresh_turn *turn, struct source_set *set, const int64_t *ids, uint32_t count,
              bool is_last, struct error *err)
{
    struct load_chunk chunk;
    uint32_t at = 0;
    do {
        int rc = refresh_turn_read_ids(turn, set, ids + at, count - at, &chunk, err);
        if (rc != 0)
            return rc;
        turn->page->next_id = chunk.end;
        at += refresh_turn_count_below(ids + at, count - at, chunk.end);
        if (is_last && at == count)
            end_page(turn, &chunk);
        else
            answers_add_reading(turn->answers, turn->limits, &chunk, NULL, 0);
    } while (at < count && !refresh_turn_is_over(turn));
    return 0;
}

static int
read_page_parts(struct refresh_turn *turn, struct source_set *set,
                const struct parent_reader *parents, struct error *err)
{
    struct parent_page *page = turn->page;
    int64_t *ids;
    uint32_t count;
    bool is_last;
    int rc = 0;
    while (rc == 0 && page->count > 0 && (turn->is_fresh || !refresh_turn_is_over(turn))) {
        rc = find_page_ids(turn, parents, &ids, &count, &is_last, err);
        if (rc == 0 && count > 0)
            rc = read_page_ids(turn, set, ids, count, is_last, err);
        else if (rc == 0)
            end_page(turn, NULL);
    }
    return rc;
}

int
parent_page_read(struct refresh_turn *turn, struct source_set *set, struct error *err)
{
    const struct parent_reader *parents;
    turn->page->turn_us = clock_monotonic_us();
    int rc = source_set_find_parents(set, turn->reading, turn->pg, turn->page->entry,
                                     turn->page->level, &parents, err);
    if (rc == 0)
        rc = read_page_parts(turn, set, parents, err);
    turn->page->cost_us += clock_monotonic_us() - turn->page->turn_us;
    return rc;
}
