/* Rules for texts. Each function returns NULL, or a message that begins with "must". Pure; any
 * thread. */
#ifndef COMMON_CONFIG_CONFIG_RULES_H
#define COMMON_CONFIG_CONFIG_RULES_H

/* A name in URLs, paths, messages and metrics: index, producer, group. */
const char *config_rule_name(const char *text);
/* A field of the index, which is a word of the fan-out grammar too. */
const char *config_rule_field(const char *text);
/* A table, optionally with its schema, and a column, as in the catalog: not quoted. */
const char *config_rule_table(const char *text);
const char *config_rule_column(const char *text);
/* A Kafka topic, short enough to append ".dead". */
const char *config_rule_topic(const char *text);
/* host:port, [v6]:port */
const char *config_rule_address(const char *text);
/* The same, and others can connect to it: no wildcard, and not port 0. */
const char *config_rule_reachable(const char *text);
/* COPY (SELECT ...) TO STDOUT, with any options. */
const char *config_rule_copy_query(const char *text);
/* A text with something else than blanks. */
const char *config_rule_filled(const char *text);

#endif
