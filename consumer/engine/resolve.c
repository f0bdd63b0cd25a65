#include "consumer/engine/resolve.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_fields.h"
#include "consumer/engine/id_match.h"
#include "consumer/engine/scalar.h"
#include "consumer/engine/store/case_fold.h"
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

/* Checks the values; `*count` of them can be equal to a value of the field. */
static int
resolve_check_values(const struct resolver *resolver, const struct field *field,
                     const struct filter *filter, uint32_t *count)
{
    int rc = 0;
    *count = 0;
    for (uint32_t i = 0; rc == 0 && i < filter->count; i++) {
        struct scalar scalar;
        if (scalar_is_no_integer(field, &filter->values[i]))
            continue;
        rc = scalar_from_value(field, &filter->values[i], &scalar, resolver->err);
        ++*count;
    }
    CHECK(*count <= filter->count);
    return rc;
}

/* Leaves out the values that no value of the field is equal to; `count` are left. */
static void
resolve_leave_out(const struct resolver *resolver, const struct field *field, uint32_t count,
                  struct filter *filter)
{
    struct value *values = arena_alloc(resolver->arena, count * sizeof *values);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < filter->count; i++)
        if (!scalar_is_no_integer(field, &filter->values[i]))
            values[kept++] = filter->values[i];
    CHECK(kept == count);
    filter->kind =
        filter->kind == FILTER_EQ || filter->kind == FILTER_IN ? FILTER_IN : FILTER_NOT_IN;
    filter->values = values;
    filter->count = count;
}

static void
resolve_fold(const struct resolver *resolver, struct filter *filter)
{
    struct value *values = arena_alloc(resolver->arena, filter->count * sizeof *values);
    struct buffer folded;
    buffer_init(&folded);
    for (uint32_t i = 0; i < filter->count; i++) {
        CHECK(filter->values[i].kind == VALUE_STRING);
        case_fold(filter->values[i].string, &folded);
        const struct text text = {(const char *)folded.data, folded.bytes};
        values[i] =
            (struct value){.kind = VALUE_STRING, .string = arena_text(resolver->arena, text)};
    }
    buffer_free(&folded);
    filter->values = values;
    filter->ignores_case = true;
}

/* Replaces a NOT_EQ or NOT_IN that matches what has no value by the NOT of an EQ or IN. */
static void
resolve_complement(const struct resolver *resolver, struct filter *filter)
{
    struct filter *equal = arena_alloc(resolver->arena, sizeof *equal);
    CHECK(filter->kind == FILTER_NOT_EQ || filter->kind == FILTER_NOT_IN);
    *equal = *filter;
    equal->kind = filter->kind == FILTER_NOT_EQ ? FILTER_EQ : FILTER_IN;
    *filter = (struct filter){.kind = FILTER_NOT, .children = equal, .count = 1};
}

/* EQ, NOT_EQ, IN and NOT_IN of a query. */
static int
resolve_equality(const struct resolver *resolver, const struct field *field, struct filter *filter)
{
    uint32_t count;
    bool negates = filter->kind == FILTER_NOT_EQ || filter->kind == FILTER_NOT_IN;
    bool skips_nulls = field->is_nullable && filter->count > 0; /* x NOT IN () is true of a null */
    int rc = resolve_check_values(resolver, field, filter, &count);
    if (rc != 0)
        return rc;
    if (count < filter->count)
        resolve_leave_out(resolver, field, count, filter);
    if (field->ignores_case)
        resolve_fold(resolver, filter);
    if (negates && !skips_nulls)
        resolve_complement(resolver, filter);
    return 0;
}

/* Sets the number of the leaf's field; NULL: the index does not have it. */
static const struct field *
resolve_field(const struct resolver *resolver, struct filter *leaf)
{
    const struct engine *engine = resolver->engine;
    if (!resolver->untyped && text_is(leaf->field, CONFIG_FIELD_ID)) {
        leaf->field_number = FILTER_NUMBER_ID;
        return &id_match_field;
    }
    const struct field *field = engine_find_field(engine, leaf->field);
    if (field != NULL)
        leaf->field_number = (uint32_t)(field - engine->fields) + 1;
    CHECK(leaf->field_number <= engine->field_count);
    return field;
}

static int
resolve_leaf(const struct resolver *resolver, struct filter *filter)
{
    const struct field *field = resolve_field(resolver, filter);
    int64_t low, high;
    if (field == NULL)
        return unknown_field_refuse(resolver->engine, filter->field, !resolver->untyped,
                                    resolver->err);
    CHECK(filter->kind < FILTER_AND);
    switch (filter->kind) {
    case FILTER_IS_NULL:
    case FILTER_IS_NOT_NULL:
        return 0;
    case FILTER_EQ:
    case FILTER_NOT_EQ:
    case FILTER_IN:
    case FILTER_NOT_IN:
        return resolver->untyped ? resolve_untyped_values(resolver, field, filter)
                                 : resolve_equality(resolver, field, filter);
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
