/* The sentence of a thread's last failure, and the names of statuses. One fixed buffer a thread, so
 * that it works when memory is gone. What is too long is cut where it says least: a path loses its
 * front, a sentence its end, neither in the middle of a UTF-8 character. */
#define _POSIX_C_SOURCE 200809L /* strerror_l */

#include "base/status.h"

#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    PREFIX_MAX = 127, /* bytes of a prefix that are shown: half the sentence stays for the reason */
    PATH_SHOWN = 150  /* bytes of a path that are shown; the longest errno phrase has about 50 */
};

static KI_THREAD_LOCAL char own[KI_SENTENCE];

uint32_t kith_version(void)
{
    return KITH_HEADER_VERSION;
}

#define NAME(name, value, phrase) [value] = #name,
static const char *const names[] = {KITH_STATUS_LIST(NAME)};
#undef NAME

const char *kith_status_name(kith_status st)
{
    const size_t i = (size_t)st;

    return i < sizeof names / sizeof *names ? names[i] : "?";
}

const char *kith_last_error(void)
{
    return own;
}

static bool continues_character(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* text (len bytes, more than cap) shall end at most after cap bytes: where a character ends. */
static size_t cut_end(const char *text, size_t cap)
{
    size_t end = cap;

    while (end > 0 && cap - end < 3 && continues_character(text[end])) end--;
    return continues_character(text[end]) ? cap : end; // not UTF-8: any place is as good
}

/* The last bytes of text, at most max of them, from where a character begins. *mark tells whether
 * something is missing before them. */
static const char *cut_front(const char *text, size_t max, const char **mark)
{
    const size_t len = strlen(text);
    const char *from = text + (len > max ? len - max : 0);

    *mark = len > max ? "..." : "";
    for (int i = 0; len > max && i < 3 && continues_character(*from); i++) from++;
    return from;
}

void ki_sentence_get(char out[KI_SENTENCE])
{
    memcpy(out, own, KI_SENTENCE);
}

void ki_sentence_set(const char *sentence)
{
    const size_t len = strnlen(sentence, KI_SENTENCE);
    const size_t keep = len < KI_SENTENCE ? len : cut_end(sentence, KI_SENTENCE - 1);

    memmove(own, sentence, keep); // it may be, or lie in, the one there is
    own[keep] = '\0';
}

/* Room for one byte more than a sentence has shows that something was cut, and which byte. */
static void set_formatted(const char *format, va_list args) KI_PRINTF(1, 0);
static void set_formatted(const char *format, va_list args)
{
    char text[KI_SENTENCE + 1]; // apart, since the arguments may point into the sentence

    if (vsnprintf(text, sizeof text, format, args) < 0) text[0] = '\0';
    ki_sentence_set(text);
}

kith_status kith_fail(kith_status st, const char *sentence)
{
    ki_sentence_set(sentence != NULL ? sentence : "");
    return st;
}

kith_status ki_fail(kith_status st, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_formatted(format, args);
    va_end(args);
    return st;
}

kith_status ki_fail_prefix(kith_status st, const char *format, ...)
{
    char reason[KI_SENTENCE], prefix[4 * KI_SENTENCE];
    const char *mark, *shown;
    va_list args;

    ki_sentence_get(reason);
    va_start(args, format);
    if (vsnprintf(prefix, sizeof prefix, format, args) < 0) prefix[0] = '\0';
    va_end(args);
    shown = cut_front(prefix, PREFIX_MAX, &mark);
    return ki_fail(st, "%s%s: %s", mark, shown, reason);
}

/* In English whatever the program's locale: the rest of the sentence is. */
kith_status ki_fail_errno(int err, const char *what, const char *path)
{
    const locale_t english = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const char *mark, *shown = cut_front(path, PATH_SHOWN, &mark);

    if (english == (locale_t)0)
        return ki_fail(KITH_IO, "cannot %s %s%s: error %d", what, mark, shown, err);
    ki_fail(KITH_IO, "cannot %s %s%s: %s", what, mark, shown, strerror_l(err, english));
    freelocale(english);
    return KITH_IO;
}
