#include "consumer/commands/commands.h"
#include "consumer/commands/consumer_client.h"

int
command_health(const struct cli *cli, struct error *err)
{
    struct buffer answer = {0};
    int rc = consumer_client_call(cli->config, "/api/health", NULL, &answer, err);
    buffer_free(&answer);
    return rc;
}
