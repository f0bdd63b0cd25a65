/* Cursors: how far each source is applied, as row ids.
 *
 *     GET /api/indexes/{index}/cursors         {"cursors":[{"name":"default:0","value":81},...]}
 *     GET /api/indexes/{index}/cursors/{name}  {"name":"default:0","value":81}, or 404
 *
 * The numbered source has one for each partition of this process, named {source}:{partition}: the
 * greatest row id that the partition has applied in the present epoch. A source of POST /ops has
 * one under its own name: the cursor that it has reported.
 */
#ifndef CONSUMER_API_CURSORS_H
#define CONSUMER_API_CURSORS_H

#include "consumer/api/api_context.h"

void api_answer_cursors(struct api_call *call);
void api_answer_cursor(struct api_call *call);

#endif
