/* `replay`: sends what was asked to every member of the group, prints what each partition has
 * answered, and follows the replays with --follow.
 *
 * Failure: a member that does not answer, a partition that refuses or that no member has, and with
 * --follow a replay that does not continue: exit code 1, and the others are as they were asked to
 * be.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "common/json/json_write.h"
#include "consumer/commands/commands.h"
#include "consumer/commands/group_members.h"
#include "consumer/partition/replay_request.h"

enum { ANSWER_DEPTH = 8, FOLLOW_MS = 1000, ALL_PARTITIONS = -1 };

struct replay_command {
    const struct cli *cli;
    int64_t partition; /* or ALL_PARTITIONS */
    struct arena arena;
    struct group_members members;
    int64_t answered; /* partitions */
    int64_t refused;
};

/* --- the command line ------------------------------------------------------------------------ */

/* The same rules as those of the members, so that a mistake is found before one is asked. */
static int
replay_check_options(const struct cli *cli, int64_t *partition, struct error *err)
{
    struct replay_request request;
    const char *from = cli_find_option(cli, "--from");
    const char *number = cli_find_option(cli, "--partition");
    bool is_abort = cli_find_option(cli, "--abort") != NULL;
    bool accepts_loss = cli_find_option(cli, "--accept-loss") != NULL;
    *partition = ALL_PARTITIONS;
    if (!cli->config->kafka.present)
        return error_set(err, ERR_USAGE, "a stand-alone index has no topic to replay");
    if (is_abort ? (from != NULL || accepts_loss) : (from == NULL && !accepts_loss))
        return error_set(err, ERR_USAGE,
                         "say --from WHERE, --accept-loss or --abort; --abort stands alone");
    if (from != NULL && replay_request_parse(from, &request, err) != 0)
        return ERR_USAGE;
    if (number == NULL)
        return 0;
    return cli_read_number(number, 0, cli->config->topic.partitions - 1, partition, err);
}

static void
replay_write_body(const struct replay_command *command, struct buffer *body)
{
    const struct cli *cli = command->cli;
    const char *from = cli_find_option(cli, "--from");
    struct json_writer json;
    json_writer_init(&json, body);
    json_object_begin(&json);
    if (from != NULL) {
        json_key(&json, "from");
        json_string(&json, from);
    }
    if (command->partition != ALL_PARTITIONS) {
        json_key(&json, "partition");
        json_integer(&json, command->partition);
    }
    if (cli_find_option(cli, "--accept-loss") != NULL) {
        json_key(&json, "accept_loss");
        json_boolean(&json, true);
    }
    if (cli_find_option(cli, "--abort") != NULL) {
        json_key(&json, "abort");
        json_boolean(&json, true);
    }
    json_object_end(&json);
}

/* --- answers --------------------------------------------------------------------------------- */

static const char *
row_text(const struct json_value *row, const char *key)
{
    const struct json_value *value = json_member(row, key);
    return value != NULL && value->kind == JSON_STRING ? value->string.data : "";
}

/* -1: not known. */
static int64_t
row_number(const struct json_value *row, const char *key)
{
    const struct json_value *value = json_member(row, key);
    return value != NULL && value->kind == JSON_INTEGER ? value->integer : -1;
}

/* NULL: the answer is not from a bitdex-consumer. */
static const struct json_value *
answer_partitions(const struct json_value *root)
{
    const struct json_value *list = json_member(root, "partitions");
    return list != NULL && list->kind == JSON_ARRAY ? list : NULL;
}

static void
replay_print_row(struct replay_command *command, const char *address, const struct json_value *row)
{
    int64_t offset = row_number(row, "offset");
    const char *error = row_text(row, "error");
    char place[24] = "-";
    if (offset >= 0)
        snprintf(place, sizeof place, "%" PRId64, offset);
    command->answered++;
    command->refused += error[0] != '\0';
    if (!command->cli->json)
        printf("%9" PRId64 "  %-21s  %-10s  %12s  %s\n", row_number(row, "partition"), address,
               row_text(row, "result"), place, error);
}

static int
replay_print_answer(struct replay_command *command, const char *address,
                    const struct buffer *answer, struct error *err)
{
    const struct json_value *root;
    const struct text text = {(const char *)answer->data, answer->bytes};
    int rc = json_parse(text, ANSWER_DEPTH, &command->arena, &root, err);
    const struct json_value *partitions = rc == 0 ? answer_partitions(root) : NULL;
    if (command->cli->json)
        printf("%.*s\n", TEXT_ARGS(text));
    if (partitions == NULL && rc == 0)
        return error_set(err, ERR_DATA, "%s: %s", address,
                         row_text(root, "error")[0] != '\0'
                             ? row_text(root, "error")
                             : "the answer is not from a bitdex-consumer");
    for (uint32_t i = 0; rc == 0 && i < partitions->array.count; i++)
        replay_print_row(command, address, &partitions->array.items[i]);
    return rc;
}

