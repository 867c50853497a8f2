/* SPDX-License-Identifier: MIT */
#include "ipc/sight.h"

#include "fuzz/law.h"

#include <sys/socket.h>
#include <unistd.h>

struct heard {
    uint32_t flows, records, counters;
};

static bool on_flow(void *user, const struct sight_flow *flow)
{
    struct heard *heard = user;
    heard->flows++;
    return flow->head.state != UINT8_MAX; /* now and then: enough */
}

static bool on_record(void *user, const struct weir_record *record)
{
    struct heard *heard = user;
    heard->records += record->type != UINT8_MAX;
    return true;
}

static bool on_counter(void *user, const struct sight_counter *counter)
{
    struct heard *heard = user;
    LAW(strnlen(counter->name, sizeof counter->name) < sizeof counter->name);
    heard->counters++;
    return true;
}

static void say(int fd, const uint8_t *data, size_t size)
{
    const size_t half = size / 2;
    if (send(fd, data, size - half, MSG_DONTWAIT) < 0 ||
        send(fd, data + size - half, half, MSG_DONTWAIT) < 0)
        return; /* too long for the socket: what was said is said */
}

/* Whatever answers at a control socket, asking ends, and what is given are whole records: nothing
 * beyond the page. The first octet says what is asked; the rest are two pages. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sight_client client = { .fd = -1 };
    struct sight_request request = { .states = UINT32_MAX };
    struct heard heard = { 0 };
    uint64_t cursor = 0;
    int pair[2], error;
    if (size == 0)
        return 0;
    LAW(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    say(pair[1], data + 1, size - 1);
    LAW(shutdown(pair[1], SHUT_WR) == 0);
    client.fd = pair[0];
    if (data[0] % 3 == 0)
        error = sight_snapshot(&client, &request, on_flow, &heard);
    else if (data[0] % 3 == 1)
        error = sight_stream(&client, WEIR_TRACE_FLOW, &cursor, on_record, &heard);
    else
        error = sight_counters(&client, on_counter, &heard);
    LAW(error <= 0);
    close(pair[1]);
    sight_close(&client);
    return 0;
}
