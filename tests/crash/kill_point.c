// Loaded into the real gpubroker by LD_PRELOAD: counts the moments at which the program changes its journal
// or calls its provider, and ends the process with SIGKILL at a chosen one. The product knows nothing of it.
//
// A point is named COMMAND/KIND/N: the N-th of its kind in all processes that run this command of one home.
// From the environment:
//   KILL_POINT_HOME    the home: only files below it count
//   KILL_POINT_FILES   a folder with `tally` (the counters, shared by all processes) and `trace` (a line a
//   point) KILL_POINT_AT      the point's name; empty: only count KILL_POINT_SIDE    before, after: on which
//   side of the call the process dies
// Nodes and agents never count: they are other machines.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum Kind { journal_write, journal_sync, journal_unlink, call, books, start, node_file, secret, end, kinds };
static const char* const kKinds[kinds] = {"journal-write", "journal-sync", "journal-unlink", "call", "books",
                                          "start",         "node-file",    "secret",         "end"};

enum { commands = 5 };
static const char* const kCommands[commands] = {"launch", "supervise", "migrate", "down", "other"};

struct Tally {
  atomic_uint reached[commands][kinds];
};

static struct {
  bool counts;
  pid_t pid;
  int command;
  const char* home;
  size_t home_length;
  const char* at;
  bool dies_after;
  int trace;
  struct Tally* tally;
} self;

/// The program's second word, when this is a broker's process; null otherwise.
static const char* find_command(char* line, size_t size) {
  char exe[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (length <= 0) { return NULL; }
  exe[length] = '\0';
  const char* const slash = strrchr(exe, '/');
  if (slash == NULL || strcmp(slash + 1, "gpubroker") != 0) { return NULL; }
  const int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  if (file < 0) { return NULL; }
  const ssize_t got = read(file, line, size - 1);
  close(file);
  if (got <= 0) { return NULL; }
  line[got] = '\0';
  const size_t first = strlen(line);
  if ((ssize_t)first + 1 >= got) { return NULL; }
  const char* const word = line + first + 1;
  return strcmp(word, "local-machine") == 0 || strcmp(word, "agent") == 0 ? NULL : word;
}

static int open_in(const char* folder, const char* name, int flags) {
  char path[PATH_MAX];
  const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
  return length > 0 && length < (int)sizeof path ? open(path, flags | O_CLOEXEC | O_CREAT, 0600) : -1;
}

__attribute__((constructor)) static void begin(void) {
  char line[4096];
  const char* const word = find_command(line, sizeof line);
  const char* const files = getenv("KILL_POINT_FILES");
  self.home = getenv("KILL_POINT_HOME");
  if (word == NULL || files == NULL || self.home == NULL) { return; }
  self.home_length = strlen(self.home);
  self.at = getenv("KILL_POINT_AT");
  const char* const side = getenv("KILL_POINT_SIDE");
  self.dies_after = side != NULL && strcmp(side, "after") == 0;
  self.command = commands - 1;
  for (int i = 0; i < commands; ++i) {
    if (strcmp(word, kCommands[i]) == 0) { self.command = i; }
  }
  self.trace = open_in(files, "trace", O_WRONLY | O_APPEND);
  const int tally = open_in(files, "tally", O_RDWR);
  if (self.trace < 0 || tally < 0 || ftruncate(tally, sizeof(struct Tally)) != 0) { abort(); }
  void* const shared = mmap(NULL, sizeof(struct Tally), PROT_READ | PROT_WRITE, MAP_SHARED, tally, 0);
  if (shared == MAP_FAILED) { abort(); }
  self.tally = shared;
  close(tally);
  self.pid = getpid();
  self.counts = true;
}

static void die(void) {
  raise(SIGKILL);
  _exit(99);
}

/// Counts a point. True when the process must die once the call is done.
static bool reach(enum Kind kind, const char* path) {
  const unsigned number = atomic_fetch_add(&self.tally->reached[self.command][kind], 1) + 1;
  char name[64];
  (void)snprintf(name, sizeof name, "%s/%s/%u", kCommands[self.command], kKinds[kind], number);
  const bool chosen = self.at != NULL && strcmp(name, self.at) == 0;
  char line[PATH_MAX + 128];
  const int length =
      snprintf(line, sizeof line, "%s %d %s%s\n", name, (int)getpid(), path, chosen ? " KILLED" : "");
  if (length > 0 && write(self.trace, line, (size_t)length) < 0) { abort(); }
  if (chosen && !self.dies_after) { die(); }
  return chosen;
}

/// The part of a path below the home, or null.
static const char* below_home(const char* path) {
  const bool inside = self.counts && strncmp(path, self.home, self.home_length) == 0;
  return inside && path[self.home_length] == '/' ? path + self.home_length + 1 : NULL;
}

static const char* name_of(int fd, char* buffer) {
  if (!self.counts) { return NULL; }
  char link[64];
  (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, buffer, PATH_MAX - 1);
  if (length <= 0) { return NULL; }
  buffer[length] = '\0';
  return below_home(buffer);
}

/// The database, its rollback journal and its write-ahead log; not `journal.db-shm`, which is made anew from
/// it.
static bool is_journal(const char* name) {
  return name != NULL && strncmp(name, "journal.db", strlen("journal.db")) == 0 &&
         strstr(name, "-shm") == NULL;
}

static bool starts_with(const char* text, const char* start_text) {
  return strncmp(text, start_text, strlen(start_text)) == 0;
}

// ISO C has no cast from an object's pointer to a function's; POSIX's own way is through memory.
#define REAL(result, name, ...)                 \
  static result (*real)(__VA_ARGS__);           \
  if (real == NULL) {                           \
    void* const found = dlsym(RTLD_NEXT, name); \
    if (found == NULL) { abort(); }             \
    memcpy(&real, &found, sizeof found);        \
  }

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  REAL(ssize_t, "pwrite64", int, const void*, size_t, off64_t)
  char buffer[PATH_MAX];
  const char* const name = name_of(fd, buffer);
  const bool dies = is_journal(name) && reach(journal_write, name);
  const ssize_t put = real(fd, bytes, size, offset);
  if (dies) { die(); }
  return put;
}

