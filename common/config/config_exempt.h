/* Exempt fields, as far as the configuration alone names them: those for which the law of the
 * committed row (L11) does not hold, because a change of the rows that determine them may leave no
 * request. They are accepted, and whatever reports completeness names them. Pure; any thread.
 */
#ifndef COMMON_CONFIG_CONFIG_EXEMPT_H
#define COMMON_CONFIG_CONFIG_EXEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"

/* Why the fields of an entry are exempt; NULL: the configuration gives no reason. */
const char *config_exempt_reason(const struct config_trigger *trigger);

/* Finds the next exempt field, each once, and its reason; false: there are no more. The first
 * cursor is 0. */
bool config_next_exempt(const struct config *config, uint32_t *cursor, const char **field,
                        const char **reason);

#endif
