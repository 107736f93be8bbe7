#include "providers/fluidstack/codec.hpp"

#include <algorithm>
#include <set>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/flat_json.hpp"

namespace gpubroker::fluidstack {
namespace {

constexpr std::string_view kSource = "fluidstack";
constexpr int kMostMachines = 1'000'000;
constexpr std::int64_t kMostMib = std::int64_t{1} << 40U;

/// "1800Gi", "2Ti", "512Mi": Kubernetes' binary quantities, in MiB.
std::int64_t read_quantity(const AnswerValue& value) {
  const std::string text = value.text();
  const std::size_t end = text.find_first_not_of("0123456789");
  const std::string unit = end == std::string::npos ? "" : text.substr(end);
  const std::optional<std::int64_t> number = parse_int(text.substr(0, end));
  const std::int64_t mib = unit == "Mi" ? 1 : unit == "Gi" ? 1024 : unit == "Ti" ? 1024 * 1024 : 0;
  if (!number || mib == 0 || *number < 0 || *number > kMostMib / mib) {
    AnswerValue::refuse("'" + text.substr(0, 40) + "' is no amount of memory");
  }
  return *number * mib;
}

Listing read_type(const AnswerValue& row, Instant now) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "fluidstack",
               .region = "any",
               .instance_type = row.at("name").text(),
               .market = Market::contract};
  offer.gpu.count = row.whole_or<int>("gpu_count", 0);
  if (offer.gpu.count < 0 || offer.gpu.count > 1024) { AnswerValue::refuse("gpu_count is out of range"); }
  listing.gpu_text = row.text_or("gpu_model");
  if (listing.gpu_text.find("SXM") != std::string::npos) { offer.gpu.form = "SXM"; }
  const bool is_rack = listing.gpu_text.find("GB200") != std::string::npos ||
                       listing.gpu_text.find("GB300") != std::string::npos;
  listing.arch = is_rack ? "arm64" : "x86_64";
  if (is_rack) { listing.nvlink_domain = 72; }
  offer.vcpus = row.at("cpu").whole<int>();
  offer.memory_mib = read_quantity(row.at("memory"));
  offer.learnt_at = now;
  offer.source = "fluidstack/capacity";
  listing.basis = PriceBasis::quote;
  return listing;
}

}  // namespace

HttpRequest encode_token_request(const std::string& client_id, const Secret& client_secret) {
  HttpRequest request;
  request.method = "POST";
  request.url = "https://oauth.fluidstack.io/oauth/token";
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  FlatWriter body;
  body.open().field("grant_type", "client_credentials").field("client_id", client_id);
  body.field("client_secret", client_secret.reveal()).field("audience", "https://api.fluidstack.io").close();
  request.body = std::move(body).take();
  request.repeatable = true;
  return request;
}

Result<Secret> parse_token(const HttpResponse& answer, Instant now) {
  if (answer.status >= 400) {
    std::string code;
    std::string message;
    static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
      code = root.text_or("error");
      message = root.text_or("error_description");
    }));
    Error error = error_from_answer(answer, "fluidstack POST /oauth/token", code, message, now);
    // OAuth may refuse a client with 400 or 401 (RFC 6749, 5.2).
    if (answer.status == 400 || answer.status == 403) {
      error.kind = ErrorKind::auth;
      error.scope = ErrorScope::account;
    }
    return error;
  }
  TRY(Secret token, read_answer(answer.body, kSource, [](const AnswerValue& root) -> Result<Secret> {
        return Secret(root.at("access_token").text());
      }));
  if (token.empty()) {
    return Error{.kind = ErrorKind::auth, .message = "no token was given", .source = std::string(kSource)};
  }
  return token;
}

HttpRequest encode_get(std::string_view path, const Secret& token, const std::string& project) {
  HttpRequest request;
  request.url = std::string(kBase);
  request.url += path;
  request.headers = {{"Authorization", "Bearer " + token.reveal()}, {"Accept", "application/json"}};
  if (!project.empty()) { request.headers.emplace_back("X-PROJECT-ID", project); }
  return request;
}

Result<std::vector<Project>> parse_projects(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::vector<Project>> {
    std::vector<Project> projects;
    for (const AnswerValue& row : root.list()) {
      projects.push_back({.id = row.at("id").text(), .name = row.text_or("name")});
    }
    return projects;
  });
}

Result<Capacity> parse_capacity(std::string_view body, Harvest& harvest) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<Capacity> {
    Capacity capacity;
    for_each_row(root, "capacity", harvest, [&](const AnswerValue& row) {
      const int machines = std::clamp(row.at("capacity").whole<int>(), 0, kMostMachines);
      capacity.emplace(row.at("name").text(), machines);
    });
    return capacity;
  });
}

Result<Harvest> parse_types(std::string_view body, const Capacity& capacity, Instant now) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    std::set<std::string> told;  // twice is one
    for_each_row(root, "instance-types", harvest, [&](const AnswerValue& row) {
      Listing listing = read_type(row, now);
      const std::string& type = listing.offer.key.instance_type;
      if (listing.offer.gpu.count == 0 || !told.insert(type).second) { return; }
      if (const auto found = capacity.find(type); found != capacity.end()) {
        listing.availability = {
            .kind = AvailabilityKind::count, .value = found->second, .basis = "fluidstack capacity"};
      }
      harvest.listings.push_back(std::move(listing));
    });
    return harvest;
  });
}

Error parse_error(const HttpResponse& answer, std::string_view what, Instant now) {
  std::string message;
  static_cast<void>(visit_answer(answer.body, kSource,
                                 [&](const AnswerValue& root) { message = root.text_or("message"); }));
  Error error = error_from_answer(answer, "fluidstack GET " + std::string(what), "", message, now);
  if (answer.status == 501) { error.kind = ErrorKind::not_found; }  // not offered in that region
  return error;
}

}  // namespace gpubroker::fluidstack
