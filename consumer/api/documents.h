/* Documents: the fields of chosen entities, from the columns of the index.
 *
 *     POST /api/indexes/{index}/documents      {"ids":[7,8],"fields":["nsfwLevel"]}
 *       {"documents":[{"id":7,"nsfwLevel":1},null],"complete":true,"missing_partitions":[]}
 *     POST /api/indexes/{index}/document       {"slot_id":7}: the document itself, or null
 *     GET  /api/indexes/{index}/documents/{id} the same
 *
 * An id that is not alive has null in place of a document. A list is read from one shard after
 * another: documents of one partition are of the same moment, and `complete` is that of their
 * fields. An id of a partition that cannot answer has null as well; `missing_partitions` names the
 * partition. For one document, the header Bitdex-Complete says the same, and a partition that
 * cannot answer is 503.
 */
#ifndef CONSUMER_API_DOCUMENTS_H
#define CONSUMER_API_DOCUMENTS_H

#include "consumer/api/api_context.h"

void api_answer_documents(struct api_call *call);
void api_answer_document(struct api_call *call);
void api_answer_document_of(struct api_call *call);

#endif
