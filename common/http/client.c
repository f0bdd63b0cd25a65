#include "common/http/client.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "common/base/check.h"

enum { ANSWER_BYTES_MAX = 64 * 1024 * 1024 };

struct http_answer {
    struct buffer *out;
    size_t bytes; /* of this answer, at the end of `out` */
};

static size_t
http_take_body(char *data, size_t one, size_t bytes, void *context)
{
    struct http_answer *answer = context;
    CHECK(one == 1);
    CHECK(answer->bytes <= ANSWER_BYTES_MAX);
    CHECK(answer->bytes <= answer->out->bytes);
    if (bytes > ANSWER_BYTES_MAX - answer->bytes)
        return 0; /* ends the call with CURLE_WRITE_ERROR */
    buffer_append(answer->out, data, bytes);
    answer->bytes += bytes;
    return bytes;
}

static int
http_client_fail(CURLcode code, const char *listen, struct error *err)
{
    CHECK(code != CURLE_OK);
    switch (code) {
    case CURLE_WRITE_ERROR:
        return error_set(err, ERR_DATA, "the answer of %s is larger than %d bytes", listen,
                         ANSWER_BYTES_MAX);
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
        return error_set(err, ERR_DATA, "%s is not an HTTP server", listen);
    case CURLE_URL_MALFORMAT:
        return error_set(err, ERR_USAGE, "invalid address \"%s\"", listen);
    default:
        return error_set(err, ERR_RETRY, "no answer from %s: %s", listen, curl_easy_strerror(code));
    }
}

/* The headers of a POST; the caller frees them with curl_slist_free_all(). NULL: out of memory. */
static struct curl_slist *
http_client_headers(const char *token)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (token == NULL || headers == NULL)
        return headers;
    char *line = memory_format("Authorization: Bearer %s", token);
    struct curl_slist *all = curl_slist_append(headers, line);
    free(line);
    if (all == NULL)
        curl_slist_free_all(headers);
    return all;
}

static CURLcode
http_client_perform(CURL *curl, const char *url, const char *body, struct curl_slist *headers,
                    int timeout_s, struct http_answer *answer)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* ignores the environment */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)timeout_s);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    return curl_easy_perform(curl);
}

int
http_client_call(const char *listen, const char *path, const char *body, const char *token,
                 int timeout_s, struct buffer *out, int *status, struct error *err)
{
    CHECK(path[0] == '/');
    CHECK(timeout_s > 0);
    struct http_answer answer = {.out = out};
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long answered = 0;
    char *url = memory_format("http://%s%s", listen, path);
    struct curl_slist *headers = http_client_headers(token);
    CURL *curl = curl_easy_init();
    if (headers != NULL && curl != NULL) {
        code = http_client_perform(curl, url, body, headers, timeout_s, &answer);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answered);
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(url);
    if (code != CURLE_OK) {
        CHECK(answer.bytes <= out->bytes);
        out->bytes -= answer.bytes;
        return http_client_fail(code, listen, err);
    }
    *status = (int)answered;
    return 0;
}
