#include "consumer/engine/resolve.h"

#include <string.h>

#include "common/base/check.h"
#include "consumer/engine/scalar.h"
#include "consumer/engine/unknown_field.h"

struct resolver {
    const struct engine *engine;
    bool untyped;
    struct arena *arena;
    struct error *err;
};

/* The value of an untyped one for this field. */
static int
resolve_untyped_value(const struct resolver *resolver, const struct field *field,
                      const struct value *untyped, struct value *value)
{
    struct scalar scalar;
    int rc = scalar_from_untyped(field, untyped, &scalar, resolver->err);
    if (rc != 0)
        return rc;
    if (field->type == FIELD_STRING)
        *value = (struct value){.kind = VALUE_STRING,
                                .string = arena_text(resolver->arena, scalar.string)};
    else if (field->type == FIELD_BOOLEAN)
        *value = (struct value){.kind = VALUE_BOOLEAN, .boolean = scalar.number != 0};
    else
        *value = (struct value){.kind = VALUE_INTEGER, .integer = scalar.number};
    return 0;
}

static int
resolve_untyped_values(const struct resolver *resolver, const struct field *field,
                       struct filter *filter)
{
    const struct value *untyped = filter->values;
    CHECK(resolver->untyped);
    CHECK(filter->count == 0 || untyped != NULL);
    struct value *values = arena_alloc(resolver->arena, filter->count * sizeof *values);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < filter->count; i++)
        rc = resolve_untyped_value(resolver, field, &untyped[i], &values[i]);
    filter->values = values;
    return rc;
}

static int
resolve_values(const struct resolver *resolver, const struct field *field, struct filter *filter)
{
    int rc = 0;
    if (resolver->untyped)
        return resolve_untyped_values(resolver, field, filter);
    for (uint32_t i = 0; rc == 0 && i < filter->count; i++) {
        struct scalar scalar;
        rc = scalar_from_value(field, &filter->values[i], &scalar, resolver->err);
    }
    return rc;
}

static int
resolve_leaf(const struct resolver *resolver, struct filter *filter)
{
    const struct engine *engine = resolver->engine;
    const struct field *field = engine_find_field(engine, filter->field);
    int64_t low, high;
    if (field == NULL)
        return unknown_field_refuse(engine, filter->field, !resolver->untyped, resolver->err);
    filter->field_number = (uint32_t)(field - engine->fields) + 1;
    CHECK(filter->field_number <= engine->field_count);
    switch (filter->kind) {
    case FILTER_IS_NULL:
    case FILTER_IS_NOT_NULL:
        return 0;
    case FILTER_EQ:
    case FILTER_NOT_EQ:
        CHECK(filter->count == 1);
        return resolve_values(resolver, field, filter);
    case FILTER_IN:
    case FILTER_NOT_IN:
        return resolve_values(resolver, field, filter);
    default:
        CHECK(filter->count == 1);
        CHECK(!resolver->untyped);
        return scalar_range(field, filter->kind, filter->values, &low, &high, resolver->err);
    }
}

static int
resolve_node(const struct resolver *resolver, struct filter *filter)
{
    if (!filter_has_children(filter))
        return resolve_leaf(resolver, filter);
    CHECK(filter->kind != FILTER_NOT || filter->count == 1);
    CHECK(filter->count == 0 || filter->children != NULL);
    size_t bytes = filter->count * sizeof *filter;
    struct filter *children = arena_alloc(resolver->arena, bytes);
    int rc = 0;
    if (bytes > 0)
        memcpy(children, filter->children, bytes);
    filter->children = children;
    for (uint32_t i = 0; rc == 0 && i < filter->count; i++)
        rc = resolve_node(resolver, &children[i]);
    return rc;
}

static int
resolve_tree(const struct resolver *resolver, const struct filter *filter,
             const struct filter **resolved)
{
    CHECK(filter->kind <= FILTER_NOT);
    struct filter *root = arena_alloc(resolver->arena, sizeof *root);
    *root = *filter;
    int rc = resolve_node(resolver, root);
    if (rc == 0)
        *resolved = root;
    return rc;
}

int
resolve_filter(const struct engine *engine, const struct filter *filter, struct arena *arena,
               const struct filter **resolved, struct error *err)
{
    const struct resolver resolver = {engine, false, arena, err};
    return resolve_tree(&resolver, filter, resolved);
}

int
resolve_query(const struct engine *engine, const struct filter *filter, struct arena *arena,
              const struct filter **resolved, struct error *err)
{
    const struct resolver resolver = {engine, true, arena, err};
    return resolve_tree(&resolver, filter, resolved);
}
