/* SPDX-License-Identifier: MIT */
#include "amount.h"

#include <stdio.h>

/* Three digits that count, whatever the size. */
static char *print(double value, const char *unit, char text[AMOUNT_MAX])
{
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(text, AMOUNT_MAX, "%.*f %s", decimals, value, unit);
    return text;
}

char *amount_octets(uint64_t octets, char text[AMOUNT_MAX])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    if (octets < 1024) {
        snprintf(text, AMOUNT_MAX, "%u octets", (unsigned)octets);
        return text;
    }
    double value = (double)octets / 1024;
    unsigned unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    return print(value, units[unit], text);
}

char *amount_rate(uint64_t octets, weir_time time, char text[AMOUNT_MAX])
{
    const double bits = (double)octets * 8 / ((double)(time > 0 ? time : 1) / 1e9);
    if (bits >= 999.5e6)
        return print(bits / 1e9, "Gbit/s", text);
    if (bits >= 999.5e3)
        return print(bits / 1e6, "Mbit/s", text);
    return print(bits / 1e3, "kbit/s", text);
}

char *amount_time(weir_time time, char text[AMOUNT_MAX])
{
    const double seconds = (double)time / 1e9;
    if (seconds >= 0.9995)
        return print(seconds, "s", text);
    if (seconds >= 0.9995e-3)
        return print(seconds * 1e3, "ms", text);
    return print(seconds * 1e6, "us", text);
}
