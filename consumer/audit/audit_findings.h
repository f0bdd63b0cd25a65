/* What an audit has found wrong: the first findings with their places, and the number of all.
 * One thread. */
#ifndef CONSUMER_AUDIT_AUDIT_FINDINGS_H
#define CONSUMER_AUDIT_AUDIT_FINDINGS_H

#include <stdint.h>

enum { AUDIT_FINDINGS_MAX = 100, AUDIT_FINDING_BYTES = 256 };

/* As a finding's offset: it is about more than one message. */
#define AUDIT_NO_OFFSET INT64_C(-1)

struct audit_finding {
    int32_t partition;
    int64_t offset; /* of the message that shows it */
    char text[AUDIT_FINDING_BYTES];
};

/* Zero-initialise. */
struct audit_findings {
    struct audit_finding *items; /* the first AUDIT_FINDINGS_MAX */
    uint32_t count;
    int64_t all;
};

void audit_findings_free(struct audit_findings *findings);
void audit_findings_add(struct audit_findings *findings, int32_t partition, int64_t offset,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
