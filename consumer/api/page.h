/* GET /: the status of the partitions as plain text for a browser, one line for each partition. */
#ifndef CONSUMER_API_PAGE_H
#define CONSUMER_API_PAGE_H

#include "consumer/api/api_context.h"

void api_answer_page(struct api_call *call);

#endif
