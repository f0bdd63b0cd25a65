/* The last error that a client has reported about its brokers, until an answer of a broker clears
 * it. For the status and for messages. Any thread.
 */
#ifndef COMMON_KAFKA_KAFKA_LAST_ERROR_H
#define COMMON_KAFKA_KAFKA_LAST_ERROR_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

struct kafka_last_error {
    pthread_mutex_t lock;
    char text[512]; /* lock: "" after an answer of a broker */
};

void kafka_last_error_init(struct kafka_last_error *last);
void kafka_last_error_free(struct kafka_last_error *last);
void kafka_last_error_set(struct kafka_last_error *last, rd_kafka_resp_err_t code,
                          const char *reason);
void kafka_last_error_clear(struct kafka_last_error *last);
/* Terminated, and cut at `bytes`. */
void kafka_last_error_copy(struct kafka_last_error *last, char *out, size_t bytes);

#endif
