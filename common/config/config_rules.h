/* Rules that texts follow. Each returns NULL, or what the text must be ("must be ..."). Pure. */
#ifndef COMMON_CONFIG_CONFIG_RULES_H
#define COMMON_CONFIG_CONFIG_RULES_H

/* Names that stand in URLs, paths, messages and metrics: index, producer, group. */
const char *config_rule_name(const char *text);
/* A field of the index: also a word of the fan-out grammar. */
const char *config_rule_field(const char *text);
/* A table, optionally with its schema, and a column, as they are in the catalog: not quoted. */
const char *config_rule_table(const char *text);
const char *config_rule_column(const char *text);
/* A Kafka topic with room for ".dead". */
const char *config_rule_topic(const char *text);
/* host:port, [v6]:port */
const char *config_rule_address(const char *text);
/* Anything but nothing. */
const char *config_rule_filled(const char *text);

#endif
