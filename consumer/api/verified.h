/* How much of a partition was compared with the source, and how long ago. Pure but for the clock;
 * any thread. */
#ifndef CONSUMER_API_VERIFIED_H
#define CONSUMER_API_VERIFIED_H

#include "consumer/api/partition_status.h"

/* The age of a comparison that the source made at `clock_us` of its clock. `freshness`: of a
 * partition of the same source. */
int64_t verified_age_of_us(const struct freshness *freshness, int64_t clock_us);

/* The age of the oldest comparison; negative: not known. */
double verified_age_s(const struct partition_status *status);

/* Why the partition is not verified well enough for `limit_s`
 * (consumer.ready_requires_verified_s); "" if it is, and with 0. `bytes` > ERROR_MESSAGE_BYTES. */
void verified_describe(const struct partition_status *status, int64_t limit_s, char *out,
                       size_t bytes);

#endif
