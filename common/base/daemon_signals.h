/* What an operator asks a daemon for with a signal: SIGHUP, to read its configuration again, and
 * SIGUSR1, to log a report of its status. Neither ends the program (F114). A signal that arrives
 * before the last one was taken is the same request.
 */
#ifndef COMMON_BASE_DAEMON_SIGNALS_H
#define COMMON_BASE_DAEMON_SIGNALS_H

#include <stdbool.h>

/* Installs the handlers. Main thread, before any other thread starts. */
void daemon_signals_install(void);

/* Whether the signal arrived since the last call. Any thread. */
bool daemon_signals_take_reload(void);
bool daemon_signals_take_report(void);

#endif
