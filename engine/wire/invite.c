/* See invite.h. Pure: the secret comes from the caller. */
#include "engine/wire/invite.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

#define PREFIX "weft:1:"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define FIXED (WEFT_ID_SIZE + 2 * IDENTITY_KEY + INVITE_SECRET + 1u)
#define CHECKED 4u
#define RAW_MAX (FIXED + INVITE_ADDRESSES * (1u + WEFT_ADDRESS_MAX) + CHECKED)

static void digest(const uint8_t *data, size_t size, uint8_t out[32]) {
    static const char context[] = "weft/invite"; /* with its terminator */
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, 32);
    crypto_generichash_update(&state, (const uint8_t *)context, sizeof context);
    crypto_generichash_update(&state, data, size);
    crypto_generichash_final(&state, out, 32);
    sodium_memzero(&state, sizeof state);
}

enum weft_status invite_write(const struct invite_link *link, char *out, size_t room,
                              struct weft_error *why) {
    uint8_t raw[RAW_MAX], sum[32];
    uint8_t *at = raw;
    CHECK(link->address_count <= INVITE_ADDRESSES);
    memcpy(at, link->library.bytes, WEFT_ID_SIZE);
    memcpy(at += WEFT_ID_SIZE, link->inviter.id_pk, IDENTITY_KEY);
    memcpy(at += IDENTITY_KEY, link->inviter.x_pk, IDENTITY_KEY);
    memcpy(at += IDENTITY_KEY, link->secret, INVITE_SECRET);
    at += INVITE_SECRET;
    *at++ = (uint8_t)link->address_count;
    for (uint32_t i = 0; i < link->address_count; i++) {
        size_t size = strnlen(link->addresses[i], WEFT_ADDRESS_MAX);
        *at++ = (uint8_t)size;
        memcpy(at, link->addresses[i], size);
        at += size;
    }
    digest(raw, (size_t)(at - raw), sum);
    memcpy(at, sum, CHECKED);
    at += CHECKED;
    size_t size = (size_t)(at - raw);
    size_t needed = sizeof PREFIX - 1 +
                    sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    enum weft_status status = WEFT_OK;
    if (needed > room) {
        status = status_fail(why, WEFT_LIMIT, 0, "the link takes %zu bytes; there is room for %zu",
                             needed, room);
    } else {
        memcpy(out, PREFIX, sizeof PREFIX - 1);
        (void)sodium_bin2base64(out + sizeof PREFIX - 1, room - (sizeof PREFIX - 1), raw, size,
                                sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    }
    sodium_memzero(raw, sizeof raw);
    return status;
}

/* Takes what the base64 held apart; false when it is not what invite_write() writes. */
static bool take_apart(const uint8_t *raw, size_t size, struct invite_link *out) {
    uint8_t sum[32];
    if (size < FIXED + CHECKED) return false;
    digest(raw, size - CHECKED, sum);
    if (memcmp(sum, raw + size - CHECKED, CHECKED) != 0) return false;
    const uint8_t *at = raw, *end = raw + size - CHECKED;
    memcpy(out->library.bytes, at, WEFT_ID_SIZE);
    memcpy(out->inviter.id_pk, at += WEFT_ID_SIZE, IDENTITY_KEY);
    memcpy(out->inviter.x_pk, at += IDENTITY_KEY, IDENTITY_KEY);
    memcpy(out->secret, at += IDENTITY_KEY, INVITE_SECRET);
    at += INVITE_SECRET;
    out->address_count = *at++;
    if (out->address_count > INVITE_ADDRESSES) return false;
    for (uint32_t i = 0; i < out->address_count; i++) {
        if (at == end) return false;
        size_t length = *at++;
        if (length >= WEFT_ADDRESS_MAX || length > (size_t)(end - at)) return false;
        if (memchr(at, 0, length) != NULL) return false;
        memcpy(out->addresses[i], at, length);
        at += length;
    }
    return at == end && out->address_count > 0;
}

enum weft_status invite_read(const char *text, struct invite_link *out, struct weft_error *why) {
    uint8_t raw[RAW_MAX];
    size_t size = 0;
    const char *end = NULL;
    memset(out, 0, sizeof *out);
    CHECK(text != NULL);
    text += strspn(text, " \t\r\n");
    if (strncmp(text, PREFIX, sizeof PREFIX - 1) != 0) {
        return status_fail(why, WEFT_INVITE, 0,
                           "this is no invite: one begins with \"%s\"; copy the whole link",
                           PREFIX);
    }
    text += sizeof PREFIX - 1;
    /* libsodium takes bytes from 0x80 on for a letter: it is shown none. */
    end = text + strspn(text, LETTERS);
    bool sound = sodium_base642bin(raw, sizeof raw, text, (size_t)(end - text), NULL, &size, NULL,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
                 end[strspn(end, " \t\r\n")] == '\0' && take_apart(raw, size, out);
    sodium_memzero(raw, sizeof raw);
    if (sound) return WEFT_OK;
    sodium_memzero(out, sizeof *out);
    return status_fail(why, WEFT_INVITE, 0,
                       "the invite is damaged: some of it is missing or was mistyped; copy the "
                       "whole link");
}

void invite_psk(const struct id *library, const uint8_t secret[INVITE_SECRET],
                uint8_t out[LIBRARY_KEY]) {
    static const char context[] = "weft/invite-psk";
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, LIBRARY_KEY);
    crypto_generichash_update(&state, (const uint8_t *)context, sizeof context - 1);
    crypto_generichash_update(&state, library->bytes, sizeof library->bytes);
    crypto_generichash_update(&state, secret, INVITE_SECRET);
    crypto_generichash_final(&state, out, LIBRARY_KEY);
}
