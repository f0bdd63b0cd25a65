#include "consumer/engine/unknown_field.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/closest.h"
#include "common/config/config_fields.h"

/* Appends the names of all fields, or of those that sort. */
static int
unknown_field_append(const struct engine *engine, struct text name, bool sorts, struct error *err)
{
    const char **names = memory_alloc((engine->field_count + 1) * sizeof *names);
    uint32_t count = 0;
    names[count++] = CONFIG_FIELD_ID;
    for (uint32_t i = 0; i < engine->field_count; i++)
        if (!sorts || engine->fields[i].sort_bits > 0)
            names[count++] = engine->fields[i].name.data;
    CHECK(count <= engine->field_count + 1);
    int rc = closest_append(err, name, sorts ? "sort fields" : "fields", names, count);
    free(names);
    return rc;
}

int
unknown_field_refuse(const struct engine *engine, struct text name, bool lists, struct error *err)
{
    CHECK(engine_find_field(engine, name) == NULL);
    int rc =
        error_set(err, ERR_DATA, "the index has no field \"%.*s\"", TEXT_ARGS(closest_shown(name)));
    return lists ? unknown_field_append(engine, name, false, err) : rc;
}

int
unknown_field_refuse_sort(const struct engine *engine, struct text name, struct error *err)
{
    const struct field *field = engine_find_field(engine, name);
    CHECK(field == NULL || field->sort_bits == 0);
    error_set(err, ERR_DATA, "the index has no sort field \"%.*s\"%s",
              TEXT_ARGS(closest_shown(name)),
              field != NULL ? ", only a filter field of that name" : "");
    return unknown_field_append(engine, name, true, err);
}
