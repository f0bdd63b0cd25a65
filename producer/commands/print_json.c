#include "producer/commands/print_json.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/memory.h"

/* "-" for one without strings. */
static void
print_strings(const struct json_value *array)
{
    const char *separator = "";
    for (uint32_t i = 0; i < array->array.count; i++) {
        const struct json_value *item = &array->array.items[i];
        if (item->kind != JSON_STRING)
            continue;
        printf("%s%.*s", separator, TEXT_ARGS(item->string));
        separator = "; ";
    }
    printf("%s\n", *separator == '\0' ? "-" : "");
}

static void
print_member(const struct json_member *member)
{
    CHECK(member->key.bytes > 0);
    const struct json_value *value = &member->value;
    printf("%-18.*s ", TEXT_ARGS(member->key));
    switch (value->kind) {
    case JSON_BOOLEAN:
        printf("%s\n", value->boolean ? "yes" : "no");
        break;
    case JSON_INTEGER:
        printf("%" PRId64 "\n", value->integer);
        break;
    case JSON_FLOAT:
        printf("%.1f\n", value->real);
        break;
    case JSON_STRING:
        printf("%.*s\n", TEXT_ARGS(value->string));
        break;
    case JSON_ARRAY:
        print_strings(value);
        break;
    default:
        printf("-\n");
    }
}

void
print_json_members(const struct json_value *object)
{
    CHECK(object->kind == JSON_OBJECT);
    CHECK(object->object.members != NULL || object->object.count == 0);
    for (uint32_t i = 0; i < object->object.count; i++)
        print_member(&object->object.members[i]);
}
