/* The helpers of the section interface, over a container that is nothing but a table in memory. */
#include "base/blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef struct memory_blob {
    ki_blob_writer writer;
    ki_blob_reader reader;
    char log[64]; /* b, p, e: the calls as they came */
    char fail;    /* the call that fails */
    uint32_t type, part;
    uint64_t len;
    bool rows;
    uint8_t bytes[16];
    size_t put;
} memory_blob;

static kith_status called(memory_blob *m, char what)
{
    const size_t n = strlen(m->log);

    m->log[n] = what;
    return m->fail == what ? ki_fail(KITH_IO, "no %c", what) : KITH_OK;
}

static kith_status begin(ki_blob_writer *w, uint32_t type, uint32_t part, uint64_t len, bool rows)
{
    memory_blob *m = (memory_blob *)w;

    m->type = type;
    m->part = part;
    m->len = len;
    m->rows = rows;
    return called(m, 'b');
}

static kith_status put(ki_blob_writer *w, const void *bytes, size_t len)
{
    memory_blob *m = (memory_blob *)w;

    assert_true(len > 0 && m->put + len <= sizeof m->bytes);
    memcpy(m->bytes + m->put, bytes, len);
    m->put += len;
    return called(m, 'p');
}

static kith_status end(ki_blob_writer *w)
{
    return called((memory_blob *)w, 'e');
}

static memory_blob *held; // what find looks at

static kith_status find(const ki_blob_reader *r, uint32_t type, uint32_t part, ki_span *out)
{
    assert_ptr_equal(r, &held->reader);
    if (held->fail == 'f') return ki_fail(KITH_CORRUPT, "the table is damaged");
    out->ptr = type == held->type && part == held->part ? held->bytes : NULL;
    out->len = out->ptr != NULL ? held->put : 0;
    return KITH_OK;
}

static memory_blob fresh(char fail)
{
    const memory_blob m = {.writer = {begin, put, end}, .reader = {find}, .fail = fail};

    return m;
}

static void names_are_four_letters(void **state)
{
    char name[5];

    (void)state;
    assert_int_equal(KI_FOUR('C', 'O', 'D', 'E'), 0x45444f43);
    assert_string_equal(ki_blob_name(KI_FOUR('C', 'O', 'D', 'E'), name), "CODE");
    assert_ptr_equal(ki_blob_name(0, name), name);
    assert_string_equal(name, "????");
    assert_string_equal(ki_blob_name(0x7fffff41, name), "A???");
    assert_string_equal(ki_blob_name(KI_FOUR('a', ' ', '~', '\n'), name), "a?~?");
    assert_string_equal(ki_blob_name(KI_FOUR('I', 'D', 'S', ' '), name), "IDS");
}

static void a_whole_section_is_put(void **state)
{
    memory_blob m = fresh(0);

    (void)state;
    assert_int_equal(ki_blob_put_whole(&m.writer, 77, 3, "abc", 3, true), KITH_OK);
    assert_string_equal(m.log, "bpe");
    assert_int_equal(m.type, 77);
    assert_int_equal(m.part, 3);
    assert_int_equal(m.len, 3);
    assert_true(m.rows);
    assert_memory_equal(m.bytes, "abc", 3);

    m = fresh(0);
    assert_int_equal(ki_blob_put_whole(&m.writer, 77, 0, NULL, 0, false), KITH_OK);
    assert_string_equal(m.log, "be");
    assert_false(m.rows);
}

static void a_failed_call_ends_it(void **state)
{
    static const char *const logs[] = {"b", "bp", "bpe"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        memory_blob m = fresh("bpe"[i]);

        assert_int_equal(ki_blob_put_whole(&m.writer, 77, 0, "abc", 3, false), KITH_IO);
        assert_string_equal(m.log, logs[i]);
        assert_int_equal(kith_last_error()[3], "bpe"[i]);
    }
}

static void what_is_needed_must_be_there(void **state)
{
    memory_blob m = fresh(0);
    ki_span span = {NULL, 0};

    (void)state;
    held = &m;
    assert_int_equal(ki_blob_put_whole(&m.writer, KI_FOUR('C', 'O', 'D', 'E'), 2, "abc", 3, false),
                     KITH_OK);
    assert_int_equal(ki_blob_need(&m.reader, KI_FOUR('C', 'O', 'D', 'E'), 2, &span), KITH_OK);
    assert_int_equal(span.len, 3);
    assert_memory_equal(span.ptr, "abc", 3);
    assert_int_equal(ki_blob_need(&m.reader, KI_FOUR('C', 'O', 'D', 'E'), 1, &span), KITH_CORRUPT);
    assert_string_equal(kith_last_error(), "section CODE, part 1 is missing");
    m.fail = 'f';
    assert_int_equal(ki_blob_need(&m.reader, KI_FOUR('C', 'O', 'D', 'E'), 2, &span), KITH_CORRUPT);
    assert_string_equal(kith_last_error(), "the table is damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_four_letters),
        cmocka_unit_test(a_whole_section_is_put),
        cmocka_unit_test(a_failed_call_ends_it),
        cmocka_unit_test(what_is_needed_must_be_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
