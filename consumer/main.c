#include "common/cli/cli.h"
#include "consumer/commands/commands.h"

static const struct cli_command commands[] = {
    {
        .name = "check",
        .summary = "test the configuration, the broker, the topics and the data directory",
        .help = "Changes nothing. Names what the file asks for that this version does not do.",
        .run = command_check,
    },
    {
        .name = "run",
        .has_log = true,
        .summary = "follow the topic and answer queries, until SIGTERM",
        .run = command_run,
    },
    {
        .name = "status",
        .has_json = true,
        .summary = "show position and lag of the running consumer",
        .run = command_status,
    },
    {
        .name = "query",
        .arguments = "BODY",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "put a query to the running consumer",
        .help = "BODY is the JSON of POST /api/indexes/{index}/query, or - for standard input:\n"
                "  bitdex-consumer query '{\"filters\":[{\"Eq\":[\"nsfwLevel\",1]}],\"limit\":5}'",
        .run = command_query,
    },
    {
        .name = "get",
        .arguments = "ID",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "show an entity of the running consumer",
        .run = command_get,
    },
    {0},
};

int
main(int argc, char **argv)
{
    const struct cli_program program = {
        .name = "bitdex-consumer",
        .summary = "keeps a bitmap index of what a Kafka topic says and answers queries",
        .config_program = CONFIG_CONSUMER,
        .commands = commands,
    };
    return cli_main(&program, argc, argv);
}
