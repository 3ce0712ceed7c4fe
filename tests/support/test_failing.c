/* The failing host fails when told, and sees leaks and misuse. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */

#include "support/failing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void the_nth_allocation_fails(void **state)
{
    failing_host f;

    (void)state;
    for (int on = 0; on < 2; on++) {
        failing_init(&f);
        failing_alloc_at(&f, 3, on != 0);
        for (int i = 1; i <= 5; i++) {
            void *p = f.host.alloc(f.host.ctx, 100, 64);

            assert_int_equal(p == NULL, i == 3 || (on != 0 && i > 3));
            assert_int_equal(failing_happened(&f), i >= 3);
            if (p == NULL) continue;
            assert_int_equal((uintptr_t)p % 64, 0);
            memset(p, 1, 100);
            f.host.release(f.host.ctx, p, 100, 64);
        }
        assert_null(failing_complaint(&f));
    }
}

static void leaks_and_misuse_are_seen(void **state)
{
    failing_host f;
    char *p;

    (void)state;
    failing_init(&f);
    p = f.host.alloc(f.host.ctx, 100, 16);
    assert_non_null(p);
    assert_string_equal(failing_complaint(&f),
                        "1 blocks of 100 bytes, 0 open files, 0 maps are left");
    f.host.release(f.host.ctx, p, 100, 16);
    assert_null(failing_complaint(&f));

    p = f.host.alloc(f.host.ctx, 100, 16);
    f.host.release(f.host.ctx, p, 99, 16);
    assert_string_equal(failing_complaint(&f), "released with another length");

    failing_init(&f);
    p = f.host.alloc(f.host.ctx, 100, 1 << 21);
    assert_int_equal((uintptr_t)p % (1 << 21), 0);
    f.host.release(f.host.ctx, p, 100, 64);
    assert_string_equal(failing_complaint(&f), "released with another alignment");

    failing_init(&f);
    p = f.host.alloc(f.host.ctx, 100, 64);
    p[100] = 1; // in the tail, where it is noticed
    f.host.release(f.host.ctx, p, 100, 64);
    assert_string_equal(failing_complaint(&f), "the bytes after a block were overwritten");

    failing_init(&f);
    assert_null(f.host.alloc(f.host.ctx, 100, 48));
    assert_string_equal(failing_complaint(&f), "alignment is not a power of two");
    failing_init(&f);
    f.host.release(f.host.ctx, NULL, 0, 64);
    assert_string_equal(failing_complaint(&f), "release of NULL");
}

/* All operations on two files in turn; the errno value of the one that failed, or 0. Whatever
 * fails, what is open is closed. */
static int use_files(const kith_files *l, const char *path, const char *other)
{
    const void *map = NULL;
    void *file = NULL;
    uint64_t len = 0;
    char buf[8];
    int err = l->open(l->ctx, path, KITH_FILE_CREATE, &file), close_err;

    if (err != 0) return err;
    err = l->write(l->ctx, file, 0, "12345678", 8);
    if (err == 0) err = l->read(l->ctx, file, 0, buf, 8);
    if (err == 0) err = l->length(l->ctx, file, &len);
    if (err == 0) err = l->sync(l->ctx, file);
    if (err == 0) err = l->map(l->ctx, file, 8, &map);
    if (map != NULL) {
        const int unmap_err = l->unmap(l->ctx, map, 8);

        if (err == 0) err = unmap_err;
    }
    close_err = l->close(l->ctx, file);
    if (err == 0) err = close_err;
    if (err == 0) err = l->rename(l->ctx, path, other);
    if (err == 0) err = l->sync_folder(l->ctx, other);
    if (err == 0) err = l->remove(l->ctx, other);
    return err;
}

static void the_nth_file_operation_fails(void **state)
{
    char folder[] = "/tmp/kith-failing-XXXXXX", path[64], other[64];
    const int kinds[] = {ENOSPC, EIO};
    failing_host f;
    size_t n = 0;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a", folder);
    (void)snprintf(other, sizeof other, "%s/b", folder);
    for (bool done = false; !done;) {
        n++;
        failing_init(&f);
        failing_files_at(&f, FAILING_ANY, n, n % 2 == 0, kinds[n % 2]);
        const int err = use_files(&f.files, path, other);
        done = !failing_happened(&f);
        assert_int_equal(err, done ? 0 : kinds[n % 2]);
        assert_null(failing_complaint(&f)); // nothing is left open
        (void)unlink(path);
        (void)unlink(other);
    }
    assert_int_equal(n, FAILING_OPS); // each kind once, and the round without failure
    for (int op = FAILING_OPEN; op < FAILING_OPS; op++) {
        failing_init(&f);
        failing_files_at(&f, (failing_op)op, 1, false, EIO);
        assert_int_equal(use_files(&f.files, path, other), EIO);
        assert_int_equal(f.ops[op], 1);
        (void)unlink(path);
        (void)unlink(other);
        failing_init(&f);
        failing_files_at(&f, (failing_op)op, 2, false, EIO);
        assert_int_equal(use_files(&f.files, path, other), 0);
        assert_false(failing_happened(&f));
    }
    assert_int_equal(rmdir(folder), 0);
}

static void a_disk_gets_full(void **state)
{
    char folder[] = "/tmp/kith-failing-XXXXXX", path[64];
    failing_host f;
    uint64_t len = 0;
    void *file = NULL;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a", folder);
    failing_init(&f);
    failing_disk(&f, 10);
    assert_int_equal(f.files.open(f.files.ctx, path, KITH_FILE_CREATE, &file), 0);
    assert_int_equal(f.files.write(f.files.ctx, file, 0, "12345678", 8), 0);
    assert_int_equal(f.files.write(f.files.ctx, file, 0, "87654321", 8), 0); // grows nothing
    assert_false(failing_happened(&f));
    assert_int_equal(f.files.write(f.files.ctx, file, 8, "12345678", 8), ENOSPC);
    assert_true(failing_happened(&f));
    assert_int_equal(f.files.length(f.files.ctx, file, &len), 0);
    assert_int_equal(len, 10); // what fits is written
    assert_int_equal(f.files.write(f.files.ctx, file, 10, "1", 1), ENOSPC);
    assert_string_equal(failing_complaint(&f),
                        "0 blocks of 0 bytes, 1 open files, 0 maps are left");
    assert_int_equal(f.files.close(f.files.ctx, file), 0);
    assert_null(failing_complaint(&f));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_allocation_fails),
        cmocka_unit_test(leaks_and_misuse_are_seen),
        cmocka_unit_test(the_nth_file_operation_fails),
        cmocka_unit_test(a_disk_gets_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
