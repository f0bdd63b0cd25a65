#include "producer/api/api.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/http/route_list.h"
#include "common/json/json_write.h"
#include "common/metrics/metrics.h"

enum { WARNING_BYTES = 128 };

struct answer {
    const struct config *config;
    const struct status_view *view;
    struct status *status; /* only its histogram, which status_read() does not copy */
    struct http_response *response;
};

static void
answer_health(const struct answer *answer)
{
    struct json_writer json;
    if (answer->view->phase == STATUS_STOPPED) {
        http_respond_error(answer->response, 503, "the drain has stopped");
        return;
    }
    if (!status_is_healthy(answer->view)) {
        http_respond_error(answer->response, 503, "the last heartbeat of the drain was %d s ago",
                           (int)(answer->view->heartbeat_age_us / US_PER_S));
        return;
    }
    json_writer_init(&json, &answer->response->body);
    json_object_begin(&json);
    json_key(&json, "status");
    json_string(&json, "ok");
    json_object_end(&json);
    CHECK(json.depth == 0);
}

/* Null until they were counted. */
static void
json_letters(struct json_writer *json, const char *name, const struct status_letters *letters)
{
    json_key(json, name);
    if (letters->known)
        json_integer(json, letters->open);
    else
        json_null(json);
}

/* Fields that need not follow the committed rows (L11). */
static void
json_exempt(struct json_writer *json, const struct status_exempt *exempt)
{
    json_key(json, "exempt_fields");
    json_array_begin(json);
    for (uint32_t i = 0; i < exempt->count && i < STATUS_EXEMPT_MAX; i++)
        json_string(json, exempt->names[i]);
    json_array_end(json);
}

/* What is wrong and does not end readiness: a dead letter makes nothing incomplete (L9). */
static void
json_warnings(struct json_writer *json, const struct status_view *view)
{
    char warning[WARNING_BYTES];
    json_key(json, "warnings");
    json_array_begin(json);
    if (view->letters.open > 0) {
        snprintf(warning, sizeof warning,
                 "%" PRId64 " dead letter%s open: bitdex-producer dead-letters list",
                 view->letters.open, view->letters.open == 1 ? " is" : "s are");
        json_string(json, warning);
    }
    if (view->exempt.count > 0) {
        snprintf(warning, sizeof warning,
                 "%" PRIu32 " field%s not guaranteed: bitdex-producer check says why",
                 view->exempt.count, view->exempt.count == 1 ? " is" : "s are");
        json_string(json, warning);
    }
    json_array_end(json);
}

static void
answer_ready(const struct answer *answer)
{
    char why[STATUS_ERROR_BYTES + 64];
    struct json_writer json;
    bool ready = status_is_ready(answer->view, why, sizeof why);
    json_writer_init(&json, &answer->response->body);
    json_object_begin(&json);
    json_key(&json, "ready");
    json_boolean(&json, ready);
    if (status_is_standby(answer->view)) {
        json_key(&json, "standby");
        json_boolean(&json, true);
    }
    json_letters(&json, "dead_letters", &answer->view->letters);
    json_exempt(&json, &answer->view->exempt);
    json_warnings(&json, answer->view);
    if (!ready) {
        CHECK(why[0] != '\0');
        answer->response->status = 503;
        json_key(&json, "reason");
        json_string(&json, why);
    }
    json_object_end(&json);
    CHECK(json.depth == 0);
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
    CHECK(realtime_us >= 0);
    json_key(json, key);
    if (realtime_us == 0) {
        json_null(json);
        return;
    }
    clock_format_utc(realtime_us, text, sizeof text);
    json_string(json, text);
}

/* Null before the first acknowledged source snapshot. */
static void
json_freshness(struct json_writer *json, const struct status_view *view)
{
    double seconds = status_freshness_seconds(view);
    json_key(json, "freshness_seconds");
    if (seconds < 0)
        json_null(json);
    else
        json_float(json, seconds);
}

static void
json_retention(struct json_writer *json, const struct status_retention *retention)
{
    json_number(json, "removed_rows", (int64_t)retention->removed_rows);
    json_key(json, "removal_held_by");
    if (retention->held_by[0] != '\0')
        json_string(json, retention->held_by);
    else
        json_null(json);
    json_number(json, "removal_held_s", retention->held_s);
    json_key(json, "removal_error");
    json_string(json, retention->error);
}

