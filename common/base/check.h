/* CHECK(): an assertion that is on in every build, for programming errors only.
 *
 * Input, disk, network and configuration never trip it; they return a `struct error`. A failed
 * check prints the expression with its place and aborts, so that recovery (cursor, WAL) decides
 * what was durable. Any thread.
 */
#ifndef COMMON_BASE_CHECK_H
#define COMMON_BASE_CHECK_H

#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

_Noreturn void check_failed(const char *condition, const char *file, int line);

#endif
