/* See websocket.h. A path is of the characters that need no escape in a URL's path (RFC 3986,
 * section 3.3) without "%", and has no empty or dot segment: what a proxy or a server would change
 * on the way is not allowed in the first place. */
#include "engine/net/websocket.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/net/address.h"

static enum weft_status refuse(struct weft_error *why, const char *text, const char *reason) {
    return status_fail(why, WEFT_ADDRESS, 0, "\"%.*s\" cannot be used as an address: %s",
                       (int)WEFT_ADDRESS_MAX, text, reason);
}

bool websocket_is(const char *text) {
    return strstr(text, "://") != NULL;
}

static bool path_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("/-._~!$&'()*+,;=:@", c) != NULL);
}

static bool path_good(const char *path) {
    for (const char *at = path; *at != '\0'; at++) {
        if (!path_char(*at)) return false;
        if (*at != '/') continue;
        if (at[1] == '/' || (at[1] == '\0' && at != path)) return false;
        const char *rest = at[1] == '.' && at[2] == '.' ? at + 3 : at + 2;
        if (at[1] == '.' && (*rest == '/' || *rest == '\0')) return false;
    }
    return true;
}

enum weft_status websocket_read(struct websocket_address *out, const char *text,
                                struct weft_error *why) {
    CHECK(out != NULL && text != NULL);
    struct address at;
    memset(out, 0, sizeof *out);
    if (strlen(text) >= WEFT_ADDRESS_MAX) {
        return refuse(why, text, "it is too long; write ws://host:port/path");
    }
    out->tls = strncmp(text, "wss://", 6) == 0;
    if (!out->tls && strncmp(text, "ws://", 5) != 0) {
        return refuse(why, text,
                      "of schemes there are ws:// and wss:// only; write ws://host:port/path, or "
                      "host:port for TCP");
    }
    const char *stream = text + (out->tls ? 6 : 5);
    const size_t size = strcspn(stream, "/");
    memcpy(out->stream, stream, size);
    enum weft_status status = address_read(&at, out->stream, why);
    if (status != WEFT_OK) return status;
    out->port = at.port;
    /* The number, also where a name stood for it. */
    address_text((struct sockaddr *)&at.socket, at.size, out->stream);
    const bool v6 = out->stream[0] == '[';
    memcpy(out->host, out->stream + v6, (size_t)(strrchr(out->stream, ':') - out->stream) - 2 * v6);
    const char *path = stream[size] == '\0' ? WEBSOCKET_PATH : stream + size;
    if (!path_good(path)) {
        return refuse(why, text,
                      "its path may have letters, digits and -._~!$&'()*+,;=:@ between single "
                      "slashes; write one such as /weft");
    }
    memcpy(out->path, path, strlen(path) + 1);
    return WEFT_OK;
}
