#include "consumer/engine/store/image.h"

#include <string.h>

#include "common/base/check.h"
#include "consumer/engine/store/bitmap.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "an image holds numbers as they are in the memory of a little-endian machine"
#endif

enum { READ_STEP_BYTES = 1 << 20 };

/* The portable format. */
enum {
    COOKIE_RUNS = 12347, /* the low 16 bits; the high ones are the number of containers less one */
    COOKIE_PLAIN = 12346,
    CONTAINERS_MAX = 1 << 16,
    OFFSETS_MIN = 4, /* a bitmap with runs has offsets from this number of containers on */
    CONTAINER_SLOTS = 1 << 16,
    ARRAY_MAX = 4096,
    BITSET_BYTES = 8192,
};

/* --- writing --------------------------------------------------------------------------------- */

void
image_begin(struct image_writer *writer, const struct image_sink *sink)
{
    CHECK(sink->write != NULL);
    writer->sink = sink;
    writer->bytes = 0;
}

void
image_finish(struct image_writer *writer)
{
    CHECK(writer->bytes <= sizeof writer->data);
    writer->sink->write(writer->sink->context, writer->data, writer->bytes);
    writer->bytes = 0;
}

void
image_put(struct image_writer *writer, const void *data, size_t bytes)
{
    if (bytes > sizeof writer->data - writer->bytes)
        image_finish(writer);
    if (bytes > sizeof writer->data) {
        writer->sink->write(writer->sink->context, data, bytes);
        return;
    }
    if (bytes > 0)
        memcpy(writer->data + writer->bytes, data, bytes);
    writer->bytes += bytes;
}

void
image_put_u32(struct image_writer *writer, uint32_t number)
{
    image_put(writer, &number, sizeof number);
}

void
image_put_u64(struct image_writer *writer, uint64_t number)
{
    image_put(writer, &number, sizeof number);
}

static bool
bitmap_has_runs(const roaring_bitmap_t *bitmap)
{
    struct bitmap_page page;
    uint32_t at = 0, pages = bitmap_pages(bitmap);
    for (; at < pages; at++) {
        bitmap_page_form(bitmap, at, &page);
        if (page.form == BITMAP_RUNS)
            break;
    }
    return at < pages;
}

/* One bit for each page: it holds runs. */
static void
image_put_run_flags(struct image_writer *writer, const roaring_bitmap_t *bitmap)
{
    struct bitmap_page page;
    uint32_t pages = bitmap_pages(bitmap);
    for (uint32_t at = 0; at < pages;) {
        uint8_t flags = 0;
        for (uint32_t end = at + 8; at < end && at < pages; at++) {
            bitmap_page_form(bitmap, at, &page);
            flags |= (uint8_t)((page.form == BITMAP_RUNS) << at % 8);
        }
        image_put(writer, &flags, sizeof flags);
    }
}

/* What comes before the containers. */
static void
image_put_bitmap_head(struct image_writer *writer, const roaring_bitmap_t *bitmap, bool has_runs)
{
    struct bitmap_page page;
    uint32_t pages = bitmap_pages(bitmap);
    uint32_t bytes = has_runs ? 4 + (pages + 7) / 8 : 8; /* before the next container */
    image_put_u32(writer, has_runs ? COOKIE_RUNS | (pages - 1) << 16 : COOKIE_PLAIN);
    if (has_runs)
        image_put_run_flags(writer, bitmap);
    else
        image_put_u32(writer, pages);
    for (uint32_t at = 0; at < pages; at++) {
        bitmap_page_form(bitmap, at, &page);
        image_put_u32(writer, bitmap_page_at(bitmap, at) | (page.count - 1) << 16);
    }
    if (has_runs && pages < OFFSETS_MIN)
        return;
    bytes += pages * 2 * (uint32_t)sizeof bytes;
    for (uint32_t at = 0; at < pages; at++) {
        bitmap_page_form(bitmap, at, &page);
        image_put_u32(writer, bytes);
        bytes += (uint32_t)(page.bytes + (page.form == BITMAP_RUNS ? sizeof(uint16_t) : 0));
    }
}

