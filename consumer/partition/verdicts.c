#include "consumer/partition/verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/search.h"
#include "common/event/chunk.h"

enum { CAPACITY_MIN = 16 };

/* --- one verdict ----------------------------------------------------------------------------- */

static void
difference_free(struct verdict_difference *difference)
{
    free(difference->source);
    free(difference->index);
}

static void
verdict_free(struct verdicts *list, struct verdict *verdict)
{
    CHECK(list->listed >= verdict->difference_count);
    list->listed -= verdict->difference_count;
    for (uint32_t i = 0; i < verdict->difference_count; i++)
        difference_free(&verdict->differences[i]);
    free(verdict->differences);
    free(verdict->sums);
    free(verdict);
}

struct verdict *
verdict_create(const struct verdicts *list, int64_t begin, int64_t end)
{
    CHECK(begin >= 0 && begin < end);
    struct verdict *verdict = memory_zalloc(sizeof *verdict);
    verdict->begin = begin;
    verdict->end = end;
    verdict->checked_to = begin;
    verdict->sums = memory_zalloc((list->field_count + 1) * sizeof *verdict->sums);
    return verdict;
}

/* Keeps a copy of the difference if there is room. */
static void
verdict_list(struct verdicts *list, struct verdict *verdict,
             const struct verdict_difference *difference)
{
    CHECK(difference->entity_id >= verdict->begin && difference->entity_id < verdict->end);
    if (verdict->difference_count == VERDICT_DIFFERENCES_MAX || list->listed == VERDICTS_LISTED_MAX)
        return;
    if (verdict->differences == NULL)
        verdict->differences = memory_alloc(VERDICT_DIFFERENCES_MAX * sizeof *verdict->differences);
    struct verdict_difference *kept = &verdict->differences[verdict->difference_count++];
    *kept = *difference;
    kept->source = memory_strdup(difference->source);
    kept->index = memory_strdup(difference->index);
    list->listed++;
}

/* The rest of a verdict that another one has trimmed. */
static struct verdict *
verdict_cut(struct verdicts *list, const struct verdict *whole, int64_t begin, int64_t end)
{
    CHECK(begin >= whole->begin && begin < end && end <= whole->end);
    struct verdict *rest = memory_alloc(sizeof *rest);
    *rest = *whole;
    rest->begin = begin;
    rest->end = end;
    rest->sums = NULL;
    rest->differences = NULL;
    rest->difference_count = 0;
    if (rest->checked_to < begin)
        rest->checked_to = begin;
    if (rest->checked_to > end)
        rest->checked_to = end;
    for (uint32_t i = 0; i < whole->difference_count; i++) {
        const struct verdict_difference *difference = &whole->differences[i];
        if (difference->entity_id >= begin && difference->entity_id < end)
            verdict_list(list, rest, difference);
    }
    if (whole->difference_count == whole->differences_total)
        rest->differences_total = rest->difference_count;
    return rest;
}

/* --- the list -------------------------------------------------------------------------------- */

void
verdicts_init(struct verdicts *list, const struct config_fields *fields)
{
    *list = (struct verdicts){.field_count = fields->count};
}

void
verdicts_free(struct verdicts *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        verdict_free(list, list->items[i]);
    CHECK(list->listed == 0);
    free(list->items);
    *list = (struct verdicts){0};
}

void
verdicts_clear(struct verdicts *list, const struct config_fields *fields)
{
    verdicts_free(list);
    verdicts_init(list, fields);
}

struct range_search {
    const struct verdicts *list;
    int64_t begin;
};

static bool
range_is_before(const void *context, uint32_t at)
{
    const struct range_search *search = context;
    return search->list->items[at]->end <= search->begin;
}

/* The first verdict whose range ends after `begin`. */
static uint32_t
verdicts_first(const struct verdicts *list, int64_t begin)
{
    const struct range_search search = {list, begin};
    return search_first(list->count, range_is_before, &search);
}

/* Those that overlap begin <= id < end are from `*first` to `*next`, not included. */
static void
verdicts_overlap(const struct verdicts *list, int64_t begin, int64_t end, uint32_t *first,
                 uint32_t *next)
{
    *first = verdicts_first(list, begin);
    *next = *first;
    while (*next < list->count && list->items[*next]->begin < end)
        ++*next;
}

