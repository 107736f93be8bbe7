/* A sum over steps and ranks that comes out the same however often it was interrupted: `sum STEPS EVERY
   [PAUSE_MS]`. All ranks agree after every step whether to save and whether to stop; rank 0 saves. Exit code
   75 means: saved, run me again. */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GO_ON, SAVE, STOP };
static volatile sig_atomic_t asked = 0;

static void on_signal(int number) {
  (void)number;
  asked = 1;
}

static const char* setting(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value != NULL && *value != '\0' ? value : otherwise;
}

/* What gpubroker asks through the request file: "save" (and go on; we take the request back) or "stop". */
static int wish(void) {
  if (asked) { return STOP; }
  FILE* file = fopen(setting("GPUBROKER_CHECKPOINT_REQUEST", "/nonexistent"), "r");
  char word[16] = "";
  if (file == NULL) { return GO_ON; }
  if (fscanf(file, "%15s", word) != 1) { word[0] = '\0'; }
  fclose(file);
  return strcmp(word, "save") == 0 ? SAVE : STOP;
}

/* Replaces a file whole: written beside it, synced, renamed. */
static void replace(const char* path, const char* text) {
  char part[4096];
  snprintf(part, sizeof part, "%s.part", path);
  FILE* file = fopen(part, "w");
  if (file == NULL || fputs(text, file) < 0 || fflush(file) != 0 || fsync(fileno(file)) != 0 ||
      fclose(file) != 0 || rename(part, path) != 0) {
    perror(path);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
}

static void save(const char* folder, long step, long long sum, int ranks) {
  char path[4096], name[64], text[256];
  snprintf(name, sizeof name, "state-%012ld.txt", step);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  const int bytes = snprintf(text, sizeof text, "%ld %lld\n", step, sum);
  replace(path, text);
  snprintf(path, sizeof path, "%s/LATEST.json", folder);
  snprintf(text, sizeof text, "{\"file\": \"%s\", \"step\": %ld, \"bytes\": %d, \"world\": %d}", name, step,
           bytes, ranks);
  replace(path, text); /* last: from here on it counts */
}

/* The newest saved state, or step 0. */
static void load(const char* folder, long* step, long long* sum) {
  char path[4096], name[64];
  snprintf(path, sizeof path, "%s/LATEST.json", folder);
  FILE* file = fopen(path, "r");
  if (file == NULL) { return; }
  const int found = fscanf(file, "{\"file\": \"%63[^\"]\"", name);
  fclose(file);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  file = found == 1 ? fopen(path, "r") : NULL;
  if (file == NULL || fscanf(file, "%ld %lld", step, sum) != 2) {
    fprintf(stderr, "%s cannot be read\n", path);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  fclose(file);
}

int main(int argc, char** argv) {
  const long steps = argc > 1 ? atol(argv[1]) : 100;
  const long every = argc > 2 ? atol(argv[2]) : 10;
  const long pause_ms = argc > 3 ? atol(argv[3]) : 100;
  const char* folder = setting("GPUBROKER_CHECKPOINT_DIR", "ckpt");
  int rank = 0, ranks = 1;
  MPI_Init(&argc, &argv);
  signal(SIGUSR1, on_signal);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  long step = 0;
  long long sum = 0;
  if (rank == 0) {
    char command[4200];
    snprintf(command, sizeof command, "mkdir -p '%s'", folder);
    if (system(command) != 0) { MPI_Abort(MPI_COMM_WORLD, 1); }
    load(folder, &step, &sum);
  }
  MPI_Bcast(&step, 1, MPI_LONG, 0, MPI_COMM_WORLD);
  while (step < steps) {
    ++step;
    const long long mine = (long long)step * (rank + 1);
    long long all = 0;
    MPI_Reduce(&mine, &all, 1, MPI_LONG_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
    sum += all;
    const struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    const int local = wish();
    int agreed = GO_ON; /* one rank's wish is everybody's: all stop after this same step */
    MPI_Allreduce(&local, &agreed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (rank == 0) {
      printf("{\"step\": %ld, \"sum\": %lld}\n", step, sum);
      fflush(stdout);
      if (agreed != GO_ON || step % every == 0) { save(folder, step, sum, ranks); }
    }
    if (agreed == SAVE && local == SAVE) { unlink(setting("GPUBROKER_CHECKPOINT_REQUEST", "")); }
    if (agreed == STOP) {
      MPI_Barrier(MPI_COMM_WORLD); /* nobody leaves before rank 0 has saved */
      MPI_Finalize();
      return 75;
    }
  }
  if (rank == 0) {
    save(folder, step, sum, ranks);
    printf("the sum is %lld\n", sum);
  }
  MPI_Finalize();
  return 0;
}
