#include "providers/digitalocean/codec.hpp"

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"

namespace gpubroker::digitalocean {
namespace {

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Of one GPU; 0 when it cannot be told.
int read_memory(const AnswerValue& info, int count, Harvest& harvest) {
  const std::optional<AnswerValue> vram = info.find("vram");
  if (!vram) { return 0; }
  const std::string unit = lower(vram->text_or("unit", "gib"));
  if (unit != "gib") {
    add_remark(harvest, "unknown unit", unit);
    return 0;
  }
  return vram->at("amount").whole<int>() / count;
}

Listing read_size(const AnswerValue& row, const std::string& slug, Instant now, Harvest& harvest) {
  const AnswerValue info = row.at("gpu_info");
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "digitalocean", .instance_type = slug};
  if (ends_with(slug, "-spot")) { offer.key.market = Market::spot; }
  listing.gpu_text = info.at("model").text();
  offer.gpu.count = info.at("count").whole<int>();
  if (offer.gpu.count <= 0) { AnswerValue::refuse("a GPU size without a GPU"); }
  offer.gpu.form = form_in(listing.gpu_text);
  offer.gpu.memory_gib = read_memory(info, offer.gpu.count, harvest);
  offer.vcpus = row.at("vcpus").whole<int>();
  offer.memory_mib = row.at("memory").whole<std::int64_t>();
  listing.disk_gib = row.whole_or("disk", std::int32_t{0});
  offer.price = {row.at("price_hourly").money().micros};
  offer.learnt_at = now;
  offer.source = "digitalocean/sizes";
  listing.fabric = Fabric::ethernet;  // InfiniBand or RoCE only in contracted clusters
  listing.availability = {.kind = AvailabilityKind::level, .value = 1, .basis = "digitalocean size regions"};
  fill_host(listing);
  return listing;
}

/// "key: value" of a YAML line, without quotes.
std::string value_of(std::string_view line, std::string_view key) {
  const std::string_view text = trim(line);
  if (text.size() <= key.size() || text.substr(0, key.size()) != key || text[key.size()] != ':') {
    return {};
  }
  std::string_view value = trim(text.substr(key.size() + 1));
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) {
    value = value.substr(1, value.size() - 2);
  }
  return std::string(value);
}

}  // namespace

HttpRequest encode_get(const std::string& url, const Secret& token) {
  return bearer_get(url, token);
}

Result<SizesPage> parse_sizes(std::string_view body, Instant now) {
  return read_answer(body, "digitalocean GET /sizes", [&](const AnswerValue& root) -> Result<SizesPage> {
    SizesPage page;
    for_each_row(root.at("sizes"), "sizes", page.harvest, [&](const AnswerValue& row) {
      const std::string slug = row.at("slug").text();
      if (slug.rfind("gpu-", 0) != 0 || ends_with(slug, "-contracted")) { return; }
      const std::vector<AnswerValue> regions = row.at("regions").list();
      if (regions.empty() || !row.boolean_or("available", true)) {
        return add_remark(page.harvest, "no region for this account", slug);
      }
      Listing listing = read_size(row, slug, now, page.harvest);
      for (const AnswerValue& region : regions) {
        listing.offer.key.region = region.text();
        page.harvest.listings.push_back(listing);
      }
    });
    drop_repeated(page.harvest);
    const std::optional<AnswerValue> links = root.find("links");
    const std::optional<AnswerValue> pages = links ? links->find("pages") : std::nullopt;
    if (pages) { page.next = pages->text_or("next"); }
    // The token goes along: nowhere else than to them.
    if (!page.next.empty() && page.next.rfind(std::string(kBase) += '/', 0) != 0) {
      AnswerValue::refuse("the next page is not theirs: " + page.next.substr(0, 80));
    }
    return page;
  });
}

Result<std::string> parse_account(std::string_view body) {
  return read_answer(body, "digitalocean GET /account", [](const AnswerValue& root) -> Result<std::string> {
    return root.at("account").text_or("email");
  });
}

Error parse_error(const HttpResponse& answer, const std::string& path, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, "digitalocean", [&](const AnswerValue& root) {
    code = root.text_or("id");
    message = root.text_or("message");
  }));
  Error error = error_from_answer(answer, "digitalocean GET " + path, code, message, now);
  if (answer.status == 422 && lower(message).find("droplet limit") != std::string::npos) {
    error.kind = ErrorKind::quota;
  }
  return error;
}

Secret parse_doctl(std::string_view text) {
  const std::vector<std::string> lines = split(text, '\n');
  std::string fallback;
  std::string context;
  for (const std::string& line : lines) {
    if (line.empty() || line.front() == ' ') { continue; }
    if (std::string value = value_of(line, "access-token"); !value.empty()) { fallback = std::move(value); }
    if (std::string value = value_of(line, "context"); !value.empty()) { context = std::move(value); }
  }
  if (context.empty() || context == "default") { return Secret(fallback); }
  bool is_inside = false;
  for (const std::string& line : lines) {
    if (!line.empty() && line.front() != ' ') { is_inside = line.rfind("auth-contexts:", 0) == 0; }
    if (!is_inside || line.empty() || line.front() != ' ') { continue; }
    if (std::string value = value_of(line, context); !value.empty()) { return Secret(value); }
  }
  return Secret(fallback);
}

}  // namespace gpubroker::digitalocean
