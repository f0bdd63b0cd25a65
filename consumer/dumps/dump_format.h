/* Dumps as JSON: the file that holds them, and the answer over HTTP. Pure.
 *
 *     {"version":1,
 *      "partitions":[{"seen":81,"ended_epoch":1,"ended_job":7},...],
 *      "dumps":[{"name":"Image-1a2b3c4d","status":"Loading","failed":"","ops_written":9,
 *                "ops_processed":0,"created_at":1,"completed_at":0,"epoch":1,"job":7,
 *                "offsets":[81,-1]},...]}
 *
 * `offsets` as in dump_list.h. Both lists of partitions have one item for each partition of the
 * topic, in their order. Times are Unix seconds.
 */
#ifndef CONSUMER_DUMPS_DUMP_FORMAT_H
#define CONSUMER_DUMPS_DUMP_FORMAT_H

#include "common/base/error.h"
#include "consumer/dumps/dump_list.h"

/* Appends the content of the file. */
void dump_format_encode(const struct dump_list *list, struct buffer *out);

/* Fills a list without dumps; what is not stored stays. ERR_DATA: the text is not such a file, or
 * is for another number of partitions; the list may then hold a part of it. */
int dump_format_decode(struct text text, struct dump_list *list, struct error *err);

/* Appends {"dumps":{NAME:{...},...},"all_complete":false}, as GET answers. */
void dump_format_answer(const struct dump_list *list, struct buffer *out);

#endif
