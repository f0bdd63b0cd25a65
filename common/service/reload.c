#include "common/service/reload.h"

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/config/config_difference.h"
#include "common/config/config_load.h"

static const char *const area = "reload";

static void
reload_log(const struct config *config, const struct config *fresh)
{
    struct buffer reloaded = {0};
    struct buffer fixed = {0};
    config_difference(config, fresh, &reloaded, &fixed);
    if (reloaded.bytes > 0)
        log_info(area, "\"%s\" was read again; changed since the start and in effect: %s",
                 config->path, buffer_string(&reloaded));
    else
        log_info(area, "\"%s\" was read again", config->path);
    if (fixed.bytes > 0)
        log_warn(area, "changed since the start, and needs a restart: %s", buffer_string(&fixed));
    buffer_free(&reloaded);
    buffer_free(&fixed);
}

void
reload_config(const struct config *config, enum config_program program, reload_apply apply,
              void *context)
{
    struct config *fresh;
    struct error err = {0};
    CHECK(config->path != NULL);
    if (config_load(config->path, program, &fresh, NULL, &err) != 0) {
        log_error(area, "nothing was changed: %s", err.message);
        return;
    }
    if (apply != NULL && apply(context, fresh, &err) != 0) {
        log_error(area, "nothing was changed: %s", err.message);
    } else {
        log_set_level(fresh->log.level < LOG_INFO ? fresh->log.level : LOG_INFO);
        reload_log(config, fresh); /* whatever the level is */
        log_set_level(fresh->log.level);
    }
    config_destroy(fresh);
}
