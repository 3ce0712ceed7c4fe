/* What libFuzzer does without libFuzzer: gives each file of the arguments (files, or folders of
 * files) to the target, so that every compiler and every test run replays the committed inputs. */
#define _DEFAULT_SOURCE 1 /* scandir */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    uint8_t *bytes;
    size_t len;

    if (file == NULL || stat(path, &about) != 0) {
        perror(path);
        return -1;
    }
    len = (size_t)about.st_size;
    bytes = malloc(len > 0 ? len : 1);
    if (bytes == NULL || fread(bytes, 1, len, file) != len) {
        perror(path);
        return -1;
    }
    (void)fclose(file);
    (void)fprintf(stderr, "%s\n", path); // the last one said is the one that crashed
    (void)LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
    return 1;
}

/* How many inputs were replayed, -1 when one could not be read. */
static int replay(const char *path)
{
    struct dirent **entry;
    char inner[1024];
    int n, done = 0;
    struct stat about;

    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) return replay_file(path);
    n = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name;

        if (name[0] != '.' && done >= 0) {
            const int len = snprintf(inner, sizeof inner, "%s/%s", path, name);
            const int more = len < (int)sizeof inner ? replay_file(inner) : -1;

            done = more < 0 ? -1 : done + more;
        }
        free(entry[i]);
    }
    if (n >= 0) free(entry);
    return n < 0 ? -1 : done;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        const int done = replay(argv[i]);

        if (done < 0) return 1;
        total += done;
    }
    (void)printf("%d inputs replayed\n", total);
    return total == 0; // a corpus that is not there proves nothing
}
