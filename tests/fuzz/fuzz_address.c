/* Fuzzes addresses: whatever the text, it is refused or is an address that writes and reads to the
 * same one again.
 *
 *   input := text */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/net/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const char *text) {
    struct address address, again;
    struct weft_error why = {0};
    char written[WEFT_ADDRESS_MAX], rewritten[WEFT_ADDRESS_MAX];
    const enum weft_status status = address_read(&address, text, &why);
    CHECK(status == WEFT_OK || status == WEFT_ADDRESS);
    if (status != WEFT_OK) {
        CHECK(why.status == WEFT_ADDRESS && strnlen(why.text, sizeof why.text) < sizeof why.text);
        return;
    }
    const sa_family_t family = address.socket.ss_family;
    CHECK(family == AF_INET || family == AF_INET6);
    address_text((const struct sockaddr *)&address.socket, address.size, written);
    CHECK(address_read(&again, written, &why) == WEFT_OK);
    CHECK(again.port == address.port && again.size == address.size);
    address_text((const struct sockaddr *)&again.socket, again.size, rewritten);
    CHECK(strcmp(written, rewritten) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1); /* Exactly as large, so that reading past it is seen. */
    CHECK(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    check_address(text);
    free(text);
    return 0;
}
