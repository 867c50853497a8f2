/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include "tap.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LOG_ROOM    (1 << 20)
#define LOG_SHOWN   1800 /* characters of the log that a failure prints */
#define START       (1000 * SECONDS)
#define WRAP_AT     UINT32_C(0xffffff80) /* both initial sequence numbers, when they shall wrap */
#define PACKET_ROOM 66000
#define TIMEOUTS_MAX                                                            \
    100000 /* calls of weir_timeout in one after(); more means the clock stands \
            */

static bool verbose;

/* ---- what is printed ---- */

void t_note(struct t *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(t->log + t->log_len, LOG_ROOM - t->log_len, format, args);
    va_end(args);
    if (verbose)
        fputs(t->log + t->log_len, stdout);
    if (n > 0 && t->log_len + (size_t)n < LOG_ROOM / 2)
        t->log_len += (size_t)n;
    else
        t->log_len = 0;
}

static void print_log(const struct t *t)
{
    const char *s = t->log_len > LOG_SHOWN ? t->log + t->log_len - LOG_SHOWN : t->log;
    while (*s != 0) {
        const char *end = strchr(s, '\n');
        if (end == NULL)
            break;
        printf("#   %.*s\n", (int)(end - s), s);
        s = end + 1;
    }
}

_Noreturn void t_fail(struct t *t, int line, const char *format, ...)
{
    va_list args;
    printf("# %s (%s%s), line %d, at %.6f s: ", t->name, t->v6 ? "IPv6" : "IPv4",
           t->wrap ? ", numbers wrap" : "", line, (double)(t->now - t->started) / (double)SECONDS);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n# what happened before:\n");
    t->log[t->log_len] = 0;
    print_log(t);
    longjmp(t->end, 1);
}

/* An assertion of the core: the case fails with it, the others still run. */
static struct t *running;

_Noreturn void weir_panic(const char *file, int line, const char *what)
{
    if (running == NULL)
        abort();
    t_fail(running, 0, "assertion of the core, %s:%d: %s", file, line, what);
}

/* ---- the instance ---- */

struct weir_ip our_ip(const struct t *t)
{
    return t->v6 ? (struct weir_ip){ { 0x20, 1, 0x0d, 0xb8, [15] = 1 } } : weir_ip_v4(192, 0, 2, 1);
}

struct weir_ip peer_ip(const struct t *t)
{
    return t->v6 ? (struct weir_ip){ { 0x20, 1, 0x0d, 0xb8, [15] = 2 } } : weir_ip_v4(192, 0, 2, 2);
}

struct weir_addr peer_addr(const struct t *t)
{
    return (struct weir_addr){ .ip = peer_ip(t), .port = (uint16_t)(PEER_PORT + t->peer) };
}

uint16_t path_mss(const struct t *t)
{
    return (uint16_t)(t->mtu - (t->v6 ? 60 : 40));
}

