#include "consumer/engine/unknown_field.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/closest.h"
#include "common/config/config_fields.h"

/* What a field is named for. */
enum unknown_field_use { USE_IN_FILTER, USE_IN_SORT, USE_IN_OP };

static bool
unknown_field_fits(const struct field *field, enum unknown_field_use use)
{
    if (use == USE_IN_SORT)
        return field->sort_bits > 0;
    return use == USE_IN_FILTER || field->computed_op == COMPUTED_NONE;
}

/* Appends the names of the fields that have this use. */
static int
unknown_field_append(const struct engine *engine, struct text name, enum unknown_field_use use,
                     struct error *err)
{
    const char **names = memory_alloc((engine->field_count + 1) * sizeof *names);
    uint32_t count = 0;
    if (use != USE_IN_OP)
        names[count++] = CONFIG_FIELD_ID;
    for (uint32_t i = 0; i < engine->field_count; i++)
        if (unknown_field_fits(&engine->fields[i], use))
            names[count++] = engine->fields[i].name.data;
    CHECK(count <= engine->field_count + 1);
    int rc = closest_append(err, name, use == USE_IN_SORT ? "sort fields" : "fields", names, count);
    free(names);
    return rc;
}

int
unknown_field_refuse(const struct engine *engine, struct text name, bool lists, struct error *err)
{
    CHECK(engine_find_field(engine, name) == NULL);
    int rc =
        error_set(err, ERR_DATA, "the index has no field \"%.*s\"", TEXT_ARGS(closest_shown(name)));
    return lists ? unknown_field_append(engine, name, USE_IN_FILTER, err) : rc;
}

int
unknown_field_refuse_op(const struct engine *engine, struct text name, struct error *err)
{
    unknown_field_refuse(engine, name, false, err);
    return unknown_field_append(engine, name, USE_IN_OP, err);
}

int
unknown_field_refuse_sort(const struct engine *engine, struct text name, struct error *err)
{
    const struct field *field = engine_find_field(engine, name);
    CHECK(field == NULL || field->sort_bits == 0);
    error_set(err, ERR_DATA, "the index has no sort field \"%.*s\"%s",
              TEXT_ARGS(closest_shown(name)),
              field != NULL ? ", only a filter field of that name" : "");
    return unknown_field_append(engine, name, USE_IN_SORT, err);
}