/* Replaces the items from `first` to `next`, not included, which are free already. */
static void
verdicts_splice(struct verdicts *list, uint32_t first, uint32_t next, struct verdict *const *items,
                uint32_t count)
{
    uint32_t total = list->count - (next - first) + count;
    CHECK(first <= next && next <= list->count);
    if (total > list->capacity) {
        list->capacity = total < CAPACITY_MIN ? CAPACITY_MIN : 2 * total;
        list->items = memory_realloc(list->items, list->capacity * sizeof *list->items);
    }
    memmove(list->items + first + count, list->items + next,
            (list->count - next) * sizeof *list->items);
    if (count > 0)
        memcpy(list->items + first, items, count * sizeof *list->items);
    list->count = total;
}

static uint32_t
verdicts_limit(const struct verdicts *list)
{
    size_t bytes = sizeof(struct verdict) + (list->field_count + 1) * sizeof(struct hash_sum);
    size_t limit = VERDICTS_BYTES_MAX / bytes;
    return limit < VERDICTS_MAX ? (uint32_t)limit : VERDICTS_MAX;
}

static void
verdicts_drop_oldest(struct verdicts *list)
{
    uint32_t oldest = 0;
    CHECK(list->count > 0);
    for (uint32_t i = 1; i < list->count; i++)
        if (list->items[i]->tick < list->items[oldest]->tick)
            oldest = i;
    verdict_free(list, list->items[oldest]);
    verdicts_splice(list, oldest, oldest + 1, NULL, 0);
}

/* A range that still differs keeps what the newest check has found of the fields that do. */
static void
verdict_inherit(struct verdicts *list, struct verdict *verdict, const struct verdict *older)
{
    if (older->check_job > verdict->check_job)
        verdict->check_job = older->check_job;
    for (uint32_t i = 0; i < older->difference_count; i++) {
        const struct verdict_difference *difference = &older->differences[i];
        if (difference->entity_id < verdict->begin || difference->entity_id >= verdict->end ||
            !field_set_has(&verdict->differing, difference->field))
            continue;
        verdict_list(list, verdict, difference);
        verdict->differences_total++;
    }
    verdict->differences_total += older->differences_total - older->difference_count;
}

void
verdicts_put(struct verdicts *list, struct verdict *verdict)
{
    struct verdict *items[3];
    uint32_t count = 0, first, next;
    verdicts_overlap(list, verdict->begin, verdict->end, &first, &next);
    const struct verdict *left = first < next ? list->items[first] : NULL;
    const struct verdict *right = first < next ? list->items[next - 1] : NULL;
    if (left != NULL && left->begin < verdict->begin)
        items[count++] = verdict_cut(list, left, left->begin, verdict->begin);
    items[count++] = verdict;
    if (right != NULL && right->end > verdict->end)
        items[count++] = verdict_cut(list, right, verdict->end, right->end);
    for (uint32_t i = first; i < next; i++) {
        if (!field_set_is_empty(&verdict->differing))
            verdict_inherit(list, verdict, list->items[i]);
        verdict_free(list, list->items[i]);
    }
    verdicts_splice(list, first, next, items, count);
    while (list->count > verdicts_limit(list))
        verdicts_drop_oldest(list);
}

/* --- check chunks ---------------------------------------------------------------------------- */

/* The range before `end` gets verdicts where it has none. */
static void
verdicts_fill(struct verdicts *list, const struct verdict_check *check)
{
    for (int64_t at = check->begin; at < check->end;) {
        uint32_t next = verdicts_first(list, at);
        const struct verdict *found = next < list->count ? list->items[next] : NULL;
        int64_t end = found != NULL && found->begin < check->end ? found->begin : check->end;
        if (found != NULL && found->begin <= at) {
            at = found->end;
            continue;
        }
        struct verdict *verdict = verdict_create(list, at, end);
        free(verdict->sums);
        verdict->sums = NULL;
        verdict->tick = check->tick;
        verdict->clock_us = check->clock_us;
        verdicts_put(list, verdict);
        at = end;
    }
}

/* Removes what an earlier check said of a range. */
static void
verdict_forget(struct verdicts *list, struct verdict *verdict, int64_t begin, int64_t end)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < verdict->difference_count; i++) {
        struct verdict_difference *difference = &verdict->differences[i];
        if (difference->entity_id < begin || difference->entity_id >= end)
            verdict->differences[kept++] = *difference;
        else
            difference_free(difference);
    }
    list->listed -= verdict->difference_count - kept;
    verdict->differences_total -= verdict->difference_count - kept;
    verdict->difference_count = kept;
}

/* The check has reached the end of the range: fields without sums are compared now. */
static void
verdict_end_check(struct verdict *verdict)
{
    struct field_set equal = verdict->checked;
    field_set_remove_all(&equal, &verdict->named);
    field_set_remove_all(&equal, &verdict->differing);
    field_set_add_all(&verdict->equal, &equal);
    field_set_add_all(&verdict->named, &verdict->checked);
}

