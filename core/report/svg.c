/*
 * A flame graph in one file: root at the bottom, width is CPU time, siblings in order of names. Coordinates
 * are hundredths of a pixel, made from running sums, so that edges of parents and children fall together.
 * What is narrower than a tenth of a pixel is left out, which bounds the file whatever the stacks are. Every
 * byte of the target passes n1_escape_xml; the script only reads text, it never writes markup.
 */
#include "core/report/report_private.h"

#include "n1/metric.h"
#include "n1/sanitise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1200 /* pixels of the graph */
#define MARGIN 10
#define ROW 17
#define HEAD 44
#define FOOT 24
#define ROWS_MAX 1000 /* deeper stacks are cut: the picture would not be one any more */
#define LEAST 10      /* hundredths of a pixel */
#define CHARACTER 7   /* pixels of one, for the text that fits at first */

static const char *const script =
    "\"use strict\";\n"
    "const W=1200,M=10,svg=document.documentElement,all=[...document.querySelectorAll('#f>g')];\n"
    "for(const g of all){const "
    "r=g.children[1];g.o=[+r.getAttribute('x')-M,+r.getAttribute('width'),+r.getAttribute('y')]}\n"
    "function fit(g,x,w){const "
    "r=g.children[1],t=g.children[2];r.setAttribute('x',x+M);r.setAttribute('width',w);\n"
    " const n=g.firstChild.textContent.split('\\n')[0],k=Math.floor((w-6)/7);t.setAttribute('x',x+M+3);\n"
    " t.textContent=k<3?'':n.length>k?n.slice(0,k-2)+'..':n}\n"
    "function zoom(z){const a=z?z.o[0]:0,s=z?W/z.o[1]:1,y=z?z.o[2]:1e9,e=.005;\n"
    " for(const g of all){const[x,w,gy]=g.o;let show=true;g.style.opacity=1;\n"
    "  if(z&&gy>y){show=x<=a+e&&x+w>=a+z.o[1]-e;if(show)g.style.opacity=.5}\n"
    "  else show=!z||(x>=a-e&&x+w<=a+z.o[1]+e);\n"
    "  g.style.display=show?'':'none';\n"
    "  if(show)z&&gy>y?fit(g,0,W):fit(g,(x-a)*s,w*s)}\n"
    " document.getElementById('u').style.display=z?'':'none'}\n"
    "function find(){const q=prompt('Find functions with this text (empty: none)','');if(q===null)return;\n"
    " const l=q.toLowerCase(),ends=[];let hit=0;\n"
    " for(const g of all){const on=l&&g.firstChild.textContent.split('\\n')[0].toLowerCase().includes(l);\n"
    "  g.children[1].classList.toggle('h',!!on);if(on)ends.push(g.o)}\n"
    " ends.sort((a,b)=>a[0]-b[0]||b[1]-a[1]);let to=-1;\n"
    " for(const[x,w]of ends){if(x+w>to){hit+=x+w-Math.max(x,to);to=x+w}}\n"
    " document.getElementById('n').textContent=l?(100*hit/W).toFixed(2)+' % has '+q:''}\n"
    "svg.addEventListener('click',e=>{const g=e.target.closest('#f>g');if(g)zoom(g.o[1]>=W-.01?null:g)});\n"
    "document.getElementById('u').addEventListener('click',()=>zoom(null));\n"
    "document.getElementById('s').addEventListener('click',find);\n"
    "document.addEventListener('keydown',e=>{if(e.key==='Escape')zoom(null);\n"
    " else if(e.key==='/'||(e.ctrlKey&&e.key==='f')){e.preventDefault();find()}});\n"
    "for(const g of all)fit(g,g.o[0],g.o[1]);\n";

static void escaped(FILE *out, const char *text)
{
    char safe[6 * N1_REPORT_TEXT];
    n1_escape_xml(safe, sizeof safe, text);
    fputs(safe, out);
}

static void hundredths(FILE *out, uint64_t value)
{
    fprintf(out, "%llu", (unsigned long long)(value / 100));
    if (value % 100)
        fprintf(out, ".%02llu", (unsigned long long)(value % 100));
}

/* A colour that a function keeps: the hue tells what kind of code it is, the shade which function. */
static void colour(FILE *out, const struct n1_profile_function *f)
{
    static const struct {
        int hue, spread;
    } kinds[N1_KIND_COUNT] = {{0, 0}, {18, 30}, {205, 30}, {0, 10}, {110, 40}, {285, 30}};
    if (!f || f->kind >= N1_KIND_COUNT || f->kind == N1_KIND_UNKNOWN) {
        fprintf(out, "hsl(0,0%%,%d%%)", f ? 70 + (int)(f->id % 12) : 78);
        return;
    }
    int spread = kinds[f->kind].spread;
    fprintf(out, "hsl(%d,%d%%,%d%%)", kinds[f->kind].hue + (int)(f->id % (uint64_t)(spread + 1)),
            f->kind == N1_KIND_KERNEL ? 65 : 75, 58 + (int)(f->id / 64 % 12));
}

static const char *node_name(const struct n1_report *report, size_t node)
{
    uint32_t function = report->nodes[node].function;
    if (function != UINT32_MAX)
        return report->functions[function].name;
    return node == 0 ? "all" : "[truncated]";
}

/* "0.123 s", or "1.50 GiB" in a profile of bytes. */
static void amount(FILE *out, const struct n1_report *report, uint64_t value, int places)
{
    char text[32];
    if (report->options->filter && n1_profile_of_bytes(report->options->filter->of)) {
        n1_metric_format(text, sizeof text, N1_UNIT_BYTES, value > INT64_MAX ? INT64_MAX : (int64_t)value);
        fputs(text, out);
        return;
    }
    n1_report_decimal(out, (double)value / (double)N1_SECOND_NS, places);
    fputs(" s", out);
}

