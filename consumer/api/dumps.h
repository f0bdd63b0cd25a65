/* The dump registry over HTTP (dump_list.h), under /api/indexes/{index}.
 *
 *     GET    /dumps                {"dumps":{NAME:{"name","status","ops_written","ops_processed",
 *                                  "created_at","completed_at"}},"all_complete"}
 *     PUT    /dumps                {"name"}: registers -> 201 {"name","status":"writing"}
 *     POST   /dumps/{name}/loaded  {"ops_written"} -> 200 {"name","status":"loading"}
 *     DELETE /dumps/{name}         204
 *     POST   /dumps/clear          204
 *
 * `status` is "Writing", "Loading", "Complete" or {"Failed":"why"}; times are Unix seconds, and
 * `completed_at` is null until then. All but GET need the token.
 */
#ifndef CONSUMER_API_DUMPS_H
#define CONSUMER_API_DUMPS_H

#include "consumer/api/api_context.h"

void api_answer_dumps(struct api_call *call);
void api_answer_dump_put(struct api_call *call);
void api_answer_dump_loaded(struct api_call *call);
void api_answer_dump_delete(struct api_call *call);
void api_answer_dumps_clear(struct api_call *call);

#endif
