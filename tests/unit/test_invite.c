/* Invites as links: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>

#include "engine/wire/invite.h"

#define LINK_MAX 1024u

/* The example of docs/protocol.md: library f0 … ff, the device whose seed is 00 … 1f, the secret
 * 60 … 7f. */
static const char document[] =
    "weft:1:8PHy8_T19vf4-fr7_P3-_wOhB7_zzhC-HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4NYBy1jZYgNGu6jKa35EhODh"
    "R7SGijjt16WXQ0s0WYlRgYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-fwEOMTkyLjAuMi43OjQwMDG3FSZX";

static struct invite_link sample(void) {
    struct invite_link link = {.address_count = 2, .addresses = {"192.0.2.7:4001", "[::1]:9"}};
    memset(link.library.bytes, 0x99, sizeof link.library.bytes);
    memset(link.inviter.id_pk, 0x11, sizeof link.inviter.id_pk);
    memset(link.inviter.x_pk, 0x22, sizeof link.inviter.x_pk);
    memset(link.secret, 0x33, sizeof link.secret);
    return link;
}

static void write_link(const struct invite_link *link, char out[LINK_MAX]) {
    struct weft_error why = {0};
    if (invite_write(link, out, LINK_MAX, &why) != WEFT_OK) fail_msg("%s", why.text);
}

static void assert_same(const struct invite_link *a, const struct invite_link *b) {
    assert_memory_equal(&a->library, &b->library, sizeof a->library);
    assert_memory_equal(&a->inviter, &b->inviter, sizeof a->inviter);
    assert_memory_equal(a->secret, b->secret, sizeof a->secret);
    assert_int_equal(a->address_count, b->address_count);
    for (uint32_t i = 0; i < a->address_count; i++)
        assert_string_equal(a->addresses[i], b->addresses[i]);
}

/* Nothing of what was refused may be left, least of all the secret. */
static void assert_refused(const char *text, const char *said) {
    struct invite_link link;
    struct weft_error why = {0};
    memset(&link, 0xff, sizeof link);
    if (invite_read(text, &link, &why) != WEFT_INVITE) fail_msg("\"%s\" was read", text);
    assert_int_equal(why.status, WEFT_INVITE);
    if (strstr(why.text, said) == NULL) fail_msg("\"%s\" lacks \"%s\"", why.text, said);
    assert_true(sodium_is_zero((const uint8_t *)&link, sizeof link));
}

/* The link of these bytes, to which the check is added. */
static void write_raw(const uint8_t *raw, size_t size, char out[LINK_MAX]) {
    uint8_t bytes[700], sum[32];
    crypto_generichash_state state;
    assert_true(size + 4 <= sizeof bytes);
    crypto_generichash_init(&state, NULL, 0, sizeof sum);
    crypto_generichash_update(&state, (const uint8_t *)"weft/invite", 12);
    crypto_generichash_update(&state, raw, size);
    crypto_generichash_final(&state, sum, sizeof sum);
    memcpy(bytes, raw, size);
    memcpy(bytes + size, sum, 4);
    memcpy(out, "weft:1:", 7);
    assert_non_null(sodium_bin2base64(out + 7, LINK_MAX - 7, bytes, size + 4,
                                      sodium_base64_VARIANT_URLSAFE_NO_PADDING));
}

/* ---- */

static void invite_reads_and_writes_the_example_of_the_document(void **state) {
    (void)state;
    struct invite_link link;
    struct weft_error why = {0};
    char text[LINK_MAX];
    if (invite_read(document, &link, &why) != WEFT_OK) fail_msg("%s", why.text);
    for (uint8_t i = 0; i < WEFT_ID_SIZE; i++)
        assert_int_equal(link.library.bytes[i], 0xf0 + i);
    for (uint8_t i = 0; i < INVITE_SECRET; i++)
        assert_int_equal(link.secret[i], 0x60 + i);
    assert_int_equal(link.address_count, 1);
    assert_string_equal(link.addresses[0], "192.0.2.7:4001");
    write_link(&link, text);
    assert_string_equal(text, document);
}

static void invite_of_the_document_gives_the_key_of_the_document(void **state) {
    (void)state;
    struct invite_link link;
    uint8_t psk[LIBRARY_KEY], psk_id[LIBRARY_KEY_ID];
    char hex[2 * LIBRARY_KEY + 1];
    assert_int_equal(invite_read(document, &link, NULL), WEFT_OK);
    invite_psk(&link.library, link.secret, psk);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, psk, sizeof psk),
                        "0a31fab742973b8d6d1da5f80e94a3d79ef4d2aa4d66d1ab5af56c86169db3c4");
    identity_psk_id(&link.library, psk, psk_id);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, psk_id, sizeof psk_id), "020f11aba3cc9e87");
}

