/* Failure modes. The session ends before the void is saved: the next one finds the same, because
 * the signature of the outbox is saved afterwards, and because its first marks name the fields that
 * the triggers cover then, which consumers compare. A load that is wanted is wanted again after a
 * restart, because bitdex_sources keeps the reason until it is done.
 */
#include "producer/drain/guard_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/config_entry.h"
#include "producer/drain/trigger_reading.h"
#include "producer/drain/voids.h"
#include "producer/refresh/owed.h"
#include "producer/source/guards_table.h"
#include "producer/source/outbox_signature.h"
#include "producer/triggers/in_place.h"

enum { REASON_BYTES = 512 };

struct guard_watch {
    struct session *session;
    struct source_watch *sources;
    struct source_loads *loads;
    bool everything_is_wanted; /* a load, for a reason that is saved with the outbox */
    int64_t polled_us;         /* monotonic; 0: not yet */
    int unknown_readings;      /* of the triggers, in a row */
    struct buffer version;     /* of the triggers, as read last */
    struct arena arena;        /* of one reading of the triggers */
};

struct guard_watch *
guard_watch_create(struct session *session, struct source_watch *sources,
                   struct source_loads *loads)
{
    struct guard_watch *watch = memory_zalloc(sizeof *watch);
    CHECK(session->owner.generation >= 1);
    watch->session = session;
    watch->sources = sources;
    watch->loads = loads;
    arena_init(&watch->arena);
    return watch;
}

void
guard_watch_destroy(struct guard_watch *watch)
{
    if (watch == NULL)
        return;
    buffer_free(&watch->version);
    arena_free(&watch->arena);
    free(watch);
}

/* --- the outbox --- */

static int
save_outbox(struct guard_watch *watch, const struct outbox_signature *signature, const char *reason,
            struct error *err)
{
    struct session *session = watch->session;
    status_begin_server_call(session->status);
    int rc = outbox_signature_save(session->pg, &session->owner, signature, reason, err);
    status_end_server_call(session->status);
    return rc;
}

/* Without entries there is nothing to load: what is posted or written in another way is not read
 * again. */
static void
want_everything(struct guard_watch *watch, const char *reason)
{
    watch->everything_is_wanted = true;
    if (watch->session->config->trigger_count > 0)
        source_loads_want(watch->loads, REQUEST_UNKNOWN_ENTRY, reason);
}

static int
void_everything(struct guard_watch *watch, const struct outbox_signature *signature,
                const char *reason, struct error *err)
{
    int rc = voids_send(watch->session, NULL, 0, reason, err);
    if (rc == 0)
        rc = save_outbox(watch, signature, reason, err);
    if (rc == 0)
        want_everything(watch, reason);
    return rc;
}

static int
step_outbox(struct guard_watch *watch, const struct outbox_signature *signature, struct error *err)
{
    const char *reason = outbox_signature_compare(signature);
    bool is_same =
        signature->is_same_table && signature->is_same_sequence && signature->is_same_row;
    int rc = 0;
    if (reason != NULL)
        return void_everything(watch, signature, reason, err);
    if (!is_same)
        rc = save_outbox(watch, signature, signature->reason, err);
    if (rc != 0 || signature->reason == NULL)
        return rc;
    if (!watch->everything_is_wanted)
        want_everything(watch, signature->reason);
    else if (source_loads_is_done(watch->loads, REQUEST_UNKNOWN_ENTRY))
        return save_outbox(watch, signature, NULL, err);
    return 0;
}

static int
ask_outbox(struct guard_watch *watch, struct error *err)
{
    struct session *session = watch->session;
    int64_t last_row_id = publisher_numbering(session->publisher)->last_row_id;
    struct outbox_signature signature;
    struct pg_result *result;
    status_begin_server_call(session->status);
    int rc = outbox_signature_read(session->pg, session->owner.name, last_row_id, &result,
                                   &signature, err);
    status_end_server_call(session->status);
    if (rc != 0)
        return rc;
    rc = step_outbox(watch, &signature, err);
    pg_result_clear(result);
    return rc;
}

/* --- the triggers --- */

static bool
is_lost(const struct text *lost, uint32_t count, const char *field)
{
    for (uint32_t i = 0; i < count; i++)
        if (text_is(lost[i], field))
            return true;
    return false;
}

/* The entries that set lost fields are loaded when triggers cover these again. */
static int
want_lost(struct guard_watch *watch, const struct text *lost, uint32_t count, const char *reason,
          struct error *err)
{
    const struct config *config = watch->session->config;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < config->trigger_count; i++) {
        const char *field;
        bool is = config->triggers[i].sets_alive && is_lost(lost, count, "");
        for (uint32_t j = 0; !is && (field = config_entry_field(config, i, j)) != NULL; j++)
            is = is_lost(lost, count, field);
        if (is)
            rc = source_watch_change(watch->sources, i, reason, err);
    }
    return rc;
}

