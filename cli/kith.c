/* kith: the command. The table of verbs, help, and what becomes of a verb's status: sentences go to
 * stderr, exit codes are 0, 1 for an error, 2 for wrong usage, 128 + n for a signal. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "files.h"
#include "output.h"

static const command *const commands[] = {
    &cmd_build,  &cmd_search, &cmd_eval,    &cmd_tune,  &cmd_gt,      &cmd_add,
    &cmd_update, &cmd_remove, &cmd_get,     &cmd_merge, &cmd_compact, &cmd_info,
    &cmd_verify, &cmd_repair, &cmd_convert, &cmd_docs,  NULL,
};

const command *command_at(size_t i)
{
    return commands[i];
}

static const char *name_at(const void *ctx, size_t i)
{
    (void)ctx;
    return command_at(i) != NULL ? command_at(i)->name : NULL;
}

static const command *find(const char *name)
{
    for (size_t i = 0; command_at(i) != NULL; i++)
        if (strcmp(command_at(i)->name, name) == 0) return command_at(i);
    return NULL;
}

/* ---- help ------------------------------------------------------------------------------------ */

static void overview(FILE *to)
{
    fputs("kith finds the nearest neighbours of a vector among millions of others.\n\n"
          "usage: kith VERB …\n\n",
          to);
    for (size_t i = 0; command_at(i) != NULL; i++)
        fprintf(to, "  %-8s  %s\n", command_at(i)->name, command_at(i)->about);
    fputs("\nkith help VERB tells more, kith help csv tells of CSV files; kith build base.npy -o\n"
          "base.kith, then kith search base.kith queries.npy -k 10 is a beginning. Exit codes: 0,\n"
          "1 for an error, 2 for wrong usage.\n",
          to);
}

