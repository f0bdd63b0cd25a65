/* What the modules of this room share: settings, error classes, the last trouble, reading a queue.
 *
 * Settings are applied in this order: our defaults, the configuration (`common`, then the side's),
 * and what a law fixes.
 */
#ifndef COMMON_KAFKA_KAFKA_INTERNAL_H
#define COMMON_KAFKA_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/kafka/kafka_record.h"

enum { KAFKA_REQUEST_MS = 10000 }; /* how long a blocking request may take */

enum kafka_side { KAFKA_ADMIN, KAFKA_PRODUCER, KAFKA_CONSUMER };

/* The caller owns `*conf`. ERR_USAGE with the name of the setting that is refused. */
int kafka_conf_create(const struct config_kafka *config, enum kafka_side side,
                      rd_kafka_conf_t **conf, struct error *err);
int kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err);

/* Takes `conf` over in any case. Does not wait for the broker. */
int kafka_client_create(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **client,
                        struct error *err);

/* ERR_RETRY for what time heals, ERR_FATAL for a refusal. */
int kafka_error_class(rd_kafka_resp_err_t code);
int kafka_error_set(struct error *err, rd_kafka_resp_err_t code, const char *what);
/* Destroys `error`; 0 when it is NULL. */
int kafka_error_take(struct error *err, rd_kafka_error_t *error, const char *what);

/* What a client last said about its brokers, until something shows that they answer. Any thread. */
struct kafka_trouble {
    pthread_mutex_t lock;
    char text[512];
};

void kafka_trouble_init(struct kafka_trouble *trouble);
void kafka_trouble_free(struct kafka_trouble *trouble);
void kafka_trouble_note(struct kafka_trouble *trouble, rd_kafka_resp_err_t code,
                        const char *reason);
void kafka_trouble_clear(struct kafka_trouble *trouble);
void kafka_trouble_copy(struct kafka_trouble *trouble, char *out, size_t bytes);

/* A queue of one partition's messages. Zero-initialise all but the handle. */
struct kafka_queue {
    rd_kafka_queue_t *handle;
    int64_t next_offset;  /* no message below it is handed out any more */
    struct error pending; /* found behind messages that went first */
};

/* See kafka_partition_read(). */
int kafka_queue_read(struct kafka_queue *queue, int wait_ms, uint32_t max_records, size_t max_bytes,
                     struct kafka_batch *batch, struct error *err);

#endif
