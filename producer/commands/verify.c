/* Happy path: check the selection, find the groups, then one pass. With --repair, when something
 * differs: loads of what differs, and a second pass over these ranges, which decides.
 *
 * Failure modes: what is not known is never equal. An outage of the database is waited for while a
 * job runs; the verdicts stay in the consumers (GET /api/indexes/{index}/verify) when the command
 * is interrupted.
 */
#include "producer/commands/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/cli/cli.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/commands/load_wait.h"
#include "producer/commands/selection.h"
#include "producer/commands/source_session.h"
#include "producer/commands/verify_groups.h"
#include "producer/commands/verify_pass.h"
#include "producer/commands/verify_repair.h"
#include "producer/commands/verify_report.h"
#include "producer/load/load_survey.h"
#include "producer/load/sum_plan.h"
#include "producer/verify/sample.h"

enum { TIMEOUT_S = 60, TIMEOUT_S_MAX = 24 * 3600, PASSES_MAX = 2 };

const struct cli_option verify_options[] = {
    {"--table", "T", "only what the triggers of this table set"},
    {"--fields", "A,B,...", "only these fields"},
    {"--range", "BEGIN:END", "only entities from BEGIN on, before END; either may be left out"},
    {"--sample", "N", "only N random ranges of 65536 entities for each partition"},
    {"--group", "A,B,...", "only these consumer groups, which are compared with each other too"},
    {"--repair", NULL, "load what differs, and verify it again"},
    {"--strict", NULL, "fail when a field cannot be compared"},
    {"--timeout", "S", "seconds to wait for the verdicts of consumers, by default 60"},
    {0},
};

struct verifier {
    const struct cli *cli;
    struct arena arena;
    struct load_selection selection; /* without a range */
    struct job_ranges ranges;
    uint32_t sample; /* 0: no sample */
    struct verify_left_out left_out;
    struct verify_task task;
    struct verify_pass passes[PASSES_MAX];
    uint32_t pass_count;
    uint32_t repaired; /* ranges */
};

/* The range of the selection becomes that of the verify. */
static void
take_range(struct verifier *verifier)
{
    struct job_range *range = arena_alloc(&verifier->arena, sizeof *range);
    struct load_selection *selection = &verifier->selection;
    *range = (struct job_range){selection->begin, selection->end};
    verifier->ranges = (struct job_ranges){range, 1};
    selection->has_range = false;
    selection->begin = 0;
    selection->end = CHUNK_NO_END;
}

static int
read_options(struct verifier *verifier, struct error *err)
{
    const struct cli *cli = verifier->cli;
    const char *sample = cli_find_option(cli, "--sample");
    const char *timeout = cli_find_option(cli, "--timeout");
    int64_t number = TIMEOUT_S;
    if (sample != NULL && cli_find_option(cli, "--range") != NULL)
        return error_set(err, ERR_USAGE, "--sample and --range exclude each other");
    int rc = selection_read(cli, &verifier->arena, &verifier->selection, err);
    if (rc == 0 && timeout != NULL &&
        (rc = cli_read_number(timeout, 1, TIMEOUT_S_MAX, &number, err)) != 0)
        rc = error_wrap(err, rc, "--timeout");
    verifier->task.timeout_s = (int)number;
    number = 0;
    if (rc == 0 && sample != NULL &&
        (rc = cli_read_number(sample, 1, SAMPLE_RANGES_MAX, &number, err)) != 0)
        rc = error_wrap(err, rc, "--sample");
    verifier->sample = (uint32_t)number;
    if (rc == 0)
        take_range(verifier);
    return rc;
}

/* Picks the ranges of --sample. An empty table is verified as a whole. */
static void
take_sample(struct verifier *verifier, int64_t last_id)
{
    uint64_t random = (uint64_t)clock_realtime_us();
    CHECK(verifier->sample > 0);
    if (last_id >= 0)
        sample_pick(last_id, verifier->cli->config->topic.partitions, verifier->sample, random,
                    &verifier->arena, &verifier->ranges);
}

