#include "producer/commands/status.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/http/client.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "producer/commands/print_json.h"

enum { ANSWER_TIMEOUT_S = 5 };

static int
print_status(struct text answer, struct error *err)
{
    struct arena arena = {0};
    const struct json_value *status;
    int rc = json_parse(answer, PRINT_JSON_DEPTH, &arena, &status, err);
    if (rc == 0 && status->kind != JSON_OBJECT)
        rc = error_set(err, ERR_DATA, "the answer is not a JSON object");
    if (rc == 0)
        print_json_members(status);
    arena_free(&arena);
    return rc;
}

int
command_status(const struct cli *cli, struct error *err)
{
    struct buffer answer = {0};
    const char *listen = cli->config->producer.listen;
    int status;
    CHECK(listen != NULL);
    int rc = http_client_call(listen, "/api/status", NULL, NULL, ANSWER_TIMEOUT_S, &answer, &status,
                              err);
    if (rc == 0 && status != 200)
        rc = error_set(err, ERR_FATAL, "%s answered /api/status with %d", listen, status);
    if (rc == 0 && cli->json)
        printf("%s\n", buffer_string(&answer));
    else if (rc == 0)
        rc = print_status((struct text){(const char *)answer.data, answer.bytes}, err);
    buffer_free(&answer);
    return rc;
}
