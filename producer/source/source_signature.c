#include "producer/source/source_signature.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"

/* Places in the arrays of a leaf and of a trigger. */
enum { NAME = 0, FILE_NODE = 1, COPIES = 2, CHANGED_BY = 1, HAS_COMMENT = 2, ITEMS = 3 };

enum { DEPTH_MAX = 4, CHANGE_BYTES = 512 };

struct comparison {
    const char *table;
    const struct json_value *before;
    const struct json_value *now;
    const struct json_value *filled;
    struct buffer *reason; /* the first change */
    uint32_t changes;
};

__attribute__((format(printf, 2, 3))) static void
add_change(struct comparison *comparison, const char *format, ...)
{
    char text[CHANGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (comparison->changes++ == 0)
        buffer_append_text(comparison->reason, text);
}

static const struct json_value *
find_member(const struct json_value *object, struct text key)
{
    for (uint32_t i = 0; i < object->object.count; i++)
        if (text_equal(object->object.members[i].key, key))
            return &object->object.members[i].value;
    return NULL;
}

static bool
is_filled(const struct comparison *comparison, struct text oid)
{
    for (uint32_t i = 0; i < comparison->filled->array.count; i++)
        if (text_equal(comparison->filled->array.items[i].string, oid))
            return true;
    return false;
}

/* A partition that is in both: its file is known while no trigger guards it. */
static void
compare_file(struct comparison *comparison, const struct json_value *before,
             const struct json_value *now)
{
    const struct json_value *old_file = &before->array.items[FILE_NODE];
    const struct json_value *new_file = &now->array.items[FILE_NODE];
    if (old_file->kind == JSON_INTEGER && new_file->kind == JSON_INTEGER &&
        old_file->integer != new_file->integer)
        add_change(comparison,
                   "partition %.*s of %s, which has no trigger for TRUNCATE yet, was truncated or"
                   " rewritten",
                   TEXT_ARGS(now->array.items[NAME].string), comparison->table);
}

static void
compare_partitions(struct comparison *comparison)
{
    const struct json_value *before = json_member(comparison->before, "partitions");
    const struct json_value *now = json_member(comparison->now, "partitions");
    for (uint32_t i = 0; i < before->object.count; i++) {
        const struct json_member *member = &before->object.members[i];
        const struct json_value *same = find_member(now, member->key);
        if (same != NULL)
            compare_file(comparison, &member->value, same);
        else
            add_change(comparison, "partition %.*s of %s was detached or dropped",
                       TEXT_ARGS(member->value.array.items[NAME].string), comparison->table);
    }
    for (uint32_t i = 0; i < now->object.count; i++) {
        const struct json_member *member = &now->object.members[i];
        if (find_member(before, member->key) == NULL && is_filled(comparison, member->key))
            add_change(comparison, "partition %.*s of %s was attached with rows",
                       TEXT_ARGS(member->value.array.items[NAME].string), comparison->table);
    }
}

/* A label that is new is the value of no older row. */
static void
compare_labels(struct comparison *comparison)
{
    const struct json_value *before = json_member(comparison->before, "labels");
    const struct json_value *now = json_member(comparison->now, "labels");
    for (uint32_t i = 0; i < before->object.count; i++) {
        const struct json_member *member = &before->object.members[i];
        const struct json_value *label = find_member(now, member->key);
        if (label != NULL && !text_equal(label->string, member->value.string))
            add_change(comparison, "enum label %.*s of a column of %s was renamed to %.*s",
                       TEXT_ARGS(member->value.string), comparison->table,
                       TEXT_ARGS(label->string));
    }
}

/* True: they are the same ones, altered or not. */
static bool
compare_own_triggers(struct comparison *comparison, const struct json_value *before,
                     const struct json_value *now)
{
    bool is_same = before->object.count == now->object.count;
    for (uint32_t i = 0; i < now->object.count; i++) {
        const struct json_member *member = &now->object.members[i];
        const struct json_value *old = find_member(before, member->key);
        const struct json_value *items = member->value.array.items;
        is_same = is_same && old != NULL;
        if (old != NULL &&
            !text_equal(old->array.items[CHANGED_BY].string, items[CHANGED_BY].string))
            add_change(comparison,
                       "trigger %.*s of %s was altered, and may have been disabled for a time",
                       TEXT_ARGS(items[NAME].string), comparison->table);
        else if (old == NULL && !items[HAS_COMMENT].boolean)
            add_change(comparison,
                       "trigger %.*s of %s was created by another command than triggers apply",
                       TEXT_ARGS(items[NAME].string), comparison->table);
    }
    return is_same;
}

/* The copies that partitions have of triggers that are the same. */
static void
compare_copies(struct comparison *comparison)
{
    const struct json_value *before = json_member(comparison->before, "partitions");
    const struct json_value *now = json_member(comparison->now, "partitions");
    for (uint32_t i = 0; i < now->object.count; i++) {
        const struct json_member *member = &now->object.members[i];
        const struct json_value *old = find_member(before, member->key);
        const struct json_value *items = member->value.array.items;
        if (old != NULL && old->array.count == ITEMS &&
            old->array.items[COPIES].integer != items[COPIES].integer)
            add_change(comparison,
                       "triggers of partition %.*s of %s were altered, and may have been disabled"
                       " for a time",
                       TEXT_ARGS(items[NAME].string), comparison->table);
    }
}

static void
compare_triggers(struct comparison *comparison)
{
    const struct json_value *before = json_member(comparison->before, "triggers");
    const struct json_value *now = json_member(comparison->now, "triggers");
    if (before == NULL || now == NULL)
        return;
    uint32_t changes = comparison->changes;
    if (compare_own_triggers(comparison, before, now) && comparison->changes == changes)
        compare_copies(comparison);
}

static void
compare_tables(struct comparison *comparison)
{
    const struct json_value *before = json_member(comparison->before, "oid");
    const struct json_value *now = json_member(comparison->now, "oid");
    const char *table = comparison->table;
    if (before->kind == JSON_NULL && now->kind == JSON_NULL)
        return;
    if (now->kind == JSON_NULL)
        add_change(comparison, "no table has the name %s any more: it was renamed or dropped",
                   table);
    else if (before->kind == JSON_NULL)
        add_change(comparison, "a table has the name %s again", table);
    else if (before->integer != now->integer)
        add_change(comparison, "another table has the name %s: it was exchanged or created again",
                   table);
    if (comparison->changes > 0)
        return;
    compare_partitions(comparison);
    compare_labels(comparison);
    compare_triggers(comparison);
}

static bool
is_oid(const struct json_value *value)
{
    return value != NULL && (value->kind == JSON_INTEGER || value->kind == JSON_NULL);
}

static bool
is_leaf(const struct json_value *value)
{
    return value->kind == JSON_ARRAY &&
           (value->array.count == COPIES ||
            (value->array.count == ITEMS && value->array.items[COPIES].kind == JSON_INTEGER)) &&
           value->array.items[NAME].kind == JSON_STRING && is_oid(&value->array.items[FILE_NODE]);
}

static bool
is_trigger(const struct json_value *value)
{
    return value->kind == JSON_ARRAY && value->array.count == ITEMS &&
           value->array.items[NAME].kind == JSON_STRING &&
           value->array.items[CHANGED_BY].kind == JSON_STRING &&
           value->array.items[HAS_COMMENT].kind == JSON_BOOLEAN;
}

/* Absent in earlier versions. */
static bool
are_triggers(const struct json_value *triggers)
{
    bool are = triggers == NULL || triggers->kind == JSON_OBJECT;
    for (uint32_t i = 0; are && triggers != NULL && i < triggers->object.count; i++)
        are = is_trigger(&triggers->object.members[i].value);
    return are;
}

static bool
is_signature(const struct json_value *value)
{
    const struct json_value *partitions = json_member(value, "partitions");
    const struct json_value *labels = json_member(value, "labels");
    bool is_valid = is_oid(json_member(value, "oid")) && partitions != NULL &&
                    partitions->kind == JSON_OBJECT && labels != NULL &&
                    labels->kind == JSON_OBJECT;
    for (uint32_t i = 0; is_valid && i < partitions->object.count; i++)
        is_valid = is_leaf(&partitions->object.members[i].value);
    for (uint32_t i = 0; is_valid && i < labels->object.count; i++)
        is_valid = labels->object.members[i].value.kind == JSON_STRING;
    return is_valid && are_triggers(json_member(value, "triggers"));
}

static bool
is_list_of_texts(const struct json_value *value)
{
    bool is_valid = value->kind == JSON_ARRAY;
    for (uint32_t i = 0; is_valid && i < value->array.count; i++)
        is_valid = value->array.items[i].kind == JSON_STRING;
    return is_valid;
}

int
source_signature_compare(const struct source_signatures *signatures, struct buffer *reason,
                         struct error *err)
{
    struct arena arena = {0};
    struct comparison comparison = {.table = signatures->table, .reason = reason};
    CHECK(signatures->table != NULL);
    int rc = json_parse(signatures->before, DEPTH_MAX, &arena, &comparison.before, err);
    if (rc == 0)
        rc = json_parse(signatures->now, DEPTH_MAX, &arena, &comparison.now, err);
    if (rc == 0)
        rc = json_parse(signatures->filled, DEPTH_MAX, &arena, &comparison.filled, err);
    if (rc == 0 && (!is_signature(comparison.now) || !is_list_of_texts(comparison.filled)))
        rc = error_set(err, ERR_DATA, "the signature of table %s is invalid", signatures->table);
    if (rc == 0 && is_signature(comparison.before))
        compare_tables(&comparison);
    else if (rc == 0)
        add_change(&comparison, "the saved signature of table %s cannot be understood",
                   signatures->table);
    if (comparison.changes > 1)
        buffer_append_format(reason, ", and %u more changes", comparison.changes - 1);
    arena_free(&arena);
    return rc;
}
