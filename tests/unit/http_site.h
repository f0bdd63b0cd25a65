/* A real HTTP server on the loopback interface, with a handler for tests, and clients that send it
 * anything. */
#ifndef TESTS_UNIT_HTTP_SITE_H
#define TESTS_UNIT_HTTP_SITE_H

#include "tests/unit/unit_test.h"

#include <pthread.h>
#include <stdbool.h>

#include "common/base/memory.h"
#include "common/http/server.h"

enum {
    BODY_BYTES_MAX = 1000,
    BODIES_BYTES_MAX = 100000,
    CONNECTIONS_MAX = 300,
    TIMEOUT_S = 1,
    PATIENCE_MS = 60000
};

/* Of servers that drop no client, however late a slow machine runs it. */
enum { PATIENT_S = 60 };

/* Shared by the handler and the tests. */
struct site {
    struct http_server *server;
    char address[32];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int waiting; /* how many handlers of /wait have begun */
    bool open;   /* whether they may end */
};

#define HOST "Host: x\r\n"
#define LAST HOST "Connection: close\r\n\r\n"

/* A server whose judge reserves /health, refuses /refused and accepts every other request. The
 * handler of /wait waits for site_open(), and that of /large?N answers N bytes. */
void site_start(struct site *site, const char *listen, int connections_max, int timeout_s);
/* For cmocka; the second one has a server that drops slow clients after TIMEOUT_S. */
int site_setup(void **state);
int site_setup_impatient(void **state);
int site_teardown(void **state);

void site_await_waiting(struct site *site, int count);
void site_open(struct site *site);

/* Any thread. */
bool site_answers(struct site *site, const char *path, const char *body, int status,
                  const char *answer);
void site_check_call(struct site *site, const char *path, const char *body, int status,
                     const char *answer);
void site_check_alive(struct site *site);
/* False when no seat is free. */
bool site_has_room(struct site *site);

int site_connect(struct site *site);
/* False once the server has closed. */
bool site_send(int fd, const void *data, size_t bytes);
/* Appends what the server sends; false when it has closed. Silence for too long fails the test. */
bool site_receive(int fd, struct buffer *out);
/* All that the server sends until it closes. */
const char *site_receive_all(int fd, struct buffer *out);
void site_exchange(struct site *site, const void *data, size_t bytes, struct buffer *out);
/* Sends `text`; the answer has to begin with `wanted`. */
void site_check_raw(struct site *site, const char *text, const char *wanted);

#endif
