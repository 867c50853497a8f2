/* SPDX-License-Identifier: MIT */
#include "doctor/flow.h"

#include "fuzz/law.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Any file is a capture, or earns one line that says where it is none. What is read of it is
 * counted once, and followed within bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct capture_frame frame;
    const struct flow_keep keep = { .all = true };
    struct flow_table table;
    char path[32], why[CAPTURE_WHY_MAX] = "";
    const int fd = memfd_create("capture", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct capture_file *file = capture_open(path, why);
    close(fd);
    LAW((file == NULL) == (why[0] != '\0'));
    if (file == NULL)
        return 0;
    LAW(flow_table_begin(&table, &keep));
    enum capture_result result;
    uint64_t frames = 0;
    while ((result = capture_next(file, &frame, why)) == CAPTURE_FRAME) {
        struct packet packet;
        packet_dissect(&frame, &packet);
        LAW(frame.number == ++frames && frame.len <= frame.whole_len);
        LAW(packet.l4 == NULL || packet.l4 + packet.have <= frame.data + frame.len);
        (void)flow_table_add(&table, &frame, &packet, NULL);
    }
    LAW(result == CAPTURE_END || why[0] != '\0');
    flow_table_finish(&table);
    LAW(table.tcp + table.udp + table.icmp + table.arp + table.other == frames);
    uint64_t kept = 0;
    for (size_t i = 0; i < table.count; i++) {
        struct facts_flow facts;
        char ending[FLOW_ENDING_MAX];
        for (unsigned end = 0; end < 2; end++)
            flow_facts(table.flows[i], end, table.flows[i]->last, &facts);
        LAW(flow_ending(table.flows[i], ending)[0] != '\0');
        LAW(flow_rtt_min(table.flows[i]) >= 0);
        kept += table.flows[i]->segment_count;
    }
    LAW(kept == table.tcp - table.not_followed);
    flow_table_free(&table);
    capture_close(file);
    return 0;
}
