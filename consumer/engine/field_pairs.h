/* Many (value, slot) pairs that join or leave the postings of a field, value by value: several
 * times faster than one after another, because values are spread over the memory.
 */
#ifndef CONSUMER_ENGINE_FIELD_PAIRS_H
#define CONSUMER_ENGINE_FIELD_PAIRS_H

#include "consumer/engine/field.h"

/* `pairs` have the value as key. Those of one value are in ascending order of their slots, and all
 * are different. Both functions empty the list. */
void field_post_pairs(struct field *field, struct kv_list *pairs);
/* The postings hold all of these pairs. */
void field_unpost_pairs(struct field *field, struct kv_list *pairs);

#endif
