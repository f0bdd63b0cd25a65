#include "common/retry/retry.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/config/config_entry.h"
#include "common/json/json_write.h"
#include "common/ops/op.h"

struct maker {
    const struct config *config;
    bool reads_entity; /* a request for the whole entity is due */
    bool *entries;     /* whose parent `entity_id` is to be read */
    struct retry *retry;
};

/* Begins the next element of a row. retry_end() ends its array. */
static void
begin_element(struct retry *retry, enum retry_row row)
{
    struct buffer *out = &retry->rows[row];
    CHECK(row < RETRY_ROWS);
    buffer_append_text(out, out->bytes == 0 ? "[" : ",");
}

static void
add_element(struct retry *retry, enum retry_row row, const struct json_value *element)
{
    struct json_writer writer;
    begin_element(retry, row);
    json_writer_init(&writer, &retry->rows[row]);
    json_tree(&writer, element);
}

/* {"op":"refresh"}, with the names of one field, or of an entry and its key. */
static void
add_request(struct retry *retry, struct text field, const char *entry, int64_t key)
{
    struct json_writer writer;
    enum retry_row row = entry != NULL ? RETRY_REQUESTS : RETRY_ENTITY;
    CHECK(entry == NULL || field.bytes == 0);
    begin_element(retry, row);
    json_writer_init(&writer, &retry->rows[row]);
    json_object_begin(&writer);
    json_key(&writer, "op");
    json_string(&writer, op_kind_name(OP_REFRESH));
    if (field.bytes > 0) {
        json_key(&writer, "fields");
        json_array_begin(&writer);
        json_text(&writer, field);
        json_array_end(&writer);
    }
    if (entry != NULL) {
        json_key(&writer, "entry");
        json_string(&writer, entry);
        json_key(&writer, "key");
        json_integer(&writer, key);
    }
    json_object_end(&writer);
}

static void
retry_end(struct retry *retry)
{
    for (int i = 0; i < RETRY_ROWS; i++)
        if (retry->rows[i].bytes > 0)
            buffer_append_text(&retry->rows[i], "]");
    CHECK(retry->by_hand == (retry->reason.bytes > 0));
}

/* The first reason is kept. */
static void
refuse(struct retry *retry, const char *before, struct text name, const char *after)
{
    CHECK(retry->by_hand == (retry->reason.bytes > 0));
    if (!retry->by_hand)
        buffer_append_format(&retry->reason, "%s%.*s%s", before, TEXT_ARGS(name), after);
    retry->by_hand = true;
}

static struct text
string_member(const struct json_value *object, const char *name)
{
    const struct json_value *member = json_member(object, name);
    return member != NULL && member->kind == JSON_STRING ? member->string : (struct text){0};
}

static bool
is_fan_out_kind(const struct config *config, uint32_t entry)
{
    enum config_trigger_kind kind = config->triggers[entry].kind;
    CHECK(entry < config->trigger_count);
    return kind == TRIGGER_FAN_OUT || kind == TRIGGER_FAN_OUT_PER_ROW;
}

/* Marks the entries that write this field as fan-outs. Returns whether there are any. */
static bool
take_nested(struct maker *maker, const struct json_value *op)
{
    struct text field = string_member(op, "field");
    bool found = false;
    for (uint32_t i = 0; field.bytes > 0 && i < maker->config->trigger_count; i++) {
        if (!is_fan_out_kind(maker->config, i) || !config_entry_owns(maker->config, i, field))
            continue;
        maker->entries[i] = true;
        found = true;
    }
    return found;
}

static void
take_fan_out(struct maker *maker, const struct json_value *element)
{
    const struct json_value *nested = json_member(element, "ops");
    bool has_ops = nested != NULL && nested->kind == JSON_ARRAY && nested->array.count > 0;
    bool known = has_ops;
    struct text field = {0};
    for (uint32_t i = 0; known && i < nested->array.count; i++) {
        field = string_member(&nested->array.items[i], "field");
        known = take_nested(maker, &nested->array.items[i]);
    }
    if (known)
        return;
    if (field.bytes > 0)
        refuse(maker->retry, "no trigger writes field ", field, " by fan-outs");
    else
        refuse(maker->retry, "no trigger writes such a fan-out", field, "");
    add_element(maker->retry, RETRY_FAN_OUTS, element);
}

/* A parent's request is not about a value of its own: it is made again. */
static void
take_request(struct maker *maker, const struct json_value *element, const struct json_value *key)
{
    struct text entry = string_member(element, "entry");
    bool is_valid = key->kind == JSON_INTEGER || key->kind == JSON_STRING;
    if (!is_valid || config_entry_find(maker->config, entry) < 0)
        refuse(maker->retry, "triggers have no entry \"", entry, "\" with such a key");
    add_element(maker->retry, RETRY_REQUESTS, element);
}

