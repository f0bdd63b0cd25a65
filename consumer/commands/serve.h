/* Serves an index over HTTP until a shutdown is requested: the end of `run`, with a group or
 * without. Main thread. */
#ifndef CONSUMER_COMMANDS_SERVE_H
#define CONSUMER_COMMANDS_SERVE_H

#include "consumer/api/api.h"

/* All must outlive the call. */
struct serve_options {
    const struct config *config;
    struct assignment *assignment;
    struct ops_sink *sink;
    const char *what; /* "index gallery, group g" */
    bool awaits_topic;
};

/* Starts the interface and the assignment, and ends both. */
int serve(const struct serve_options *options, struct error *err);

#endif
