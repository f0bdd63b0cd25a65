/* `load --changed`: leaves out what is loaded already. A source is left out when its dump is
 * complete, under the name that it has now, in every member of every group that can be asked, and
 * so are its fields: a loss may have ended that since. A source whose definition has changed has
 * another name. Members are found in the descriptions of the groups that read the topic, by the
 * addresses that they advertise. */
#ifndef PRODUCER_COMMANDS_LOAD_CHANGED_H
#define PRODUCER_COMMANDS_LOAD_CHANGED_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "producer/load/load_plan.h"

struct load_dump {
    const char *name; /* "{Table}-{hash8}" */
    const struct text *fields;
    uint32_t field_count;
    bool sets_alive;
    bool is_complete; /* in every member that was asked so far */
};

/* Takes the answer of a member to GET /dumps: a dump that it does not have, or that is not complete
 * there, is not complete. ERR_DATA: it is not such an answer; then none is. Pure. */
int load_changed_take(struct text answer, struct load_dump *dumps, uint32_t count,
                      struct error *err);
/* The same of the answer to GET /stats: a dump with a field that is not complete is not. */
int load_changed_take_fields(struct text answer, struct load_dump *dumps, uint32_t count,
                             struct error *err);

/* Reduces a selection of all entities, whose plan is `plan`, to the fields of the sources that are
 * not complete. `*nothing`: all of them are. Writes a line to standard error for each source that
 * is left out, and for each member that does not answer. What the selection points to afterwards is
 * in `arena`. */
int load_changed_select(const struct config *config, const struct load_plan *plan,
                        struct arena *arena, struct load_selection *selection, bool *nothing,
                        struct error *err);

#endif
