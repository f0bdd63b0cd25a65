/* Where an image (image.h) is written to and read from: a file, a buffer, whatever the caller has.
 * The thread that saves or loads calls both functions.
 */
#ifndef CONSUMER_ENGINE_STORE_IMAGE_STREAM_H
#define CONSUMER_ENGINE_STORE_IMAGE_STREAM_H

#include <stddef.h>

#include "common/base/error.h"
#include "common/base/memory.h"

struct image_sink {
    void *context;
    /* Takes the next bytes of the image. It reports no error here: the sink keeps its own, and the
     * caller asks for it when the image is complete. */
    void (*write)(void *context, const void *data, size_t bytes);
};

struct image_source {
    void *context;
    /* Sets `data` to the next bytes of the image, at least one, which are valid until the next
     * call. ERR_DATA: there are no more. */
    int (*next)(void *context, struct text *data, struct error *err);
};

#endif
