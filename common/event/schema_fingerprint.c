/* The canonical form keeps the parts of a schema that determine the bytes: full names, types,
 * fields and symbols, in a fixed order and without spaces. It is printed from the schema tree of
 * avro-c, which has no docs, defaults and logical types. A named type that was defined before is
 * printed as its full name.
 *
 * Names are ASCII, because avro-c refuses other names, so nothing needs an escape.
 */
#include "common/event/schema_fingerprint.h"

#include <avro.h>

#include "common/base/check.h"

#define FINGERPRINT_EMPTY UINT64_C(0xc15d213aa4d7a795)

uint64_t
schema_fingerprint_bytes(const void *bytes, size_t size)
{
    CHECK(bytes != NULL || size == 0);
    const uint8_t *at = bytes;
    uint64_t crc = FINGERPRINT_EMPTY;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (FINGERPRINT_EMPTY & -(crc & 1));
    }
    return crc;
}

static int canonical_append(avro_schema_t schema, struct buffer *out, struct error *err);

static void
canonical_append_name(avro_schema_t schema, struct buffer *out)
{
    const char *space = avro_schema_namespace(schema);
    CHECK(avro_schema_name(schema) != NULL);
    if (space != NULL && space[0] != '\0')
        buffer_append_format(out, "\"%s.%s\"", space, avro_schema_name(schema));
    else
        buffer_append_format(out, "\"%s\"", avro_schema_name(schema));
}

static int
canonical_append_record(avro_schema_t schema, struct buffer *out, struct error *err)
{
    buffer_append_text(out, "{\"name\":");
    canonical_append_name(schema, out);
    buffer_append_text(out, ",\"type\":\"record\",\"fields\":[");
    int fields = (int)avro_schema_record_size(schema);
    for (int i = 0; i < fields; i++) {
        const char *name = avro_schema_record_field_name(schema, i);
        CHECK(name != NULL);
        buffer_append_format(out, "%s{\"name\":\"%s\",\"type\":", i > 0 ? "," : "", name);
        int rc = canonical_append(avro_schema_record_field_get_by_index(schema, i), out, err);
        if (rc != 0)
            return rc;
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, "]}");
    return 0;
}

static void
canonical_append_enum(avro_schema_t schema, struct buffer *out)
{
    buffer_append_text(out, "{\"name\":");
    canonical_append_name(schema, out);
    buffer_append_text(out, ",\"type\":\"enum\",\"symbols\":[");
    for (int i = 0; i < avro_schema_enum_number_of_symbols(schema); i++)
        buffer_append_format(out, "%s\"%s\"", i > 0 ? "," : "", avro_schema_enum_get(schema, i));
    buffer_append_text(out, "]}");
}

static int
canonical_append_array(avro_schema_t schema, struct buffer *out, struct error *err)
{
    buffer_append_text(out, "{\"type\":\"array\",\"items\":");
    int rc = canonical_append(avro_schema_array_items(schema), out, err);
    buffer_append_text(out, "}");
    return rc;
}

static int
canonical_append_union(avro_schema_t schema, struct buffer *out, struct error *err)
{
    buffer_append_text(out, "[");
    int branches = (int)avro_schema_union_size(schema);
    for (int i = 0; i < branches; i++) {
        buffer_append_text(out, i > 0 ? "," : "");
        int rc = canonical_append(avro_schema_union_branch(schema, i), out, err);
        if (rc != 0)
            return rc;
    }
    buffer_append_text(out, "]");
    return 0;
}

static int
canonical_append(avro_schema_t schema, struct buffer *out, struct error *err)
{
    CHECK(schema != NULL);
    switch (avro_typeof(schema)) {
    case AVRO_NULL:
    case AVRO_BOOLEAN:
    case AVRO_INT32:
    case AVRO_INT64:
    case AVRO_DOUBLE:
    case AVRO_STRING:
        buffer_append_format(out, "\"%s\"", avro_schema_type_name(schema));
        return 0;
    case AVRO_ENUM:
        canonical_append_enum(schema, out);
        return 0;
    case AVRO_LINK:
        canonical_append_name(avro_schema_link_target(schema), out);
        return 0;
    case AVRO_ARRAY:
        return canonical_append_array(schema, out, err);
    case AVRO_UNION:
        return canonical_append_union(schema, out, err);
    case AVRO_RECORD:
        return canonical_append_record(schema, out, err);
    default:
        return error_set(err, ERR_DATA, "schema has a type that events do not use: %s",
                         avro_schema_type_name(schema));
    }
}

int
schema_canonical_form(struct text json, struct buffer *out, struct error *err)
{
    avro_schema_t schema;
    CHECK(json.data != NULL || json.bytes == 0);
    if (avro_schema_from_json_length(json.data, json.bytes, &schema) != 0)
        return error_set(err, ERR_DATA, "not an Avro schema: %s", avro_strerror());
    int rc = canonical_append(schema, out, err);
    avro_schema_decref(schema);
    CHECK(rc != 0 || out->bytes > 0);
    return rc;
}

int
schema_fingerprint(struct text json, uint64_t *fingerprint, struct error *err)
{
    struct buffer canonical;
    buffer_init(&canonical);
    int rc = schema_canonical_form(json, &canonical, err);
    if (rc == 0)
        *fingerprint = schema_fingerprint_bytes(canonical.data, canonical.bytes);
    buffer_free(&canonical);
    return rc;
}
