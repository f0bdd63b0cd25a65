/* The kafka section: librdkafka's settings under their own names, except those that a law fixes.
 * Internal to the configuration. */
#ifndef COMMON_CONFIG_CONFIG_KAFKA_H
#define COMMON_CONFIG_CONFIG_KAFKA_H

#include "common/config/config.h"
#include "common/config/config_yaml.h"

int config_kafka_read(const struct config_reader *reader, const struct config_node *node,
                      struct config_kafka *kafka);

/* Is the value shown to nobody? By the setting's name, or because it is a URL with a password. */
bool config_kafka_is_secret(const struct config_kafka_setting *setting);

/* Does the side, or what both sides share, name a broker? */
bool config_kafka_has_brokers(const struct config_kafka *kafka, enum config_program side);

/* Appends the manual's chapter. */
void config_kafka_reference(struct buffer *out);

#endif
