/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_SOCKET_TEXT_H
#define WEIR_TOOLS_SOCKET_TEXT_H

/* How sockets are written: states, ports, hosts and times in the words of ss and of netstat. */

#include "doctor/facts.h"

#define SOCKET_HOST_MAX 96
#define SOCKET_PORT_MAX 32
#define SOCKET_TIME_MAX 32

const char *socket_state_ss(const struct facts_flow *flow);      /* "CLOSE-WAIT", "UNCONN" */
const char *socket_state_netstat(const struct facts_flow *flow); /* "CLOSE_WAIT", "" */
const char *socket_protocol(const struct facts_flow *flow);      /* "tcp", "udp", "icmp" */

/* "80", or its name in /etc/services; "*" for 0. */
char *socket_port(const struct facts_flow *flow, uint16_t port, bool numeric,
                  char text[SOCKET_PORT_MAX]);

/* "127.0.0.1", "[::1]", "*" for the any address of a socket that takes both families. With
 * `%interface` if the flow has one of the namespace that we are in. */
char *socket_host_ss(const struct facts_flow *flow, const struct weir_addr *addr,
                     char text[SOCKET_HOST_MAX]);

/* ss's way with times: "119min", "5.123ms", "200ms". */
char *socket_time_ss(int64_t ns, char text[SOCKET_TIME_MAX]);

/* The same for people: "119min", "5.123s", "200ms", "12us". */
char *socket_duration(int64_t ns, char text[SOCKET_TIME_MAX]);

/* The name of a port in /etc/services, or NULL. */
const char *socket_service(uint16_t port, bool tcp);

/* The name of an address by the system's resolver, safe for a terminal, or the address. It is asked
 * once for each. */
char *socket_resolve(const struct weir_ip *ip, char text[SOCKET_HOST_MAX]);

#endif
