/* A fan-out sets every field of the entry, also to null: of several parents of an entity, the one
 * with the greatest key counts, and what it does not have, the entity does not have.
 */
#include "producer/load/pass_parser.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/event/event.h"
#include "common/ops/filter.h"
#include "common/ops/filter_split.h"
#include "common/ops/ops_json.h"
#include "producer/load/wire_value.h"
#include "producer/source/copy_binary.h"

enum {
    EVENT_MARGIN_BYTES = 1024, /* what does not grow of an event, and the heads of its lists */
    TEXT_HEAD_BYTES = 5,       /* the length of a text */
    OP_MARGIN_BYTES = 32,      /* the numbers and heads of an op */
    LONG_BYTES_MAX = 10,
    OPS_CAPACITY_MIN = 64,
};

/* One parent. */
struct parent {
    const char **key;
    const struct text *queries; /* each is a fan-out of its own (filter_split.h) */
    uint32_t query_count;       /* 0: nothing is to be sent */
    struct op *nested;          /* one for each value */
    uint64_t bytes;             /* of the nested ops, likewise `items` */
    uint64_t items;
};

/* What a parent needs of an event. */
struct need {
    uint64_t bytes;
    uint64_t items;
};

static int
refuse_row(const struct pass_parser *parser, struct error *err)
{
    return error_set(err, ERR_FATAL, "postgres: a parent of table %s in a binary copy is invalid",
                     parser->source->entry->trigger->table);
}

/* The columns that come first. */
static uint32_t
key_columns(const struct pass_parser *parser)
{
    return parser->keys != NULL ? 1 : parser->source->entry->key_column_count;
}

/* The id that a problem names. */
static int64_t
parent_id(const struct pass_parser *parser, const struct parent *parent)
{
    const char *id_column = parser->source->entry->id_column;
    const struct select_keys *keys = parser->keys;
    if (id_column == NULL || (keys != NULL && strcmp(id_column, keys->columns[0]) != 0))
        return 0;
    return strtoll(parent->key[0], NULL, 10);
}

static void
report(struct pass_parser *parser, const struct parent *parent, const char *field,
       const char *reason)
{
    struct buffer text = {0};
    const struct entry *entry = parser->source->entry;
    buffer_append_text(&text, "parent");
    for (uint32_t i = 0; i < key_columns(parser); i++)
        buffer_append_format(&text, "%s %s", i > 0 ? "," : "", parent->key[i]);
    buffer_append_format(&text, ": %s", reason);
    if (field[0] != '\0')
        problem_list_add_value(parser->problems, parent_id(parser, parent), entry->trigger->table,
                               field, buffer_string(&text));
    else
        problem_list_add(parser->problems, parent_id(parser, parent), entry->trigger->table, "",
                         buffer_string(&text));
    buffer_free(&text);
}

/* The number of a key becomes the key. */
static int
find_key(const struct pass_parser *parser, struct parent *parent, struct error *err)
{
    uint64_t number = strtoull(parent->key[0], NULL, 10);
    if (number < 1 || number > parser->keys->count)
        return refuse_row(parser, err);
    parser->found[number - 1] = true;
    parent->key[0] = arena_strdup(parser->arena, parser->keys->keys[number - 1]);
    return 0;
}

static int
parse_key(const struct pass_parser *parser, struct copy_bytes *bytes, struct parent *parent,
          struct error *err)
{
    uint32_t count = key_columns(parser);
    CHECK(count > 0);
    parent->key = arena_alloc(parser->arena, count * sizeof *parent->key);
    for (uint32_t i = 0; i < count; i++) {
        bool null;
        struct text field;
        if (!copy_take_field(bytes, &null, &field) || null)
            return refuse_row(parser, err);
        parent->key[i] = arena_strdup(parser->arena, field);
    }
    return parser->keys != NULL ? find_key(parser, parent, err) : 0;
}

