/* Happy path: page by page. Existence is compared first. Then, of each field, every side and every
 * structure is reduced to one word for each slot of the page (a sum of hashes of the slot's
 * values), and the words are compared. Only where they differ the values are read and written.
 */
#include "consumer/engine/engine_compare.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/json/json_write.h"
#include "consumer/engine/chunk_parts.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_time.h"
#include "consumer/engine/field_page.h"

enum { LIST_ITEMS_MAX = 64, STRING_BYTES_MAX = 256 };

/* One word for each slot of a page; 0: no value. */
struct page_words {
    uint64_t of[PAGE_SLOTS];
};

struct compared_page {
    const struct engine *engine;
    const struct chunk *chunk;
    struct engine_comparison *comparison;
    const struct field *field;
    uint32_t number; /* of the field */
    uint32_t page;
    const struct chunk_column *column; /* of the field; NULL: no values, or a computed field */
    struct page_bits source;           /* slots that are alive in the source */
    struct page_bits index;            /* and in the index */
    struct page_bits either;
    struct page_words want;
    struct page_words held;
    struct page_words posted;
    struct page_words sliced;
    struct field_page values;
    struct field_page computed; /* of a computed field: what it should have */
    struct field_page room;
};

static bool
bits_have(const struct page_bits *bits, uint32_t at)
{
    return (bits->words[at / WORD_SLOTS] >> at % WORD_SLOTS & 1) != 0;
}

static uint32_t
page_first(const struct compared_page *page)
{
    return page->page * PAGE_SLOTS;
}

/* --- words ----------------------------------------------------------------------------------- */

/* Never 0 in practice, and as good as different for different keys. */
static uint64_t
key_word(int64_t key)
{
    uint64_t h = (uint64_t)key + 0x9e3779b97f4a7c15;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9;
    h = (h ^ h >> 27) * 0x94d049bb133111eb;
    return (h ^ h >> 31) | 1;
}

/* Only the words of slots that either side has are used. */
static void
words_clear(const struct compared_page *page, struct page_words *words)
{
    for (uint32_t word = 0; word < PAGE_WORDS; word++)
        if (page->either.words[word] != 0)
            memset(&words->of[word * WORD_SLOTS], 0, WORD_SLOTS * sizeof words->of[0]);
}

static void
words_copy(const struct compared_page *page, const struct page_words *from,
           struct page_words *words)
{
    for (uint32_t word = 0; word < PAGE_WORDS; word++)
        if (page->either.words[word] != 0)
            memcpy(&words->of[word * WORD_SLOTS], &from->of[word * WORD_SLOTS],
                   WORD_SLOTS * sizeof words->of[0]);
}

static void
words_of_values(const struct compared_page *page, const struct field_page *values,
                struct page_words *words)
{
    words_clear(page, words);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = values->has.words[word]; left != 0; left &= left - 1) {
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            words->of[at] = key_word(values->keys[at]);
        }
    }
}

/* The key of a value of the chunk. A string that the index does not know has a key of no value of
 * the index. */
static int64_t
column_key(const struct field *field, const struct chunk_column *column, uint32_t at)
{
    uint32_t code;
    if (column->kind != CHUNK_STRINGS)
        return column->integers[at];
    if (dictionary_find(&field->dictionary, column->strings[column->integers[at]], &code))
        return code;
    return -1 - column->integers[at];
}

static void
want_column(struct compared_page *page)
{
    const struct chunk_column *column = page->column;
    uint64_t first = page_first(page);
    words_clear(page, &page->want);
    if (column == NULL)
        return;
    const struct slot_range range = {first, first + PAGE_SLOTS};
    struct slot_span span = slot_span_find(column->slots, column->count, range);
    for (uint32_t i = span.begin; i < span.begin + span.count; i++) {
        uint32_t at = column->slots[i] % PAGE_SLOTS;
        if (bits_have(&page->source, at))
            page->want.of[at] += key_word(column_key(page->field, column, i));
    }
}

static void
hold_sets(struct compared_page *page)
{
    words_clear(page, &page->held);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = page->index.words[word]; left != 0; left &= left - 1) {
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
            uint32_t slot = page_first(page) + at;
            struct set_reader reader;
            int64_t value;
            set_column_read(&page->field->sets, slot, &reader);
            while (set_reader_next(&reader, &value))
                page->held.of[at] += key_word(value);
            if (!field_set_is_present(page->field, slot))
                page->held.of[at] ^= 1; /* a word of no value */
        }
    }
}

static void
post_value(void *context, int64_t value, const uint32_t *slots, uint32_t count)
{
    struct compared_page *page = context;
    uint64_t word = key_word(value);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = slots[i] % PAGE_SLOTS;
        if (bits_have(&page->index, at))
            page->posted.of[at] += word;
    }
}

