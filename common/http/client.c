#include "common/http/client.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "common/base/check.h"

enum { ANSWER_BYTES_MAX = 64 * 1024 * 1024 };

struct http_answer {
    struct buffer *out;
    size_t bytes; /* of this answer */
};

static size_t
http_take_body(char *data, size_t one, size_t bytes, void *context)
{
    (void)one; /* always 1 */
    struct http_answer *answer = context;
    if (bytes > ANSWER_BYTES_MAX - answer->bytes)
        return 0; /* anything but `bytes` ends the call with CURLE_WRITE_ERROR */
    buffer_append(answer->out, data, bytes);
    answer->bytes += bytes;
    return bytes;
}

static int
http_client_fail(CURLcode code, const char *listen, struct error *err)
{
    switch (code) {
    case CURLE_WRITE_ERROR:
        return error_set(err, ERR_DATA, "the answer of %s is larger than %d bytes", listen,
                         ANSWER_BYTES_MAX);
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
        return error_set(err, ERR_DATA, "%s does not speak HTTP", listen);
    case CURLE_URL_MALFORMAT:
        return error_set(err, ERR_USAGE, "not an address: %s", listen);
    default:
        return error_set(err, ERR_RETRY, "no answer from %s: %s", listen, curl_easy_strerror(code));
    }
}

/* Of a POST; curl_slist_free_all() frees them. */
static struct curl_slist *
http_client_headers(const char *token)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (token == NULL)
        return headers;
    char *line = memory_format("Authorization: Bearer %s", token);
    headers = curl_slist_append(headers, line);
    free(line);
    return headers;
}

int
http_client_call(const char *listen, const char *path, const char *body, const char *token,
                 int timeout_s, struct buffer *out, int *status, struct error *err)
{
    struct http_answer answer = {.out = out};
    char *url = memory_format("http://%s%s", listen, path);
    struct curl_slist *headers = http_client_headers(token);
    CURL *curl = curl_easy_init();
    CHECK(headers != NULL && curl != NULL);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)timeout_s);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode code = curl_easy_perform(curl);
    long answered = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answered);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(url);
    if (code != CURLE_OK) {
        out->bytes -= answer.bytes;
        return http_client_fail(code, listen, err);
    }
    *status = (int)answered;
    return 0;
}
