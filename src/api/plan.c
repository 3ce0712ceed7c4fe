/* From a spec to its navigator, codec and parameters, and back to the canonical text. Faiss's IDMap
 * items are accepted and dropped: every kith index has ids. */
#include "api/index.h"

#include <stdio.h>
#include <string.h>

static const ki_param metric_rows[] = {
    {"p", "metric_arg", KI_PARAM_FLOAT, 0x1p-10, 1024, 2,
     "the exponent of the LP metric: sum |x-y|^p"},
};
const ki_param_table ki_metric_params = {"metric", metric_rows, 1};

static const ki_param search_rows[] = {
    {"k", "top_k", KI_PARAM_INT, 1, KITH_MAX_ROWS, 10, "neighbours wanted of each query"},
    {"effort", "ef,efSearch,ef_search,nprobe,search_k", KI_PARAM_INT, 0, 4294967295.0, 0,
     "recall against time, 0 = the index's default; Flat looks at every row whatever it says"},
    {"recall", "", KI_PARAM_FLOAT, 0, 1, 0,
     "the recall wanted instead of effort, slack and rerank, 0 = off: what kith tune found to "
     "take; "
     "Flat always has 1"},
    {"slack", "gamma", KI_PARAM_FLOAT, 0, 100, 0,
     "a graph's walk goes on within (1 + slack) times the k-th distance, 0 = by the effort"},
    {"rerank", "k_factor", KI_PARAM_INT, 0, 4294967295.0, 0,
     "candidates rescored exactly, 0 = the index's default; Flat rescores what it must"},
    {"threads", "num_threads,n_jobs", KI_PARAM_INT, 0, 4096, 0,
     "threads of a call, 0 = as many as the process may run on"},
};
const ki_param_table ki_search_params = {"search", search_rows,
                                         sizeof search_rows / sizeof *search_rows};

/* "F16": the parser splits a name from its number, tables hold it whole. */
static void item_text(const ki_spec_item *it, char *out, size_t cap)
{
    char number[32] = "";

    if (it->has_number2)
        snprintf(number, sizeof number, "%ux%u", it->number, it->number2);
    else if (it->has_number)
        snprintf(number, sizeof number, "%u", it->number);
    snprintf(out, cap, "%s%s%s", it->name, number, it->suffix);
}