static void
verdict_begin_check(struct verdicts *list, struct verdict *verdict,
                    const struct verdict_check *check)
{
    if (verdict->check_job != check->job || check->begin <= verdict->begin) {
        verdict_forget(list, verdict, verdict->begin, verdict->end);
        verdict->differences_total = 0;
        verdict->check_job = check->job;
        verdict->checked_to = verdict->begin;
        verdict->checked = check->named;
    }
    /* A part that was sent again says all there is to say of its range. */
    verdict_forget(list, verdict, check->begin, check->end);
    field_set_keep_all(&verdict->checked, &check->named);
}

static void
verdict_take_check(struct verdicts *list, struct verdict *verdict,
                   const struct verdict_check *check)
{
    int64_t end = check->end < verdict->end ? check->end : verdict->end;
    verdict_begin_check(list, verdict, check);
    for (uint32_t i = 0; i < check->difference_count; i++) {
        const struct verdict_difference *difference = &check->differences[i];
        if (difference->entity_id < verdict->begin || difference->entity_id >= verdict->end)
            continue;
        verdict_list(list, verdict, difference);
        verdict->differences_total++;
    }
    field_set_add_all(&verdict->differing, &check->differing);
    field_set_remove_all(&verdict->equal, &check->differing);
    field_set_add_all(&verdict->damaged, &check->damaged);
    if (check->begin <= verdict->checked_to && verdict->checked_to < end)
        verdict->checked_to = end;
    if (verdict->checked_to == verdict->end)
        verdict_end_check(verdict);
}

void
verdicts_add_check(struct verdicts *list, const struct verdict_check *check)
{
    uint32_t first, next;
    CHECK(check->begin < check->end);
    CHECK(check->total >= check->difference_count);
    verdicts_fill(list, check);
    verdicts_overlap(list, check->begin, check->end, &first, &next);
    for (uint32_t i = first; i < next; i++)
        verdict_take_check(list, list->items[i], check);
    if (first < next)
        list->items[first]->differences_total += check->total - check->difference_count;
}

/* --- reading --------------------------------------------------------------------------------- */

void
verdicts_find_damaged(const struct verdicts *list, int64_t begin, int64_t end,
                      struct field_set *damaged)
{
    uint32_t first, next;
    CHECK(begin <= end);
    verdicts_overlap(list, begin, end, &first, &next);
    for (uint32_t i = first; i < next; i++)
        field_set_add_all(damaged, &list->items[i]->damaged);
}

void
verdicts_summarise(const struct verdicts *list, struct verdicts_summary *summary)
{
    int64_t reached = 0;
    bool is_whole = true;
    *summary = (struct verdicts_summary){.ranges = list->count, .oldest_clock_us = -1};
    for (uint32_t i = 0; i < list->count; i++) {
        const struct verdict *verdict = list->items[i];
        bool differs = !field_set_is_empty(&verdict->differing);
        summary->differing += differs;
        if (i == 0 || verdict->clock_us < summary->oldest_clock_us)
            summary->oldest_clock_us = verdict->clock_us;
        if (verdict->begin != reached || (!differs && field_set_is_empty(&verdict->equal)))
            is_whole = false;
        reached = verdict->end;
    }
    summary->is_whole = is_whole && reached == CHUNK_NO_END;
    CHECK(summary->differing <= summary->ranges);
}

static bool
verdict_is_consistent(const struct verdict *verdict)
{
    struct field_set both = verdict->equal;
    field_set_keep_all(&both, &verdict->differing);
    return verdict->begin >= 0 && verdict->begin < verdict->end &&
           verdict->checked_to >= verdict->begin && verdict->checked_to <= verdict->end &&
           verdict->difference_count <= VERDICT_DIFFERENCES_MAX &&
           verdict->difference_count <= verdict->differences_total && field_set_is_empty(&both);
}

bool
verdicts_are_consistent(const struct verdicts *list)
{
    uint64_t listed = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!verdict_is_consistent(list->items[i]))
            return false;
        if (i > 0 && list->items[i - 1]->end > list->items[i]->begin)
            return false;
        listed += list->items[i]->difference_count;
    }
    return listed == list->listed && list->count <= verdicts_limit(list);
}

/* --- bytes ----------------------------------------------------------------------------------- */

enum { VERSION = 1, NAME_BYTES_MAX = UINT16_MAX, NUMBERS = 7, SETS = 5 };

