/* SPDX-License-Identifier: MIT */

/* The report: one page with every picture, and the facts as JSON, that asks the network for
 * nothing. Its script only zooms, finds and shows what a mark says; without it everything is there.
 */

#include "trace.h"
#include "trace_svg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FLOWS_DRAWN 24u /* with all their pictures: those with the most packets */
#define ROWS_MAX    2000u

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n<title>weir trace</title>\n<style>\n"
    ":root{--bg:#fff;--fg:#1b1f24;--dim:#5b646e;--line:#e1e4e8;--row:#f3f5f8;--mark:#1f5fbf;"
    "--bad:#c62828}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e6e9ec;--dim:#98a2ad;"
    "--line:#2b323a;--row:#1c222a;--mark:#79b0ff;--bad:#ff7b72}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:1100px;padding:16px;background:var(--bg);"
    "color:var(--fg);font:15px/1.45 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.4em 0 .4em}"
    "h3{font-size:1rem;margin:1.2em 0 .3em}p{margin:.4em 0}.dim{color:var(--dim)}\n"
    "input{font:inherit;width:100%;max-width:420px;padding:8px 10px;border:1px solid var(--line);"
    "border-radius:8px;background:var(--row);color:var(--fg)}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}"
    "th,td{padding:5px 9px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}"
    "th{color:var(--dim);font-weight:600}td.t,th.t{text-align:left}td.w{white-space:normal;min-"
    "width:9em}"
    "tbody tr[data-drawn]{cursor:pointer}tbody tr:hover{background:var(--row)}"
    "td a{color:var(--mark)}td.bad{color:var(--bad);font-weight:600}\n"
    "details{border:1px solid var(--line);border-radius:10px;margin:12px 0;padding:0 14px}"
    "summary{cursor:pointer;padding:10px 0;font-weight:600;overflow-wrap:anywhere}"
    "pre{overflow-x:auto;background:var(--row);padding:12px;border-radius:8px;font-size:.82rem}\n"
    "figure{margin:10px 0;border:1px solid var(--line);border-radius:8px;overflow:hidden;"
    "position:relative}figure svg{display:block;width:100%;height:auto;touch-action:pan-y}"
    "figure.wide{overflow-x:auto}figure button{position:absolute;right:6px;top:6px;font:inherit;"
    "font-size:.8rem;border:1px solid var(--line);border-radius:6px;background:var(--bg);"
    "color:var(--dim);cursor:pointer}\n"
    "#tip{position:fixed;display:none;max-width:320px;padding:5px 9px;border-radius:6px;"
    "background:var(--fg);color:var(--bg);font-size:.82rem;pointer-events:none;z-index:9}\n"
    "@media(max-width:640px){body{padding:10px;font-size:14px}details{padding:0 8px}"
    "figure{overflow-x:auto}figure svg{min-width:640px}"
    "figure.wide svg{min-width:760px}}\n"
    "@media print{input,#tip,figure button{display:none}details{border:0;break-inside:auto}"
    "figure{break-inside:avoid}}\n"
    "</style>\n</head>\n<body>\n";

