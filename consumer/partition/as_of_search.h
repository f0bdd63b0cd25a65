/* Where a partition was at a moment of the source's clock: the offset after the last watermark that
 * is not later than the moment. What was committed by the clock of that watermark is before it, and
 * nothing else, because a watermark ends its window. Pure.
 *
 * The search halves the topic until little is left, which it reads from its beginning, because to
 * begin elsewhere costs more: clocks of watermarks grow with their offsets. Where the clock of a
 * source has gone back, it ends at one of the places between an earlier and a later watermark.
 *
 *     begin
 *     while next: read the range up to its first watermark, then take
 */
#ifndef CONSUMER_PARTITION_AS_OF_SEARCH_H
#define CONSUMER_PARTITION_AS_OF_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    AS_OF_NONE = -1,
    AS_OF_LITTLE = 16 * 1024, /* offsets */
};

struct as_of_search {
    int64_t time_us;
    int64_t low;      /* the watermarks before it are not later than the moment */
    int64_t high;     /* those from here on are later, or there are none */
    int64_t stop;     /* after the last watermark found that is not later; AS_OF_NONE: none */
    int64_t stop_us;  /* its clock */
    int64_t later_us; /* the clock of the first one found that is later; AS_OF_NONE: none */
};

/* `low`, `high`: the offsets of the topic. */
void as_of_search_begin(struct as_of_search *search, int64_t time_us, int64_t low, int64_t high);
/* False: the search is over. Else the first watermark with an offset of [`*from`, `*to`) is asked
 * for. */
bool as_of_search_next(const struct as_of_search *search, int64_t *from, int64_t *to);
/* It has this offset and clock; AS_OF_NONE: the range has no watermark. */
void as_of_search_take(struct as_of_search *search, int64_t offset, int64_t clock_us);

#endif
