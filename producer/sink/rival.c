#include "producer/sink/rival.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"

static bool
event_is_later(const struct rival_self *self, const struct event *event)
{
    return event->epoch > self->epoch ||
           (event->epoch == self->epoch && event->generation > self->generation);
}

static enum rival_kind
rival_kind_of(const struct rival_self *self, const struct event *event)
{
    bool is_mark = event->kind == EVENT_MARK;
    if (event->epoch == 0)
        return RIVAL_NONE; /* from an HTTP source */
    if (!text_is(event->source, self->source))
        return RIVAL_SOURCE;
    if (is_mark && !text_is(event->mark.topic_id, self->topic_id))
        return RIVAL_TOPIC_ID;
    if (event_is_later(self, event))
        return RIVAL_START;
    bool is_ours = event->epoch == self->epoch && event->generation == self->generation;
    return is_mark && is_ours && !text_is(event->mark.start_name, self->start_name) ? RIVAL_START
                                                                                    : RIVAL_NONE;
}

enum rival_kind
rival_judge(const struct rival_self *self, const struct event *event, struct rival *rival)
{
    CHECK(self->epoch >= 1 && self->generation >= 1);
    CHECK(self->source != NULL && self->topic_id != NULL && self->start_name != NULL);
    struct text name = event->kind == EVENT_MARK ? event->mark.start_name : (struct text){NULL, 0};
    *rival = (struct rival){
        .kind = rival_kind_of(self, event),
        .epoch = event->epoch,
        .generation = event->generation,
        .tick = event->tick,
    };
    snprintf(rival->start_name, sizeof rival->start_name, "%.*s", TEXT_ARGS(name));
    snprintf(rival->source, sizeof rival->source, "%.*s", TEXT_ARGS(event->source));
    return rival->kind;
}

int
rival_explain(const struct rival *rival, const char *topic, struct error *err)
{
    static const char way_out[] = "stop the one that is not meant, then open a new epoch of this"
                                  " database with: bitdex-producer cursor adopt, which also queues"
                                  " a load";
    char place[RIVAL_NAME_BYTES];
    snprintf(place, sizeof place, "partition %d, offset %" PRId64, rival->partition, rival->offset);
    switch (rival->kind) {
    case RIVAL_SOURCE:
        return error_set(err, ERR_FATAL,
                         "another producer, \"%s\", writes to topic %s (%s): a topic has one; give"
                         " each producer a topic of its own",
                         rival->source, topic, place);
    case RIVAL_TOPIC_ID:
        return error_set(err, ERR_FATAL,
                         "another producer of this name, start %s, writes to topic %s (%s) with"
                         " the cursor of another database: %s",
                         rival->start_name, topic, place, way_out);
    case RIVAL_SCHEMA:
        return error_set(err, ERR_FATAL,
                         "a producer of a newer version writes to topic %s (%s), and has not taken"
                         " over in this database: it runs on another one, perhaps a copy; %s",
                         topic, place, way_out);
    default:
        CHECK(rival->kind == RIVAL_START);
        return error_set(err, ERR_FATAL,
                         "another producer of this name, start %s, writes to topic %s (%s) from a"
                         " copy of this database, where it has taken generation %" PRId64
                         " of epoch %" PRId64 " in window %" PRId64 ": %s",
                         rival->start_name[0] != '\0' ? rival->start_name : "unknown", topic, place,
                         rival->generation, rival->epoch, rival->tick, way_out);
    }
}
