/* SPDX-License-Identifier: MIT */

/* daemon/md5.c: the examples of RFC 1321, A.5, and that it does not matter how a message is cut. */

#include "daemon/md5.h"
#include "tap.h"

#include <string.h>

static const struct {
    const char *text, *digest;
} examples[] = {
    { "", "d41d8cd98f00b204e9800998ecf8427e" },
    { "a", "0cc175b9c0f1b6a831c399e269772661" },
    { "abc", "900150983cd24fb0d6963f7d28e17f72" },
    { "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
    { "abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b" },
    { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
      "d174ab98d277d9f5a5611c2c9f419d9f" },
    { "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
      "57edf4a22be3c955ac49da2e2107b67a" },
};

static void say(const uint8_t digest[WEIR_MD5_LEN], char text[2 * WEIR_MD5_LEN + 1])
{
    for (unsigned i = 0; i < WEIR_MD5_LEN; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

int main(void)
{
    uint8_t digest[WEIR_MD5_LEN], whole[WEIR_MD5_LEN];
    char text[2 * WEIR_MD5_LEN + 1];
    static uint8_t block[200];
    for (unsigned i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct weir_span span = { (uint8_t *)(uintptr_t)examples[i].text,
                                        strlen(examples[i].text) };
        md5_crypto.md5(&span, 1, digest);
        say(digest, text);
        CHECK(strcmp(text, examples[i].digest) == 0, "\"%s\" has the digest %s", examples[i].text,
              text);
    }
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7);
    unsigned equal = 0, cuts = 0;
    for (size_t len = 0; len <= sizeof block; len++) {
        const struct weir_span all = { block, len };
        md5_crypto.md5(&all, 1, whole);
        for (size_t at = 0; at <= len; at += 9, cuts++) {
            const struct weir_span parts[] = { { block, at },
                                               { block, 0 },
                                               { block + at, len - at } };
            md5_crypto.md5(parts, 3, digest);
            equal += memcmp(digest, whole, sizeof digest) == 0;
        }
    }
    CHECK(equal == cuts, "%u of %u messages in parts are the same as whole", equal, cuts);
    return tap_done();
}
