/* SPDX-License-Identifier: MIT */

/* Bad arguments of every command: exit status 2, nothing on standard output, one line on standard
 * error, and that line names the argument. */

#include "command.h"
#include "tap.h"

#define TAP_HOST " --dev tap:x --addr 192.0.2.1/24"

static const struct {
    const char *words;
    const char *named; /* must stand in the line */
} bad[] = {
    { "", "command" },
    { "gte", "did you mean 'get'" },
    { "serv", "did you mean 'serve'" },
    { "pign", "did you mean 'ping'" },
    { "xyzzy", "xyzzy" },
    { "x", "'x'" },
    { "--nonsense", "--nonsense" },
    { "get", "URL" },
    { "get --dev pair", "URL" },
    { "get http://192.0.2.2/", "--dev" },
    { "get http://192.0.2.2/ --dev tap:x", "--addr" },
    { "get http://192.0.2.2/ http://192.0.2.2/b --dev pair", "http://192.0.2.2/b" },
    { "get https://192.0.2.2/ --dev pair", "https" },
    { "get 192.0.2.2 --dev pair", "192.0.2.2" },
    { "get http://192.0.2.2:0/ --dev pair", "port" },
    { "get http://192.0.2.2/ --dev pair -o", "-o" },
    { "get http://192.0.2.2/ --dev pair --output", "--output" },
    { "get http://192.0.2.2/ --dev", "--dev" },
    { "get http://192.0.2.2/ --dev x", "x" },
    { "get http://192.0.2.2/ --dev tap:", "tap:" },
    { "get http://192.0.2.2/ --dev tap:averyveryverylongname", "averyveryverylongname" },
    { "get http://192.0.2.2/ --dev pair --dev pair", "--dev" },
    { "get http://192.0.2.2/ --dev pair --addr 192.0.2.9/24", "--addr" },
    { "get http://192.0.2.2/ --dev pair --gateway 192.0.2.9", "--gateway" },
    { "get http://192.0.2.2/ --dev pair --stats=3", "--stats" },
    { "get http://192.0.2.2/ --dev pair --nonsense", "--nonsense" },
    { "get http://192.0.2.2/ --dev pair -z", "-z" },
    { "get http://192.0.2.2/ --dev tap:x --addr 192.0.2.1", "192.0.2.1" },
    { "get http://192.0.2.2/ --dev tap:x --addr 192.0.2.1/33", "192.0.2.1/33" },
    { "get http://192.0.2.2/ --dev tap:x --addr 300.0.2.1/24", "300.0.2.1/24" },
    { "get http://192.0.2.2/" TAP_HOST " --gateway 192.0.2.0/24", "192.0.2.0/24" },
    { "get http://192.0.2.2/" TAP_HOST " --gateway 192.0.2.3 --gateway 192.0.2.4", "192.0.2.4" },
    { "get http://192.0.2.2/" TAP_HOST " --mac 01:00:5e:00:00:01", "01:00:5e:00:00:01" },
    { "get http://192.0.2.2/" TAP_HOST " --mac x", "--mac" },
    { "sysctl", "NAME" },
    { "sysctl -a net.ipv4.tcp_sack", "net.ipv4.tcp_sack" },
    { "sysctl -p", "-p" },
    { "sysctl -p x -p y", "y" },
    { "sysctl -p x -n", "--values" },
    { "sysctl --json net.ipv4.tcp_sack=1", "net.ipv4.tcp_sack=1" },
    { "sysctl --jsno", "--jsno" },
    { "errno", "NAME" },
    { "errno --list EPIPE", "EPIPE" },
    { "errno --list --markdown", "--markdown" },
    { "errno -x", "-x" },
    { "serve", "directory" },
    { "serve ." TAP_HOST " --port", "--port" },
    { "serve ." TAP_HOST " --port 0", "--port 0" },
    { "serve ." TAP_HOST " --port 65536", "65536" },
    { "serve ." TAP_HOST " --port 80x", "80x" },
    { "serve ." TAP_HOST " -p -1", "-1" },
    { "serve . .." TAP_HOST, ".." },
    { "serve . --dev pair", "pair" },
    { "serve . --dev tap:x", "--addr" },
    { "echo --port http" TAP_HOST, "http" },
    { "echo x" TAP_HOST, "'x'" },
    { "echo", "--dev" },
    { "echo --dev pair", "pair" },
    { "ping", "address" },
    { "ping --dev pair", "address" },
    { "ping 192.0.2.2 --addr 192.0.2.1/24", "--dev" },
    { "ping 192.0.2.2 --dev pair --pmtu do", "--pmtu" },
    { "ping 192.0.2.2 -M maybe", "maybe" },
    { "ping 192.0.2.2 -t 256", "256" },
    { "ping 192.0.2.2 -w x", "--deadline x" },
    { "ping 192.0.2.2 -x", "-x" },
    { "traceroute", "host" },
    { "traceroute 192.0.2.2 27", "27" },
    { "traceroute 192.0.2.2 60 x", "'x'" },
    { "traceroute 192.0.2.2 -q 11", "--queries 11" },
    { "traceroute 192.0.2.2 -f 9 -m 8", "--first 9" },
    { "traceroute 192.0.2.2 -w 0", "--wait 0" },
    { "traceroute 192.0.2.2 -p 65536", "65536" },
    { "traceroute 192.0.2.2 -s here", "here" },
    { "mtr", "host" },
    { "mtr -a here 192.0.2.2", "here" },
    { "mtr a b", "'b'" },
    { "mtr -r -c 0 192.0.2.2", "--count 0" },
    { "mtr -m 65 192.0.2.2", "--max-hops 65" },
    { "mtr -P 80 127.0.0.1", "--port" },
    { "mtr -f 9 -m 8 192.0.2.2", "--first 9" },
    { "pathping", "host" },
    { "pathping -q x 192.0.2.2", "--queries x" },
    { "pathping -p 9 192.0.2.2", "--period 9" },
    { "nslookup", "name" },
    { "nslookup -type=NONE a", "NONE" },
    { "nslookup -port=0 a", "-port=0" },
    { "nslookup -nonsense a", "-nonsense" },
    { "nslookup a b c", "'c'" },
    { "dig", "name" },
    { "dig a +nonsense", "+nonsense" },
    { "dig a A A", "'A'" },
    { "dig -x a", "-x a" },
    { "dig -t NONE a", "NONE" },
    { "dig @ a", "@" },
    { "dig -p 0 a", "--port 0" },
    { "explain", "name" },
    { "explain --lang xx SYN", "--lang xx" },
    { "explain --list SYN", "'SYN'" },
    { "explain closewiat", "CLOSE-WAIT" },
    { "explain xyzzyq", "xyzzyq" },
    { "ping 192.0.2.2 192.0.2.3 --dev pair", "192.0.2.3" },
    { "ping 192.0.2.2 --dev pair -c 0", "--count 0" },
    { "ping 192.0.2.2 --dev pair -c x", "--count x" },
    { "ping 192.0.2.2 --dev pair -s 65508", "65508" },
    { "ping 192.0.2.2 --dev pair -i 0", "--interval 0" },
    { "ping 192.0.2.2 --dev pair -i 1.", "--interval 1." },
    { "ping 192.0.2.2 --dev pair -W -1", "--wait -1" },
    { "help xyzzy", "xyzzy" },
    { "ss -x", "-x: TCP and UDP only" },
    { "ss -K", "ends nothing" },
    { "ss -A tcp,unix", "unix" },
    { "netstat -x", "-x: TCP and UDP only" },
    { "netstat -rn", "ip route" },
    { "netstat -g", "ip maddress" },
    { "netstat -A unix", "unix" },
    { "lsof -U", "-U: TCP and UDP only" },
    { "lsof -u nosuchuser0", "nosuchuser0" },
    { "sar -n NFS", "sar(1)" },
    { "dump -Q up", "-Q up" },
    { "dump --count", "-r" },
    { "dump -tttttt", "five at most" },
    { "dump -C 1", "-w" },
    { "dump -w f -W 1", "-C or -G" },
    { "dump -w - -G 1", "standard output" },
    { "dump -w f -C 0", "-C 0" },
    { "dump -w f -G 1 -W x", "-W x" },
    { "dump -F /dev/null tcp", "another filter" },
    { "trace --ladder --columns 79 x", "--columns 79" },
    { "ping 192.0.2.2 --dev pair -I lo", "--interface" },
    { "dig -c CH a", "-c CH" },
    { "dig -q a -q b", "'b'" },
    { "nslookup -q=NONE a", "-q=NONE" },
    { "nslookup -t=1 a", "-t=1" },
    { "demo x", "'x'" },
    { "demo --size 0", "--size 0" },
    { "demo --size 1e3", "1e3" },
    { "demo --columns 79", "79" },
    { "demo --columns", "--columns" },
    { "demo --pair --packet", "--packet" },
    { "demo --nonsense", "--nonsense" },
};

