#include "consumer/api/query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/http/server.h"
#include "common/metrics/metrics.h"
#include "consumer/api/as_of.h"
#include "consumer/api/query_wait.h"
#include "consumer/api/served_shard.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/rendezvous.h"
#include "consumer/partition/shard.h"
#include "consumer/query/document_request.h"
#include "consumer/query/query_documents.h"
#include "consumer/query/query_fields.h"
#include "consumer/query/query_merge.h"
#include "consumer/query/query_reply.h"
#include "consumer/query/query_request.h"

enum {
    FILTER_DEPTH_MAX = 32,
    FILTER_CLAUSES_MAX = 10000,
    SLOT_POLL_MS = 1,
};

/* A query while it is answered. */
struct query_run {
    struct api_context *api;
    const struct query_request *request;
    int64_t begin_us;
    int timeout_ms;
    int64_t until_us;
    const bool *asked; /* partitions; NULL: all */
    struct buffer *out;
    int status; /* of an error; 0: by its class */
};

/* The answers of all partitions. */
struct gathered {
    struct engine_result *results;
    uint32_t result_count;
    int32_t *missing; /* partitions without an answer */
    uint32_t missing_count;
    bool complete; /* nothing is missing, and the fields that are used are complete in all shards */
    bool is_one_tick;   /* all shards that answered have proved the same one */
    bool has_proof;     /* a shard has answered */
    struct proof proof; /* of the shard furthest behind */
};

static int
gather_documents(void *context, const struct engine *engine, const struct engine_result *result,
                 struct error *err)
{
    return query_documents_take(context, engine, result, err);
}

/* The proof of a shard, before it answers. */
static void
gather_proof(void *context, const struct proof *proof)
{
    struct gathered *gathered = context;
    const struct proof *before = &gathered->proof;
    if (gathered->has_proof && (proof->tick != before->tick || proof->epoch != before->epoch))
        gathered->is_one_tick = false;
    if (!gathered->has_proof || proof_is_older(proof, before))
        proof_copy(&gathered->proof, proof);
    gathered->has_proof = true;
}

static void
gathered_init(struct gathered *gathered, int32_t partitions)
{
    *gathered = (struct gathered){.complete = true, .is_one_tick = true};
    gathered->results = memory_zalloc((size_t)partitions * sizeof *gathered->results);
    gathered->missing = memory_zalloc((size_t)partitions * sizeof *gathered->missing);
    proof_init(&gathered->proof);
}

static void
gathered_free(struct gathered *gathered)
{
    for (uint32_t i = 0; i < gathered->result_count; i++)
        engine_result_free(&gathered->results[i]);
    proof_free(&gathered->proof);
    free(gathered->results);
    free(gathered->missing);
}

/* `documents` NULL: without documents. */
static int
gather(const struct query_run *run, struct query_documents *documents, struct gathered *gathered,
       struct error *err)
{
    struct api_context *api = run->api;
    const struct engine_query *query = &run->request->query;
    int32_t partitions = api->config->topic.partitions;
    struct field_set used = query_fields(query, &api->fields);
    if (documents != NULL)
        field_set_add_all(&used, &documents->fields);
    int rc = 0;
    assignment_enter(api->assignment);
    for (int32_t i = 0; rc == 0 && i < partitions; i++) {
        struct field_set complete = {{0}};
        struct shard *shard = NULL;
        CHECK(gathered->result_count + gathered->missing_count == (uint32_t)i);
        if (run->asked == NULL || run->asked[i])
            shard = served_shard_find(api, i, &complete);
        if (shard == NULL) {
            gathered->missing[gathered->missing_count++] = i;
        } else {
            shard_read_proof(shard, gather_proof, gathered);
            rc = shard_query_read(shard, query, run->until_us,
                                  documents != NULL ? gather_documents : NULL, documents,
                                  &gathered->results[gathered->result_count], err);
            gathered->result_count += rc == 0;
            served_shard_keep_complete(shard, &complete);
        }
        gathered->complete =
            gathered->complete && shard != NULL && field_set_includes(&complete, &used);
    }
    assignment_leave(api->assignment);
    CHECK(rc != 0 || gathered->result_count + gathered->missing_count == (uint32_t)partitions);
    CHECK(!gathered->complete || gathered->missing_count == 0);
    CHECK(gathered->result_count <= (uint32_t)partitions);
    return rc;
}

