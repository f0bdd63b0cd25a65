#include <stdio.h>

#include "common/http/client.h"
#include "common/json/json_parse.h"
#include "producer/commands/commands.h"
#include "producer/commands/members.h"

enum { ANSWER_TIMEOUT_S = 5 };

static int
print_status(struct text answer, struct error *err)
{
    struct arena arena = {0};
    const struct json_value *status;
    int rc = json_parse(answer, MEMBERS_DEPTH, &arena, &status, err);
    if (rc == 0 && status->kind != JSON_OBJECT)
        rc = error_set(err, ERR_DATA, "the answer is not a status");
    if (rc == 0)
        members_print(status);
    arena_free(&arena);
    return rc;
}

int
command_status(const struct cli *cli, struct error *err)
{
    struct buffer answer = {0};
    int status;
    int rc = http_client_call(cli->config->producer.listen, "/api/status", NULL, NULL,
                              ANSWER_TIMEOUT_S, &answer, &status, err);
    if (rc == 0 && status != 200)
        rc = error_set(err, ERR_FATAL, "%s answers %d", cli->config->producer.listen, status);
    if (rc == 0 && cli->json)
        printf("%s\n", buffer_string(&answer));
    else if (rc == 0)
        rc = print_status((struct text){(const char *)answer.data, answer.bytes}, err);
    buffer_free(&answer);
    return rc;
}
