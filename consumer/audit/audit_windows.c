#include "consumer/audit/audit_windows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/key_table.h"
#include "common/base/memory.h"

enum { GENERATIONS_MAX = 4096 };

/* A generation in one partition. A tick is whole when the partition has its first mark and one of a
 * later tick: whole_begin <= tick < whole_end. */
struct generation_part {
    bool has_fence;
    bool has_marks;
    int64_t whole_begin;
    int64_t whole_end;
};

struct generation {
    int64_t epoch;
    int64_t generation;
    bool has_events;               /* other than fences: all fences were acknowledged before them */
    struct generation_part *parts; /* by partition */
};

/* A tick that is whole in some partitions. */
struct window {
    uint32_t generation; /* index */
    int64_t tick;
    uint64_t marks; /* hash of its marks */
    int32_t first;  /* the first partition that has it */
    int32_t partitions;
    int64_t partition_sum; /* of their numbers: shows the one that is missing */
};

/* Where the partition that is read is. */
struct reading {
    int32_t partition;
    bool is_begun;       /* an event was read */
    uint32_t generation; /* index */
    int64_t tick;        /* of the last mark; -1: none */
    bool has_first;      /* its first mark was read, and so were all others */
    uint64_t marks;
    int64_t offset; /* of the last mark */
};

struct audit_windows {
    int32_t partitions;
    uint32_t ticks_max;
    int64_t every; /* a power of two */
    struct audit_findings *findings;
    struct generation *generations;
    uint32_t generation_count;
    struct key_table generation_places; /* generation and epoch */
    struct window *items;
    uint32_t count;
    struct key_table places; /* tick and generation */
    struct reading reading;
    bool *is_cut;    /* by partition, as are the next two */
    uint32_t *first; /* its first and last generation; UINT32_MAX: none */
    uint32_t *last;
};

struct audit_windows *
audit_windows_create(int32_t partitions, uint32_t ticks_max, struct audit_findings *findings)
{
    CHECK(partitions > 0);
    CHECK(ticks_max > 1);
    struct audit_windows *windows = memory_zalloc(sizeof *windows);
    windows->partitions = partitions;
    windows->ticks_max = ticks_max;
    windows->every = 1;
    windows->findings = findings;
    windows->generation_places.keyed_by_word = true;
    windows->places.keyed_by_word = true;
    windows->items = memory_alloc(ticks_max * sizeof *windows->items);
    windows->is_cut = memory_zalloc((size_t)partitions * sizeof *windows->is_cut);
    windows->first = memory_alloc((size_t)partitions * sizeof *windows->first);
    windows->last = memory_alloc((size_t)partitions * sizeof *windows->last);
    memset(windows->first, 0xff, (size_t)partitions * sizeof *windows->first);
    memset(windows->last, 0xff, (size_t)partitions * sizeof *windows->last);
    return windows;
}

void
audit_windows_destroy(struct audit_windows *windows)
{
    if (windows == NULL)
        return;
    for (uint32_t i = 0; i < windows->generation_count; i++)
        free(windows->generations[i].parts);
    key_table_clear(&windows->generation_places);
    key_table_clear(&windows->places);
    free(windows->generations);
    free(windows->items);
    free(windows->is_cut);
    free(windows->first);
    free(windows->last);
    free(windows);
}

void
audit_windows_begin(struct audit_windows *windows, int32_t partition, bool is_cut)
{
    CHECK(partition >= 0 && partition < windows->partitions);
    windows->reading = (struct reading){.partition = partition, .tick = -1};
    windows->is_cut[partition] = is_cut;
}

/* --- the ticks -------------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static bool
tick_is_compared(const struct audit_windows *windows, uint32_t generation, int64_t tick)
{
    return (mix(mix(0, generation), (uint64_t)tick) & (uint64_t)(windows->every - 1)) == 0;
}

static void
windows_place(struct audit_windows *windows, uint32_t at)
{
    const struct window *window = &windows->items[at];
    const struct key_entry place = {window->tick, window->generation, at};
    key_table_put(&windows->places, &place);
}

/* Every second tick is not compared any more. */
static void
windows_thin(struct audit_windows *windows)
{
    uint32_t kept = 0;
    windows->every *= 2;
    CHECK(windows->every > 0);
    key_table_clear(&windows->places);
    for (uint32_t i = 0; i < windows->count; i++) {
        const struct window *window = &windows->items[i];
        if (!tick_is_compared(windows, window->generation, window->tick))
            continue;
        windows->items[kept] = *window;
        windows_place(windows, kept++);
    }
    windows->count = kept;
}

