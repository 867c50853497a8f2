/* SPDX-License-Identifier: MIT */
#include "weir/loop.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* libcrypto behind weir_crypto. It can only fail for want of memory, or where a policy forbids MD5;
 * then nothing is to be believed any more. */

static void md5(const struct weir_span *part, unsigned count, uint8_t digest[WEIR_MD5_LEN])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1;
    for (unsigned i = 0; i < count; i++)
        good = good && EVP_DigestUpdate(context, part[i].base, part[i].len) == 1;
    good = good && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!good) {
        fprintf(stderr, "weir: libcrypto cannot make an MD5 digest\n");
        abort();
    }
}

static bool mac_parts(EVP_MAC_CTX *context, enum weir_mac which, const struct weir_span *key,
                      const struct weir_span *part, unsigned count, uint8_t *out)
{
    char digest[] = "SHA1", cipher[] = "AES-128-CBC";
    const OSSL_PARAM params[] = {
        which == WEIR_MAC_HMAC_SHA1 ? OSSL_PARAM_construct_utf8_string("digest", digest, 0)
                                    : OSSL_PARAM_construct_utf8_string("cipher", cipher, 0),
        OSSL_PARAM_construct_end(),
    };
    size_t len;
    bool good = context != NULL && EVP_MAC_init(context, key->base, key->len, params) == 1;
    for (unsigned i = 0; i < count; i++)
        good = good && EVP_MAC_update(context, part[i].base, part[i].len) == 1;
    return good && EVP_MAC_final(context, out, &len, WEIR_MAC_MAX) == 1;
}

static void mac(enum weir_mac which, const struct weir_span *key, const struct weir_span *part,
                unsigned count, uint8_t out[WEIR_MAC_MAX])
{
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, which == WEIR_MAC_HMAC_SHA1 ? "HMAC" : "CMAC", NULL);
    EVP_MAC_CTX *context = algorithm != NULL ? EVP_MAC_CTX_new(algorithm) : NULL;
    const bool good = mac_parts(context, which, key, part, count, out);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(algorithm);
    if (!good) {
        fprintf(stderr, "weir: libcrypto cannot make a message authentication code\n");
        abort();
    }
}

const struct weir_crypto weir_crypto = { .md5 = md5, .mac = mac };
