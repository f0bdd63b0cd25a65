/* The certificate of an audit, as lines or as one JSON object on standard output. */
#ifndef CONSUMER_COMMANDS_AUDIT_CERTIFICATE_H
#define CONSUMER_COMMANDS_AUDIT_CERTIFICATE_H

#include "consumer/audit/auditor.h"

/* `partition`: the only one that was read; -1: all `partitions`. */
struct audit_certificate {
    const char *topic;
    int32_t partitions;
    int32_t partition;
    const struct auditor *auditor;
};

void audit_certificate_print(const struct audit_certificate *certificate);
void audit_certificate_print_json(const struct audit_certificate *certificate);

#endif
