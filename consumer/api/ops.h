/* POST /ops: parses and encodes the whole request, stores it, and answers 200 when it is durable
 * and, if `meta.source` is the name of a dump, counted (dump_list.h).
 *
 * Failure: a request of which something cannot be applied is refused before anything is stored (400
 * with the entry), so that it leaves no dead letters. A request that could not be stored in time is
 * answered 503; the message states whether anything may be stored.
 */
#ifndef CONSUMER_API_OPS_H
#define CONSUMER_API_OPS_H

#include "consumer/api/api_context.h"
#include "consumer/ingest/ops_sink.h"

/* All arguments must outlive it. The caller owns `*ops`. */
int api_ops_create(const struct config *config, struct ops_sink *sink, struct http_sources *sources,
                   struct dump_registry *dumps, struct api_ops **ops, struct error *err);
/* No handler may run. NULL does nothing. */
void api_ops_destroy(struct api_ops *ops);

void api_answer_ops(struct api_call *call);

#endif