static void
windows_add(struct audit_windows *windows)
{
    const struct reading *reading = &windows->reading;
    while (windows->count == windows->ticks_max)
        windows_thin(windows);
    if (!tick_is_compared(windows, reading->generation, reading->tick))
        return;
    windows->items[windows->count] = (struct window){
        .generation = reading->generation,
        .tick = reading->tick,
        .marks = reading->marks,
        .first = reading->partition,
        .partitions = 1,
        .partition_sum = reading->partition,
    };
    windows_place(windows, windows->count++);
}

/* The tick that was read is whole. */
static void
windows_close(struct audit_windows *windows)
{
    const struct reading *reading = &windows->reading;
    CHECK(reading->has_first && reading->tick >= 0);
    if (!tick_is_compared(windows, reading->generation, reading->tick))
        return;
    const struct key_entry key = {reading->tick, reading->generation, 0};
    const struct key_entry *place = key_table_find(&windows->places, &key);
    if (place == NULL) {
        windows_add(windows);
        return;
    }
    struct window *window = &windows->items[place->value];
    window->partitions++;
    window->partition_sum += reading->partition;
    if (window->marks != reading->marks)
        audit_findings_add(windows->findings, reading->partition, reading->offset,
                           "window not whole: the marks of tick %" PRId64
                           " are others than in partition %d",
                           reading->tick, window->first);
}

/* --- the events ------------------------------------------------------------------------------- */

/* False: there are too many generations. */
static bool
windows_find_generation(struct audit_windows *windows, int64_t offset, const struct event *event,
                        uint32_t *index)
{
    const struct key_entry key = {event->generation, (uint64_t)event->epoch,
                                  windows->generation_count};
    const struct key_entry *place = key_table_find(&windows->generation_places, &key);
    if (place != NULL) {
        *index = (uint32_t)place->value;
        return true;
    }
    if (windows->generation_count == GENERATIONS_MAX) {
        audit_findings_add(windows->findings, windows->reading.partition, offset,
                           "more than %d generations: windows cannot be compared", GENERATIONS_MAX);
        return false;
    }
    if (windows->generations == NULL)
        windows->generations = memory_zalloc(GENERATIONS_MAX * sizeof *windows->generations);
    struct generation *made = &windows->generations[windows->generation_count];
    made->epoch = event->epoch;
    made->generation = event->generation;
    made->parts = memory_zalloc((size_t)windows->partitions * sizeof *made->parts);
    key_table_put(&windows->generation_places, &key);
    *index = windows->generation_count++;
    return true;
}

/* What all partitions have of a mark. */
static uint64_t
mark_hash(const struct event *event)
{
    const struct mark *mark = &event->mark;
    const int64_t numbers[] = {event->tick,        mark->kind,         mark->last_row_id,
                               mark->max_row_id,   mark->backlog_rows, mark->clock_us,
                               mark->source_empty, mark->partitions,   mark->has_content,
                               mark->voided,       mark->field_count};
    uint64_t hash = mix(text_hash(mark->snapshot), text_hash(mark->topic_id));
    hash = mix(mix(hash, text_hash(mark->start_name)), text_hash(event->source));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        hash = mix(hash, (uint64_t)numbers[i]);
    for (uint32_t i = 0; i < mark->field_count; i++)
        hash = mix(hash, text_hash(mark->fields[i]));
    return hash;
}

