/* The fields of an index as one list, in the order of the engine: the filter fields, then the sort
 * fields that are not filter fields too. The place of a field in the list is its number. Existence
 * (`alive`) counts as a field; events name it "".
 *
 * A struct field_set is a set of these numbers as plain data, which may be copied and compared.
 */
#ifndef COMMON_CONFIG_CONFIG_FIELDS_H
#define COMMON_CONFIG_CONFIG_FIELDS_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* What queries call the entity's id; no field of an index has this name. */
#define CONFIG_FIELD_ID "id"

enum {
    CONFIG_FIELDS_MAX = 1000,
    FIELD_ALIVE = CONFIG_FIELDS_MAX, /* the number of existence */
    FIELD_NUMBERS,                   /* every number is below */
    FIELD_SET_WORDS = (FIELD_NUMBERS + 63) / 64,
};

struct field_set {
    uint64_t words[FIELD_SET_WORDS];
};

void field_set_add(struct field_set *set, uint32_t number);
void field_set_remove(struct field_set *set, uint32_t number);
bool field_set_has(const struct field_set *set, uint32_t number);
bool field_set_is_empty(const struct field_set *set);
/* The least number in the set from `from` on; FIELD_NUMBERS without one. */
uint32_t field_set_next(const struct field_set *set, uint32_t from);
bool field_set_equal(const struct field_set *a, const struct field_set *b);
/* Are all of `part` in `set`? */
bool field_set_includes(const struct field_set *set, const struct field_set *part);
void field_set_add_all(struct field_set *set, const struct field_set *others);
void field_set_remove_all(struct field_set *set, const struct field_set *others);
/* Leaves only those that are in `others` too. */
void field_set_keep_all(struct field_set *set, const struct field_set *others);

/* Immutable; any thread may read it. */
struct config_fields {
    const char **names; /* the configuration's */
    uint32_t count;     /* without existence; at most CONFIG_FIELDS_MAX */
    struct field_set computed;
    struct field_set triggered; /* that entries of `triggers` set; filled where it is needed */
    const struct config_index *index;
};

/* `index` was checked and must outlive `fields`, which the caller frees. */
void config_fields_init(struct config_fields *fields, const struct config_index *index);
void config_fields_free(struct config_fields *fields);

/* How many fields the index has, also when they are more than CONFIG_FIELDS_MAX. */
uint32_t config_fields_count(const struct config_index *index);

/* The type of a field. False: the index has no such field. */
bool config_index_find_type(const struct config_index *index, const char *name,
                            enum config_field_type *type);
/* The integers that a field holds: those of its bits, if it sorts, and of each computed field that
 * it feeds, so that a computed value always fits. Otherwise all of 64 bits. */
void config_index_bounds(const struct config_index *index, const char *name, int64_t *min,
                         int64_t *max);

/* The name of a field; "alive" for existence, which is not a field of that name. */
const char *config_fields_name(const struct config_fields *fields, uint32_t number);
/* False: the index has no such field. "" is existence. */
bool config_fields_find(const struct config_fields *fields, struct text name, uint32_t *number);
/* Adds those of the fields that the index has. */
void config_fields_add(const struct config_fields *fields, const struct text *names, uint32_t count,
                       struct field_set *set);

/* All fields and existence, without computed fields: those that events set. */
struct field_set config_fields_written(const struct config_fields *fields);
/* The fields from which the values of this one come: the field itself, or the sources of a computed
 * one. */
struct field_set config_fields_sources(const struct config_fields *fields, uint32_t number);

#endif
