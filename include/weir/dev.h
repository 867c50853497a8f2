/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DEV_H
#define WEIR_DEV_H

/* The wire: drivers that carry frames between an instance and Linux, two instances joined in
 * memory, and a capture that writes down what passed, and why, as pcapng.
 *
 * A driver knows nothing of an instance: it hands over `struct weir_frame`s and takes `struct
 * weir_out`s. loop.h brings the two together; a program with a loop of its own calls weir_input and
 * weir_output itself. Nothing here blocks but weir_dev_settle, and nothing reads a clock: the
 * caller passes the time.
 *
 * Functions that return int return 0 or a count, or a negative errno. Those that take `why` (of
 * WEIR_LINE_MAX octets) then leave one line for a person in it: "tap weir0: Operation not permitted
 * (needs CAP_NET_ADMIN)". */

#include "weir/stack.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_LINE_MAX 160

/* ---- A driver ---- */

#define WEIR_DEV_NAME_MAX  16           /* an interface's name and its final zero, as in Linux */
#define WEIR_DEV_INPUT_MAX 64           /* most frames that one weir_dev_input gives */
#define WEIR_DEV_QUEUE_MAX 1023         /* the last queue of an interface that can be named */
#define WEIR_FRAME_MAX     (65535 + 18) /* octets of the longest frame, either way */

struct weir_dev_counters {
    uint64_t frames_in, octets_in;
    uint64_t frames_out, octets_out;
    uint64_t reads;   /* system calls, or looks at a ring, that gave at least one frame */
    uint64_t full;    /* weir_dev_output said -EAGAIN */
    uint64_t lost;    /* frames the kernel refused for another reason; last_error says which */
    uint64_t refused; /* frames not given to the instance: too long, VLAN-tagged, malformed */
    uint64_t down;    /* times the interface was found down */
    uint64_t missed;  /* frames the kernel had for us and no room; as of the last weir_dev_count */
    int last_error;   /* errno of the last loss; 0 if there was none */
};

struct weir_dev;

struct weir_dev_ops {
    int (*input)(struct weir_dev *dev, struct weir_frame *frames, unsigned count, weir_time now);
    int (*output)(struct weir_dev *dev, const struct weir_out *out);
    void (*close)(struct weir_dev *dev);
    /* NULL: this driver has frames in its own memory only. */
    int (*land)(struct weir_dev *dev, struct weir_frame *frame, const struct weir_landing *landing,
                weir_time now);
    void (*flush)(struct weir_dev *dev); /* NULL: output has sent what it took */
    void (*count)(struct weir_dev *dev); /* NULL: counters are up to date */
};

/* The part of a driver that everyone may read. Programs may bring drivers of their own: they embed
 * this struct, fill it and keep `counters`. */
struct weir_dev {
    const struct weir_dev_ops *ops;
    char name[WEIR_DEV_NAME_MAX];
    int fd;         /* to poll: readable means input, writable that output works again */
    uint16_t mtu;   /* of the interface when it was opened */
    uint8_t mac[6]; /* a link address weir may use here: not the kernel's own, the same each time
                       for an interface that keeps its address */
    bool csum;      /* completes transport checksums: weir_iface_config.csum_offload */
    bool tso;       /* takes frames longer than the MTU with a gso_size: weir_iface_config.tso */
    bool drained;   /* the last input took everything there was; if false, call it again before
                       polling */
    struct weir_dev_counters counters;
};

/* Opens what `spec` names and stores it in `*dev`; weir_dev_close ends it.
 *
 *   tap:NAME          a TAP device: made (CAP_NET_ADMIN), or one that is there for this user
 *   tap:NAME,plain    without offloads: every frame at most one MTU, all sums by weir
 *   packet:IF         an AF_PACKET socket on one end of a veth pair, say (CAP_NET_RAW)
 *   packet:IF,plain   likewise without offloads
 *   xdp:IF            an AF_XDP socket on an interface's queue 0 (CAP_NET_ADMIN, CAP_NET_RAW,
 *                     CAP_BPF); xdp:IF:QUEUE on another
 *   xdp:IF,generic    with the kernel's generic XDP even if the interface's driver has its own
 *   xdp:IF,zerocopy   without copies, if the interface's driver can
 *
 * An interface that is down is brought up if that is allowed. With packet, the kernel's own stack
 * still hears the interface: it must have no address there, or two stacks answer. With xdp, it does
 * not hear what arrives at the queue. That driver has no offloads; and frames whose sender left
 * their sums to a device, as the other end of a veth pair does, have none and are dropped. */
int weir_dev_open(struct weir_dev **dev, const char *spec, char why[WEIR_LINE_MAX])
    __attribute__((warn_unused_result));

/* Waits until the kernel sends on the interface too. It learns of a device's carrier a little after
 * that was opened, and throws away what it would send until then: the first answer to us would be
 * lost, and a second with it. To be called when the far end is up; one that does not come up is not
 * waited for longer than a second or so. */
void weir_dev_settle(const struct weir_dev *dev);

/* What a spec says, without opening anything. -EINVAL and a line in `why` if it says nothing
 * sensible. */
enum weir_dev_kind {
    WEIR_DEV_TAP,
    WEIR_DEV_PACKET,
    WEIR_DEV_XDP
};
struct weir_dev_spec {
    enum weir_dev_kind kind;
    char name[WEIR_DEV_NAME_MAX];
    bool plain;             /* tap, packet */
    bool generic, zerocopy; /* xdp */
    uint16_t queue;         /* xdp */
};
int weir_dev_parse(struct weir_dev_spec *parsed, const char *spec, char why[WEIR_LINE_MAX])
    __attribute__((warn_unused_result));

