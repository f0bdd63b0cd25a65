#include "producer/verify/verdict_answer.h"

#include "common/base/check.h"
#include "common/event/chunk.h"
#include "common/json/json_parse.h"

enum { ANSWER_DEPTH = 16 };

struct text
verdict_field_name(struct text field)
{
    return field.bytes > 0 ? field : TEXT("(existence)");
}

struct answer_reader {
    struct arena *arena;
    struct error *err;
};

/* The member of that kind; NULL: `err` is set. */
static const struct json_value *
read_member(const struct answer_reader *reader, const struct json_value *object, const char *key,
            enum json_kind kind)
{
    const struct json_value *member = json_member(object, key);
    if (member != NULL && member->kind == kind)
        return member;
    error_set(reader->err, ERR_DATA,
              "the answer has no %s \"%s\": it is not of a bitdex-consumer"
              " of this version",
              json_kind_name(kind), key);
    return NULL;
}

static int
read_text(const struct answer_reader *reader, const struct json_value *object, const char *key,
          struct text *text)
{
    const struct json_value *member = read_member(reader, object, key, JSON_STRING);
    if (member == NULL)
        return ERR_DATA;
    *text = member->string;
    return 0;
}

static int
read_integer(const struct answer_reader *reader, const struct json_value *object, const char *key,
             int64_t *integer)
{
    const struct json_value *member = read_member(reader, object, key, JSON_INTEGER);
    if (member == NULL)
        return ERR_DATA;
    *integer = member->integer;
    return 0;
}

/* Null, or no such member, is `otherwise`. */
static int
read_optional(const struct answer_reader *reader, const struct json_value *object, const char *key,
              int64_t otherwise, int64_t *integer)
{
    const struct json_value *member = json_member(object, key);
    *integer = otherwise;
    if (member == NULL || member->kind == JSON_NULL)
        return 0;
    return read_integer(reader, object, key, integer);
}

static int
read_fields(const struct answer_reader *reader, const struct json_value *object, const char *key,
            struct verdict_fields *fields)
{
    const struct json_value *list = read_member(reader, object, key, JSON_ARRAY);
    if (list == NULL)
        return ERR_DATA;
    struct text *items = arena_alloc(reader->arena, (list->array.count + 1) * sizeof *items);
    for (uint32_t i = 0; i < list->array.count; i++) {
        if (list->array.items[i].kind != JSON_STRING)
            return error_set(reader->err, ERR_DATA, "\"%s\" names a field that is no string", key);
        items[i] = list->array.items[i].string;
    }
    *fields = (struct verdict_fields){items, list->array.count};
    return 0;
}

static int
read_difference(const struct answer_reader *reader, const struct json_value *item,
                struct verdict_difference *difference)
{
    difference->source = json_member(item, "source");
    difference->index = json_member(item, "index");
    if (difference->source == NULL || difference->index == NULL)
        return error_set(reader->err, ERR_DATA, "a difference lacks one of its two values");
    int rc = read_text(reader, item, "field", &difference->field);
    return rc == 0 ? read_integer(reader, item, "id", &difference->entity_id) : rc;
}

static int
read_differences(const struct answer_reader *reader, const struct json_value *item,
                 struct verdict_range *range)
{
    const struct json_value *list = read_member(reader, item, "differences", JSON_ARRAY);
    if (list == NULL)
        return ERR_DATA;
    struct verdict_difference *items =
        arena_alloc(reader->arena, (list->array.count + 1) * sizeof *items);
    int rc = read_optional(reader, item, "differences_total", list->array.count,
                           &range->differences_total);
    for (uint32_t i = 0; rc == 0 && i < list->array.count; i++)
        rc = read_difference(reader, &list->array.items[i], &items[i]);
    range->differences = items;
    range->difference_count = list->array.count;
    return rc;
}

/* They are absent unless they were asked for, and null when the shard does not have them. */
static int
read_sums(const struct answer_reader *reader, const struct json_value *item,
          struct verdict_range *range)
{
    const struct json_value *found = json_member(item, "sums");
    if (found == NULL || found->kind == JSON_NULL)
        return 0;
    const struct json_value *object = read_member(reader, item, "sums", JSON_OBJECT);
    if (object == NULL)
        return ERR_DATA;
    struct verdict_sum *sums =
        arena_alloc(reader->arena, (object->object.count + 1) * sizeof *sums);
    for (uint32_t i = 0; i < object->object.count; i++) {
        const struct json_member *member = &object->object.members[i];
        if (member->value.kind != JSON_STRING)
            return error_set(reader->err, ERR_DATA, "a sum is no string");
        sums[i] = (struct verdict_sum){member->key, member->value.string};
    }
    range->sums = sums;
    range->sum_count = object->object.count;
    return 0;
}

