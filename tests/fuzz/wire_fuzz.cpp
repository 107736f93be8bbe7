// What broker and agent leave each other on a node.
#include "core/wire/agent_wire.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

/// What is read is written so that it reads back the same; what is refused is told as the wire says.
template <class Parse, class Encode>
static void check(std::string_view text, Parse parse, Encode encode) {
  const auto parsed = parse(text);
  if (!parsed.ok()) {
    const ErrorKind kind = parsed.error().kind;
    fuzz::must(kind == ErrorKind::internal || kind == ErrorKind::invalid, "a refusal is of a known kind");
    return;
  }
  const auto back = parse(encode(parsed.value()));
  fuzz::must(back.ok() && back.value() == parsed.value(), "a message reads back");
}

GPUBROKER_FUZZ_TARGET(input) {
  check(input, parse_agent_spec, encode_agent_spec);
  check(input, parse_agent_report, encode_agent_report);
  check(input, parse_agent_request, encode_agent_request);
  const Result<Instant> until = parse_notice(input);
  // format_utc has no form for years before 0 and after 9999, which an offset can reach.
  if (until.ok() && until.value() >= Instant{-62'167'219'200'000} &&
      until.value() < Instant{253'402'300'800'000}) {
    const Result<Instant> back = parse_notice(encode_notice(until.value()));
    fuzz::must(back.ok() && back.value() == until.value(), "a notice reads back");
  }
}
