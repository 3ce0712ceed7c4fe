/* Writing JSON and text to stdout. */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The Unicode standard, table 3-7. */
size_t utf8_len(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char c = at[0];
    unsigned char lo = 0x80, hi = 0xbf;
    size_t len;

    if (c < 0x80) return 1;
    if (c >= 0xc2 && c <= 0xdf)
        len = 2;
    else if (c >= 0xe0 && c <= 0xef)
        len = 3;
    else if (c >= 0xf0 && c <= 0xf4)
        len = 4;
    else
        return 0;
    if (c == 0xe0) lo = 0xa0;
    if (c == 0xed) hi = 0x9f; // surrogates
    if (c == 0xf0) lo = 0x90;
    if (c == 0xf4) hi = 0x8f; // past U+10FFFF
    if (at[1] < lo || at[1] > hi) return 0;
    for (size_t i = 2; i < len; i++)
        if (at[i] < 0x80 || at[i] > 0xbf) return 0; // the closing NUL stops it too
    return len;
}

int is_utf8(const char *text)
{
    for (size_t len; *text != '\0'; text += len)
        if ((len = utf8_len(text)) == 0) return 0;
    return 1;
}

/* Control characters of ASCII and, as U+0080…U+009F, of Latin-1. */
static int is_control(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    return *at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

static int reads_back(float value, int digits, char *out)
{
    snprintf(out, 16, "%.*g", digits, (double)value);
    return strtof(out, NULL) == value;
}

/* The fewest digits that read back (most floats need 7 to 9), then the notation that people expect
 * of that size. */
void float_text(float value, char *out)
{
    const double size = fabs((double)value);
    int digits = 7, decimals;

    while (digits < 9 && !reads_back(value, digits, out)) digits++;
    while (digits > 1 && digits <= 7 && reads_back(value, digits - 1, out)) digits--;
    snprintf(out, 16, "%.*g", digits, (double)value);
    if (!(size >= 1e-4 && size < 1e9) || strchr(out, 'e') == NULL) return;
    decimals = digits - 1 - (int)floor(log10(size));
    snprintf(out, 16, "%.*f", decimals > 0 ? decimals : 0, (double)value);
}

void put_text(FILE *to, const char *text)
{
    for (const char *at = text; *at != '\0';) {
        const size_t len = utf8_len(at);
        if (*at == '\t' || *at == '\n' || *at == '\r' || *at == '\\')
            fprintf(to, "\\%c", *at == '\t' ? 't' : *at == '\n' ? 'n' : *at == '\r' ? 'r' : '\\');
        else if (len == 0 || is_control(at))
            fprintf(to, "\\x%02x", (unsigned char)*at);
        else
            fwrite(at, 1, len, to);
        at += len > 0 && !is_control(at) ? len : 1;
    }
}

static void put_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (const char *at = text; *at != '\0';) {
        const size_t len = utf8_len(at);
        if (*at == '"' || *at == '\\')
            fprintf(to, "\\%c", *at);
        else if (len == 0)
            fputs("\\ufffd", to);
        else if (is_control(at))
            fprintf(to, "\\u%04x", (unsigned char)at[len - 1]); // U+0080…9F: the second byte is it
        else
            fwrite(at, 1, len, to);
        at += len > 0 ? len : 1;
    }
    fputc('"', to);
}

static void begin(json *j, const char *key)
{
    if (j->more) fputc(',', j->to);
    j->more = 1;
    if (key == NULL) return;
    put_string(j->to, key);
    fputc(':', j->to);
}

void json_open(json *j, const char *key, char bracket)
{
    begin(j, key);
    fputc(bracket, j->to);
    j->more = 0;
}

void json_close(json *j, char bracket)
{
    fputc(bracket, j->to);
    j->more = 1;
}

void json_int(json *j, const char *key, int64_t value)
{
    begin(j, key);
    fprintf(j->to, "%" PRId64, value);
}

void json_float(json *j, const char *key, float value)
{
    char text[16];

    begin(j, key);
    float_text(value, text);
    fputs(isfinite(value) ? text : "null", j->to);
}

void json_double(json *j, const char *key, double value)
{
    begin(j, key);
    if (!isfinite(value))
        fputs("null", j->to);
    else // counts exact up to 2^53, measurements to six digits
        fprintf(j->to, value == floor(value) || fabs(value) >= 1e6 ? "%.0f" : "%.6g", value);
}

void json_text(json *j, const char *key, const char *value)
{
    begin(j, key);
    if (value != NULL)
        put_string(j->to, value);
    else
        fputs("null", j->to);
}

void json_line(json *j)
{
    fputc('\n', j->to);
    j->more = 0;
}

kith_status check_stdout(void)
{
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail(KITH_IO, "cannot write to standard output: %s",
                    errno != 0 ? strerror(errno) : "input/output error");
    return KITH_OK;
}
