/* The first SIGTERM or SIGINT asks a daemon to finish what is in flight and to end. A second one
 * ends the process at once, as a crash does, and recovery decides what was durable. SIGPIPE and
 * SIGXFSZ are ignored, so that a write to a closed pipe or beyond a limit fails with an error that
 * names the path. SIGCHLD has its usual effect.
 */
#ifndef COMMON_BASE_SHUTDOWN_H
#define COMMON_BASE_SHUTDOWN_H

#include <stdbool.h>

/* Installs the handlers. Main thread, before any other thread starts. */
void shutdown_install(void);

/* True after the first signal, or after shutdown_request(). Any thread. */
bool shutdown_requested(void);

/* Does what the first signal does; called after a fatal error. Any thread. */
void shutdown_request(void);

#endif