static bool is_one_line(const char *text)
{
    const char *end = strchr(text, '\n');
    return end != NULL && end != text && end[1] == '\0';
}

static void test_bad(const char *program)
{
    static struct command_result result;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        command_run(program, bad[i].words, &result);
        const bool right = result.status == 2 && result.out[0] == '\0' && is_one_line(result.err) &&
                           strncmp(result.err, "weir", 4) == 0 &&
                           strstr(result.err, bad[i].named) != NULL;
        if (!CHECK(right, "weir %s: status 2 and one line", bad[i].words))
            printf("# status %d, stderr: %s\n", result.status, result.err);
    }
}

static void test_help(const char *program)
{
    static const char *const words[] = {
        "--help",          "--version",         "help",           "help ss",
        "get --help",      "serve --help",      "echo --help",    "ping --help",
        "demo --help",     "traceroute --help", "mtr --help",     "pathping --help",
        "nslookup --help", "dig --help",        "explain --help", "run --help",
        "sim --help",      "bench --help",      "ss --help",      "netstat --help",
        "lsof --help",     "nstat --help",      "sar --help",     "top --help",
        "tcpview --help",  "dump --help",       "trace --help",   "sysctl --help",
        "drill --help",    "errno --help",
    };
    static struct command_result result;
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        command_run(program, words[i], &result);
        CHECK(result.status == 0 && result.err[0] == '\0' && strstr(result.out, "weir") != NULL,
              "weir %s says so on standard output", words[i]);
        unsigned long_lines = 0;
        for (const char *p = result.out; *p != '\0'; p += strcspn(p, "\n") + (*p != '\0')) {
            long_lines += strcspn(p, "\n") > 80;
            if (strchr(p, '\n') == NULL)
                break;
        }
        CHECK(long_lines == 0, "weir %s fits 80 columns", words[i]);
    }
}

