#include "producer/load/row_parser.h"

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/load/wire_value.h"
#include "producer/source/copy_binary.h"

static int
refuse_row(const struct row_parser *parser, struct error *err)
{
    return error_set(err, ERR_FATAL, "postgres: a row of table %s in a binary copy is invalid",
                     parser->source->entry->trigger->table);
}

/* A trigger function writes such a value as a list of one item. */
static bool
is_item(const struct entry *entry, const struct entry_value *value)
{
    return entry->trigger->kind != TRIGGER_JOIN && value->is_multi_value &&
           !entry_form_is_array(value->form) && value->form != FORM_JSON;
}

/* ERR_DATA: no event carries the value. */
static int
add_value(struct row_parser *parser, uint32_t index, int64_t id, struct text bytes,
          struct error *err)
{
    const struct load_source *source = parser->source;
    const struct entry_value *value = &source->entry->values[source->values[index]];
    struct value read;
    int rc = wire_value_read(value, bytes, parser->scratch, &read, err);
    if (rc == 0 && is_item(source->entry, value))
        rc = wire_value_check_item(&read, err);
    if (rc != 0)
        return rc;
    return chunk_builder_add_value(parser->builder, parser->fields[index], id, &read, err);
}

/* The values of most rows are integers. */
static int
parse_value(struct row_parser *parser, uint32_t index, int64_t id, struct text bytes,
            struct error *err)
{
    int64_t integer;
    const struct load_source *source = parser->source;
    const struct entry_value *value = &source->entry->values[source->values[index]];
    if (value->wire == WIRE_INTEGER && copy_integer(bytes, &integer)) {
        chunk_builder_add_integer(parser->builder, parser->fields[index], id, integer);
        return 0;
    }
    struct error reason;
    int rc = add_value(parser, index, id, bytes, &reason);
    if (rc == ERR_DATA) {
        problem_list_add_value(parser->problems, id, source->entry->trigger->table, value->target,
                               reason.message);
        rc = 0;
    } else if (rc != 0) {
        error_set(err, rc, "%s", reason.message);
    }
    return rc;
}

/* Of consecutive rows of an entity without a slot, the first is reported. */
static void
refuse_id(struct row_parser *parser, int64_t id)
{
    if (parser->has_refused && parser->refused_id == id)
        return;
    parser->has_refused = true;
    parser->refused_id = id;
    problem_list_add_id(parser->problems, id, parser->source->entry->trigger->table);
}

static int
parse_values(struct row_parser *parser, struct copy_bytes *bytes, int64_t id, bool has_slot,
             struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < parser->source->value_count; i++) {
        bool null;
        struct text field;
        if (!copy_take_field(bytes, &null, &field))
            return refuse_row(parser, err);
        if (has_slot && !null)
            rc = parse_value(parser, i, id, field, err);
    }
    return rc;
}

static int
parse_row(struct row_parser *parser, struct copy_bytes *bytes, struct error *err)
{
    bool null;
    int64_t id;
    struct text field;
    if (!copy_take_field(bytes, &null, &field) || null || !copy_integer(field, &id))
        return refuse_row(parser, err);
    bool has_slot = chunk_builder_has_slot(parser->builder, id);
    int rc = parse_values(parser, bytes, id, has_slot, err);
    if (!has_slot) {
        refuse_id(parser, id);
    } else if (parser->states_alive) {
        chunk_builder_add_alive(parser->builder, id);
        parser->counts->values++;
    }
    parser->counts->rows++;
    parser->last_id = id > parser->last_id ? id : parser->last_id;
    if (parser->scratch->used_bytes > 0)
        arena_reset(parser->scratch);
    return rc;
}

/* A row, or the end of the copy. */
static int
parse_next(struct row_parser *parser, struct copy_bytes *bytes, struct error *err)
{
    int16_t columns;
    if (parser->is_complete || !copy_take_int16(bytes, &columns))
        return refuse_row(parser, err);
    parser->is_complete = columns == COPY_TRAILER;
    if (parser->is_complete)
        return 0;
    if (columns != (int16_t)(parser->source->value_count + 1))
        return refuse_row(parser, err);
    return parse_row(parser, bytes, err);
}

int
row_parser_feed(struct row_parser *parser, struct text bytes, struct error *err)
{
    const uint8_t *begin = (const uint8_t *)bytes.data;
    struct copy_bytes rest = {begin, begin + bytes.bytes};
    uint64_t before = chunk_builder_values(parser->builder);
    int rc = 0;
    if (!parser->has_header && bytes.bytes > 0) {
        rc = copy_take_header(&rest, err);
        parser->has_header = rc == 0;
    }
    while (rc == 0 && rest.at < rest.end)
        rc = parse_next(parser, &rest, err);
    parser->counts->values += chunk_builder_values(parser->builder) - before;
    return rc;
}
