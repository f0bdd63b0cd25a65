/* The fields of the index that are not complete in every partition of this process, and why. */
#ifndef CONSUMER_API_FIELD_STATUS_H
#define CONSUMER_API_FIELD_STATUS_H

#include "common/json/json_write.h"
#include "consumer/api/partition_status.h"

/* Is the field complete in every partition of the list? False without partitions. */
bool field_status_is_complete(const struct partition_status_list *list, uint32_t number);

/* The first partition that answers queries without the field; NULL: all of them have it. */
const struct partition_status *field_status_find(const struct partition_status_list *list,
                                                 uint32_t number);

/* Writes "incomplete_fields":[{"field":"price","reason":"...","partitions":[0,2]},...]: existence
 * first, as "alive", then the fields in the order of the index. The reason is that of the first of
 * the partitions, and names the command that completes the field. A partition that is recovering
 * or stalled is left out: no field of it is complete. */
void field_status_write(const struct partition_status_list *list,
                        const struct config_fields *fields, struct json_writer *json);

/* Writes "exempt_fields":["modelPoi",...]: those that the configuration alone exempts from the law
 * of the committed row (config_exempt.h). The producer shows them all. */
void field_status_write_exempt(const struct config *config, struct json_writer *json);

#endif
