/* SPDX-License-Identifier: MIT */

/* The pcapng file, octet for octet; the comments of a capture; and what happens when the file ends
 * before the traffic. */
#include "tap.h"

#include "fake_core.h"

#include "dev/pcapng.h"
#include "weir/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char path[] = "/tmp/weir-test-XXXXXX";
static uint8_t content[1 << 20];
static struct weir core; /* large, so not on the stack */

static size_t read_file(void)
{
    const int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    const ssize_t len = read(fd, content, sizeof content);
    close(fd);
    return len > 0 ? (size_t)len : 0;
}

static uint32_t get32(size_t at)
{
    uint32_t value;
    memcpy(&value, content + at, sizeof value);
    return value;
}

/* Whether the file is whole blocks from its first octet to its last; counts those of one type. */
static bool blocks_whole(size_t len, uint32_t type, unsigned *count)
{
    size_t at = 0;
    *count = 0;
    while (at + 12 <= len) {
        const uint32_t block = get32(at + 4);
        if (block % 4 != 0 || block < 12 || block > len - at || get32(at + block - 4) != block)
            return false;
        *count += get32(at) == type;
        at += block;
    }
    return at == len;
}

/* ---- The writer ---- */

static void test_octets(void)
{
    /* In the order of a little-endian machine; a big-endian one writes other octets, as the magic
     * tells. */
    static const uint8_t want[] = {
        0x0a, 0x0d, 0x0d, 0x0a, 40,   0,    0,    0,    0x4d, 0x3c, 0x2b, 0x1a, 1,    0,
        0,    0, /* section */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 4,    0,    4,    0,    'w',  'e',
        'i',  'r',  0,    0,    0,    0,    40,   0,    0,    0,    1,    0,    0,    0,
        44,   0,    0,    0,    1,    0,    0,    0,    0,    0,    0,    0, /* interface */
        2,    0,    5,    0,    'w',  'e',  'i',  'r',  '0',  0,    0,    0,    9,    0,
        1,    0,    9,    0,    0,    0,    0,    0,    0,    0,    44,   0,    0,    0,
        6,    0,    0,    0,    60,   0,    0,    0,    0,    0,    0,    0,    0x67, 0x45,
        0x23, 0x01, 0xef, 0xcd, 0xab, 0x89, /* packet */
        5,    0,    0,    0,    60,   0,    0,    0,    'h',  'e',  'l',  'l',  'o',  0,
        0,    0,    1,    0,    3,    0,    'w',  'h',  'y',  0,    2,    0,    4,    0,
        2,    0,    0,    0,    0,    0,    0,    0,    60,   0,    0,    0,
    };
    struct pcapng file;
    CHECK(pcapng_open(&file, path, UINT64_MAX) == 0, "a file is made");
    pcapng_iface(&file, "weir0", 0);
    const struct pcapng_packet packet = { .direction = PCAPNG_OUT,
                                          .when = 0x0123456789abcdef,
                                          .data = (const uint8_t *)"hello",
                                          .len = 5,
                                          .whole_len = 60,
                                          .comment = "why" };
    pcapng_packet(&file, &packet);
    pcapng_close(&file);
    const size_t len = read_file();
    CHECK(len == sizeof want && memcmp(content, want, len) == 0,
          "section, interface and packet, octet for octet");
    if (len != sizeof want)
        printf("# %zu octets instead of %zu\n", len, sizeof want);
    for (size_t i = 0; i < len && i < sizeof want; i++)
        if (content[i] != want[i])
            printf("# at %zu: %02x, not %02x\n", i, content[i], want[i]);
}

static void test_errors(void)
{
    struct pcapng file;
    CHECK(pcapng_open(&file, "/no-such-folder/file", UINT64_MAX) == -ENOENT,
          "a path that is not there is an error");
    CHECK(pcapng_open(&file, "/dev/full", UINT64_MAX) == 0, "a full disk shows only when we write");
    pcapng_flush(&file);
    CHECK(file.error == ENOSPC && !pcapng_works(&file), "and then is noted");
    pcapng_iface(&file, "x", 0);
    CHECK(file.used == 0, "after which nothing is collected any more");
    pcapng_close(&file);
}

