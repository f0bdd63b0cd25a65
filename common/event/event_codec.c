/* Encoding: validate the event, fill the generic value of avro-c, write it after the header. When
 * the memory is too small, the writer of avro-c returns ENOSPC, and the buffer grows.
 *
 * Decoding: find the schema of the writer by its fingerprint, read the bytes by it without avro-c,
 * validate the event. An unknown fingerprint comes from a newer producer and is not an error of the
 * message (ERR_RETRY); every other failure is (ERR_DATA).
 */
#include "common/event/event_codec.h"

#include <avro.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/event/event_decode.h"
#include "common/event/event_encode.h"
#include "common/event/event_layout.h"
#include "common/event/event_schema.h"
#include "common/event/event_validate.h"
#include "common/event/event_walker.h"
#include "common/event/schema_fingerprint.h"

enum { HEADER_MARKER_0 = 0xc3, HEADER_MARKER_1 = 0x01, ENCODE_ROOM_BYTES = 256 };

/* One released schema, ready for reading. */
struct codec_schema {
    avro_schema_t schema;
    struct event_walker *walker;
    struct layout layout;
};

struct event_codec {
    struct codec_schema schemas[EVENT_SCHEMAS]; /* as in event_schemas; the last one is written */
    avro_value_iface_t *iface;                  /* of the last one */
    avro_value_t encoded;                       /* reused for every message */
    avro_writer_t writer;
};

/* avro-c reports a failed allocation as any other error; memory.h ends the process instead. */
static void *
codec_allocate(void *context, void *old, size_t old_bytes, size_t bytes)
{
    (void)context;
    (void)old_bytes;
    if (bytes > 0)
        return memory_realloc(old, bytes);
    free(old);
    return NULL;
}

static void
codec_set_allocator(void)
{
    avro_set_allocator(codec_allocate, NULL);
}

static int
codec_schema_init(struct codec_schema *schema, const struct event_schema *released,
                  struct error *err)
{
    uint64_t fingerprint;
    int rc = schema_fingerprint(text_of(released->json), &fingerprint, err);
    if (rc != 0)
        return rc;
    CHECK(fingerprint == released->fingerprint);
    if (avro_schema_from_json_length(released->json, text_of(released->json).bytes,
                                     &schema->schema) != 0) /* its JSON parser is out of memory */
        return error_set(err, ERR_FATAL, "%s", avro_strerror());
    rc = layout_resolve(schema->schema, &schema->layout, err);
    if (rc == 0)
        rc = event_walker_create(schema->schema, &schema->walker, err);
    CHECK(rc != 0 || schema->walker != NULL);
    return rc;
}

static void
codec_schema_free(struct codec_schema *schema)
{
    if (schema->walker != NULL)
        event_walker_destroy(schema->walker);
    if (schema->schema != NULL)
        avro_schema_decref(schema->schema);
}

int
event_codec_create(struct event_codec **codec, struct error *err)
{
    static pthread_once_t allocator_once = PTHREAD_ONCE_INIT;
    CHECK(pthread_once(&allocator_once, codec_set_allocator) == 0);
    struct event_codec *new_codec = memory_zalloc(sizeof *new_codec);
    for (int i = 0; i < EVENT_SCHEMAS; i++) {
        int rc = codec_schema_init(&new_codec->schemas[i], &event_schemas[i], err);
        if (rc != 0) {
            event_codec_destroy(new_codec);
            return error_wrap(err, rc, "event schema %d", event_schemas[i].version);
        }
    }
    const struct codec_schema *newest = &new_codec->schemas[EVENT_SCHEMAS - 1];
    new_codec->iface = avro_generic_class_from_schema(newest->schema);
    CHECK(new_codec->iface != NULL);
    CHECK(avro_generic_value_new(new_codec->iface, &new_codec->encoded) == 0);
    new_codec->writer = avro_writer_memory(NULL, 0);
    CHECK(new_codec->writer != NULL);
    *codec = new_codec;
    return 0;
}

void
event_codec_destroy(struct event_codec *codec)
{
    if (codec == NULL)
        return;
    if (codec->encoded.iface != NULL)
        avro_value_decref(&codec->encoded);
    if (codec->iface != NULL)
        avro_value_iface_decref(codec->iface);
    if (codec->writer != NULL)
        avro_writer_free(codec->writer);
    for (int i = 0; i < EVENT_SCHEMAS; i++)
        codec_schema_free(&codec->schemas[i]);
    free(codec);
}

