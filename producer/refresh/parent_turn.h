/* What a turn reads for parents. One thread. For this room only. */
#ifndef PRODUCER_REFRESH_PARENT_TURN_H
#define PRODUCER_REFRESH_PARENT_TURN_H

#include "common/base/error.h"
#include "producer/refresh/refresh_turn.h"
#include "producer/refresh/source_set.h"

/* Reads the entities of the oldest parents of one entry, of which request `first` is the oldest; it
 * is then settled. Errors as range_reader_read_wanted(). */
int parent_turn_read(struct refresh_turn *turn, uint32_t first, struct source_set *set,
                     struct error *err);

/* Likewise the fan-outs of parents of an entry that the index resolves. */
int parent_turn_read_fan_outs(struct refresh_turn *turn, uint32_t first, struct source_set *set,
                              struct error *err);

#endif
