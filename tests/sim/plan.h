/* SPDX-License-Identifier: MIT */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

/* What a seed stands for: every option, fault and conversation of one run, drawn before it begins.
 *
 * Swarm testing: not every run has every feature. Most features are off in most runs, so that each
 * pair of them meets alone in some, and none hides behind another. All probabilities are per 2^32.
 */

#include "weir/stack.h"

#define SIM_HOSTS  3
#define SIM_CONNS  40
#define SIM_DGRAMS 4
#define SIM_FAULTS 6

/* One direction: what leaves the host of the same number. */
struct sim_link_plan {
    weir_time delay, jitter;
    uint32_t loss; /* single frames */
    uint32_t burst_enter,
        burst_leave;     /* Gilbert-Elliott: into and out of the bad state, per frame */
    uint32_t burst_loss; /* in the bad state */
    uint32_t reorder;    /* frames held back by up to reorder_by */
    weir_time reorder_by;
    uint32_t duplicate, corrupt;
    uint32_t mark;      /* packets that are marked CE, of those that may be */
    uint32_t forge;     /* frames that a stranger follows up with a lie */
    uint64_t rate;      /* octets a second; 0: no bottleneck */
    uint32_t queue;     /* octets that may wait for the bottleneck */
    uint16_t mtu_later; /* from mtu_at on; 0: no change */
    weir_time mtu_at;
    bool mtu_silent; /* no too-big message: a black hole */
};

struct sim_host_plan {
    struct weir_config config;
    struct weir_iface_config iface;
    weir_time poll; /* frames wait this long for company, as behind a moderated interrupt */
    bool rx_csum;   /* the device has checked the sums */
    bool gro;       /* and merges segments */
    bool early;     /* weir_timeout is called when nothing is due, too */
    bool lands;     /* frames are laid where weir_landing says */
    weir_time pause_at, pause_for; /* the whole host stands still; 0: never */
    unsigned listen_flags;         /* WEIR_LISTEN_*, of all its listeners */
    unsigned listeners;            /* of each family, that share a port; 0: one */
};

enum sim_finish {
    SIM_HALF,    /* CLOSE after the last octet, read to the end, release */
    SIM_LAST,    /* wait for the peer's end, then release */
    SIM_RELEASE, /* release after the last octet, whatever is unread */
    SIM_ABORT,   /* ABORT after some octets */
    SIM_VANISH,  /* release after some octets were received */
};

struct sim_end_plan {
    uint32_t total;                /* octets to send */
    uint32_t write_max, read_max;  /* a call */
    weir_time write_gap, read_gap; /* between calls; 0: as fast as it goes */
    uint32_t stall_at; /* octets received after which reading stops for stall_for; 0: never */
    weir_time stall_for;
    enum sim_finish finish;
    uint32_t finish_at; /* octets, for ABORT and VANISH */
    bool in_place;      /* weir_send_room and weir_recv_view */
    bool more;          /* WEIR_MORE now and then */
    bool fin_with_data; /* WEIR_FIN with the last octets */
    uint32_t urgent_at; /* the octet that is sent as urgent; 0: none */
    uint32_t fiddle;    /* chance a write of changing some option */
};

struct sim_conn_plan {
    unsigned host[2]; /* 0 opens, 1 listens; both may be the same one */
    bool v6;
    bool simultaneous; /* both open */
    bool nobody;       /* to a port where nobody listens */
    uint16_t port[2];  /* port[0] 0: drawn by the instance */
    weir_time start;
    uint32_t request, response; /* ping-pong in these portions; 0: both stream */
    struct sim_end_plan end[2];
};

struct sim_dgram_plan {
    unsigned host[2];
    bool v6, ping, nobody;
    bool group; /* to a group that the receiver has joined */
    unsigned count;
    uint32_t size_max;
    weir_time start, gap;
};

struct sim_fault_plan {
    weir_time at;
    unsigned host;
    uint32_t nth;
    uint32_t pool; /* modulo the number of pools */
};

struct sim_plan {
    weir_time start;      /* of the clock */
    weir_time faults_for; /* length of the safety phase */
    unsigned host_count, conn_count, dgram_count, fault_count;
    bool ip_only, v4, v6;
    bool superframes;  /* links carry what a host emits uncut, as a veth does */
    bool partial_sums; /* and unfinished sums with it */
    bool clean;        /* nothing is lost, nobody misbehaves: no connection may fail */
    unsigned backlog;
    weir_time accept_gap; /* between two accepts; 0: at once */
    struct sim_host_plan host[SIM_HOSTS];
    struct sim_link_plan link[SIM_HOSTS];
    struct sim_conn_plan conn[SIM_CONNS];
    struct sim_dgram_plan dgram[SIM_DGRAMS];
    struct sim_fault_plan fault[SIM_FAULTS];
};

#define SIM_PORT 7000 /* the listeners'; nobody listens on the next one */

void sim_plan_draw(struct sim_plan *plan, uint64_t seed);

/* One paragraph for a person, lines beginning with "# ". */
void sim_plan_print(const struct sim_plan *plan);

#endif
