/* `checkpoint`: prints the answer of POST /checkpoint as a table, or as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "consumer/commands/commands.h"
#include "consumer/commands/consumer_client.h"

enum { ANSWER_DEPTH = 8, TIMEOUT_S = 900 };

static void
checkpoint_print_partition(const struct json_value *row)
{
    const struct json_value *partition = json_member(row, "partition");
    const struct json_value *offset = json_member(row, "offset");
    const struct json_value *pause = json_member(row, "pause_seconds");
    const struct json_value *error = json_member(row, "error");
    char number[24] = "-";
    if (offset != NULL && offset->kind == JSON_INTEGER)
        snprintf(number, sizeof number, "%" PRId64, offset->integer);
    printf("%9" PRId64 "  %12s  %9.3f s  %s\n", partition != NULL ? partition->integer : -1, number,
           pause != NULL ? pause->real : 0,
           error != NULL && error->kind == JSON_STRING ? error->string.data : "");
}

/* If the whole call is refused, the answer has an error and no partitions. */
static int
checkpoint_print(const struct json_value *root, bool as_table, struct error *err)
{
    const struct json_value *partitions = json_member(root, "partitions");
    const struct json_value *error = json_member(root, "error");
    if (as_table && partitions != NULL && partitions->kind == JSON_ARRAY) {
        printf("%9s  %12s  %11s\n", "partition", "offset", "paused");
        for (uint32_t i = 0; i < partitions->array.count; i++)
            checkpoint_print_partition(&partitions->array.items[i]);
    }
    if (error != NULL && error->kind == JSON_STRING)
        return error_set(err, ERR_DATA, "%s", error->string.data);
    return partitions != NULL
               ? 0
               : error_set(err, ERR_DATA, "the answer is not from a bitdex-consumer");
}

int
command_checkpoint(const struct cli *cli, struct error *err)
{
    int status;
    struct buffer answer;
    struct arena arena;
    const struct json_value *root;
    CHECK(cli->argument_count == 0);
    CHECK(cli->config->index != NULL);
    char *path = memory_format("/api/indexes/%s/checkpoint", cli->config->index);
    buffer_init(&answer);
    arena_init(&arena);
    int rc = consumer_client_post(cli->config, path, TIMEOUT_S, &answer, &status, err);
    if (rc == 0 && cli->json)
        puts(buffer_string(&answer));
    if (rc == 0)
        rc = json_parse((struct text){(const char *)answer.data, answer.bytes}, ANSWER_DEPTH,
                        &arena, &root, err);
    if (rc == 0)
        rc = checkpoint_print(root, !cli->json, err);
    arena_free(&arena);
    buffer_free(&answer);
    free(path);
    return rc;
}
