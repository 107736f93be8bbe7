// A row of the journal: the first line of the input is its kind, the rest its body.
#include "core/broker/record.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of one function.

GPUBROKER_FUZZ_TARGET(input) {
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) { return; }
  JournalRow row;
  row.seq = 7;
  row.at = {1'795'521'600'000};
  row.workload = {"w"};
  row.kind = std::string(input.substr(0, line));
  row.body = std::string(input.substr(line + 1));
  const Result<Record> record = decode_record(row);
  if (!record.ok()) {
    fuzz::must(record.error().source.find('7') != std::string::npos, "a refusal names the row");
    return;
  }
  const JournalRow written = encode_record(record.value());
  const Result<Record> back = decode_record(written);
  fuzz::must(back.ok(), "a record reads back");
  fuzz::must(encode_record(back.value()) == written, "a record reads back the same");
  WorkloadState state;
  apply(state, record.value(), row.seq);  // total: whatever it says
  apply(state, record.value(), row.seq + 1);
}
