/* SPDX-License-Identifier: MIT */

/* The commands at work over a pair: what somebody without any privilege can try. */

#include "command.h"
#include "tap.h"

#include <ftw.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define FILE_OCTETS 3000017 /* no multiple of anything */

static struct command_result result;
static char top[64];

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static bool build(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(top, sizeof top, "%.40s/weir-tools-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(top) == NULL || chdir(top) < 0 || mkdir("sub", 0700) < 0)
        return false;
    FILE *file = fopen("file.bin", "w");
    if (file == NULL)
        return false;
    uint32_t x = 1;
    for (unsigned i = 0; i < FILE_OCTETS; i++) {
        x = x * 1664525 + 1013904223;
        putc((int)(x >> 24), file);
    }
    return fclose(file) == 0;
}

static bool same_files(const char *a_name, const char *b_name)
{
    FILE *a = fopen(a_name, "r"), *b = fopen(b_name, "r");
    bool same = a != NULL && b != NULL;
    for (int c = 0; same && c != EOF;) {
        c = getc(a);
        same = getc(b) == c;
    }
    if (a != NULL)
        fclose(a);
    if (b != NULL)
        fclose(b);
    return same;
}

static bool ran(const char *program, const char *words, int status)
{
    command_run(program, words, &result);
    if (CHECK(result.status == status, "weir %s: status %d", words, status))
        return true;
    printf("# status %d, stderr: %s\n", result.status, result.err);
    return false;
}

static void test_ping(const char *program)
{
    ran(program, "ping --dev pair 192.0.2.2 -c 2 -i 0.01", 0);
    CHECK(strstr(result.out, "2 packets transmitted, 2 received, 0% packet loss") != NULL,
          "both were answered");
    ran(program, "ping --dev pair 2001:db8::2 -c 1 -s 20000", 0);
    CHECK(strstr(result.out, "20008 bytes from 2001:db8::2") != NULL, "a fragmented one came back");
    ran(program, "ping --dev pair 192.0.2.2 -c 1 -s 0", 0);
    ran(program, "ping --dev pair 192.0.2.9 -c 1 -W 0.05", 1);
    CHECK(strstr(result.out, "100% packet loss") != NULL, "nobody answered, and that was said");
}

static void test_get(const char *program)
{
    ran(program, "get --dev pair http://192.0.2.2/file.bin -o v4", 0);
    CHECK(same_files("file.bin", "v4"), "the file is the same over IPv4");
    CHECK(strstr(result.err, "3000017 octets in ") != NULL, "the closing line counts octets");
    ran(program, "get --dev pair http://[2001:db8::2]:8080/sub/../file.bin --output v6 -q", 0);
    CHECK(same_files("file.bin", "v6"), "the file is the same over IPv6");
    CHECK(result.err[0] == '\0', "--quiet says nothing");
    ran(program, "get --dev pair http://192.0.2.2/", 0);
    CHECK(strstr(result.out, "file.bin</a>") != NULL, "the directory lists the file");
    ran(program, "get --dev pair http://192.0.2.2/none -o none", 1);
    CHECK(strstr(result.err, "404 Not Found") != NULL, "a file that is not there is 404");
    CHECK(access("none", F_OK) != 0, "and leaves no empty file behind");
    ran(program, "get --dev pair http://192.0.2.2/sub", 1);
    CHECK(strstr(result.err, "/sub/") != NULL, "a directory without its slash is moved");
    ran(program, "get --dev pair http://192.0.2.2/../x", 1);
    CHECK(strstr(result.err, "400") != NULL, "a path that leaves the root is 400");
    ran(program, "get --dev pair http://192.0.2.2/file.bin -o /dev/full", 1);
    CHECK(strstr(result.err, "output") != NULL, "a full disk is said");
    ran(program, "get --dev pair http://192.0.2.2/file.bin -o v4 --pcap p.pcapng --stats", 0);
    CHECK(access("p.pcapng", F_OK) == 0 && strstr(result.err, "tcp segments") != NULL,
          "there is a capture, and statistics");
}

/* A file with a mistake in it: the rest of it is read, and the line is named. */
static void test_sysctl(const char *program)
{
    FILE *file = fopen("sysctl.conf", "w");
    if (!CHECK(file != NULL, "there is a file of settings"))
        return;
    fputs("# a comment\n"
          "; another\n"
          "\n"
          "net.ipv4.tcp_fin_timeout = 30\n"
          "net/ipv4/tcp_sack=0\n"
          "-net.ipv4.tcp_tw_recycle = 1\n",
          file);
    fclose(file);
    ran(program, "sysctl -p sysctl.conf", 0);
    CHECK(strcmp(result.out, "net.ipv4.tcp_fin_timeout = 30\nnet.ipv4.tcp_sack = 0\n") == 0,
          "what is right is printed as it would be");
    CHECK(strstr(result.err, "sysctl.conf:6: net.ipv4.tcp_tw_recycle") != NULL,
          "what is wrong is said even where it is forgiven");
    file = fopen("sysctl.conf", "a");
    if (file != NULL) {
        fputs("net.ipv4.tcp_syn_retries = 0\nnonsense\nnet.ipv4.tcp_retries2 = 8", file);
        fclose(file);
    }
    ran(program, "sysctl -p sysctl.conf", 1);
    CHECK(strstr(result.err, ":7:") != NULL && strstr(result.err, ":8:") != NULL &&
              strstr(result.out, "tcp_retries2 = 8") != NULL,
          "mistakes are named by line, and what follows them is read");
    ran(program, "sysctl -p none", 1);
    ran(program, "sysctl -a", 0);
    file = fopen("all.conf", "w");
    if (file != NULL) {
        fputs(result.out, file);
        fclose(file);
    }
    static char all[COMMAND_TEXT];
    memcpy(all, result.out, sizeof all);
    ran(program, "sysctl -p all.conf", 0);
    CHECK(strcmp(all, result.out) == 0 && result.err[0] == '\0', "what -a prints, -p takes");
    ran(program, "sysctl net.ipv4.tcp_fin_timeout=0 net.ipv4.tcp_sack", 1);
    CHECK(strcmp(result.out, "net.ipv4.tcp_sack = 1\n") == 0, "a mistake does not hide the rest");
}

static void test_errno(const char *program)
{
    ran(program, "errno ECONNRESET 32", 0);
    CHECK(strstr(result.out, "ECONNRESET (104; Winsock 10054; libweir WEIR_RESET)") != NULL &&
              strstr(result.out, "EPIPE (32") != NULL && strstr(result.out, "What to do") != NULL,
          "an entry is found by name and by number");
    ran(program, "errno EXDEV EPIPE", 1);
    CHECK(strstr(result.err, "EXDEV") != NULL && strstr(result.out, "EPIPE (32") != NULL,
          "what is no error of a socket call is said");
    ran(program, "errno --list", 0);
}

static void test_demo(const char *program)
{
    ran(program, "demo --pair --ascii --pcap d.pcapng", 0);
    static const char *const words[] = {
        "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
        "LAST-ACK", "TIME-WAIT",    "CLOSED",      "syn-ack",    "new data",   "len 20",
    };
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        CHECK(strstr(result.out, words[i]) != NULL, "the ladder shows %s", words[i]);
    CHECK(strstr(result.out, "FAILED") == NULL, "nothing failed");
    ran(program, "demo --pair --pcap /nonexistent/x", 1);
    CHECK(strstr(result.out, "FAILED") != NULL, "a failure is shown as one");
}

/* What was printed did not arrive: that is a failure with a line, however much came before. */
static void test_full(const char *program)
{
    static const char *const words[] = { "--help",
                                         "errno --list",
                                         "demo --pair --pcap d.pcapng",
                                         "trace d.pcapng",
                                         "trace --ladder --whole d.pcapng",
                                         "dump -nr d.pcapng" };
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        command_output = "/dev/full";
        command_run(program, words[i], &result);
        command_output = NULL;
        if (!CHECK(result.status == 1 && strstr(result.err, "standard output: ") != NULL,
                   "weir %s to a full disk is status 1 and a line", words[i]))
            printf("# status %d, stderr: %s\n", result.status, result.err);
    }
}