static void
add_value_size(struct parent *parent, const struct value *value)
{
    parent->bytes += LONG_BYTES_MAX;
    if (value->kind == VALUE_STRING)
        parent->bytes += TEXT_HEAD_BYTES + value->string.bytes;
    if (value->kind == VALUE_INTEGERS)
        parent->bytes += (uint64_t)value->integers.count * LONG_BYTES_MAX;
    if (value->kind != VALUE_STRINGS)
        return;
    parent->items += value->strings.count;
    for (uint32_t i = 0; i < value->strings.count; i++)
        parent->bytes += TEXT_HEAD_BYTES + value->strings.items[i].bytes;
}

/* Parses value `index` of the source. */
static int
parse_value(struct pass_parser *parser, struct copy_bytes *bytes, uint32_t index,
            struct parent *parent, struct error *err)
{
    bool null;
    struct text field;
    struct error reason;
    const struct load_source *source = parser->source;
    const struct entry_value *value = &source->entry->values[source->values[index]];
    struct value read = {.kind = VALUE_NULL};
    if (!copy_take_field(bytes, &null, &field))
        return refuse_row(parser, err);
    int rc = null ? 0 : wire_value_read(value, field, parser->arena, &read, &reason);
    if (rc != 0 && rc != ERR_DATA)
        return error_set(err, rc, "%s", reason.message);
    if (rc == ERR_DATA) {
        report(parser, parent, value->target, reason.message);
        read = (struct value){.kind = VALUE_NULL};
    }
    if (read.kind == VALUE_STRING)
        read.string = arena_text(parser->arena, read.string);
    parent->nested[index] =
        (struct op){.kind = OP_SET, .field = source->fields[index], .value = read};
    parent->bytes += OP_MARGIN_BYTES + TEXT_HEAD_BYTES + source->fields[index].bytes;
    parent->items++;
    add_value_size(parent, &read);
    return 0;
}

/* A query that ops would not accept makes the parent a problem. */
static void
take_query(struct pass_parser *parser, struct parent *parent, struct text query)
{
    struct error reason;
    const struct filter *filter;
    int rc = filter_parse_query(query, parser->arena, &filter, &reason);
    if (rc == 0)
        rc = filter_split_query(query, ops_limits_default.query_bytes, parser->arena,
                                &parent->queries, &parent->query_count, &reason);
    if (rc == 0)
        return;
    error_wrap(&reason, ERR_DATA, "its query");
    report(parser, parent, "", reason.message);
    parent->query_count = 0;
}

static int
parse_query(struct pass_parser *parser, struct copy_bytes *bytes, struct parent *parent,
            struct error *err)
{
    bool null;
    struct text field;
    if (!copy_take_field(bytes, &null, &field))
        return refuse_row(parser, err);
    if (!null)
        take_query(parser, parent, arena_text(parser->arena, field));
    return 0;
}

static bool
has_room(const struct pass_parser *parser, uint64_t bytes, uint64_t items)
{
    return bytes <= parser->event_bytes_max && items <= EVENT_ITEMS_MAX;
}

/* Each of its fan-outs has all nested ops. */
static struct need
parent_need(const struct parent *parent)
{
    struct need need = {.items = parent->query_count * (parent->items + 1)};
    for (uint32_t i = 0; i < parent->query_count; i++)
        need.bytes += OP_MARGIN_BYTES + TEXT_HEAD_BYTES + parent->queries[i].bytes + parent->bytes;
    return need;
}

static void
add_fan_out(struct pass_parser *parser, const struct parent *parent, struct text query)
{
    if (parser->count == parser->capacity) {
        uint32_t capacity = parser->capacity == 0 ? OPS_CAPACITY_MIN : parser->capacity * 2;
        struct op *ops = arena_alloc(parser->arena, capacity * sizeof *ops);
        if (parser->count > 0)
            memcpy(ops, parser->ops, parser->count * sizeof *ops);
        parser->ops = ops;
        parser->capacity = capacity;
    }
    parser->ops[parser->count++] = (struct op){
        .kind = OP_FAN_OUT,
        .query = query,
        .nested = parent->nested,
        .nested_count = parser->source->value_count,
    };
    parser->values += parser->source->value_count;
}

