/* SPDX-License-Identifier: MIT */
#include "loop/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Frames that land in the instance's own memory, one after the other, as long as it expects such.
 * Not so many that the sender waits for an acknowledgement. */
static int land(struct port *port, weir_time now)
{
    struct weir_landing landing;
    struct weir_frame frame;
    int taken = 0;
    while (taken < LANDED_MAX && weir_landing(port->weir, port->iface, &landing)) {
        const int count = weir_dev_land(port->dev, &frame, &landing, now);
        if (count <= 0)
            return taken > 0 ? taken : count; /* an error comes again with the next call */
        weir_input(port->weir, port->iface, &frame, 1, now);
        taken++;
    }
    return taken;
}

int port_input(struct port *port, weir_time now)
{
    if (port->dev->ops->land != NULL && port->capture == NULL) {
        port->dev->drained = false;
        const int landed = land(port, now);
        if (landed != 0 || port->dev->drained)
            return landed;
    }
    struct weir_frame frames[WEIR_DEV_INPUT_MAX];
    const int count = weir_dev_input(port->dev, frames, WEIR_DEV_INPUT_MAX, now);
    if (count <= 0)
        return count;
    if (port->capture != NULL)
        weir_capture_input(port->capture, port->capture_port, frames, (size_t)count, now);
    else
        weir_input(port->weir, port->iface, frames, (size_t)count, now);
    return count;
}

/* Copies a frame whose octets lie in the instance's memory, where the next call may change them. */
static bool hold(struct port *port, const struct weir_out *out)
{
    uint8_t *octets = port->octets + (size_t)port->held_count * HELD_SLOT;
    struct weir_out *held = &port->held[port->held_count];
    const size_t len = weir_out_copy(out, octets, HELD_SLOT);
    if (len == 0)
        return false;
    *held = *out;
    held->span_count = len > held->head_len ? 1 : 0;
    held->span[0] = (struct weir_span){ octets + held->head_len, len - held->head_len };
    port->held_count++;
    return true;
}

/* The memory to hold frames in. It is reserved the first time a driver is full, which most never
 * are. */
static bool make_held(struct port *port)
{
    if (port->held != NULL)
        return true;
    struct weir_out *held = calloc(OUT_BATCH, sizeof *held);
    void *octets = mmap(NULL, (size_t)OUT_BATCH * HELD_SLOT, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (held == NULL || octets == MAP_FAILED) {
        free(held);
        if (octets != MAP_FAILED)
            munmap(octets, (size_t)OUT_BATCH * HELD_SLOT);
        return false;
    }
    port->held = held;
    port->octets = octets;
    return true;
}

/* Keeps what the driver did not take. What cannot be kept is lost, as any frame may be. */
static unsigned hold_rest(struct port *port, const struct weir_out *out, unsigned count)
{
    port->held_at = port->held_count = 0;
    const bool room = make_held(port);
    for (unsigned i = 0; i < count; i++)
        if (!room || !hold(port, &out[i]))
            port->dev->counters.lost++;
    return port->held_count;
}

struct port_sent port_output(struct port *port, weir_time now)
{
    struct weir_out out[OUT_BATCH];
    if (port_holds(port))
        return (struct port_sent){ .more = false };
    const unsigned count = (unsigned)weir_output(port->weir, port->iface, out, OUT_BATCH, now);
    for (unsigned i = 0; port->capture != NULL && i < count; i++)
        weir_capture_output(port->capture, port->capture_port, &out[i], now);
    unsigned done = 0;
    while (done < count && weir_dev_output(port->dev, &out[done]) != -EAGAIN)
        done++;
    weir_dev_flush(port->dev);
    if (done == count)
        return (struct port_sent){ .frames = done, .more = count == OUT_BATCH };
    return (struct port_sent){ .frames = done, .held = hold_rest(port, out + done, count - done) };
}

void port_resume(struct port *port)
{
    while (port_holds(port) && weir_dev_output(port->dev, &port->held[port->held_at]) != -EAGAIN)
        port->held_at++;
    weir_dev_flush(port->dev);
}

void port_end(struct port *port)
{
    if (port->held == NULL)
        return;
    free(port->held);
    munmap(port->octets, (size_t)OUT_BATCH * HELD_SLOT);
}