static void defaults(struct t *t)
{
    weir_config_default(&t->config);
    t->config.tcp_max = 64;
    t->config.listener_max = 4;
    t->config.synq_max = 256;
    t->config.tw_max = 64;
    t->config.sent_block_max = 256;
    t->config.udp_max = 4;
    t->config.neigh_max = 16;
    t->config.ring_chunks = 4096;
    t->config.rcv_max = t->config.snd_min = t->config.snd_max =
        4 << 20; /* a scale of 7, as of Linux */
    t->config.frag_octets_max = 1 << 18;
    t->config.trace_flow = t->config.trace_story = 256;
    t->config.congestion = WEIR_CC_RENO; /* what RFC 9293 and RFC 5681 describe */
    t->config.verify = true;
    t->config.seed = 1;
    for (unsigned i = 0; i < 8; i++)
        t->config.secret[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    t->mtu = 1500;
    t->win = 65535;
}

static void must(struct t *t, enum weir_error error, const char *what)
{
    if (error != WEIR_OK)
        t_fail(t, 0, "%s: %s", what, weir_error_text(error));
}

static void start(struct t *t, weir_time now)
{
    static void *memory;
    static size_t room;
    const size_t size = weir_memory_size(&t->config);
    if (size > room) {
        if (memory != NULL)
            munmap(memory, room);
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        room = size;
    }
    if (size == 0 || memory == MAP_FAILED)
        t_fail(t, 0, "no memory, or a configuration that makes no sense");
    t->memory = memory;
    t->memory_size = size;
    t->now = t->started = now;
    must(t, weir_init(&t->weir, memory, room, &t->config, now), "weir_init");
    const struct weir_iface_config iface = { .medium = WEIR_IP_ONLY,
                                             .mtu = t->mtu,
                                             .no_dad = true };
    must(t, weir_iface_add(t->weir, &iface, &t->iface, now), "weir_iface_add");
    const struct weir_ip ip = our_ip(t);
    must(t, weir_address_add(t->weir, t->iface, &ip, t->v6 ? 64 : 24, now), "weir_address_add");
    for (unsigned i = 0; i < PEERS_MAX; i++)
        t->peers[i] =
            (struct peer){ .isn = t->wrap ? WRAP_AT : UINT32_C(1000000) + i * UINT32_C(77777777) };
}

/* Initial sequence numbers are a clock and a secret: with the same secret the clock alone decides,
 * so the instance is started at the time that gives the number wanted. */
static weir_time start_for_wrap(struct t *t)
{
    static weir_time when[2];
    if (when[t->v6] != 0)
        return when[t->v6];
    start(t, START);
    open_listener(t, 1);
    in(t, "S 0 <%s>", PLAIN);
    const uint32_t ahead = WRAP_AT - t->queue[t->head].seq;
    when[t->v6] = START + (weir_time)ahead * 4 * WEIR_US;
    t->head = t->tail = 0;
    weir_release(t->weir, t->listener, t->now);
    t->listener = WEIR_NO_HANDLE;
    return when[t->v6];
}

void begin(struct t *t)
{
    if (t->weir != NULL)
        return;
    start(t, t->wrap ? start_for_wrap(t) : START);
    memset(t->drops, 0, sizeof t->drops);
}

/* ---- what leaves ---- */

static void take_frame(struct t *t, const struct weir_out *frame)
{
    static uint8_t packet[PACKET_ROOM];
    size_t len = frame->head_len;
    memcpy(packet, frame->head, len);
    for (unsigned i = 0; i < frame->span_count; i++) {
        memcpy(packet + len, frame->span[i].base, frame->span[i].len);
        len += frame->span[i].len;
    }
    if (t->tail == OUT_MAX)
        t_fail(t, 0, "more than %u frames were sent and not looked at", OUT_MAX);
    struct seg *seg = &t->queue[t->tail++];
    const char *wrong = read_packet(t, seg, packet, len);
    seg->why = frame->why;
    t_note(t, "%10.6f  out  %s\n", (double)(t->now - t->started) / (double)SECONDS,
           show(t, seg, true));
    if (wrong != NULL)
        t_fail(t, 0, "what was sent has %s", wrong);
}

void collect(struct t *t)
{
    struct weir_out frame;
    if (t->head == t->tail)
        t->head = t->tail = 0;
    while (weir_output(t->weir, t->iface, &frame, 1, t->now) == 1)
        take_frame(t, &frame);
}

void t_quiet(struct t *t, int line)
{
    if (t->head != t->tail)
        t_fail(t, line, "expected: nothing\n# seen:     %s", show(t, &t->queue[t->head], true));
}

unsigned t_ignore(struct t *t)
{
    const unsigned count = t->tail - t->head;
    t->head = t->tail = 0;
    return count;
}

static void expect(struct t *t, int line, const char *text)
{
    struct wanted w;
    if (!read_text(t, text, &w))
        t_fail(t, line, "the case itself is wrong: \"%s\"", text);
    if (t->head == t->tail)
        t_fail(t, line, "expected: %s\n# seen:     nothing", text);
    const char *what;
    if (!matches(t, &w, &t->queue[t->head], &what))
        t_fail(t, line, "another %s\n# expected: %s\n# seen:     %s", what, text,
               show(t, &t->queue[t->head], true));
    t->last = t->queue[t->head++];
}

#define FORMAT(text)                            \
    char text[300];                             \
    va_list args;                               \
    va_start(args, format);                     \
    vsnprintf(text, sizeof text, format, args); \
    va_end(args)

void t_out(struct t *t, int line, const char *format, ...)
{
    FORMAT(text);
    expect(t, line, text);
    if (t->last.when != t->now)
        t_fail(t, line, "it left %.6f s ago", (double)(t->now - t->last.when) / (double)SECONDS);
}

void t_why(struct t *t, int line, enum weir_why reason)
{
    if (t->last.why != (unsigned)reason)
        t_fail(t, line, "expected reason: %s\n# seen:            %s", weir_why_text(reason),
               weir_why_text(t->last.why));
}

/* ---- time ---- */

/* To `when`, or to the first moment at which something leaves, if `stop`. */
static void advance(struct t *t, int line, weir_time when, bool stop)
{
    for (unsigned i = 0; i < TIMEOUTS_MAX; i++) {
        const weir_time next = weir_deadline(t->weir);
        if (next > when) {
            t->now = when;
            weir_timeout(t->weir, t->now);
            collect(t);
            return;
        }
        if (next > t->now)
            t->now = next;
        weir_timeout(t->weir, t->now);
        collect(t);
        if (stop && t->head != t->tail)
            return;
    }
    t_fail(t, line, "the clock does not get on: a deadline that is not met");
}

void t_after(struct t *t, int line, weir_time delay)
{
    t_quiet(t, line);
    advance(t, line, t->now + delay, false);
}

void t_silent(struct t *t, int line, weir_time delay)
{
    t_after(t, line, delay);
    t_quiet(t, line);
}

/* Half-open entries keep milliseconds, rounded up; all else is exact. */
void t_out_after(struct t *t, int line, weir_time delay, const char *format, ...)
{
    FORMAT(text);
    t_quiet(t, line);
    const weir_time from = t->now;
    advance(t, line, from + delay + MS, true);
    expect(t, line, text);
    const weir_time took = t->last.when - from;
    if (took < delay || took > delay + MS)
        t_fail(t, line, "expected after %.6f s: %s\n# seen after     %.6f s",
               (double)delay / (double)SECONDS, text, (double)took / (double)SECONDS);
}

/* ---- what arrives ---- */

static unsigned count_drops(struct t *t, unsigned *which)
{
    unsigned moved = 0;
    *which = WEIR_DROP_NONE;
    for (unsigned i = 1; i < WEIR_DROP_COUNT; i++) {
        const uint64_t count = weir_drop_count(t->weir, i);
        moved += (unsigned)(count - t->drops[i]);
        if (count != t->drops[i])
            *which = i;
        t->drops[i] = count;
    }
    return moved;
}

/* Every packet ends used, or in exactly one named drop. */
static void give(struct t *t, int line)
{
    struct weir_frame frames[8];
    struct weir_counters before, then;
    uint8_t *copies[8];
    for (unsigned i = 0; i < t->batch_count; i++) {
        copies[i] = malloc(t->batch_len[i]); /* of its own, so that a read beyond the end is seen */
        if (copies[i] == NULL)
            abort();
        memcpy(copies[i], t->batch[i], t->batch_len[i]);
        frames[i] =
            (struct weir_frame){ .data = copies[i], .len = t->batch_len[i], .when = t->now };
    }
    const unsigned count = t->batch_count;
    t->batch_count = 0;
    weir_counters(t->weir, &before);
    weir_input(t->weir, t->iface, frames, count, t->now);
    for (unsigned i = 0; i < count; i++)
        free(copies[i]);
    weir_counters(t->weir, &then);
    const unsigned dropped = count_drops(t, &t->dropped);
    if (t->dropped != WEIR_DROP_NONE)
        t_note(t, "            drop %s\n", weir_drop_name(t->dropped));
    if (dropped + (then.used_in - before.used_in) != count)
        t_fail(t, line, "%u packets: %u drops, %llu used", count, dropped,
               (unsigned long long)(then.used_in - before.used_in));
    collect(t);
}

void raw(struct t *t, const uint8_t *packet, size_t len)
{
    memcpy(t->batch[0], packet, len);
    t->batch_len[0] = len;
    t->batch_count = 1;
    t_note(t, "%10.6f  in   a packet of %zu octets\n",
           (double)(t->now - t->started) / (double)SECONDS, len);
    give(t, 0);
}

/* What was not said: the ACK of everything, the usual window, timestamps. */
static void complete(struct t *t, struct wanted *w)
{
    struct peer *peer = &t->peers[t->peer];
    struct seg *seg = &w->seg;
    if (!w->has_opts && peer->ts && !(seg->flags & SYN)) {
        seg->has_ts = true;
        seg->tsval = ts_base(t) + 1 + (uint32_t)((t->now - t->started) / MS);
        seg->tsecr = peer->ts_seen;
    } else if (seg->has_ts && !w->any_tsval && (seg->flags & SYN)) {
        peer->ts = true;
    }
    if (!w->has_win)
        seg->wnd = t->win;
    seg->ack = w->has_ack ? seg->ack + peer->base : (seg->flags & ACK) ? peer->nxt : 0;
    seg->seq += peer->isn;
    seg->sport = (unsigned)(PEER_PORT + t->peer);
    seg->dport = OUR_PORT;
    seg->peer = t->peer;
}

size_t packet_of(struct t *t, const char *text, uint8_t *packet)
{
    struct wanted w;
    uint8_t opts[40];
    if (!read_text(t, text, &w))
        t_fail(t, 0, "the case itself is wrong: \"%s\"", text);
    complete(t, &w);
    return build(t, packet, &w.seg, opts, make_options(t, &w, opts));
}

static void put_in_batch(struct t *t, int line, const char *text)
{
    struct wanted w;
    uint8_t opts[40];
    if (!read_text(t, text, &w) || w.seg.len > 1500 || t->batch_count == 8)
        t_fail(t, line, "the case itself is wrong: \"%s\"", text);
    complete(t, &w);
    const size_t opts_len = make_options(t, &w, opts);
    t->batch_len[t->batch_count] = build(t, t->batch[t->batch_count], &w.seg, opts, opts_len);
    t->batch_count++;
    for (unsigned i = 0; i < 2 * w.seg.sack_count; i++)
        w.seg.sack[i] += t->peers[t->peer].base;
    t_note(t, "%10.6f  in   %s\n", (double)(t->now - t->started) / (double)SECONDS,
           show(t, &w.seg, false));
}

void t_also(struct t *t, int line, const char *format, ...)
{
    FORMAT(text);
    t_quiet(t, line);
    begin(t);
    put_in_batch(t, line, text);
}

void t_in(struct t *t, int line, const char *format, ...)
{
    FORMAT(text);
    t_quiet(t, line);
    begin(t);
    put_in_batch(t, line, text);
    give(t, line);
}

void t_drop(struct t *t, int line, enum weir_drop reason)
{
    if (t->dropped != (unsigned)reason)
        t_fail(t, line, "expected drop: %s\n# seen:          %s", weir_drop_name(reason),
               weir_drop_name(t->dropped));
}

void t_icmp(struct t *t, int line, unsigned type, unsigned code, uint32_t word, int32_t off)
{
    uint8_t packet[200] = { 0 };
    const size_t head = t->v6 ? 40 : 20;
    const size_t len = 8 + head + 8 + (t->v6 ? 12 : 0);
    uint8_t *icmp = packet + head, *quote = icmp + 8;
    const struct weir_ip us = our_ip(t), them = peer_ip(t);
    t_quiet(t, line);
    ip_header(t, quote, 6, 20); /* ours: the addresses the other way round */
    memcpy(quote + (t->v6 ? 8 : 12), us.octet + (t->v6 ? 0 : 12), t->v6 ? 16 : 4);
    memcpy(quote + (t->v6 ? 24 : 16), them.octet + (t->v6 ? 0 : 12), t->v6 ? 16 : 4);
    const uint32_t seq = t->last.seq + (uint32_t)off;
    const unsigned dport = (unsigned)(PEER_PORT + t->peer);
    const uint8_t ports[8] = { OUR_PORT >> 8,       OUR_PORT & 255,       (uint8_t)(dport >> 8),
                               (uint8_t)dport,      (uint8_t)(seq >> 24), (uint8_t)(seq >> 16),
                               (uint8_t)(seq >> 8), (uint8_t)seq };
    memcpy(quote + head, ports, 8);
    icmp[0] = (uint8_t)type;
    icmp[1] = (uint8_t)code;
    for (unsigned i = 0; i < 4; i++)
        icmp[4 + i] = (uint8_t)(word >> (24 - 8 * i));
    ip_header(t, packet, t->v6 ? 58 : 1, len);
    fix_sums(packet, head + len);
    t_note(t, "            in   icmp %u/%u word %u about %u\n", type, code, word,
           seq - t->peers[t->peer].base);
    memcpy(t->batch[0], packet, head + len);
    t->batch_len[0] = head + len;
    t->batch_count = 1;
    give(t, line);
}

/* ---- checks ---- */

void t_is(struct t *t, int line, const char *what, long long seen, long long wanted)
{
    if (seen != wanted)
        t_fail(t, line, "%s\n# expected: %lld\n# seen:     %lld", what, wanted, seen);
}

void t_holds(struct t *t, int line, bool condition, const char *what)
{
    if (!condition)
        t_fail(t, line, "does not hold: %s", what);
}

/* ---- running ---- */

static bool run_one(const struct test_case *one, bool v6, bool wrap)
{
    static struct t t;
    static char *log;
    if (log == NULL)
        log = malloc(LOG_ROOM);
    if (log == NULL)
        return false;
    memset(&t, 0, sizeof t);
    t.log = log;
    t.log[0] = 0;
    t.name = one->name;
    t.v6 = v6;
    t.wrap = wrap;
    running = &t;
    if (setjmp(t.end) != 0)
        return false;
    defaults(&t);
    one->run(&t);
    if (t.weir != NULL) {
        t_quiet(&t, 0);
        weir_check(t.weir);
    }
    return true;
}

int run_cases(const struct test_case *cases, size_t count, int argc, char **argv)
{
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else
            only = argv[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (only != NULL && strcmp(only, cases[i].name) != 0)
            continue;
        bool good = true;
        for (unsigned variant = 0; variant < 4 && good; variant++)
            good = run_one(&cases[i], variant & 1, variant & 2);
        CHECK(good, "%s: %s", cases[i].name, cases[i].what);
    }
    return tap_done();
}
