/* Happy path: each row is assigned to the last part that has something of its entity, in the
 * partition of the entity; a parent's row to the last part of all, in every partition. The rows of
 * one chunk are then a piece of one sorted list.
 *
 * Failure modes: a chunk has room for some rows only. The others are named by parts that are added
 * after those of the reading, and that is still right: a row may be named later than necessary.
 */
#include "producer/refresh/answers.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum {
    RESERVED = 8,              /* of the bytes of an event, one in so many is for rows */
    ROW_BYTES_MAX = 10,        /* of an id, encoded */
    EVENT_MARGIN_BYTES = 1024, /* of a chunk that names nothing but rows */
};

/* A row in one partition. */
struct named_row {
    int64_t row;
    uint32_t part;
    int32_t partition;
};

/* What is being added. */
struct naming {
    struct answers *answers;
    const struct answers_limits *limits;
    struct load_part *parts; /* in the arena of the answers */
    uint32_t part_count;
    struct named_row *rows; /* owned */
    uint32_t row_count;
};

uint32_t
answers_chunk_bytes_max(uint32_t event_bytes_max)
{
    CHECK(event_bytes_max >= RESERVED);
    return event_bytes_max - event_bytes_max / RESERVED;
}

bool
answers_chunk_is_needed(const struct chunk *chunk)
{
    CHECK(chunk->purpose == CHUNK_REFRESH);
    return !chunk->has_slots || chunk->slot_count > 0 || chunk->answer_count > 0;
}

void
answers_init(struct answers *answers)
{
    *answers = (struct answers){0};
    arena_init(&answers->arena);
}

void
answers_clear(struct answers *answers)
{
    answers_free(answers);
    answers_init(answers);
}

void
answers_free(struct answers *answers)
{
    for (uint32_t i = 0; i < answers->reading_count; i++)
        load_chunk_free(&answers->readings[i]);
    for (uint32_t i = 0; i < answers->pass_count; i++)
        load_pass_part_free(&answers->passes[i]);
    free(answers->items);
    free(answers->readings);
    free(answers->passes);
    arena_free(&answers->arena);
    *answers = (struct answers){0};
}

/* --- which chunk names a row --- */

static uint32_t
last_part_of(const struct naming *naming, int64_t entity_id)
{
    uint32_t i = naming->part_count;
    while (i > 0 &&
           (entity_id < naming->parts[i - 1].begin || entity_id >= naming->parts[i - 1].end))
        i--;
    CHECK(i > 0);
    return i - 1;
}

static void
assign_rows(struct naming *naming, const struct answer_row *rows, uint32_t row_count)
{
    naming->rows = memory_alloc((row_count + 1) * sizeof *naming->rows);
    naming->row_count = row_count;
    for (uint32_t i = 0; i < row_count; i++) {
        const struct answer_row *row = &rows[i];
        bool is_of_parent = row->entity_id == ANSWER_OF_PARENT;
        CHECK(is_of_parent == (rows[0].entity_id == ANSWER_OF_PARENT));
        naming->rows[i] = (struct named_row){.row = row->row, .part = naming->part_count - 1};
        if (is_of_parent)
            continue;
        naming->rows[i].part = last_part_of(naming, row->entity_id);
        naming->rows[i].partition = (int32_t)(row->entity_id % naming->limits->partitions);
    }
}

static int
compare_named(const void *a, const void *b)
{
    const struct named_row *left = a;
    const struct named_row *right = b;
    if (left->part != right->part)
        return left->part < right->part ? -1 : 1;
    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return (left->row > right->row) - (left->row < right->row);
}

/* --- naming --- */

/* A part whose chunks say nothing yet. */
static void
add_part(struct naming *naming)
{
    struct arena *arena = &naming->answers->arena;
    size_t partitions = (size_t)naming->limits->partitions;
    struct load_part *parts = arena_alloc(arena, (naming->part_count + 1) * sizeof *parts);
    if (naming->part_count > 0)
        memcpy(parts, naming->parts, naming->part_count * sizeof *parts);
    naming->parts = parts;
    struct load_part *part = &parts[naming->part_count++];
    *part = (struct load_part){.begin = 0, .end = CHUNK_NO_END};
    part->chunks = arena_alloc(arena, partitions * sizeof *part->chunks);
    for (size_t p = 0; p < partitions; p++)
        part->chunks[p] = (struct chunk){
            .purpose = CHUNK_REFRESH, .begin = 0, .end = CHUNK_NO_END, .has_slots = true};
}

/* The ids of the sorted rows, in their order. */
static int64_t *
list_ids(const struct naming *naming)
{
    int64_t *ids = arena_alloc(&naming->answers->arena, (naming->row_count + 1) * sizeof *ids);
    for (uint32_t i = 0; i < naming->row_count; i++)
        ids[i] = naming->rows[i].row;
    return ids;
}

static uint32_t
name_rows(struct chunk *chunk, const int64_t *ids, uint32_t count, uint32_t most)
{
    CHECK(chunk->answer_count == 0);
    CHECK(most > 0);
    chunk->answers = ids;
    chunk->answer_count = count < most ? count : most;
    return chunk->answer_count;
}

/* Names rows of one partition: in the chunk of their part, and those for which it has no room in
 * parts from `further` on, the first that was added for rows alone. */
