// Calls, accounts and machine types; prices and availability are in codec_market.cpp.
#include "providers/nebius/codec.hpp"

#include "core/base/text.hpp"
#include "core/wire/grpc.hpp"
#include "core/wire/protobuf.hpp"

namespace gpubroker::nebius {
namespace {

constexpr std::uint64_t kPageSize = 100;  // ten when nobody says so
constexpr std::int64_t kMostOfAnything = 1'000'000;

/// "; compute.instance.gpu.h100: 16 requested, the limit is 8". A violation's own sentence may leave that
/// out. QuotaFailure{violations1{quota1 message2 limit3 requested4}}.
std::string tell_quotas(const ProtoMessage& failure) {
  std::string text;
  const Result<std::vector<ProtoMessage>> violations = failure.messages(1);
  if (!violations.ok()) { return text; }
  for (const ProtoMessage& one : violations.value()) {
    text += "; " + one.text(1);
    if (!one.text(4).empty()) { text += ": " + one.text(4) + " requested"; }
    if (!one.text(3).empty()) { text += ", the limit is " + one.text(3); }
  }
  return text;
}

/// NotEnoughResources{violations1{resource_type1 message2 requested3}}.
std::string tell_shortage(const ProtoMessage& shortage) {
  std::string text;
  const Result<std::vector<ProtoMessage>> violations = shortage.messages(1);
  if (!violations.ok()) { return text; }
  for (const ProtoMessage& one : violations.value()) {
    text += "; " + (one.text(2).empty() ? one.text(1) : one.text(2));
  }
  return text;
}

/// nebius.common.v1.ServiceError{code2 too_many_requests140 quota_failure141 not_enough_resources142}.
void read_service_error(const ProtoMessage& details, Error& error) {
  if (details.has(140)) { error.kind = ErrorKind::throttled; }
  if (details.has(141)) {
    error.kind = ErrorKind::quota;
    error.scope = ErrorScope::region;
    if (const Result<ProtoMessage> quotas = details.message(141); quotas.ok()) {
      error.message += tell_quotas(quotas.value());
    }
  }
  if (details.has(142)) {
    error.kind = ErrorKind::capacity;
    error.scope = ErrorScope::offer;
    if (const Result<ProtoMessage> shortage = details.message(142); shortage.ok()) {
      error.message += tell_shortage(shortage.value());
    }
  }
  if (const std::string code = details.text(2); !code.empty()) { error.code = code; }
}

/// google.rpc.Status{details3: Any{value2: nebius.common.v1.ServiceError}}: what the status code leaves open.
void read_details(const std::string& bytes, Error& error) {
  const Result<ProtoMessage> status = ProtoMessage::parse(bytes);
  if (!status.ok()) { return; }
  const Result<std::vector<ProtoMessage>> details = status.value().messages(3);
  if (!details.ok()) { return; }
  for (const ProtoMessage& any : details.value()) {
    const Result<ProtoMessage> service_error = any.message(2);
    if (!service_error.ok()) { continue; }
    read_service_error(service_error.value(), error);
  }
}

Error read_failure(const GrpcAnswer& answer, const std::string& source) {
  Error error = grpc_error(answer, source);
  if (lower(answer.text).find("quota limit exceeded") != std::string::npos) {
    error.kind = ErrorKind::quota;
    error.scope = ErrorScope::region;
  }
  read_details(answer.details, error);
  return error;
}

HttpRequest encode(std::string_view domain, const Method& method, std::string_view message,
                   const Secret& token) {
  std::string base = "https://";
  base += method.host;
  base += ".";
  base += domain;
  return encode_grpc(base, method.name, message, token);
}

/// An id or a name: metadata1{id1, name3} of nearly everything.
Result<std::string> metadata(const ProtoMessage& item, int field) {
  TRY(const ProtoMessage metadata, item.message(1));
  return metadata.text(field);
}

bool is_plausible(std::int64_t number) {
  return number >= 0 && number <= kMostOfAnything;
}

/// Preset{name1 resources2{vcpu_count1 memory_gibibytes3 gpu_count4} allow_gpu_clustering3}.
Result<Preset> read_preset(const ProtoMessage& message, Preset preset) {
  TRY(const ProtoMessage resources, message.message(2));
  preset.name = message.text(1);
  const std::int64_t vcpus = resources.integer(1);
  const std::int64_t memory = resources.integer(3);
  const std::int64_t gpus = resources.integer(4);
  if (preset.name.empty() || !is_plausible(vcpus) || !is_plausible(memory) || !is_plausible(gpus)) {
    return Error{.kind = ErrorKind::internal,
                 .message = "a preset without name, or with sizes that cannot be"};
  }
  preset.vcpus = static_cast<int>(vcpus);
  preset.memory_gib = static_cast<int>(memory);
  preset.gpus = static_cast<int>(gpus);
  preset.joins_fabric = message.number(3) != 0;
  return preset;
}

/// Platform{metadata1 spec2{presets1 gpu_count_quota_type3 human_readable_name4 gpu_memory_gigabytes12}
/// status3{allowed_for_preemptibles3}}. Field 11 is the same memory in GiB, which nobody calls a GPU by.
Status read_platform(const ProtoMessage& item, std::vector<Preset>& presets) {
  Preset common;
  TRY(common.platform, metadata(item, 3));
  TRY(const ProtoMessage spec, item.message(2));
  TRY(const ProtoMessage status, item.message(3));
  common.words = spec.text(4);
  common.quota = spec.text(3);
  const std::int64_t memory = spec.integer(12);
  common.gpu_memory_gb = is_plausible(memory) ? static_cast<int>(memory) : 0;
  common.preemptible = status.number(3) != 0;
  if (common.platform.empty()) { return Error{.kind = ErrorKind::internal, .message = "it has no name"}; }
  TRY(const std::vector<ProtoMessage> rows, spec.messages(1));
  for (const ProtoMessage& row : rows) {
    TRY(Preset preset, read_preset(row, common));
    if (preset.gpus > 0) { presets.push_back(std::move(preset)); }
  }
  return Ok{};
}

}  // namespace

HttpRequest encode_call(std::string_view domain, const Method& method, std::string_view message,
                        const Secret& token) {
  HttpRequest request = encode(domain, method, message, token);
  request.repeatable = true;
  return request;
}

HttpRequest encode_change(std::string_view domain, const Method& method, std::string_view message,
                          const Secret& token, const std::string& idempotency_key) {
  HttpRequest request = encode(domain, method, message, token);
  request.repeatable = idempotency_key.empty();
  if (!idempotency_key.empty()) { request.headers.emplace_back("X-Idempotency-Key", idempotency_key); }
  return request;
}

std::string source_of(const Method& method) {
  const std::size_t service = method.name.rfind('.');
  return "nebius " + std::string(method.name.substr(service + 1));
}

/// google.rpc.Status{code1 message2 details3}.
Error read_status(const std::string& status, const std::string& source) {
  const Result<ProtoMessage> read = ProtoMessage::parse(status);
  if (!read.ok()) {
    Error error = read.error();
    error.source = source;
    return error;
  }
  constexpr std::uint64_t kUnknown = 2;
  const std::uint64_t code = read.value().number(1);
  return read_failure({.status = static_cast<int>(code < 100 ? code : kUnknown),
                       .text = read.value().text(2),
                       .details = status},
                      source);
}

Result<std::string> parse_call(const HttpResponse& answer, const Method& method, Instant now) {
  TRY(GrpcAnswer read, parse_grpc(answer, source_of(method), now));
  if (read.status == 0) { return std::move(read.message); }
  return read_failure(read, source_of(method));
}

std::string encode_list_in(const std::string& parent, const std::string& page, std::uint64_t page_size) {
  ProtoWriter request;
  request.text(1, parent).number(2, page_size).text(3, page);
  return request.bytes();
}

std::string encode_list_tenants(const std::string& page) {
  ProtoWriter request;
  request.number(1, kPageSize).text(2, page);
  return request.bytes();
}

Result<Page<std::string>> parse_tenants(std::string_view message) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> items, root.messages(1));
  Page<std::string> page{.next = root.text(2)};
  for (const ProtoMessage& item : items) {
    TRY(std::string id, metadata(item, 1));
    if (!id.empty()) { page.items.push_back(std::move(id)); }
  }
  return page;
}

