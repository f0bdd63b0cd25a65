/* Makes every thread that the code under test starts fail, as a limit of the system does. */
#ifndef TESTS_SUPPORT_THREAD_LIMIT_H
#define TESTS_SUPPORT_THREAD_LIMIT_H

/* From now on no thread can start: the stack of a new one does not fit into the address space. */
void thread_limit_set(void);
void thread_limit_clear(void);

#endif
