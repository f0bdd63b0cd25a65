#include "producer/load/wire_value.h"

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "common/ops/ops_json.h"
#include "producer/source/copy_binary.h"
#include "producer/triggers/row_sql.h"

static int
read_text(struct text bytes, struct value *out, struct error *err)
{
    if (bytes.bytes > ops_limits_default.string_bytes)
        return error_set(err, ERR_DATA, "string is longer than %u bytes",
                         ops_limits_default.string_bytes);
    if (!utf8_valid(bytes.data, bytes.bytes))
        return error_set(err, ERR_DATA, "string is not UTF-8, or has a NUL");
    *out = (struct value){.kind = VALUE_STRING, .string = bytes};
    return 0;
}

bool
wire_value_is_infinite(const struct entry_value *value, int64_t integer)
{
    CHECK(value->wire == WIRE_INTEGER);
    return value->form == FORM_SECONDS && integer == ROW_SQL_INFINITE_TIME;
}

int
wire_value_read(const struct entry_value *value, struct text bytes, struct arena *arena,
                struct value *out, struct error *err)
{
    bool is_valid = false;
    switch (value->json_guard != NULL ? WIRE_JSON : value->wire) {
    case WIRE_INTEGER:
        out->kind = VALUE_INTEGER;
        is_valid = copy_integer(bytes, &out->integer);
        if (is_valid && wire_value_is_infinite(value, out->integer))
            return error_set(err, ERR_DATA, "a time that is infinite");
        break;
    case WIRE_BOOLEAN:
        is_valid = bytes.bytes == 1;
        *out = (struct value){.kind = VALUE_BOOLEAN, .boolean = is_valid && *bytes.data != 0};
        break;
    case WIRE_TEXT:
        return read_text(bytes, out, err);
    case WIRE_JSON:
        return ops_json_parse_value(bytes, &ops_limits_default, arena, out, err);
    default:
        CHECK(false);
    }
    if (!is_valid)
        return error_set(err, ERR_FATAL, "postgres: %zu bytes of a value of field %s", bytes.bytes,
                         value->target);
    return 0;
}

int
wire_value_check_item(const struct value *value, struct error *err)
{
    CHECK(value->kind != VALUE_INTEGERS && value->kind != VALUE_STRINGS);
    if (value->kind == VALUE_INTEGER || value->kind == VALUE_STRING || value->kind == VALUE_NULL)
        return 0;
    return error_set(err, ERR_DATA,
                     "is neither an integer nor a string, and the field takes"
                     " several values");
}
