#include "consumer/dumps/dump_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

void
dump_list_init(struct dump_list *list, int32_t partitions)
{
    CHECK(partitions > 0);
    *list = (struct dump_list){.partition_count = partitions};
    list->partitions = memory_zalloc((size_t)partitions * sizeof *list->partitions);
    list->items = memory_zalloc(DUMPS_MAX * sizeof *list->items);
    for (int32_t i = 0; i < partitions; i++) {
        list->partitions[i].seen_offset = -1;
        list->partitions[i].durable_offset = -1;
    }
}

void
dump_list_clear(struct dump_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i].offsets);
    list->count = 0;
}

void
dump_list_free(struct dump_list *list)
{
    dump_list_clear(list);
    free(list->items);
    free(list->partitions);
}

bool
dump_name_is_valid(struct text name)
{
    for (size_t i = 0; i < name.bytes; i++)
        if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f || name.data[i] == '/')
            return false;
    return name.bytes > 0 && name.bytes <= DUMP_NAME_BYTES_MAX;
}

const char *
dump_status_name(enum dump_status status)
{
    static const char *const names[DUMP_STATUSES] = {
        [DUMP_WRITING] = "Writing",
        [DUMP_LOADING] = "Loading",
        [DUMP_COMPLETE] = "Complete",
        [DUMP_FAILED] = "Failed",
    };
    CHECK(status < DUMP_STATUSES);
    return names[status];
}

static struct dump *
list_find(const struct dump_list *list, struct text name)
{
    CHECK(list->count <= DUMPS_MAX);
    for (uint32_t i = 0; i < list->count; i++)
        if (text_is(name, list->items[i].name))
            return &list->items[i];
    return NULL;
}

const struct dump *
dump_list_find(const struct dump_list *list, struct text name)
{
    return list_find(list, name);
}

bool
dump_list_all_complete(const struct dump_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].status != DUMP_COMPLETE)
            return false;
    return list->count > 0;
}

/* --- one dump -------------------------------------------------------------------------------- */

static bool
dump_has_ended(const struct dump *dump)
{
    return dump->status == DUMP_COMPLETE || dump->status == DUMP_FAILED;
}

/* The only function that changes a status: it never goes back. */
static void
dump_move(struct dump *dump, enum dump_status to)
{
    CHECK(!dump_has_ended(dump));
    CHECK(to > dump->status);
    CHECK(to != DUMP_COMPLETE || dump->status == DUMP_LOADING);
    dump->status = to;
}

/* A reason that is cut does not end inside of a character. */
static void
dump_fail(struct dump *dump, const char *reason)
{
    CHECK(reason[0] != '\0');
    dump_move(dump, DUMP_FAILED);
    int bytes = snprintf(dump->failed, sizeof dump->failed, "%s", reason);
    if (bytes < (int)sizeof dump->failed)
        return;
    size_t end = sizeof dump->failed - 1;
    while (end > 1 && (dump->failed[end - 1] & 0x80) != 0)
        end--;
    dump->failed[end] = '\0';
}

/* Was it registered by a load before the load `job` of `epoch`? */
static bool
dump_is_of_earlier_load(const struct dump *dump, int64_t epoch, int64_t job)
{
    CHECK(job > 0);
    return dump->job > 0 && (dump->epoch < epoch || (dump->epoch == epoch && dump->job < job));
}

/* Has the partition applied what the dump waits for there? */
static bool
dump_is_applied(const struct dump *dump, const struct dump_partition *partition, int32_t at)
{
    CHECK(partition->is_owned);
    if (dump->offsets[at] < 0)
        return dump->job == 0;
    return partition->durable_offset > dump->offsets[at];
}