/* Columns that the first len bytes of a UTF-8 text take: its characters. */
static int columns_of(const char *text, int len)
{
    int n = 0;

    for (int i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* Words of text from column `indent` on, at most to column 80; the cursor stands at `column`. */
static void wrap(FILE *to, const char *text, int indent, int column)
{
    while (*text != '\0') {
        const int len = (int)strcspn(text, " \n"), wide = columns_of(text, len);
        if (column > indent && column + 1 + wide > 80) {
            fputc('\n', to);
            column = 0;
        } else if (column > indent) {
            fputc(' ', to);
            column++;
        }
        if (column < indent) fprintf(to, "%*s", indent - column, "");
        if (column < indent) column = indent;
        fprintf(to, "%.*s", len, text);
        column += wide;
        text += len;
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n\n", to);
            column = 0;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', to);
}

static void show_option(const option *o, FILE *to)
{
    const char *argument = o->argument != NULL ? o->argument : "";
    char names[64];
    int column;

    if (o->letter != 0 && strlen(o->name) == 1)
        snprintf(names, sizeof names, "-%c", o->letter);
    else if (o->letter != 0)
        snprintf(names, sizeof names, "-%c, --%s", o->letter, o->name);
    else
        snprintf(names, sizeof names, "--%s", o->name);
    fprintf(to, "  %s%s%s", names, argument[0] != '\0' ? " " : "", argument);
    column = 2 + (int)strlen(names) + (argument[0] != '\0') +
             columns_of(argument, (int)strlen(argument));
    if (column > 28) {
        fputc('\n', to);
        column = 0;
    }
    wrap(to, o->about, 30, column);
}

static void csv_help(FILE *to)
{
    wrap(to,
         "CSV and TSV files hold a vector a line, its components in columns of their own or in one "
         "as an array; ids and labels may stand beside them. What is not told is guessed from the "
         "header and the first row, and build, add and update say in one line which columns they "
         "took. These options go with every verb that reads vectors; those of labels with build, "
         "add and update.",
         0, 0);
    fputs("\noptions:\n", to);
    for (const option *o = column_options; o->name != NULL; o++) show_option(o, to);
    for (const option *o = label_options; o->name != NULL; o++) show_option(o, to);
}

/* The lines of a usage, one below another. */
static void show_usage(const command *c, FILE *to)
{
    const int indent = (int)strlen("usage: kith ") + (int)strlen(c->name) + 1;

    fprintf(to, "usage: kith %s ", c->name);
    for (const char *at = c->usage; *at != '\0'; at++)
        if (*at == '\n')
            fprintf(to, "\n%*s", indent, "");
        else
            fputc(*at, to);
    fputc('\n', to);
}

void command_help(const command *c, FILE *to)
{
    int csv = 0;

    show_usage(c, to);
    fputc('\n', to);
    wrap(to, c->text, 0, 0);
    fputs("\noptions:\n", to);
    for (const option *const *table = c->options; *table != NULL; table++) {
        if (*table == column_options) csv = 1;
        if (*table == column_options || *table == label_options) continue;
        for (const option *o = *table; o->name != NULL; o++) show_option(o, to);
    }
    if (csv) fputs("\nhow CSV files are read, and labels from them: kith help csv\n", to);
    if (c->examples == NULL) return;
    fputs("\nexamples:\n", to);
    for (const char *at = c->examples; *at != '\0';) {
        const int len = (int)strcspn(at, "\n");
        fprintf(to, "  %.*s\n", len, at);
        at += len + (at[len] == '\n');
    }
}

/* ---- running --------------------------------------------------------------------------------- */

static int end(kith_status st, const command *c)
{
    if (st == KITH_OK) st = check_stdout();
    if (st == KITH_OK) return 0;
    fflush(stdout);
    if (st == KITH_CANCELLED && signal_caught() != 0) {
        fputs("kith: interrupted; nothing was changed\n", stderr);
        return 128 + signal_caught();
    }
    fputs("kith: ", stderr);
    put_text(stderr, kith_last_error());
    fputc('\n', stderr);
    if (!was_wrong_usage()) return 1;
    if (c != NULL) show_usage(c, stderr);
    return 2;
}

typedef struct named_set {
    const char *name;
    size_t len;
    int found;
} named_set;

static void compare_set(void *ctx, const char *name, const char *about, double runs)
{
    named_set *s = ctx;

    (void)about;
    (void)runs;
    s->found |= strlen(name) == s->len && memcmp(name, s->name, s->len) == 0;
}

/* To the library a name that it does not know allows nothing; here it is a slip of the pen. */
static kith_status check_cpu(void)
{
    const char *list = getenv("KITH_CPU");

    for (const char *at = list; at != NULL && *at != '\0'; at += *at == ',') {
        named_set s = {at, strcspn(at, ","), 0};
        kith_list("isas", compare_set, &s);
        if (!s.found)
            return fail(KITH_BAD_ARG,
                        "KITH_CPU=%.80s: there are no kernels '%.*s' for this machine; kith info "
                        "--cpu lists them",
                        list, (int)(s.len < 40 ? s.len : 40), at);
        at += s.len;
    }
    return KITH_OK;
}

static kith_status wrong_count(const command *c, size_t n)
{
    char expected[40];

    if (c->least == c->most)
        snprintf(expected, sizeof expected, "%zu", c->least);
    else if (c->most == INT_MAX)
        snprintf(expected, sizeof expected, "at least %zu", c->least);
    else
        snprintf(expected, sizeof expected, "%zu or %zu", c->least, c->most);
    return wrong_usage("%s: %zu operand%s %s given, %s %s expected", c->name, n, plural(n),
                       n == 1 ? "was" : "were", expected, c->most == 1 ? "is" : "are");
}

static kith_status run(const command *c, int argc, char **argv)
{
    arguments a = {0};
    kith_status st = arguments_parse(c->options, argc, argv, &a);

    if (st != KITH_OK) return st;
    if (given_flag(&a, "help")) {
        command_help(c, stdout);
    } else if (a.operands < c->least || a.operands > c->most) {
        st = wrong_count(c, a.operands);
    } else {
        set_quiet(given_flag(&a, "quiet"));
        catch_signals();
        st = given_flag(&a, "cpu") ? KITH_OK : check_cpu();
        if (st == KITH_OK) st = files_check(c, &a);
        if (st == KITH_OK) st = c->run(&a);
    }
    arguments_free(&a);
    return st;
}

static kith_status unknown(const char *word)
{
    const char *like = most_like(word, name_at, NULL);

    if (like == NULL) return wrong_usage("there is no verb '%.40s'; kith help lists them", word);
    return wrong_usage("there is no verb '%.40s'; did you mean %s?", word, like);
}

static kith_status help(const char *verb)
{
    const command *c = verb != NULL ? find(verb) : NULL;

    if (verb == NULL)
        overview(stdout);
    else if (strcmp(verb, "csv") == 0)
        csv_help(stdout);
    else if (c != NULL)
        command_help(c, stdout);
    else
        return unknown(verb);
    return KITH_OK;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const command *c = word != NULL ? find(word) : NULL;

    if (word == NULL) {
        overview(stderr);
        return 2;
    }
    if (c != NULL) return end(run(c, argc - 2, argv + 2), c);
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return end(help(argc > 2 ? argv[2] : NULL), NULL);
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        const uint32_t v = kith_version();
        printf("kith %u.%u.%u\n", v / 10000, v / 100 % 100, v % 100);
        return end(KITH_OK, NULL);
    }
    return end(unknown(word), NULL);
}