std::string encode_list_projects(const std::string& tenant, const std::string& page) {
  return encode_list_in(tenant, page);
}

Result<Page<Project>> parse_projects(std::string_view message) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> items, root.messages(1));
  Page<Project> page{.next = root.text(2)};
  for (const ProtoMessage& item : items) {
    TRY(std::string id, metadata(item, 1));
    TRY(const ProtoMessage status, item.message(3));
    // A project without a region is older than regions and can hold no machine.
    if (const std::string region = status.text(4); !id.empty() && !region.empty()) {
      page.items.push_back({.id = std::move(id), .region = region});
    }
  }
  return page;
}

/// {user_profile1{id1 attributes3{email6}} | service_account_profile2{info1{metadata1}} |
/// anonymous_profile3}.
Result<std::string> parse_profile(std::string_view message) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const ProtoMessage user, root.message(1));
  TRY(const ProtoMessage attributes, user.message(3));
  if (!attributes.text(6).empty()) { return attributes.text(6); }
  if (!user.text(1).empty()) { return user.text(1); }
  TRY(const ProtoMessage account, root.message(2));
  TRY(const ProtoMessage info, account.message(1));
  TRY(std::string name, metadata(info, 3));
  TRY(const std::string id, metadata(info, 1));
  return name.empty() ? id : name + " (" + id + ")";
}

std::string instance_type_of(std::string_view platform, std::string_view preset) {
  std::string type(platform);
  type += '_';
  type += preset;
  return type;
}

std::string encode_list_platforms(const std::string& project, const std::string& page) {
  ProtoWriter request;
  request.number(1, kPageSize).text(2, page).text(3, project);
  return request.bytes();
}

Result<Page<Preset>> parse_platforms(std::string_view message, Harvest& harvest) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> items, root.messages(1));
  Page<Preset> page{.next = root.text(2)};
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Status read = read_platform(items[i], page.items);
    if (!read.ok()) {
      add_remark(harvest, "row refused", "platforms[" + std::to_string(i) + "]: " + read.error().message);
    }
  }
  return page;
}

}  // namespace gpubroker::nebius
