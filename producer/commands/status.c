#include <inttypes.h>
#include <stdio.h>

#include "common/http/client.h"
#include "common/json/json.h"
#include "producer/commands/commands.h"

enum { ANSWER_TIMEOUT_S = 5, JSON_DEPTH = 8 };

static void
print_member(const struct json_member *member)
{
    const struct json_value *value = &member->value;
    printf("%-18.*s ", TEXT_ARGS(member->key));
    switch (value->kind) {
    case JSON_INTEGER:
        printf("%" PRId64 "\n", value->integer);
        break;
    case JSON_FLOAT:
        printf("%.1f\n", value->real);
        break;
    case JSON_STRING:
        printf("%.*s\n", TEXT_ARGS(value->string));
        break;
    default:
        printf("-\n");
    }
}

static int
print_status(struct text answer, struct error *err)
{
    struct arena arena = {0};
    const struct json_value *status;
    int rc = json_parse(answer, JSON_DEPTH, &arena, &status, err);
    if (rc == 0 && status->kind != JSON_OBJECT)
        rc = error_set(err, ERR_DATA, "the answer is not a status");
    for (uint32_t i = 0; rc == 0 && i < status->object.count; i++)
        print_member(&status->object.members[i]);
    arena_free(&arena);
    return rc;
}

int
command_status(const struct cli *cli, struct error *err)
{
    struct buffer answer = {0};
    int status;
    int rc = http_client_call(cli->config->producer.listen, "/api/status", NULL, ANSWER_TIMEOUT_S,
                              &answer, &status, err);
    if (rc == 0 && status != 200)
        rc = error_set(err, ERR_FATAL, "%s answers %d", cli->config->producer.listen, status);
    if (rc == 0 && cli->json)
        printf("%s\n", buffer_string(&answer));
    else if (rc == 0)
        rc = print_status((struct text){(const char *)answer.data, answer.bytes}, err);
    buffer_free(&answer);
    return rc;
}