/* A disk that fills up within a block, here as a limit of the file's size. */
static void test_cut(void)
{
    static uint8_t data[1000];
    struct pcapng file;
    struct rlimit kept;
    getrlimit(RLIMIT_FSIZE, &kept);
    struct rlimit limit = { .rlim_cur = 50000, .rlim_max = kept.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    CHECK(pcapng_open(&file, path, UINT64_MAX) == 0, "a file with a limit from outside");
    pcapng_iface(&file, "weir0", 0);
    const struct pcapng_packet packet = {
        .direction = PCAPNG_IN, .data = data, .len = 1000, .whole_len = 1000, .comment = ""
    };
    for (unsigned i = 0; i < 100; i++)
        pcapng_packet(&file, &packet);
    setrlimit(RLIMIT_FSIZE, &limit);
    pcapng_flush(&file);
    setrlimit(RLIMIT_FSIZE, &kept);
    unsigned packets = 0;
    const size_t len = read_file();
    CHECK(file.error == EFBIG, "the write fails within a block");
    CHECK(blocks_whole(len, 6, &packets) && packets >= 40,
          "the file ends with a whole block, after %u", packets);
    CHECK(file.written == len, "and the writer knows its length");
    pcapng_close(&file);
}

/* ---- The capture ---- */

static unsigned reports;
static char report_line[WEIR_LINE_MAX];

static void on_report(void *user, const char *line)
{
    (void)user;
    reports++;
    snprintf(report_line, sizeof report_line, "%s", line);
}

static struct weir_capture *open_capture(uint64_t octets_max)
{
    const struct weir_capture_config config = { .path = path,
                                                .octets_max = octets_max,
                                                .report = on_report,
                                                .epoch = INT64_C(1700000000) * WEIR_SECOND };
    struct weir_capture *capture = NULL;
    char why[WEIR_LINE_MAX] = "";
    reports = 0;
    CHECK(weir_capture_open(&capture, &config, why) == 0, "a capture opens %s", why);
    CHECK(weir_capture_attach(capture, &core, 0, "weir0") == 0, "its first port is 0");
    return capture;
}

/* What the core would record, frame by frame: the first octet of the frame says which. */
static void record_frame(struct weir *weir, const struct weir_frame *frame)
{
    struct weir_record seg = { .conn = 7, .type = WEIR_REC_SEG_IN };
    struct weir_record drop = { .conn = 7, .type = WEIR_REC_DROP };
    struct weir_record state = { .conn = 7, .type = WEIR_REC_STATE };
    switch (frame->data[0]) {
    case 'd':
        seg.code = drop.code = WEIR_DROP_RST_INEXACT;
        fake_record(weir, WEIR_TRACE_STORY, drop);
        break;
    case 'a':
        drop.code = WEIR_DROP_ARP_NOT_OURS;
        drop.conn = UINT32_MAX;
        fake_record(weir, WEIR_TRACE_STORY, drop);
        return;
    case 's':
        state.code = WEIR_CAUSE_SYN_ACKED;
        state.flags = WEIR_SYN_SENT;
        state.extra = WEIR_ESTABLISHED;
        fake_record(weir, WEIR_TRACE_STORY, state);
        break;
    case 'q':
        return;
    }
    fake_record(weir, WEIR_TRACE_FLOW, seg);
}

static bool file_says(const char *comment)
{
    const size_t len = read_file(), comment_len = strlen(comment);
    for (size_t at = 0; at + comment_len + 1 <= len; at++)
        if (memcmp(content + at, comment, comment_len) == 0 &&
            (content[at + comment_len] & 0xe0) == 0)
            return true;
    return false;
}

static void give(struct weir_capture *capture, char kind, uint16_t gso_size)
{
    uint8_t octets[60] = { (uint8_t)kind };
    const struct weir_frame frame = { .data = octets, .len = sizeof octets, .gso_size = gso_size };
    weir_capture_input(capture, 0, &frame, 1, 5);
}

static void test_comments(void)
{
    fake_reset(&core);
    core.on_frame = record_frame;
    core.state = WEIR_SYN_SENT;
    struct weir_capture *capture = open_capture(0);
    struct weir_out out = { .head_len = 60,
                            .why = WEIR_WHY_RTX_SYN,
                            .handle = UINT64_C(3) << 32 | 7 };
    weir_capture_output(capture, 0, &out, 1);
    give(capture, 's', 0);
    give(capture, 'd', 0);
    give(capture, 'u', 1448);
    give(capture, 'a', 0);
    give(capture, 'q', 0);
    /* Records of a timer, say: they belong to no frame. */
    fake_record(&core, WEIR_TRACE_STORY,
                (struct weir_record){ .type = WEIR_REC_DROP, .code = WEIR_DROP_PAWS });
    give(capture, 'q', 0);
    /* A segment of a connection without a handle is known by its numbers. */
    struct weir_out fin = { .head_len = 54, .why = WEIR_WHY_FIN, .transport_off = 34 };
    fin.head[34 + 7] = 5;
    fin.head[34 + 11] = 6;
    fake_record(&core, WEIR_TRACE_FLOW,
                (struct weir_record){ .conn = 7, .type = WEIR_REC_SEG_OUT, .seq = 5, .ack = 6 });
    weir_capture_output(capture, 0, &fin, 2);
    fin.head[34 + 7] = 4;
    fin.why = WEIR_WHY_RST_REPLY;
    weir_capture_output(capture, 0, &fin, 2);
    struct weir_out arp = { .head_len = 42, .why = WEIR_WHY_ARP };
    weir_capture_output(capture, 0, &arp, 2);
    weir_capture_flush(capture);
    CHECK(file_says("out: retransmit: syn [SYN-SENT]"), "a frame out says why, and the state");
    CHECK(file_says("in: used [SYN-SENT -> ESTABLISHED: our syn acknowledged]"),
          "a frame in says what it changed");
    CHECK(file_says("in: drop: reset that misses rcv.nxt [ESTABLISHED]"),
          "or why it was dropped, in which state");
    CHECK(file_says("in: used, segments of 1448 [ESTABLISHED]"), "merged frames say so");
    CHECK(file_says("in: drop: arp: not for us"), "frames without a connection have no state");
    CHECK(file_says("in: used") && !file_says("in: drop: old timestamp"),
          "older records are not a frame's");
    CHECK(file_says("out: arp"), "nor have those that leave");
    CHECK(file_says("out: fin [ESTABLISHED]"), "what leaves after its program let go has a state");
    CHECK(file_says("out: reset: no connection"), "what belongs to none has none");
    CHECK(weir_capture_frames(capture) == 10, "ten frames");
    CHECK(core.in_count == 6, "all that came in reached the instance");
    weir_capture_close(capture);
    unsigned packets = 0;
    CHECK(blocks_whole(read_file(), 6, &packets) && packets == 10, "ten packets in the file");
    CHECK(reports == 0, "nothing to report");
}

/* A TCP segment whose sum the device was to compute arrives in the file with it; the instance sees
 * it as it was. */
static void test_sums(void)
{
    static const uint8_t ip4[] = {
        2,    0,    0,    0,
        0,    1,    2,    0,
        0,    0,    0,    2,
        8,    0,    0x45, 0,
        0,    41,   0,    0,
        0x40, 0,    64,   6,
        0xb6, 0xcc, 192,  0,
        2,    1,    192,  0,
        2,    2,    0,    80,
        0x30, 0x39, 0,    0,
        0,    1,    0,    0,
        0,    2,    0x50, 0x10,
        0xff, 0xff, 0x84, 0x1f /* the pseudo header's sum */,
        0,    0,    'x',
    };
    /* The pseudo header, the TCP header with no sum in it, and the odd octet. */
    const uint32_t plain = 0xc000u + 0x0201 + 0xc000 + 0x0202 + 6 + 0x15 + 0x50 + 0x3039 + 1 + 2 +
                           0x5010 + 0xffff + 0x7800;
    const uint16_t want = (uint16_t) ~((plain & 0xffff) + (plain >> 16));
    fake_reset(&core);
    struct weir_capture *capture = open_capture(0);
    struct weir_frame frame = { .data = ip4, .len = sizeof ip4, .csum_ok = true };
    weir_capture_input(capture, 0, &frame, 1, 1);
    frame.csum_ok = false;
    weir_capture_input(capture, 0, &frame, 1, 2);
    struct weir_out out = { .head_len = 54, .csum_start = 34, .csum_offset = 16, .span_count = 1 };
    uint8_t x[] = "x";
    memcpy(out.head, ip4, 54);
    out.span[0] = (struct weir_span){ x, 1 };
    weir_capture_output(capture, 0, &out, 3);
    weir_capture_close(capture);
    (void)read_file();
    const size_t first =
        40 + 44 + 28 + 50; /* behind section, interface, and the packet's own header */
    const size_t step = get32(40 + 44 + 4);
    CHECK(content[first] == want >> 8 && content[first + 1] == (want & 0xff),
          "csum_ok: the sum is put in, %02x%02x", content[first], content[first + 1]);
    CHECK(content[first + step] == 0x84 && content[first + step + 1] == 0x1f,
          "otherwise it stays as it came");
    const size_t third = first + step + get32(40 + 44 + step + 4);
    CHECK(content[third] == want >> 8 && content[third + 1] == (want & 0xff),
          "out: the same sum, %02x%02x", content[third], content[third + 1]);
    CHECK(core.in[0].csum_ok && core.in[0].data == ip4 && ip4[50] == 0x84,
          "the frame itself is not touched");
}

/* Whatever a frame holds, putting sums into its copy stays within the copy (the sanitizers watch)
 * and changes nothing but, at most, two octets. */
static void test_any_frame(void)
{
    uint64_t random = 12345;
    struct weir_capture *capture = open_capture(0);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t octets[120];
        for (unsigned j = 0; j < sizeof octets; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            octets[j] = (uint8_t)(random >> 56);
        }
        octets[12] = i % 2 == 0 ? 0x08 : 0x86;
        octets[13] = i % 2 == 0 ? 0x00 : 0xdd;
        octets[14] = (uint8_t)((i % 2 == 0 ? 0x40 : 0x60) | (octets[14] & 15));
        octets[16] = octets[18] = octets[20] = octets[21] = 0;
        if (i % 2 == 0)
            octets[23] = i % 4 == 0 ? 6 : 17;
        else if (i % 3 != 0)
            octets[20] = i % 5 == 0 ? 6 : (uint8_t)(octets[20] % 64);
        const struct weir_frame frame = { .data = octets, .len = octets[1] % 121, .csum_ok = true };
        fake_reset(&core);
        weir_capture_input(capture, 0, &frame, 1, 1);
    }
    CHECK(weir_capture_frames(capture) == 20000, "20,000 frames of anything are written");
    weir_capture_close(capture);
}