/* `load_job` is null while no load runs. */
static void
json_load(struct json_writer *json, const struct status_load *load)
{
    json_key(json, "load_job");
    if (load->job != 0)
        json_integer(json, load->job);
    else
        json_null(json);
    json_key(json, "load_stage");
    json_string(json, load->stage);
    json_key(json, "load_ratio");
    if (load->job != 0 && load->ratio >= 0)
        json_float(json, load->ratio);
    else
        json_null(json);
    json_number(json, "load_rows", load->job_rows);
    json_key(json, "load_error");
    json_string(json, load->error);
}

/* Null while no patrol runs. */
static void
json_patrol(struct json_writer *json, const struct status_patrol *patrol)
{
    json_key(json, "patrol");
    if (!patrol->is_on) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    json_number(json, "ranges", patrol->ranges);
    json_number(json, "differing", patrol->differing);
    json_number(json, "unknown", patrol->unknown);
    json_key(json, "oldest_s");
    if (patrol->oldest_s >= 0)
        json_float(json, patrol->oldest_s);
    else
        json_null(json);
    json_key(json, "error");
    json_string(json, patrol->error);
    json_object_end(json);
}

static void
json_refresh(struct json_writer *json, const struct status_view *view)
{
    const struct status_refresh *refresh = &view->refresh;
    json_number(json, "refresh_owed", refresh->owed);
    json_key(json, "refresh_oldest_owed_seconds");
    json_float(json, status_owed_seconds(view));
    json_number(json, "refresh_requests", (int64_t)refresh->requests);
    json_number(json, "refresh_answers", (int64_t)refresh->answers);
    json_key(json, "refresh_error");
    json_string(json, refresh->error);
}

static void
json_progress(struct json_writer *json, const struct status_view *view)
{
    const struct status_progress *progress = &view->progress;
    CHECK(progress->rows_per_second >= 0); /* false for a NaN as well */
    json_number(json, "epoch", progress->epoch);
    json_number(json, "generation", progress->generation);
    json_number(json, "tick", progress->tick);
    json_number(json, "last_row_id", progress->last_row_id);
    json_number(json, "max_row_id", progress->max_row_id);
    json_number(json, "backlog_rows", progress->backlog_rows);
    json_key(json, "backlog_seconds");
    json_float(json, status_backlog_seconds(view));
    json_freshness(json, view);
    json_key(json, "rows_per_second");
    json_float(json, progress->rows_per_second);
    json_number(json, "rows", (int64_t)progress->rows);
    json_number(json, "events", (int64_t)progress->events);
    json_number(json, "marks", (int64_t)progress->marks);
    json_number(json, "bytes", (int64_t)progress->bytes);
    json_number(json, "dead_letters", (int64_t)progress->dead_letters);
    json_number(json, "voided", progress->voided);
    json_key(json, "voided_reason");
    json_string(json, progress->voided_reason);
    json_number(json, "unacknowledged", (int64_t)progress->outstanding);
    json_number(json, "sessions", (int64_t)progress->sessions);
    json_number(json, "polls", (int64_t)progress->polls);
    json_time(json, "last_acknowledged", progress->acked_us);
}

static void
answer_status(const struct answer *answer)
{
    struct json_writer json;
    json_writer_init(&json, &answer->response->body);
    json_object_begin(&json);
    json_key(&json, "producer");
    json_string(&json, answer->config->producer.name);
    json_key(&json, "topic");
    json_string(&json, answer->config->topic.name);
    json_key(&json, "state");
    json_string(&json, status_state_name(answer->view));
    json_key(&json, "error");
    json_string(&json, answer->view->error);
    json_progress(&json, answer->view);
    json_letters(&json, "dead_letters_open", &answer->view->letters);
    json_exempt(&json, &answer->view->exempt);
    json_warnings(&json, answer->view);
    json_retention(&json, &answer->view->retention);
    json_load(&json, &answer->view->load);
    json_patrol(&json, &answer->view->patrol);
    json_refresh(&json, answer->view);
    json_object_end(&json);
    CHECK(json.depth == 0);
}

/* A family is written once in an answer. */
static bool
has_family(struct buffer *body, const char *name)
{
    char *line = memory_format("# TYPE %s ", name);
    bool found = strstr(buffer_string(body), line) != NULL;
    free(line);
    return found;
}

/* The names of counters, and only these, end in "_total" (common/metrics). */
static bool
name_fits_type(const char *name, const char *type)
{
    static const struct text total = {"_total", 6};
    size_t bytes = strlen(name);
    bool has_total = bytes > total.bytes && strcmp(name + bytes - total.bytes, total.data) == 0;
    return has_total == (strcmp(type, "counter") == 0);
}