int fdatasync(int fd) {
  REAL(int, "fdatasync", int)
  char buffer[PATH_MAX];
  const char* const name = name_of(fd, buffer);
  const bool dies = is_journal(name) && reach(journal_sync, name);
  const int done = real(fd);
  if (dies) { die(); }
  return done;
}

int unlink(const char* path) {
  REAL(int, "unlink", const char*)
  const char* const name = below_home(path);
  const bool dies = is_journal(name) && reach(journal_unlink, name);
  const int done = real(path);
  if (dies) { die(); }
  return done;
}

/// The provider takes this lock at the beginning of each call; a try that fails is none.
int flock(int fd, int operation) {
  REAL(int, "flock", int, int)
  const int done = real(fd, operation);
  char buffer[PATH_MAX];
  const char* const name = done == 0 ? name_of(fd, buffer) : NULL;
  if (name != NULL && strcmp(name, "local/cloud.lock") == 0 && reach(call, name)) { die(); }
  return done;
}

int rename(const char* from, const char* to) {
  REAL(int, "rename", const char*, const char*)
  const char* const name = below_home(to);
  bool dies = false;
  if (name != NULL && strcmp(name, "local/cloud.json") == 0) {
    dies = reach(books, name);
  } else if (name != NULL && starts_with(name, "local/nodes/")) {
    dies = reach(node_file, name);
  } else if (name != NULL && starts_with(name, "secrets/")) {
    dies = reach(secret, name);
  }
  const int done = real(from, to);
  if (dies) { die(); }
  return done;
}

/// Machines, agents, supervisors: only the process that starts them counts and dies, not the one between that
/// lets them go.
pid_t fork(void) {
  REAL(pid_t, "fork", void)
  const bool dies = self.counts && getpid() == self.pid && reach(start, "fork");
  const pid_t pid = real();
  if (dies && getpid() == self.pid) { die(); }
  return pid;
}

int kill(pid_t pid, int number) {
  REAL(int, "kill", pid_t, int)
  const bool ends_other = self.counts && number == SIGKILL && pid != getpid();
  const bool dies = ends_other && reach(end, "kill");
  const int done = real(pid, number);
  if (dies) { die(); }
  return done;
}
