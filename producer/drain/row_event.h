/* The event of an outbox row. Pure; any thread. */
#ifndef PRODUCER_DRAIN_ROW_EVENT_H
#define PRODUCER_DRAIN_ROW_EVENT_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/event/event.h"
#include "producer/source/copy_rows.h"

/* Fills what an event takes from its row: times and ids, the kind, and the ops, in `arena`. Returns
 * 0, or ERR_DATA with the reason why the row cannot be an event; its kind, by which it goes to one
 * or to all partitions, is set in both cases. Everything else in `event` is zeroed. */
int row_event_parse(const struct config *config, const struct outbox_row *row, struct arena *arena,
                    struct event *event, struct error *err);

#endif
