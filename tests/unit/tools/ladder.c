/* SPDX-License-Identifier: MIT */

/* tools/ladder.c against drawings that were looked over and then kept here; and kernel_end.c's
 * reading of the kernel's table. */

#include "ladder.h"
#include "kernel_end.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define START 1000000000

static const struct ladder_segment play[] = {
    { .when = START + 100 * WEIR_US,
      .flags = 0x02,
      .seq = 0xfffffffe,
      .window = 65535,
      .why = "syn",
      .state = { WEIR_SYN_SENT, WEIR_SYN_RECEIVED },
      .sender_state = WEIR_SYN_SENT },
    { .when = START + 213 * WEIR_US,
      .leftward = true,
      .flags = 0x12,
      .seq = 77,
      .ack = 0xffffffff,
      .window = 64240,
      .why = "syn-ack",
      .state = { WEIR_ESTABLISHED, WEIR_SYN_RECEIVED },
      .sender_state = WEIR_SYN_RECEIVED },
    { .when = START + 220 * WEIR_US,
      .flags = 0x18,
      .seq = 0xffffffff,
      .ack = 78,
      .len = 20,
      .window = 502,
      .why = "new data",
      .state = { WEIR_ESTABLISHED, WEIR_ESTABLISHED },
      .sender_state = WEIR_ESTABLISHED },
    { .when = START + 12345678 * WEIR_US,
      .leftward = true,
      .flags = 0x11,
      .seq = 78,
      .ack = 20,
      .window = 501,
      .why = "",
      .state = { WEIR_CLOSE_WAIT, WEIR_FIN_WAIT_1 },
      .sender_state = WEIR_FIN_WAIT_1 },
};

static const char narrow[] =
    "       ms state        weir 192.0.2.2:40000       Linux 192.0.2.1:7 state\n"
    "    0.000              | weir connects                            | LISTEN\n"
    "    0.100 SYN-SENT     | SYN seq 0                            syn |\n"
    "                       |----------------------------------------->| SYN-RECEIVED\n"
    "    0.213              | SYN,ACK seq 0 ack 1              syn-ack |\n"
    "          ESTABLISHED  |<-----------------------------------------|\n"
    "    0.220              | ACK,PSH seq 1 ack 1 len 20      new data |\n"
    "                       |----------------------------------------->| ESTABLISHED\n"
    "12345.678              | FIN,ACK seq 1 ack 22                     | FIN-WAIT-1\n"
    "          CLOSE-WAIT   |<-----------------------------------------|\n";

static const char wide[] =
    "       ms state        weir 192.0.2.2:40000                                               "
    "Linux 192.0.2.1:7 state\n"
    "    0.000              | weir connects                                                    "
    "                | LISTEN\n"
    "    0.100 SYN-SENT     |-- SYN seq 0 win 65535 ---------------------------------------------"
    "------ syn -->| SYN-RECEIVED\n"
    "    0.213 ESTABLISHED  |<-- SYN,ACK seq 0 ack 1 win 64240 ----------------------------------"
    "--- syn-ack --|\n"
    "    0.220              |-- ACK,PSH seq 1 ack 1 len 20 win 502 ------------------------------"
    "- new data -->| ESTABLISHED\n"
    "12345.678 CLOSE-WAIT   |<-- FIN,ACK seq 1 ack 22 win 501 -----------------------------------"
    "--------------| FIN-WAIT-1\n";

static char *render(unsigned columns, bool ascii, bool colour)
{
    char *text = NULL;
    size_t len = 0;
    struct ladder ladder;
    const struct ladder_style style = { .columns = columns, .ascii = ascii, .colour = colour };
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    ladder_begin(&ladder, out, &style, "weir 192.0.2.2:40000", "Linux 192.0.2.1:7");
    ladder_note(&ladder, START, "weir connects", LADDER_NONE, WEIR_LISTEN);
    for (unsigned i = 0; i < sizeof play / sizeof play[0]; i++)
        ladder_segment(&ladder, &play[i]);
    fclose(out);
    return text;
}

static void show(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (p == text || p[-1] == '\n')
            printf("# ");
        putchar(*p);
    }
}