/* One family with one sample, labelled by the producer's name. */
static void
metric(const struct answer *answer, const char *name, const char *type, const char *help,
       double value)
{
    const char *const labels[] = {"source", answer->config->producer.name, NULL};
    CHECK(name_fits_type(name, type));
    CHECK(!has_family(&answer->response->body, name));
    CHECK(isfinite(value));
    metrics_family(&answer->response->body, name, type, help);
    metrics_sample(&answer->response->body, name, labels, value);
}

static void
answer_sync_metrics(const struct answer *answer)
{
    const struct status_progress *progress = &answer->view->progress;
    metric(answer, "bitdex_sync_cursor_position", "gauge", "Greatest row id sent.",
           (double)progress->last_row_id);
    metric(answer, "bitdex_sync_max_id", "gauge", "Greatest row id of the outbox, sent or not.",
           (double)progress->max_row_id);
    metric(answer, "bitdex_sync_lag_rows", "gauge", "Estimate of ops rows that are not sent yet.",
           (double)progress->backlog_rows);
    metric(answer, "bitdex_sync_ops_total", "counter", "Ops rows sent.", (double)progress->rows);
    metric(answer, "bitdex_sync_cycle_duration_seconds", "gauge",
           "Duration of the last window that had rows.", (double)progress->cycle_us / 1e6);
}

static void
answer_retention_metrics(const struct answer *answer)
{
    const struct status_retention *retention = &answer->view->retention;
    const char *const labels[] = {"source", answer->config->producer.name, "cursor",
                                  retention->held_by, NULL};
    metric(answer, "bitdex_producer_retention_removed_rows_total", "counter",
           "Sent rows removed from the outbox.", (double)retention->removed_rows);
    metric(answer, "bitdex_producer_retention_error", "gauge",
           "1 while sent rows cannot be removed; removal_error in the status has the reason.",
           retention->error[0] != '\0');
    metrics_family(&answer->response->body, "bitdex_producer_retention_held_seconds", "gauge",
                   "Age of the oldest row that is kept only because this cursor has not sent it.");
    metrics_sample(&answer->response->body, "bitdex_producer_retention_held_seconds", labels,
                   (double)retention->held_s);
}

static void
answer_load_metrics(const struct answer *answer)
{
    const struct status_load *load = &answer->view->load;
    const char *const labels[] = {"source", answer->config->producer.name, NULL};
    metric(answer, "bitdex_load_running", "gauge", "1 while a load runs.", load->job != 0);
    if (load->job != 0 && load->ratio >= 0)
        metric(answer, "bitdex_load_progress_ratio", "gauge",
               "How much of the entities the running load has sent, from 0 to 1.", load->ratio);
    metric(answer, "bitdex_load_error", "gauge",
           "1 while the last step of the running load has to be repeated; load_error in the status"
           " has the reason.",
           load->error[0] != '\0');
    metric(answer, "bitdex_load_rows_total", "counter", "Rows that loads have sent.",
           (double)load->rows);
    metric(answer, "bitdex_load_read_bytes_total", "counter",
           "Bytes that the database has sent to loads.", (double)load->bytes);
    metrics_family(&answer->response->body, "bitdex_load_step_seconds", "histogram",
                   "Duration of a step of a load, from its reading to its acknowledgement: new rows"
                   " wait for so long at most.");
    metrics_histogram_sample(&answer->response->body, "bitdex_load_step_seconds", labels,
                             &answer->status->load_steps);
}

static void
answer_patrol_metrics(const struct answer *answer)
{
    const struct status_patrol *patrol = &answer->view->patrol;
    if (!patrol->is_on)
        return;
    metric(answer, "bitdex_patrol_ranges", "gauge",
           "Newest verdicts of all consumers: a range of entities of one partition.",
           (double)patrol->ranges);
    metric(answer, "bitdex_patrol_ranges_differing", "gauge",
           "Those of them that differ from the tables.", (double)patrol->differing);
    metric(answer, "bitdex_patrol_unknown", "gauge",
           "Partitions of consumer groups that no member answers for.", (double)patrol->unknown);
    if (patrol->oldest_s >= 0)
        metric(answer, "bitdex_patrol_oldest_seconds", "gauge", "Age of the oldest verdict.",
               patrol->oldest_s);
}

