/* The results of `check`, printed as they are found: lines of text, or one JSON array. Main thread.
 */
#ifndef PRODUCER_COMMANDS_CHECKLIST_H
#define PRODUCER_COMMANDS_CHECKLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/json/json_write.h"
#include "producer/triggers/condition.h"

struct checklist {
    uint32_t warnings;
    uint32_t problems;
    bool has_json;
    struct buffer out; /* the JSON array, without its end */
    struct json_writer json;
};

void checklist_begin(struct checklist *list, bool has_json);
/* Prints the end, and frees what the list holds. */
void checklist_end(struct checklist *list);

/* Adds the result of a check: what it has returned in `rc` and `err` is a problem, or it is ok. */
void checklist_add(struct checklist *list, const char *name, int rc, const struct error *err);
void checklist_add_note(struct checklist *list, const char *name, const char *message);
void checklist_add_warning(struct checklist *list, const char *name, const char *message);
/* Adds all conditions, by kind; a kind without one is ok. */
void checklist_add_conditions(struct checklist *list, const struct condition_list *conditions);

#endif
