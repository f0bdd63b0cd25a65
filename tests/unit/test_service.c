/* What a service manager receives: READY, WATCHDOG while healthy, STOPPING (L9). */
#include "tests/unit/unit_test.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/daemon_signals.h"
#include "common/service/service.h"

enum { REPORT_BYTES = 64, WATCHDOG_US = 300000 };

/* A manager's socket in the abstract namespace, which needs no file. */
static int
open_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof name, "@bitdex-test-%d", (int)getpid());
    size_t bytes = strlen(name);
    memcpy(address.sun_path, name, bytes);
    address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

/* The next report; "" when none arrives within `wait_ms`. */
static const char *
next_report(int fd, int wait_ms)
{
    static char report[REPORT_BYTES];
    const struct timeval timeout = {wait_ms / 1000, wait_ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ssize_t bytes = recv(fd, report, sizeof report - 1, 0);
    report[bytes > 0 ? bytes : 0] = '\0';
    return report;
}

static bool
read_flag(void *context)
{
    atomic_bool *healthy = context;
    return atomic_load(healthy);
}

static atomic_int reloads;
static atomic_int reports;

static void
count_reload(void *context)
{
    (void)context;
    atomic_fetch_add(&reloads, 1);
}

static void
count_report(void *context)
{
    (void)context;
    atomic_fetch_add(&reports, 1);
}

static const struct service_calls calls = {read_flag, count_reload, count_report};

static void
await(atomic_int *counter, int value)
{
    int64_t begin_us = clock_monotonic_us();
    while (atomic_load(counter) != value) {
        assert_true(clock_monotonic_us() - begin_us < 60 * (int64_t)US_PER_S);
        clock_sleep_ms(10);
    }
}

/* Without the handlers, either signal ends the program. */
static void
test_F114_signals_reload_and_report(void **state)
{
    (void)state;
    atomic_bool healthy = true;
    struct service *service;
    struct error err;
    unsetenv("NOTIFY_SOCKET");
    daemon_signals_install();
    raise(SIGHUP); /* while the program starts */
    assert_int_equal(service_start(&calls, &healthy, &service, &err), 0);
    await(&reloads, 1);
    assert_int_equal(atomic_load(&reports), 0);
    raise(SIGUSR1);
    await(&reports, 1);
    raise(SIGHUP);
    await(&reloads, 2);
    service_stop(service);
}

static void
test_F114_a_reload_is_reported_to_the_manager(void **state)
{
    (void)state;
    atomic_bool healthy = true;
    struct service *service;
    struct error err;
    int fd = open_manager();
    unsetenv("WATCHDOG_USEC");
    daemon_signals_install();
    assert_int_equal(service_start(&calls, &healthy, &service, &err), 0);
    assert_string_equal(next_report(fd, 10000), "READY=1");
    raise(SIGHUP);
    const char *report = next_report(fd, 10000);
    assert_int_equal(strncmp(report, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    assert_string_equal(next_report(fd, 10000), "READY=1");
    service_stop(service);
    assert_string_equal(next_report(fd, 10000), "STOPPING=1");
    close(fd);
}

static void
test_the_watchdog_is_fed_while_the_program_is_healthy(void **state)
{
    (void)state;
    atomic_bool healthy = true;
    struct service *service;
    struct error err;
    int fd = open_manager();
    char interval[32];
    snprintf(interval, sizeof interval, "%d", WATCHDOG_US);
    setenv("WATCHDOG_USEC", interval, 1);
    unsetenv("WATCHDOG_PID");
    assert_int_equal(service_start(&calls, &healthy, &service, &err), 0);
    assert_string_equal(next_report(fd, 10000), "READY=1");
    assert_string_equal(next_report(fd, 10000), "WATCHDOG=1");
    atomic_store(&healthy, false);
    while (next_report(fd, 2000)[0] != '\0') /* what was on its way */
        continue;
    atomic_store(&healthy, true);
    assert_string_equal(next_report(fd, 10000), "WATCHDOG=1");
    service_stop(service);
    const char *report = next_report(fd, 10000);
    while (strcmp(report, "WATCHDOG=1") == 0)
        report = next_report(fd, 10000);
    assert_string_equal(report, "STOPPING=1");
    close(fd);
}

static void
test_without_a_watchdog_only_the_state_is_reported(void **state)
{
    (void)state;
    atomic_bool healthy = true;
    struct service *service;
    struct error err;
    int fd = open_manager();
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(service_start(&calls, &healthy, &service, &err), 0);
    assert_string_equal(next_report(fd, 10000), "READY=1");
    assert_string_equal(next_report(fd, 500), "");
    service_stop(service);
    assert_string_equal(next_report(fd, 10000), "STOPPING=1");
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F114_signals_reload_and_report),
        cmocka_unit_test(test_F114_a_reload_is_reported_to_the_manager),
        cmocka_unit_test(test_the_watchdog_is_fed_while_the_program_is_healthy),
        cmocka_unit_test(test_without_a_watchdog_only_the_state_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
