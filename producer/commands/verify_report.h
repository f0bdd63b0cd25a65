/* Prints what a verify has found, as lines for the operator or as one JSON object. Main thread. */
#ifndef PRODUCER_COMMANDS_VERIFY_REPORT_H
#define PRODUCER_COMMANDS_VERIFY_REPORT_H

#include "producer/commands/verify_pass.h"
#include "producer/triggers/exempt.h"

/* Fields that the source cannot be summed for, and why. */
struct verify_left_out {
    const struct text *fields;
    const struct text *reasons;
    uint32_t count;
    const struct exempt_fields *exempt; /* compared or not: they need not be equal (L11) */
};

/* Prints lines to standard output. */
void verify_report_print(const struct verify_pass *pass, const struct verify_left_out *left_out);

/* Prints {"equal","passes":[...],"repaired"}: the passes in their order, of which the last one
 * decides; `repaired` counts ranges. */
void verify_report_print_json(const struct verify_pass *passes, uint32_t count,
                              const struct verify_left_out *left_out, uint32_t repaired);

/* How many fields some shard, or the source, could not compare. */
uint32_t verify_report_not_comparable(const struct verify_pass *pass,
                                      const struct verify_left_out *left_out);

/* Appends what is wrong, as one line: "2 of 12 ranges differ". Nothing when the pass is equal. */
void verify_report_append_result(const struct verify_pass *pass, struct buffer *out);

#endif
