#include "consumer/partition/as_of.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/config_fields.h"
#include "common/config/config_identity.h"
#include "consumer/checkpoint/checkpoint.h"
#include "consumer/partition/as_of_cut.h"
#include "consumer/partition/data_dir.h"
#include "consumer/partition/history.h"
#include "consumer/partition/position.h"
#include "consumer/wal/wal_scan.h"

enum { ATTEMPTS = 5, ATTEMPT_MS = 100, UNUSABLE = 1 };

static const char *const area = "as of";

struct as_of {
    const struct as_of_wanted *wanted;
    struct frozen_files *frozen;
    struct config_fields fields;
    struct buffer identity;               /* of the log */
    char *path;                           /* {data_dir}/{topic}-{p} */
    char *log;                            /* {path}/wal: the log in the view */
    char *real_log;                       /* NULL: it has no log */
    int64_t checkpoints[CHECKPOINTS_MAX]; /* newest first */
    int checkpoint_count;
    struct buffer segments; /* first offsets of those in the view, int64_t, ascending */
};

/* --- what is there --------------------------------------------------------------------------- */

static int
is_name(void *context, const char *name)
{
    return strcmp(context, name) == 0;
}

/* Also false when the directory cannot be listed: it does not have to exist. */
static bool
as_of_has(const struct as_of *of, const char *directory, const char *name)
{
    struct files *real = of->wanted->real;
    struct error ignored;
    return real->list(real, directory, is_name, (void *)(uintptr_t)name, &ignored) == 1;
}

static void
as_of_find_log(struct as_of *of)
{
    const char *name = as_of_has(of, of->path, "wal.old") ? "wal.old" : "wal";
    free(of->real_log);
    of->real_log = as_of_has(of, of->path, name) ? memory_format("%s/%s", of->path, name) : NULL;
}

static struct checkpoint_place
as_of_place_of(const struct as_of *of, struct files *files, const char *directory)
{
    const struct text identity = {(const char *)of->identity.data, of->identity.bytes};
    return (struct checkpoint_place){files, directory, identity};
}

static int
as_of_list_checkpoints(struct as_of *of, struct error *err)
{
    of->checkpoint_count = 0;
    if (!as_of_has(of, of->real_log, "checkpoint")) /* else listing would create it */
        return 0;
    char *directory = memory_format("%s/checkpoint", of->real_log);
    const struct checkpoint_place place = as_of_place_of(of, of->wanted->real, directory);
    int count = checkpoint_list(&place, of->checkpoints, err);
    free(directory);
    if (count < 0)
        return count;
    of->checkpoint_count = count;
    return 0;
}

static int
as_of_note_segment(void *context, const char *name)
{
    struct as_of *of = context;
    int64_t first_offset;
    if (wal_name_parse(name, &first_offset))
        buffer_append(&of->segments, &first_offset, sizeof first_offset);
    return 0;
}

static uint32_t
as_of_segment_count(const struct as_of *of)
{
    return (uint32_t)(of->segments.bytes / sizeof(int64_t));
}

static int64_t
as_of_segment(const struct as_of *of, uint32_t at)
{
    int64_t first_offset;
    CHECK(at < as_of_segment_count(of));
    memcpy(&first_offset, of->segments.data + at * sizeof first_offset, sizeof first_offset);
    return first_offset;
}

/* --- freezing -------------------------------------------------------------------------------- */

/* A file that was listed and is not there any more was removed by its owner. */
static int
as_of_add(struct as_of *of, const char *name, struct error *err)
{
    char *path = memory_format("%s/%s", of->log, name);
    char *real_path = memory_format("%s/%s", of->real_log, name);
    int rc = frozen_files_add(of->frozen, path, real_path, err);
    if (rc != 0)
        rc = error_wrap(err, ERR_RETRY, "cannot be frozen");
    free(path);
    free(real_path);
    return rc;
}

static int
as_of_add_checkpoint(struct as_of *of, int64_t offset, struct error *err)
{
    const struct checkpoint_place place = as_of_place_of(of, NULL, "checkpoint");
    char *name = checkpoint_path(&place, offset);
    int rc = as_of_add(of, name, err);
    free(name);
    return rc;
}

/* The segments from the one that has `offset` on. */
static int
as_of_add_segments(struct as_of *of, int64_t offset, struct error *err)
{
    struct files *real = of->wanted->real;
    buffer_clear(&of->segments);
    int rc = real->list(real, of->real_log, as_of_note_segment, of, err);
    uint32_t first = 0, count = as_of_segment_count(of);
    while (first + 1 < count && as_of_segment(of, first + 1) <= offset)
        first++;
    for (uint32_t i = first; rc == 0 && i < count; i++) {
        char name[WAL_NAME_BYTES];
        wal_name_format(as_of_segment(of, i), name);
        rc = as_of_add(of, name, err);
    }
    return rc == 0 ? 0 : error_wrap(err, ERR_RETRY, "%s", of->real_log);
}

static void
as_of_clear(struct as_of *of)
{
    frozen_files_clear(of->frozen, of->log);
}

