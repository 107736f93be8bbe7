// Protobuf, gRPC's frame and flat YAML on any bytes.
#include "core/wire/flat_yaml.hpp"
#include "core/wire/grpc.hpp"
#include "core/wire/protobuf.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

/// Every way into a message, some levels deep.
static void walk(const ProtoMessage& message, int depth) {
  for (int field = 1; field <= 10; ++field) {
    static_cast<void>(message.number(field));
    ProtoWriter text;
    text.text(1, message.text(field));
    const Result<ProtoMessage> back = ProtoMessage::parse(text.bytes());
    fuzz::must(back.ok() && back.value().text(1) == message.text(field), "a text reads back");
    const Result<std::vector<ProtoMessage>> below = message.messages(field);
    if (!below.ok() || depth == 0) { continue; }
    for (const ProtoMessage& each : below.value()) { walk(each, depth - 1); }
  }
}

GPUBROKER_FUZZ_TARGET(input) {
  const Result<ProtoMessage> message = ProtoMessage::parse(input);
  if (message.ok()) { walk(message.value(), 3); }
  const Result<std::string> framed = unframe_grpc(frame_grpc(input));
  fuzz::must(framed.ok() && framed.value() == input, "a frame reads back");
  static_cast<void>(unframe_grpc(input));
  HttpResponse answer{.status = 200,
                      .headers = {{"content-type", "application/grpc"},
                                  {"grpc-status", std::string(input.substr(0, 2))},
                                  {"grpc-message", std::string(input)},
                                  {"grpc-status-details-bin", std::string(input)}},
                      .body = std::string(input)};
  if (const Result<GrpcAnswer> read = parse_grpc(answer, "x", Instant{0}); read.ok()) {
    static_cast<void>(grpc_error(read.value(), "x"));
  }
  if (input.size() < 4096) { static_cast<void>(read_flat_yaml(input)); }
}