static void
query_write(const struct query_run *run, const struct gathered *gathered,
            const struct query_documents *documents)
{
    const struct engine_query *query = &run->request->query;
    const struct proof *proof = &gathered->proof;
    struct query_page page;
    struct buffer as_of = {0};
    as_of_describe(run->api, &as_of);
    query_merge(query, gathered->results, gathered->result_count, &page);
    CHECK(page.count <= query->limit);
    CHECK(page.count <= page.total_matched);
    int64_t now_us = clock_monotonic_us();
    int64_t lag_us = freshness_age_us(&proof->freshness, now_us, clock_realtime_us());
    CHECK((lag_us < 0) == (proof->epoch == 0));
    const struct query_reply reply = {
        .page = &page,
        .documents = documents,
        .elapsed_us = now_us - run->begin_us,
        .complete = gathered->complete,
        .missing_partitions = gathered->missing,
        .missing_count = gathered->missing_count,
        .snapshot = proof->epoch != 0 ? (const char *)proof->snapshot.data : NULL,
        .tick = proof->tick,
        .lag_s = (double)lag_us / US_PER_S,
        .as_of = {(const char *)as_of.data, as_of.bytes},
    };
    query_reply_write(&reply, run->out);
    query_page_free(&page);
    buffer_free(&as_of);
}

/* `documents` NULL: without documents. `*is_one_tick`: whether all shards have proved the same. */
static int
query_gather(const struct query_run *run, struct query_documents *documents, bool *is_one_tick,
             struct error *err)
{
    struct gathered gathered;
    gathered_init(&gathered, run->api->config->topic.partitions);
    int rc = gather(run, documents, &gathered, err);
    if (rc == 0)
        query_write(run, &gathered, documents);
    *is_one_tick = gathered.is_one_tick;
    gathered_free(&gathered);
    return rc;
}

static int
query_gather_documents(const struct query_run *run, bool *is_one_tick, struct error *err)
{
    struct api_limits *limits = &run->api->limits;
    long long documents_limit = atomic_load(&limits->documents_limit);
    const struct query_request *request = run->request;
    const struct engine_query *query = &request->query;
    struct query_documents documents;
    struct field_set fields;
    CHECK(request->documents.wanted);
    if (query->limit + query->offset > (uint64_t)documents_limit)
        return error_set(err, ERR_DATA,
                         "limit plus offset of a query with include_docs is more than "
                         "consumer.documents_limit, %lld: use a cursor",
                         documents_limit);
    int rc = document_fields_resolve(&request->documents, &run->api->fields, &fields, err);
    if (rc != 0)
        return error_wrap(err, rc, "include_docs");
    query_documents_init(&documents, query, &fields,
                         (uint64_t)atomic_load(&limits->documents_bytes));
    rc = query_gather(run, &documents, is_one_tick, err);
    query_documents_free(&documents);
    return rc;
}

/* In a slot of consumer.http_threads. */
static int
query_read(const struct query_run *run, bool *is_one_tick, struct error *err)
{
    *is_one_tick = false;
    int rc = run->request->documents.wanted ? query_gather_documents(run, is_one_tick, err)
                                            : query_gather(run, NULL, is_one_tick, err);
    CHECK(sem_post(&run->api->query_slots) == 0);
    return rc;
}

static int
query_read_now(const struct query_run *run, struct error *err)
{
    bool is_one_tick;
    while (sem_wait(&run->api->query_slots) != 0)
        CHECK(errno == EINTR);
    return query_read(run, &is_one_tick, err);
}

/* --- one tick of all partitions -------------------------------------------------------------- */

static bool
query_take_slot(struct api_context *api, int64_t until_us)
{
    while (sem_trywait(&api->query_slots) != 0) {
        CHECK(errno == EAGAIN || errno == EINTR);
        if (clock_monotonic_us() >= until_us)
            return false;
        clock_sleep_ms(SLOT_POLL_MS);
    }
    return true;
}

/* While the workers are held. `*is_done`: the answer is written, or the error is final. */
static int
query_read_held(const struct query_run *run, const struct rendezvous_hold *hold, bool *is_done,
                struct error *err)
{
    struct query_run held = *run;
    int32_t hold_ms = run->api->config->consumer.consistent_hold_ms;
    int64_t begin_us = clock_monotonic_us();
    int rc = 0;
    *is_done = false;
    if (!query_take_slot(run->api, hold->until_us))
        return 0;
    if (held.until_us > hold->until_us)
        held.until_us = hold->until_us;
    rc = query_read(&held, is_done, err);
    /* Another attempt may have more time, if this one had little of the hold. */
    if (rc == ERR_RETRY && hold->until_us - begin_us > (int64_t)hold_ms * US_PER_MS / 2) {
        *is_done = true;
        return error_wrap(err, rc, "consumer.consistent_hold_ms is %" PRId32, hold_ms);
    }
    *is_done = *is_done || (rc != 0 && rc != ERR_RETRY);
    return rc;
}