static void test_limit(void)
{
    fake_reset(&core);
    core.on_frame = record_frame;
    struct weir_capture *capture = open_capture(2000);
    for (unsigned i = 0; i < 50; i++)
        give(capture, 'u', 0);
    CHECK(weir_capture_ended(capture) && reports == 1,
          "a file that has its size ends the capture, told once");
    CHECK(strstr(report_line, "has reached its size") != NULL, "%s", report_line);
    CHECK(core.in_count == 50, "the traffic goes on");
    const uint64_t frames = weir_capture_frames(capture);
    weir_capture_close(capture);
    const size_t len = read_file();
    unsigned packets = 0;
    CHECK(len <= 2000 && blocks_whole(len, 6, &packets) && packets == frames && packets > 5,
          "%u packets, as counted, in %zu octets", packets, len);

    const struct weir_capture_config full = { .path = "/dev/full", .report = on_report };
    char why[WEIR_LINE_MAX];
    reports = 0;
    CHECK(weir_capture_open(&capture, &full, why) == 0 &&
              weir_capture_attach(capture, &core, 0, "x") == 0,
          "on a full disk it opens");
    give(capture, 'u', 0);
    weir_capture_flush(capture);
    give(capture, 'u', 0);
    weir_capture_flush(capture);
    weir_capture_close(capture);
    CHECK(reports == 1 && strstr(report_line, "No space left") != NULL, "and says once: %s",
          report_line);
    CHECK(core.in_count == 52, "and the traffic goes on");
}

