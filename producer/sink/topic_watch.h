/* Looks at what others write to our topic while a session of the drain continues (L3, F101).
 *
 * The drain hands over the gaps between the offsets that were acknowledged to it. A thread reads
 * them, because a read waits for the broker. Each partition has one range, which grows while the
 * thread is busy. Only messages without a key are looked into: every producer writes marks,
 * which have none, at least once a second, and ops over HTTP are most of what is in gaps. What
 * retention has removed is skipped.
 *
 * It also asks for the topic's settings, at producer.guard_interval_ms (L13): what
 * topic_check_shape() refuses twice in a row ends the session. (A broker that starts may not
 * know its topics yet.) Other differences from the configuration are logged when they begin
 * (F116).
 *
 * Failure: an outage only delays the look. A watch is used by the drain's thread and its own.
 */
#ifndef PRODUCER_SINK_TOPIC_WATCH_H
#define PRODUCER_SINK_TOPIC_WATCH_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "producer/sink/rival.h"

struct topic_watch;

/* `config` outlives the watch, which topic_watch_stop() frees. ERR_FATAL: the thread cannot
 * start. */
int topic_watch_start(const struct config *config, struct topic_watch **out, struct error *err);
/* Waits until the thread has ended its call of the broker. */
void topic_watch_stop(struct topic_watch *watch);

/* A session begins, and what was found before is forgotten. `self->source` outlives the session;
 * the other strings are copied. */
void topic_watch_begin(struct topic_watch *watch, const struct rival_self *self);
void topic_watch_end(struct topic_watch *watch);

/* Between the two calls above: the offsets first <= offset < end are to be read. */
void topic_watch_add(struct topic_watch *watch, int32_t partition, int64_t first, int64_t end);

/* Has the session a rival? The first that was found. */
bool topic_watch_find(struct topic_watch *watch, struct rival *rival);

/* Has the topic still the settings that the laws need? ERR_FATAL: no; says what to do. */
int topic_watch_check(struct topic_watch *watch, struct error *err);

#endif