/* Repeats what a worker that had to continue has made useless. */
static int
query_read_consistent(struct query_run *run, struct error *err)
{
    struct rendezvous *rendezvous = assignment_rendezvous(run->api->assignment);
    bool is_done = false;
    int rc = 0;
    run->status = 504;
    while (!is_done) {
        struct rendezvous_hold hold;
        rc = rendezvous_begin(rendezvous, run->asked, run->until_us, &hold, err);
        if (rc != 0)
            return error_wrap(err, rc, "the partitions did not come to one tick");
        rc = query_read_held(run, &hold, &is_done, err);
        bool were_held = rendezvous_end(rendezvous, &hold);
        is_done = is_done && (were_held || rc != 0);
        if (is_done)
            break;
        buffer_clear(run->out);
        if (clock_monotonic_us() >= run->until_us)
            return error_set(err, ERR_RETRY, "the partitions did not stay at one tick");
    }
    if (rc != ERR_RETRY)
        run->status = 0;
    return rc;
}

/* --- queries that wait ----------------------------------------------------------------------- */

static int
query_wait_and_read(struct query_run *run, struct error *err)
{
    const struct query_request *request = run->request;
    bool *asked = query_wait_partitions(run->api);
    int rc = 0;
    run->asked = asked;
    if (request->after_xid != 0)
        rc = query_wait_for_xid(run->api, request->after_xid, run->until_us, err);
    if (rc != 0)
        run->status = 504;
    else
        rc = request->is_consistent ? query_read_consistent(run, err) : query_read_now(run, err);
    free(asked);
    return rc;
}

static int
query_answer(struct query_run *run, struct error *err)
{
    if (run->request->after_xid == 0 && !run->request->is_consistent)
        return query_read_now(run, err);
    if (!run->api->config->kafka.present)
        return error_set(err, ERR_DATA,
                         "after_xid and consistent need a topic: a stand-alone index has no "
                         "snapshots of a database");
    if (!query_wait_begin(run->api)) {
        run->status = 503;
        return error_set(err, ERR_RETRY, "too many queries wait: consumer.waiting_queries is %d",
                         atomic_load(&run->api->limits.waiting_queries));
    }
    int rc = query_wait_and_read(run, err);
    query_wait_end(run->api);
    return rc;
}

static void
query_refuse(struct api_call *call, const struct query_run *run, int rc, const struct error *err)
{
    int status = run->status;
    struct api_context *api = call->api;
    CHECK(rc == ERR_RETRY || rc == ERR_DATA);
    if (status == 503)
        atomic_fetch_add(&api->overload_queries, 1);
    else
        atomic_fetch_add(rc == ERR_RETRY ? &api->timed_out_queries : &api->refused_queries, 1);
    buffer_clear(&call->response->body);
    if (status == 503)
        http_respond_error(call->response, 503, "%s", err->message);
    else if (rc == ERR_RETRY)
        http_respond_error(call->response, status == 504 ? 504 : 503,
                           "%s: consumer.query_timeout_ms is %d", err->message, run->timeout_ms);
    else
        http_respond_error(call->response, 400, "%s", err->message);
}

void
api_answer_query(struct api_call *call)
{
    struct api_context *api = call->api;
    int64_t begin_us = clock_monotonic_us();
    int timeout_ms = atomic_load(&api->limits.query_timeout_ms);
    int64_t page = api->config->index_config.max_page_size;
    const struct query_limits limits = {
        .limit = (uint64_t)atomic_load(&api->limits.query_limit),
        .page = page > 0 ? (uint64_t)page : UINT64_MAX,
        .depth = FILTER_DEPTH_MAX,
        .clauses = FILTER_CLAUSES_MAX,
        .values = (uint64_t)atomic_load(&api->limits.query_values),
    };
    struct query_request request;
    struct query_run run = {
        .api = api,
        .request = &request,
        .begin_us = begin_us,
        .timeout_ms = timeout_ms,
        .until_us = begin_us + (int64_t)timeout_ms * US_PER_MS,
        .out = &call->response->body,
    };
    struct error err = {0};
    struct arena arena;
    arena_init(&arena);
    int rc = query_request_parse(call->request->body, &limits, &arena, &request, &err);
    if (rc == 0)
        rc = query_answer(&run, &err);
    arena_free(&arena);
    if (rc == 0)
        metrics_observe_us(&api->query_times, clock_monotonic_us() - begin_us);
    else
        query_refuse(call, &run, rc, &err);
}
