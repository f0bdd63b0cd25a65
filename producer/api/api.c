#include "producer/api/api.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/json/json.h"

struct answer {
    const struct config *config;
    const struct state_view *view;
    struct state *state; /* for its histogram only */
    struct http_response *response;
};

static void
answer_health(const struct answer *answer)
{
    struct json_writer json;
    if (!state_is_healthy(answer->view)) {
        http_respond_error(answer->response, 503, "the drain has been silent for %d s",
                           (int)(answer->view->beat_age_us / 1000000));
        return;
    }
    json_writer_init(&json, &answer->response->body);
    json_object_begin(&json);
    json_key(&json, "status");
    json_string(&json, "ok");
    json_object_end(&json);
}

static void
answer_ready(const struct answer *answer)
{
    char why[STATE_TROUBLE_BYTES + 64];
    struct json_writer json;
    bool ready = state_is_ready(answer->view, why, sizeof why);
    json_writer_init(&json, &answer->response->body);
    json_object_begin(&json);
    json_key(&json, "ready");
    json_boolean(&json, ready);
    if (!ready) {
        answer->response->status = 503;
        json_key(&json, "reason");
        json_string(&json, why);
    }
    json_object_end(&json);
}

static void
json_number(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_integer(json, number);
}

static void
json_time(struct json_writer *json, const char *key, int64_t realtime_us)
{
    char text[CLOCK_TEXT_BYTES];
    json_key(json, key);
    if (realtime_us == 0) {
        json_null(json);
        return;
    }
    clock_format_utc(realtime_us, text, sizeof text);
    json_string(json, text);
}

/* Null when it is not known yet. */
static void
json_seconds(struct json_writer *json, double seconds)
{
    if (seconds < 0)
        json_null(json);
    else
        json_float(json, seconds);
}

static void
json_retention(struct json_writer *json, const struct state_retention *retention)
{
    json_number(json, "removed_rows", (int64_t)retention->removed_rows);
    json_key(json, "removal_held_by");
    if (retention->held_by[0] != '\0')
        json_string(json, retention->held_by);
    else
        json_null(json);
    json_number(json, "removal_held_s", retention->held_s);
    json_key(json, "removal_trouble");
    json_string(json, retention->trouble);
}

static void
write_status(const struct answer *answer, struct buffer *out)
{
    const struct state_progress *progress = &answer->view->progress;
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, "producer");
    json_string(&json, answer->config->producer.name);
    json_key(&json, "topic");
    json_string(&json, answer->config->topic.name);
    json_key(&json, "state");
    json_string(&json, state_phase_name(answer->view->phase));
    json_key(&json, "trouble");
    json_string(&json, answer->view->trouble);
    json_number(&json, "epoch", progress->epoch);
    json_number(&json, "generation", progress->generation);
    json_number(&json, "tick", progress->tick);
    json_number(&json, "last_row_id", progress->last_row_id);
    json_number(&json, "max_row_id", progress->max_row_id);
    json_number(&json, "backlog_rows", progress->backlog_rows);
    json_key(&json, "backlog_seconds");
    json_float(&json, state_backlog_seconds(answer->view));
    json_key(&json, "freshness_seconds");
    json_seconds(&json, state_freshness_seconds(answer->view));
    json_key(&json, "rows_per_second");
    json_float(&json, progress->rows_per_second);
    json_number(&json, "rows", (int64_t)progress->rows);
    json_number(&json, "events", (int64_t)progress->events);
    json_number(&json, "marks", (int64_t)progress->marks);
    json_number(&json, "bytes", (int64_t)progress->bytes);
    json_number(&json, "dead_letters", (int64_t)progress->dead_letters);
    json_number(&json, "unacknowledged", (int64_t)progress->outstanding);
    json_number(&json, "sessions", (int64_t)progress->sessions);
    json_number(&json, "looks", (int64_t)progress->looks);
    json_time(&json, "last_acknowledged", progress->acked_us);
    json_retention(&json, &answer->view->retention);
    json_object_end(&json);
}

static void
answer_status(const struct answer *answer)
{
    write_status(answer, &answer->response->body);
}

/* One family with one sample, labelled by the producer's name. */
static void
metric(const struct answer *answer, const char *name, const char *type, const char *help,
       double value)
{
    const char *const labels[] = {"source", answer->config->producer.name, NULL};
    metrics_family(&answer->response->body, name, type, help);
    metrics_sample(&answer->response->body, name, labels, value);
}

static void
answer_sync_metrics(const struct answer *answer)
{
    const struct state_progress *progress = &answer->view->progress;
    metric(answer, "bitdex_sync_cursor_position", "gauge", "Greatest outbox id sent.",
           (double)progress->last_row_id);
    metric(answer, "bitdex_sync_max_id", "gauge", "Greatest outbox id, sent or waiting.",
           (double)progress->max_row_id);
    metric(answer, "bitdex_sync_lag_rows", "gauge", "Estimate of outbox rows not sent yet.",
           (double)progress->backlog_rows);
    metric(answer, "bitdex_sync_ops_total", "counter", "Outbox rows sent.", (double)progress->rows);
    metric(answer, "bitdex_sync_cycle_duration_seconds", "gauge",
           "Time that the last window with rows took.", (double)progress->cycle_us / 1e6);
}

