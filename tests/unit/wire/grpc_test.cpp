// Protobuf and gRPC against the vectors of a real cloud's calls, and against what is cut or no message at
// all.
#include "core/wire/grpc.hpp"

#include <doctest/doctest.h>

#include "core/wire/digest.hpp"
#include "core/wire/protobuf.hpp"

namespace gpubroker {
namespace {

const Instant kNow{1'795'521'600'000};

HttpResponse grpc_answer(Headers headers, std::string body = "") {
  headers.emplace_back("content-type", "application/grpc+proto");
  return {.status = 200, .headers = std::move(headers), .body = std::move(body)};
}

// Source of both vectors: shared API notes on Nebius, read 2026-11.
TEST_CASE("protobuf: a small request is the vector") {
  ProtoWriter list;
  list.text(1, "tenant-e00abc").number(2, 100);
  CHECK(to_hex(frame_grpc(list.bytes())) == "00000000110a0d74656e616e742d6530306162631064");
}

TEST_CASE("protobuf: a large request with maps and empty messages is the vector") {
  const auto text2 = [](std::string_view a, std::string_view b) {
    ProtoWriter pair;
    pair.text(1, a).text(2, b);
    return pair;
  };
  ProtoWriter metadata;
  metadata.text(2, "project-e00y").text(3, "n0").message(7, text2("gpubroker-key", "k1"));
  ProtoWriter interface;
  interface.text(1, "vpcsubnet-e00x").text(2, "eth0").message(3, {}).message(4, {});
  ProtoWriter family;
  family.text(1, "ubuntu24.04-cuda13.0");
  ProtoWriter disk_spec;
  disk_spec.number(4, 200).number(6, 1).message(10, family);
  ProtoWriter disk;
  disk.text(1, "boot").message(4, disk_spec);
  ProtoWriter boot;
  boot.number(1, 2).message(4, disk);
  ProtoWriter preemptible;
  preemptible.number(1, 1);
  ProtoWriter spec;
  spec.message(2, text2("gpu-h100-sxm", "8gpu-128vcpu-1600gb"))
      .message(4, interface)
      .message(5, boot)
      .text(8, "#cloud-config\n")
      .number(15, 1)
      .message(19, preemptible);
  ProtoWriter create;
  create.message(1, metadata).message(2, spec);
  CHECK(to_hex(frame_grpc(create.bytes())) ==
        "00000000af0a27120c70726f6a6563742d653030791a026e303a130a0d67707562726f6b65722d6b657912026b3112830112"
        "230a0c"
        "6770752d683130302d73786d1213386770752d313238766370752d313630306762221a0a0e7670637375626e65742d653030"
        "781204"
        "657468301a0022002a29080222250a04626f6f74221d20c801300152160a147562756e747532342e30342d6375646131332e"
        "30420e"
        "23636c6f75642d636f6e6669670a78019a01020801");
}

TEST_CASE("protobuf: what was written is read back") {
  ProtoWriter inner;
  inner.text(1, "h\u00e9");
  ProtoWriter outer;
  outer.number(1, 300)
      .number(2, static_cast<std::uint64_t>(-1))
      .message(3, inner)
      .message(3, {})
      .text(4, "x");
  const Result<ProtoMessage> read = ProtoMessage::parse(outer.bytes());
  REQUIRE(read.ok());
  CHECK(read.value().number(1) == 300);
  CHECK(read.value().integer(2) == -1);
  CHECK(read.value().text(4) == "x");
  CHECK(read.value().has(4));
  CHECK_FALSE(read.value().has(5));
  CHECK(read.value().text(1).empty());  // a number asked as a text is absent
  const Result<std::vector<ProtoMessage>> inners = read.value().messages(3);
  REQUIRE(inners.ok());
  REQUIRE(inners.value().size() == 2);
  CHECK(inners.value()[0].text(1) == "h\u00e9");
  CHECK(inners.value()[1].text(1).empty());
}

TEST_CASE("protobuf: fixed numbers are read, unknown fields are passed over") {
  using namespace std::string_view_literals;
  const Result<ProtoMessage> read =
      ProtoMessage::parse("\x0d\x01\x00\x00\x00\x11\x02\x00\x00\x00\x00\x00\x00\x01\x18\x07"sv);
  REQUIRE(read.ok());
  CHECK(read.value().number(1) == 1);
  CHECK(read.value().number(2) == 0x0100000000000002);
  CHECK(read.value().number(3) == 7);
}

TEST_CASE("protobuf: every cut is refused or is a shorter message, never more") {
  ProtoWriter message;
  message.text(1, "tenant-e00abc").number(2, 100'000);
  for (std::size_t size = 0; size < message.bytes().size(); ++size) {
    const Result<ProtoMessage> read = ProtoMessage::parse(std::string_view(message.bytes()).substr(0, size));
    CHECK(read.ok() == (size == 0 || size == 15));  // nothing, or the whole first field
  }
}

TEST_CASE("protobuf: no field number, groups, and endless varints are refused") {
  using namespace std::string_view_literals;
  for (const std::string_view bytes :
       {"\x00\x01"sv, "\x0b\x0c"sv, "\x0f"sv, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv,
        "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv}) {
    CHECK_FALSE(ProtoMessage::parse(bytes).ok());
  }
}

TEST_CASE("protobuf: a text that is not UTF-8 counts as absent") {
  using namespace std::string_view_literals;
  for (const std::string_view bad :
       {"\xff"sv, "a\xc3"sv, "\xed\xa0\x80"sv, "\xc0\x80"sv, "\xf4\x90\x80\x80"sv, "\xe0\x80\x80"sv}) {
    ProtoWriter message;
    message.text(1, bad);
    const Result<ProtoMessage> read = ProtoMessage::parse(message.bytes());
    REQUIRE(read.ok());
    CHECK(read.value().text(1).empty());
    CHECK(read.value().bytes(1) == bad);
  }
}

TEST_CASE("grpc: a request carries what gRPC asks for") {
  const HttpRequest request = encode_grpc("https://compute.example", "p.S/M", "abc", Secret("t"));
  CHECK(request.method == "POST");
  CHECK(request.url == "https://compute.example/p.S/M");
  CHECK(find_header(request.headers, "content-type") == "application/grpc+proto");
  CHECK(find_header(request.headers, "te") == "trailers");
  CHECK(find_header(request.headers, "authorization") == "Bearer t");
  CHECK(unframe_grpc(request.body).value() == "abc");
}

TEST_CASE("grpc: an answer is its message") {
  const Result<GrpcAnswer> answer =
      parse_grpc(grpc_answer({{"grpc-status", "0"}}, frame_grpc("abc")), "x", kNow);
  REQUIRE(answer.ok());
  CHECK(answer.value().status == 0);
  CHECK(answer.value().message == "abc");
}

TEST_CASE("grpc: a failure is in the trailers, under HTTP 200") {
  // Unpadded base64 of a google.rpc.Status; the text is percent-encoded.
  const Result<GrpcAnswer> answer = parse_grpc(grpc_answer({{"grpc-status", "8"},
                                                            {"grpc-message", "quota%20limit: 100%25"},
                                                            {"grpc-status-details-bin", "CAg"}}),
                                               "nebius", kNow);
  REQUIRE(answer.ok());
  CHECK(answer.value().status == 8);
  CHECK(answer.value().text == "quota limit: 100%");
  CHECK(answer.value().details == "\x08\x08");
  const Error error = grpc_error(answer.value(), "nebius");
  CHECK(error.kind == ErrorKind::throttled);
  CHECK(error.code == "RESOURCE_EXHAUSTED");
  CHECK(error.message == "RESOURCE_EXHAUSTED: quota limit: 100%");
}

TEST_CASE("grpc: each status has its kind") {
  const auto kind = [](int status) { return grpc_error({.status = status}, "x").kind; };
  CHECK(kind(3) == ErrorKind::invalid);
  CHECK(kind(5) == ErrorKind::not_found);
  CHECK(kind(6) == ErrorKind::conflict);
  CHECK(kind(7) == ErrorKind::auth);
  CHECK(kind(9) == ErrorKind::conflict);
  CHECK(kind(13) == ErrorKind::internal);
  CHECK(kind(14) == ErrorKind::network);
  CHECK(kind(16) == ErrorKind::auth);
  CHECK(kind(-4) == ErrorKind::internal);
  CHECK(kind(17) == ErrorKind::internal);
}

TEST_CASE("grpc: what is no gRPC answer is told apart") {
  CHECK(parse_grpc({.status = 503}, "x", kNow).error().kind == ErrorKind::network);
  CHECK(parse_grpc({.status = 200, .body = "<html>"}, "x", kNow).error().kind == ErrorKind::internal);
  CHECK(parse_grpc(grpc_answer({}, frame_grpc("abc")), "x", kNow).error().kind == ErrorKind::network);
  const auto refused = [](std::string body) {
    return parse_grpc(grpc_answer({{"grpc-status", "0"}}, std::move(body)), "x", kNow).error().message;
  };
  CHECK(refused("") == "cannot read the answer: it is cut");
  CHECK(refused(frame_grpc("abc").substr(0, 6)) == "cannot read the answer: a frame of 3 bytes in 1");
  CHECK(refused(frame_grpc("abc") + frame_grpc("d")) == "cannot read the answer: a frame of 3 bytes in 9");
  CHECK(refused("\x01" + frame_grpc("abc").substr(1)) == "cannot read the answer: its message is compressed");
}

}  // namespace
}  // namespace gpubroker
