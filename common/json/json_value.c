#include "common/json/json_value.h"

#include "common/base/check.h"

const struct json_value *
json_member(const struct json_value *object, const char *key)
{
    struct text wanted = text_of(key);
    if (object->kind != JSON_OBJECT)
        return NULL;
    CHECK(object->object.members != NULL || object->object.count == 0);
    for (uint32_t i = 0; i < object->object.count; i++)
        if (text_equal(object->object.members[i].key, wanted))
            return &object->object.members[i].value;
    return NULL;
}

const char *
json_kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOLEAN] = "boolean", [JSON_INTEGER] = "integer",
        [JSON_FLOAT] = "float",   [JSON_STRING] = "string",   [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object",
    };
    CHECK(kind >= JSON_NULL && kind <= JSON_OBJECT);
    return names[kind];
}