static void
print_lost(const struct text *lost, uint32_t count, const char *why, char *reason)
{
    struct text first = lost[0].bytes > 0 ? lost[0] : TEXT("whether an entity exists");
    char more[32] = "";
    CHECK(count > 0);
    if (count > 1)
        snprintf(more, sizeof more, " and %u more", count - 1);
    snprintf(
        reason, REASON_BYTES,
        "the triggers in place do not write %.*s%s any more: run bitdex-producer triggers apply"
        " (%s)",
        TEXT_ARGS(first), more, why[0] != '\0' ? why : "triggers differ");
}

/* Fields are lost that the session's marks have named, and the new ones do not. */
static int
take_covered(struct guard_watch *watch, const struct trigger_reading *reading, struct error *err)
{
    struct session *session = watch->session;
    const struct covered_fields *before = &session->covered;
    struct text *lost = arena_alloc(&watch->arena, (before->count + 1) * sizeof *lost);
    char reason[REASON_BYTES];
    uint32_t count = 0;
    for (uint32_t i = 0; i < before->count; i++)
        if (!covered_fields_has(&reading->covered, before->names[i]))
            lost[count++] = before->names[i];
    if (session_set_covered(session, &reading->covered))
        session->rows_since_mark = true; /* so that marks say it soon */
    if (count == 0)
        return 0;
    print_lost(lost, count, reading->why, reason);
    int rc = voids_send(session, lost, count, reason, err);
    return rc == 0 ? want_lost(watch, lost, count, reason, err) : rc;
}

/* Is the reading to be repeated? */
static bool
is_repeated(struct guard_watch *watch, const struct trigger_reading *reading)
{
    if (watch->unknown_readings > 0 && !reading->is_unknown)
        log_info("drain", "the fields that the triggers cover are known again");
    watch->unknown_readings = reading->is_unknown ? watch->unknown_readings + 1 : 0;
    return reading->is_unknown && watch->unknown_readings < TRIGGER_READINGS_MAX;
}

/* What cannot be read now is read at the next interval: a locked table takes no writes until
 * then. */
static int
read_triggers(struct guard_watch *watch, struct error *err)
{
    struct session *session = watch->session;
    struct trigger_reading reading;
    status_begin_server_call(session->status);
    int rc = trigger_reading_read(session, &watch->arena, &reading, err);
    status_end_server_call(session->status);
    if (rc == ERR_RETRY) {
        log_warn("drain", "the triggers have changed, and cannot be read now: %s", err->message);
        rc = 0;
    } else if (rc == 0 && is_repeated(watch, &reading)) {
        buffer_clear(&session->trigger_version);
    } else if (rc == 0) {
        rc = take_covered(watch, &reading, err);
    }
    arena_reset(&watch->arena);
    return rc;
}

static int
ask_triggers(struct guard_watch *watch, struct error *err)
{
    struct session *session = watch->session;
    struct buffer *version = &watch->version;
    status_begin_server_call(session->status);
    int rc = in_place_read_version(session->pg, version, err);
    status_end_server_call(session->status);
    if (rc != 0 || strcmp(buffer_string(version), buffer_string(&session->trigger_version)) == 0)
        return rc;
    return read_triggers(watch, err);
}

/* --- all of them --- */

static int
ask(struct guard_watch *watch, const struct guard *guard, struct error *err)
{
    switch (guard->kind) {
    case GUARD_OF_OUTBOX:
        return ask_outbox(watch, err);
    case GUARD_OF_TRIGGERS:
        return watch->session->config->trigger_count > 0 ? ask_triggers(watch, err) : 0;
    case GUARD_OF_SOURCE:     /* session_turn() */
    case GUARD_OF_CONNECTION: /* source_connect() */
    case GUARD_OF_CURSOR:     /* cursor_write() */
    case GUARD_OF_TABLES:     /* source_watch_poll() */
    case GUARD_OF_READERS:    /* pg_connect() */
    case GUARD_OF_TOPIC:      /* sink/topic_watch.h */
        break;
    }
    return 0;
}

int
guard_watch_poll(struct guard_watch *watch, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    int64_t interval_us = (int64_t)watch->session->config->producer.guard_interval_ms * US_PER_MS;
    int rc = 0;
    CHECK(publisher_flushed(watch->session->publisher));
    if (watch->polled_us != 0 && now_us - watch->polled_us < interval_us)
        return 0;
    watch->polled_us = now_us;
    for (uint32_t i = 0; rc == 0 && i < guards_table_count; i++)
        rc = ask(watch, &guards_table[i], err);
    return rc;
}
