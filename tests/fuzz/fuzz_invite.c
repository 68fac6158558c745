/* Fuzzes links of invites: whatever the text, none is read but one that is written so, and none
 * passes a limit.
 *
 *   input := mode u8 | bytes
 *     0 bytes are the text
 *     1 bytes are what the text holds; check and base64 are added, so that they reach the parser */
#include <sodium.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/wire/invite.h"

#define RAW_MAX 2048u
#define TEXT_MAX (4u * RAW_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A link that is read is written to the same text, blanks around it aside. */
static void check_read(const char *text) {
    struct invite_link link;
    struct weft_error why;
    char again[TEXT_MAX];
    const enum weft_status status = invite_read(text, &link, &why);
    CHECK(status == WEFT_OK || status == WEFT_INVITE);
    if (status != WEFT_OK) {
        CHECK(sodium_is_zero((const uint8_t *)&link, sizeof link));
        return;
    }
    CHECK(link.address_count >= 1 && link.address_count <= INVITE_ADDRESSES);
    for (uint32_t i = 0; i < link.address_count; i++)
        CHECK(memchr(link.addresses[i], 0, sizeof link.addresses[i]) != NULL);
    CHECK(invite_write(&link, again, sizeof again, &why) == WEFT_OK);
    text += strspn(text, " \t\r\n");
    CHECK(strncmp(text, again, strlen(again)) == 0);
    text += strlen(again);
    CHECK(text[strspn(text, " \t\r\n")] == '\0');
}

static void fuzz_raw(const uint8_t *data, size_t size) {
    static const char prefix[] = "weft:1:";
    uint8_t raw[RAW_MAX + 4], sum[32];
    char text[TEXT_MAX];
    crypto_generichash_state state;
    if (size > RAW_MAX) size = RAW_MAX;
    if (size > 0) memcpy(raw, data, size);
    crypto_generichash_init(&state, NULL, 0, sizeof sum);
    crypto_generichash_update(&state, (const uint8_t *)"weft/invite", 12);
    crypto_generichash_update(&state, raw, size);
    crypto_generichash_final(&state, sum, sizeof sum);
    memcpy(raw + size, sum, 4);
    memcpy(text, prefix, sizeof prefix);
    (void)sodium_bin2base64(text + sizeof prefix - 1, sizeof text - sizeof prefix, raw, size + 4,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    check_read(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const uint8_t mode = data[0] % 2;
    data++;
    size--;
    if (mode == 1) {
        fuzz_raw(data, size);
        return 0;
    }
    char *text = malloc(size + 1); /* Exactly as large, so that reading past it is seen. */
    CHECK(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    check_read(text);
    free(text);
    return 0;
}
