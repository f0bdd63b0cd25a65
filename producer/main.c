/* bitdex-producer: drains the outbox of a Postgres database into a Kafka topic. */
#include "producer/commands/commands.h"

static const struct cli_command commands[] = {
    {.name = "init",
     .summary = "make tables, columns, indexes and topics; may be repeated",
     .run = command_init},
    {.name = "check",
     .has_json = true,
     .summary = "look at the configuration, the database and the broker; changes nothing",
     .run = command_check},
    {.name = "run",
     .has_log = true,
     .summary = "drain until SIGTERM",
     .help = "The first SIGTERM or SIGINT finishes what is in flight, the second ends at once.\n"
             "Outages of the database or the broker are waited out.",
     .run = command_run},
    {.name = "status",
     .has_json = true,
     .summary = "ask the running producer at producer.listen",
     .run = command_status},
    {0},
};

int
main(int argc, char **argv)
{
    static const struct cli_program program = {
        .name = "bitdex-producer",
        .summary = "drains the outbox of a Postgres database into a Kafka topic",
        .config_program = CONFIG_PRODUCER,
        .commands = commands,
    };
    return cli_main(&program, argc, argv);
}