static void known_navigators(char *out, size_t cap)
{
    const ki_navigator *nav;
    size_t at = 0;

    out[0] = 0;
    for (size_t i = 0; (nav = ki_navigator_at(i)) != NULL && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%s", at ? ", " : "", nav->name);
}

static void known_codecs(char *out, size_t cap)
{
    const ki_codec *c;
    size_t at = 0;

    out[0] = 0;
    for (size_t i = 0; (c = ki_codec_at(i)) != NULL && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%s", at ? ", " : "", c->name);
}

kith_status ki_plan_set(ki_plan *plan, const char *name, const char *value)
{
    const ki_param_table *of_codec = plan->codec ? &plan->codec->params : NULL;
    int i = ki_param_find(&plan->nav->params, name);

    if (i >= 0) return ki_param_parse(&plan->nav->params, (size_t)i, value, &plan->params[i]);
    i = of_codec ? ki_param_find(of_codec, name) : -1;
    if (i >= 0) return ki_param_parse(of_codec, (size_t)i, value, &plan->codec_params[i]);
    i = ki_param_find(&ki_metric_params, name);
    if (i >= 0) return ki_param_parse(&ki_metric_params, (size_t)i, value, &plan->p);
    return ki_fail(KITH_NOT_FOUND, "%s%s%s has no parameter \"%s\"", plan->nav->name,
                   plan->codec ? "," : "", plan->codec ? plan->codec->name : "", name);
}

static kith_status set_options(const ki_spec *spec, const ki_spec_item *it, ki_plan *plan)
{
    for (size_t i = 0; i < it->options; i++) {
        const ki_spec_option *o = &spec->option[it->first_option + i];
        char why[KI_SENTENCE];

        for (size_t j = 0; j < i; j++)
            if (strcmp(spec->option[it->first_option + j].name, o->name) == 0)
                return ki_spec_fail(spec, o->column, "%s is given twice", o->name);
        if (ki_plan_set(plan, o->name, o->value) == KITH_OK) continue;
        ki_sentence_get(why);
        return ki_spec_fail(spec, o->column, "%.150s", why);
    }
    return KITH_OK;
}

static kith_status set_codec(const ki_spec *spec, const ki_spec_item *it, ki_plan *plan)
{
    char name[KI_SPEC_NAME * 3], known[128], first[128];

    item_text(it, name, sizeof name);
    known_codecs(known, sizeof known);
    if (plan->codec) {
        known_navigators(first, sizeof first);
        return ki_spec_fail(spec, it->column,
                            "\"%.40s\" is one too many: a spec is a navigator (%s, auto) and a "
                            "codec (%s)",
                            name, first, known);
    }
    plan->codec = ki_codec_find(name);
    if (plan->codec) {
        ki_assert(plan->codec->params.count <= KI_CODEC_PARAMS);
        ki_param_presets(&plan->codec->params, plan->codec_params);
        return set_options(spec, it, plan);
    }
    return ki_spec_fail(spec, it->column, "no codec \"%.40s\"; known: %s", name, known);
}

static bool refines(const ki_spec_item *it)
{
    return strcmp(it->name, "Refine") == 0 || strcmp(it->name, "RFlat") == 0;
}

/* "SQ4,Refine(F16)": walks go by short codes, and what they find is ranked by the rows, which are
 * kept as the second codec says. So they do anyway; the first tells how many bits walks read. */
static kith_status set_refine(const ki_spec *spec, const ki_spec_item *it, ki_plan *plan)
{
    const int bits = ki_param_find(&plan->nav->params, "code_bits");
    const ki_spec_item *rows = it->child >= 0 ? &spec->item[it->child] : NULL;
    const bool flat = strcmp(it->name, "RFlat") == 0;
    const double want = strcmp(plan->codec->name, "SQ4") == 0 ? 4 : 8;

    if (plan->codec->type != KI_CODED)
        return ki_spec_fail(spec, it->column, "%s follows SQ8, SQ6 or SQ4, which walks read",
                            it->name);
    for (size_t i = 0; i < plan->codec->params.count; i++)
        if (plan->codec_params[i] != plan->codec->params.row[i].preset)
            return ki_spec_fail(spec, it->column, "%s before %s takes no parameters",
                                plan->codec->name, it->name);
    if (it->has_number || it->suffix[0] || it->options > 0 ||
        (flat ? rows != NULL : !rows || rows->next >= 0))
        return ki_spec_fail(spec, it->column, "RFlat, or Refine with one codec was expected");
    if (bits >= 0 && plan->params[bits] > 0 && plan->params[bits] != want)
        return ki_spec_fail(spec, it->column, "code_bits is %g, and %s says %g", plan->params[bits],
                            plan->codec->name, want);
    if (bits >= 0) plan->params[bits] = want;
    plan->codec = flat ? ki_codec_find("F32") : NULL;
    return flat ? KITH_OK : set_codec(spec, rows, plan);
}

/* What "auto" stands for: a graph where rows are linked in bulk, that is under the metrics that
 * walk codes order rows by; else every row is looked at. */
static const char *chosen_for(kith_metric m)
{
    return m == KITH_L2 || m == KITH_IP || m == KITH_COSINE ? "Graph" : "Flat";
}

/* "Graph48" or "Graph": a name with the number that it may have. Nothing else may follow. */
static kith_status set_navigator(const ki_spec *spec, const ki_spec_item *it, kith_metric m,
                                 ki_plan *plan)
{
    char name[KI_SPEC_NAME * 3], known[160], number[32];
    const bool any = strcmp(it->name, "auto") == 0;
    const ki_navigator *nav = ki_navigator_find(any ? chosen_for(m) : it->name);
    const bool numbered = it->has_number || it->suffix[0];
    const ki_param_table *t;

    if (!nav || (numbered && (any || nav->number < 0 || it->has_number2 || it->suffix[0]))) {
        item_text(it, name, sizeof name);
        known_navigators(known, sizeof known);
        return ki_spec_fail(spec, it->column, "no navigator \"%.40s\"; known: %s, auto", name,
                            known);
    }
    plan->nav = nav;
    t = &nav->params;
    ki_assert(t->count <= KI_INDEX_PARAMS);
    ki_param_presets(t, plan->params);
    if (it->has_number) {
        snprintf(number, sizeof number, "%u", it->number);
        if (ki_param_parse(t, (size_t)nav->number, number, &plan->params[nav->number]) != KITH_OK) {
            char why[KI_SENTENCE];

            ki_sentence_get(why);
            return ki_spec_fail(spec, it->column, "%.150s", why);
        }
    }
    return set_options(spec, it, plan);
}

kith_status ki_plan_parse(const char *text, kith_metric m, ki_plan *out)
{
    kith_status st = KITH_OK;
    ki_plan plan = {.nav = NULL, .codec = NULL, .p = metric_rows[0].preset};
    bool refined = false;
    ki_spec spec;

    KI_TRY(ki_spec_parse(text, &spec));
    for (int16_t i = spec.items ? 0 : -1; i >= 0; i = spec.item[i].next) {
        const ki_spec_item *it = &spec.item[i];
        char name[KI_SPEC_NAME * 3];

        item_text(it, name, sizeof name);
        if (plan.nav && plan.codec && refines(it) && !refined) {
            KI_TRY(set_refine(&spec, it, &plan));
            refined = true;
            continue;
        }
        if (plan.nav) {
            KI_TRY(set_codec(&spec, it, &plan));
        } else if (strcmp(name, "IDMap") == 0 || strcmp(name, "IDMap2") == 0) {
            continue;
        } else {
            KI_TRY(set_navigator(&spec, it, m, &plan));
        }
        if (it->child >= 0)
            KI_TRY(ki_spec_fail(&spec, spec.item[it->child].column, "name=value was expected"));
    }
    if (!plan.nav) KI_TRY(ki_spec_fail(&spec, 1, "a navigator was expected, such as Flat"));
    if (plan.codec) KI_TRY(ki_codec_suits(plan.codec, m));
    *out = plan;
out:
    return st;
}

/* "(name=value" or ",name=value" for each parameter that is not its preset, but for the number. */
static size_t params_text(const ki_param_table *t, const double *values, int number,
                          const char **open, char *out, size_t cap)
{
    char value[KI_SPEC_VALUE];
    size_t at = 0;

    for (size_t i = 0; i < t->count && at < cap; i++) {
        if ((int)i == number) continue;
        if (values[i] == t->row[i].preset) continue; // both come from the same parser
        ki_param_text(t, i, values[i], value, sizeof value);
        at += (size_t)snprintf(out + at, cap - at, "%s%s=%s", *open, t->row[i].name, value);
        *open = ",";
    }
    return at;
}

void ki_plan_text(const ki_plan *plan, kith_metric m, char out[KI_SPEC_TEXT])
{
    const ki_param_table *t = &plan->nav->params;
    const char *open = "(", *codec_open = "(";
    char value[KI_SPEC_VALUE];
    size_t at = (size_t)snprintf(out, KI_SPEC_TEXT, "%s", plan->nav->name);

    if (plan->nav->number >= 0) {
        ki_param_text(t, (size_t)plan->nav->number, plan->params[plan->nav->number], value,
                      sizeof value);
        at += (size_t)snprintf(out + at, KI_SPEC_TEXT - at, "%s", value);
    }
    at += params_text(t, plan->params, plan->nav->number, &open, out + at, KI_SPEC_TEXT - at);
    if (m == KITH_LP) {
        ki_param_text(&ki_metric_params, 0, plan->p, value, sizeof value);
        at += (size_t)snprintf(out + at, KI_SPEC_TEXT - at, "%sp=%s", open, value);
        open = ",";
    }
    if (open[0] == ',') at += (size_t)snprintf(out + at, KI_SPEC_TEXT - at, ")");
    if (!plan->codec) return;
    at += (size_t)snprintf(out + at, KI_SPEC_TEXT - at, ",%s", plan->codec->name);
    at += params_text(&plan->codec->params, plan->codec_params, -1, &codec_open, out + at,
                      KI_SPEC_TEXT - at);
    if (codec_open[0] == ',') snprintf(out + at, KI_SPEC_TEXT - at, ")");
}