static int
compare_texts(const void *a, const void *b)
{
    const struct text *left = a;
    const struct text *right = b;
    size_t bytes = left->bytes < right->bytes ? left->bytes : right->bytes;
    int order = bytes > 0 ? memcmp(left->data, right->data, bytes) : 0;
    return order != 0 ? order : (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

/* Parts the fields of the plan into those that are compared and those that are left out. */
static void
take_fields(struct verifier *verifier, const struct sum_plan *plan)
{
    struct arena *arena = &verifier->arena;
    uint32_t others = plan->field_count - plan->comparable_count;
    struct text *fields = arena_alloc(arena, (plan->comparable_count + 1) * sizeof *fields);
    struct text *left_out = arena_alloc(arena, (others + 1) * sizeof *left_out);
    struct text *reasons = arena_alloc(arena, (others + 1) * sizeof *reasons);
    uint32_t count = 0;
    uint32_t left_out_count = 0;
    for (uint32_t i = 0; i < plan->field_count; i++) {
        const struct sum_plan_field *field = &plan->fields[i];
        if (field->is_comparable) {
            fields[count++] = field->field;
            continue;
        }
        left_out[left_out_count] = field->field;
        reasons[left_out_count++] = text_of(field->reason);
    }
    CHECK(count == plan->comparable_count);
    qsort(fields, count, sizeof *fields, compare_texts);
    verifier->task.fields = fields;
    verifier->task.field_count = count;
    verifier->left_out = (struct verify_left_out){left_out, reasons, left_out_count, &plan->exempt};
}

/* Which fields can be compared depends on the tables. Making a plan changes the session. */
static int
read_plan(struct verifier *verifier, struct pg *pg, struct error *err)
{
    struct sum_plan *plan;
    int64_t last_id = -1;
    int rc = sum_plan_create(verifier->cli->config, pg, &verifier->selection, &verifier->arena,
                             &plan, err);
    if (rc != 0)
        return rc;
    take_fields(verifier, plan);
    if (plan->comparable_count == 0)
        return error_set(err, ERR_FATAL, "nothing can be compared: %.*s: %s",
                         TEXT_ARGS(plan->fields[0].field), plan->fields[0].reason);
    if (verifier->sample > 0)
        rc = load_survey_last_id(pg, &plan->load, &last_id, err);
    if (rc == 0 && verifier->sample > 0)
        take_sample(verifier, last_id);
    return rc;
}

static int
prepare(struct verifier *verifier, struct error *err)
{
    const struct config *config = verifier->cli->config;
    struct pg *pg;
    int rc = source_session_open(config, "bitdex-producer verify check", &pg, err);
    if (rc != 0)
        return rc;
    rc = read_plan(verifier, pg, err);
    pg_close(pg);
    return rc;
}

static int
run_pass(struct verifier *verifier, const struct job_ranges *ranges, struct error *err)
{
    CHECK(verifier->pass_count < PASSES_MAX);
    struct verify_pass *pass = &verifier->passes[verifier->pass_count++];
    int rc = verify_pass_run(&verifier->task, ranges, pass, err);
    if (rc == 0 && !verifier->cli->json)
        verify_report_print(pass, &verifier->left_out);
    return rc;
}

/* Loads what the first pass has found, and verifies it again. */
static int
repair(struct verifier *verifier, struct error *err)
{
    const struct comparison *found = &verifier->passes[0].comparison;
    struct job_range *items =
        arena_alloc(&verifier->arena, (found->differing_count + 1) * sizeof *items);
    for (uint32_t i = 0; i < found->differing_count; i++)
        items[i] = found->differing[i].range;
    const struct job_ranges ranges = {items, found->differing_count};
    int rc = verify_repair(&verifier->task, found, err);
    if (rc == 0)
        rc = run_pass(verifier, &ranges, err);
    if (rc == 0)
        verifier->repaired = found->differing_count;
    return rc;
}

static void
print_equal(uint32_t repaired)
{
    if (repaired > 0)
        printf("equal after the repair of %u range%s\n", repaired, repaired == 1 ? "" : "s");
    else
        printf("equal\n");
}

/* What the second pass did not read stays as the first one has found it. */
static int
conclude(const struct verifier *verifier, struct error *err)
{
    const struct verify_pass *first = &verifier->passes[0];
    const struct verify_pass *last = &verifier->passes[verifier->pass_count - 1];
    struct buffer result = {0};
    int rc = 0;
    verify_report_append_result(last, &result);
    if (last != first && (first->list.unknown_count > 0 || first->groups.unknown_count > 0))
        buffer_append_format(&result, "%sanswers were unknown before the repair",
                             result.bytes > 0 ? "; " : "");
    if (result.bytes > 0)
        rc = error_set(err, ERR_FATAL, "not equal: %s", buffer_string(&result));
    else if (cli_find_option(verifier->cli, "--strict") != NULL &&
             verify_report_not_comparable(first, &verifier->left_out) > 0)
        rc = error_set(err, ERR_FATAL, "equal, but %u field(s) cannot be compared (--strict)",
                       verify_report_not_comparable(first, &verifier->left_out));
    else if (!verifier->cli->json)
        print_equal(verifier->repaired);
    buffer_free(&result);
    return rc;
}

static int
verify(struct verifier *verifier, struct error *err)
{
    const struct cli *cli = verifier->cli;
    int rc = prepare(verifier, err);
    if (rc == 0)
        rc = verify_groups_find(cli->config, cli_find_option(cli, "--group"), &verifier->arena,
                                &verifier->task.groups, &verifier->task.group_count, err);
    if (rc != 0)
        return rc;
    verifier->task.compares_groups =
        cli_find_option(cli, "--group") != NULL && verifier->task.group_count > 1;
    rc = run_pass(verifier, &verifier->ranges, err);
    if (rc == 0 && cli_find_option(cli, "--repair") != NULL &&
        verifier->passes[0].comparison.differing_count > 0)
        rc = repair(verifier, err);
    if (rc == 0 && cli->json)
        verify_report_print_json(verifier->passes, verifier->pass_count, &verifier->left_out,
                                 verifier->repaired);
    return rc == 0 ? conclude(verifier, err) : rc;
}

int
command_verify(const struct cli *cli, struct error *err)
{
    struct verifier *verifier = memory_zalloc(sizeof *verifier);
    if (cli->config->log.level == LOG_INFO)
        log_set_level(LOG_WARN); /* the progress of the jobs says more */
    verifier->cli = cli;
    verifier->task.config = cli->config;
    verifier->task.selection = &verifier->selection;
    int rc = read_options(verifier, err);
    if (rc == 0) {
        verifier->task.waiter = load_waiter_create(cli->config, NULL);
        rc = verify(verifier, err);
        load_waiter_destroy(verifier->task.waiter);
    }
    for (uint32_t i = 0; i < verifier->pass_count; i++)
        verify_pass_free(&verifier->passes[i]);
    arena_free(&verifier->arena);
    free(verifier);
    return rc;
}
