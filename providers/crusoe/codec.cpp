#include "providers/crusoe/codec.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/digest.hpp"
#include "providers/crusoe/facts.hpp"

namespace gpubroker::crusoe {
namespace {

constexpr std::string_view kSource = "crusoe";
constexpr int kMostMachines = 1'000'000;

constexpr std::array kCodes = {
    CodeRow{"bad_credential", ErrorKind::auth, ErrorScope::account},
    CodeRow{"bad_request", ErrorKind::invalid, ErrorScope::request},
    CodeRow{"internal_error", ErrorKind::network, ErrorScope::request},
    CodeRow{"not_found", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"out_of_stock", ErrorKind::capacity, ErrorScope::region},
    CodeRow{"quota_exceeded", ErrorKind::quota, ErrorScope::account},
};

Result<std::string> from_base64url(std::string text) {
  for (char& c : text) { c = c == '-' ? '+' : c == '_' ? '/' : c; }
  while (text.size() % 4 != 0) { text += '='; }
  return from_base64(text);
}

/// Form encoding: as RFC 3986, but for the space.
std::string form_encode(std::string_view text) {
  std::string encoded = url_encode(text);
  for (std::size_t at = encoded.find("%20"); at != std::string::npos; at = encoded.find("%20", at)) {
    encoded.replace(at, 3, "+");
  }
  return encoded;
}

std::string encode_sorted(QueryPairs query) {
  std::sort(query.begin(), query.end());
  std::string text;
  for (const auto& [name, value] : query) {
    if (!text.empty()) { text += "&"; }
    text += form_encode(name);
    text += "=";
    text += form_encode(value);
  }
  return text;
}

/// "A100-PCIe-80GB" -> 80.
int memory_of(const std::string& words) {
  const std::size_t unit = words.rfind("GB");
  if (unit == std::string::npos || unit == 0) { return 0; }
  const std::size_t before = words.find_last_not_of("0123456789", unit - 1);
  const std::size_t start = before == std::string::npos ? 0 : before + 1;
  return static_cast<int>(parse_int(words.substr(start, unit - start)).value_or(0));
}

Listing read_type(const AnswerValue& row, Instant now) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "crusoe", .instance_type = row.at("product_name").text()};
  listing.gpu_text = row.text_or("gpu_type");
  offer.gpu.count = row.whole_or<int>("num_gpu", 0);
  if (offer.gpu.count < 0 || offer.gpu.count > 1024) { AnswerValue::refuse("num_gpu is out of range"); }
  offer.vcpus = row.at("cpu_cores").whole<int>();
  offer.memory_mib = row.at("memory_gb").whole<std::int32_t>() * std::int64_t{1024};
  listing.disk_gib = row.whole_or<std::int32_t>("disk_gb", 0);
  offer.learnt_at = now;
  offer.source = "crusoe/capacities";
  read_words(listing);
  if (row.text_or("cpu_type") == "arm64") { listing.arch = "arm64"; }
  price_listing(listing);
  return listing;
}

}  // namespace

void read_words(Listing& listing) {
  const std::string& words = listing.gpu_text;
  const std::string& type = listing.offer.key.instance_type;
  const bool is_rack = words.rfind("GB", 0) == 0;  // "GB200-NVL-186GB": Grace and an NVL72 rack
  if (words.find("SXM") != std::string::npos) { listing.offer.gpu.form = "SXM"; }
  if (words.find("PCIe") != std::string::npos) { listing.offer.gpu.form = "PCIe"; }
  listing.offer.gpu.memory_gib = memory_of(words);
  listing.arch = is_rack ? "arm64" : "x86_64";
  const bool has_infiniband = type.find("-ib.") != std::string::npos;
  if (!is_rack) { listing.fabric = has_infiniband ? Fabric::infiniband : Fabric::ethernet; }
  if (is_rack) { listing.nvlink_domain = 72; }
  if (listing.offer.gpu.form == "SXM") { listing.nvlink_domain = listing.offer.gpu.count; }
}

