#include "common/cli/cli.h"
#include "consumer/commands/commands.h"

#define GROUP_OPTION                                                             \
    {                                                                            \
        "--group", "NAME", "the letters of this group instead of consumer.group" \
    }

static const struct cli_option letter_options[] = {GROUP_OPTION, {0}};
static const struct cli_option retry_options[] = {
    GROUP_OPTION, {"--all", NULL, "all letters of the group"}, {0}};

static const struct cli_option run_options[] = {
    {"--as-of", "TIME", "serve the index as it was, read-only, beside the running consumer"},
    {"--listen", "HOST:PORT", "with --as-of: where to serve it; without: a free port, in the log"},
    {0}};

static const struct cli_option audit_options[] = {
    {"--partition", "P", "read this partition only; windows are then not compared"}, {0}};

static const struct cli_option replay_options[] = {
    {"--from", "WHERE", "begin a replay; one that is under way is given up for it"},
    {"--partition", "P", "of this partition alone"},
    {"--accept-loss", NULL, "serve the rebuilt state even if it proves less"},
    {"--abort", NULL, "take the replay back: the serving state stays"},
    {"--follow", NULL, "print the progress until the rebuilt state serves"},
    {0},
};

static const struct cli_command commands[] = {
    {
        .name = "check",
        .summary = "test the configuration, the broker, the topics and the data directory",
        .help = "Changes nothing.",
        .run = command_check,
    },
    {
        .name = "run",
        .has_log = true,
        .options = run_options,
        .summary = "apply the topic and answer queries until SIGTERM",
        .help =
            "SIGHUP reads the configuration again: log level, token and limits of requests are in\n"
            "effect at once, and the log names what needs a restart. SIGUSR1 logs the status.\n"
            "With --as-of, TIME (RFC 3339, 2026-11-30T14:00:00Z) is the clock of the source. "
            "Nothing is\nwritten and no group is joined. A TIME that neither the topic nor a "
            "checkpoint reaches back\nto is refused, and one that is later than the newest "
            "watermark.",
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
        .name = "audit",
        .options = audit_options,
        .has_json = true,
        .summary = "read the topic, and print what it proves",
        .help =
            "Reads every partition from its beginning to the end that it has now, and prints a\n"
            "certificate: epochs and generations, numbers that are dense, both digests of every\n"
            "mark, what came after a fence, windows whose marks agree in all partitions, answers.\n"
            "Exit code 1: something does not prove; each finding has its partition and offset.\n"
            "Changes nothing, and needs no running consumer.",
        .run = command_audit,
    },
    {
        .name = "replay",
        .options = replay_options,
        .has_json = true,
        .summary = "rebuild the index from the topic, beside the state that serves",
        .help =
            "Asks every member of the group, which must be running. WHERE is beginning, offset:N,\n"
            "last:N (messages), or time:RFC3339 (of the brokers): the rebuild begins at the "
            "newest\n"
            "checkpoint before it, else at the topic's beginning. The rebuilt state serves when "
            "it\n"
            "has come as far and proves as much; one that proves less waits for --accept-loss.\n"
            "Needs consumer.token_file. Exit code 1: a partition has refused, or with --follow a\n"
            "replay does not continue; the lines say why.",
        .run = command_replay,
    },
    {
        .name = "dead-letters list",
        .arguments = "[LIMIT]",
        .arguments_max = 1,
        .options = letter_options,
        .has_json = true,
        .summary = "print what could not be applied, with the reasons",
        .help = "Prints the first LIMIT (100) dead letters of the topic <topic.name>.dead, oldest "
                "first.\nThe first column names the letter: PARTITION/OFFSET of the message. "
                "--json: one letter per\nline.",
        .run = command_dead_letters_list,
    },
    {
        .name = "dead-letters show",
        .arguments = "PARTITION/OFFSET",
        .arguments_min = 1,
        .arguments_max = 1,
        .options = letter_options,
        .has_json = true,
        .summary = "print one of them with its ops",
        .run = command_dead_letters_show,
    },
    {
        .name = "dead-letters retry",
        .arguments = "[PARTITION/OFFSET...]",
        .arguments_max = CLI_ARGUMENTS_MAX,
        .options = retry_options,
        .summary = "have the source read again what could not be applied",
        .help =
            "Inserts refreshes into the outbox of the configured `postgres`. The ops themselves "
            "are never\nwritten again, because newer values may have followed them. What no "
            "trigger owns is printed\nas SQL to be corrected and run by hand; the exit code is "
            "then 1.",
        .run = command_dead_letters_retry,
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