/* Completes the dump when everything is applied. Returns whether it did. */
static bool
dump_step(struct dump *dump, const struct dump_list *list, int64_t now_s)
{
    int32_t owned = 0;
    if (dump->status != DUMP_LOADING || !list->is_assigned)
        return false;
    for (int32_t i = 0; i < list->partition_count; i++) {
        const struct dump_partition *partition = &list->partitions[i];
        if (partition->is_owned && !dump_is_applied(dump, partition, i))
            return false;
        owned += partition->is_owned;
    }
    if (dump->job > 0 ? owned == 0 : dump->ops_processed < dump->ops_written)
        return false;
    dump_move(dump, DUMP_COMPLETE);
    dump->completed_at_s = now_s;
    if (dump->job > 0)
        dump->ops_processed = dump->ops_written;
    return true;
}

static bool
list_step(struct dump_list *list, int64_t now_s)
{
    bool changed = false;
    for (uint32_t i = 0; i < list->count; i++)
        changed = dump_step(&list->items[i], list, now_s) || changed;
    return changed;
}

/* --- registration ---------------------------------------------------------------------------- */

static void
list_remove_at(struct dump_list *list, uint32_t at)
{
    CHECK(at < list->count);
    free(list->items[at].offsets);
    list->count--;
    memmove(&list->items[at], &list->items[at + 1], (list->count - at) * sizeof *list->items);
}

/* Makes room by removing the first dump that has ended. */
static bool
list_make_room(struct dump_list *list)
{
    uint32_t at = 0;
    if (list->count < DUMPS_MAX)
        return true;
    while (at < list->count && !dump_has_ended(&list->items[at]))
        at++;
    if (at == list->count)
        return false;
    list_remove_at(list, at);
    return true;
}

/* Registers a dump, in place of the one of its name. NULL: there is no room. */
static struct dump *
list_register(struct dump_list *list, struct text name, int64_t now_s)
{
    struct dump *old = list_find(list, name);
    CHECK(name.bytes <= DUMP_NAME_BYTES_MAX);
    if (old != NULL)
        list_remove_at(list, (uint32_t)(old - list->items));
    else if (!list_make_room(list))
        return NULL;
    CHECK(list->count < DUMPS_MAX);
    struct dump *dump = &list->items[list->count++];
    *dump = (struct dump){.created_at_s = now_s};
    snprintf(dump->name, sizeof dump->name, "%.*s", TEXT_ARGS(name));
    dump->offsets = memory_alloc((size_t)list->partition_count * sizeof *dump->offsets);
    for (int32_t i = 0; i < list->partition_count; i++)
        dump->offsets[i] = DUMP_OFFSET_NONE;
    return dump;
}

enum dump_outcome
dump_list_put(struct dump_list *list, struct text name, int64_t now_s)
{
    const struct dump *old = list_find(list, name);
    CHECK(dump_name_is_valid(name));
    if (old != NULL && old->job > 0 && !dump_has_ended(old))
        return DUMP_OF_A_LOAD;
    return list_register(list, name, now_s) != NULL ? DUMP_DONE : DUMP_NO_ROOM;
}

enum dump_outcome
dump_list_loaded(struct dump_list *list, struct text name, int64_t ops_written, int64_t now_s)
{
    struct dump *dump = list_find(list, name);
    CHECK(ops_written >= 0);
    if (dump == NULL)
        return DUMP_UNKNOWN;
    if (dump->job > 0)
        return DUMP_OF_A_LOAD;
    if (dump_has_ended(dump)) /* a client that got no answer asks again */
        return dump->status == DUMP_COMPLETE ? DUMP_DONE : DUMP_ENDED;
    dump->ops_written = ops_written;
    if (ops_written == 0)
        dump_fail(dump, "the source has written nothing (ops_written is 0)");
    else if (dump->status == DUMP_WRITING)
        dump_move(dump, DUMP_LOADING);
    dump_step(dump, list, now_s);
    return DUMP_DONE;
}

enum dump_outcome
dump_list_remove(struct dump_list *list, struct text name)
{
    const struct dump *dump = list_find(list, name);
    if (dump == NULL)
        return DUMP_UNKNOWN;
    list_remove_at(list, (uint32_t)(dump - list->items));
    return DUMP_DONE;
}

bool
dump_list_counts(const struct dump_list *list, struct text name)
{
    const struct dump *dump = list_find(list, name);
    return dump != NULL && dump->job == 0 && !dump_has_ended(dump);
}

