/* kith docs: the pages that are made from tables, so that they cannot differ from the program. */
#include <stdio.h>
#include <string.h>

#include "command.h"

static const option *const options[] = {common_options, NULL};

/* ---- docs/PARAMETERS.md ---------------------------------------------------------------------- */

/* A cell of a table: its bars are not the text's. */
static void put_cell(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') putchar('\\');
        putchar(*text);
    }
}

static void put_member(void *ctx, const char *name, const char *about, double value)
{
    (void)ctx;
    (void)value;
    printf("| `%s` | ", name);
    put_cell(about);
    puts(" |");
}

static void put_table(const char *table, const char *title, const char *text)
{
    printf("\n## %s\n\n%s\n\n| name | |\n|---|---|\n", title, text);
    kith_list(table, put_member, NULL);
}

static void put_value(const kith_param *p, double value)
{
    static const char *const words[] = {"off", "on", "auto"};

    if (strcmp(p->type, "flag") == 0 && value >= 0 && value <= 2)
        printf("%s", words[(int)value]);
    else
        printf("%.10g", value);
}

static void put_param(const kith_param *p)
{
    printf("| `%s` |", p->name);
    for (const char *at = p->aliases; *at != '\0';) {
        const int n = (int)strcspn(at, ",");
        printf(" `%.*s`", n, at);
        at += n + (at[n] == ',');
    }
    printf(" | %s | ", p->type);
    put_value(p, p->lo);
    if (strcmp(p->type, "flag") == 0)
        fputs(p->hi > 1 ? ", on, " : ", ", stdout);
    else
        fputs(" … ", stdout);
    put_value(p, p->hi);
    fputs(" | ", stdout);
    put_value(p, p->preset);
    fputs(" | ", stdout);
    put_cell(p->about);
    puts(" |");
}

static void put_params(void)
{
    const char *owner = "";
    kith_param p;

    fputs("\n## Parameters\n\nThose of an index stand in its spec, `Flat(scan=off)`, or after "
          "`--param` of `kith build`; those of a search after `--param` of `kith search` and "
          "`kith eval`, and in `kith_query`.\n",
          stdout);
    for (size_t i = 0; kith_param_at(i, &p) == KITH_OK; i++) {
        if (strcmp(owner, p.owner) != 0)
            printf("\n### %s\n\n| name | aliases | type | values | default | |\n"
                   "|---|---|---|---|---|---|\n",
                   p.owner);
        owner = p.owner;
        put_param(&p);
    }
}

/* What people's strings may hold that this release refuses, by name. */
static void put_faiss(void)
{
    fputs("\n## Specs of Faiss\n\n"
          "| of `index_factory` | here |\n|---|---|\n"
          "| `Flat` | the same |\n"
          "| `IDMap,` `IDMap2,` before another | passed over: every index has ids |\n"
          "| `SQfp16`, `SQbf16`, `SQ8_direct` | not by these names: `Flat,F16`, `Flat,BF16`, "
          "`Flat,U8` |\n"
          "| `PCA…`, `OPQ…`, `RR…`, `L2norm`, `Pad…` and other transforms | not yet (for `L2norm` "
          "with `ip`: the metric `cosine`) |\n"
          "| `HNSW32`, `HNSW32,Flat` | the same; kith's `NSW32` is no `NSG32` |\n"
          "| `IVF…`, `IMI…`, `NSG…`, `LSH…` | not yet |\n"
          "| `SQ8`, `SQ6`, `SQ4` | the same ranges; codes stand for both ends of a range and what "
          "lies evenly between, where Faiss takes the middles of steps; `rangestat_arg` is "
          "`margin`. Training may be left out |\n"
          "| `PQ…`, `RaBitQ`, additive quantizers | not yet |\n"
          "| `SQ8,RFlat`, `SQ4,Refine(F16)` | rows are kept as the last codec says, and rank what "
          "is found; graphs walk by 8 or 4 bits of each component (`code_bits`), `Flat` by its own "
          "scan code |\n"
          "| `B…` of `index_binary_factory` | `Flat` for the metric `hamming` |\n\n"
          "What is not known is refused with `BAD_SPEC`, the column and the names that are.\n",
          stdout);
}

static void put_parameters(void)
{
    fputs("# Parameters, names, types\n\nMade by `kith docs parameters` (`make docs`) from the "
          "tables that the library and the command themselves use.\n",
          stdout);
    put_table("navigators", "Navigators",
              "How a query finds promising rows. A spec is `navigator[,codec]`, each with its "
              "parameters in parentheses: `Flat`, `Flat,F16`, `Flat(scan=off)`; `auto` is "
              "`Graph48` under "
              "l2, ip and cosine, else `Flat`.");
    put_table("codecs", "Codecs",
              "How the components of a row are stored. SQ8, SQ6 and SQ4 learn ranges first: from "
              "the rows of `kith_train`, else from the rows that are there when, with those of an "
              "addition, 1,024 or more are; until then rows are kept as f32.");
    put_faiss();
    put_table("metrics", "Metrics",
              "Similarities (ip, cosine, jaccard) are larger for nearer rows, distances smaller; "
              "thresholds are given in the same unit.");
    put_table("dtypes", "Types", "What components may be handed over as.");
    put_params();
    put_table(
        "formats", "Files",
        "What the library reads vectors from (and writes them to). The command also reads CSV "
        "and TSV, and HDF5 in the layout of ann-benchmarks where it was built with it.");
    put_table("index_formats", "Indexes of other programs",
              "What `kith_import` and `kith_export` (and `kith convert`) read and write.");
}

