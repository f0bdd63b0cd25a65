/* The simple case folding of Unicode, by ICU: the mappings of status C and S in CaseFolding.txt,
 * code point by code point, whatever the locale is.
 *
 * Two texts are equal without regard to case when their folded forms are equal: "Straße" and
 * "STRAẞE", the Kelvin sign and "k"; not "ß" and "ss", which only full folding makes equal. Any
 * thread.
 */
#ifndef CONSUMER_ENGINE_STORE_CASE_FOLD_H
#define CONSUMER_ENGINE_STORE_CASE_FOLD_H

#include "common/base/memory.h"

/* Replaces the content of `folded`. Bytes that are not UTF-8 stay as they are. */
void case_fold(struct text text, struct buffer *folded);

#endif
