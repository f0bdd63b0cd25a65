/* Reports to the service manager: systemd's notification protocol, sd_notify(3).
 *
 *     READY=1      the configuration is valid and the listener is open (service_start)
 *     WATCHDOG=1   three times in each interval of WATCHDOG_USEC, while the health check passes
 *     STOPPING=1   a shutdown was requested
 *
 * A thread of its own reports, so that a stuck drain or worker ends the WATCHDOG=1. Without
 * NOTIFY_SOCKET in the environment there is no service manager, and nothing happens.
 */
#ifndef COMMON_SERVICE_SERVICE_H
#define COMMON_SERVICE_SERVICE_H

#include <stdbool.h>

#include "common/base/error.h"

struct service;

/* Starts the thread, which reports READY=1 and calls `is_healthy` with `context`; `context` must
 * outlive the service. The caller owns `*service`; NULL without a service manager. */
int service_start(bool (*is_healthy)(void *context), void *context, struct service **service,
                  struct error *err);

/* Ends the thread; STOPPING=1 has been reported. NULL is nothing to do. */
void service_stop(struct service *service);

#endif