static int
replay_send(struct replay_command *command, struct error *err)
{
    struct buffer body = {0}, answer = {0};
    int rc = 0, status;
    replay_write_body(command, &body);
    if (!command->cli->json)
        printf("%9s  %-21s  %-10s  %12s\n", "partition", "member", "result", "from offset");
    for (uint32_t i = 0; rc == 0 && i < command->members.count; i++) {
        const char *address = command->members.addresses[i];
        buffer_clear(&answer);
        rc = group_members_post(command->cli->config, address, "replay", buffer_string(&body),
                                &answer, &status, err);
        if (rc == 0)
            rc = replay_print_answer(command, address, &answer, err);
    }
    buffer_free(&body);
    buffer_free(&answer);
    return rc;
}

static int
replay_check_answers(const struct replay_command *command, struct error *err)
{
    int64_t wanted =
        command->partition == ALL_PARTITIONS ? command->cli->config->topic.partitions : 1;
    if (command->refused > 0)
        return error_set(err, ERR_DATA, "%" PRId64 " of %" PRId64 " partitions have refused",
                         command->refused, command->answered);
    if (command->answered < wanted)
        return error_set(err, ERR_DATA,
                         "only %" PRId64 " of %" PRId64 " partitions are assigned to a member that "
                         "can be asked",
                         command->answered, wanted);
    return 0;
}

/* --- following ------------------------------------------------------------------------------- */

struct replay_progress {
    int64_t rebuilding; /* partitions that read */
    int64_t waiting;    /* of these, those that wait for an operator, or whose replay has ended */
};

static void
follow_row(const struct replay_command *command, const struct json_value *row,
           struct replay_progress *progress)
{
    int64_t partition = row_number(row, "partition");
    int64_t offset = row_number(row, "rebuild_offset");
    const char *note = row_text(row, "replay");
    bool is_rebuilding = offset >= 0 || strcmp(row_text(row, "state"), "rebuilding") == 0;
    if (command->partition != ALL_PARTITIONS && command->partition != partition)
        return;
    progress->rebuilding += is_rebuilding;
    progress->waiting += note[0] != '\0';
    if (is_rebuilding || note[0] != '\0')
        printf("partition %" PRId64 ": rebuilt up to offset %" PRId64 " of %" PRId64 "%s%s\n",
               partition, offset >= 0 ? offset : 0, row_number(row, "high_offset"),
               note[0] != '\0' ? "; " : "", note);
}

static int
follow_look(struct replay_command *command, struct replay_progress *progress, struct error *err)
{
    struct buffer answer = {0};
    struct arena arena;
    int rc = 0, status;
    arena_init(&arena);
    *progress = (struct replay_progress){0};
    for (uint32_t i = 0; rc == 0 && i < command->members.count; i++) {
        const struct json_value *root;
        const char *address = command->members.addresses[i];
        buffer_clear(&answer);
        rc = group_members_get(address, "/api/internal/sync-lag", &answer, &status, err);
        const struct text text = {(const char *)answer.data, answer.bytes};
        if (rc == 0)
            rc = json_parse(text, ANSWER_DEPTH, &arena, &root, err);
        const struct json_value *list = rc == 0 ? answer_partitions(root) : NULL;
        if (rc == 0 && list == NULL)
            rc = error_set(err, ERR_DATA, "%s: the answer is not from a bitdex-consumer", address);
        for (uint32_t k = 0; rc == 0 && k < list->array.count; k++)
            follow_row(command, &list->array.items[k], progress);
    }
    arena_free(&arena);
    buffer_free(&answer);
    return rc;
}

/* Until no partition rebuilds, or all that are left wait for an operator. */
static int
replay_follow(struct replay_command *command, struct error *err)
{
    struct replay_progress progress;
    for (;;) {
        int rc = follow_look(command, &progress, err);
        fflush(stdout);
        if (rc != 0)
            return rc;
        if (progress.waiting >= progress.rebuilding)
            break;
        clock_sleep_ms(FOLLOW_MS);
    }
    if (progress.waiting > 0)
        return error_set(err, ERR_DATA, "%" PRId64 " replays do not continue", progress.waiting);
    return 0;
}

int
command_replay(const struct cli *cli, struct error *err)
{
    struct replay_command command = {.cli = cli};
    CHECK(cli->argument_count == 0);
    CHECK(cli->config->index != NULL);
    int rc = replay_check_options(cli, &command.partition, err);
    if (rc != 0)
        return rc;
    arena_init(&command.arena);
    rc = group_members_find(cli->config, &command.arena, &command.members, err);
    if (rc == 0)
        rc = replay_send(&command, err);
    if (rc == 0)
        rc = replay_check_answers(&command, err);
    if (rc == 0 && cli_find_option(cli, "--follow") != NULL)
        rc = replay_follow(&command, err);
    arena_free(&command.arena);
    return rc;
}
