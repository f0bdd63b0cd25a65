/* What a daemon does for those who supervise it, on a thread of its own, so that a stuck drain or
 * worker hides nothing.
 *
 * Reports to the service manager: systemd's notification protocol, sd_notify(3). Without
 * NOTIFY_SOCKET in the environment nothing is sent.
 *
 *     READY=1      the configuration is valid and the listener is open (service_start)
 *     WATCHDOG=1   three times in each interval of WATCHDOG_USEC, while the health check passes
 *     RELOADING=1  SIGHUP arrived; READY=1 follows the reload
 *     STOPPING=1   a shutdown was requested
 *
 * Answers the signals of daemon_signals.h: SIGHUP by `reload`, SIGUSR1 by `report`.
 */
#ifndef COMMON_SERVICE_SERVICE_H
#define COMMON_SERVICE_SERVICE_H

#include <stdbool.h>

#include "common/base/error.h"

struct service;

/* Called on the thread of the service, one at a time. */
struct service_calls {
    bool (*is_healthy)(void *context);
    void (*reload)(void *context);
    void (*report)(void *context); /* logs the status */
};

/* Starts the thread, which reports READY=1. `context` must outlive the service. The caller owns
 * `*service`. */
int service_start(const struct service_calls *calls, void *context, struct service **service,
                  struct error *err);

/* Ends the thread; STOPPING=1 has been reported. NULL is nothing to do. */
void service_stop(struct service *service);

#endif
