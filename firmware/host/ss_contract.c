/*
 * Runs the message core on a PC, for tests. Reads requests from standard input until its end and answers each:
 *
 *   request   <message> <length>\n<body>
 *   answer    <status> <length>\n<the decoded message encoded again; empty on error, or if a button does not send it>
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ss_message.h"

#define REQUEST_MAX (1 << 20)

struct answer {
    enum ss_status status;
    char body[SS_BODY_MAX];
    size_t length;
};

static void press(struct answer *answer, const void *body, size_t length)
{
    struct ss_press message;
    answer->status = ss_press_decode(&message, body, length);
    if (answer->status == SS_OK) {
        answer->status = ss_press_encode(&message, answer->body, sizeof answer->body, &answer->length);
    }
}

static void health(struct answer *answer, const void *body, size_t length)
{
    struct ss_health message;
    answer->status = ss_health_decode(&message, body, length);
    if (answer->status == SS_OK) {
        answer->status = ss_health_encode(&message, answer->body, sizeof answer->body, &answer->length);
    }
}

static void cmd_result(struct answer *answer, const void *body, size_t length)
{
    struct ss_cmd_result message;
    answer->status = ss_cmd_result_decode(&message, body, length);
    if (answer->status == SS_OK) {
        answer->status = ss_cmd_result_encode(&message, answer->body, sizeof answer->body, &answer->length);
    }
}

static void state(struct answer *answer, const void *body, size_t length)
{
    enum ss_state message;
    answer->status = ss_state_decode(&message, body, length);
    if (answer->status == SS_OK) {
        answer->length = strlen(ss_state_word(message));
        memcpy(answer->body, ss_state_word(message), answer->length);
    }
}

static void ack(struct answer *answer, const void *body, size_t length)
{
    struct ss_ack message;
    answer->status = ss_ack_decode(&message, body, length);
}

static void cmd(struct answer *answer, const void *body, size_t length)
{
    struct ss_cmd message;
    answer->status = ss_cmd_decode(&message, body, length);
}

static const struct {
    const char *name;
    void (*run)(struct answer *answer, const void *body, size_t length);
} messages[] = {
    {"press", press}, {"health", health}, {"state", state}, {"ack", ack}, {"cmd", cmd}, {"cmd_result", cmd_result},
};

static const char *status_name(enum ss_status status)
{
    static const char *const names[] = {
#define SS_STATUS_STRING(name, text) #name,
        SS_STATUS_LIST(SS_STATUS_STRING)
#undef SS_STATUS_STRING
    };
    return names[status];
}

static int serve_one(const char *name, size_t length)
{
    /* Allocate the exact size, so that the address sanitizer detects a read beyond the body. */
    char *body = malloc(length > 0 ? length : 1);
    if (body == NULL || fread(body, 1, length, stdin) != length) {
        free(body);
        return EXIT_FAILURE;
    }
    int outcome = EXIT_FAILURE;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        if (strcmp(messages[i].name, name) == 0) {
            struct answer answer = {.status = SS_OK, .length = 0};
            messages[i].run(&answer, body, length);
            printf("%s %zu\n", status_name(answer.status), answer.length);
            fwrite(answer.body, 1, answer.length, stdout);
            fflush(stdout);
            outcome = EXIT_SUCCESS;
        }
    }
    free(body);
    return outcome;
}

int main(void)
{
    char name[16];
    size_t length;

    while (scanf("%15s %zu", name, &length) == 2) {
        if (getchar() != '\n' || length > REQUEST_MAX || serve_one(name, length) != EXIT_SUCCESS) {
            fprintf(stderr, "bad request\n");
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