/* ---- kith.1 ---------------------------------------------------------------------------------- */

/* Text of a roff page: backslashes and hyphens escaped, paragraphs kept, no dot begins a line. */
static void put_roff(const char *text)
{
    int begins = 1;

    for (; *text != '\0'; text++) {
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", stdout);
            text++;
            begins = 1;
            continue;
        }
        if (begins && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        begins = *text == '\n';
    }
}

static void put_option(const option *o)
{
    fputs(".TP\n.B ", stdout);
    if (o->letter != 0) printf("\\-%c", o->letter);
    if (strlen(o->name) > 1) {
        printf("%s\\-\\-", o->letter != 0 ? ", " : "");
        put_roff(o->name);
    }
    if (o->argument != NULL) {
        putchar(' ');
        put_roff(o->argument);
    }
    putchar('\n');
    put_roff(o->about);
    putchar('\n');
}

static void put_verb(const command *c)
{
    printf(".SS kith %s\n", c->name);
    printf(".B kith %s\n", c->name);
    put_roff(c->usage);
    fputs("\n.PP\n", stdout);
    put_roff(c->text);
    putchar('\n');
    for (const option *const *table = c->options; *table != NULL; table++)
        for (const option *o = *table; o->name != NULL; o++)
            if (*table != common_options && *table != column_options && *table != label_options)
                put_option(o);
    if (c->examples == NULL) return;
    fputs(".PP\n.nf\n", stdout);
    put_roff(c->examples);
    fputs(".fi\n", stdout);
}

static void put_man(void)
{
    const uint32_t v = kith_version();

    printf(".\\\" made by kith docs man from the command's own tables\n"
           ".TH KITH 1 \"\" \"kith %u.%u.%u\" \"User Commands\"\n"
           ".SH NAME\nkith \\- nearest neighbours of a vector among millions of others\n"
           ".SH SYNOPSIS\n.B kith\n.I verb\n[operand]... [option]...\n"
           ".SH DESCRIPTION\n",
           v / 10000, v / 100 % 100, v % 100);
    put_roff(
        "kith builds an index from vectors, searches it and changes it. Results go to standard "
        "output, messages and progress to standard error; progress is drawn only on a terminal. "
        "Files are replaced atomically: the old one is there, whole, until the new one is; what a "
        "killed kith leaves beside a file, NAME.tmp-…, the next save of the file removes. A verb "
        "that changes an index locks it, others wait.\n\n"
        "Options and operands may be mixed; -- ends the options. --name value and --name=value "
        "are the same.");
    fputs("\n.SH VERBS\n", stdout);
    for (size_t i = 0; command_at(i) != NULL; i++) put_verb(command_at(i));
    fputs(".SH OPTIONS OF CSV FILES\nThey go with every verb that reads vectors, those of labels "
          "with "
          "build, add and update.\n",
          stdout);
    for (const option *o = column_options; o->name != NULL; o++) put_option(o);
    for (const option *o = label_options; o->name != NULL; o++) put_option(o);
    fputs(".SH OPTIONS OF EVERY VERB\n", stdout);
    for (const option *o = common_options; o->name != NULL; o++) put_option(o);
    fputs(".SH EXIT STATUS\n"
          ".TP\n0\neverything was done\n"
          ".TP\n1\nan error, told in one sentence\n"
          ".TP\n2\nwrong usage\n"
          ".TP\n130, 143\ninterrupted by SIGINT or SIGTERM; files are as they were\n"
          ".SH ENVIRONMENT\n"
          ".TP\nKITH_CPU\nnarrows the instruction sets that may be used, as avx2 or vnni,amx (kith "
          "info \\-\\-cpu has the names; another one is an error of the command, and leaves the "
          "library plain C only); the answers stay the same\n",
          stdout);
}

static kith_status run(const arguments *a)
{
    if (strcmp(a->operand[0], "parameters") == 0)
        put_parameters();
    else if (strcmp(a->operand[0], "man") == 0)
        put_man();
    else
        return wrong_usage("there is no page '%.40s': parameters, man", a->operand[0]);
    return KITH_OK;
}

const command cmd_docs = {
    "docs",
    "parameters|man",
    "the pages made from the program's tables",
    "Prints docs/PARAMETERS.md (navigators, codecs, metrics, types, every parameter with its "
    "range) or the man page.",
    "kith docs man | man -l -\n",
    options,
    1,
    1,
    0,
    MAKES_FILE,
    run,
};
