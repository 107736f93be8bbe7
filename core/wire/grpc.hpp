#pragma once
// Unary gRPC calls as the HTTP/2 requests that they are. Source: "gRPC over HTTP2" (PROTOCOL-HTTP2.md) and
// "status codes and their use in gRPC", read 2026-11.
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/ports/http.hpp"

namespace gpubroker {

/// A message in its frame: a zero (not compressed), the length in four bytes, the message.
std::string frame_grpc(std::string_view message);
/// The message of the one frame. Fails with `internal`: cut, compressed (nobody was told that we could read
/// that), or more than one frame.
Result<std::string> unframe_grpc(std::string_view bytes);

/// POST `base` ("https://compute.api.nebius.cloud") + "/" + `method`
/// ("nebius.compute.v1.PlatformService/List").
HttpRequest encode_grpc(std::string_view base, std::string_view method, std::string_view message,
                        const Secret& token);

/// How a call ended. HTTP says 200 either way.
struct GrpcAnswer {
  int status = 0;            // 0 OK
  std::string text = {};     // grpc-message, decoded
  std::string details = {};  // grpc-status-details-bin: a google.rpc.Status, or empty
  std::string message = {};  // of status 0
};
/// Reads the frame and the trailers, which stand among the headers. Fails when it is no gRPC answer: by the
/// HTTP status, with `network` when the trailers never came, else `internal`.
Result<GrpcAnswer> parse_grpc(const HttpResponse& answer, const std::string& source, Instant now);

/// What a status other than 0 means when the details say nothing more exact: 8 is `throttled`, for instance.
Error grpc_error(const GrpcAnswer& answer, const std::string& source);

}  // namespace gpubroker
