/* A report that cannot be sent is not an error: the service manager then does what its unit says
 * about a silent program. */
#include "common/service/service.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/daemon_signals.h"
#include "common/base/memory.h"
#include "common/base/shutdown.h"
#include "common/base/thread.h"

enum {
    TURN_MS = 100,
    PINGS_PER_INTERVAL = 3,
};

struct service {
    pthread_t thread;
    struct service_calls calls;
    void *context;
    int64_t ping_us; /* between two WATCHDOG=1; 0: the unit has no watchdog */
    int64_t pinged_us;
    bool stopping; /* STOPPING=1 was reported */
    atomic_bool ended;
};

static void
service_report_stopping(struct service *service)
{
    if (service->stopping)
        return;
    sd_notify(0, "STOPPING=1");
    service->stopping = true;
}

static void
service_ping(struct service *service)
{
    int64_t now_us = clock_monotonic_us();
    CHECK(service->ping_us >= 0);
    CHECK(now_us >= service->pinged_us);
    if (service->ping_us == 0 || now_us - service->pinged_us < service->ping_us)
        return;
    service->pinged_us = now_us;
    if (service->calls.is_healthy(service->context))
        sd_notify(0, "WATCHDOG=1");
}

static void
service_answer_signals(struct service *service)
{
    if (daemon_signals_take_reload()) {
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_us());
        service->calls.reload(service->context);
        sd_notify(0, "READY=1");
    }
    if (daemon_signals_take_report())
        service->calls.report(service->context);
}

static void *
service_main(void *context)
{
    struct service *service = context;
    sd_notify(0, "READY=1");
    while (!atomic_load(&service->ended)) {
        if (shutdown_requested())
            service_report_stopping(service);
        service_answer_signals(service);
        service_ping(service);
        clock_sleep_ms(TURN_MS);
    }
    return NULL;
}

int
service_start(const struct service_calls *calls, void *context, struct service **service,
              struct error *err)
{
    CHECK(calls->is_healthy != NULL);
    CHECK(calls->reload != NULL);
    CHECK(calls->report != NULL);
    uint64_t interval_us = 0;
    bool has_watchdog = sd_watchdog_enabled(0, &interval_us) > 0;
    struct service *made = memory_zalloc(sizeof *made);
    made->calls = *calls;
    made->context = context;
    made->ping_us = has_watchdog ? (int64_t)(interval_us / PINGS_PER_INTERVAL) : 0;
    int rc = thread_start(&made->thread, "service", service_main, made, err);
    if (rc != 0) {
        free(made);
        return rc;
    }
    *service = made;
    return 0;
}

void
service_stop(struct service *service)
{
    if (service == NULL)
        return;
    CHECK(!atomic_load(&service->ended));
    atomic_store(&service->ended, true);
    thread_join(service->thread);
    service_report_stopping(service);
    free(service);
}