void
dump_list_post(struct dump_list *list, struct text name, uint64_t entries, const int64_t *offsets,
               int64_t now_s)
{
    if (!dump_list_counts(list, name))
        return;
    struct dump *dump = list_find(list, name);
    CHECK(entries <= INT64_MAX / 2 && dump->ops_processed <= INT64_MAX / 2);
    dump->ops_processed += (int64_t)entries;
    for (int32_t i = 0; offsets != NULL && i < list->partition_count; i++)
        if (offsets[i] > dump->offsets[i])
            dump->offsets[i] = offsets[i];
    dump_step(dump, list, now_s);
}

/* --- marks of loads -------------------------------------------------------------------------- */

/* A later load has begun in the partition, so an earlier one that has not ended there never will.
 */
static void
list_fail_earlier(struct dump_list *list, int32_t partition, const struct dump_mark *mark)
{
    char reason[DUMP_REASON_BYTES];
    snprintf(reason, sizeof reason,
             "job %" PRId64 " began in partition %d before this load had ended there",
             mark->job->job, partition);
    for (uint32_t i = 0; i < list->count; i++) {
        struct dump *dump = &list->items[i];
        if (!dump_has_ended(dump) && dump->offsets[partition] < 0 &&
            dump_is_of_earlier_load(dump, mark->epoch, mark->job->job))
            dump_fail(dump, reason);
    }
}

static bool
mark_names(const struct dump_mark *mark, const char *name)
{
    for (uint32_t i = 0; i < mark->job->dump_count; i++)
        if (text_is(mark->job->dumps[i].name, name))
            return true;
    return false;
}

/* The load has begun again in the partition, and some sources are not among the new ones. */
static void
list_fail_left_out(struct dump_list *list, int32_t partition, const struct dump_mark *mark)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct dump *dump = &list->items[i];
        if (!dump_has_ended(dump) && dump->offsets[partition] < DUMP_OFFSET_NONE &&
            dump->epoch == mark->epoch && dump->job == mark->job->job &&
            !mark_names(mark, dump->name))
            dump_fail(dump, "the load began again, from other definitions of its sources");
    }
}

/* Has the partition read the end of this load, or of a later one? */
static bool
partition_has_ended(const struct dump_partition *partition, const struct dump_mark *mark)
{
    return partition->ended_epoch > mark->epoch ||
           (partition->ended_epoch == mark->epoch && partition->ended_job >= mark->job->job);
}

/* NULL: it cannot be registered. */
static struct dump *
list_register_load(struct dump_list *list, const struct dump_mark *mark, struct text name,
                   int64_t now_s)
{
    if (name.bytes == 0 || name.bytes > DUMP_NAME_BYTES_MAX)
        return NULL;
    struct dump *dump = list_register(list, name, now_s);
    if (dump == NULL)
        return NULL;
    dump->epoch = mark->epoch;
    dump->job = mark->job->job;
    for (int32_t i = 0; i < list->partition_count; i++)
        if (partition_has_ended(&list->partitions[i], mark))
            dump->offsets[i] = 0; /* the dump was removed meanwhile */
    return dump;
}

/* Every partition reports the load; the first one registers the dump. False: it cannot be. */
static bool
list_begin_dump(struct dump_list *list, int32_t partition, const struct dump_mark *mark,
                struct text name, int64_t now_s)
{
    struct dump *dump = list_find(list, name);
    if (dump == NULL || dump->job == 0 ||
        dump_is_of_earlier_load(dump, mark->epoch, mark->job->job))
        dump = list_register_load(list, mark, name, now_s);
    if (dump == NULL)
        return false;
    if (dump->epoch == mark->epoch && dump->job == mark->job->job &&
        dump->offsets[partition] == DUMP_OFFSET_NONE)
        dump->offsets[partition] = dump_offset_begun(mark->offset);
    return true;
}

