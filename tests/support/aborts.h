/* Whether a call trips a CHECK: it runs in a process of its own. */
#ifndef TESTS_SUPPORT_ABORTS_H
#define TESTS_SUPPORT_ABORTS_H

#include <stdbool.h>

/* True: `run(context)` ended in abort(); false: it returned. Neither changes anything here. Without
 * threads. */
bool aborts(void run(void *context), void *context);

#endif
