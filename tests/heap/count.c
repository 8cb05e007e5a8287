/* Counts what is allocated in a process, AWS-LC's memory included, which a Rust allocator does not see. Preloaded by
 * tests/heap.rs. Two numbers of 64 bits lie in the file that PITH_HEAP_COUNTER names: the bytes allocated now (as malloc rounded
 * them) and the allocations made so far. A program reads them as a file, so it needs no foreign call. glibc only. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

struct counter {
    _Atomic int64_t bytes;
    _Atomic int64_t allocations;
};

static struct counter early;
static struct counter *counter = &early;

__attribute__((constructor)) static void open_counter(void) {
    const char *path = getenv("PITH_HEAP_COUNTER");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, sizeof *counter) != 0) _exit(125);
    struct counter *shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) _exit(125);
    close(fd);
    shared->bytes = early.bytes;
    shared->allocations = early.allocations;
    counter = shared;
}

static void *counted(void *block) {
    if (block) {
        counter->bytes += (int64_t)malloc_usable_size(block);
        counter->allocations += 1;
    }
    return block;
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }

void *calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }

void *realloc(void *block, size_t size) {
    int64_t before = block ? (int64_t)malloc_usable_size(block) : 0;
    void *moved = __libc_realloc(block, size);
    if (moved || size == 0) counter->bytes -= before;
    return counted(moved);
}

void free(void *block) {
    if (block) counter->bytes -= (int64_t)malloc_usable_size(block);
    __libc_free(block);
}

void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = memalign(alignment, size);
    return *block || size == 0 ? 0 : ENOMEM;
}