static void
windows_take_mark(struct audit_windows *windows, int64_t offset, const struct event *event)
{
    struct reading *reading = &windows->reading;
    struct generation_part *part =
        &windows->generations[reading->generation].parts[reading->partition];
    bool is_first = event->tick != reading->tick;
    CHECK(event->kind == EVENT_MARK);
    if (is_first && reading->has_first)
        windows_close(windows);
    if (is_first) {
        /* The first mark of a partition may follow others of its tick that retention removed. */
        reading->has_first = reading->tick >= 0 || event->mark.kind == MARK_FENCE;
        reading->marks = 0;
    }
    if (!part->has_marks)
        part->whole_begin = event->tick + !reading->has_first;
    part->has_marks = true;
    part->whole_end = event->tick;
    reading->tick = event->tick;
    reading->marks = mix(reading->marks, mark_hash(event));
    reading->offset = offset;
}

static void
windows_take_generation(struct audit_windows *windows, uint32_t index)
{
    struct reading *reading = &windows->reading;
    if (reading->is_begun && reading->generation == index)
        return;
    if (!reading->is_begun)
        windows->first[reading->partition] = index;
    windows->last[reading->partition] = index;
    reading->is_begun = true;
    reading->generation = index;
    reading->tick = -1;
    reading->has_first = false;
}

void
audit_windows_take(struct audit_windows *windows, int64_t offset, const struct event *event)
{
    uint32_t index;
    CHECK(event->epoch > 0 && event->generation > 0);
    if (!windows_find_generation(windows, offset, event, &index))
        return;
    windows_take_generation(windows, index);
    struct generation *generation = &windows->generations[index];
    bool is_fence = event->kind == EVENT_MARK && event->mark.kind == MARK_FENCE;
    if (is_fence)
        generation->parts[windows->reading.partition].has_fence = true;
    else
        generation->has_events = true;
    if (event->kind == EVENT_MARK)
        windows_take_mark(windows, offset, event);
}

/* --- at the end ------------------------------------------------------------------------------- */

static bool
generation_is_before(const struct generation *a, const struct generation *b)
{
    return a->epoch != b->epoch ? a->epoch < b->epoch : a->generation < b->generation;
}

static void
windows_check_fences(struct audit_windows *windows, const struct generation *generation)
{
    for (int32_t i = 0; generation->has_events && i < windows->partitions; i++) {
        if (windows->first[i] == UINT32_MAX || generation->parts[i].has_fence)
            continue;
        const struct generation *first = &windows->generations[windows->first[i]];
        const struct generation *last = &windows->generations[windows->last[i]];
        bool is_due = !windows->is_cut[i] || generation_is_before(first, generation);
        if (is_due && generation_is_before(generation, last))
            audit_findings_add(windows->findings, i, AUDIT_NO_OFFSET,
                               "generation %" PRId64 " has no fence here, and events elsewhere",
                               generation->generation);
    }
}

static void
windows_check_whole(struct audit_windows *windows, const struct window *window)
{
    const struct generation *generation = &windows->generations[window->generation];
    int32_t expected = 0;
    int64_t missing = -window->partition_sum;
    for (int32_t i = 0; i < windows->partitions; i++) {
        const struct generation_part *part = &generation->parts[i];
        if (!part->has_marks || window->tick < part->whole_begin || window->tick >= part->whole_end)
            continue;
        expected++;
        missing += i;
    }
    if (window->partitions >= expected) /* more: a tick came twice, which is a finding already */
        return;
    bool is_one = window->partitions == expected - 1;
    audit_findings_add(windows->findings, is_one ? (int32_t)missing : window->first,
                       AUDIT_NO_OFFSET,
                       "window not whole: the marks of tick %" PRId64 " of generation %" PRId64
                       " are missing in %s",
                       window->tick, generation->generation,
                       is_one ? "this partition" : "several other partitions");
}

void
audit_windows_finish(struct audit_windows *windows)
{
    for (uint32_t i = 0; i < windows->generation_count; i++)
        windows_check_fences(windows, &windows->generations[i]);
    for (uint32_t i = 0; i < windows->count; i++)
        windows_check_whole(windows, &windows->items[i]);
}

void
audit_windows_count(const struct audit_windows *windows, struct audit_windows_counts *counts)
{
    *counts = (struct audit_windows_counts){.every = windows->every};
    for (uint32_t i = 0; i < windows->count; i++)
        counts->compared += windows->items[i].partitions > 1;
}
