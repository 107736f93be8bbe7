// A task file: what is read comes back from the journal; what is refused says where.
#include "core/workload/task.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of one function.

GPUBROKER_FUZZ_TARGET(input) {
  const Result<TaskFile> parsed = parse_task(input, "t.yaml", "/base", {.home = "/home/me"});
  if (!parsed.ok()) {
    fuzz::must(parsed.error().kind == ErrorKind::invalid, "a bad file is the user's mistake");
    fuzz::must(parsed.error().source.rfind("t.yaml", 0) == 0, "a mistake has a place");
    fuzz::must(!parsed.error().message.empty(), "a mistake has a message");
    return;
  }
  const Task& task = parsed.value().task;
  fuzz::must(!task.run.empty() && !task.name.empty() && !task.needs.empty(), "a task is complete");
  fuzz::must(task.workdir.empty() || task.workdir.front() == '/', "the workdir is absolute");
  const Result<Task> back = decode_task(encode_task(task));
  fuzz::must(back.ok() && back.value() == task, "a task comes back from the journal as it was");
}
