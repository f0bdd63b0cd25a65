/* GET /api/health and GET /api/ready.
 *
 * Health is for a supervisor that restarts processes: only what a restart can repair fails it, that
 * is, a thread without a heartbeat (law L9). Readiness is for a load balancer: it fails unless in
 * every partition of this process existence and at least one field are complete, and the partition
 * is fresh, and, with consumer.ready_requires_verified_s, compared with the source. The answer
 * lists the fields that are not complete.
 */
#ifndef CONSUMER_API_HEALTH_H
#define CONSUMER_API_HEALTH_H

#include "common/json/json_write.h"
#include "consumer/api/partition_status.h"

void api_answer_health(struct api_call *call);
void api_answer_ready(struct api_call *call);

/* The verdict of GET /api/health. Any thread. */
bool health_passes(struct api_context *api);

/* Why the partition is not ready; "" if it is. A stand-alone index has no watermarks. `bytes` >
 * ERROR_MESSAGE_BYTES. */
void health_describe_ready(const struct partition_status *status, bool has_watermarks, char *out,
                           size_t bytes);

/* Writes the name of each thread whose last heartbeat is more than a minute old; that of the main
 * thread is `main_age_us` old. Returns whether there is no such thread. */
bool health_list_stuck(const struct partition_status_list *list, int64_t main_age_us,
                       struct json_writer *json);

#endif
