/* The settings of a librdkafka client. For this room only.
 *
 * Settings are applied in this order: our defaults, the configuration (`common`, then those of the
 * producer or the consumer), and the settings that a law fixes.
 */
#ifndef COMMON_KAFKA_KAFKA_CONF_H
#define COMMON_KAFKA_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>

#include "common/base/error.h"
#include "common/config/config.h"

enum { KAFKA_REQUEST_MS = 10000 }; /* the limit of a blocking request */

enum kafka_side { KAFKA_ADMIN, KAFKA_PRODUCER, KAFKA_CONSUMER };

/* The caller owns `*conf`. ERR_USAGE with the name of the setting that librdkafka refuses. */
int kafka_conf_create(const struct config_kafka *config, enum kafka_side side,
                      rd_kafka_conf_t **conf, struct error *err);
int kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err);

/* Owns `conf` from the call on, also on error. Does not wait for the broker. */
int kafka_client_create(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **client,
                        struct error *err);

#endif
