#include "common/kafka/kafka_last_error.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/mutex.h"

void
kafka_last_error_init(struct kafka_last_error *last)
{
    mutex_init(&last->lock);
    last->text[0] = '\0';
}

void
kafka_last_error_free(struct kafka_last_error *last)
{
    mutex_destroy(&last->lock);
}

/* "All brokers are down" replaces no other error, which has more details. */
void
kafka_last_error_set(struct kafka_last_error *last, rd_kafka_resp_err_t code, const char *reason)
{
    CHECK(code != RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK(reason != NULL);
    mutex_lock(&last->lock);
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || last->text[0] == '\0')
        snprintf(last->text, sizeof last->text, "%s", reason);
    mutex_unlock(&last->lock);
}

void
kafka_last_error_clear(struct kafka_last_error *last)
{
    mutex_lock(&last->lock);
    last->text[0] = '\0';
    mutex_unlock(&last->lock);
}

void
kafka_last_error_copy(struct kafka_last_error *last, char *out, size_t bytes)
{
    CHECK(out != NULL);
    CHECK(bytes > 0);
    mutex_lock(&last->lock);
    snprintf(out, bytes, "%s", last->text);
    mutex_unlock(&last->lock);
}