/* ---- As others read it ---- */

static void test_readers(void)
{
    if (system("command -v tshark >/dev/null 2>&1") != 0) {
        SKIP("tshark is not installed");
        return;
    }
    char command[400];
    fake_reset(&core);
    core.on_frame = record_frame;
    struct weir_capture *capture = open_capture(0);
    for (unsigned i = 0; i < 3; i++)
        give(capture, 'd', 0);
    weir_capture_close(capture);
    snprintf(command, sizeof command,
             "tshark -r %s -T fields -e frame.comment -e frame.interface_name -e "
             "frame.packet_flags_direction 2>&1 |"
             " grep -c 'in: drop: reset that misses rcv.nxt.weir0.*1' | grep -qx 3",
             path);
    CHECK(system(command) == 0, "tshark shows comment, interface and direction of all three");
    snprintf(command, sizeof command,
             "tshark -r %s 2>&1 >/dev/null | grep -v 'Running as user' | grep -q .", path);
    CHECK(system(command) != 0, "tshark has nothing to complain of");
    snprintf(command, sizeof command, "capinfos -cM %s 2>&1 | grep -Eq 'packets: +3$'", path);
    CHECK(system(command) == 0, "capinfos counts three");
}

int main(void)
{
    const int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    test_octets();
    test_errors();
    test_cut();
    test_comments();
    test_sums();
    test_any_frame();
    test_limit();
    test_readers();
    unlink(path);
    return tap_done();
}
