/* A session of the drain: what must hold before the first row is sent, in the order of the laws.
 *
 *     source    connect, guards, the name's lock (a standby waits here)
 *     topic     its shape, and that nothing on it is later than the cursor (L3)
 *     cursor    a new generation; whoever had the one before writes nothing any more
 *     fence     acknowledged in all partitions, and a second look at what is before it (L3)
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "producer/drain/drain_internal.h"
#include "producer/sink/topic_check.h"
#include "producer/source/guards.h"

enum { LOCK_POLL_MS = 1000 };

static int
session_lock(struct drain *drain, struct error *err)
{
    const char *name = drain->config->producer.name;
    bool told = false;
    for (;;) {
        bool locked;
        int rc = cursor_try_lock(drain->pg, name, &locked, err);
        if (rc != 0 || locked)
            return rc;
        status_set_phase(drain->status, STATUS_LOCK);
        if (!told)
            log_info("drain", "standing by: another producer named \"%s\" is running", name);
        told = true;
        rc = drain_sleep(drain, LOCK_POLL_MS);
        if (rc != 0)
            return rc;
    }
}

static int
session_open_source(struct drain *drain, struct error *err)
{
    const struct config *config = drain->config;
    const struct outbox_limits limits = {
        .chunk_rows = config->producer.chunk_rows,
        .chunk_bytes = config->producer.chunk_bytes,
        .row_bytes = config->producer.row_bytes,
    };
    status_set_phase(drain->status, STATUS_DATABASE);
    int rc = pg_connect(config->postgres, "bitdex-producer cursor", &drain->pg, err);
    if (rc == 0)
        rc = guards_ask_all(drain->pg, config, err);
    if (rc == 0)
        rc = session_lock(drain, err);
    if (rc == 0)
        rc = outbox_open(config->postgres, &limits, &drain->outbox, err);
    return rc;
}

static int
session_describe_topic(struct drain *drain, struct error *err)
{
    const struct config *config = drain->config;
    struct kafka_admin *admin;
    struct kafka_topic topic;
    status_set_phase(drain->status, STATUS_BROKER);
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    rc = kafka_admin_describe(admin, config->topic.name, &topic, err);
    kafka_admin_destroy(admin);
    if (rc != 0)
        return rc;
    drain->message_bytes_max = topic.message_bytes_max;
    if (drain->event_bytes_max < topic.message_bytes_max)
        drain->event_bytes_max = topic.message_bytes_max;
    return topic_check_shape(&config->topic, &topic, err);
}

static int
session_alive(void *context)
{
    struct drain *drain = context;
    status_heartbeat(drain->status);
    return shutdown_requested() ? DRAIN_STOPPED : 0;
}

/* Is everything on the topic of a generation before this one, up to `fences` if there are any? */
static int
session_check_topic(struct drain *drain, int64_t generation, const int64_t *fences,
                    struct error *err)
{
    const struct topic_expectation expected = {
        .source = drain->owner.name,
        .topic_id = drain->owner.topic_id,
        .epoch = drain->owner.epoch,
        .generation = generation,
        .tick = drain->window.tick,
    };
    status_set_phase(drain->status, STATUS_TOPIC);
    return topic_check_content(drain->config, &expected, drain->looked, fences, session_alive,
                               drain, err);
}

/* The cursor as the last owner left it, against the database and the topic. What another producer
 * did while we waited for the lock counts too. */
static int
session_check_cursor(struct drain *drain, struct cursor_history *history, struct error *err)
{
    struct cursor_window *window = &drain->window;
    bool found = false;
    int rc = cursor_read_history(drain->pg, history, err);
    if (rc == 0)
        rc = cursor_check(drain->pg, drain->config, history, err);
    if (rc == 0)
        rc = cursor_find_owner(drain->pg, drain->config, &drain->owner, &found, err);
    if (rc == 0 && found)
        rc = cursor_load(drain->pg, &drain->owner, window, err);
    if (rc != 0)
        return rc;
    for (int32_t i = 0; i < window->partitions; i++)
        drain->looked[i] = found ? window->offsets[i] : -1;
    return session_check_topic(drain, drain->owner.generation + 1, NULL, err);
}

