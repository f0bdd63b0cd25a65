/* `run --as-of`: a read-only index of a moment of the source's clock, beside the data of a consumer
 * that is stopped or running. Main thread. */
#ifndef CONSUMER_COMMANDS_AS_OF_H
#define CONSUMER_COMMANDS_AS_OF_H

#include "common/base/error.h"
#include "common/config/config.h"

/* Serves until a shutdown is requested. `moment`: RFC 3339. `listen`: HOST:PORT; NULL: the host of
 * consumer.listen, and a free port. */
int as_of_run(const struct config *config, const char *moment, const char *listen,
              struct error *err);

#endif