static void frame(FILE *out, const struct n1_report *report, size_t node, uint64_t left, uint64_t right,
                  uint32_t rows)
{
    const struct n1_profile_node *n = &report->nodes[node];
    const struct n1_profile_function *f = n->function == UINT32_MAX ? NULL : &report->functions[n->function];
    unsigned y = HEAD + (rows - 1 - n->depth) * ROW;
    fputs("<g><title>", out);
    escaped(out, node_name(report, node));
    fputs("\n", out);
    if (f && *f->module_name) {
        escaped(out, f->module_name);
        fputs(", ", out);
    }
    n1_report_decimal(out, 100 * (double)n->total_ns / (double)report->summary->weight_ns, 2);
    fputs(" %, ", out);
    amount(out, report, n->total_ns, 3);
    fprintf(out, ", %llu samples</title><rect x=\"", (unsigned long long)n->samples);
    hundredths(out, left + MARGIN * 100);
    fprintf(out, "\" y=\"%u\" width=\"", y);
    hundredths(out, right - left);
    fputs("\" height=\"16\" rx=\"1\" fill=\"", out);
    colour(out, f);
    fputs("\"/><text x=\"", out);
    hundredths(out, left + MARGIN * 100 + 300);
    fprintf(out, "\" y=\"%u\">", y + 12);
    /* without the script the text that surely fits stands there too */
    size_t room = (size_t)((right - left) / 100 / CHARACTER), len = strlen(node_name(report, node));
    if (room >= 3) {
        char cut[256];
        n1_sanitise(cut, room < sizeof cut - 1 ? room : sizeof cut, node_name(report, node), len);
        escaped(out, cut);
    }
    fputs("</text></g>\n", out);
}

static int frames(FILE *out, const struct n1_report *report, uint32_t rows)
{
    /* where the next child of a node begins, in ns from the left */
    uint64_t *next = calloc(report->node_count, sizeof *next);
    if (!next)
        return -ENOMEM;
    double scale = WIDTH * 100.0 / (double)report->summary->weight_ns;
    for (size_t i = 0; i < report->node_count; i++) {
        const struct n1_profile_node *n = &report->nodes[i];
        uint64_t from = i ? next[n->parent] : 0, to = from + n->total_ns;
        next[i] = from;
        if (i)
            next[n->parent] = to;
        uint64_t left = (uint64_t)((double)from * scale + 0.5), right = (uint64_t)((double)to * scale + 0.5);
        if (right < left + LEAST || n->depth >= rows)
            continue;
        frame(out, report, i, left, right, rows);
    }
    free(next);
    return 0;
}

static int write_svg(FILE *out, struct n1_report *report, struct n1_error *reterr)
{
    char title[N1_REPORT_TEXT];
    uint32_t rows = 1;
    double least = (double)report->summary->weight_ns * LEAST / (WIDTH * 100.0);
    for (size_t i = 0; i < report->node_count; i++)
        if (report->nodes[i].depth + 1 > rows && (double)report->nodes[i].total_ns >= least)
            rows = report->nodes[i].depth + 1;
    rows = rows < ROWS_MAX ? rows : ROWS_MAX;
    unsigned height = HEAD + rows * ROW + FOOT, width = WIDTH + 2 * MARGIN;
    fprintf(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
        "height=\"%u\" viewBox=\"0 0 %u %u\">\n<style>text{font:12px monospace;fill:#111}"
        ".b{cursor:pointer;fill:#555}#f rect{stroke:#fff;stroke-width:.3}#f text{pointer-events:none}"
        "#f g:hover rect{stroke:#000;stroke-width:1}.h{fill:#c0f!important}</style>\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fdfbf7\"/>\n<text x=\"%d\" y=\"20\" "
        "style=\"font-weight:bold\">",
        width, height, width, height, MARGIN);
    escaped(out, n1_report_title(report, title));
    fprintf(out, "</text>\n<text x=\"%d\" y=\"36\">", MARGIN);
    enum n1_profile_of of = report->options->filter ? report->options->filter->of : N1_OF_CPU;
    amount(out, report, report->summary->weight_ns, 2);
    fprintf(out, " of %s in ", n1_profile_of_text(of));
    n1_report_decimal(
        out, (double)(report->summary->window.to - report->summary->window.from) / (double)N1_SECOND_NS, 1);
    fprintf(out, " s, %llu samples</text>\n", (unsigned long long)report->summary->samples);
    fprintf(
        out,
        "<text id=\"u\" class=\"b\" x=\"%u\" y=\"20\" style=\"display:none\">back to all</text>"
        "<text id=\"s\" class=\"b\" x=\"%u\" y=\"20\">find</text><text id=\"n\" x=\"%d\" y=\"%u\"></text>\n"
        "<g id=\"f\">\n",
        width - 180, width - 60, MARGIN, height - 8);
    if (report->summary->weight_ns > 0 && frames(out, report, rows))
        return n1_error_set(reterr, -ENOMEM, "no memory for a report");
    fprintf(out, "</g>\n<script><![CDATA[\n%s]]></script>\n</svg>\n", script);
    return 0;
}

int n1_report_write_svg(FILE *out, struct n1_reader *r, const struct n1_report_options *o,
                        struct n1_error *reterr)
{
    return n1_report_run(out, r, o, write_svg, reterr);
}
