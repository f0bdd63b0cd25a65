#include "consumer/audit/audit_findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

void
audit_findings_free(struct audit_findings *findings)
{
    free(findings->items);
    *findings = (struct audit_findings){0};
}

void
audit_findings_add(struct audit_findings *findings, int32_t partition, int64_t offset,
                   const char *format, ...)
{
    CHECK(partition >= 0);
    CHECK(findings->count <= findings->all);
    findings->all++;
    if (findings->count == AUDIT_FINDINGS_MAX)
        return;
    if (findings->items == NULL)
        findings->items = memory_alloc(AUDIT_FINDINGS_MAX * sizeof *findings->items);
    struct audit_finding *finding = &findings->items[findings->count++];
    finding->partition = partition;
    finding->offset = offset;
    va_list args;
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
}