/* The numbers and the sets of a verdict, in their order. */
static void
verdict_members(struct verdict *verdict, int64_t *numbers[NUMBERS], struct field_set *sets[SETS])
{
    int64_t *const all_numbers[NUMBERS] = {
        &verdict->begin,    &verdict->end,       &verdict->job,        &verdict->tick,
        &verdict->clock_us, &verdict->check_job, &verdict->checked_to,
    };
    struct field_set *const all_sets[SETS] = {&verdict->named, &verdict->equal, &verdict->differing,
                                              &verdict->damaged, &verdict->checked};
    memcpy(numbers, all_numbers, sizeof all_numbers);
    memcpy(sets, all_sets, sizeof all_sets);
}

/* The number of a field in the bytes, and back. */
static uint32_t
number_of_place(uint32_t place, uint32_t field_count)
{
    CHECK(place <= field_count);
    return place == field_count ? FIELD_ALIVE : place;
}

static void
put_number(struct buffer *out, uint64_t number, int bytes)
{
    uint8_t *at = buffer_reserve(out, (size_t)bytes);
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(number >> 8 * i);
    out->bytes += (size_t)bytes;
}

static void
put_text(struct buffer *out, struct text text)
{
    put_number(out, text.bytes, 4);
    buffer_append(out, text.data, text.bytes);
}

static void
put_set(struct buffer *out, const struct field_set *set, uint32_t field_count)
{
    for (uint32_t first = 0; first <= field_count; first += 8) {
        uint64_t bits = 0;
        for (uint32_t i = 0; i < 8 && first + i <= field_count; i++)
            if (field_set_has(set, number_of_place(first + i, field_count)))
                bits |= UINT64_C(1) << i;
        put_number(out, bits, 1);
    }
}

static void
put_verdict(struct buffer *out, struct verdict *verdict, uint32_t field_count)
{
    int64_t *numbers[NUMBERS];
    struct field_set *sets[SETS];
    verdict_members(verdict, numbers, sets);
    for (int i = 0; i < NUMBERS; i++)
        put_number(out, (uint64_t)*numbers[i], 8);
    for (int i = 0; i < SETS; i++)
        put_set(out, sets[i], field_count);
    put_number(out, verdict->sums != NULL, 1);
    for (uint32_t i = 0; verdict->sums != NULL && i <= field_count; i++) {
        put_number(out, verdict->sums[i].count, 8);
        put_number(out, (uint64_t)verdict->sums[i].high, 8);
        put_number(out, verdict->sums[i].low, 8);
    }
    put_number(out, verdict->differences_total, 8);
    put_number(out, verdict->difference_count, 4);
    for (uint32_t i = 0; i < verdict->difference_count; i++) {
        const struct verdict_difference *difference = &verdict->differences[i];
        uint32_t field = difference->field == FIELD_ALIVE ? field_count : difference->field;
        put_number(out, field, 4);
        put_number(out, (uint64_t)difference->entity_id, 8);
        put_text(out, text_of(difference->source));
        put_text(out, text_of(difference->index));
    }
}

void
verdicts_encode(const struct verdicts *list, const struct config_fields *fields, struct buffer *out)
{
    CHECK(list->field_count == fields->count);
    CHECK(verdicts_are_consistent(list));
    put_number(out, VERSION, 1);
    put_number(out, fields->count, 4);
    for (uint32_t i = 0; i < fields->count; i++) {
        struct text name = text_of(config_fields_name(fields, i));
        CHECK(name.bytes <= NAME_BYTES_MAX);
        put_number(out, name.bytes, 2);
        buffer_append(out, name.data, name.bytes);
    }
    put_number(out, list->count, 4);
    for (uint32_t i = 0; i < list->count; i++)
        put_verdict(out, list->items[i], fields->count);
}

/* What is left to read; `is_bad` when it was not enough. */
struct verdict_reader {
    const uint8_t *at;
    size_t left;
    bool is_bad;
};

static struct text
take_bytes(struct verdict_reader *reader, size_t bytes)
{
    struct text text = {(const char *)reader->at, bytes};
    reader->is_bad |= bytes > reader->left;
    if (reader->is_bad)
        return (struct text){"", 0};
    reader->at += bytes;
    reader->left -= bytes;
    return text;
}

static uint64_t
take_number(struct verdict_reader *reader, int bytes)
{
    const struct text text = take_bytes(reader, (size_t)bytes);
    uint64_t number = 0;
    for (size_t i = 0; i < text.bytes; i++)
        number |= (uint64_t)(uint8_t)text.data[i] << 8 * i;
    return number;
}