void
image_put_bitmap(struct image_writer *writer, const roaring_bitmap_t *bitmap)
{
    struct bitmap_page page;
    image_put_u64(writer, roaring_bitmap_portable_size_in_bytes(bitmap));
    image_put_bitmap_head(writer, bitmap, bitmap_has_runs(bitmap));
    for (uint32_t at = 0; at < bitmap_pages(bitmap); at++) {
        bitmap_page_form(bitmap, at, &page);
        uint16_t runs = (uint16_t)(page.bytes / (2 * sizeof runs));
        if (page.form == BITMAP_RUNS)
            image_put(writer, &runs, sizeof runs);
        image_put(writer, page.data, page.bytes);
    }
}

/* --- reading --------------------------------------------------------------------------------- */

void
image_refuse(struct image_reader *reader, const char *reason)
{
    CHECK(reason[0] != '\0');
    if (reader->rc == 0)
        reader->rc = error_set(reader->err, ERR_DATA, "%s", reason);
    reader->left = 0;
}

/* Makes the next bytes of the source available; false: there are none. */
static bool
image_next(struct image_reader *reader)
{
    struct text data = {NULL, 0};
    CHECK(reader->left == 0);
    if (reader->rc == 0)
        reader->rc = reader->source->next(reader->source->context, &data, reader->err);
    if (reader->rc != 0)
        return false;
    CHECK(data.bytes > 0);
    reader->at = data.data;
    reader->left = data.bytes;
    return true;
}

void
image_get_parts(struct image_reader *reader, void *data, size_t bytes)
{
    char *to = data;
    while (bytes > 0 && (reader->left > 0 || image_next(reader))) {
        size_t part = bytes < reader->left ? bytes : reader->left;
        memcpy(to, reader->at, part);
        reader->at += part;
        reader->left -= part;
        to += part;
        bytes -= part;
    }
    CHECK(bytes == 0 || reader->rc != 0);
    if (reader->rc != 0)
        memset(to, 0, bytes);
}

const uint8_t *
image_get_bytes(struct image_reader *reader, uint64_t bytes)
{
    if (bytes > 0 && bytes <= reader->left) {
        reader->at += bytes;
        reader->left -= bytes;
        return (const uint8_t *)reader->at - bytes;
    }
    buffer_clear(&reader->buffer);
    buffer_reserve(&reader->buffer, 1);
    while (bytes > 0 && reader->rc == 0) {
        size_t step = bytes < READ_STEP_BYTES ? (size_t)bytes : READ_STEP_BYTES;
        image_get(reader, buffer_reserve(&reader->buffer, step), step);
        reader->buffer.bytes += step;
        bytes -= step;
    }
    CHECK(reader->rc != 0 || bytes == 0);
    return reader->buffer.data;
}

void
image_end(struct image_reader *reader)
{
    if (reader->left > 0)
        image_refuse(reader, "it continues after its end");
    CHECK(reader->left == 0);
}

/* The bytes of a bitmap that are not validated yet. */
struct bitmap_walk {
    const uint8_t *at;
    const uint8_t *end;
};

/* NULL: fewer bytes are left. */
static const uint8_t *
walk_take(struct bitmap_walk *walk, size_t bytes)
{
    CHECK(walk->at <= walk->end);
    if ((size_t)(walk->end - walk->at) < bytes)
        return NULL;
    walk->at += bytes;
    return walk->at - bytes;
}

static uint32_t
walk_u16(const uint8_t *data, size_t at)
{
    uint16_t number;
    memcpy(&number, data + 2 * at, sizeof number);
    return number;
}

static bool
walk_array(struct bitmap_walk *walk, uint32_t count)
{
    CHECK(count > 0 && count <= ARRAY_MAX);
    const uint8_t *slots = walk_take(walk, 2 * (size_t)count);
    bool is_ascending = slots != NULL;
    for (uint32_t i = 1; slots != NULL && i < count; i++)
        is_ascending &= walk_u16(slots, i - 1) < walk_u16(slots, i);
    return is_ascending;
}

static bool
walk_bitset(struct bitmap_walk *walk, uint32_t count)
{
    CHECK(count > ARRAY_MAX && count <= CONTAINER_SLOTS);
    const uint8_t *bits = walk_take(walk, BITSET_BYTES);
    struct page_bits page;
    if (bits == NULL)
        return false;
    memcpy(page.words, bits, sizeof page.words);
    return page_bits_count(&page) == count;
}

