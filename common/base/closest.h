/* The names that a wrong name may stand for, and what a refusal appends: the closest names, and the
 * list of all. Pure; any thread.
 *
 *     unknown filter "Equals"; closest: "Eq"; filters: Eq, NotEq, In, ...
 */
#ifndef COMMON_BASE_CLOSEST_H
#define COMMON_BASE_CLOSEST_H

#include "common/base/error.h"
#include "common/base/memory.h"

enum {
    CLOSEST_MAX = 3,
    CLOSEST_NAME_BYTES = 128,   /* a longer name is close to none */
    CLOSEST_SHOWN_BYTES = 64,   /* of the wrong name */
    CLOSEST_MESSAGE_BYTES = 800 /* the list ends before the message becomes longer */
};

/* The places in `names` of the closest ones, the closest first; returns how many. A name is close
 * if at most a third of its letters must be changed, inserted, removed or swapped with the next
 * one, or if one name contains the other and both have three letters. Upper and lower case of ASCII
 * are the same. */
uint32_t closest_find(struct text wrong, const char *const *names, uint32_t count,
                      uint32_t places[CLOSEST_MAX]);

/* The wrong name as a message shows it: its first bytes. Points into `wrong`. */
struct text closest_shown(struct text wrong);

/* Appends to the message of `err`, which may be NULL, the closest of `names` and the list of them,
 * as many as fit. `what`: "fields". Returns the error's code; ERR_DATA without `err`. */
int closest_append(struct error *err, struct text wrong, const char *what, const char *const *names,
                   uint32_t count);

#endif