/* What cannot work is one line too, but the arguments were right: exit status 1. */
static void test_failures(const char *program)
{
    static const struct {
        const char *words, *named;
    } rows[] = {
        { "ping nowhere.invalid --dev pair", "no resolver" },
        { "get http://nowhere.invalid/ --dev pair", "nowhere.invalid" },
        { "get http://192.0.2.2/ --dev packet:nosuchif0 --addr 192.0.2.1/24", "nosuchif0" },
        { "get http://198.51.100.1/ --dev pair", "unreachable" },
        { "ping 192.0.2.2 --dev pair --pcap /nonexistent/file", "/nonexistent/file" },
        { "serve /nonexistent --dev packet:nosuchif0 --addr 192.0.2.1/24", "no" },
        { "dump -r /dev/null -F /nonexistent", "/nonexistent" },
        { "errno EXDEV", "EXDEV" },
    };
    static struct command_result result;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        command_run(program, rows[i].words, &result);
        if (!CHECK(result.status == 1 && is_one_line(result.err) &&
                       strstr(result.err, rows[i].named) != NULL,
                   "weir %s: status 1 and one line", rows[i].words))
            printf("# status %d, stderr: %s\n", result.status, result.err);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s WEIR\n", argv[0]);
        return 2;
    }
    test_bad(argv[1]);
    test_help(argv[1]);
    test_failures(argv[1]);
    return tap_done();
}
