#include "producer/source/window.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"

bool
window_may_hold_rows(const struct snapshot *s1, const struct snapshot *s2)
{
    CHECK(s1->xmin > 0 && s2->xmin > 0);
    if (s1->xmax != s2->xmax)
        return true;
    for (uint32_t i = 0; i < s1->xip_count; i++)
        if (snapshot_sees(s2, s1->xip[i]))
            return true;
    return false;
}

uint32_t
window_late_xids(const struct snapshot *s1, const struct snapshot *s2, uint64_t *xids)
{
    uint32_t count = 0;
    CHECK(s1->xip != NULL || s1->xip_count == 0);
    for (uint32_t i = 0; i < s1->xip_count; i++)
        if (snapshot_sees(s2, s1->xip[i]))
            xids[count++] = s1->xip[i];
    CHECK(count <= s1->xip_count);
    CHECK(count == 0 || window_may_hold_rows(s1, s2));
    return count;
}

void
window_append_condition(const struct snapshot *s1, const struct snapshot *s2, struct buffer *out)
{
    uint64_t *late = memory_alloc((s1->xip_count + 1) * sizeof *late);
    uint32_t count = window_late_xids(s1, s2, late);
    CHECK(count == 0 || late[count - 1] < s1->xmax);
    CHECK(count < 2 || late[0] < late[count - 1]);
    buffer_append_format(out, "(txid >= '%" PRIu64 "'::xid8 AND txid < '%" PRIu64 "'::xid8",
                         s1->xmax, s2->xmax);
    for (uint32_t i = 0; i < count; i++)
        buffer_append_format(out, "%s'%" PRIu64 "'::xid8", i == 0 ? " OR txid IN (" : ", ",
                             late[i]);
    buffer_append_text(out, count > 0 ? "))" : ")");
    buffer_append_text(out, " AND pg_visible_in_snapshot(txid, '");
    snapshot_print(s2, out);
    buffer_append_text(out, "'::pg_snapshot)");
    free(late);
}
