/* GET /metrics: the metrics of the consumer, in Prometheus' text format. */
#ifndef CONSUMER_API_METRICS_H
#define CONSUMER_API_METRICS_H

#include "consumer/api/api_context.h"

void api_answer_metrics(struct api_call *call);

#endif
