/* Pictures: recall against speed as one curve, logarithmic in queries per second, and bars of text
 * for a terminal. */
#define _POSIX_C_SOURCE 200809L /* getpid */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"

enum { NAME = 14, BAR = 40 }; /* characters of a bar's name, of the longest bar */
enum { WIDTH = 720, HEIGHT = 480, LEFT = 80, RIGHT = 20, TOP = 50, BOTTOM = 60 };

typedef struct frame {
    FILE *to;
    double x0, x1; /* recall */
    double y0, y1; /* log10 of queries per second, whole numbers */
} frame;

static double quality(const measured *m)
{
    return m->recall_by != NULL ? m->recall : m->success;
}

static double at_x(const frame *f, double recall)
{
    return LEFT + (recall - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const frame *f, double qps)
{
    return HEIGHT - BOTTOM - (log10(qps) - f->y0) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

static void fit(frame *f, const measured *m, size_t n)
{
    double least = 1, slow = DBL_MAX, fast = 0;

    for (size_t i = 0; i < n; i++) {
        least = fmin(least, quality(&m[i]));
        slow = fmin(slow, m[i].qps);
        fast = fmax(fast, m[i].qps);
    }
    f->x1 = 1;
    f->x0 = fmin(floor(least * 20) / 20, 0.95);
    f->y0 = floor(log10(slow));
    f->y1 = fmax(ceil(log10(fast)), f->y0 + 1);
}

static void put_escaped(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"')
            fprintf(to, "&#%d;", *text);
        else if ((unsigned char)*text >= 0x20)
            fputc(*text, to);
    }
}

static void put_axes(const frame *f, const char *x_name)
{
    const double step = (f->x1 - f->x0) / 5;
    const int low = HEIGHT - BOTTOM;

    for (int i = 0; i <= 5; i++) {
        const double recall = f->x0 + step * i, x = at_x(f, recall);
        fprintf(f->to, "<path d='M%.1f %d V%d' stroke='#ddd'/>\n", x, TOP, low);
        fprintf(f->to, "<text x='%.1f' y='%d' text-anchor='middle'>%.3g</text>\n", x, low + 18,
                recall);
    }
    for (int e = (int)f->y0; e <= (int)f->y1; e++) {
        const double y = at_y(f, pow(10, e));
        fprintf(f->to, "<path d='M%d %.1f H%d' stroke='#ddd'/>\n", LEFT, y, WIDTH - RIGHT);
        fprintf(f->to, "<text x='%d' y='%.1f' text-anchor='end'>%.0f</text>\n", LEFT - 8, y + 4,
                pow(10, e));
    }
    fprintf(f->to, "<text x='%d' y='%d' text-anchor='middle'>%s</text>\n", (WIDTH + LEFT) / 2,
            HEIGHT - 16, x_name);
    fprintf(f->to,
            "<text transform='translate(18 %d) rotate(-90)' text-anchor='middle'>queries per "
            "second</text>\n",
            HEIGHT / 2);
}

static void put_curve(const frame *f, const measured *m, size_t n)
{
    fputs("<path fill='none' stroke='#1f6fb2' stroke-width='2' d='", f->to);
    for (size_t i = 0; i < n; i++)
        fprintf(f->to, "%s%.1f %.1f", i > 0 ? " L" : "M", at_x(f, quality(&m[i])),
                at_y(f, m[i].qps));
    fputs("'/>\n", f->to);
    for (size_t i = 0; i < n; i++)
        fprintf(f->to,
                "<circle cx='%.1f' cy='%.1f' r='4' fill='#1f6fb2'><title>effort %u: %.4f at %.0f "
                "queries per second</title></circle>\n",
                at_x(f, quality(&m[i])), at_y(f, m[i].qps), m[i].effort, quality(&m[i]), m[i].qps);
}

static void put_picture(FILE *to, const char *title, const measured *m, size_t n)
{
    frame f = {to, 0, 1, 0, 1};
    char name[40];

    fit(&f, m, n);
    snprintf(name, sizeof name, "%s@%u", m[0].recall_by != NULL ? "recall" : "success", m[0].k);
    fprintf(
        to,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' "
        "font-size='13'>\n<rect width='100%%' height='100%%' fill='white'/>\n",
        WIDTH, HEIGHT);
    fprintf(to, "<text x='%d' y='28' font-size='16'>", LEFT);
    put_escaped(to, title);
    fputs("</text>\n", to);
    put_axes(&f, name);
    put_curve(&f, m, n);
    fputs("</svg>\n", to);
}

kith_status check_plot(const char *path)
{
    const size_t len = path != NULL ? strlen(path) : 0;

    if (path == NULL || (len >= 5 && strcmp(path + len - 4, ".svg") == 0)) return KITH_OK;
    return wrong_usage("--plot %s: it draws an .svg", path);
}

kith_status plot_save(const char *path, const char *title, const measured *m, size_t n)
{
    const size_t cap = strlen(path) + 32;
    char *part = array_new(cap, 1);
    kith_status st = KITH_OK;
    FILE *to;
    int bad;

    NEED(part);
    snprintf(part, cap, "%s.new-%ld", path, (long)getpid());
    to = fopen(part, "wx"); // nobody's file
    if (to == NULL) FAIL(KITH_IO, "cannot write %s: %s", part, strerror(errno));
    put_picture(to, title, m, n);
    bad = ferror(to);
    bad |= fclose(to) != 0;
    if (!bad) bad = rename(part, path) != 0;
    if (bad) {
        st = fail(KITH_IO, "cannot write %s: %s", path, strerror(errno));
        remove(part);
    }
out:
    free(part);
    return st;
}

void plot_bars(FILE *to, const char *title, const bar *b, size_t n)
{
    double most = 0;

    fprintf(to, "%s\n", title);
    for (size_t i = 0; i < n; i++) most = fmax(most, b[i].value);
    for (size_t i = 0; i < n; i++) {
        const int len = most > 0 ? (int)ceil(BAR * b[i].value / most) : 0; // one # at least
        const int wide = NAME + 2 * (strstr(b[i].name, "…") != NULL);      // bytes

        fprintf(to, "%*s %12.10g%s%.*s\n", wide, b[i].name, b[i].value, len > 0 ? "  " : "", len,
                "########################################");
    }
}
