/* SPDX-License-Identifier: MIT */

/* Six instructions in the kernel's receive path: look the frame's queue up in a map of sockets, and
 * redirect it there; a queue without a socket passes.
 *
 * They are written out here and loaded by bpf(2), for which the libraries that do so would be two
 * more to depend on. The program hangs on a link, so that it goes with the process, however that
 * ends. */
#include "dev/line.h"
#include "dev/xdp.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEEDS " (needs CAP_NET_ADMIN and CAP_BPF)"

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static uint64_t pointer(const void *at)
{
    return (uint64_t)(uintptr_t)at;
}

static int make_map(unsigned queue)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_XSKMAP;
    attr.key_size = sizeof(uint32_t);
    attr.value_size = sizeof(int);
    attr.max_entries = queue + 1;
    memcpy(attr.map_name, "weir_xdp", sizeof "weir_xdp");
    return bpf(BPF_MAP_CREATE, &attr);
}

static int put_socket(int map_fd, uint32_t queue, int fd)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_fd = (uint32_t)map_fd;
    attr.key = pointer(&queue);
    attr.value = pointer(&fd);
    return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

/* return bpf_redirect_map(&map, ctx->rx_queue_index, XDP_PASS); */
static int load_program(int map_fd)
{
    const struct bpf_insn code[] = {
        { .code = BPF_LDX | BPF_MEM | BPF_W,
          .dst_reg = BPF_REG_2,
          .src_reg = BPF_REG_1,
          .off = offsetof(struct xdp_md, rx_queue_index) },
        { .code = BPF_LD | BPF_IMM | BPF_DW, /* takes the place of two */
          .dst_reg = BPF_REG_1,
          .src_reg = BPF_PSEUDO_MAP_FD,
          .imm = map_fd },
        { .code = 0 },
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
        { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
        { .code = BPF_JMP | BPF_EXIT },
    };
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.expected_attach_type = BPF_XDP;
    attr.insns = pointer(code);
    attr.insn_cnt = sizeof code / sizeof code[0];
    attr.license = pointer("MIT");
    memcpy(attr.prog_name, "weir_xdp", sizeof "weir_xdp");
    return bpf(BPF_PROG_LOAD, &attr);
}

static int make_link(int program_fd, int index, uint32_t flags)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.link_create.prog_fd = (uint32_t)program_fd;
    attr.link_create.target_ifindex = (uint32_t)index;
    attr.link_create.attach_type = BPF_XDP;
    attr.link_create.flags = flags;
    return bpf(BPF_LINK_CREATE, &attr);
}

/* Native first: it is what costs less, where the driver has it. */
static int attach(const struct xdp *xdp, int program_fd, bool generic, bool *native)
{
    *native = !generic;
    if (generic)
        return make_link(program_fd, xdp->index, XDP_FLAGS_SKB_MODE);
    const int fd = make_link(program_fd, xdp->index, XDP_FLAGS_DRV_MODE);
    if (fd >= 0 || errno == EBUSY || errno == EPERM)
        return fd;
    *native = false;
    return make_link(program_fd, xdp->index, XDP_FLAGS_SKB_MODE);
}

int xdp_program_attach(const struct xdp *xdp, unsigned queue, bool generic, int *link_fd,
                       bool *native, char why[WEIR_LINE_MAX])
{
    const char *name = xdp->dev.name;
    int error = 0, program_fd = -1;
    const int map_fd = make_map(queue);
    if (map_fd < 0)
        return line_fail(why, -errno, "xdp %s: a map of sockets: %s%s", name, strerror(errno),
                         errno == EPERM ? NEEDS : "");
    if (put_socket(map_fd, queue, xdp->dev.fd) < 0) {
        error = line_fail(why, -errno, "xdp %s: the socket's place: %s", name, strerror(errno));
        goto done;
    }
    program_fd = load_program(map_fd);
    if (program_fd < 0) {
        error = line_fail(why, -errno, "xdp %s: its program: %s%s", name, strerror(errno),
                          errno == EPERM ? NEEDS : "");
        goto done;
    }
    *link_fd = attach(xdp, program_fd, generic, native);
    if (*link_fd < 0)
        error = line_fail(why, -errno, "xdp %s: its program: %s%s", name, strerror(errno),
                          errno == EBUSY   ? " (there is another XDP program)"
                          : errno == EPERM ? NEEDS
                                           : "");
done:
    if (program_fd >= 0)
        close(program_fd);
    close(map_fd); /* the program holds it */
    return error;
}
