/* The request target of HTTP: path and query. Pure; any thread. */
#ifndef COMMON_HTTP_TARGET_H
#define COMMON_HTTP_TARGET_H

#include <stdbool.h>

/* Splits `target` in place: `*path` is percent-decoded and begins with '/', `*query` is the raw
 * text after the first '?', or NULL. False: the target does not begin with '/', or has a broken
 * escape, a control character (decoded or not), or a ".." segment. */
bool http_target_parse(char *target, const char **path, const char **query);

#endif
