/* Delivers dead letters to the topic `<name>.dead`, in order, until each is acknowledged.
 *
 * The client is created with the first letter, so that a partition without letters has none. A
 * client that met a delivery error is destroyed, and the letters are sent again; their keys tell
 * the copies. One thread.
 */
#ifndef CONSUMER_INTAKE_DEAD_LETTERS_H
#define CONSUMER_INTAKE_DEAD_LETTERS_H

#include "common/config/config.h"
#include "consumer/intake/letters.h"

struct dead_letters;

/* `config` must outlive it. */
struct dead_letters *dead_letters_create(const struct config *config);
/* NULL is nothing to do. */
void dead_letters_destroy(struct dead_letters *letters);

/* Works for about `wait_ms` on delivering `list`. 0: all of it is acknowledged. After an error of
 * any kind call again with the same list, when the world may have changed. */
int dead_letters_deliver(struct dead_letters *letters, const struct letter_list *list, int wait_ms,
                         struct error *err);

#endif
