/* Encoding: validate the event, write the header, then the datum.
 *
 * Decoding: find the schema of the writer by its fingerprint, read the bytes by it without avro-c,
 * validate the event. An unknown fingerprint comes from a newer producer and is not an error of the
 * message (ERR_RETRY); every other failure is (ERR_DATA).
 */
#include "common/event/event_codec.h"

#include <avro.h>
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
#include "common/files/crc32c.h"

enum { HEADER_MARKER_0 = 0xc3, HEADER_MARKER_1 = 0x01, ENCODE_ROOM_BYTES = 256 };

/* One released schema, ready for reading. */
struct codec_schema {
    avro_schema_t schema;
    struct event_walker *walker;
    struct layout layout;
};

struct event_codec {
    struct codec_schema schemas[EVENT_SCHEMAS]; /* as in event_schemas; the last one is written */
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
    layout_newest_check(&new_codec->schemas[EVENT_SCHEMAS - 1].layout);
    *codec = new_codec;
    return 0;
}

void
event_codec_destroy(struct event_codec *codec)
{
    if (codec == NULL)
        return;
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

int
event_encode_body(struct event_codec *codec, const struct event *event, struct buffer *out,
                  uint32_t *body_crc, struct error *err)
{
    const struct layout *layout = &codec->schemas[EVENT_SCHEMAS - 1].layout;
    struct event_body_place body = {0};
    size_t before = out->bytes;
    int rc = event_validate(event, err);
    if (rc != 0)
        return error_wrap(err, rc, "event cannot be written");
    header_write(buffer_reserve(out, EVENT_HEADER_BYTES + ENCODE_ROOM_BYTES),
                 event_schemas[EVENT_SCHEMAS - 1].fingerprint);
    out->bytes += EVENT_HEADER_BYTES;
    rc = event_encode_datum(layout, event, out, &body, err);
    if (rc != 0) {
        out->bytes = before;
        return error_wrap(err, rc, "event cannot be written");
    }
    CHECK(body.begin >= before + EVENT_HEADER_BYTES && body.end > body.begin);
    CHECK(body.end < out->bytes && out->bytes <= out->capacity_bytes);
    if (body_crc != NULL)
        *body_crc = crc32c(0, out->data + body.begin, body.end - body.begin);
    return 0;
}

int
event_encode(struct event_codec *codec, const struct event *event, struct buffer *out,
             struct error *err)
{
    return event_encode_body(codec, event, out, NULL, err);
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
