#include "core/wire/grpc.hpp"

#include <array>

#include "core/base/text.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/url.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kHead = 5;  // compressed or not, and the length

struct StatusRow {
  std::string_view name;
  ErrorKind kind;
};
constexpr std::array kStatus = {
    StatusRow{"OK", ErrorKind::internal},  // never an error
    StatusRow{"CANCELLED", ErrorKind::network},
    StatusRow{"UNKNOWN", ErrorKind::internal},
    StatusRow{"INVALID_ARGUMENT", ErrorKind::invalid},
    StatusRow{"DEADLINE_EXCEEDED", ErrorKind::network},
    StatusRow{"NOT_FOUND", ErrorKind::not_found},
    StatusRow{"ALREADY_EXISTS", ErrorKind::conflict},
    StatusRow{"PERMISSION_DENIED", ErrorKind::auth},
    StatusRow{"RESOURCE_EXHAUSTED", ErrorKind::throttled},
    StatusRow{"FAILED_PRECONDITION", ErrorKind::conflict},
    StatusRow{"ABORTED", ErrorKind::conflict},
    StatusRow{"OUT_OF_RANGE", ErrorKind::invalid},
    StatusRow{"UNIMPLEMENTED", ErrorKind::internal},
    StatusRow{"INTERNAL", ErrorKind::internal},
    StatusRow{"UNAVAILABLE", ErrorKind::network},
    StatusRow{"DATA_LOSS", ErrorKind::internal},
    StatusRow{"UNAUTHENTICATED", ErrorKind::auth},
};

Error refuse(const std::string& why) {
  return {.kind = ErrorKind::internal, .message = "cannot read the answer: " + why};
}

std::uint32_t length_of(std::string_view head) {
  std::uint32_t length = 0;
  for (std::size_t i = 1; i < kHead; ++i) { length = length << 8U | static_cast<unsigned char>(head[i]); }
  return length;
}

/// Of binary metadata: base64, with its padding or without.
std::string from_binary_header(std::string text) {
  while (text.size() % 4 != 0) { text += '='; }
  const Result<std::string> bytes = from_base64(text);
  return bytes.ok() ? bytes.value() : std::string();
}

}  // namespace

std::string frame_grpc(std::string_view message) {
  std::string frame(1, '\0');
  for (unsigned shift = 32; shift > 0; shift -= 8) {
    frame += static_cast<char>((message.size() >> (shift - 8)) & 0xFFU);
  }
  frame += message;
  return frame;
}

Result<std::string> unframe_grpc(std::string_view bytes) {
  if (bytes.size() < kHead) { return refuse("it is cut"); }
  if (bytes.front() != '\0') { return refuse("its message is compressed"); }
  if (bytes.size() - kHead != length_of(bytes)) {
    return refuse("a frame of " + std::to_string(length_of(bytes)) + " bytes in " +
                  std::to_string(bytes.size() - kHead));
  }
  return std::string(bytes.substr(kHead));
}

HttpRequest encode_grpc(std::string_view base, std::string_view method, std::string_view message,
                        const Secret& token) {
  HttpRequest request;
  request.method = "POST";
  request.url = std::string(base);
  request.url += "/";
  request.url += method;
  std::string bearer = "Bearer ";
  bearer += token.reveal();
  // Proxies that drop trailers are known by this one: without it some servers answer nothing.
  request.headers = {
      {"content-type", "application/grpc+proto"}, {"te", "trailers"}, {"authorization", bearer}};
  request.body = frame_grpc(message);
  return request;
}

Result<GrpcAnswer> parse_grpc(const HttpResponse& answer, const std::string& source, Instant now) {
  if (answer.status != 200) { return error_from_answer(answer, source, now); }
  if (find_header(answer.headers, "content-type").rfind("application/grpc", 0) != 0) {
    Error error = refuse("it is not gRPC");
    error.source = source;
    return error;
  }
  const std::string status = find_header(answer.headers, "grpc-status");
  if (status.empty()) {
    return Error{.kind = ErrorKind::network,
                 .message = "the answer ended before its trailers",
                 .source = source,
                 .maybe_applied = true};
  }
  GrpcAnswer read;
  // What is no number is UNKNOWN, as gRPC itself has it.
  read.status = static_cast<int>(parse_int(status).value_or(2));
  read.text = url_decode(find_header(answer.headers, "grpc-message"));
  read.details = from_binary_header(find_header(answer.headers, "grpc-status-details-bin"));
  if (read.status != 0) { return read; }
  Result<std::string> message = unframe_grpc(answer.body);
  if (!message.ok()) {
    Error error = message.error();
    error.source = source;
    return error;
  }
  read.message = std::move(message).value();
  return read;
}

Error grpc_error(const GrpcAnswer& answer, const std::string& source) {
  const bool is_known = answer.status > 0 && static_cast<std::size_t>(answer.status) < kStatus.size();
  const StatusRow& row = kStatus.at(is_known ? static_cast<std::size_t>(answer.status) : 2);
  std::string text(row.name);
  if (!answer.text.empty()) { text += ": " + answer.text.substr(0, 400); }
  return {.kind = row.kind,
          .message = text,
          .source = source,
          .code = std::string(row.name),
          .scope = row.kind == ErrorKind::auth ? ErrorScope::account : ErrorScope::request};
}

}  // namespace gpubroker