static const char script[] =
    "<div id=\"tip\"></div>\n<script>\n'use strict';\n"
    "const data=JSON.parse(document.getElementById('data').textContent);\n"
    "const tip=document.getElementById('tip'),find=document.getElementById('find');\n"
    "function openFlow(id){const d=document.getElementById('flow-'+id);if(!d)return;d.open=true;"
    "d.scrollIntoView({behavior:'smooth',block:'start'});}\n"
    "for(const row of document.querySelectorAll('tr[data-flow]'))"
    "row.addEventListener('click',()=>openFlow(row.dataset.flow));\n"
    "for(const bar of document.querySelectorAll('g[data-flow]'))"
    "bar.addEventListener('click',()=>openFlow(bar.dataset.flow));\n"
    "function matches(e,words){const t=e.dataset.text.toLowerCase();"
    "return words.every(w=>t.includes(w));}\n"
    "find.addEventListener('input',()=>{const words=find.value.toLowerCase().split(/\\s+/)"
    ".filter(Boolean);let n=0;for(const e of document.querySelectorAll('[data-text]')){"
    "const yes=matches(e,words);e.hidden=!yes;if(yes&&e.tagName==='TR')n++;}"
    "document.getElementById('found').textContent=words.length?n+' found':'';});\n"
    "function zoom(svg){const whole=svg.getAttribute('viewBox').split(' ').map(Number);"
    "let box=[...whole],drag=null;const points=new Map();let apart=0;\n"
    "const b=document.createElement('button');\n"
    "const set=()=>{svg.setAttribute('viewBox',box.join(' '));b.hidden=box[2]===whole[2];};\n"
    "const at=e=>{const r=svg.getBoundingClientRect();return[box[0]+(e.clientX-r.left)/r.width*"
    "box[2],box[1]+(e.clientY-r.top)/r.height*box[3]];};\n"
    "const scale=(f,c)=>{const w=Math.min(whole[2],Math.max(whole[2]/200,box[2]*f));"
    "const k=w/box[2];box=[c[0]-(c[0]-box[0])*k,c[1]-(c[1]-box[1])*k,w,box[3]*k];"
    "box[0]=Math.min(Math.max(box[0],whole[0]),whole[0]+whole[2]-box[2]);"
    "box[1]=Math.min(Math.max(box[1],whole[1]),whole[1]+whole[3]-box[3]);"
    "svg.style.touchAction=w<whole[2]?'none':'pan-y';set();};\n"
    "svg.addEventListener('wheel',e=>{if(!e.ctrlKey&&!e.shiftKey&&box[2]===whole[2]&&e.deltaY>0)"
    "return;if(!e.ctrlKey&&!e.shiftKey&&svg.classList.contains('ladder'))return;"
    "e.preventDefault();scale(e.deltaY>0?1.2:1/1.2,at(e));},{passive:false});\n"
    "svg.addEventListener('pointerdown',e=>{points.set(e.pointerId,e);if(points.size===1&&"
    "box[2]<whole[2]){drag=at(e);svg.setPointerCapture(e.pointerId);}});\n"
    "const up=e=>{points.delete(e.pointerId);drag=null;apart=0;};\n"
    "svg.addEventListener('pointerup',up);svg.addEventListener('pointercancel',up);\n"
    "svg.addEventListener('pointermove',e=>{if(points.has(e.pointerId))points.set(e.pointerId,e);"
    "if(points.size===2){const[a,b]=[...points.values()];const d=Math.hypot(a.clientX-b.clientX,"
    "a.clientY-b.clientY);if(apart)scale(apart/d,at(a));apart=d;return;}"
    "if(!drag)return;const p=at(e);box[0]+=drag[0]-p[0];box[1]+=drag[1]-p[1];scale(1,p);});\n"
    "svg.addEventListener('dblclick',e=>{if(box[2]<whole[2]){box=[...whole];set();"
    "svg.style.touchAction='pan-y';}else scale(1/3,at(e));});\n"
    "b.type='button';b.textContent='whole';b.hidden=true;"
    "b.title='show all of it; the wheel and two fingers zoom, a drag moves';"
    "b.addEventListener('click',()=>{box=[...whole];set();svg.style.touchAction='pan-y';});"
    "svg.parentElement.append(b);}\n"
    "for(const svg of document.querySelectorAll('figure svg')){zoom(svg);"
    "svg.addEventListener('pointermove',e=>{const m=e.target.closest('path,rect,circle,g');"
    "const t=m&&(m.querySelector(':scope>title'));if(!t){tip.style.display='none';return;}"
    "tip.textContent=t.textContent;tip.style.display='block';"
    "tip.style.left=Math.min(e.clientX+12,innerWidth-tip.offsetWidth-8)+'px';"
    "tip.style.top=Math.min(e.clientY+14,innerHeight-tip.offsetHeight-8)+'px';});"
    "svg.addEventListener('pointerleave',()=>{tip.style.display='none';});}\n"
    "addEventListener('beforeprint',()=>{for(const d of document.querySelectorAll('details'))"
    "d.open=true;});\n"
    "if(location.hash.startsWith('#flow-'))openFlow(location.hash.slice(6));\n"
    "document.documentElement.dataset.ready=data.flows.length;\n"
    "</script>\n</body>\n</html>\n";

/* ---- Which flows ---- */