static int
session_take_over(struct drain *drain, struct error *err)
{
    struct cursor_history history;
    int rc = session_check_cursor(drain, &history, err);
    if (rc != 0)
        return rc;
    rc = cursor_take_over(drain->pg, drain->config, &history, &drain->owner, err);
    if (rc == 0)
        rc = cursor_load(drain->pg, &drain->owner, &drain->window, err);
    if (rc == 0)
        log_info("cursor",
                 "epoch %" PRId64 ", generation %" PRId64 ": go on in window %" PRId64
                 " behind row %" PRId64,
                 drain->owner.epoch, drain->owner.generation, drain->window.tick,
                 drain->window.last_row_id);
    return rc;
}

static int
session_open_sink(struct drain *drain, struct error *err)
{
    const struct cursor_window *window = &drain->window;
    const struct publisher_origin origin = {
        .source = drain->owner.name,
        .epoch = drain->owner.epoch,
        .generation = drain->owner.generation,
        .topic_id = drain->owner.topic_id,
        .message_bytes_max = drain->message_bytes_max,
        .event_bytes_max = drain->event_bytes_max,
    };
    const struct numbering numbering = {
        .partitions = window->partitions,
        .last_row_id = window->last_row_id,
        .seq = window->seq,
        .digest = window->digest,
    };
    return publisher_create(drain->config, &origin, &numbering, &drain->publisher, err);
}

/* L3: nothing follows before all partitions have our fence, and nothing strange is before it. */
static int
session_fence(struct drain *drain, struct error *err)
{
    struct source_snapshot now = {0};
    status_set_phase(drain->status, STATUS_BROKER);
    int rc = source_snapshot_last_id(drain->pg, &drain->progress.max_row_id, err);
    if (rc == 0)
        rc = source_snapshot_read(drain->pg, &now, err);
    if (rc == 0)
        rc = drain_add_marks(drain, MARK_FENCE, &now, err);
    snapshot_free(&now.snapshot);
    if (rc == 0)
        rc = drain_flush(drain, err);
    if (rc == 0)
        rc = drain_await_acks(drain, err);
    if (rc != 0)
        return rc;
    int32_t partitions = drain->window.partitions;
    int64_t *fences = memory_alloc((size_t)partitions * sizeof *fences);
    for (int32_t i = 0; i < partitions; i++)
        fences[i] = publisher_acked_offset(drain->publisher, i);
    rc = session_check_topic(drain, drain->owner.generation, fences, err);
    free(fences);
    return rc;
}

void
session_close(struct drain *drain)
{
    if (drain->publisher != NULL) {
        struct publisher_counts counts = publisher_counts(drain->publisher);
        drain->counted.events += counts.events;
        drain->counted.marks += counts.marks;
        drain->counted.bytes += counts.bytes;
    }
    publisher_destroy(drain->publisher);
    outbox_close(drain->outbox);
    pg_close(drain->pg);
    cursor_window_free(&drain->window);
    free(drain->looked);
    snapshot_free(&drain->delivered.snapshot);
    drain->publisher = NULL;
    drain->outbox = NULL;
    drain->pg = NULL;
    drain->delivered = (struct source_snapshot){0};
    drain->streaming = false;
    drain->window_has_rows = false;
    drain->rows_since_mark = false;
    drain->progress.outstanding = 0;
}

int
session_open(struct drain *drain, struct error *err)
{
    int32_t partitions = drain->config->topic.partitions;
    cursor_window_init(&drain->window, partitions);
    drain->looked = memory_zalloc((size_t)partitions * sizeof *drain->looked);
    status_begin_server_call(drain->status); /* there is little else in here */
    int rc = session_open_source(drain, err);
    if (rc == 0)
        rc = session_describe_topic(drain, err);
    if (rc == 0)
        rc = session_take_over(drain, err);
    if (rc == 0)
        rc = session_open_sink(drain, err);
    if (rc == 0)
        rc = session_fence(drain, err);
    status_end_server_call(drain->status);
    return rc;
}
