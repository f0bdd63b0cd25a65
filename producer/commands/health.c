#include "producer/commands/health.h"

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/http/client.h"

enum { ANSWER_TIMEOUT_S = 5 };

int
command_health(const struct cli *cli, struct error *err)
{
    const char *listen = cli->config->producer.listen;
    struct buffer answer = {0};
    int status;
    CHECK(listen != NULL);
    int rc = http_client_call(listen, "/api/health", NULL, NULL, ANSWER_TIMEOUT_S, &answer, &status,
                              err);
    if (rc == 0 && status != 200)
        rc = error_set(err, ERR_FATAL, "%s answers %d: %s", listen, status, buffer_string(&answer));
    buffer_free(&answer);
    return rc;
}