static int
read_range(const struct answer_reader *reader, const struct json_value *item,
           struct verdict_range *range)
{
    *range = (struct verdict_range){.end = CHUNK_NO_END};
    int rc = read_integer(reader, item, "begin", &range->begin);
    if (rc == 0)
        rc = read_optional(reader, item, "end", CHUNK_NO_END, &range->end);
    if (rc == 0)
        rc = read_integer(reader, item, "job", &range->job);
    if (rc == 0)
        rc = read_optional(reader, item, "check_job", 0, &range->check_job);
    if (rc == 0)
        rc = read_integer(reader, item, "tick", &range->tick);
    if (rc == 0)
        rc = read_fields(reader, item, "equal", &range->equal);
    if (rc == 0)
        rc = read_fields(reader, item, "differing", &range->differing);
    if (rc == 0)
        rc = read_fields(reader, item, "not_comparable", &range->not_comparable);
    if (rc == 0)
        rc = read_differences(reader, item, range);
    if (rc == 0)
        rc = read_sums(reader, item, range);
    if (rc == 0 && (range->begin < 0 || range->begin >= range->end))
        rc = error_set(reader->err, ERR_DATA, "a verdict is about no entity");
    return rc;
}

static int
read_partition(const struct answer_reader *reader, const struct json_value *item,
               struct verdict_partition *partition)
{
    int64_t number = 0;
    int rc = read_integer(reader, item, "partition", &number);
    if (rc == 0)
        rc = read_integer(reader, item, "epoch", &partition->epoch);
    if (rc == 0)
        rc = read_integer(reader, item, "tick", &partition->tick);
    const struct json_value *list =
        rc == 0 ? read_member(reader, item, "ranges", JSON_ARRAY) : NULL;
    if (list == NULL)
        return ERR_DATA;
    if (number < 0 || number > INT32_MAX)
        return error_set(reader->err, ERR_DATA, "the number of a partition is out of bounds");
    struct verdict_range *ranges =
        arena_alloc(reader->arena, (list->array.count + 1) * sizeof *ranges);
    for (uint32_t i = 0; rc == 0 && i < list->array.count; i++)
        rc = read_range(reader, &list->array.items[i], &ranges[i]);
    partition->partition = (int32_t)number;
    partition->ranges = ranges;
    partition->range_count = list->array.count;
    return rc;
}

static int
read_partitions(const struct answer_reader *reader, const struct json_value *root,
                struct verdict_answer *answer)
{
    const struct json_value *list = read_member(reader, root, "partitions", JSON_ARRAY);
    if (list == NULL)
        return ERR_DATA;
    struct verdict_partition *partitions =
        arena_alloc(reader->arena, (list->array.count + 1) * sizeof *partitions);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < list->array.count; i++)
        rc = read_partition(reader, &list->array.items[i], &partitions[i]);
    answer->partitions = partitions;
    answer->partition_count = list->array.count;
    return rc;
}

static int
read_reasons(const struct answer_reader *reader, const struct json_value *root,
             struct verdict_answer *answer)
{
    const struct json_value *list = read_member(reader, root, "not_comparable", JSON_ARRAY);
    if (list == NULL)
        return ERR_DATA;
    struct verdict_reason *reasons =
        arena_alloc(reader->arena, (list->array.count + 1) * sizeof *reasons);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < list->array.count; i++) {
        rc = read_text(reader, &list->array.items[i], "field", &reasons[i].field);
        if (rc == 0)
            rc = read_text(reader, &list->array.items[i], "reason", &reasons[i].reason);
    }
    answer->reasons = reasons;
    answer->reason_count = list->array.count;
    return rc;
}

static int
read_summary(const struct answer_reader *reader, const struct json_value *root,
             struct verdict_answer *answer)
{
    const struct json_value *oldest = json_member(root, "oldest_s");
    int rc = read_integer(reader, root, "ranges", &answer->ranges);
    if (rc == 0)
        rc = read_integer(reader, root, "differing", &answer->differing);
    answer->oldest_s = -1;
    if (oldest != NULL && oldest->kind == JSON_INTEGER)
        answer->oldest_s = (double)oldest->integer;
    else if (oldest != NULL && oldest->kind == JSON_FLOAT)
        answer->oldest_s = oldest->real;
    return rc;
}

int
verdict_answer_parse(struct text json, struct arena *arena, struct verdict_answer *answer,
                     struct error *err)
{
    const struct answer_reader reader = {arena, err};
    const struct json_value *root;
    CHECK(json.data != NULL || json.bytes == 0);
    *answer = (struct verdict_answer){0};
    int rc = json_parse(json, ANSWER_DEPTH, arena, &root, err);
    if (rc == 0)
        rc = read_text(&reader, root, "index", &answer->index);
    if (rc == 0)
        rc = read_text(&reader, root, "group", &answer->group);
    if (rc == 0)
        rc = read_partitions(&reader, root, answer);
    if (rc == 0)
        rc = read_reasons(&reader, root, answer);
    return rc == 0 ? read_summary(&reader, root, answer) : rc;
}
