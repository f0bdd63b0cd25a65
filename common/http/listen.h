/* The listening socket of a "host:port" address. */
#ifndef COMMON_HTTP_LISTEN_H
#define COMMON_HTTP_LISTEN_H

#include "common/base/error.h"

/* `address` is "host:port" or "[ipv6]:port"; port 0 takes a free one. `*socket` is non-blocking and
 * belongs to the caller; `*port` is its port. ERR_USAGE when the address is invalid, ERR_FATAL when
 * it is not available (in use, forbidden, of another machine). */
int http_listen(const char *address, int *socket, int *port, struct error *err);

#endif