/* Reads up to `count` frames and returns how many; `when` of each is `now`. They lie in the
 * driver's memory until the next call of this function. -errno: the device is gone for good. */
static inline int weir_dev_input(struct weir_dev *dev, struct weir_frame *frames, unsigned count,
                                 weir_time now)
{
    return dev->ops->input(dev, frames, count, now);
}

/* Reads one frame, its text to where weir_landing would have it: returns 1, 0 or -errno as
 * weir_dev_input does. Only for drivers with ops->land. */
static inline int weir_dev_land(struct weir_dev *dev, struct weir_frame *frame,
                                const struct weir_landing *landing, weir_time now)
{
    return dev->ops->land(dev, frame, landing, now);
}

/* Writes one frame. 0: written, or lost and counted. -EAGAIN: not taken, the driver is full; try
 * the same frame when `fd` is writable. A driver may send several together: weir_dev_flush must
 * follow the last one. */
static inline int weir_dev_output(struct weir_dev *dev, const struct weir_out *out)
{
    return dev->ops->output(dev, out);
}

/* Sends what was written and is not yet on its way. */
static inline void weir_dev_flush(struct weir_dev *dev)
{
    if (dev->ops->flush != NULL)
        dev->ops->flush(dev);
}

/* Brings `counters` up to date. */
static inline void weir_dev_count(struct weir_dev *dev)
{
    if (dev->ops->count != NULL)
        dev->ops->count(dev);
}

void weir_dev_close(struct weir_dev *dev); /* NULL is allowed */

/* ---- A frame to send, as plain octets ---- */

static inline size_t weir_out_len(const struct weir_out *out)
{
    size_t len = out->head_len;
    for (unsigned i = 0; i < out->span_count; i++)
        len += out->span[i].len;
    return len;
}

/* Copies the frame to `to` and returns its length, or 0 if that is more than `room`. */
size_t weir_out_copy(const struct weir_out *out, uint8_t *to, size_t room);

/* Computes the sum that `csum_start` asks for, over a copy of the frame. Does nothing if it asks
 * for none. */
void weir_out_complete(const struct weir_out *out, uint8_t *frame, size_t len);

/* ---- A capture ---- */

/* Writes frames to a pcapng file, each with its direction and a comment saying why: "out:
 * retransmit: timeout [SYN-SENT]", "in: drop: reset that misses rcv.nxt [ESTABLISHED]". Checksums
 * that a device was to complete are complete in the file. What the frames do is not changed; while
 * a capture is on, frames go into the instance one by one, so that each finds its own records.
 *
 * A file that cannot be written, or has reached its size, ends the capture with one report; the
 * traffic goes on. */
struct weir_capture;

#define WEIR_CAPTURE_PORTS_MAX 8

struct weir_capture_config {
    const char *path;    /* made, or emptied; "-": standard output */
    uint64_t octets_max; /* of the file; 0: no limit */
    uint32_t snap_len;   /* octets kept of a frame; 0: all */
    weir_time epoch; /* added to every time: what makes it nanoseconds since 1970 (0 to replay) */
    void (*report)(void *user, const char *line); /* told once why it ended; NULL: standard error */
    void *user;
};

int weir_capture_open(struct weir_capture **capture, const struct weir_capture_config *config,
                      char why[WEIR_LINE_MAX]) __attribute__((warn_unused_result));

/* Adds an interface of an instance under a name; returns the port's number, or -ENOSPC. */
int weir_capture_attach(struct weir_capture *capture, struct weir *weir, unsigned iface,
                        const char *name) __attribute__((warn_unused_result));

/* In place of weir_input. */
void weir_capture_input(struct weir_capture *capture, unsigned port,
                        const struct weir_frame *frames, size_t count, weir_time now);

/* Notes a frame that came from weir_output; before the next call on the instance. */
void weir_capture_output(struct weir_capture *capture, unsigned port, const struct weir_out *out,
                         weir_time now);

/* Writes out what is collected, so that others can read it now. The loop does so before it sleeps.
 */
void weir_capture_flush(struct weir_capture *capture);

uint64_t weir_capture_frames(const struct weir_capture *capture);
bool weir_capture_ended(const struct weir_capture *capture); /* by an error or its size */
void weir_capture_close(struct weir_capture *capture);       /* NULL is allowed */

/* ---- Two instances joined in memory ---- */

struct weir_pair;

struct weir_pair_end {
    struct weir *weir;
    unsigned iface;
    struct weir_capture *capture; /* NULL: none */
    unsigned port;
};

/* Joins one interface each of two instances, both with the same offloads. Frames whose sum is left
 * to the driver arrive with csum_ok set, as from a device that vouches for them; with
 * `complete_sums` they get their sums, and the other side has to check them. */
int weir_pair_open(struct weir_pair **pair, const struct weir_pair_end end[2], bool complete_sums,
                   char why[WEIR_LINE_MAX]) __attribute__((warn_unused_result));

/* Moves frames both ways until none is due or `frames_max` were moved; returns how many.
 * Timeouts and events stay with the caller. */
size_t weir_pair_move(struct weir_pair *pair, size_t frames_max, weir_time now);

void weir_pair_flush(struct weir_pair *pair); /* its captures, if any */
void weir_pair_close(struct weir_pair *pair); /* NULL is allowed; the instances stay */

#ifdef __cplusplus
}
#endif

#endif