/* The capture of a small connection, in the forms that people ask for. */
static void test_dump(const char *program)
{
    char filter[] = "filter";
    FILE *file = fopen(filter, "w");
    if (!CHECK(file != NULL, "there is a filter"))
        return;
    fputs("tcp and\ntcp[tcpflags] & tcp-syn != 0\n", file);
    fclose(file);
    ran(program, "demo --pair --pcap d.pcapng", 0);
    ran(program, "dump -nr d.pcapng -F filter --count", 0);
    CHECK(strcmp(result.out, "2 packets\n") == 0, "a filter in a file finds the SYNs, counted");
    ran(program, "dump -r d.pcapng -n -# -ttttt -c 1", 0);
    CHECK(strncmp(result.out, "    1   00:00:00.000000 ", 24) == 0, "a number, and time from 0");
    ran(program, "dump -r d.pcapng -n -e -X -c 1 ip", 0);
    CHECK(strstr(result.out, "0x0000:  4500") != NULL,
          "-X begins with the IP header, also with -e");
    ran(program, "dump -r d.pcapng -n -XX -c 1 ip", 0);
    CHECK(strstr(result.out, "0x0000:  4500") == NULL && strstr(result.out, "0800 4500") != NULL,
          "-XX begins with the link header");
    ran(program, "trace --ladder --columns 80 --ascii d.pcapng", 0);
    CHECK(strstr(result.out, ":,") == NULL, "a fold without data has no comma too many");
}

