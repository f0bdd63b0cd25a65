/* A block holds a bit for each of its slots that has a set, and then, for each of those in order:
 *
 *     varint  bytes of the values that follow
 *     varint  the first value, zigzag
 *     varint  for each further value: its difference to the value before it, less one
 *
 * Varints have 7 bits a byte, the lowest first. Finding a set means skipping the sets before it.
 */
#include "consumer/engine/store/set_column.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/store/image.h"

enum { BLOCK_BITS = 5, BLOCK_SLOTS = 1 << BLOCK_BITS, PAGE_BLOCKS = PAGE_SLOTS / BLOCK_SLOTS };
enum { SPARE_DIVISOR = 16, VARINT_BYTES_MAX = 10 };

struct set_block {
    uint32_t present; /* one bit a slot */
    uint32_t bytes;
    uint32_t capacity;
    uint8_t data[];
};

struct set_page {
    struct set_block *blocks[PAGE_BLOCKS]; /* NULL: a block without sets */
};

static uint64_t
varint_read(const uint8_t **at)
{
    uint64_t number = 0;
    for (uint32_t shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
}

static void
varint_write(uint8_t **at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *(*at)++ = (uint8_t)(number | 0x80);
    *(*at)++ = (uint8_t)number;
}

static uint32_t
varint_bytes(uint64_t number)
{
    return (uint32_t)(63 - __builtin_clzll(number | 1)) / 7 + 1;
}

static const struct set_block *
set_column_block(const struct set_column *column, uint32_t slot)
{
    const struct set_page *page = pages_find(&column->pages, slot);
    return page != NULL ? page->blocks[slot % PAGE_SLOTS / BLOCK_SLOTS] : NULL;
}

/* The place of the set of `slot` in the block, where its length is; or the place where it would
 * be. */
static const uint8_t *
block_find(const struct set_block *block, uint32_t slot)
{
    uint32_t below = (UINT32_C(1) << slot % BLOCK_SLOTS) - 1;
    const uint8_t *at = block->data;
    for (int skip = __builtin_popcount(block->present & below); skip > 0; skip--) {
        uint64_t bytes = varint_read(&at);
        at += bytes;
    }
    return at;
}

static bool
block_has(const struct set_block *block, uint32_t slot)
{
    return (block->present >> slot % BLOCK_SLOTS & 1) != 0;
}

static uint64_t
block_memory(const struct set_block *block)
{
    return block != NULL ? sizeof *block + block->capacity : 0;
}

void
set_column_free(struct set_column *column)
{
    uint64_t freed_bytes = 0;
    for (uint32_t i = 0; i < column->pages.count; i++) {
        struct set_page *page = column->pages.items[i];
        for (int block = 0; page != NULL && block < PAGE_BLOCKS; block++) {
            freed_bytes += block_memory(page->blocks[block]);
            free(page->blocks[block]);
        }
    }
    CHECK(freed_bytes == column->block_bytes);
    pages_free(&column->pages);
}

void
set_column_read(const struct set_column *column, uint32_t slot, struct set_reader *reader)
{
    const struct set_block *block = set_column_block(column, slot);
    *reader = (struct set_reader){0};
    if (block == NULL || !block_has(block, slot))
        return;
    reader->at = block_find(block, slot);
    uint64_t bytes = varint_read(&reader->at);
    reader->end = reader->at + bytes;
    CHECK(bytes > 0);
    CHECK(reader->end <= block->data + block->bytes);
}

bool
set_reader_next(struct set_reader *reader, int64_t *value)
{
    if (reader->at == reader->end)
        return false;
    uint64_t number = varint_read(&reader->at);
    if (reader->begun)
        reader->value = (int64_t)((uint64_t)reader->value + number + 1);
    else
        reader->value = (int64_t)(number >> 1 ^ (0 - (number & 1)));
    reader->begun = true;
    *value = reader->value;
    return true;
}

/* The number that encodes `value` after the value `before` it; NULL: it is the first. */
static uint64_t
set_number(const int64_t *before, int64_t value)
{
    if (before == NULL)
        return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
    return (uint64_t)value - (uint64_t)*before - 1;
}

static uint64_t
list_number(const struct value_list *values, uint32_t at)
{
    return set_number(at > 0 ? &values->items[at - 1] : NULL, values->items[at]);
}

static struct set_block *
block_resize(struct set_block *block, size_t capacity)
{
    CHECK(capacity <= UINT32_MAX);
    block = memory_realloc(block, sizeof *block + capacity);
    block->capacity = (uint32_t)capacity;
    return block;
}

/* Replaces the `old_bytes` bytes at `at` by room for `bytes`; the block may move. */
static struct set_block *
block_open(struct set_block *block, size_t at, size_t old_bytes, size_t bytes)
{
    CHECK(at <= block->bytes);
    CHECK(old_bytes <= block->bytes - at);
    size_t total = block->bytes - old_bytes + bytes;
    if (total > block->capacity)
        block = block_resize(block, total + total / SPARE_DIVISOR);
    memmove(block->data + at + bytes, block->data + at + old_bytes, block->bytes - at - old_bytes);
    block->bytes = (uint32_t)total;
    if (total < block->capacity / 2)
        block = block_resize(block, total);
    CHECK(block->bytes <= block->capacity);
    return block;
}

static struct set_block *
block_write(struct set_block *block, uint32_t slot, const struct value_list *values)
{
    const uint8_t *end = block_find(block, slot);
    size_t start = (size_t)(end - block->data);
    if (block_has(block, slot)) {
        uint64_t old_bytes = varint_read(&end);
        end += old_bytes;
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < values->count; i++)
        bytes += varint_bytes(list_number(values, i));
    size_t whole_bytes = values->count > 0 ? varint_bytes(bytes) + bytes : 0;
    block = block_open(block, start, (size_t)(end - block->data) - start, whole_bytes);
    block->present &= ~(UINT32_C(1) << slot % BLOCK_SLOTS);
    if (values->count == 0)
        return block;
    block->present |= UINT32_C(1) << slot % BLOCK_SLOTS;
    uint8_t *at = block->data + start;
    varint_write(&at, bytes);
    for (uint32_t i = 0; i < values->count; i++)
        varint_write(&at, list_number(values, i));
    CHECK(at == block->data + start + whole_bytes);
    return block;
}

static struct set_block **
set_column_place(struct set_column *column, uint32_t slot)
{
    void **place = pages_place(&column->pages, slot);
    if (*place == NULL)
        *place = memory_zalloc(sizeof(struct set_page));
    struct set_page *page = *place;
    return &page->blocks[slot % PAGE_SLOTS / BLOCK_SLOTS];
}

/* CHECK()s what an image must hold: before a block is written, after it is read. */
static void
block_check(const struct set_block *block)
{
    CHECK((block->present == 0) == (block->bytes == 0));
    CHECK(block->bytes >= 2 * (uint32_t)__builtin_popcount(block->present)); /* length, value */
    CHECK(block->bytes <= block->capacity);
}

/* Stores a changed block; frees it if it has no set. */
static void
set_column_put(struct set_column *column, struct set_block **place, struct set_block *block,
               uint64_t bytes_before)
{
    CHECK((block->present == 0) == (block->bytes == 0));
    CHECK(bytes_before <= column->block_bytes);
    if (block->present == 0) {
        free(block);
        block = NULL;
    }
    *place = block;
    column->block_bytes += block_memory(block) - bytes_before;
}

void
set_column_write(struct set_column *column, uint32_t slot, const struct value_list *values)
{
    CHECK(values->count < 2 || values->items[0] < values->items[values->count - 1]);
    struct set_block **place = set_column_place(column, slot);
    struct set_block *block = *place;
    uint64_t bytes_before = block_memory(block);
    if (block == NULL)
        block = memory_zalloc(sizeof *block);
    set_column_put(column, place, block_write(block, slot, values), bytes_before);
}

/* --- many slots at once ---------------------------------------------------------------------- */

enum set_edit_kind { SET_ADD, SET_REMOVE, SET_CLEAR };

struct set_edit {
    enum set_edit_kind change;
    const struct value_list *values; /* NULL with SET_CLEAR */
    roaring_bitmap_t *emptied;       /* NULL: the caller does not need it */
    uint8_t *bytes;                  /* room for the changed part of a block */
    size_t capacity;
};

/* Where the next value of a set is written. */
struct set_writer {
    uint8_t *at;
    int64_t value; /* the value before it, once `begun` */
    bool begun;
};

static void
set_writer_put(struct set_writer *writer, int64_t value)
{
    CHECK(!writer->begun || writer->value < value);
    varint_write(&writer->at, set_number(writer->begun ? &writer->value : NULL, value));
    writer->value = value;
    writer->begun = true;
}

/* Writes the changed set to `to`; returns its end. */
static uint8_t *
set_merge(const struct set_edit *edit, struct set_reader *set, uint8_t *to)
{
    struct set_writer writer = {.at = to};
    int64_t value = 0;
    if (edit->change == SET_CLEAR)
        return to;
    CHECK(edit->values->count > 0);
    const uint8_t *begin = set->at, *same = set->at;
    CHECK(to >= edit->bytes && to < edit->bytes + edit->capacity);
    bool more = set_reader_next(set, &value);
    for (; more && value < edit->values->items[0]; more = set_reader_next(set, &value)) {
        writer.value = value;
        writer.begun = true;
        same = set->at;
    }
    memcpy(to, begin, (size_t)(same - begin));
    writer.at = to + (same - begin);
    for (uint32_t i = 0; i < edit->values->count;) {
        int64_t item = edit->values->items[i];
        if (!more || value >= item) {
            if (edit->change == SET_ADD)
                set_writer_put(&writer, item);
            more = more && (value > item || set_reader_next(set, &value));
            i++;
        } else {
            set_writer_put(&writer, value);
            more = set_reader_next(set, &value);
        }
    }
    if (!more)
        return writer.at;
    set_writer_put(&writer, value);
    CHECK(set->at <= set->end);
    size_t rest = (size_t)(set->end - set->at);
    memcpy(writer.at, set->at, rest);
    return writer.at + rest;
}

/* The same with the length before the set; writes nothing when the set becomes empty. */
static uint8_t *
set_rewrite(const struct set_edit *edit, struct set_reader *set, uint8_t *to)
{
    uint8_t *values = to + VARINT_BYTES_MAX;
    size_t bytes = (size_t)(set_merge(edit, set, values) - values);
    if (bytes == 0)
        return to;
    varint_write(&to, bytes);
    CHECK(to <= values);
    memmove(to, values, bytes);
    return to + bytes;
}

/* Rewrites the part of the block from the first of `slots` to the last one. */
static struct set_block *
block_change(struct set_block *block, uint32_t slots, const struct set_edit *edit)
{
    uint32_t present = block->present & ~slots;
    CHECK(slots != 0);
    uint32_t slot = (uint32_t)__builtin_ctz(slots);
    const uint8_t *at = block_find(block, slot);
    size_t start = (size_t)(at - block->data);
    uint8_t *to = edit->bytes;
    for (uint32_t bit = UINT32_C(1) << slot; bit != 0 && bit <= slots; bit <<= 1) {
        struct set_reader set = {.at = at, .end = at};
        const uint8_t *whole = at;
        if ((block->present & bit) != 0) {
            uint64_t bytes = varint_read(&set.at);
            at = set.end = set.at + bytes;
        }
        uint8_t *before = to;
        if ((slots & bit) != 0) {
            to = set_rewrite(edit, &set, to);
            present |= to > before ? bit : 0;
        } else {
            memcpy(to, whole, (size_t)(at - whole));
            to += at - whole;
        }
    }
    size_t old_bytes = (size_t)(at - block->data) - start;
    size_t new_bytes = (size_t)(to - edit->bytes);
    CHECK(new_bytes <= edit->capacity);
    block = block_open(block, start, old_bytes, new_bytes);
    memcpy(block->data + start, edit->bytes, new_bytes);
    block->present = present;
    return block;
}

/* Reserves room for a block that grows by this many values and lengths. */
static void
edit_reserve(struct set_edit *edit, const struct set_block *block, size_t varints)
{
    size_t bytes = block->bytes + varints * VARINT_BYTES_MAX;
    if (bytes <= edit->capacity)
        return;
    edit->capacity = 2 * bytes;
    edit->bytes = memory_realloc(edit->bytes, edit->capacity);
}

static void
edit_note_emptied(const struct set_edit *edit, uint32_t first, uint32_t slots)
{
    for (; edit->emptied != NULL && slots != 0; slots &= slots - 1)
        roaring_bitmap_add(edit->emptied, first + (uint32_t)__builtin_ctz(slots));
}

/* The slots of the iterator's block, as bits; moves the iterator to the next block. */
static uint32_t
slots_take_block(roaring_uint32_iterator_t *at)
{
    CHECK(at->has_value);
    uint32_t block = at->current_value / BLOCK_SLOTS;
    uint32_t slots = 0;
    for (; at->has_value && at->current_value / BLOCK_SLOTS == block;
         roaring_advance_uint32_iterator(at))
        slots |= UINT32_C(1) << at->current_value % BLOCK_SLOTS;
    return slots;
}

static void
set_column_change_all(struct set_column *column, const roaring_bitmap_t *slots,
                      struct set_edit *edit)
{
    roaring_uint32_iterator_t at;
    roaring_init_iterator(slots, &at);
    while (at.has_value) {
        uint32_t first = at.current_value & ~(uint32_t)(BLOCK_SLOTS - 1);
        struct set_block **place = set_column_place(column, first);
        struct set_block *block = *place;
        uint64_t bytes_before = block_memory(block);
        if (block == NULL)
            block = memory_zalloc(sizeof *block);
        uint32_t present = block->present;
        /* A set grows by its new values, by its length, and by one value that follows another value
         * than before. */
        size_t values = edit->values != NULL ? edit->values->count : 0;
        edit_reserve(edit, block, BLOCK_SLOTS * (values + 2));
        block = block_change(block, slots_take_block(&at), edit);
        CHECK(edit->change == SET_ADD || (block->present & ~present) == 0);
        CHECK(edit->change != SET_ADD || (present & ~block->present) == 0);
        edit_note_emptied(edit, first, present & ~block->present);
        set_column_put(column, place, block, bytes_before);
    }
    free(edit->bytes);
}

void
set_column_add_all(struct set_column *column, const roaring_bitmap_t *slots,
                   const struct value_list *values)
{
    CHECK(values->count > 0);
    set_column_change_all(column, slots, &(struct set_edit){.change = SET_ADD, .values = values});
}

void
set_column_remove_all(struct set_column *column, const roaring_bitmap_t *slots,
                      const struct value_list *values, roaring_bitmap_t *emptied)
{
    CHECK(values->count > 0);
    struct set_edit edit = {.change = SET_REMOVE, .values = values, .emptied = emptied};
    set_column_change_all(column, slots, &edit);
}

void
set_column_clear_all(struct set_column *column, const roaring_bitmap_t *slots)
{
    set_column_change_all(column, slots, &(struct set_edit){.change = SET_CLEAR});
}

/* --- a set of its own for each of many slots ------------------------------------------------- */

static uint8_t *
set_encode(const struct set_change *change, uint8_t *to)
{
    const int64_t *values = change->values;
    struct set_writer writer;
    uint64_t bytes = varint_bytes(set_number(NULL, values[0]));
    CHECK(change->count > 0);
    for (uint32_t i = 1; i < change->count; i++)
        bytes += varint_bytes(set_number(&values[i - 1], values[i]));
    varint_write(&to, bytes);
    writer = (struct set_writer){.at = to};
    for (uint32_t i = 0; i < change->count; i++)
        set_writer_put(&writer, values[i]);
    CHECK(writer.at == to + bytes);
    return writer.at;
}

/* Encodes the sets of a block after the changes into `to`, which has room for them. */
static uint8_t *
block_merge(const struct set_block *block, const struct set_change *changes, uint32_t count,
            uint8_t *to)
{
    const uint8_t *at = block->data;
    uint32_t next = 0;
    for (uint32_t slot = 0; slot < BLOCK_SLOTS; slot++) {
        const uint8_t *whole = at;
        if ((block->present >> slot & 1) != 0) {
            uint64_t bytes = varint_read(&at);
            at += bytes;
        }
        if (next < count && changes[next].slot % BLOCK_SLOTS == slot) {
            to = set_encode(&changes[next++], to);
        } else {
            memcpy(to, whole, (size_t)(at - whole));
            to += at - whole;
        }
    }
    CHECK(next == count);
    CHECK(at == block->data + block->bytes);
    return to;
}

static void
set_column_write_block(struct set_column *column, const struct set_change *changes, uint32_t count,
                       struct set_edit *edit)
{
    struct set_block **place = set_column_place(column, changes[0].slot);
    struct set_block *block = *place;
    uint64_t bytes_before = block_memory(block);
    size_t values = 0;
    if (block == NULL)
        block = memory_zalloc(sizeof *block);
    for (uint32_t i = 0; i < count; i++)
        values += changes[i].count + 1;
    edit_reserve(edit, block, values);
    size_t bytes = (size_t)(block_merge(block, changes, count, edit->bytes) - edit->bytes);
    block = block_open(block, 0, block->bytes, bytes);
    memcpy(block->data, edit->bytes, bytes);
    for (uint32_t i = 0; i < count; i++)
        block->present |= UINT32_C(1) << changes[i].slot % BLOCK_SLOTS;
    block_check(block);
    set_column_put(column, place, block, bytes_before);
}

void
set_column_write_many(struct set_column *column, const struct set_change *changes, uint32_t count)
{
    struct set_edit edit = {0};
    for (uint32_t first = 0, next; first < count; first = next) {
        next = first + 1;
        while (next < count &&
               changes[next].slot / BLOCK_SLOTS == changes[first].slot / BLOCK_SLOTS)
            next++;
        CHECK(next == count || changes[next].slot > changes[first].slot);
        set_column_write_block(column, &changes[first], next - first, &edit);
    }
    free(edit.bytes);
}

uint64_t
set_column_bytes(const struct set_column *column)
{
    uint64_t bytes = column->pages.count * sizeof *column->pages.items + column->block_bytes;
    for (uint32_t i = 0; i < column->pages.count; i++)
        bytes += column->pages.items[i] != NULL ? sizeof(struct set_page) : 0;
    return bytes;
}

/* --- as bytes -------------------------------------------------------------------------------- */

/* The number of blocks; then each: its number, the bits of its slots, its bytes, its sets. */
static void
page_save(const struct set_page *page, struct image_writer *writer)
{
    uint32_t count = 0;
    for (int i = 0; i < PAGE_BLOCKS; i++)
        count += page->blocks[i] != NULL;
    image_put_u32(writer, count);
    for (uint32_t i = 0; i < PAGE_BLOCKS; i++) {
        const struct set_block *block = page->blocks[i];
        if (block == NULL)
            continue;
        CHECK(block->present != 0);
        block_check(block);
        image_put_u32(writer, i);
        image_put_u32(writer, block->present);
        image_put_u32(writer, block->bytes);
        image_put(writer, block->data, block->bytes);
    }
}

/* The number of pages; then each: its number, and its blocks. */
void
set_column_save(const struct set_column *column, struct image_writer *writer)
{
    image_put_u32(writer, pages_count(&column->pages));
    for (uint32_t i = 0; i < column->pages.count; i++) {
        if (column->pages.items[i] == NULL)
            continue;
        image_put_u32(writer, i);
        page_save(column->pages.items[i], writer);
    }
}

/* As varint_read(), for bytes that are not trusted; false: they are no varint. */
static bool
varint_take(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    *number = 0;
    for (uint32_t shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The bits of those of the next 8 bytes that are not the last of a varint. */
static uint64_t
varints_open(const uint8_t *at, const uint8_t *end)
{
    uint64_t word = 0;
    size_t bytes = (size_t)(end - at);
    if (bytes >= sizeof word)
        memcpy(&word, at, sizeof word);
    else
        memcpy(&word, at, bytes);
    return word & UINT64_C(0x8080808080808080);
}

/* Are these whole varints of at most 4 bytes each? */
static bool
varints_are_short(const uint8_t *at, const uint8_t *end)
{
    enum { STEP = 5 }; /* runs of 4 that begin in the first 5 bytes are within the 8 */
    CHECK(at <= end);
    if (at == end || end[-1] >= 0x80)
        return false;
    for (; at < end; at += end - at < STEP ? end - at : STEP) {
        uint64_t open = varints_open(at, end);
        if ((open & open >> 8 & open >> 16 & open >> 24) != 0)
            return false;
    }
    return true;
}

/* Does the set hold values, at least one, each greater than the one before it? */
static bool
set_is_sound(const uint8_t *at, const uint8_t *end)
{
    uint64_t number;
    CHECK(at <= end);
    if (varints_are_short(at, end))
        return true; /* the greatest is below 2^28 times the bytes of a block */
    if (!varint_take(&at, end, &number))
        return false;
    int64_t value = (int64_t)(number >> 1 ^ (0 - (number & 1)));
    while (at < end) {
        if (!varint_take(&at, end, &number) || number >= (uint64_t)INT64_MAX - (uint64_t)value)
            return false;
        value = (int64_t)((uint64_t)value + number + 1);
    }
    return true;
}

static bool
sets_are_sound(uint32_t present, const uint8_t *at, const uint8_t *end)
{
    CHECK(at <= end);
    for (int sets = __builtin_popcount(present); sets > 0; sets--) {
        uint64_t bytes;
        if (!varint_take(&at, end, &bytes) || bytes > (uint64_t)(end - at) ||
            !set_is_sound(at, at + bytes))
            return false;
        at += bytes;
    }
    return at == end;
}

/* NULL after a failure; then the reader has the error. */
static struct set_block *
block_load(struct image_reader *reader)
{
    uint32_t present = image_get_u32(reader);
    uint32_t bytes = image_get_u32(reader);
    const uint8_t *data = image_get_bytes(reader, bytes);
    if (reader->rc == 0 && (present == 0 || !sets_are_sound(present, data, data + bytes)))
        image_refuse(reader, "a damaged set");
    if (reader->rc != 0)
        return NULL;
    CHECK(bytes > 0);
    struct set_block *block = block_resize(NULL, bytes);
    block->present = present;
    block->bytes = bytes;
    memcpy(block->data, data, bytes);
    block_check(block);
    return block;
}

static void
page_load(struct set_column *column, struct set_page *page, struct image_reader *reader)
{
    uint32_t count = image_get_u32(reader);
    for (uint32_t i = 0; i < count && reader->rc == 0; i++) {
        uint32_t number = image_get_u32(reader);
        if (number >= PAGE_BLOCKS || page->blocks[number] != NULL) {
            image_refuse(reader, "a damaged page");
            return;
        }
        page->blocks[number] = block_load(reader);
        CHECK((page->blocks[number] == NULL) == (reader->rc != 0));
        column->block_bytes += block_memory(page->blocks[number]);
    }
}

void
set_column_load(struct set_column *column, struct image_reader *reader)
{
    CHECK(column->pages.count == 0 && column->block_bytes == 0);
    uint32_t count = image_get_u32(reader);
    for (uint32_t i = 0; i < count && reader->rc == 0; i++) {
        uint32_t number = image_get_u32(reader);
        void **place = number < PAGES_MAX ? pages_place(&column->pages, number << PAGE_BITS) : NULL;
        if (place == NULL || *place != NULL) {
            image_refuse(reader, "a damaged page");
            return;
        }
        *place = memory_zalloc(sizeof(struct set_page));
        page_load(column, *place, reader);
    }
}
