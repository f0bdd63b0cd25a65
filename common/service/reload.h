/* Reading the configuration again while the program runs (SIGHUP). */
#ifndef COMMON_SERVICE_RELOAD_H
#define COMMON_SERVICE_RELOAD_H

#include "common/base/error.h"
#include "common/config/config.h"

/* Puts the reloadable settings of `fresh` into effect, which lives until it returns. On error
 * nothing has changed. */
typedef int (*reload_apply)(void *context, const struct config *fresh, struct error *err);

/* Loads the file of `config`, the configuration that the program has started with, calls `apply`
 * (which may be NULL) and sets the log level. Logs which settings differ from the start: those that
 * are in effect, and those that need a restart. A file that is refused changes nothing, and the
 * reason is logged. One thread at a time. */
void reload_config(const struct config *config, enum config_program program, reload_apply apply,
                   void *context);

#endif
