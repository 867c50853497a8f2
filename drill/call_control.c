/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include "symbols.h"

#include <inttypes.h>
#include <linux/errqueue.h>
#include <string.h>
#include <time.h>

#define CONTROL_ROOM 1024 /* octets for what recvmsg() gives */

/* ---- what goes in ---- */

static size_t count_of(const struct node *list)
{
    size_t n = 0;
    for (const struct node *node = list->first; node != NULL; node = node->next)
        n++;
    return n;
}

/* Numbers are all that one hands over. */
static void add(struct run *run, struct msghdr *msg, const struct node *node)
{
    const struct node *data = value_field(node, "cmsg_data");
    if (node->kind != NODE_STRUCT || data == NULL)
        run_fail(run, "a control message is {cmsg_level=SOL_IP, cmsg_type=IP_TOS, cmsg_data=4}");
    const int value = (int)value_number(run, data);
    struct cmsghdr *head = (struct cmsghdr *)((char *)msg->msg_control + msg->msg_controllen);
    head->cmsg_level = (int)value_field_number(run, node, "cmsg_level", 0);
    head->cmsg_type = (int)value_field_number(run, node, "cmsg_type", 0);
    head->cmsg_len = CMSG_LEN(sizeof value);
    memcpy(CMSG_DATA(head), &value, sizeof value);
    msg->msg_controllen += CMSG_SPACE(sizeof value);
}

void control_make(struct run *run, struct msghdr *msg, const struct node *list, bool sends)
{
    if (list->kind != NODE_LIST && (list->kind != NODE_ELLIPSIS || sends))
        run_fail(run, "msg_control is a list: [{cmsg_level=..., cmsg_type=..., cmsg_data=...}]");
    const size_t need = sends ? count_of(list) * CMSG_SPACE(sizeof(int)) : CONTROL_ROOM;
    if (need == 0)
        return;
    msg->msg_control = arena_take(&run->arena, need);
    if (!sends)
        msg->msg_controllen = need;
    for (const struct node *node = list->first; sends && node != NULL; node = node->next)
        add(run, msg, node);
}

/* ---- what comes out ---- */

/* {scm_sec=0, scm_nsec=20000000}: in the time of the script, with its tolerance. */
static void check_time(struct run *run, const struct cmsghdr *head, const struct node *node)
{
    struct scm_timestamping stamp;
    struct timespec wall;
    if (head->cmsg_len < CMSG_LEN(sizeof stamp))
        run_fail(run, "a control message too short for a timestamp");
    memcpy(&stamp, CMSG_DATA(head), sizeof stamp);
    weir_time seen = stamp.ts[0].tv_sec * WEIR_SECOND + stamp.ts[0].tv_nsec - run->base;
    if (run->subject.real_time) { /* it is of the clock on the wall, the script's is not */
        clock_gettime(CLOCK_REALTIME, &wall);
        seen += run->subject.now(run->subject.self) -
                ((weir_time)wall.tv_sec * WEIR_SECOND + wall.tv_nsec);
    }
    const weir_time wanted = value_field_number(run, node, "scm_sec", 0) * WEIR_SECOND +
                             value_field_number(run, node, "scm_nsec", 0);
    const weir_time slack = run_tolerance(run, 0);
    /* The stamp may be older than what made the script's clock late. */
    if (seen + run->late < wanted - slack || seen > wanted + slack)
        run_fail(run, "another timestamp\n  expected: %.6f\n  seen:     %.6f",
                 (double)wanted / (double)WEIR_SECOND, (double)seen / (double)WEIR_SECOND);
}

/* {ee_errno=0, ee_origin=SO_EE_ORIGIN_ZEROCOPY, ...} */
static void check_error(struct run *run, const struct cmsghdr *head, const struct node *node)
{
    struct sock_extended_err error;
    if (head->cmsg_len < CMSG_LEN(sizeof error))
        run_fail(run, "a control message too short for an extended error");
    memcpy(&error, CMSG_DATA(head), sizeof error);
    value_expect(run, "ee_errno", error.ee_errno, value_field(node, "ee_errno"));
    value_expect(run, "ee_origin", error.ee_origin, value_field(node, "ee_origin"));
    value_expect(run, "ee_type", error.ee_type, value_field(node, "ee_type"));
    value_expect(run, "ee_code", error.ee_code, value_field(node, "ee_code"));
    value_expect(run, "ee_info", error.ee_info, value_field(node, "ee_info"));
    value_expect(run, "ee_data", error.ee_data, value_field(node, "ee_data"));
}

static void check_one(struct run *run, const struct cmsghdr *head, const struct node *node)
{
    const struct node *data = value_field(node, "cmsg_data");
    value_expect(run, "cmsg_level", head->cmsg_level, value_field(node, "cmsg_level"));
    value_expect(run, "cmsg_type", head->cmsg_type, value_field(node, "cmsg_type"));
    if (data != NULL && data->kind == NODE_STRUCT && value_field(data, "scm_sec") != NULL) {
        check_time(run, head, data);
    } else if (data != NULL && data->kind == NODE_STRUCT) {
        check_error(run, head, data);
    } else {
        int value = *(const uint8_t *)CMSG_DATA(head);
        if (head->cmsg_len >= CMSG_LEN(sizeof value))
            memcpy(&value, CMSG_DATA(head), sizeof value);
        value_expect(run, "cmsg_data", value, data);
    }
}

void control_check(struct run *run, const struct msghdr *msg, const struct node *list)
{
    struct msghdr at = *msg;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&at);
    if (list == NULL || list->kind != NODE_LIST)
        return;
    for (const struct node *node = list->first; node != NULL; node = node->next) {
        if (head == NULL)
            run_fail(run, "a control message is missing");
        check_one(run, head, node);
        head = CMSG_NXTHDR(&at, (struct cmsghdr *)(uintptr_t)head);
    }
    if (head != NULL)
        run_fail(run, "a control message that the script does not have (level %d, type %d)",
                 head->cmsg_level, head->cmsg_type);
}