static void
take_set(struct verdict_reader *reader, uint32_t field_count, struct field_set *set)
{
    for (uint32_t first = 0; first <= field_count; first += 8) {
        uint64_t bits = take_number(reader, 1);
        for (uint32_t i = 0; i < 8 && first + i <= field_count; i++)
            if (bits >> i & 1)
                field_set_add(set, number_of_place(first + i, field_count));
    }
}

/* A terminated copy, in `arena`. */
static char *
take_text(struct verdict_reader *reader, struct arena *arena)
{
    size_t bytes = take_number(reader, 4);
    return arena_strdup(arena, take_bytes(reader, bytes));
}

static void
take_difference(struct verdict_reader *reader, struct verdicts *list, struct verdict *verdict,
                struct arena *arena)
{
    struct verdict_difference difference;
    uint64_t field = take_number(reader, 4);
    difference.entity_id = (int64_t)take_number(reader, 8);
    difference.source = take_text(reader, arena);
    difference.index = take_text(reader, arena);
    reader->is_bad |= field > list->field_count || difference.entity_id < verdict->begin ||
                      difference.entity_id >= verdict->end;
    if (reader->is_bad)
        return;
    difference.field = number_of_place((uint32_t)field, list->field_count);
    verdict_list(list, verdict, &difference);
}

static void
take_differences(struct verdict_reader *reader, struct verdicts *list, struct verdict *verdict)
{
    struct arena arena;
    arena_init(&arena);
    verdict->differences_total = take_number(reader, 8);
    uint64_t count = take_number(reader, 4);
    for (uint64_t i = 0; i < count && !reader->is_bad; i++)
        take_difference(reader, list, verdict, &arena);
    arena_free(&arena);
}

static void
take_verdict(struct verdict_reader *reader, struct verdicts *list)
{
    int64_t *numbers[NUMBERS];
    struct field_set *sets[SETS];
    struct verdict *verdict = verdict_create(list, 0, CHUNK_NO_END);
    verdict_members(verdict, numbers, sets);
    for (int i = 0; i < NUMBERS; i++)
        *numbers[i] = (int64_t)take_number(reader, 8);
    for (int i = 0; i < SETS; i++)
        take_set(reader, list->field_count, sets[i]);
    bool has_sums = take_number(reader, 1) != 0;
    for (uint32_t i = 0; has_sums && i <= list->field_count; i++) {
        verdict->sums[i].count = take_number(reader, 8);
        verdict->sums[i].high = (int64_t)take_number(reader, 8);
        verdict->sums[i].low = take_number(reader, 8);
    }
    if (!has_sums) {
        free(verdict->sums);
        verdict->sums = NULL;
    }
    take_differences(reader, list, verdict);
    int64_t reached = list->count > 0 ? list->items[list->count - 1]->end : 0;
    reader->is_bad |= !verdict_is_consistent(verdict) || verdict->begin < reached ||
                      list->count >= verdicts_limit(list);
    if (reader->is_bad)
        verdict_free(list, verdict);
    else
        verdicts_splice(list, list->count, list->count, &verdict, 1);
}

/* Are the fields in the bytes those of the index? */
static bool
take_fields(struct verdict_reader *reader, const struct config_fields *fields)
{
    uint64_t count = take_number(reader, 4);
    bool same = count == fields->count;
    for (uint64_t i = 0; i < count && !reader->is_bad; i++) {
        struct text name = take_bytes(reader, take_number(reader, 2));
        same = same && text_is(name, config_fields_name(fields, (uint32_t)i));
    }
    return same;
}

int
verdicts_decode(struct text bytes, const struct config_fields *fields, struct verdicts *list,
                struct error *err)
{
    struct verdict_reader reader = {(const uint8_t *)bytes.data, bytes.bytes, false};
    CHECK(list->count == 0 && list->field_count == fields->count);
    uint64_t version = take_number(&reader, 1);
    if (version != VERSION)
        return error_set(err, ERR_DATA, "verdicts of version %u, which is not known",
                         (unsigned)version);
    bool is_same = take_fields(&reader, fields);
    uint64_t count = is_same ? take_number(&reader, 4) : 0;
    for (uint64_t i = 0; i < count && !reader.is_bad; i++)
        take_verdict(&reader, list);
    if (!reader.is_bad && (reader.left == 0 || !is_same))
        return 0;
    verdicts_clear(list, fields);
    return error_set(err, ERR_DATA, "verdicts: byte %zu of %zu is not valid",
                     bytes.bytes - reader.left, bytes.bytes);
}