static void
add_fan_outs(struct pass_parser *parser, const struct parent *parent, struct need need)
{
    for (uint32_t i = 0; i < parent->query_count; i++)
        add_fan_out(parser, parent, parent->queries[i]);
    parser->bytes += need.bytes;
    parser->items += need.items;
}

/* Takes the parent, unless the event has no room for it after others. */
static void
take_parent(struct pass_parser *parser, struct parent *parent, uint64_t base_bytes,
            uint64_t base_items)
{
    struct need need = parent_need(parent);
    bool fits_alone = has_room(parser, base_bytes + need.bytes, base_items + need.items);
    if (fits_alone && !has_room(parser, parser->bytes + need.bytes, parser->items + need.items)) {
        parser->is_full = true;
        return;
    }
    if (fits_alone)
        add_fan_outs(parser, parent, need);
    else
        report(parser, parent, "", "its fan-out is larger than an event");
    parser->rows++;
    parser->last_key = parent->key;
}

static uint64_t
base_bytes_of(const struct load_source *source)
{
    uint64_t bytes = EVENT_MARGIN_BYTES + strlen(source->dump_name);
    for (uint32_t i = 0; i < source->value_count; i++)
        bytes += TEXT_HEAD_BYTES + source->fields[i].bytes;
    for (uint32_t i = 0; i < source->read_count; i++)
        bytes += TEXT_HEAD_BYTES + source->reads[i].bytes;
    return bytes;
}

static int
parse_parent(struct pass_parser *parser, struct copy_bytes *bytes, struct error *err)
{
    const struct load_source *source = parser->source;
    uint64_t base_items = (uint64_t)source->value_count + source->read_count;
    uint64_t base_bytes = base_bytes_of(source);
    struct parent parent = {
        .nested = arena_alloc(parser->arena, source->value_count * sizeof *parent.nested),
    };
    if (parser->count == 0) {
        parser->bytes = base_bytes;
        parser->items = base_items;
    }
    int rc = parse_key(parser, bytes, &parent, err);
    if (rc == 0)
        rc = parse_query(parser, bytes, &parent, err);
    for (uint32_t i = 0; rc == 0 && i < source->value_count; i++)
        rc = parse_value(parser, bytes, i, &parent, err);
    if (rc == 0)
        take_parent(parser, &parent, base_bytes, base_items);
    return rc;
}

/* A row, or the end of the copy. */
static int
parse_next(struct pass_parser *parser, struct copy_bytes *bytes, struct error *err)
{
    int16_t columns;
    const struct load_source *source = parser->source;
    uint32_t wanted = key_columns(parser) + 1 + source->value_count;
    if (parser->is_complete || !copy_take_int16(bytes, &columns))
        return refuse_row(parser, err);
    parser->is_complete = columns == COPY_TRAILER;
    if (parser->is_complete)
        return 0;
    if (columns != (int16_t)wanted)
        return refuse_row(parser, err);
    return parse_parent(parser, bytes, err);
}

int
pass_parser_feed(struct pass_parser *parser, struct text bytes, struct error *err)
{
    const uint8_t *begin = (const uint8_t *)bytes.data;
    struct copy_bytes rest = {begin, begin + bytes.bytes};
    int rc = 0;
    if (!parser->has_header && bytes.bytes > 0) {
        rc = copy_take_header(&rest, err);
        parser->has_header = rc == 0;
    }
    while (rc == 0 && !parser->is_full && rest.at < rest.end) {
        parser->taken_bytes = (size_t)(rest.at - begin);
        rc = parse_next(parser, &rest, err);
    }
    if (!parser->is_full)
        parser->taken_bytes = bytes.bytes;
    return rc;
}