/* --- where the log ends ---------------------------------------------------------------------- */

struct as_of_scan {
    struct as_of *of;
    struct as_of_cut *cut; /* finds the end; NULL: it is `stop` */
    int64_t stop;
    int64_t end;   /* after the last frame up to there; -1: none */
    int64_t ended; /* the first offset of the segment in which the log ends; -1: not yet */
};

static void
as_of_cut_segment(struct as_of *of, int64_t first_offset, int64_t bytes)
{
    char *path = wal_path(of->log, first_offset);
    frozen_files_cut(of->frozen, path, bytes);
    free(path);
}

static int
as_of_frame(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
            struct error *err)
{
    struct as_of_scan *scan = context;
    if (scan->cut != NULL) {
        struct position position;
        const struct text bytes = {frame->position, frame->position_bytes};
        int rc = position_decode(bytes, &scan->of->fields, &position, NULL, err);
        if (rc != 0)
            return rc;
        bool is_before = frame->next_offset <= scan->cut->last_offset; /* than the checkpoint */
        return is_before || as_of_cut_take(scan->cut, frame->next_offset, &position.sequence) ? 0
                                                                                              : 1;
    }
    if (frame->next_offset <= scan->stop) {
        scan->end = frame->next_offset;
        return 0;
    }
    as_of_cut_segment(scan->of, segment->first_offset,
                      segment->frames > 0 ? segment->end_bytes : 0);
    scan->ended = segment->first_offset;
    return 1;
}

/* What is after the last frame was being written. */
static int
as_of_segment_end(void *context, const struct wal_segment *segment, struct error *err)
{
    struct as_of_scan *scan = context;
    (void)err;
    if (scan->cut == NULL)
        as_of_cut_segment(scan->of, segment->first_offset,
                          segment->frames > 0 ? segment->end_bytes : 0);
    return 0;
}

/* Also notes that segments before the checkpoint are not read. */
static int
as_of_skipped(void *context, const struct wal_segment *segment, struct error *err)
{
    (void)context;
    (void)segment;
    (void)err;
    return 0;
}

static int
as_of_scan_log(struct as_of_scan *scan, int64_t begin, struct error *err)
{
    struct as_of *of = scan->of;
    const struct wal_place place = {
        .files = frozen_files_vtable(of->frozen),
        .directory = of->log,
        .identity = {(const char *)of->identity.data, of->identity.bytes},
        .begin_offset = begin,
    };
    const struct wal_visitor visitor = {
        .context = scan,
        .frame = as_of_frame,
        .segment = as_of_segment_end,
        .skipped = as_of_skipped,
    };
    scan->end = scan->ended = -1;
    int rc = wal_scan(&place, &visitor, err);
    for (uint32_t i = as_of_segment_count(of); scan->ended >= 0 && i > 0; i--)
        if (as_of_segment(of, i - 1) > scan->ended)
            as_of_cut_segment(of, as_of_segment(of, i - 1), 0);
    return rc < 0 ? rc : 0;
}

/* Freezes a checkpoint (0: none) and the frames after it up to `stop`. `*end`: after the last one.
 * UNUSABLE: the log cannot be read from there. */
static int
as_of_take_log(struct as_of *of, int64_t checkpoint, int64_t stop, int64_t *end, struct error *err)
{
    struct as_of_scan scan = {.of = of, .stop = stop};
    CHECK(checkpoint <= stop);
    as_of_clear(of);
    int rc = checkpoint > 0 ? as_of_add_checkpoint(of, checkpoint, err) : 0;
    if (rc == 0)
        rc = as_of_add_segments(of, checkpoint, err);
    if (rc != 0)
        return rc;
    rc = as_of_scan_log(&scan, checkpoint, err);
    *end = scan.end > checkpoint ? scan.end : checkpoint;
    if (rc == 0 && *end > 0)
        return 0;
    if (rc != 0 && checkpoint > 0) /* a log whose beginning was removed is usual */
        log_warn(area, "%s: not used from offset %" PRId64 " on: %s", of->real_log, checkpoint,
                 err->message);
    as_of_clear(of);
    return UNUSABLE;
}

/* --- the topic has the moment ---------------------------------------------------------------- */

/* UNUSABLE: there is no log, or it does not meet the topic. */
static int
as_of_meet_topic(struct as_of *of, struct as_of_place *place, struct error *err)
{
    const struct as_of_wanted *wanted = of->wanted;
    int64_t stop = wanted->topic->stop;
    CHECK(stop >= 0);
    for (int i = 0; i <= of->checkpoint_count; i++) {
        int64_t end, checkpoint = i < of->checkpoint_count ? of->checkpoints[i] : 0;
        if (checkpoint > stop)
            continue;
        int rc = as_of_take_log(of, checkpoint, stop, &end, err);
        if (rc < 0)
            return rc;
        if (rc == UNUSABLE)
            continue;
        CHECK(end <= stop);
        *place = (struct as_of_place){end, stop, wanted->topic->stop_us, true};
        if (end == stop || end >= wanted->low)
            return 0;
        as_of_clear(of);
    }
    return UNUSABLE;
}