static uint32_t
list_begin(struct dump_list *list, int32_t partition, const struct dump_mark *mark, int64_t now_s)
{
    uint32_t ignored = 0;
    list_fail_earlier(list, partition, mark);
    list_fail_left_out(list, partition, mark);
    for (uint32_t i = 0; i < mark->job->dump_count; i++)
        ignored += !list_begin_dump(list, partition, mark, mark->job->dumps[i].name, now_s);
    return ignored;
}

static void
list_end_dump(struct dump_list *list, int32_t partition, const struct dump_mark *mark,
              const struct job_dump *ended)
{
    struct dump *dump = list_find(list, ended->name);
    if (dump == NULL || dump->epoch != mark->epoch || dump->job != mark->job->job ||
        dump_has_ended(dump))
        return;
    dump->offsets[partition] = mark->offset;
    dump->ops_written = ended->ops_written;
    char reason[2 * DUMP_REASON_BYTES];
    if (ended->failed.bytes > 0)
        snprintf(reason, sizeof reason, "%.*s", TEXT_ARGS(ended->failed));
    else
        snprintf(reason, sizeof reason, "partition %d: %s", partition, mark->incomplete);
    if (ended->failed.bytes > 0 || mark->incomplete[0] != '\0')
        dump_fail(dump, reason);
    else if (dump->status == DUMP_WRITING)
        dump_move(dump, DUMP_LOADING);
}

static void
list_end(struct dump_list *list, int32_t partition, const struct dump_mark *mark, int64_t now_s)
{
    struct dump_partition *at = &list->partitions[partition];
    if (!partition_has_ended(at, mark)) {
        at->ended_epoch = mark->epoch;
        at->ended_job = mark->job->job;
    }
    for (uint32_t i = 0; i < mark->job->dump_count; i++)
        list_end_dump(list, partition, mark, &mark->job->dumps[i]);
    list_step(list, now_s);
}

uint32_t
dump_list_mark(struct dump_list *list, int32_t partition, const struct dump_mark *mark,
               int64_t now_s)
{
    struct dump_partition *at = &list->partitions[partition];
    uint32_t ignored = 0;
    CHECK(0 <= partition && partition < list->partition_count);
    CHECK(mark->offset >= 0);
    CHECK(mark->job->job > 0);
    if (mark->offset <= at->seen_offset) /* the partition is read again */
        return 0;
    at->seen_offset = mark->offset;
    if (mark->job->kind == JOB_BEGIN)
        ignored = list_begin(list, partition, mark, now_s);
    else
        list_end(list, partition, mark, now_s);
    return ignored;
}

/* --- partitions ------------------------------------------------------------------------------ */

void
dump_list_own(struct dump_list *list, int32_t partition, bool is_owned)
{
    struct dump_partition *at = &list->partitions[partition];
    CHECK(0 <= partition && partition < list->partition_count);
    at->is_owned = is_owned;
    at->durable_offset = -1;
}

void
dump_list_assigned(struct dump_list *list, bool is_known, int64_t now_s)
{
    list->is_assigned = is_known;
    list_step(list, now_s);
}

void
dump_list_recovered(struct dump_list *list, int32_t partition, int64_t durable_offset,
                    int64_t now_s)
{
    struct dump_partition *at = &list->partitions[partition];
    CHECK(0 <= partition && partition < list->partition_count);
    CHECK(durable_offset >= 0);
    at->durable_offset = durable_offset;
    if (at->seen_offset >= durable_offset) {
        at->seen_offset = durable_offset - 1;
        at->ended_epoch = 0;
        at->ended_job = 0;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        struct dump *dump = &list->items[i];
        int64_t *offset = &dump->offsets[partition];
        if (dump->job > 0 &&
            (*offset >= durable_offset || dump_offset_begun(*offset) >= durable_offset))
            *offset = DUMP_OFFSET_NONE;
    }
    list_step(list, now_s);
}

bool
dump_list_durable(struct dump_list *list, int32_t partition, int64_t durable_offset, int64_t now_s)
{
    struct dump_partition *at = &list->partitions[partition];
    CHECK(0 <= partition && partition < list->partition_count);
    if (durable_offset <= at->durable_offset)
        return false;
    at->durable_offset = durable_offset;
    return list_step(list, now_s);
}
