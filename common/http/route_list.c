#include "common/http/route_list.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/closest.h"
#include "common/json/json_write.h"

/* Removes the first segment, with its slash, from `*path`, and returns it. */
static struct text
route_cut(const char **path)
{
    const char *begin = *path;
    CHECK(*begin == '/');
    *path = begin + 1 + strcspn(begin + 1, "/");
    return (struct text){begin, (size_t)(*path - begin)};
}

/* The route's path with the segments of `path` in place of those in braces. Owned by the arena. */
static const char *
route_expand(const char *route, const char *path, struct arena *arena)
{
    struct buffer expanded;
    buffer_init(&expanded);
    while (*route == '/') {
        struct text wanted = route_cut(&route);
        struct text given = *path == '/' ? route_cut(&path) : wanted;
        struct text shown = wanted.bytes > 1 && wanted.data[1] == '{' ? given : wanted;
        buffer_append(&expanded, shown.data, shown.bytes);
    }
    CHECK(*route == '\0');
    const char *text =
        arena_strdup(arena, (struct text){(const char *)expanded.data, expanded.bytes});
    buffer_free(&expanded);
    return text;
}

static void
route_write(struct json_writer *json, const struct http_route *route)
{
    struct buffer text;
    buffer_init(&text);
    buffer_append_format(&text, "%s %s", route->method, route->path);
    json_string(json, buffer_string(&text));
    buffer_free(&text);
}

static bool
route_segment_is_close(struct text given, struct text wanted)
{
    char name[CLOSEST_NAME_BYTES + 1];
    const char *const names[] = {name};
    uint32_t places[CLOSEST_MAX];
    if (wanted.bytes >= sizeof name)
        return text_equal(given, wanted);
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(wanted));
    return closest_find(given, names, 1, places) > 0;
}

/* Is each segment close to the one at its place? One path may have one segment more. */
static bool
route_is_close(const char *path, const char *route)
{
    while (*path == '/' && *route == '/')
        if (!route_segment_is_close(route_cut(&path), route_cut(&route)))
            return false;
    const char *rest = *path == '/' ? path : route;
    if (*rest == '/')
        route_cut(&rest);
    return *rest == '\0';
}

static uint32_t
route_find_closest(const char *path, const struct http_route *routes, uint32_t count,
                   uint32_t places[CLOSEST_MAX])
{
    const char *expanded[HTTP_ROUTES_MAX];
    struct arena arena;
    CHECK(count <= HTTP_ROUTES_MAX);
    arena_init(&arena);
    for (uint32_t i = 0; i < count; i++)
        expanded[i] = route_expand(routes[i].path, path, &arena);
    uint32_t found = closest_find(text_of(path), expanded, count, places);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < found; i++)
        if (route_is_close(path, expanded[places[i]]))
            places[kept++] = places[i];
    arena_free(&arena);
    return kept;
}

void
http_respond_no_route(struct http_response *response, const char *path,
                      const struct http_route *routes, uint32_t count)
{
    uint32_t places[CLOSEST_MAX];
    struct json_writer json;
    struct error err;
    CHECK(path[0] == '/');
    uint32_t found = route_find_closest(path, routes, count, places);
    error_set(&err, ERR_DATA, "no such path %.*s; see routes",
              TEXT_ARGS(closest_shown(text_of(path))));
    response->status = 404;
    buffer_clear(&response->body);
    json_writer_init(&json, &response->body);
    json_object_begin(&json);
    json_key(&json, "error");
    json_string(&json, err.message);
    json_key(&json, "closest");
    json_array_begin(&json);
    for (uint32_t i = 0; i < found; i++)
        route_write(&json, &routes[places[i]]);
    json_array_end(&json);
    json_key(&json, "routes");
    json_array_begin(&json);
    for (uint32_t i = 0; i < count; i++)
        route_write(&json, &routes[i]);
    json_array_end(&json);
    json_object_end(&json);
}

void
http_respond_wrong_method(struct http_response *response, const char *method,
                          const struct http_route *routes, uint32_t count)
{
    struct buffer methods;
    CHECK(count > 0);
    buffer_init(&methods);
    for (uint32_t i = 0; i < count; i++)
        buffer_append_format(&methods, "%s%s", i > 0 ? ", " : "", routes[i].method);
    response->header = "Allow";
    snprintf(response->header_value, sizeof response->header_value, "%s", buffer_string(&methods));
    http_respond_error(response, 405, "%s is not allowed for this path, which takes %s", method,
                       buffer_string(&methods));
    buffer_free(&methods);
}