static void
post_values(struct compared_page *page)
{
    uint64_t first = page_first(page);
    words_clear(page, &page->posted);
    postings_visit(&page->field->postings, first, first + PAGE_SLOTS, post_value, page);
}

/* What documents show; and for a computed field what it should have. */
static void
hold_scalars(struct compared_page *page)
{
    const struct field *field = page->field;
    field_page_read(field, page->page, &page->index, &page->values);
    words_of_values(page, &page->values, &page->held);
    for (uint32_t word = 0; page->values.is_broken && word < PAGE_WORDS; word++) {
        uint64_t nowhere = page->index.words[word] & ~page->values.has.words[word];
        for (; nowhere != 0; nowhere &= nowhere - 1) {
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(nowhere);
            page->held.of[at] = roaring_bitmap_contains(field->present, page_first(page) + at);
        }
    }
    if (field->computed_op == COMPUTED_NONE)
        return;
    field_page_compute(field, page->page, &page->index, &page->computed, &page->room);
    words_of_values(page, &page->computed, &page->want);
}

static void
page_read_field(struct compared_page *page)
{
    const struct field *field = page->field;
    want_column(page);
    if (field->type == FIELD_MULTI_VALUE)
        hold_sets(page);
    else
        hold_scalars(page);
    if (field->filters)
        post_values(page);
    else
        words_copy(page, &page->held, &page->posted);
    if (field->sort_bits == 0) {
        words_copy(page, &page->held, &page->sliced);
        return;
    }
    field_page_read_slices(field, page->page, &page->index, &page->room);
    words_of_values(page, &page->room, &page->sliced);
}

/* --- values as JSON -------------------------------------------------------------------------- */

static void
write_key(struct json_writer *json, const struct field *field, int64_t key)
{
    struct text text;
    if (field->type == FIELD_BOOLEAN) {
        json_boolean(json, key != 0);
    } else if (field->type == FIELD_STRING) {
        text = dictionary_text(&field->dictionary, (uint32_t)key);
        text.bytes = text.bytes < STRING_BYTES_MAX ? text.bytes : STRING_BYTES_MAX;
        json_text(json, text);
    } else {
        json_integer(json, key);
    }
}

static void
write_more(struct json_writer *json, uint32_t *written)
{
    if (*written == LIST_ITEMS_MAX)
        json_string(json, "...");
    ++*written;
}

/* The value of the chunk. */
static void
write_wanted(const struct compared_page *page, uint32_t at, struct json_writer *json)
{
    const struct chunk_column *column = page->column;
    uint64_t slot = page_first(page) + at;
    const struct slot_range range = {slot, slot + 1};
    struct slot_span span = {0, 0};
    if (column != NULL && bits_have(&page->source, at))
        span = slot_span_find(column->slots, column->count, range);
    if (page->field->computed_op != COMPUTED_NONE && bits_have(&page->computed.has, at)) {
        json_integer(json, page->computed.keys[at]);
        return;
    }
    if (span.count == 0) {
        json_null(json);
        return;
    }
    bool is_list = page->field->type == FIELD_MULTI_VALUE;
    if (is_list)
        json_array_begin(json);
    for (uint32_t i = 0, written = 0; i < span.count; i++) {
        int64_t key = column->integers[span.begin + i];
        struct text text = column->kind == CHUNK_STRINGS ? column->strings[key] : TEXT("");
        text.bytes = text.bytes < STRING_BYTES_MAX ? text.bytes : STRING_BYTES_MAX;
        if (column->kind == CHUNK_STRINGS)
            json_text(json, text);
        else if (written < LIST_ITEMS_MAX)
            write_key(json, page->field, key);
        write_more(json, &written);
    }
    if (is_list)
        json_array_end(json);
}

/* The value that documents show. */
static void
write_held(const struct compared_page *page, uint32_t at, struct json_writer *json)
{
    struct set_reader reader;
    int64_t value;
    uint32_t written = 0;
    if (page->field->type != FIELD_MULTI_VALUE) {
        if (bits_have(&page->values.has, at))
            write_key(json, page->field, page->values.keys[at]);
        else
            json_null(json);
        return;
    }
    set_column_read(&page->field->sets, page_first(page) + at, &reader);
    json_array_begin(json);
    while (set_reader_next(&reader, &value)) {
        if (written < LIST_ITEMS_MAX)
            json_integer(json, value);
        write_more(json, &written);
    }
    json_array_end(json);
}

/* The values whose postings have the slot. */
struct posted_values {
    struct json_writer *json;
    const struct field *field;
    uint32_t written;
};