static void test_golden(void)
{
    char *text = render(80, true, false);
    if (!CHECK(text != NULL && strcmp(text, narrow) == 0, "80 columns are as kept here"))
        show(text);
    free(text);
    text = render(120, true, false);
    if (!CHECK(text != NULL && strcmp(text, wide) == 0, "120 columns are as kept here"))
        show(text);
    free(text);
    text = render(20, true, false);
    CHECK(text != NULL && strcmp(text, narrow) == 0, "fewer than 80 columns are taken as 80");
    free(text);
}

/* Lines longer than they should be, counting characters and not octets. */
static unsigned too_long(const char *text, unsigned columns)
{
    unsigned width = 0, count = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\n') {
            count += width > columns;
            width = 0;
        } else {
            width += ((unsigned char)*p & 0xc0) != 0x80;
        }
    }
    return count;
}

static void test_shape(void)
{
    for (unsigned columns = 80; columns <= 160; columns += 4) {
        char *text = render(columns, false, false);
        CHECK(text != NULL && too_long(text, columns) == 0 && strstr(text, "\033") == NULL,
              "%u columns are kept to, without colours", columns);
        free(text);
    }
    char *text = render(80, false, true);
    CHECK(text != NULL && strstr(text, "\033[0m") != NULL, "colours if they are asked for");
    free(text);
}

/* A reason or a flag list longer than its place is cut, and nothing is overrun. */
static void test_cut(void)
{
    char *text = NULL;
    size_t len = 0;
    struct ladder ladder;
    const struct ladder_style style = { .columns = 80, .ascii = true };
    struct ladder_segment segment = { .flags = 0xff, .seq = 1, .len = UINT32_MAX };
    segment.why = "a reason that goes on and on and on and on and on and on and on and on and on";
    segment.state[0] = segment.state[1] = segment.sender_state = LADDER_NONE;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return;
    ladder_begin(&ladder, out, &style,
                 "a name that goes on and on and on and on and on and on and on and on and on",
                 "a name that goes on and on and on and on and on and on and on and on and on");
    ladder_segment(&ladder, &segment);
    segment.leftward = true;
    /* Every length of a reason beside labels of several. */
    const char *const why = segment.why;
    ladder.style.columns = 120;
    for (uint32_t number = 1; number < 1000000000; number *= 10) {
        segment.len = number;
        for (segment.why = why + strlen(why); segment.why > why; segment.why--)
            ladder_segment(&ladder, &segment);
    }
    fclose(out);
    CHECK(too_long(text, 120) == 0, "what is too long is cut");
    CHECK(strstr(text, "SYN,FIN,RST,ACK,PSH,URG,ECE,CWR") != NULL, "all flags have names");
    free(text);
}

static void test_kernel_table(void)
{
    static char table[] =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        "   0: 010200C0:1E61 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
        "   1: 010200C0:1E61 020200C0:9C40 08 00000000:00000000 00:00000000 00000000     0\n"
        "   2: 010200C0:1E61 020200C0:9C41 03 00000000:00000000 00:00000000 00000000     0\n"
        "   3: 010200C0:1E62 020200C0:9C42 06 00000000:00000000 00:00000000 00000000     0\n";
    static const struct {
        uint16_t port, peer;
        bool accepted;
        unsigned state;
    } rows[] = {
        { 0x1e61, 0, false, WEIR_LISTEN },
        { 0x1e61, 0x9c40, true, WEIR_CLOSE_WAIT },
        { 0x1e61, 0x9c41, false, WEIR_SYN_RECEIVED },
        { 0x1e62, 0x9c42, true, WEIR_TIME_WAIT },
        { 0x1e61, 0x9c43, false, WEIR_LISTEN },
        { 0x1e61, 0x9c43, true, WEIR_CLOSED },
        { 0x1e63, 0x9c40, false, WEIR_CLOSED },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        FILE *file = fmemopen(table, sizeof table - 1, "r");
        if (file == NULL)
            return;
        const unsigned state =
            kernel_end_state_from(file, rows[i].port, rows[i].peer, rows[i].accepted);
        fclose(file);
        CHECK(state == rows[i].state, "kernel's port %x, peer %x: %s", rows[i].port, rows[i].peer,
              weir_state_text(rows[i].state));
    }
}

int main(void)
{
    test_golden();
    test_shape();
    test_cut();
    test_kernel_table();
    return tap_done();
}
