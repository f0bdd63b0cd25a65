#include "common/config/config_fields.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

/* --- sets ------------------------------------------------------------------------------------ */

void
field_set_add(struct field_set *set, uint32_t number)
{
    CHECK(number < FIELD_NUMBERS);
    set->words[number / 64] |= UINT64_C(1) << number % 64;
}

void
field_set_remove(struct field_set *set, uint32_t number)
{
    CHECK(number < FIELD_NUMBERS);
    set->words[number / 64] &= ~(UINT64_C(1) << number % 64);
}

bool
field_set_has(const struct field_set *set, uint32_t number)
{
    CHECK(number < FIELD_NUMBERS);
    return (set->words[number / 64] >> number % 64 & 1) != 0;
}

bool
field_set_is_empty(const struct field_set *set)
{
    uint64_t any = 0;
    for (int i = 0; i < FIELD_SET_WORDS; i++)
        any |= set->words[i];
    return any == 0;
}

uint32_t
field_set_next(const struct field_set *set, uint32_t from)
{
    CHECK(from <= FIELD_NUMBERS);
    for (uint32_t word = from / 64; word < FIELD_SET_WORDS; word++) {
        uint64_t left = set->words[word];
        if (word == from / 64)
            left &= UINT64_MAX << from % 64;
        if (left != 0)
            return 64 * word + (uint32_t)__builtin_ctzll(left);
    }
    return FIELD_NUMBERS;
}

bool
field_set_equal(const struct field_set *a, const struct field_set *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool
field_set_includes(const struct field_set *set, const struct field_set *part)
{
    uint64_t outside = 0;
    for (int i = 0; i < FIELD_SET_WORDS; i++)
        outside |= part->words[i] & ~set->words[i];
    return outside == 0;
}

void
field_set_add_all(struct field_set *set, const struct field_set *others)
{
    for (int i = 0; i < FIELD_SET_WORDS; i++)
        set->words[i] |= others->words[i];
}

void
field_set_remove_all(struct field_set *set, const struct field_set *others)
{
    for (int i = 0; i < FIELD_SET_WORDS; i++)
        set->words[i] &= ~others->words[i];
}

void
field_set_keep_all(struct field_set *set, const struct field_set *others)
{
    for (int i = 0; i < FIELD_SET_WORDS; i++)
        set->words[i] &= others->words[i];
}

/* --- fields of an index ---------------------------------------------------------------------- */

static bool
fields_is_filter(const struct config_index *index, const char *name)
{
    for (uint32_t i = 0; i < index->filter_field_count; i++)
        if (strcmp(index->filter_fields[i].name, name) == 0)
            return true;
    return false;
}

uint32_t
config_fields_count(const struct config_index *index)
{
    uint32_t count = index->filter_field_count;
    for (uint32_t i = 0; i < index->sort_field_count; i++)
        count += !fields_is_filter(index, index->sort_fields[i].name);
    return count;
}

void
config_fields_init(struct config_fields *fields, const struct config_index *index)
{
    uint32_t count = config_fields_count(index);
    CHECK(count <= CONFIG_FIELDS_MAX);
    *fields = (struct config_fields){.index = index};
    fields->names = memory_alloc((count + 1) * sizeof *fields->names);
    for (uint32_t i = 0; i < index->filter_field_count; i++)
        fields->names[fields->count++] = index->filter_fields[i].name;
    for (uint32_t i = 0; i < index->sort_field_count; i++) {
        const struct config_sort_field *field = &index->sort_fields[i];
        if (fields_is_filter(index, field->name))
            continue;
        if (field->computed_op != COMPUTED_NONE)
            field_set_add(&fields->computed, fields->count);
        fields->names[fields->count++] = field->name;
    }
    CHECK(fields->count == count);
}

void
config_fields_free(struct config_fields *fields)
{
    free(fields->names);
    *fields = (struct config_fields){0};
}

bool
config_index_find_type(const struct config_index *index, const char *name,
                       enum config_field_type *type)
{
    for (uint32_t i = 0; i < index->filter_field_count; i++)
        if (strcmp(index->filter_fields[i].name, name) == 0) {
            *type = index->filter_fields[i].type;
            return true;
        }
    *type = FIELD_SINGLE_VALUE;
    for (uint32_t i = 0; i < index->sort_field_count; i++)
        if (strcmp(index->sort_fields[i].name, name) == 0)
            return true;
    return false;
}

static bool
sort_field_holds(const struct config_sort_field *field, const char *name)
{
    for (uint32_t i = 0; i < field->source_field_count; i++)
        if (strcmp(field->source_fields[i], name) == 0)
            return true;
    return strcmp(field->name, name) == 0;
}

void
config_index_bounds(const struct config_index *index, const char *name, int64_t *min, int64_t *max)
{
    *min = INT64_MIN;
    *max = INT64_MAX;
    for (uint32_t i = 0; i < index->sort_field_count; i++) {
        const struct config_sort_field *field = &index->sort_fields[i];
        if (!sort_field_holds(field, name))
            continue;
        CHECK(field->bits >= 1 && field->bits <= 63);
        int64_t magnitude = (int64_t)((UINT64_C(1) << field->bits) - 1);
        *max = magnitude < *max ? magnitude : *max;
        *min = -*max;
    }
}

const char *
config_fields_name(const struct config_fields *fields, uint32_t number)
{
    if (number == FIELD_ALIVE)
        return "alive";
    CHECK(number < fields->count);
    return fields->names[number];
}

bool
config_fields_find(const struct config_fields *fields, struct text name, uint32_t *number)
{
    CHECK(fields->names != NULL);
    *number = FIELD_ALIVE;
    if (name.bytes == 0)
        return true;
    for (uint32_t i = 0; i < fields->count; i++) {
        if (text_is(name, fields->names[i])) {
            *number = i;
            return true;
        }
    }
    return false;
}

void
config_fields_add(const struct config_fields *fields, const struct text *names, uint32_t count,
                  struct field_set *set)
{
    CHECK(names != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number;
        if (config_fields_find(fields, names[i], &number))
            field_set_add(set, number);
    }
}

struct field_set
config_fields_written(const struct config_fields *fields)
{
    struct field_set written = {{0}};
    for (uint32_t i = 0; i < fields->count; i++)
        field_set_add(&written, i);
    field_set_add(&written, FIELD_ALIVE);
    CHECK(field_set_includes(&written, &fields->computed));
    field_set_remove_all(&written, &fields->computed);
    return written;
}

static const struct config_sort_field *
fields_find_sort(const struct config_index *index, const char *name)
{
    for (uint32_t i = 0; i < index->sort_field_count; i++)
        if (strcmp(index->sort_fields[i].name, name) == 0)
            return &index->sort_fields[i];
    return NULL;
}

struct field_set
config_fields_sources(const struct config_fields *fields, uint32_t number)
{
    struct field_set sources = {{0}};
    CHECK(number == FIELD_ALIVE || number < fields->count);
    if (!field_set_has(&fields->computed, number)) {
        field_set_add(&sources, number);
        return sources;
    }
    const struct config_sort_field *sort = fields_find_sort(fields->index, fields->names[number]);
    CHECK(sort != NULL && sort->source_field_count > 0);
    for (uint32_t i = 0; i < sort->source_field_count; i++) {
        uint32_t source;
        CHECK(config_fields_find(fields, text_of(sort->source_fields[i]), &source));
        field_set_add(&sources, source);
    }
    return sources;
}