static void
name_in_partition(struct naming *naming, uint32_t part, uint32_t further, int32_t partition,
                  const int64_t *ids, uint32_t count)
{
    uint32_t bytes = naming->limits->event_bytes_max;
    uint32_t most = bytes / RESERVED / ROW_BYTES_MAX;
    uint32_t room = bytes > 2 * EVENT_MARGIN_BYTES ? bytes - EVENT_MARGIN_BYTES : ROW_BYTES_MAX;
    uint32_t done =
        most > 0 ? name_rows(&naming->parts[part].chunks[partition], ids, count, most) : 0;
    while (done < count) {
        while (further < naming->part_count &&
               naming->parts[further].chunks[partition].answer_count > 0)
            further++;
        if (further == naming->part_count)
            add_part(naming);
        struct chunk *chunk = &naming->parts[further].chunks[partition];
        done += name_rows(chunk, ids + done, count - done, room / ROW_BYTES_MAX);
    }
}

/* Of parents, every partition has the same list. */
static void
name_all(struct naming *naming, bool is_of_parent)
{
    uint32_t further = naming->part_count;
    uint32_t end;
    if (naming->row_count > 0)
        qsort(naming->rows, naming->row_count, sizeof *naming->rows, compare_named);
    const int64_t *ids = list_ids(naming);
    for (uint32_t at = 0; at < naming->row_count; at = end) {
        const struct named_row *row = &naming->rows[at];
        end = at + 1;
        while (end < naming->row_count && naming->rows[end].part == row->part &&
               naming->rows[end].partition == row->partition)
            end++;
        int32_t partitions = is_of_parent ? naming->limits->partitions : 1;
        for (int32_t p = 0; p < partitions; p++)
            name_in_partition(naming, row->part, further, row->partition + p, ids + at, end - at);
    }
}

static void
add_answer(struct answers *answers, const struct answer *answer)
{
    answers->items = memory_realloc(answers->items, (answers->count + 1) * sizeof *answers->items);
    answers->items[answers->count++] = *answer;
}

/* --- what is added --- */

/* Copies the parts, because their chunks are changed. */
static void
take_parts(struct naming *naming, const struct load_chunk *reading)
{
    struct arena *arena = &naming->answers->arena;
    naming->parts = arena_alloc(arena, reading->part_count * sizeof *naming->parts);
    memcpy(naming->parts, reading->parts, reading->part_count * sizeof *naming->parts);
    naming->part_count = reading->part_count;
}

static void
add_problems(struct answers *answers, const struct load_problems *more)
{
    struct load_problems *all = &answers->problems;
    uint32_t room = LOAD_PROBLEMS_MAX - all->count;
    uint32_t taken = more->count < room ? more->count : room;
    all->values += more->values;
    all->ids += more->ids;
    if (taken == 0)
        return;
    struct load_problem *items = arena_alloc(&answers->arena, (all->count + taken) * sizeof *items);
    if (all->count > 0)
        memcpy(items, all->items, all->count * sizeof *items);
    memcpy(items + all->count, more->items, taken * sizeof *items);
    all->items = items;
    all->count += taken;
}

void
answers_add_problem(struct answers *answers, int64_t entity_id, const char *table,
                    const char *reason)
{
    const struct load_problem problem = {
        .entity_id = entity_id,
        .source = arena_text(&answers->arena, text_of(table)),
        .field = TEXT(""),
        .reason = arena_text(&answers->arena, text_of(reason)),
    };
    CHECK(reason[0] != '\0');
    add_problems(answers, &(struct load_problems){.items = &problem, .count = 1});
}

static void
add_named(struct naming *naming, const struct pass *pass, const struct answer_row *rows,
          uint32_t row_count)
{
    if (naming->part_count == 0 && row_count > 0)
        add_part(naming);
    assign_rows(naming, rows, row_count);
    name_all(naming, row_count > 0 && rows[0].entity_id == ANSWER_OF_PARENT);
    free(naming->rows);
    if (pass != NULL || naming->part_count > 0)
        add_answer(naming->answers, &(struct answer){pass, naming->parts, naming->part_count});
}

void
answers_add_reading(struct answers *answers, const struct answers_limits *limits,
                    struct load_chunk *reading, const struct answer_row *rows, uint32_t row_count)
{
    struct naming naming = {.answers = answers, .limits = limits};
    CHECK(reading->part_count > 0);
    take_parts(&naming, reading);
    answers->rows += reading->rows;
    answers->bytes += reading->bytes;
    add_problems(answers, &reading->problems);
    answers->readings =
        memory_realloc(answers->readings, (answers->reading_count + 1) * sizeof *answers->readings);
    answers->readings[answers->reading_count++] = *reading;
    *reading = (struct load_chunk){0};
    add_named(&naming, NULL, rows, row_count);
}

void
answers_add_pass(struct answers *answers, const struct answers_limits *limits,
                 struct load_pass_part *pass, const struct answer_row *rows, uint32_t row_count)
{
    struct naming naming = {.answers = answers, .limits = limits};
    struct pass *copy = arena_alloc(&answers->arena, sizeof *copy);
    CHECK(pass->pass.part > 0 && !pass->pass.is_last && pass->pass.job == 0);
    *copy = pass->pass;
    answers->rows += pass->rows;
    answers->bytes += pass->bytes;
    add_problems(answers, &pass->problems);
    answers->passes =
        memory_realloc(answers->passes, (answers->pass_count + 1) * sizeof *answers->passes);
    answers->passes[answers->pass_count++] = *pass;
    *pass = (struct load_pass_part){0};
    add_named(&naming, copy->fan_outs.count > 0 ? copy : NULL, rows, row_count);
}

void
answers_add_rows(struct answers *answers, const struct answers_limits *limits,
                 const struct answer_row *rows, uint32_t row_count)
{
    struct naming naming = {.answers = answers, .limits = limits};
    CHECK(limits->partitions > 0);
    add_named(&naming, NULL, rows, row_count);
}
