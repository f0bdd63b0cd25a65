/* `query` and `get`: print what the HTTP interface answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "consumer/commands/commands.h"
#include "consumer/commands/consumer_client.h"

enum { READ_BYTES = 64 * 1024, BODY_BYTES_MAX = 1024 * 1024 };

static int
print_answer(const struct config *config, const char *path, const char *body, struct error *err)
{
    struct buffer answer;
    buffer_init(&answer);
    int rc = consumer_client_call(config, path, body, &answer, err);
    if (rc == 0)
        puts(buffer_string(&answer));
    buffer_free(&answer);
    return rc;
}

static int
query_read_input(struct buffer *body, struct error *err)
{
    size_t bytes;
    CHECK(body->bytes == 0);
    do {
        bytes = fread(buffer_reserve(body, READ_BYTES), 1, READ_BYTES, stdin);
        body->bytes += bytes;
    } while (bytes > 0 && body->bytes <= BODY_BYTES_MAX);
    if (ferror(stdin))
        return error_set_errno(err, ERR_FATAL, "cannot read standard input");
    if (body->bytes > BODY_BYTES_MAX)
        return error_set(err, ERR_USAGE, "standard input has more than %d bytes", BODY_BYTES_MAX);
    return 0;
}

int
command_query(const struct cli *cli, struct error *err)
{
    struct buffer body;
    int rc = 0;
    CHECK(cli->argument_count == 1);
    buffer_init(&body);
    if (strcmp(cli->arguments[0], "-") == 0)
        rc = query_read_input(&body, err);
    else
        buffer_append_text(&body, cli->arguments[0]);
    if (rc == 0) {
        char *path = memory_format("/api/indexes/%s/query", cli->config->index);
        rc = print_answer(cli->config, path, buffer_string(&body), err);
        free(path);
    }
    buffer_free(&body);
    return rc;
}

int
command_get(const struct cli *cli, struct error *err)
{
    CHECK(cli->argument_count == 1);
    const char *id = cli->arguments[0];
    if (id[0] == '\0' || id[strspn(id, "0123456789")] != '\0')
        return error_set(err, ERR_USAGE, "'%s' is not an entity id", id);
    char *path = memory_format("/api/indexes/%s/entities/%s", cli->config->index, id);
    int rc = print_answer(cli->config, path, NULL, err);
    free(path);
    return rc;
}
