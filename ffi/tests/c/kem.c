/* Key encapsulation: every group, and every way to call it wrongly. */
#include "check.h"

static const struct {
    uint16_t group;
    size_t public_key, ciphertext, secret;
} rows[] = {
    { PITH_GROUP_MLKEM512, PITH_MLKEM512_PUBLIC, PITH_MLKEM512_CIPHERTEXT, PITH_MLKEM512_SECRET },
    { PITH_GROUP_MLKEM768, PITH_MLKEM768_PUBLIC, PITH_MLKEM768_CIPHERTEXT, PITH_MLKEM768_SECRET },
    { PITH_GROUP_MLKEM1024, PITH_MLKEM1024_PUBLIC, PITH_MLKEM1024_CIPHERTEXT,
      PITH_MLKEM1024_SECRET },
    { PITH_GROUP_X25519MLKEM768, PITH_X25519MLKEM768_PUBLIC, PITH_X25519MLKEM768_CIPHERTEXT,
      PITH_X25519MLKEM768_SECRET },
    { PITH_GROUP_SECP256R1MLKEM768, PITH_SECP256R1MLKEM768_PUBLIC,
      PITH_SECP256R1MLKEM768_CIPHERTEXT, PITH_SECP256R1MLKEM768_SECRET },
    { PITH_GROUP_SECP384R1MLKEM1024, PITH_SECP384R1MLKEM1024_PUBLIC,
      PITH_SECP384R1MLKEM1024_CIPHERTEXT, PITH_SECP384R1MLKEM1024_SECRET },
};

int main(void)
{
    uint8_t public_key[1665], ciphertext[1665], ours[80], theirs[80];
    size_t row;
    pith_kem_key *key;
    for (row = 0; row < sizeof rows / sizeof *rows; row++) {
        uint16_t group = rows[row].group;
        size_t len = rows[row].public_key;
        CHECK(pith_group_is_post_quantum(group) == 1 && pith_group_name(group) != NULL);
        IS(pith_kem_keygen(&key, group, public_key, len - 1), PITH_TOO_SMALL);
        CHECK(key == NULL);
        IS(pith_kem_keygen(&key, group, NULL, len), PITH_NULL);
        IS(pith_kem_keygen(&key, group, public_key, len), PITH_OK);
        IS(pith_kem_encapsulate(group, public_key, len, ciphertext, rows[row].ciphertext - 1,
                                theirs, sizeof theirs),
           PITH_TOO_SMALL);
        IS(pith_kem_encapsulate(group, public_key, len, ciphertext, sizeof ciphertext, theirs,
                                rows[row].secret - 1),
           PITH_TOO_SMALL);
        IS(pith_kem_encapsulate(group, public_key, len - 1, ciphertext, sizeof ciphertext, theirs,
                                sizeof theirs),
           PITH_PEER);
        IS(pith_kem_encapsulate(group, NULL, 0, ciphertext, sizeof ciphertext, theirs,
                                sizeof theirs),
           PITH_PEER);
        IS(pith_kem_encapsulate(group, public_key, len, NULL, sizeof ciphertext, theirs,
                                sizeof theirs),
           PITH_NULL);
        IS(pith_kem_encapsulate(group, public_key, len, ciphertext, sizeof ciphertext, NULL,
                                sizeof theirs),
           PITH_NULL);
        IS(pith_kem_encapsulate(group, NULL, 5, ciphertext, sizeof ciphertext, theirs,
                                sizeof theirs),
           PITH_NULL);
        memset(theirs, 0, sizeof theirs);
        IS(pith_kem_encapsulate(group, public_key, len, ciphertext, rows[row].ciphertext, theirs,
                                rows[row].secret),
           PITH_OK);
        IS(pith_kem_decapsulate(key, ciphertext, rows[row].ciphertext, ours, rows[row].secret - 1),
           PITH_TOO_SMALL);
        IS(pith_kem_decapsulate(key, ciphertext, rows[row].ciphertext, NULL, 80), PITH_NULL);
        IS(pith_kem_decapsulate(key, NULL, rows[row].ciphertext, ours, sizeof ours), PITH_NULL);
        IS(pith_kem_decapsulate(key, ciphertext, rows[row].ciphertext, ours, rows[row].secret),
           PITH_OK);
        CHECK(memcmp(ours, theirs, rows[row].secret) == 0);
        /* A key decapsulates once. */
        IS(pith_kem_decapsulate(key, ciphertext, rows[row].ciphertext, ours, sizeof ours),
           PITH_MISUSE);
        pith_kem_free(key);
        /* An altered ciphertext of ML-KEM gives another secret; one of another length none. */
        IS(pith_kem_keygen(&key, group, public_key, sizeof public_key), PITH_OK);
        IS(pith_kem_decapsulate(key, ciphertext, 0, ours, sizeof ours), PITH_PEER);
        pith_kem_free(key);
    }
    IS(pith_kem_keygen(&key, PITH_GROUP_MLKEM768, public_key, sizeof public_key), PITH_OK);
    IS(pith_kem_encapsulate(PITH_GROUP_MLKEM768, public_key, PITH_MLKEM768_PUBLIC, ciphertext,
                            sizeof ciphertext, theirs, sizeof theirs),
       PITH_OK);
    ciphertext[3] ^= 1;
    IS(pith_kem_decapsulate(key, ciphertext, PITH_MLKEM768_CIPHERTEXT, ours, sizeof ours), PITH_OK);
    CHECK(memcmp(ours, theirs, PITH_MLKEM768_SECRET) != 0);
    pith_kem_free(key);
    /* X25519 by itself is no KEM, and 0 no group. */
    IS(pith_kem_keygen(&key, PITH_GROUP_X25519, public_key, sizeof public_key), PITH_ARGUMENT);
    IS(pith_kem_keygen(&key, 0, public_key, sizeof public_key), PITH_ARGUMENT);
    IS(pith_kem_keygen(NULL, PITH_GROUP_MLKEM768, public_key, sizeof public_key), PITH_NULL);
    IS(pith_kem_encapsulate(PITH_GROUP_X25519, public_key, 32, ciphertext, sizeof ciphertext, ours,
                            sizeof ours),
       PITH_ARGUMENT);
    IS(pith_kem_decapsulate(NULL, ciphertext, 32, ours, sizeof ours), PITH_NULL);
    pith_kem_free(NULL);
    return 0;
}
