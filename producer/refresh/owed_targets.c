#include "producer/refresh/owed_targets.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "producer/refresh/row_requests.h"

enum { BUCKETS_FIRST = 64, ROWS_FIRST = 2 };

static void
target_free(struct owed_target *target)
{
    free(target->rows);
    free(target->ids);
    free(target);
}

static void
list_free(struct owed_list *list)
{
    while (list->first != NULL) {
        struct owed_target *target = list->first;
        list->first = target->after;
        target_free(target);
    }
    list->last = NULL;
}

void
owed_targets_free(struct owed_targets *targets)
{
    list_free(&targets->queue);
    list_free(&targets->paused);
    list_free(&targets->sources);
    free(targets->buckets);
    *targets = (struct owed_targets){0};
}

static void
list_append(struct owed_list *list, struct owed_target *target)
{
    CHECK(target->list == NULL && target->before == NULL && target->after == NULL);
    target->list = list;
    target->before = list->last;
    if (list->last != NULL)
        list->last->after = target;
    else
        list->first = target;
    list->last = target;
}

static void
list_remove(struct owed_target *target)
{
    struct owed_list *list = target->list;
    CHECK(list != NULL && (target->before == NULL) == (list->first == target));
    CHECK((target->after == NULL) == (list->last == target));
    if (target->before != NULL)
        target->before->after = target->after;
    else
        list->first = target->after;
    if (target->after != NULL)
        target->after->before = target->before;
    else
        list->last = target->before;
    target->list = NULL;
    target->before = NULL;
    target->after = NULL;
}

static struct owed_target **
find_bucket(const struct owed_targets *targets, uint64_t hash)
{
    CHECK(targets->bucket_count > 0);
    return &targets->buckets[hash & (targets->bucket_count - 1)];
}

static void
grow(struct owed_targets *targets)
{
    struct owed_target **old = targets->buckets;
    uint32_t old_count = targets->bucket_count;
    targets->bucket_count = old_count == 0 ? BUCKETS_FIRST : 2 * old_count;
    targets->buckets = memory_zalloc(targets->bucket_count * sizeof *targets->buckets);
    for (uint32_t i = 0; i < old_count; i++)
        for (struct owed_target *target = old[i], *next; target != NULL; target = next) {
            struct owed_target **bucket = find_bucket(targets, target->hash);
            next = target->chain;
            target->chain = *bucket;
            *bucket = target;
        }
    free(old);
}

static uint64_t
text_bytes(const struct request *request)
{
    uint64_t bytes = request->key.bytes;
    for (uint32_t i = 0; i < request->field_count; i++)
        bytes += sizeof *request->fields + request->fields[i].bytes;
    return bytes;
}

static struct text
take_text(char **at, struct text text)
{
    struct text copy = {*at, text.bytes};
    if (text.bytes > 0)
        memcpy(*at, text.data, text.bytes);
    *at += text.bytes;
    return copy;
}

/* One allocation: the target, the list of its fields, and the bytes of all texts. */
static struct owed_target *
target_create(const struct request *request, uint64_t hash)
{
    uint64_t bytes = text_bytes(request);
    struct owed_target *target = memory_zalloc(sizeof *target + bytes);
    struct text *fields = (struct text *)(void *)(target + 1);
    char *at = (char *)(fields + request->field_count);
    target->request = *request;
    target->hash = hash;
    target->bytes = bytes;
    target->request.key = take_text(&at, request->key);
    for (uint32_t i = 0; i < request->field_count; i++)
        fields[i] = take_text(&at, request->fields[i]);
    target->request.fields = fields;
    return target;
}

struct owed_target *
owed_targets_get(struct owed_targets *targets, const struct request *request)
{
    uint64_t hash = request_hash(request);
    if (targets->count >= targets->bucket_count)
        grow(targets);
    struct owed_target **bucket = find_bucket(targets, hash);
    for (struct owed_target *target = *bucket; target != NULL; target = target->chain)
        if (target->hash == hash && request_equal(&target->request, request))
            return target;
    struct owed_target *target = target_create(request, hash);
    target->chain = *bucket;
    *bucket = target;
    targets->count++;
    targets->text_bytes += target->bytes;
    bool is_source = request->kind == REQUEST_SOURCE;
    list_append(is_source ? &targets->sources : &targets->queue, target);
    return target;
}

/* Makes room at the end: of what was answered, or more. */
static void
target_make_room(struct owed_target *target)
{
    uint32_t count = target->end - target->begin;
    if (target->begin > 0 && count <= target->capacity / 2) {
        memmove(target->rows, target->rows + target->begin, count * sizeof *target->rows);
        memmove(target->ids, target->ids + target->begin, count * sizeof *target->ids);
        target->begin = 0;
        target->end = count;
        return;
    }
    target->capacity = target->capacity == 0 ? ROWS_FIRST : 2 * target->capacity;
    target->rows = memory_realloc(target->rows, target->capacity * sizeof(struct owed_row *));
    target->ids = memory_realloc(target->ids, target->capacity * sizeof *target->ids);
}

void
owed_target_append(struct owed_target *target, struct owed_row *row, int64_t id)
{
    if (target->end == target->capacity)
        target_make_room(target);
    CHECK(target->end < target->capacity);
    target->rows[target->end] = row;
    target->ids[target->end++] = id;
}

static void
targets_forget(struct owed_targets *targets, struct owed_target *target)
{
    struct owed_target **link = find_bucket(targets, target->hash);
    CHECK(target->begin == target->end);
    while (*link != target)
        link = &(*link)->chain;
    *link = target->chain;
    targets->count--;
    targets->text_bytes -= target->bytes;
    list_remove(target);
    target_free(target);
}

void
owed_targets_answer(struct owed_targets *targets, struct owed_target *target, uint32_t count,
                    int64_t now_us, int64_t due_us)
{
    CHECK(count <= target->end - target->begin);
    CHECK(target->list != &targets->paused);
    target->begin += count;
    bool is_source = target->list == &targets->sources;
    bool pauses = due_us > now_us && !is_source;
    if (target->begin == target->end && !pauses) {
        targets_forget(targets, target);
        return;
    }
    if (is_source)
        return;
    list_remove(target);
    target->due_us = due_us;
    list_append(pauses ? &targets->paused : &targets->queue, target);
}

void
owed_targets_wake(struct owed_targets *targets, int64_t now_us)
{
    for (struct owed_target *target = targets->paused.first, *next; target != NULL; target = next) {
        next = target->after;
        if (target->due_us > now_us)
            continue;
        if (target->begin == target->end) {
            targets_forget(targets, target);
            continue;
        }
        list_remove(target);
        list_append(&targets->queue, target);
    }
}
