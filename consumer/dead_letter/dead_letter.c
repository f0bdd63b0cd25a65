#include "consumer/dead_letter/dead_letter.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/json/json_write.h"
#include "common/ops/ops_json.h"
#include "consumer/dead_letter/event_json.h"

static char
dead_letter_base64_digit(uint32_t bits)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return digits[bits & 63];
}

/* RFC 4648, section 4. */
static void
dead_letter_append_base64(struct buffer *out, const uint8_t *data, size_t bytes)
{
    size_t encoded_bytes = (bytes + 2) / 3 * 4;
    char *begin = (char *)buffer_reserve(out, encoded_bytes), *at = begin;
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t group = (uint32_t)data[i] << 16;
        group |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        group |= left > 2 ? data[i + 2] : 0;
        *at++ = dead_letter_base64_digit(group >> 18);
        *at++ = dead_letter_base64_digit(group >> 12);
        *at++ = left > 1 ? dead_letter_base64_digit(group >> 6) : '=';
        *at++ = left > 2 ? dead_letter_base64_digit(group) : '=';
    }
    CHECK(at == begin + encoded_bytes);
    out->bytes += encoded_bytes;
}

static void
dead_letter_write_value(struct json_writer *json, struct text value)
{
    CHECK(value.data != NULL || value.bytes == 0);
    size_t bytes =
        value.bytes < DEAD_LETTER_VALUE_BYTES_MAX ? value.bytes : DEAD_LETTER_VALUE_BYTES_MAX;
    struct buffer quoted;
    buffer_init(&quoted);
    buffer_append_text(&quoted, "\"");
    dead_letter_append_base64(&quoted, (const uint8_t *)value.data, bytes);
    buffer_append_text(&quoted, "\"");
    json_key(json, "value_bytes");
    json_integer(json, (int64_t)value.bytes);
    json_key(json, "value_base64");
    json_raw(json, (struct text){(const char *)quoted.data, quoted.bytes});
    buffer_free(&quoted);
}

static struct text
dead_letter_cut(struct text text)
{
    CHECK(text.data != NULL || text.bytes == 0);
    if (text.bytes > DEAD_LETTER_TEXT_BYTES_MAX)
        text.bytes = DEAD_LETTER_TEXT_BYTES_MAX;
    return text;
}

static void
dead_letter_write_event(struct json_writer *json, const struct event *event)
{
    json_key(json, "event");
    if (event == NULL) {
        json_null(json);
        return;
    }
    struct event cut = *event;
    cut.source = dead_letter_cut(event->source);
    json_object_begin(json);
    event_json_write(&cut, json);
    json_object_end(json);
}

static void
dead_letter_write_ops(struct json_writer *json, const struct dead_letter *letter)
{
    uint32_t count =
        letter->op_count < DEAD_LETTER_OPS_MAX ? letter->op_count : DEAD_LETTER_OPS_MAX;
    CHECK(count == 0 || (letter->ops != NULL && letter->reasons != NULL));
    json_key(json, "reasons");
    json_array_begin(json);
    for (uint32_t i = 0; i < count; i++)
        json_text(json, dead_letter_cut(letter->reasons[i]));
    json_array_end(json);
    struct buffer ops;
    buffer_init(&ops);
    ops_json_write(&(struct ops){letter->ops, count}, &ops);
    CHECK(ops.bytes >= 2 && ops.data[0] == '[' && ops.data[ops.bytes - 1] == ']');
    json_key(json, "ops");
    if (ops.bytes <= DEAD_LETTER_OPS_BYTES_MAX)
        json_raw(json, (struct text){(const char *)ops.data, ops.bytes});
    else
        json_null(json);
    buffer_free(&ops);
    json_key(json, "entity_ids");
    json_array_begin(json);
    for (uint32_t i = 0; i < count && letter->entity_ids != NULL; i++)
        json_integer(json, letter->entity_ids[i]);
    json_array_end(json);
}

static void
dead_letter_write(const struct dead_letter *letter, struct buffer *out)
{
    struct json_writer json;
    CHECK(letter->partition >= 0 && letter->offset >= 0);
    CHECK(letter->reason[0] != '\0');
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, "group");
    json_string(&json, letter->group);
    json_key(&json, "topic");
    json_string(&json, letter->topic);
    json_key(&json, "partition");
    json_integer(&json, letter->partition);
    json_key(&json, "offset");
    json_integer(&json, letter->offset);
    json_key(&json, "reason");
    json_string(&json, letter->reason);
    dead_letter_write_value(&json, letter->value);
    dead_letter_write_event(&json, letter->event);
    dead_letter_write_ops(&json, letter);
    json_object_end(&json);
    CHECK(out->data[out->bytes - 1] == '}');
}

void
dead_letter_list_add(struct dead_letter_list *list, const struct dead_letter *letter)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        list->spans = memory_realloc(list->spans, list->capacity * sizeof *list->spans);
    }
    CHECK(list->count < list->capacity);
    struct dead_letter_span *span = &list->spans[list->count++];
    span->begin = list->bytes.bytes;
    buffer_append_format(&list->bytes, "%s/%s/%d/%" PRId64, letter->group, letter->topic,
                         letter->partition, letter->offset);
    span->key_bytes = list->bytes.bytes - span->begin;
    dead_letter_write(letter, &list->bytes);
    span->value_bytes = list->bytes.bytes - span->begin - span->key_bytes;
    CHECK(span->key_bytes > 0 && span->value_bytes > 0);
}

void
dead_letter_list_clear(struct dead_letter_list *list)
{
    buffer_clear(&list->bytes);
    list->count = 0;
}

void
dead_letter_list_free(struct dead_letter_list *list)
{
    buffer_free(&list->bytes);
    free(list->spans);
    *list = (struct dead_letter_list){0};
}
