#include "common/cli/cli.h"
#include "consumer/commands/commands.h"

static const struct cli_command commands[] = {
    {
        .name = "check",
        .summary = "test the configuration, the broker, the topics and the data directory",
        .help =
            "Changes nothing. Also names configured features that this version does not support.",
        .run = command_check,
    },
    {
        .name = "run",
        .has_log = true,
        .summary = "apply the topic and answer queries until SIGTERM",
        .run = command_run,
    },
    {
        .name = "status",
        .has_json = true,
        .summary = "print position and lag of the running consumer",
        .run = command_status,
    },
    {
        .name = "health",
        .summary = "exit 0 if the running consumer is healthy, else 1",
        .help = "A stuck thread fails it; a server that is away does not. For health checks of a\n"
                "container or a supervisor.",
        .run = command_health,
    },
    {
        .name = "query",
        .arguments = "BODY",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "send a query to the running consumer",
        .help = "BODY is the JSON of POST /api/indexes/{index}/query, or - for standard input:\n"
                "  bitdex-consumer query '{\"filters\":[{\"Eq\":[\"nsfwLevel\",1]}],\"limit\":5}'",
        .run = command_query,
    },
    {
        .name = "get",
        .arguments = "ID",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "print an entity of the running consumer",
        .run = command_get,
    },
    {
        .name = "checkpoint",
        .has_json = true,
        .summary = "take a checkpoint of every partition of the running consumer",
        .help =
            "Waits for the checkpoints. Prints the offset of each, and how long the partition was\n"
            "paused. Needs consumer.token_file. Exit code 1: a checkpoint could not be taken.",
        .run = command_checkpoint,
    },
    {
        .name = "wal list",
        .arguments = "[PARTITION]",
        .arguments_max = 1,
        .has_json = true,
        .summary = "list the segments of the write-ahead log",
        .help =
            "States of a segment: whole; growing (ends inside a frame, and a consumer is "
            "running);\n"
            "torn (ends inside a frame, and no consumer is running); problem, with the reason.\n"
            "Exit code 1: there is a problem. --json: one object per line. Changes nothing; may\n"
            "run beside the consumer.",
        .run = command_wal_list,
    },
    {
        .name = "wal dump",
        .arguments = "PARTITION [OFFSET [COUNT]]",
        .arguments_min = 1,
        .arguments_max = 3,
        .has_json = true,
        .summary = "print the frames of the write-ahead log",
        .help = "Prints COUNT frames with offsets, position and events, beginning with the first "
                "frame\n"
                "that ends after OFFSET. --json: one frame per line. May run beside the consumer.",
        .run = command_wal_dump,
    },
    {
        .name = "wal check",
        .arguments = "[PARTITION]",
        .arguments_max = 1,
        .has_json = true,
        .summary = "check that a start can read the write-ahead log",
        .help = "Checks the checksums, the order and the events of all frames, and the identity of "
                "the\n"
                "log. Exit code 1: a start would refuse the log. --json: one partition per line.\n"
                "Changes nothing; may run beside the consumer.",
        .run = command_wal_check,
    },
    {0},
};

int
main(int argc, char **argv)
{
    const struct cli_program program = {
        .name = "bitdex-consumer",
        .summary = "builds a bitmap index from a Kafka topic and answers queries",
        .config_program = CONFIG_CONSUMER,
        .commands = commands,
    };
    return cli_main(&program, argc, argv);
}