/* The number of runs, then for each run its first slot and the number of slots after that one. */
static bool
walk_runs(struct bitmap_walk *walk, uint32_t count)
{
    CHECK(count > 0 && count <= CONTAINER_SLOTS);
    const uint8_t *head = walk_take(walk, 2);
    uint32_t runs = head != NULL ? walk_u16(head, 0) : 0;
    const uint8_t *pairs = walk_take(walk, 4 * (size_t)runs);
    uint32_t next = 0, found = 0; /* `next`: the least slot with which the next run may begin */
    for (uint32_t i = 0; pairs != NULL && i < runs; i++) {
        uint32_t first = walk_u16(pairs, 2 * (size_t)i);
        uint32_t more = walk_u16(pairs, 2 * (size_t)i + 1);
        if (first < next || first + more > UINT16_MAX)
            return false;
        next = first + more + 1;
        found += more + 1;
    }
    return pairs != NULL && runs > 0 && found == count;
}

/* The number of containers, and one bit for each: it holds runs (NULL: none of them does). */
static bool
walk_head(struct bitmap_walk *walk, uint32_t *count, const uint8_t **runs)
{
    uint32_t cookie;
    const uint8_t *head = walk_take(walk, sizeof cookie);
    *runs = NULL;
    if (head == NULL)
        return false;
    memcpy(&cookie, head, sizeof cookie);
    if ((cookie & UINT16_MAX) == COOKIE_RUNS) {
        *count = (cookie >> 16) + 1;
        *runs = walk_take(walk, (*count + 7) / 8);
        return *runs != NULL;
    }
    head = walk_take(walk, sizeof *count);
    if (cookie != COOKIE_PLAIN || head == NULL)
        return false;
    memcpy(count, head, sizeof *count);
    return *count <= CONTAINERS_MAX;
}

/* CRoaring trusts lengths and orders, so both are validated here. */
static bool
bitmap_bytes_are_sound(const uint8_t *data, size_t bytes)
{
    CHECK(data != NULL);
    struct bitmap_walk walk = {data, data + bytes};
    const uint8_t *runs;
    uint32_t count;
    if (!walk_head(&walk, &count, &runs))
        return false;
    const uint8_t *keys = walk_take(&walk, 4 * (size_t)count);
    bool has_offsets = runs == NULL || count >= OFFSETS_MIN;
    bool sound = keys != NULL && walk_take(&walk, has_offsets ? 4 * (size_t)count : 0) != NULL;
    for (size_t i = 0; sound && i < count; i++) {
        uint32_t slots = walk_u16(keys, 2 * i + 1) + 1;
        if (i > 0 && walk_u16(keys, 2 * i - 2) >= walk_u16(keys, 2 * i))
            return false;
        if (runs != NULL && (runs[i / 8] >> i % 8 & 1) != 0)
            sound = walk_runs(&walk, slots);
        else
            sound = slots > ARRAY_MAX ? walk_bitset(&walk, slots) : walk_array(&walk, slots);
    }
    return sound && walk.at == walk.end;
}

roaring_bitmap_t *
image_get_bitmap(struct image_reader *reader)
{
    uint64_t bytes = image_get_u64(reader);
    const uint8_t *data = image_get_bytes(reader, bytes);
    CHECK(data != NULL);
    if (reader->rc == 0 && !bitmap_bytes_are_sound(data, bytes))
        image_refuse(reader, "a damaged bitmap");
    if (reader->rc != 0)
        return NULL;
    roaring_bitmap_t *bitmap = roaring_bitmap_portable_deserialize_safe((const char *)data, bytes);
    CHECK(bitmap != NULL); /* the bytes were valid */
    return bitmap;
}

void
image_replace_bitmap(struct image_reader *reader, roaring_bitmap_t **bitmap)
{
    CHECK(*bitmap != NULL);
    roaring_bitmap_t *read = image_get_bitmap(reader);
    CHECK((read == NULL) == (reader->rc != 0));
    if (read == NULL)
        return;
    roaring_bitmap_free(*bitmap);
    *bitmap = read;
}
