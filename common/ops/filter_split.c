/* A query is an AND of clauses, so that it matches what any of its versions matches in which a list
 * has a part of its values. Values that overlap do no harm.
 */
#include "common/ops/filter_split.h"

#include <string.h>

#include "common/base/check.h"

/* The text is head, list, tail; the list is what is between the brackets. */
struct split {
    struct text head;
    struct text list;
    struct text tail;
    uint32_t room; /* for a part of the list */
    struct arena *arena;
    struct text *queries;
    uint32_t count;
    uint32_t capacity;
};

/* The end of the value or the bracket at `at`: a text in quotes is passed as a whole. */
static const char *
skip_one(const char *at, const char *end)
{
    CHECK(at < end);
    if (*at != '"')
        return at + 1;
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    CHECK(at < end); /* the query was parsed */
    return at + 1;
}

static struct text
find_longest_list(struct text query)
{
    struct text longest = {query.data, 0};
    const char *end = query.data + query.bytes;
    const char *open = NULL;
    for (const char *at = query.data; at < end; at = skip_one(at, end)) {
        if (*at == '[')
            open = at + 1;
        if (*at != ']')
            continue;
        CHECK(open != NULL);
        if ((size_t)(at - open) > longest.bytes)
            longest = (struct text){open, (size_t)(at - open)};
    }
    return longest;
}

static void
add_query(struct split *split, struct text part)
{
    struct buffer text = {0};
    if (split->count == split->capacity) {
        uint32_t capacity = split->capacity == 0 ? 8 : 2 * split->capacity;
        struct text *queries = arena_alloc(split->arena, capacity * sizeof *queries);
        if (split->count > 0)
            memcpy(queries, split->queries, split->count * sizeof *queries);
        split->queries = queries;
        split->capacity = capacity;
    }
    buffer_append(&text, split->head.data, split->head.bytes);
    buffer_append(&text, part.data, part.bytes);
    buffer_append(&text, split->tail.data, split->tail.bytes);
    split->queries[split->count++] =
        arena_text(split->arena, (struct text){(const char *)text.data, text.bytes});
    buffer_free(&text);
}

/* The values from `begin` on that have room, up to the comma after them or the end of the list;
 * NULL: the first has none. */
static const char *
find_part_end(const struct split *split, const char *begin)
{
    const char *end = split->list.data + split->list.bytes;
    const char *found = NULL;
    const char *at = begin;
    while (at < end) {
        const char *next = skip_one(at, end);
        if (*at == ',' && (size_t)(at - begin) <= split->room)
            found = at;
        if ((size_t)(next - begin) > split->room + 1)
            return found;
        at = next;
    }
    return (size_t)(end - begin) <= split->room ? end : found;
}

static int
split_list(struct split *split, struct error *err)
{
    const char *end = split->list.data + split->list.bytes;
    for (const char *begin = split->list.data; begin < end;) {
        const char *part_end = find_part_end(split, begin);
        if (part_end == NULL)
            return error_set(err, ERR_DATA, "a value of its list is too long");
        add_query(split, (struct text){begin, (size_t)(part_end - begin)});
        begin = part_end + (part_end < end);
    }
    return 0;
}

int
filter_split_query(struct text query, uint32_t bytes_max, struct arena *arena,
                   const struct text **queries, uint32_t *count, struct error *err)
{
    struct split split = {.arena = arena};
    CHECK(bytes_max > 0);
    if (query.bytes <= bytes_max) {
        struct text *one = arena_alloc(arena, sizeof *one);
        *one = query;
        *queries = one;
        *count = 1;
        return 0;
    }
    split.list = find_longest_list(query);
    split.head = (struct text){query.data, (size_t)(split.list.data - query.data)};
    split.tail.data = split.list.data + split.list.bytes;
    split.tail.bytes = query.bytes - split.head.bytes - split.list.bytes;
    if (split.head.bytes + split.tail.bytes >= bytes_max)
        return error_set(err, ERR_DATA, "without its longest list it has more than %u bytes",
                         bytes_max);
    split.room = bytes_max - (uint32_t)(split.head.bytes + split.tail.bytes);
    int rc = split_list(&split, err);
    *queries = split.queries;
    *count = split.count;
    CHECK(rc != 0 || split.count > 1);
    return rc;
}
