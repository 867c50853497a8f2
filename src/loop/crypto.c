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

const struct weir_crypto weir_crypto = { .md5 = md5 };
