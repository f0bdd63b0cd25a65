/* Delivers dead letters to the topic `<name>.dead`, in order, until each is acknowledged.
 *
 * The client is created with the first letter, so that a partition without letters has none. A
 * client that met a delivery error is destroyed, and the letters are sent again; their keys tell
 * the copies. One thread.
 */
#ifndef CONSUMER_DEAD_LETTER_DEAD_LETTER_TOPIC_H
#define CONSUMER_DEAD_LETTER_DEAD_LETTER_TOPIC_H

#include "common/config/config.h"
#include "consumer/dead_letter/dead_letter.h"

struct dead_letter_topic;

/* `config` must outlive it. */
struct dead_letter_topic *dead_letter_topic_create(const struct config *config);
/* NULL is nothing to do. */
void dead_letter_topic_destroy(struct dead_letter_topic *letters);

/* Works for about `wait_ms` on delivering `list`. 0: all of it is acknowledged. After an error of
 * any kind call again with the same list, when the world may have changed. */
int dead_letter_topic_deliver(struct dead_letter_topic *letters,
                              const struct dead_letter_list *list, int wait_ms, struct error *err);

#endif