static int by_packets(const void *a, const void *b)
{
    const struct flow *const *x = a, *const *y = b;
    if ((*x)->packets != (*y)->packets)
        return (*x)->packets > (*y)->packets ? -1 : 1;
    return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

static int by_id(const void *a, const void *b)
{
    const struct flow *const *x = a, *const *y = b;
    return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* Those that are drawn, in the order of their numbers. */
static const struct flow **choose(const struct trace *trace, uint64_t only, size_t *count)
{
    const size_t all = only != 0 ? 1 : trace->table.count;
    const struct flow **chosen = malloc((all + 1) * sizeof(const struct flow *));
    if (chosen == NULL)
        return NULL;
    for (size_t i = 0; i < all; i++)
        chosen[i] = trace->table.flows[only != 0 ? only - 1 : i];
    qsort(chosen, all, sizeof(const struct flow *), by_packets);
    *count = all < FLOWS_DRAWN ? all : FLOWS_DRAWN;
    qsort(chosen, *count, sizeof(const struct flow *), by_id);
    return chosen;
}

static bool is_chosen(const struct flow **chosen, size_t count, const struct flow *flow)
{
    for (size_t i = 0; i < count; i++)
        if (chosen[i] == flow)
            return true;
    return false;
}

/* ---- The table ---- */

/* What the search finds a flow by. */
static void put_search_text(FILE *out, const struct flow *flow)
{
    char left[TRACE_ADDR_MAX], right[TRACE_ADDR_MAX], ending[FLOW_ENDING_MAX];
    fprintf(out, " data-text=\"flow %" PRIu64 " %s %s %s %s %s%s\"", flow->id,
            trace_addr(&flow->end[0].addr, left), trace_addr(&flow->end[1].addr, right),
            weir_state_text(flow->end[0].state), weir_state_text(flow->end[1].state),
            flow_ending(flow, ending),
            flow->end[0].rtx_segments + flow->end[1].rtx_segments > 0 ? " rtx" : "");
}

static void put_row(FILE *out, const struct trace *trace, const struct flow *flow, bool drawn)
{
    char left[TRACE_ADDR_MAX], right[TRACE_ADDR_MAX], ending[FLOW_ENDING_MAX];
    char took[TRACE_TIME_MAX], rtt[TRACE_TIME_MAX] = "", sent[2][TRACE_TIME_MAX];
    const uint64_t rtx = flow->end[0].rtx_segments + flow->end[1].rtx_segments;
    if (flow_rtt_min(flow) != 0)
        trace_time(flow_rtt_min(flow), rtt);
    fprintf(out, "<tr data-flow=\"%" PRIu64 "\"%s", flow->id, drawn ? " data-drawn" : "");
    put_search_text(out, flow);
    if (drawn)
        fprintf(out, "><td><a href=\"#flow-%" PRIu64 "\">%" PRIu64 "</a></td>", flow->id, flow->id);
    else
        fprintf(out, "><td>%" PRIu64 "</td>", flow->id);
    fprintf(out, "<td>%.3f</td><td class=\"t\">%s</td><td class=\"t\">%s</td><td>%s</td>",
            (double)(flow->first - trace->about.first) / 1e9, trace_addr(&flow->end[0].addr, left),
            trace_addr(&flow->end[1].addr, right), trace_time(flow->last - flow->first, took));
    fprintf(out, "<td>%" PRIu64 "</td><td>%s</td><td>%s</td><td>%s</td><td%s>%" PRIu64 "</td>",
            flow->packets, trace_amount(flow->end[0].octets, sent[0]),
            trace_amount(flow->end[1].octets, sent[1]), rtt, rtx > 0 ? " class=\"bad\"" : "", rtx);
    fprintf(out, "<td class=\"t w\">%s / %s</td><td class=\"t w\">%s</td></tr>\n",
            weir_state_text(flow->end[0].state), weir_state_text(flow->end[1].state),
            flow_ending(flow, ending));
}

static void put_table(FILE *out, const struct trace *trace, const struct flow **chosen,
                      size_t count, uint64_t only)
{
    fputs("<h2>Connections</h2>\n<p><input id=\"find\" type=\"search\" placeholder=\"find: an "
          "address, a state, rtx, refused\" aria-label=\"find a connection\"> <span id=\"found\" "
          "class=\"dim\"></span></p>\n<div class=\"scroll\"><table><thead><tr><th>flow</th><th>"
          "begins s</th><th class=\"t\">opener</th><th class=\"t\">other end</th><th>takes</th><th>"
          "packets</th><th>sent &gt;</th><th>sent &lt;</th><th>rtt min</th><th>rtx</th>"
          "<th class=\"t\">last states</th><th class=\"t\">ending</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < trace->table.count && i < ROWS_MAX; i++)
        if (only == 0 || trace->table.flows[i]->id == only)
            put_row(out, trace, trace->table.flows[i],
                    is_chosen(chosen, count, trace->table.flows[i]));
    fputs("</tbody></table></div>\n", out);
    if (only == 0 && trace->table.count > ROWS_MAX)
        fprintf(out, "<p class=\"dim\">and %zu more</p>\n", trace->table.count - ROWS_MAX);
}

/* ---- One flow ---- */

static void put_words(FILE *out, const struct flow *flow)
{
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    if (memory == NULL)
        return;
    trace_flow_text(memory, flow);
    fclose(memory);
    fputs("<pre>", out);
    svg_escaped(out, text != NULL ? text : "");
    fputs("</pre>\n", out);
    free(text);
}

static void put_flow(FILE *out, const struct flow *flow, bool is_open)
{
    char left[TRACE_ADDR_MAX], right[TRACE_ADDR_MAX], ending[FLOW_ENDING_MAX];
    fprintf(out, "<details id=\"flow-%" PRIu64 "\"%s", flow->id, is_open ? " open" : "");
    put_search_text(out, flow);
    fprintf(out,
            ">\n<summary>flow %" PRIu64 ": %s &#8596; %s <span class=\"dim\">%s</span>"
            "</summary>\n",
            flow->id, trace_addr(&flow->end[0].addr, left), trace_addr(&flow->end[1].addr, right),
            flow_ending(flow, ending));
    put_words(out, flow);
    for (unsigned end = 0; end < 2; end++) {
        if (flow->end[end].octets == 0 && (end == 1 || flow->end[1].octets > 0))
            continue;
        fputs("<h3>Sequence numbers over time</h3><figure>", out);
        trace_tsg_svg(out, flow, end);
        fputs("</figure>\n", out);
    }
    fputs("<h3>Round trips</h3><figure>", out);
    trace_rtt_svg(out, flow);
    fputs("</figure>\n<h3>In flight</h3><figure>", out);
    trace_flight_svg(out, flow);
    if (trace_has_cwnd(flow)) {
        fputs("</figure>\n<h3>Congestion window</h3><figure>", out);
        trace_cwnd_svg(out, flow);
    }
    fputs("</figure>\n<h3>States</h3><figure>", out);
    trace_diagram_svg(out, flow);
    fputs("</figure>\n<h3>Ladder</h3><figure class=\"wide\">", out);
    trace_ladder_svg(out, flow);
    fputs("</figure>\n</details>\n", out);
}

static const char *how_known(const struct trace *trace)
{
    if (trace->merged)
        return "States, losses and what held a sender up are inferred from what passed both ends.";
    if (strncmp(trace->source, "weir:", 5) == 0)
        return "Segments, the reasons beside them and the congestion window are what weir itself "
               "has recorded; the far end's states, and losses, are inferred from them.";
    if (trace->source[0] != '\0')
        return "States, losses and what held a sender up are inferred from what passed; the "
               "congestion window is that of the kernel's sockets, looked at meanwhile.";
    return "States, losses and what held a sender up are inferred from what passed one place.";
}

static void put_heading(FILE *out, const struct trace *trace)
{
    const struct capture_about *about = &trace->about;
    char took[TRACE_TIME_MAX], octets[TRACE_TIME_MAX];
    fprintf(out,
            "<h1>weir trace</h1>\n<p class=\"dim\">%s, %" PRIu64 " packets, %s octets in %s; "
            "%zu connection%s. %s</p>\n",
            trace_source(trace), about->frames, trace_amount(about->octets, octets),
            trace_time(about->last - about->first, took), trace->table.count,
            trace->table.count == 1 ? "" : "s", how_known(trace));
    if (trace->damaged) {
        fputs("<p>The file is damaged ", out);
        svg_escaped(out, trace->why);
        fputs("; what came before it counts.</p>\n", out);
    }
}

void trace_html(FILE *out, const struct trace *trace, uint64_t only)
{
    size_t count = 0;
    const struct flow **chosen = choose(trace, only, &count);
    if (chosen == NULL)
        return;
    fputs(head, out);
    put_heading(out, trace);
    put_table(out, trace, chosen, count, only);
    if (trace->table.count > 0) {
        fputs("<h2>States over time</h2>\n<figure class=\"wide\">", out);
        trace_timeline_svg(out, trace, only);
        fputs("</figure>\n", out);
    }
    if (only == 0 && trace->table.count > count)
        fprintf(out,
                "<p class=\"dim\">Drawn are the %zu with the most packets; weir trace --flow N"
                " --html draws any.</p>\n",
                count);
    for (size_t i = 0; i < count; i++)
        put_flow(out, chosen[i], i == 0);
    /* Nothing in it is text from the wire: addresses, numbers and words of our own. */
    fputs("<script type=\"application/json\" id=\"data\">", out);
    trace_json(out, trace, only);
    fputs("</script>\n", out);
    fputs(script, out);
    free(chosen);
}
