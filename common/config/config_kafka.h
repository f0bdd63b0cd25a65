/* The kafka section: settings of librdkafka under their own names, except those that a law fixes.
 * For this room only.
 */
#ifndef COMMON_CONFIG_CONFIG_KAFKA_H
#define COMMON_CONFIG_CONFIG_KAFKA_H

#include "common/config/config.h"
#include "common/config/config_node.h"

/* ERR_USAGE. */
int config_kafka_read(const struct config_reader *reader, const struct config_node *node,
                      struct config_kafka *kafka);

/* Whether the value is a secret: by the name of the setting, or because it is a URL with a
 * password. */
bool config_kafka_is_secret(const struct config_kafka_setting *setting);

/* Whether the settings of the side, or those of both sides, name a broker. */
bool config_kafka_has_brokers(const struct config_kafka *kafka, enum config_program side);

/* Appends the chapter of the reference. */
void config_kafka_reference(struct buffer *out);

#endif
