/* The event of an outbox row. Pure; any thread. */
#ifndef PRODUCER_DRAIN_ROW_EVENT_H
#define PRODUCER_DRAIN_ROW_EVENT_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/event/event.h"
#include "common/ops/ops_invalid.h"
#include "producer/source/copy_rows.h"

/* Fills what an event takes from its row: times and ids, the kind, and the ops, in `arena`. Returns
 * 0, or ERR_DATA with the reason why the row cannot be an event; its kind, by which it goes to one
 * or to all partitions, is set in both cases. Everything else in `event` is zeroed.
 *
 * After 0 `*invalids` are the values that the ops lack, those in `stored` (NULL: none) among them
 * (ops_json_parse_row). An event that has no op left cannot be sent. */
int row_event_parse(const struct config *config, const struct outbox_row *row,
                    const struct ops_invalids *stored, struct arena *arena, struct event *event,
                    struct ops_invalids *invalids, struct error *err);

#endif