static void
answer_refresh_metrics(const struct answer *answer)
{
    const struct status_refresh *refresh = &answer->view->refresh;
    const char *const labels[] = {"source", answer->config->producer.name, NULL};
    metric(answer, "bitdex_refresh_owed", "gauge", "Rows whose requests are not answered yet.",
           (double)refresh->owed);
    metric(answer, "bitdex_refresh_oldest_owed_seconds", "gauge",
           "Age of the oldest request that is not answered yet, since this producer has known it;"
           " else 0.",
           status_owed_seconds(answer->view));
    metric(answer, "bitdex_refresh_error", "gauge",
           "1 while requests cannot be answered; refresh_error in the status has the reason.",
           refresh->error[0] != '\0');
    metric(answer, "bitdex_refresh_requests_total", "counter", "Rows that asked for a refresh.",
           (double)refresh->requests);
    metric(answer, "bitdex_refresh_answers_total", "counter", "Rows whose requests were answered.",
           (double)refresh->answers);
    metrics_family(&answer->response->body, "bitdex_refresh_turn_seconds", "histogram",
                   "Duration of a turn of answers, from its reading to its acknowledgement: new"
                   " rows wait for so long at most.");
    metrics_histogram_sample(&answer->response->body, "bitdex_refresh_turn_seconds", labels,
                             &answer->status->refresh_turns);
}

static void
answer_age_metrics(const struct answer *answer)
{
    const struct status_view *view = answer->view;
    double freshness_seconds = status_freshness_seconds(view);
    double backlog_seconds = status_backlog_seconds(view);
    CHECK(backlog_seconds >= 0);
    metric(answer, "bitdex_producer_backlog_seconds", "gauge",
           "As freshness while rows wait to be sent, else 0.", backlog_seconds);
    if (freshness_seconds >= 0)
        metric(answer, "bitdex_producer_freshness_seconds", "gauge",
               "Age of the newest source snapshot whose rows are all acknowledged.",
               freshness_seconds);
}

static void
answer_sent_metrics(const struct answer *answer)
{
    const struct status_progress *progress = &answer->view->progress;
    metric(answer, "bitdex_producer_epoch", "gauge", "Epoch of this producer's cursor.",
           (double)progress->epoch);
    metric(answer, "bitdex_producer_generation", "gauge", "Generation of the current session.",
           (double)progress->generation);
    metric(answer, "bitdex_producer_tick", "gauge", "Number of the newest window.",
           (double)progress->tick);
    metric(answer, "bitdex_producer_events_total", "counter", "Numbered events sent.",
           (double)progress->events);
    metric(answer, "bitdex_producer_marks_total", "counter", "Marks sent.",
           (double)progress->marks);
    metric(answer, "bitdex_producer_sent_bytes_total", "counter", "Bytes of message values sent.",
           (double)progress->bytes);
    metric(answer, "bitdex_producer_dead_letters_total", "counter",
           "Ops rows that were kept as dead letters.", (double)progress->dead_letters);
    metric(answer, "bitdex_voided_total", "counter",
           "Times that fields were made incomplete because their tables had changed without rows;"
           " voided_reason in the status has the last reason.",
           (double)progress->voided);
    if (answer->view->letters.known)
        metric(answer, "bitdex_dead_letters_open", "gauge",
               "Dead letters of the producer whose retry is not answered.",
               (double)answer->view->letters.open);
    metric(answer, "bitdex_producer_unacknowledged_messages", "gauge",
           "Messages sent and not acknowledged yet.", (double)progress->outstanding);
    metric(answer, "bitdex_producer_sessions_total", "counter", "Sessions that the drain started.",
           (double)progress->sessions);
    metric(answer, "bitdex_producer_polls_total", "counter", "Polls of the outbox for new rows.",
           (double)progress->polls);
}

static void
answer_cycle_histogram(const struct answer *answer)
{
    const char *const labels[] = {"source", answer->config->producer.name, NULL};
    metrics_family(&answer->response->body, "bitdex_producer_cycle_seconds", "histogram",
                   "Duration of windows that had rows.");
    metrics_histogram_sample(&answer->response->body, "bitdex_producer_cycle_seconds", labels,
                             &answer->status->cycles);
}

static void
answer_metrics(const struct answer *answer)
{
    char why[STATUS_ERROR_BYTES + 64];
    answer->response->content_type = METRICS_CONTENT_TYPE;
    answer_sync_metrics(answer);
    metric(answer, "bitdex_producer_ready", "gauge",
           "1 while the drain delivers or is a standby, as /api/ready.",
           status_is_ready(answer->view, why, sizeof why));
    metric(answer, "bitdex_producer_standby", "gauge",
           "1 while another producer of this name has the lock.", status_is_standby(answer->view));
    answer_age_metrics(answer);
    answer_sent_metrics(answer);
    answer_retention_metrics(answer);
    answer_load_metrics(answer);
    answer_patrol_metrics(answer);
    answer_refresh_metrics(answer);
    answer_cycle_histogram(answer);
    CHECK(answer->response->body.data[answer->response->body.bytes - 1] == '\n');
}