static void
take_element(struct maker *maker, const struct json_value *element)
{
    struct text op = string_member(element, "op");
    struct text field = string_member(element, "field");
    const struct json_value *key = json_member(element, "key");
    if (text_is(op, op_kind_name(OP_FAN_OUT))) {
        take_fan_out(maker, element);
    } else if (text_is(op, op_kind_name(OP_REFRESH)) && key != NULL) {
        take_request(maker, element, key);
    } else if (field.bytes > 0 && config_entry_owner(maker->config, field) < 0) {
        refuse(maker->retry, "no trigger owns field ", field, "");
        add_element(maker->retry, RETRY_ENTITY, element);
    } else {
        maker->reads_entity = true;
    }
}

static void
add_parent(struct retry *retry, const struct config *config, uint32_t entry, int64_t key)
{
    struct buffer name = {0};
    config_entry_append_name(config, entry, &name);
    add_request(retry, (struct text){0}, buffer_string(&name), key);
    buffer_free(&name);
}

void
retry_from_ops(const struct config *config, int64_t entity_id, const struct json_value *ops,
               struct retry *retry)
{
    struct maker maker = {.config = config, .retry = retry};
    bool is_list = ops->kind == JSON_ARRAY && ops->array.count > 0;
    *retry = (struct retry){0};
    maker.reads_entity = !is_list;
    maker.entries = memory_zalloc((config->trigger_count + 1) * sizeof *maker.entries);
    for (uint32_t i = 0; is_list && i < ops->array.count; i++)
        take_element(&maker, &ops->array.items[i]);
    if (maker.reads_entity)
        add_request(retry, (struct text){0}, NULL, 0);
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (maker.entries[i])
            add_parent(retry, config, i, entity_id);
    free(maker.entries);
    retry_end(retry);
}

/* What has to be written by hand is not known any more. */
static void
add_unknown_set(struct retry *retry, struct text field)
{
    struct json_writer writer;
    CHECK(field.bytes > 0);
    begin_element(retry, RETRY_ENTITY);
    json_writer_init(&writer, &retry->rows[RETRY_ENTITY]);
    json_object_begin(&writer);
    json_key(&writer, "op");
    json_string(&writer, op_kind_name(OP_SET));
    json_key(&writer, "field");
    json_text(&writer, field);
    json_key(&writer, "value");
    json_null(&writer);
    json_object_end(&writer);
}

void
retry_from_field(const struct config *config, struct text field, struct retry *retry)
{
    *retry = (struct retry){0};
    if (field.bytes > 0 && config_entry_owner(config, field) < 0) {
        refuse(retry, "no trigger owns field ", field, "");
        add_unknown_set(retry, field);
    } else {
        add_request(retry, field, NULL, 0);
    }
    retry_end(retry);
}

/* Is the place in the table of this entry? Then `*field` is the rest of it. */
static bool
take_table(const struct config_trigger *trigger, struct text place, struct text *field)
{
    size_t bytes = strlen(trigger->table);
    CHECK(bytes > 0);
    if (place.bytes < bytes || memcmp(place.data, trigger->table, bytes) != 0)
        return false;
    *field = (struct text){place.data + bytes, place.bytes - bytes};
    if (field->bytes == 0)
        return true;
    if (field->data[0] != '.')
        return false;
    *field = (struct text){field->data + 1, field->bytes - 1};
    return true;
}

/* The field of a place whose table triggers do not have, as of a dump phase. */
static struct text
last_part(struct text place)
{
    size_t at = place.bytes;
    while (at > 0 && place.data[at - 1] != '.')
        at--;
    return at > 0 ? (struct text){place.data + at, place.bytes - at} : (struct text){0};
}

void
retry_from_place(const struct config *config, int64_t id, struct text place, struct retry *retry)
{
    struct text field = last_part(place);
    *retry = (struct retry){0};
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        bool is_pass = trigger->kind == TRIGGER_FAN_OUT && trigger->link_count == 0;
        struct text rest;
        if (!take_table(trigger, place, &rest) ||
            (rest.bytes > 0 && !config_entry_owns(config, i, rest)))
            continue;
        field = rest;
        if (is_pass)
            add_parent(retry, config, i, id);
    }
    if (retry->rows[RETRY_REQUESTS].bytes > 0)
        retry_end(retry);
    else
        retry_from_field(config, field, retry);
}

void
retry_free(struct retry *retry)
{
    for (int i = 0; i < RETRY_ROWS; i++)
        buffer_free(&retry->rows[i]);
    buffer_free(&retry->reason);
    *retry = (struct retry){0};
}
