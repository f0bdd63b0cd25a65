/* What the baselines share: clocks, librdkafka's clients without our code, and the end at an error.
 *
 * Nothing returns an error: what fails ends the program with a message.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

enum { PARTITIONS_MAX = 64, WAIT_MS = 120000 };

/* Monotonic seconds, and the seconds of processor time that this process has used. */
double now_s(void);
double processor_s(void);

/* Sleeps until the clock of now_s(). */
void sleep_until(double at_s);

/* Prints p50 and p99 of `count` times, which it sorts. */
void print_percentiles(double *times, int count);

/* A positive number, or the end of the program. */
int64_t parse_positive(const char *text);

/* Ends the program. */
void fail(const char *what, const char *why) __attribute__((noreturn));

/* A client, to be destroyed by the caller. `settings`: names and values in turn, up to NULL.
 * `on_report` (or NULL) gets the delivery reports. */
rd_kafka_t *client_create(rd_kafka_type_t type, const char *bootstrap, const char *const *settings,
                          void (*on_report)(rd_kafka_t *, const rd_kafka_message_t *, void *));

/* From 1 to PARTITIONS_MAX. */
int32_t topic_partitions(rd_kafka_t *client, const char *topic);

#endif
