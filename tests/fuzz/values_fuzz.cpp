// Values as people type them: what is read is written so that it reads back the same.
#include "core/base/gpu.hpp"
#include "core/base/money.hpp"
#include "core/base/time.hpp"
#include "core/workload/task.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of one function.

GPUBROKER_FUZZ_TARGET(input) {
  if (const Result<GpuSpec> spec = parse_gpu_spec(input); spec.ok()) {
    const Result<GpuSpec> back = parse_gpu_spec(format_gpu_spec(spec.value()));
    fuzz::must(back.ok() && back.value() == spec.value(), "a GPU spec reads back");
  }
  if (const Result<Money> money = parse_money(input); money.ok()) {
    const Result<Money> back = parse_money(format_money(money.value()));
    fuzz::must(back.ok() && back.value() == money.value(), "money reads back");
    (void)add(money.value(), money.value());
    (void)cost(Rate{money.value().micros}, Millis{money.value().micros});
  }
  for (const std::string_view bare : {"", "s", "d"}) {
    const Result<Millis> length = parse_duration(input, bare);
    if (!length.ok()) { continue; }
    fuzz::must(length.value() >= Millis{0}, "no length of time is negative");
    const Result<Millis> back = parse_duration(format_duration(length.value()));
    // Only the two largest units are shown.
    fuzz::must(back.ok() && back.value() <= length.value(), "a length of time reads back, cut at most");
    fuzz::must(format_duration(back.value()) == format_duration(length.value()), "what is shown is stable");
  }
  if (const Result<Instant> at = parse_utc(input); at.ok()) {
    const Result<Instant> back = parse_utc(format_utc(at.value()));
    // An offset may carry a moment out of the years 0 to 9999, which have no form.
    const bool shown =
        at.value() >= Instant{-62'167'219'200'000} && at.value() < Instant{253'402'300'800'000};
    fuzz::must(!shown || (back.ok() && back.value() == at.value()), "a moment reads back");
  }
  for (const char* field : {"name", "gpus", "infra", "cpus", "memory", "region", "max_price", "deadline",
                            "budget", "num_nodes", "env", "workdir", "use_spot"}) {
    Task task;
    const Status set = set_field(task, field, std::string(input));
    fuzz::must(set.ok() || set.error().kind == ErrorKind::invalid, "a bad override is the user's mistake");
  }
}
