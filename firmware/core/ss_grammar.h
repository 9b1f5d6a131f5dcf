/* Grammars of the contract's texts. Each checks `length` bytes, which may have any value, including NUL. */
#ifndef SS_GRAMMAR_H
#define SS_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

typedef bool ss_grammar(const char *text, size_t length);

ss_grammar ss_is_device_id;        /* ^ss-[0-9a-z]{4,60}$ */
ss_grammar ss_is_inst;             /* ^[0-9a-f]{8}$ */
ss_grammar ss_is_word;             /* ^[a-z][a-z0-9_]*$ ; the field limits its length */
ss_grammar ss_is_firmware_version; /* ^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$ */
ss_grammar ss_is_uuid;             /* lower case, with hyphens */
ss_grammar ss_is_sha256;           /* ^[0-9a-f]{64}$ */
ss_grammar ss_is_signature;        /* base64, 88 to 96 characters */
ss_grammar ss_is_https_url;        /* ^https://[!-~]+$, at least 12 characters */
ss_grammar ss_is_time;             /* 2026-09-01T08:15:03.120Z, an existing day, 1970 to 2999 */

#endif