std::string signed_text(std::string_view path, std::string_view query, std::string_view method,
                        std::string_view timestamp) {
  std::string text;
  for (const std::string_view line : {path, query, method, timestamp}) {
    text += line;
    text += '\n';
  }
  return text;
}

Result<HttpRequest> encode_get(const std::string& endpoint, std::string_view path, QueryPairs query,
                               const Keys& keys, Instant now) {
  const Result<std::string> key = from_base64url(keys.secret.reveal());
  if (!key.ok() || key.value().empty()) {
    return Error{.kind = ErrorKind::auth,
                 .message = "the secret key is not base64",
                 .source = std::string(kSource),
                 .scope = ErrorScope::account};
  }
  HttpRequest request;
  request.url = endpoint;
  request.url += path;
  TRY(const UrlParts parts, split_url(request.url));
  const std::string text = encode_sorted(std::move(query));
  if (!text.empty()) { request.url += "?" + text; }
  const std::string timestamp = format_utc({now.ms / 1'000 * 1'000});  // whole seconds
  const std::string signature =
      to_base64url(hmac_sha256(key.value(), signed_text(parts.path, text, "GET", timestamp)));
  std::string bearer = "Bearer 1.0:";
  bearer += keys.id + ":" + signature;
  request.headers = {
      {"X-Crusoe-Timestamp", timestamp}, {"Authorization", bearer}, {"Accept", "application/json"}};
  return request;
}

Result<std::string> parse_projects(std::string_view body, std::vector<Project>& projects) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::string> {
    for (const AnswerValue& item : root.at("items").list()) {
      projects.push_back({.id = item.at("id").text(), .name = item.text_or("name")});
    }
    return root.text_or("next_page_token");
  });
}

Result<std::string> parse_capacities(std::string_view body, Capacities& capacities, Harvest& harvest) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::string> {
    for_each_row(root.at("items"), "items", harvest, [&](const AnswerValue& row) {
      const std::string type = row.at("type").text();
      const std::string location = row.at("location").text();
      const int quantity = std::clamp(row.at("quantity").whole<int>(), 0, kMostMachines);
      int& known = capacities[{type, location}];
      known = std::max(known, quantity);
    });
    return root.text_or("next_page_token");
  });
}

Result<std::string> parse_types(std::string_view body, Instant now, std::vector<Listing>& types,
                                Harvest& harvest) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::string> {
    for_each_row(root.at("items"), "items", harvest, [&](const AnswerValue& row) {
      Listing listing = read_type(row, now);
      const auto is_known = [&](const Listing& known) {
        return known.offer.key.instance_type == listing.offer.key.instance_type;
      };
      const bool is_new = std::none_of(types.begin(), types.end(), is_known);
      if (listing.offer.gpu.count > 0 && is_new) { types.push_back(std::move(listing)); }
    });
    return root.text_or("next_page_token");
  });
}

void place_types(const std::vector<Listing>& types, const Capacities& capacities, Harvest& harvest) {
  for (const Listing& type : types) {
    bool is_placed = false;
    for (const auto& [place, quantity] : capacities) {
      if (place.first != type.offer.key.instance_type) { continue; }
      is_placed = true;
      Listing listing = type;
      listing.offer.key.region = place.second;
      listing.availability = {
          .kind = AvailabilityKind::count, .value = quantity, .basis = "crusoe capacities"};
      harvest.listings.push_back(std::move(listing));
    }
    if (is_placed) { continue; }
    harvest.listings.push_back(type);
    harvest.listings.back().offer.key.region = "any";
  }
}

Error parse_error(const HttpResponse& answer, std::string_view path, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    code = root.text_or("code");
    message = root.text_or("message");
  }));
  Error error = error_from_answer(answer, "crusoe GET " + std::string(path), code, message, now);
  judge_by_code(error, code, kCodes);
  return error;
}

}  // namespace gpubroker::crusoe
