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
    {.name = "cursor show",
     .has_json = true,
     .summary = "print every cursor of the database",
     .help =
         "Also those whose producers are gone: they hold rows of the outbox back until they are\n"
         "removed.",
     .run = command_cursor_show},
    {.name = "cursor set",
     .arguments = "POSITION",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "go on from another position, in a new epoch",
     .help = "POSITION is beginning (deliver the whole outbox), now, or a snapshot as\n"
             "pg_current_snapshot() gives it: what it sees counts as delivered. The producer must\n"
             "be stopped. Indexes say incomplete until they are loaded again.",
     .run = command_cursor_set},
    {.name = "cursor adopt",
     .summary = "go on with a database or topic that is not as it was left, in a new epoch",
     .help =
         "After a failover, a restore, or a topic that was created anew: rows that were sent may\n"
         "be gone, and rows that are there may never have been sent. The new epoch begins now,\n"
         "above everything saved and on the topic, and a load of everything is queued. Indexes\n"
         "say incomplete until it is done. The producer must be stopped; make sure that none\n"
         "runs on the old database.",
     .run = command_cursor_adopt},
    {.name = "cursor remove",
     .arguments = "NAME",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "delete the cursor of a producer that is gone",
     .help =
         "The outbox keeps nothing back for it any more. Another producer of that name needs a\n"
         "topic of its own, or cursor adopt.",
     .run = command_cursor_remove},
    {.name = "triggers print",
     .summary = "print the SQL of the configuration's triggers",
     .help = "Asks the database for tables, keys and types; changes nothing.",
     .run = command_triggers_print},
    {.name = "triggers diff",
     .summary = "print how the database's triggers differ from the configuration",
     .help = "A line for each trigger that apply would remove (-) or create (+); exit 1 if any.\n"
             "Changes nothing.",
     .run = command_triggers_diff},
    {.name = "triggers apply",
     .summary = "make the database's triggers equal to the configuration",
     .help = "Changes only what differs, one transaction for each table, and removes only what it\n"
             "or the original generator has made. Rows that are there already need a load.",
     .run = command_triggers_apply},
    {.name = "triggers drop",
     .summary = "remove all triggers that apply has made",
     .run = command_triggers_drop},
    {.name = "trim",
     .has_json = true,
     .summary = "remove the rows that every producer has sent",
     .help = "What `run` does every retention.interval_s, once and now. Rows younger than\n"
             "retention.min_age_s stay, and so does what the cursor of some producer, running or\n"
             "not, has not sent.",
     .run = command_trim},
    {.name = "dead-letters list",
     .arguments = "[LIMIT [AFTER]]",
     .arguments_max = 2,
     .has_json = true,
     .summary = "rows of the outbox that could not be sent, and why",
     .help = "The first LIMIT (100) of them, in the order of their ids; those behind row AFTER.",
     .run = command_dead_letters_list},
    {.name = "dead-letters show",
     .arguments = "ROW_ID",
     .arguments_min = 1,
     .arguments_max = 1,
     .has_json = true,
     .summary = "one of them, with its ops",
     .run = command_dead_letters_show},
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