static void
write_posted_value(void *context, int64_t value, const uint32_t *slots, uint32_t count)
{
    struct posted_values *values = context;
    CHECK(count == 1 && slots[0] <= UINT32_MAX);
    if (values->written < LIST_ITEMS_MAX)
        write_key(values->json, values->field, value);
    write_more(values->json, &values->written);
}

static void
write_posted(const struct compared_page *page, uint32_t at, struct json_writer *json)
{
    struct posted_values values = {json, page->field, 0};
    uint64_t slot = page_first(page) + at;
    json_array_begin(json);
    postings_visit(&page->field->postings, slot, slot + 1, write_posted_value, &values);
    json_array_end(json);
}

static bool
page_disagrees(const struct compared_page *page, uint32_t at)
{
    uint64_t held = page->held.of[at];
    return page->posted.of[at] != held || page->sliced.of[at] != held;
}

static void
write_structures(const struct compared_page *page, uint32_t at, struct json_writer *json)
{
    json_object_begin(json);
    json_key(json, "held");
    write_held(page, at, json);
    if (page->field->filters) {
        json_key(json, "filter");
        write_posted(page, at, json);
    }
    if (page->field->sort_bits > 0) {
        json_key(json, "sort");
        if (bits_have(&page->room.has, at))
            json_integer(json, page->room.keys[at]);
        else
            json_null(json);
    }
    json_object_end(json);
}

/* --- differences ----------------------------------------------------------------------------- */

static void
comparison_take(struct engine_comparison *comparison, uint32_t field, int64_t entity_id,
                struct buffer *source, struct buffer *index)
{
    const struct engine_difference difference = {field, entity_id, buffer_string(source),
                                                 buffer_string(index)};
    CHECK(comparison->listed < comparison->listed_max);
    comparison->listed++;
    comparison->take(comparison->context, &difference);
}

static void
list_value(const struct compared_page *page, uint32_t at)
{
    struct buffer source = {0}, index = {0};
    struct json_writer json;
    json_writer_init(&json, &source);
    write_wanted(page, at, &json);
    json_writer_init(&json, &index);
    if (page_disagrees(page, at))
        write_structures(page, at, &json);
    else if (page->field->type == FIELD_MULTI_VALUE && page->held.of[at] == 0)
        json_null(&json);
    else
        write_held(page, at, &json);
    comparison_take(page->comparison, page->number,
                    engine_entity_of(page->engine, page_first(page) + at), &source, &index);
    buffer_free(&source);
    buffer_free(&index);
}

static void
compare_slot(const struct compared_page *page, uint32_t at)
{
    struct engine_comparison *comparison = page->comparison;
    bool disagrees = page_disagrees(page, at);
    bool is_computed = page->field->computed_op != COMPUTED_NONE;
    bool differs = page->want.of[at] != page->held.of[at];
    if (!differs && !disagrees)
        return;
    field_set_add(&comparison->differing, page->number);
    if (disagrees || is_computed)
        field_set_add(&comparison->damaged, page->number);
    /* An entity that only one side has is one difference, of existence. */
    if (bits_have(&page->source, at) != bits_have(&page->index, at))
        return;
    comparison->total++;
    if (comparison->listed < comparison->listed_max)
        list_value(page, at);
}

static void
compare_field(struct compared_page *page)
{
    page_read_field(page);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = page->either.words[word]; left != 0; left &= left - 1)
            compare_slot(page, word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left));
    }
}

/* --- existence ------------------------------------------------------------------------------- */

static void
list_existence(const struct compared_page *page, uint32_t at, const char *source, const char *index)
{
    struct engine_comparison *comparison = page->comparison;
    struct buffer texts[2] = {{0}, {0}};
    field_set_add(&comparison->differing, FIELD_ALIVE);
    comparison->total++;
    if (comparison->listed == comparison->listed_max)
        return;
    buffer_append_text(&texts[0], source);
    buffer_append_text(&texts[1], index);
    comparison_take(comparison, FIELD_ALIVE, engine_entity_of(page->engine, page_first(page) + at),
                    &texts[0], &texts[1]);
    buffer_free(&texts[0]);
    buffer_free(&texts[1]);
}

