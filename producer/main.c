/* bitdex-producer: sends the outbox of a Postgres database to a Kafka topic. */
#include "common/cli/cli.h"
#include "producer/commands/check.h"
#include "producer/commands/cursor.h"
#include "producer/commands/dead_letters.h"
#include "producer/commands/health.h"
#include "producer/commands/init.h"
#include "producer/commands/jobs.h"
#include "producer/commands/load.h"
#include "producer/commands/run.h"
#include "producer/commands/status.h"
#include "producer/commands/triggers.h"
#include "producer/commands/trim.h"
#include "producer/commands/verify.h"

static const struct cli_option letter_list_options[] = {
    {"--resolved", NULL, "include those that are resolved"},
    {0},
};

static const struct cli_option letter_retry_options[] = {
    {"--all", NULL, "all that were not retried yet"},
    {"--job", "JOB", "of this load, or -1: of answers; without it, of rows, or with --all of all"},
    {0},
};

static const struct cli_option init_options[] = {
    {"--remove-legacy-cleanup", NULL,
     "drop the original's trigger that deletes rows of the outbox"},
    {0},
};

static const struct cli_command commands[] = {
    {.name = "init",
     .options = init_options,
     .summary = "create tables, columns, indexes and topics; may be repeated",
     .run = command_init},
    {.name = "check",
     .options = check_options,
     .has_json = true,
     .summary = "check the configuration, the database and the broker; changes nothing",
     .help =
         "Prints a line for each result, all in one run: ok, note (it works; what it costs or\n"
         "what is guaranteed), warning (it works, but something is not guaranteed), problem.\n"
         "A line names the entry, its place in the file, the object, and what helps. Exit code\n"
         "1: there is a problem; with --strict, or a warning.",
     .run = command_check},
    {.name = "run",
     .has_log = true,
     .summary = "send the outbox to the topic until SIGTERM",
     .help =
         "The first SIGTERM or SIGINT waits a few seconds for acknowledgements and saves the\n"
         "position. The second ends the process at once, which loses nothing. During an outage of\n"
         "the database or the broker, the producer retries without limit.\n"
         "SIGHUP reads the configuration again: the log level is in effect at once, and the log "
         "names\n"
         "what needs a restart. SIGUSR1 logs the status.",
     .run = command_run},
    {.name = "status",
     .has_json = true,
     .summary = "print the status of the running producer, from producer.listen",
     .run = command_status},
    {.name = "health",
     .summary = "exit 0 if the running producer is healthy, else 1",
     .help = "A stuck thread fails it; a server that is away does not. For health checks of a\n"
             "container or a supervisor.",
     .run = command_health},
    {.name = "cursor show",
     .has_json = true,
     .summary = "print every cursor of the database",
     .help =
         "Includes cursors of producers that no longer exist. They keep rows in the outbox until\n"
         "they are removed.",
     .run = command_cursor_show},
    {.name = "cursor set",
     .arguments = "POSITION",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "continue from another position, in a new epoch",
     .help = "POSITION is beginning (send the whole outbox), now, or a snapshot as\n"
             "pg_current_snapshot() prints it: the rows that it sees count as sent. The producer\n"
             "must be stopped. Indexes are incomplete until load has loaded existing rows again.",
     .run = command_cursor_set},
    {.name = "cursor adopt",
     .summary = "continue in a new epoch after a failover, a restore or the loss of the topic",
     .help =
         "Changes nothing when the cursor agrees with the database and the topic, as after a\n"
         "failover that lost nothing. Otherwise rows that were sent may be missing from the\n"
         "database, and rows of the database may never have been sent. The new epoch then begins\n"
         "now, above everything that is saved and everything on the topic, and a load of\n"
         "everything is queued. Indexes are incomplete until that load is done. The producer must\n"
         "be stopped. Make sure that no producer runs on the old database.",
     .run = command_cursor_adopt},
    {.name = "cursor remove",
     .arguments = "NAME",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "delete the cursor of a producer that no longer exists",
     .help =
         "The outbox then keeps no rows for it. A new producer of that name needs another topic,\n"
         "or cursor adopt.",
     .run = command_cursor_remove},
    {.name = "triggers print",
     .summary = "print the SQL of the configuration's triggers",
     .help = "Reads tables, keys and types from the database; changes nothing.",
     .run = command_triggers_print},
    {.name = "triggers diff",
     .summary = "print how the triggers of the database differ from the configuration",
     .help = "A line for each object (trigger, function, view) that apply would remove (-) or\n"
             "create (+); exit code 1 if there is any. Changes nothing.",
     .run = command_triggers_diff},
    {.name = "triggers apply",
     .summary = "make the triggers of the database equal to the configuration",
     .help = "Changes only what differs, in one transaction for each table, and removes only\n"
             "triggers that it or the original generator has created. Existing rows need a load\n"
             "afterwards.",
     .run = command_triggers_apply},
    {.name = "triggers drop",
     .summary = "remove all triggers that apply has created",
     .run = command_triggers_drop},
    {.name = "load",
     .options = load_options,
     .has_json = true,
     .summary = "load existing rows into the indexes, beside the stream",
     .help = "Requests a load of what the configuration's triggers would write for all existing\n"
             "rows, and waits for its end. The running producer does it within\n"
             "producer.load.share of its time; when none runs, the command does it itself. The\n"
             "same command after an interruption continues the unfinished job.",
     .run = command_load},
    {.name = "verify",
     .options = verify_options,
     .has_json = true,
     .summary = "compare the indexes of all consumer groups with the tables, beside the stream",
     .help =
         "Sends sums of what the tables hold through the topic. Every consumer compares them\n"
         "with its index at the same place of the stream, and is then asked for its verdict.\n"
         "Ranges that differ are sent once more with their rows, so that the entities and\n"
         "values are named. Exit code 0: all that can be compared is equal; 1: something\n"
         "differs, or a consumer's verdict is not known. What cannot be compared is listed;\n"
         "with --strict it is a failure. With --repair the ranges that differ are loaded again\n"
         "and verified once more, which decides.",
     .run = command_verify},
    {.name = "jobs list",
     .has_json = true,
     .summary = "print the newest 100 jobs, loads and verifies, and their ends",
     .run = command_jobs_list},
    {.name = "jobs show",
     .arguments = "ID",
     .arguments_min = 1,
     .arguments_max = 1,
     .has_json = true,
     .summary = "print one of them, with what it has read from each table",
     .run = command_jobs_show},
    {.name = "jobs cancel",
     .arguments = "ID",
     .arguments_min = 1,
     .arguments_max = 1,
     .summary = "end a job that is not finished",
     .help = "What it has loaded stays. Fields that were not loaded completely stay incomplete.",
     .run = command_jobs_cancel},
    {.name = "trim",
     .has_json = true,
     .summary = "remove the rows that every producer has sent",
     .help =
         "Does once what `run` does every retention.interval_s. Keeps rows that are younger than\n"
         "retention.min_age_s, and rows that some producer, running or not, has not sent.",
     .run = command_trim},
    {.name = "dead-letters list",
     .arguments = "[LIMIT [AFTER]]",
     .arguments_max = 2,
     .has_json = true,
     .options = letter_list_options,
     .summary = "print ops rows, and values of loads, that could not be sent, with the reasons",
     .help =
         "Prints the first LIMIT (100) of those whose id is greater than AFTER, in the order of\n"
         "ids: the row's id, or for a load the entity's. Those that were retried and answered are\n"
         "resolved, and left out.",
     .run = command_dead_letters_list},
    {.name = "dead-letters show",
     .arguments = "ID [JOB]",
     .arguments_min = 1,
     .arguments_max = 2,
     .has_json = true,
     .summary = "print one of them with its ops",
     .help =
         "ID is that of the ops row. With JOB it is an entity of that load, and its ops request\n"
         "what the load could not send. JOB -1 is that of the answers to requests.",
     .run = command_dead_letters_show},
    {.name = "dead-letters retry",
     .arguments = "[ID...]",
     .arguments_max = CLI_ARGUMENTS_MAX,
     .options = letter_retry_options,
     .has_json = true,
     .summary = "read what dead letters are about from the database once more",
     .help =
         "Inserts requests into the outbox: for the entity, or for what depends on the parent of\n"
         "a fan-out. The ops of the letter are not sent again, because newer values may have\n"
         "followed them. A letter is resolved when the answer has been sent. A field that no\n"
         "trigger owns cannot be read: the SQL that corrects it by hand is printed, and the exit\n"
         "code is 1. ID is that of an ops row, or with --job of an entity. The role needs the\n"
         "rights of bitdex_operator (docs/roles.sql).",
     .run = command_dead_letters_retry},
    {0},
};

int
main(int argc, char **argv)
{
    static const struct cli_program program = {
        .name = "bitdex-producer",
        .summary = "sends the outbox of a Postgres database to a Kafka topic",
        .config_program = CONFIG_PRODUCER,
        .commands = commands,
    };
    return cli_main(&program, argc, argv);
}
