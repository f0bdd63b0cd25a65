/* SIGTERM and SIGINT ask a daemon to finish what is in flight and end; a second one ends it at
 * once, as a crash would, and recovery decides. SIGPIPE and SIGXFSZ are ignored: the write
 * that meets a closed pipe or a limit fails, and its error has the path.
 */
#ifndef COMMON_BASE_SHUTDOWN_H
#define COMMON_BASE_SHUTDOWN_H

#include <stdbool.h>

/* Before any thread is started, so that all inherit it. Main thread. */
void shutdown_install(void);

/* Has somebody asked? Any thread. */
bool shutdown_requested(void);

/* As if a signal had come: what a thread does that has met a fatal error. Any thread. */
void shutdown_request(void);

#endif