static void
answer_page(const struct answer *answer)
{
    const struct status_progress *progress = &answer->view->progress;
    answer->response->content_type = "text/plain; charset=utf-8";
    buffer_append_format(&answer->response->body,
                         "bitdex-producer %s, topic %s\n\n%s%s%s\n\n"
                         "sent row %lld of %lld, about %lld rows left, %.0f rows/s\n"
                         "epoch %lld, generation %lld, tick %lld, dead letters %llu\n\n"
                         "/api/status /api/health /api/ready /metrics\n",
                         answer->config->producer.name, answer->config->topic.name,
                         status_state_name(answer->view),
                         answer->view->error[0] != '\0' ? ": " : "", answer->view->error,
                         (long long)progress->last_row_id, (long long)progress->max_row_id,
                         (long long)progress->backlog_rows, progress->rows_per_second,
                         (long long)progress->epoch, (long long)progress->generation,
                         (long long)progress->tick, (unsigned long long)progress->dead_letters);
}

typedef void (*answer_function)(const struct answer *answer);

void
api_log_report(const struct api *api)
{
    struct status_view view;
    status_read(api->status, &view);
    const struct status_progress *progress = &view.progress;
    CHECK(progress->tick >= 0);
    log_info("status",
             "%s%s%s, sent row %lld of %lld, about %lld rows left, %.0f rows/s, epoch %lld, "
             "generation %lld, tick %lld, %llu unacknowledged messages, %llu sessions, %llu dead "
             "letters",
             status_state_name(&view), view.error[0] != '\0' ? ": " : "", view.error,
             (long long)progress->last_row_id, (long long)progress->max_row_id,
             (long long)progress->backlog_rows, progress->rows_per_second,
             (long long)progress->epoch, (long long)progress->generation, (long long)progress->tick,
             (unsigned long long)progress->outstanding, (unsigned long long)progress->sessions,
             (unsigned long long)progress->dead_letters);
}

struct route {
    const char *path;
    answer_function answer;
    bool is_reserved; /* answered while all seats of the server are taken */
};

static const struct route routes[] = {
    {"/api/health", answer_health, true},
    {"/api/ready", answer_ready, true},
    {"/api/status", answer_status, false},
    {"/metrics", answer_metrics, false},
    {"/", answer_page, false},
};

/* NULL: there is no such path. */
static const struct route *
find_route(const char *path)
{
    CHECK(path[0] == '/');
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (strcmp(path, routes[i].path) == 0)
            return &routes[i];
    return NULL;
}

static void
answer_no_route(const struct http_request *request, struct http_response *response)
{
    enum { ROUTES = sizeof routes / sizeof routes[0] };
    struct http_route all[ROUTES];
    for (size_t i = 0; i < ROUTES; i++)
        all[i] = (struct http_route){"GET", routes[i].path};
    http_respond_no_route(response, request->path, all, ROUTES);
}

enum http_verdict
api_judge(void *context, struct http_request *request, struct http_response *response)
{
    CHECK(context != NULL);
    CHECK(response->status == 200);
    const struct route *route = find_route(request->path);
    if (route == NULL) {
        answer_no_route(request, response);
        return HTTP_REFUSED;
    }
    if (strcmp(request->method, "GET") != 0) {
        http_respond_wrong_method(response, request->method,
                                  &(const struct http_route){"GET", request->path}, 1);
        return HTTP_REFUSED;
    }
    request->route = route;
    return route->is_reserved ? HTTP_RESERVED : HTTP_ACCEPTED;
}

void
api_handle(void *context, const struct http_request *request, struct http_response *response)
{
    const struct api *api = context;
    const struct route *route = request->route;
    struct status_view view;
    const struct answer answer = {api->config, &view, api->status, response};
    CHECK(api->config != NULL);
    CHECK(api->status != NULL);
    CHECK(route != NULL); /* api_judge() has set it */
    CHECK(response->body.bytes == 0);
    status_read(api->status, &view);
    route->answer(&answer);
    CHECK(response->status == 200 || response->status >= 400);
    CHECK(response->body.bytes > 0);
}
