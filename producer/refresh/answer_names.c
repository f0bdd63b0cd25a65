#include "producer/refresh/answer_names.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { ROWS_FIRST = 16 };

struct shared_row {
    int64_t id;
    uint32_t pending;  /* targets that were owed */
    uint32_t answered; /* of these, by this turn */
    uint32_t *chunks;  /* by partition: that name the row and are not sent */
};

void
answer_names_free(struct answer_names *names)
{
    arena_free(&names->arena);
    free(names->rows);
    *names = (struct answer_names){0};
}

void
answer_names_begin(struct answer_names *names, int32_t partitions)
{
    CHECK(partitions > 0);
    arena_reset(&names->arena);
    names->count = 0;
    names->partitions = partitions;
}

static struct shared_row *
find_row(const struct answer_names *names, int64_t id)
{
    for (uint32_t from = 0, to = names->count; from < to;) {
        uint32_t middle = from + (to - from) / 2;
        if (names->rows[middle].id == id)
            return &names->rows[middle];
        if (names->rows[middle].id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

void
answer_names_add(struct answer_names *names, int64_t row_id, uint32_t pending)
{
    CHECK(pending > 1);
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? ROWS_FIRST : 2 * names->capacity;
        names->rows = memory_realloc(names->rows, names->capacity * sizeof *names->rows);
    }
    names->rows[names->count++] =
        (struct shared_row){.id = row_id, .pending = pending, .answered = 1};
}

static int
compare_rows(const void *a, const void *b)
{
    const struct shared_row *x = a;
    const struct shared_row *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

void
answer_names_sort(struct answer_names *names)
{
    size_t bytes = (size_t)names->partitions * sizeof(uint32_t);
    uint32_t count = 0;
    if (names->count == 0)
        return;
    qsort(names->rows, names->count, sizeof *names->rows, compare_rows);
    for (uint32_t i = 0; i < names->count; i++) {
        if (count > 0 && names->rows[count - 1].id == names->rows[i].id) {
            names->rows[count - 1].answered++;
            CHECK(names->rows[count - 1].answered <= names->rows[i].pending);
            continue;
        }
        names->rows[count] = names->rows[i];
        names->rows[count].chunks = arena_alloc(&names->arena, bytes);
        memset(names->rows[count++].chunks, 0, bytes);
    }
    names->count = count;
}

void
answer_names_count(struct answer_names *names, int32_t partition, const struct chunk *chunk)
{
    if (names->count == 0)
        return;
    CHECK(partition >= 0 && partition < names->partitions);
    for (uint32_t i = 0; i < chunk->answer_count; i++) {
        struct shared_row *row = find_row(names, chunk->answers[i]);
        if (row != NULL)
            row->chunks[partition]++;
    }
}

/* Does this chunk name the row `id`? */
static bool
take_name(const struct answer_names *names, int32_t partition, int64_t id)
{
    struct shared_row *row = find_row(names, id);
    if (row == NULL)
        return true;
    CHECK(row->chunks[partition] > 0);
    row->chunks[partition]--;
    return row->answered == row->pending && row->chunks[partition] == 0;
}

void
answer_names_apply(struct answer_names *names, int32_t partition, struct chunk *chunk)
{
    if (names->count == 0 || chunk->answer_count == 0)
        return;
    int64_t *answers = arena_alloc(&names->arena, chunk->answer_count * sizeof *answers);
    uint32_t count = 0;
    for (uint32_t i = 0; i < chunk->answer_count; i++)
        if (take_name(names, partition, chunk->answers[i]))
            answers[count++] = chunk->answers[i];
    chunk->answers = answers;
    chunk->answer_count = count;
}
