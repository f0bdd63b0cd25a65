#include "consumer/commands/ask.h"

#include "common/http/client.h"

enum { TIMEOUT_S = 60 };

int
ask_consumer(const struct config *config, const char *path, const char *body, struct buffer *out,
             struct error *err)
{
    int status;
    int rc = http_client_call(config->consumer.listen, path, body, TIMEOUT_S, out, &status, err);
    if (rc == 0 && status != 200)
        rc = error_set(err, ERR_DATA, "%d: %s", status, buffer_string(out));
    return rc;
}
