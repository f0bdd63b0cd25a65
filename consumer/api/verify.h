/* GET /api/indexes/{index}/verify[?job=J][&sums=1]: what the newest comparison with the source
 * found in each range of entity ids, of the partitions that this process owns.
 *
 *     {"index","group","member",
 *      "partitions":[{"partition","state","epoch","tick",
 *        "ranges":[{"begin","end","job","check_job","checked_to","tick","clock",
 *                   "equal":["b"],"differing":["a"],"not_comparable":["c"],
 *                   "differences":[{"field","id","source","index"}],"differences_total":N,
 *                   "sums":{"":"count:32 hex digits",...}}]}],
 *      "not_comparable":[{"field","reason"}],
 *      "ranges":N,"differing":N,"oldest_s":T}
 *
 * Without `job` only the ranges that differ are listed; with it, those whose sums are of job J or a
 * later one, or whose check chunks are. The counts at the end are of all ranges. "end" and
 * "checked_to" are null at the end of all ids, "clock" (Unix microseconds) and "oldest_s" when they
 * are not known. "tick" of a partition is that of the last watermark: everything before it was
 * compared. Existence is the field "". "index" of a difference is what the index has, as JSON; when
 * its structures disagree, an object with what each of them has (engine_compare.h).
 */
#ifndef CONSUMER_API_VERIFY_H
#define CONSUMER_API_VERIFY_H

#include "consumer/api/api_context.h"

void api_answer_verify(struct api_call *call);

#endif
