#include "consumer/partition/history.h"

#include <inttypes.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "consumer/checkpoint/checkpoint_read.h"

static const char *const area = "replica";

int
history_read_position(const struct checkpoint_place *place, const struct config_fields *fields,
                      int64_t next_offset, struct position *position, struct error *err)
{
    struct checkpoint_reader reader;
    int rc = checkpoint_open(place, next_offset, &reader, err);
    if (rc != 0)
        return rc;
    rc = position_decode(reader.position, fields, position, NULL, err);
    checkpoint_close(&reader);
    return rc;
}

static int64_t
history_clock(const struct history *history, const struct history_rule *rule, int64_t next_offset)
{
    struct error ignored = {0};
    struct position position;
    for (int i = 0; i < history->count; i++)
        if (history->points[i].next_offset == next_offset)
            return history->points[i].clock_us;
    if (rule->keep.keep_us == 0 ||
        history_read_position(rule->place, rule->fields, next_offset, &position, &ignored) != 0)
        return INT64_MAX;
    return position.sequence.watermark.newest_us;
}

/* A log that is full of history would stop the partition, which writes up to reach_bytes and a
 * segment before the next checkpoint. */
static bool
history_takes_room(const struct history *history, const struct history_rule *rule)
{
    const struct checkpoint_point *oldest = &history->points[history->count - 1];
    int64_t limit = rule->wal_limit_bytes, reach = rule->keep.reach_bytes;
    if (history->count <= CHECKPOINTS_KEPT)
        return false;
    return oldest->log_bytes > limit - reach - rule->wal_segment_bytes ||
           (oldest->log_bytes > limit / 2 && oldest[-1].log_bytes >= reach);
}

static void
history_make_room(struct history *history, const struct history_rule *rule,
                  struct checkpoint_doomed *doomed)
{
    int before = history->count;
    while (history_takes_room(history, rule))
        history->count = checkpoint_thin_oldest(history->points, history->count, doomed);
    if (history->count < before)
        log_warn(area,
                 "%s: checkpoints before offset %" PRId64 " are not kept, because the log after "
                 "them takes too much of consumer.wal_limit_bytes",
                 rule->place->directory, history->points[history->count - 1].next_offset);
}

int
history_add(struct history *history, const struct history_rule *rule,
            const struct checkpoint_point *added, struct checkpoint_doomed *doomed,
            struct error *err)
{
    struct history now = {.points[0] = *added, .count = 1};
    int64_t offsets[CHECKPOINTS_MAX];
    int count = checkpoint_list(rule->place, offsets, err);
    CHECK(rule->wal_limit_bytes > 0);
    for (int i = 0; i < count && now.count < CHECKPOINTS_MAX; i++)
        if (offsets[i] < added->next_offset)
            now.points[now.count++] = (struct checkpoint_point){
                .next_offset = offsets[i], .clock_us = history_clock(history, rule, offsets[i])};
    for (int i = 0; i < now.count; i++)
        now.points[i].log_bytes = wal_bytes_from(rule->wal, now.points[i].next_offset);
    *doomed = (struct checkpoint_doomed){.count = 0};
    if (count < 0)
        return count;
    now.count = checkpoint_thin(now.points, now.count, &rule->keep, doomed);
    history_make_room(&now, rule, doomed);
    *history = now;
    return 0;
}
