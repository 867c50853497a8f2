/* SPDX-License-Identifier: MIT */
#include "daemon/dhcp.h"

#include "fuzz/law.h"

/* Messages are taken as for the client whose address they carry. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nobody[6] = { 0 };
    struct dhcp_heard heard;
    if (!dhcp_read(data, size, size > 34 ? data + 28 : nobody, &heard) || heard.type == DHCP_NAK)
        return 0;
    LAW(heard.type == DHCP_OFFER || heard.type == DHCP_ACK);
    LAW(heard.prefix_len >= 1 && heard.prefix_len <= 32);
    LAW(heard.renew <= heard.rebind && heard.rebind <= heard.lease && heard.lease > 0);
    LAW(heard.dns_count <= DHCP_DNS_MAX && weir_ip_is_v4(&heard.address));
    return 0;
}
