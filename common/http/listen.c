#include "common/http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/memory.h"

/* Splits "host:port" in place. False: `address` is something else. */
static bool
http_split_address(char *address, char **host, char **port)
{
    char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address)
        return false;
    *colon = '\0';
    *port = colon + 1;
    *host = address;
    if (*address == '[') {
        if (colon[-1] != ']')
            return false;
        colon[-1] = '\0';
        *host = address + 1;
    } else if (strchr(address, ':') != NULL) {
        return false;
    }
    size_t digits = strspn(*port, "0123456789");
    return **host != '\0' && digits >= 1 && digits <= 5 && (*port)[digits] == '\0' &&
           strtol(*port, NULL, 10) <= UINT16_MAX;
}

static int
http_bind(const struct addrinfo *info)
{
    CHECK(info->ai_addr != NULL);
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1; /* a restart does not wait for the TIME_WAIT of the last connections */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int
http_port_of(int fd)
{
    CHECK(fd >= 0);
    struct sockaddr_storage name;
    socklen_t bytes = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &bytes) != 0)
        return 0;
    if (name.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&name)->sin6_port);
    return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static int
http_listen_on(const char *address, const char *host, const char *service, int *fd,
               struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int failed = getaddrinfo(host, service, &hints, &found);
    if (failed != 0)
        return error_set(err, ERR_USAGE, "could not listen on %s: %s", address,
                         gai_strerror(failed));
    CHECK(found != NULL);
    *fd = -1;
    for (struct addrinfo *info = found; info != NULL && *fd < 0; info = info->ai_next)
        *fd = http_bind(info);
    int saved = errno;
    freeaddrinfo(found);
    errno = saved;
    return *fd >= 0 ? 0 : error_set_errno(err, ERR_FATAL, "could not listen on %s", address);
}

int
http_listen(const char *address, int *socket, int *port, struct error *err)
{
    char *copy = memory_strdup(address);
    char *host;
    char *service;
    int rc;
    if (http_split_address(copy, &host, &service))
        rc = http_listen_on(address, host, service, socket, err);
    else
        rc = error_set(err, ERR_USAGE, "could not listen on \"%s\": not host:port", address);
    free(copy);
    CHECK(rc != 0 || *socket >= 0);
    if (rc == 0)
        *port = http_port_of(*socket);
    return rc;
}
