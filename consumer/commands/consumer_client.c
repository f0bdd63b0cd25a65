#include "consumer/commands/consumer_client.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/http/client.h"
#include "consumer/api/token.h"

enum { TIMEOUT_S = 60 };

int
consumer_client_call(const struct config *config, const char *path, const char *body,
                     struct buffer *out, struct error *err)
{
    int status;
    CHECK(path[0] == '/');
    CHECK(config->consumer.listen != NULL);
    int rc =
        http_client_call(config->consumer.listen, path, body, NULL, TIMEOUT_S, out, &status, err);
    if (rc == 0 && status != 200)
        rc = error_set(err, ERR_DATA, "status %d: %s", status, buffer_string(out));
    return rc;
}

int
consumer_client_post(const struct config *config, const char *path, int timeout_s,
                     struct buffer *out, int *status, struct error *err)
{
    char *token = NULL;
    int rc = 0;
    CHECK(path[0] == '/');
    CHECK(timeout_s > 0);
    CHECK(config->consumer.listen != NULL);
    if (config->consumer.token_file != NULL)
        rc = token_read(config->consumer.token_file, &token, err);
    if (rc == 0)
        rc =
            http_client_call(config->consumer.listen, path, "", token, timeout_s, out, status, err);
    free(token);
    return rc;
}
