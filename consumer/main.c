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
    {
        .name = "checkpoint",
        .has_json = true,
        .summary = "let the running consumer take a checkpoint of every partition, and wait",
        .help =
            "Needs consumer.token_file. Prints where each one stands, and for how long reading\n"
            "stood still for it. 1 when one could not be taken.",
        .run = command_checkpoint,
    },
    {
        .name = "wal list",
        .arguments = "[PARTITION]",
        .arguments_max = 1,
        .has_json = true,
        .summary = "show the files of the write-ahead log",
        .help =
            "The state of a file: whole; growing or torn, when it ends inside a frame, with a\n"
            "consumer at work or without one; or what is wrong with it, which ends the command\n"
            "with 1. --json: an object a line. May run beside the consumer; changes nothing.",
        .run = command_wal_list,
    },
    {
        .name = "wal dump",
        .arguments = "PARTITION [OFFSET [COUNT]]",
        .arguments_min = 1,
        .arguments_max = 3,
        .has_json = true,
        .summary = "print the frames of the write-ahead log",
        .help = "From the frame that covers OFFSET or comes behind it, so many frames: offsets,\n"
                "position and events. --json: a frame a line. May run beside the consumer.",
        .run = command_wal_dump,
    },
    {
        .name = "wal check",
        .arguments = "[PARTITION]",
        .arguments_max = 1,
        .has_json = true,
        .summary = "read the write-ahead log as a start would",
        .help =
            "Checksums, order, every event, and whose log it is. 1 when a start would refuse it.\n"
            "--json: a partition a line. May run beside the consumer; changes nothing.",
        .run = command_wal_check,
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