static void
answer_retention_metrics(const struct answer *answer)
{
    const struct state_retention *retention = &answer->view->retention;
    const char *const labels[] = {"source", answer->config->producer.name, "cursor",
                                  retention->held_by, NULL};
    metric(answer, "bitdex_producer_retention_removed_rows_total", "counter",
           "Sent rows removed from the outbox.", (double)retention->removed_rows);
    metric(answer, "bitdex_producer_retention_trouble", "gauge",
           "1 while sent rows cannot be removed: status says why.", retention->trouble[0] != '\0');
    metrics_family(&answer->response->body, "bitdex_producer_retention_held_seconds", "gauge",
                   "Age of the oldest row that could be removed if that cursor had sent it.");
    metrics_sample(&answer->response->body, "bitdex_producer_retention_held_seconds", labels,
                   (double)retention->held_s);
}

static void
answer_metrics(const struct answer *answer)
{
    const struct state_view *view = answer->view;
    const struct state_progress *progress = &view->progress;
    const char *const labels[] = {"source", answer->config->producer.name, NULL};
    char why[STATE_TROUBLE_BYTES + 64];
    answer->response->content_type = METRICS_CONTENT_TYPE;
    answer_sync_metrics(answer);
    metric(answer, "bitdex_producer_ready", "gauge", "1 while the drain delivers.",
           state_is_ready(view, why, sizeof why));
    metric(answer, "bitdex_producer_backlog_seconds", "gauge",
           "Age of the newest acknowledged moment of the source; 0 without a backlog.",
           state_backlog_seconds(view));
    if (state_freshness_seconds(view) >= 0)
        metric(answer, "bitdex_producer_freshness_seconds", "gauge",
               "Age of the newest moment of the source of which everything is acknowledged.",
               state_freshness_seconds(view));
    metric(answer, "bitdex_producer_epoch", "gauge", "Epoch of the source.",
           (double)progress->epoch);
    metric(answer, "bitdex_producer_generation", "gauge", "Generation of this producer.",
           (double)progress->generation);
    metric(answer, "bitdex_producer_tick", "gauge", "Newest window.", (double)progress->tick);
    metric(answer, "bitdex_producer_events_total", "counter", "Numbered events sent.",
           (double)progress->events);
    metric(answer, "bitdex_producer_marks_total", "counter", "Marks sent.",
           (double)progress->marks);
    metric(answer, "bitdex_producer_sent_bytes_total", "counter", "Bytes of message values sent.",
           (double)progress->bytes);
    metric(answer, "bitdex_producer_dead_letters_total", "counter",
           "Rows kept as dead letters, because they cannot be events.",
           (double)progress->dead_letters);
    metric(answer, "bitdex_producer_unacknowledged_messages", "gauge",
           "Messages sent and not acknowledged.", (double)progress->outstanding);
    metric(answer, "bitdex_producer_sessions_total", "counter",
           "Times that the drain began with new sessions.", (double)progress->sessions);
    metric(answer, "bitdex_producer_looks_total", "counter", "Times that the source was looked at.",
           (double)progress->looks);
    answer_retention_metrics(answer);
    metrics_family(&answer->response->body, "bitdex_producer_cycle_seconds", "histogram",
                   "Time that windows with rows took.");
    metrics_histogram_sample(&answer->response->body, "bitdex_producer_cycle_seconds", labels,
                             &answer->state->cycles);
}

static void
answer_page(const struct answer *answer)
{
    const struct state_progress *progress = &answer->view->progress;
    answer->response->content_type = "text/plain; charset=utf-8";
    buffer_append_format(&answer->response->body,
                         "bitdex-producer %s, topic %s\n\n%s%s%s\n\n"
                         "row %lld of %lld is sent, about %lld to go; %.0f rows/s\n"
                         "epoch %lld, generation %lld, tick %lld, %llu dead letters\n\n"
                         "/api/status /api/health /api/ready /metrics\n",
                         answer->config->producer.name, answer->config->topic.name,
                         state_phase_name(answer->view->phase),
                         answer->view->trouble[0] != '\0' ? ": " : "", answer->view->trouble,
                         (long long)progress->last_row_id, (long long)progress->max_row_id,
                         (long long)progress->backlog_rows, progress->rows_per_second,
                         (long long)progress->epoch, (long long)progress->generation,
                         (long long)progress->tick, (unsigned long long)progress->dead_letters);
}

static const struct {
    const char *path;
    void (*answer)(const struct answer *answer);
} routes[] = {
    {"/api/health", answer_health}, {"/api/ready", answer_ready}, {"/api/status", answer_status},
    {"/metrics", answer_metrics},   {"/", answer_page},
};

void
api_handle(void *context, const struct http_request *request, struct http_response *response)
{
    const struct api *api = context;
    struct state_view view;
    state_read(api->state, &view);
    const struct answer answer = {api->config, &view, api->state, response};
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(request->path, routes[i].path) != 0)
            continue;
        if (strcmp(request->method, "GET") == 0)
            routes[i].answer(&answer);
        else
            http_respond_error(response, 405, "%s can only be read", request->path);
        return;
    }
    http_respond_error(response, 404, "there is no %s", request->path);
}