static void
compare_visible(const struct compared_page *page)
{
    uint64_t first = page_first(page);
    roaring_bitmap_t *slots = bitmap_create();
    roaring_bitmap_add_range(slots, first, first + PAGE_SLOTS);
    roaring_bitmap_t *misplaced = engine_find_misplaced(page->engine, slots);
    roaring_uint32_iterator_t at;
    roaring_init_iterator(misplaced, &at);
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
        uint32_t slot = at.current_value;
        bool is_shown = roaring_bitmap_contains(engine_visible(page->engine), slot);
        if (!bits_have(&page->index, slot % PAGE_SLOTS))
            continue;
        field_set_add(&page->comparison->damaged, FIELD_ALIVE);
        list_existence(page, slot % PAGE_SLOTS, is_shown ? "\"hidden\"" : "\"visible\"",
                       is_shown ? "\"visible\"" : "\"hidden\"");
    }
    roaring_bitmap_free(misplaced);
    roaring_bitmap_free(slots);
}

static void
compare_existence(const struct compared_page *page)
{
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        uint64_t differs = page->source.words[word] ^ page->index.words[word];
        for (; differs != 0; differs &= differs - 1) {
            uint32_t at = word * WORD_SLOTS + (uint32_t)__builtin_ctzll(differs);
            bool in_source = bits_have(&page->source, at);
            list_existence(page, at, in_source ? "true" : "false", in_source ? "false" : "true");
        }
    }
    compare_visible(page);
}

/* --- the chunk ------------------------------------------------------------------------------- */

/* Which slots of the page each side has. False: neither has any. */
static bool
page_open(struct compared_page *page, const struct slot_pages *index,
          const struct slot_pages *source)
{
    static const struct page_bits none;
    const struct page_bits *index_bits = pages_find(&index->pages, page_first(page));
    const struct page_bits *source_bits = pages_find(&source->pages, page_first(page));
    page->index = index_bits != NULL ? *index_bits : none;
    page->source = source_bits != NULL ? *source_bits : none;
    page->either = page->index;
    page_bits_or(&page->either, page->source.words);
    return index_bits != NULL || source_bits != NULL;
}

static const struct chunk_column *
find_column(const struct chunk *chunk, const struct field *field)
{
    for (uint32_t i = 0; i < chunk->column_count; i++)
        if (text_equal(chunk->columns[i].field, field->name))
            return &chunk->columns[i];
    return NULL;
}

static void
compare_page(struct compared_page *page, const struct engine_yield *yield)
{
    const struct engine *engine = page->engine;
    if (page->chunk->states_alive && field_set_has(&page->comparison->fields, FIELD_ALIVE))
        compare_existence(page);
    for (uint32_t i = 0; i < engine->field_count; i++) {
        page->field = &engine->fields[i];
        page->number = i;
        page->column = find_column(page->chunk, page->field);
        bool is_stated = page->field->computed_op != COMPUTED_NONE ||
                         chunk_states_field(page->chunk, page->field);
        if (!is_stated || !field_set_has(&page->comparison->fields, i))
            continue;
        compare_field(page);
        if (yield != NULL)
            yield->give(yield->context);
    }
}

/* The slots that are alive, of the chunk's list or of its range. */
static void
read_alive(const struct engine *engine, const struct chunk *chunk, struct slot_pages *index,
           struct slot_pages *source)
{
    struct slot_range range = engine_slot_range(engine, chunk->begin, chunk->end);
    roaring_bitmap_t *alive = bitmap_copy(engine->alive);
    roaring_bitmap_t *stated = bitmap_create();
    if (chunk->has_slots) {
        roaring_bitmap_add_many(stated, chunk->slot_count, chunk->slots);
        roaring_bitmap_and_inplace(alive, stated);
        roaring_bitmap_clear(stated);
    }
    roaring_bitmap_add_many(stated, chunk->alive_count, chunk->alive);
    slot_pages_read(index, alive, range);
    slot_pages_read(source, chunk->states_alive ? stated : alive, range);
    roaring_bitmap_free(alive);
    roaring_bitmap_free(stated);
}

void
engine_compare_chunk(const struct engine *engine, const struct chunk *chunk,
                     struct engine_comparison *comparison, const struct engine_yield *yield)
{
    struct slot_pages index, source;
    struct compared_page *page = memory_alloc(sizeof *page);
    CHECK(!engine->in_rows);
    CHECK(chunk->rejected.bytes == 0);
    page->engine = engine;
    page->chunk = chunk;
    page->comparison = comparison;
    comparison->differing = comparison->damaged = (struct field_set){{0}};
    comparison->listed = 0;
    comparison->total = 0;
    read_alive(engine, chunk, &index, &source);
    uint32_t pages =
        index.pages.count > source.pages.count ? index.pages.count : source.pages.count;
    for (page->page = 0; page->page < pages; page->page++) {
        if (page_open(page, &index, &source))
            compare_page(page, yield);
    }
    CHECK(comparison->total >= comparison->listed);
    slot_pages_free(&index);
    slot_pages_free(&source);
    free(page);
}
