/* What stands between the method and the version of a request: path and query. No I/O. */
#ifndef COMMON_HTTP_TARGET_H
#define COMMON_HTTP_TARGET_H

#include <stdbool.h>

/* Cuts `target` in place: `*path` is percent-decoded and begins with '/', `*query` is the raw text
 * behind the first '?', or NULL. False for what no client of ours sends: another beginning, a
 * broken escape, a control character (decoded or not), a ".." segment. */
bool http_target_parse(char *target, const char **path, const char **query);

#endif
