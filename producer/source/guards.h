/* What must be true of the source database before a producer touches it: each guard is a question
 * and, when the answer is wrong, a refusal that names the way out.
 *
 * Guards change nothing. They are asked again on every new session (L3). One thread.
 */
#ifndef PRODUCER_SOURCE_GUARDS_H
#define PRODUCER_SOURCE_GUARDS_H

#include <stdint.h>

#include "common/config/config.h"
#include "common/pg/pg.h"

/* In the order in which they are asked: a later one may rely on earlier ones. */
uint32_t guards_count(void);
const char *guards_name(uint32_t guard);

/* 0: all is well. ERR_FATAL: refused, with the way out. ERR_RETRY: could not be asked. */
int guards_ask(uint32_t guard, struct pg *pg, const struct config *config, struct error *err);

/* All of them, up to the first that does not hold. */
int guards_ask_all(struct pg *pg, const struct config *config, struct error *err);
/* All but the last, which is about the cursor: for what changes cursors. */
int guards_ask_source(struct pg *pg, const struct config *config, struct error *err);

#endif