static void
as_of_read_all(const struct as_of *of, struct as_of_place *place)
{
    const struct as_of_search *topic = of->wanted->topic;
    CHECK(topic->stop >= 0);
    *place = (struct as_of_place){-1, topic->stop, topic->stop_us, true};
}

/* --- it has not ------------------------------------------------------------------------------ */

/* UNUSABLE: nothing from this checkpoint on counts. */
static int
as_of_find_cut(struct as_of *of, int64_t checkpoint, struct as_of_cut *cut, struct error *err)
{
    struct as_of_scan scan = {.of = of, .cut = cut};
    struct position position;
    as_of_cut_begin(cut, of->wanted->topic->time_us);
    as_of_clear(of);
    int rc = 0;
    if (checkpoint > 0) {
        char *directory = memory_format("%s/checkpoint", of->log);
        const struct checkpoint_place place =
            as_of_place_of(of, frozen_files_vtable(of->frozen), directory);
        rc = as_of_add_checkpoint(of, checkpoint, err);
        if (rc == 0 && history_read_position(&place, &of->fields, checkpoint, &position, err) != 0)
            rc = UNUSABLE;
        free(directory);
    }
    if (rc != 0)
        return rc;
    if (checkpoint > 0 && !as_of_cut_take(cut, checkpoint, &position.sequence))
        return UNUSABLE;
    rc = as_of_add_segments(of, checkpoint, err);
    if (rc != 0)
        return rc;
    rc = as_of_scan_log(&scan, checkpoint, err);
    return rc == 0 && cut->offset > 0 ? 0 : UNUSABLE;
}

static int
as_of_stay_local(struct as_of *of, struct as_of_place *place, struct error *err)
{
    for (int i = 0; i <= of->checkpoint_count; i++) {
        struct as_of_cut cut;
        int64_t end, checkpoint = i < of->checkpoint_count ? of->checkpoints[i] : 0;
        int rc = as_of_find_cut(of, checkpoint, &cut, err);
        if (rc == 0)
            rc = as_of_take_log(of, checkpoint, cut.offset, &end, err);
        if (rc < 0)
            return rc;
        if (rc == UNUSABLE)
            continue;
        *place = (struct as_of_place){end, end, cut.clock_us, false};
        return 0;
    }
    return UNUSABLE;
}

static int
as_of_refuse(const struct as_of *of, struct error *err)
{
    const struct as_of_search *topic = of->wanted->topic;
    char time[CLOCK_TEXT_BYTES], later[CLOCK_TEXT_BYTES] = "";
    clock_format_utc(topic->time_us, time, sizeof time);
    if (topic->later_us > 0)
        clock_format_utc(topic->later_us, later, sizeof later);
    return error_set(err, ERR_USAGE,
                     "partition %d: nothing reaches back to %s: the topic %s%s, and no checkpoint "
                     "in %s is older (consumer.checkpoint_keep_hours)",
                     of->wanted->partition, time,
                     topic->later_us > 0 ? "begins with the watermark of " : "has no watermark",
                     later, of->path);
}

/* --- both ------------------------------------------------------------------------------------ */

static int
as_of_try(struct as_of *of, struct as_of_place *place, struct error *err)
{
    bool has_moment = of->wanted->topic->stop >= 0;
    int rc = UNUSABLE;
    as_of_clear(of);
    as_of_find_log(of);
    if (of->real_log != NULL) {
        rc = as_of_list_checkpoints(of, err);
        if (rc == 0 && has_moment)
            rc = as_of_meet_topic(of, place, err);
        else if (rc == 0)
            rc = UNUSABLE;
        if (rc == UNUSABLE)
            rc = as_of_stay_local(of, place, err);
    }
    if (rc != UNUSABLE)
        return rc;
    as_of_clear(of);
    if (!has_moment)
        return as_of_refuse(of, err);
    as_of_read_all(of, place);
    return 0;
}

int
as_of_freeze(const struct as_of_wanted *wanted, struct frozen_files *frozen,
             struct as_of_place *place, struct error *err)
{
    const struct config *config = wanted->config;
    struct as_of of = {.wanted = wanted, .frozen = frozen};
    int rc = ERR_RETRY;
    CHECK(config->kafka.present);
    config_fields_init(&of.fields, &config->index_config);
    config_partition_identity(config, wanted->partition, &of.identity);
    of.path = data_dir_partition_path(config->consumer.data_dir, config_log_name(config),
                                      wanted->partition);
    of.log = memory_format("%s/wal", of.path);
    for (int i = 0; rc == ERR_RETRY && i < ATTEMPTS; i++) {
        if (i > 0)
            clock_sleep_ms(ATTEMPT_MS);
        rc = as_of_try(&of, place, err);
    }
    if (rc == 0)
        CHECK(place->begin <= place->stop);
    config_fields_free(&of.fields);
    buffer_free(&of.identity);
    buffer_free(&of.segments);
    free(of.path);
    free(of.log);
    free(of.real_log);
    return rc;
}