/* netstat's -s, as the original has it. */
static void test_statistics(const char *program)
{
    ran(program, "netstat --kernel -s", 0);
    CHECK(strstr(result.out, "segments received") != NULL &&
              strstr(result.out, "MaxConn") == NULL && strstr(result.out, "DefaultTTL") == NULL,
          "netstat -s leaves out what is no count");
    ran(program, "netstat --kernel -st", 0);
    CHECK(strstr(result.out, "Tcp:\n") != NULL && strstr(result.out, "Udp:\n") == NULL &&
              strstr(result.out, "Ip:\n") == NULL,
          "netstat -st is TCP's alone");
    ran(program, "nstat --kernel -asz TcpMaxConn IpDefaultTTL TcpInSegs", 0);
    CHECK(strstr(result.out, "TcpInSegs") != NULL && strstr(result.out, "MaxConn") == NULL &&
              strstr(result.out, "DefaultTTL") == NULL,
          "nstat leaves them out, too");
    ran(program, "ss --kernel -Htan state all", 0);
    ran(program, "ss --kernel -tan state listening", 0);
    CHECK(strstr(result.out, "State") == NULL && strstr(result.out, "Recv-Q") != NULL,
          "ss with one state has no column for it");
    ran(program, "ss --kernel -tan state listening state established", 0);
    CHECK(strstr(result.out, "State") != NULL, "with two it has");
}

/* A control socket that a weird left behind when it was killed is no weird. */
static void test_left_behind(const char *program)
{
    static const char *const paths[] = { "weir/run-1.socket", "weir/dead/socket" };
    bool made = mkdir("weir", 0700) == 0 && mkdir("weir/dead", 0700) == 0;
    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        strcpy(name.sun_path, paths[i]);
        made = made && bind(fd, (const struct sockaddr *)&name, sizeof name) == 0;
        close(fd);
    }
    setenv("XDG_RUNTIME_DIR", top, 1);
    command_run(program, "trace --stack", &result);
    unsetenv("XDG_RUNTIME_DIR");
    CHECK(made && strstr(result.err, "refused") == NULL, "nobody is asked at it");
    CHECK(access(paths[0], F_OK) != 0 && access(paths[1], F_OK) == 0,
          "that of a private one is removed, another's left for the next");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s WEIR\n", argv[0]);
        return 2;
    }
    char *program = realpath(argv[1], NULL); /* the directory changes */
    if (CHECK(program != NULL && build(), "there is something to serve")) {
        test_ping(program);
        test_get(program);
        test_sysctl(program);
        test_errno(program);
        test_demo(program);
        test_full(program);
        test_dump(program);
        test_statistics(program);
        test_left_behind(program);
    }
    free(program);
    if (chdir("/") == 0)
        nftw(top, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return tap_done();
}