static void
header_write(uint8_t *at, uint64_t fingerprint)
{
    at[0] = HEADER_MARKER_0;
    at[1] = HEADER_MARKER_1;
    for (int i = 0; i < 8; i++)
        at[2 + i] = (uint8_t)(fingerprint >> 8 * i);
}

static uint64_t
header_fingerprint(const uint8_t *at)
{
    uint64_t fingerprint = 0;
    for (int i = 0; i < 8; i++)
        fingerprint |= (uint64_t)at[2 + i] << 8 * i;
    return fingerprint;
}

static void
codec_write(struct event_codec *codec, struct buffer *out)
{
    size_t room = ENCODE_ROOM_BYTES;
    int rc;
    do {
        uint8_t *at = buffer_reserve(out, EVENT_HEADER_BYTES + room);
        CHECK(out->capacity_bytes >= out->bytes + EVENT_HEADER_BYTES);
        size_t free_bytes = out->capacity_bytes - out->bytes - EVENT_HEADER_BYTES;
        header_write(at, event_schemas[EVENT_SCHEMAS - 1].fingerprint);
        avro_writer_memory_set_dest(codec->writer, (char *)at + EVENT_HEADER_BYTES,
                                    (int64_t)free_bytes);
        rc = avro_value_write(codec->writer, &codec->encoded);
        room = 2 * free_bytes;
    } while (rc == ENOSPC);
    CHECK(rc == 0);
    out->bytes += EVENT_HEADER_BYTES + (size_t)avro_writer_tell(codec->writer);
    CHECK(out->bytes <= out->capacity_bytes);
}

int
event_encode(struct event_codec *codec, const struct event *event, struct buffer *out,
             struct error *err)
{
    const struct layout *layout = &codec->schemas[EVENT_SCHEMAS - 1].layout;
    size_t before = out->bytes;
    int rc = event_validate(event, err);
    if (rc == 0)
        rc = event_encode_value(layout, event, &codec->encoded, err);
    if (rc == 0)
        codec_write(codec, out);
    CHECK(avro_value_reset(&codec->encoded) == 0); /* the texts of the event may go now */
    CHECK(rc == 0 ? out->bytes > before + EVENT_HEADER_BYTES : out->bytes == before);
    return rc != 0 ? error_wrap(err, rc, "event cannot be written") : 0;
}

/* NULL when no released schema has this fingerprint. */
static const struct codec_schema *
codec_find_schema(const struct event_codec *codec, uint64_t fingerprint)
{
    for (int i = 0; i < EVENT_SCHEMAS; i++)
        if (event_schemas[i].fingerprint == fingerprint) {
            CHECK(codec->schemas[i].walker != NULL);
            return &codec->schemas[i];
        }
    return NULL;
}

int
event_decode(struct event_codec *codec, const void *bytes, size_t size, struct arena *arena,
             struct event *event, struct error *err)
{
    const uint8_t *at = bytes;
    CHECK(bytes != NULL || size == 0);
    if (size < EVENT_HEADER_BYTES || at[0] != HEADER_MARKER_0 || at[1] != HEADER_MARKER_1)
        return error_set(err, ERR_DATA, "not an event: no Avro single-object header");
    if (size > EVENT_BYTES_MAX)
        return error_set(err, ERR_DATA, "not an event: %zu bytes", size);
    const struct codec_schema *schema = codec_find_schema(codec, header_fingerprint(at));
    if (schema == NULL)
        return error_set(err, ERR_RETRY,
                         "event of an unknown schema %016llx: upgrade this program first",
                         (unsigned long long)header_fingerprint(at));
    const struct text datum = {(const char *)at + EVENT_HEADER_BYTES, size - EVENT_HEADER_BYTES};
    int rc = event_decode_datum(&schema->layout, schema->walker, datum, arena, event, err);
    if (rc != 0)
        return error_wrap(err, rc, "not an event");
    rc = event_validate(event, err);
    return rc != 0 ? error_wrap(err, rc, "invalid event") : 0;
}
