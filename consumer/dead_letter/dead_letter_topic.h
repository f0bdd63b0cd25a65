/* Delivers dead letters to the topic `<topic>.dead`, in order, until all are acknowledged.
 *
 * The first dead letter creates the Kafka client, so that a partition without dead letters has
 * none. After a delivery error the client is destroyed and the dead letters are sent again; copies
 * have the same key. One thread.
 */
#ifndef CONSUMER_DEAD_LETTER_DEAD_LETTER_TOPIC_H
#define CONSUMER_DEAD_LETTER_DEAD_LETTER_TOPIC_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "consumer/dead_letter/dead_letter.h"

struct dead_letter_topic;

/* `config` must outlive it. */
struct dead_letter_topic *dead_letter_topic_create(const struct config *config);
/* NULL does nothing. */
void dead_letter_topic_destroy(struct dead_letter_topic *topic);

/* Works on the delivery of `list` for about `wait_ms`. 0: all dead letters of it are acknowledged.
 * On an error of any class the caller keeps the list and calls again later with the same one. */
int dead_letter_topic_deliver(struct dead_letter_topic *topic, const struct dead_letter_list *list,
                              int wait_ms, struct error *err);

#endif
