/* Errors of librdkafka as errors of ours. For this room only. */
#ifndef COMMON_KAFKA_KAFKA_ERROR_H
#define COMMON_KAFKA_KAFKA_ERROR_H

#include <librdkafka/rdkafka.h>

#include "common/base/error.h"

/* ERR_FATAL when the request is refused for good, else ERR_RETRY. */
int kafka_error_class(rd_kafka_resp_err_t code);

/* "kafka: <what>: <reason>"; returns the class of `code`, which is an error. */
int kafka_error_set(struct error *err, rd_kafka_resp_err_t code, const char *what);

/* The same for an error object, which it destroys; 0 when it is NULL. */
int kafka_error_take(struct error *err, rd_kafka_error_t *error, const char *what);

#endif