static void invite_keys_differ_by_library_and_by_secret(void **state) {
    (void)state;
    struct invite_link link = sample();
    uint8_t a[LIBRARY_KEY], b[LIBRARY_KEY];
    invite_psk(&link.library, link.secret, a);
    link.library.bytes[15] ^= 1;
    invite_psk(&link.library, link.secret, b);
    assert_memory_not_equal(a, b, sizeof a);
    link.library.bytes[15] ^= 1;
    link.secret[31] ^= 1;
    invite_psk(&link.library, link.secret, b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void invite_reads_what_it_writes_with_one_to_four_addresses_of_any_length(void **state) {
    (void)state;
    for (uint32_t count = 1; count <= INVITE_ADDRESSES; count++) {
        for (size_t size = 0; size < WEFT_ADDRESS_MAX; size += 7) {
            struct invite_link link = sample(), read;
            char text[LINK_MAX];
            link.address_count = count;
            for (uint32_t i = 0; i < count; i++) {
                memset(link.addresses[i], 'a' + (int)i, size);
                link.addresses[i][size] = 0;
            }
            write_link(&link, text);
            assert_int_equal(invite_read(text, &read, NULL), WEFT_OK);
            assert_same(&link, &read);
        }
    }
}

static void invite_may_have_blanks_around_it(void **state) {
    (void)state;
    struct invite_link read;
    char text[LINK_MAX];
    assert_true(snprintf(text, sizeof text, " \t\r\n%s\r\n \t\n", document) > 0);
    assert_int_equal(invite_read(text, &read, NULL), WEFT_OK);
    assert_true(snprintf(text, sizeof text, "%s and more", document) > 0);
    assert_refused(text, "damaged");
    assert_true(snprintf(text, sizeof text, "%.20s %s", document, document + 20) > 0);
    assert_refused(text, "damaged");
}

static void invite_says_what_is_no_invite_at_all(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", " ", "weft", "weft:2:AAAA", "WEFT:1:AAAA", "https://example.com", "127.0.0.1:7000"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refused(texts[i], "begins with \"weft:1:\"");
}

static void invite_that_was_cut_anywhere_is_refused(void **state) {
    (void)state;
    char text[sizeof document];
    for (size_t size = 7; size < sizeof document - 1; size++) {
        memcpy(text, document, size);
        text[size] = 0;
        assert_refused(text, "damaged");
    }
}

static void invite_with_any_other_character_is_refused(void **state) {
    (void)state;
    static const char others[] = "Aa0-_+/=.:\x80\xff";
    char text[sizeof document];
    for (size_t at = 7; at < sizeof document - 1; at++) {
        for (size_t o = 0; others[o] != 0; o++) {
            memcpy(text, document, sizeof text);
            if (text[at] == others[o]) continue;
            text[at] = others[o];
            assert_refused(text, "damaged");
        }
    }
}

/* Bytes that are checked, but were never written by invite_write(). */
static void invite_whose_parts_do_not_fit_is_refused(void **state) {
    (void)state;
    uint8_t raw[640] = {0};
    char text[LINK_MAX];
    const size_t fixed = 112;
    struct invite_link link;
    raw[fixed] = 1; /* The count; then one address of three bytes. */
    memcpy(raw + fixed + 1, "\3a:1", 4);
    write_raw(raw, fixed + 5, text);
    assert_int_equal(invite_read(text, &link, NULL), WEFT_OK); /* So it is right. */
    write_raw(raw, fixed + 4, text);                           /* An address that is cut; */
    assert_refused(text, "damaged");
    write_raw(raw, fixed + 6, text); /* a byte too many; */
    assert_refused(text, "damaged");
    write_raw(raw, fixed + 1, text); /* no address where one is announced; */
    assert_refused(text, "damaged");
    write_raw(raw, fixed, text); /* no count; */
    assert_refused(text, "damaged");
    raw[fixed + 3] = 0; /* a zero inside of an address; */
    write_raw(raw, fixed + 5, text);
    assert_refused(text, "damaged");
    raw[fixed] = 0; /* none at all; */
    write_raw(raw, fixed + 1, text);
    assert_refused(text, "damaged");
    raw[fixed] = INVITE_ADDRESSES + 1; /* one more than there may be; */
    memset(raw + fixed + 1, 0, INVITE_ADDRESSES + 1);
    write_raw(raw, fixed + 1 + INVITE_ADDRESSES + 1, text);
    assert_refused(text, "damaged");
    raw[fixed] = 1; /* and a longer one than there may be. */
    memset(raw + fixed + 1, WEFT_ADDRESS_MAX, WEFT_ADDRESS_MAX + 1);
    write_raw(raw, fixed + 1 + 1 + WEFT_ADDRESS_MAX, text);
    assert_refused(text, "damaged");
    write_raw(raw, sizeof raw, text); /* More than any link holds. */
    assert_refused(text, "damaged");
}

static void invite_is_not_written_into_less_room_than_it_takes(void **state) {
    (void)state;
    struct invite_link link = sample();
    char text[LINK_MAX], small[LINK_MAX];
    struct weft_error why = {0};
    write_link(&link, text);
    const size_t needed = strlen(text) + 1;
    for (size_t room = 0; room < needed; room++) {
        memset(small, '#', sizeof small);
        assert_int_equal(invite_write(&link, small, room, &why), WEFT_LIMIT);
        assert_int_equal(small[room], '#');
    }
    assert_int_equal(invite_write(&link, small, needed, &why), WEFT_OK);
    assert_string_equal(small, text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invite_reads_and_writes_the_example_of_the_document),
        cmocka_unit_test(invite_of_the_document_gives_the_key_of_the_document),
        cmocka_unit_test(invite_keys_differ_by_library_and_by_secret),
        cmocka_unit_test(invite_reads_what_it_writes_with_one_to_four_addresses_of_any_length),
        cmocka_unit_test(invite_may_have_blanks_around_it),
        cmocka_unit_test(invite_says_what_is_no_invite_at_all),
        cmocka_unit_test(invite_that_was_cut_anywhere_is_refused),
        cmocka_unit_test(invite_with_any_other_character_is_refused),
        cmocka_unit_test(invite_whose_parts_do_not_fit_is_refused),
        cmocka_unit_test(invite_is_not_written_into_less_room_than_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
