/* The limits of requests that a reload changes. Any thread. */
#ifndef CONSUMER_API_API_LIMITS_H
#define CONSUMER_API_API_LIMITS_H

#include <stdatomic.h>

#include "common/config/config.h"

/* As the settings of the same names. Each request reads a limit where it uses it. */
struct api_limits {
    atomic_llong query_limit;
    atomic_llong query_values;
    atomic_llong documents_limit;
    atomic_llong documents_bytes;
    atomic_int query_timeout_ms;
    atomic_int waiting_queries;
};

static inline void
api_limits_set(struct api_limits *limits, const struct config_consumer *config)
{
    atomic_store(&limits->query_limit, config->query_limit);
    atomic_store(&limits->query_values, config->query_values);
    atomic_store(&limits->documents_limit, config->documents_limit);
    atomic_store(&limits->documents_bytes, config->documents_bytes);
    atomic_store(&limits->query_timeout_ms, config->query_timeout_ms);
    atomic_store(&limits->waiting_queries, config->waiting_queries);
}

#endif
